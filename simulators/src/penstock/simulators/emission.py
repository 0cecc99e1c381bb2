"""What a simulated device gives at one moment: the values of some of its tags, as the device speaks them."""

from __future__ import annotations

from dataclasses import dataclass

from penstock.core.values import Value


@dataclass(frozen=True, slots=True)
class Point:
    """Carry one tag's raw value (the device's unit) and status."""

    tag: str
    value: Value
    status: int


@dataclass(frozen=True, slots=True)
class Emission:
    """Carry the points of one device with one source time."""

    device: str
    time_ns: int
    points: tuple[Point, ...]
