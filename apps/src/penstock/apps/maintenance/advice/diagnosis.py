"""What is said of a machine that is not as when healthy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Final

UNKNOWN: Final = "unknown"
COMMUNICATION: Final = "communication"
OR: Final = " or "
"""Between parts, and between modes, that fit about equally."""


class Kind(StrEnum):
    """What is broken: the machine, what measures it, or the wire that tells of it."""

    MACHINE = "machine"
    SENSOR = "sensor"
    COMMUNICATION = "communication"


class Urgency(StrEnum):
    """How soon something must be done; *now*: a repair ordered today comes late, or just in time."""

    NOW = "now"
    WEEK = "this week"
    PLAN = "plan"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Part and mode that fit best, how sure (0 to 1), what to do, how soon, since when, and why in sentences.

    `part`: of the failure mode, or of several that fit about equally; `sensor:CHANNEL`, `communication`, or `unknown`.
    `mode`: the failure mode's name, for a sensor how it is broken (drift, stuck, noise, spike, dropout), else empty.
    """

    kind: Kind
    part: str
    mode: str
    certainty: float
    action: str
    urgency: Urgency
    since_ns: int
    evidence: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Give the diagnosis as JSON values."""
        return asdict(self) | {"evidence": list(self.evidence)}

    @classmethod
    def of_json(cls, kept: Mapping[str, Any]) -> Diagnosis:
        """Take what `to_json` gave."""
        sentences = tuple(str(sentence) for sentence in kept["evidence"])
        told = {"kind": Kind(kept["kind"]), "urgency": Urgency(kept["urgency"]), "evidence": sentences}
        return cls(**{**kept, **told})
