"""The Fault: what can be broken in a model, from outside, for an experiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from penstock.core.errors import PenstockError


class FaultError(PenstockError):
    """Say why a fault cannot be injected, cleared or repaired."""


@dataclass(frozen=True, slots=True)
class FaultRequest:
    """Ask for a fault: severity at once 0 to 1, growth in severity per hour of running, onset in seconds from now."""

    fault: str
    severity: float = 0.2
    growth_per_h: float = 2.0
    onset_s: float = 0.0

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
