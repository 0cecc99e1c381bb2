"""What is said of a machine at one moment, whatever model says it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from penstock.apps.maintenance.advice.diagnosis import Diagnosis
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.zones import Zone

SECOND = 1_000_000_000
GOOD = 0
UNCERTAIN_SUBNORMAL = 0x40950000
"""OPC UA Uncertain_SubNormal: derived from fewer Good sources than there should be."""


class Phase(StrEnum):
    """What the model is doing: *learning* judges by the zones alone, *refining* and *watching* by the baseline too."""

    LEARNING = "learning"
    REFINING = "refining"
    WATCHING = "watching"


@dataclass(frozen=True, slots=True)
class Finding:
    """One channel in one assessment: what it reads, what was expected, health points lost, since when it stands out.

    `deviation`: from what was expected, signed, in quarters of what counts as a change; None where nothing was.
    """

    channel: Channel
    value: float
    expected: float | None
    severity: float
    loss: float
    since_ns: int | None
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class Assessment:
    """Health at the end of one window. `status` is Uncertain_SubNormal where a channel had no Good value.

    `zone`: of ISO 20816, where a vibration velocity is judged; `more`: what else is written, by property; `diagnosis`:
    which part is suspected, where any is.
    """

    time_ns: int
    health: float
    status: int
    zone: Zone | None
    phase: Phase
    learned: float
    load: float | None
    findings: tuple[Finding, ...]
    more: Mapping[str, float | str] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
