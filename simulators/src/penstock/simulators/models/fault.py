"""The words of faults: what can be asked for, and what the hidden truth tells. No tag ever carries any of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

from penstock.core.errors import PenstockError


class FaultError(PenstockError):
    """Say why a fault cannot be injected, cleared or repaired."""


class NotBrokenError(FaultError):
    """Say that what is to be repaired is sound, and what is broken."""


class FaultKind(StrEnum):
    """Say what a fault breaks: the machine, what measures it, or the wire that tells of it."""

    MACHINE = "machine"
    SENSOR = "sensor"
    COMMUNICATION = "communication"


class Law(StrEnum):
    """Name how severity grows with what the part has done; the means agree, see `faults.growth`."""

    LINEAR = "linear"
    EXPONENTIAL = "exponential"
    GAMMA = "gamma"


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """Ask for a fault: severity at once 0 to 1, growth in severity per hour of running, onset in seconds from now."""

    fault: str
    severity: float = 0.2
    growth_per_h: float = 2.0
    onset_s: float = 0.0
    law: Law = Law.LINEAR

    def __post_init__(self) -> None:
        for name, value, high in (
            ("severity", self.severity, 1.0),
            ("growth_per_h", self.growth_per_h, 3600.0),
            ("onset_s", self.onset_s, 30 * 86_400.0),
        ):
            if not 0.0 <= value <= high:
                message = f"{name} {value} is outside 0 to {high:g}"
                raise FaultError(message, key=name)


@dataclass(frozen=True, slots=True)
class FaultState:
    """Tell the hidden truth of one fault; it never becomes a tag."""

    fault: str
    active: bool
    severity: float
    growth_per_h: float
    onset_s: float
    kind: FaultKind = FaultKind.MACHINE
    component: str = ""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Tell the hidden truth of a device at a moment: states that no tag carries, its faults, and whether it failed."""

    states: Mapping[str, float] = field(default_factory=dict)
    """Name with its unit → value, such as `winding_degC`."""
    faults: tuple[FaultState, ...] = ()
    failed: str = ""
    """The fault that brought the machine to a stand; empty while it can run."""


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """Tell what a machine did by itself: `onset` of natural wear, `failure`, `repair` by its crew."""

    action: str
    fault: str
    severity: float


@runtime_checkable
class Faulty(Protocol):
    """A model that has faults."""

    def faults(self) -> list[FaultState]:
        """List every fault that the model has, active or not."""

    def inject(self, request: FaultRequest) -> None:
        """Start a fault; FaultError names the faults there are when it has no such."""

    def clear(self, fault: str) -> None:
        """Take a fault back as if it had never been."""

    def repair(self, fault: str) -> None:
        """Repair as a fitter does: the machine stops, the part is new, the machine starts again."""


@runtime_checkable
class Hiding(Protocol):
    """A model that tells its hidden truth, for the truth store alone."""

    def hidden(self) -> Hidden:
        """Give the truth of this moment."""
