"""The words of the hidden truth: what a fault is at a moment, what happened, what a machine was like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Action(StrEnum):
    """What can happen to a fault."""

    INJECTED = "injected"
    """Asked for; it may still wait for its onset."""
    ONSET = "onset"
    """The damage is there from now on."""
    STEP = "step"
    """Severity passed a tenth."""
    FAILED = "failed"
    """The fault is complete: the machine has failed by it, a sensor tells nothing more."""
    CLEARED = "cleared"
    """Taken back as if it had never been."""
    REPAIRED = "repaired"
    """A new part is in."""


class Cause(StrEnum):
    """Who or what brought it about."""

    REQUEST = "request"
    """An experimenter, by the control API or on the command line."""
    WEAR = "wear"
    """The machine's own wear, or a plan that it carries out by itself."""
    CREW = "crew"
    """The machine's own repair crew."""


@dataclass(frozen=True, slots=True)
class FaultTruth:
    """One active fault at a moment; kind is machine, sensor or communication."""

    fault: str
    kind: str = "machine"
    component: str = ""
    severity: float = 0.0
    growth_per_h: float = 0.0
    onset_s: float = 0.0
    law: str = "linear"
    cause: Cause = Cause.WEAR
    start: float = 0.0
    """Severity at the onset, as far as it was seen."""
    rul_s: float | None = None
    """Mean seconds of running that the growth law leaves until severity 1; None where nothing grows."""

    @property
    def begun(self) -> bool:
        """Say whether the damage is there: its onset is over."""
        return self.onset_s <= 0.0


@dataclass(frozen=True, slots=True)
class TruthEvent:
    """Something that happened to a fault of a device; `asset` is the path that its device file names, or empty.

    `detail` of what was injected: what was asked for; of what was cleared or repaired: `rul_s` that the law had left.
    """

    time_ns: int
    device: str
    asset: str
    action: Action
    fault: str
    kind: str
    component: str
    severity: float
    cause: Cause
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TruthState:
    """A device at a moment: hidden states (unit last in the name), its active faults, the fault it failed by.

    `machine`: it is a machine that can fail, not a sensor or meter alone.

    `rul_s` is the least of its machine faults' that have begun, by their growth laws.
    """

    time_ns: int
    device: str
    asset: str
    failed: str
    states: Mapping[str, float]
    faults: tuple[FaultTruth, ...]
    machine: bool = True

    @property
    def rul_s(self) -> float | None:
        """Give the remaining useful life by the growth laws; 0 for a machine that has failed, None where none grows."""
        if self.failed:
            return 0.0
        left = [one.rul_s for one in self.faults if one.kind == "machine" and one.begun and one.rul_s is not None]
        return min(left, default=None)


@dataclass(frozen=True, slots=True)
class Told:
    """What the recorder found at one look."""

    events: tuple[TruthEvent, ...] = ()
    states: tuple[TruthState, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.events or self.states)

    def __add__(self, other: Told) -> Told:
        return Told(self.events + other.events, self.states + other.states)
