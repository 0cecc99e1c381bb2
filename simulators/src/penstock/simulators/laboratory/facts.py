"""What the laboratory is told of the simulated plant, and what it may do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from penstock.simulators.models.fault import FaultRequest, FaultState
from penstock.simulators.truth.records import TruthEvent, TruthState


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """A simulated device at this moment.

    `possible`: every fault of its machine, active or not. `sensors`: per tag the kinds of fault its sensor can have.
    `running`: what its machine last said of itself; None where it does not say.
    """

    device: str
    asset: str
    model: str
    description: str
    driver: str
    possible: tuple[FaultState, ...] = ()
    sensors: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    truth: TruthState | None = None
    running: bool | None = None
    state: str = ""
    trip: str = ""
    silent: bool = False

    @property
    def is_machine(self) -> bool:
        """Say whether it is a machine that can fail, not a sensor or meter alone."""
        return bool(self.possible)


class Plant(Protocol):
    """The running simulators, as the laboratory needs them."""

    def now_ns(self) -> int:
        """Give the plant's time."""

    def devices(self) -> Sequence[DeviceFacts]:
        """Give every device that runs, by name."""

    def inject(self, device: str, request: FaultRequest) -> None:
        """Start a fault; FaultError where that cannot be."""

    def clear(self, device: str, fault: str) -> None:
        """Take a fault back."""

    def repair(self, device: str, fault: str) -> None:
        """Repair it."""


class History(Protocol):
    """What the truth store remembers."""

    def last_events(self, *, device: str = "", limit: int = 1000) -> list[TruthEvent]:
        """Give the newest events in the order of time."""

    def state_at(self, device: str, time_ns: int) -> TruthState | None:
        """Give a device as it was noted last at or before a time."""

    def thinned(self, device: str, *, start_ns: int, end_ns: int, points: int) -> list[TruthState]:
        """Give some of a device's states in the order of time."""
