"""The reference of the aggregates: slow, plain, by the definitions of OPC UA Part 13; the historian is judged by it.

One tag's samples, ordered by (time, position, row), are seen as regions: from each sample to the next, its status and,
where Stepped, its value hold. Before the first sample there is nothing (Bad). A sample is *usable* when it is not Bad
and has a number; Uncertain is usable unless `treat_uncertain_as_bad`.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from penstock.core import status as codes
from penstock.core.windows import Window, windows

__all__ = ["Aggregate", "AggregateSettings", "Aggregated", "Point", "Window", "aggregate", "windows"]

CALCULATED: Final = 0x01
INTERPOLATED: Final = 0x02
PARTIAL: Final = 0x04
"""Historian bits of a status code (Part 13, 5.3.3)."""


class Aggregate(StrEnum):
    """Name the aggregates served."""

    COUNT = "Count"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    AVERAGE = "Average"
    TIME_AVERAGE = "TimeAverage"
    PERCENT_GOOD = "PercentGood"
    START = "Start"
    END = "End"


@dataclass(frozen=True, slots=True)
class AggregateSettings:
    """Hold what Part 13, 4.2.1.2 (AggregateConfiguration) lets a client choose; percentages are of duration."""

    stepped: bool = True
    treat_uncertain_as_bad: bool = False
    percent_data_good: float = 100.0
    percent_data_bad: float = 100.0


@dataclass(frozen=True, slots=True)
class Point:
    """Hold one sample; a bool counts as 0 or 1, a string has no number (None)."""

    time_ns: int
    status: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Hold the results of one window: None where there is no value; `status` of the window as a whole."""

    window: Window
    values: dict[Aggregate, float | None]
    status: int


@dataclass(frozen=True, slots=True)
class _Region:
    """Hold one piece of a window in which one sample is the newest (None: before all)."""

    start_ns: int
    end_ns: int
    point: Point | None
    following: Point | None

    @property
    def length_ns(self) -> int:
        return self.end_ns - self.start_ns


def aggregate(
    points: Sequence[Point],
    over: Sequence[Window],
    wanted: Sequence[Aggregate],
    *,
    settings: AggregateSettings | None = None,
) -> list[Aggregated]:
    """Compute each wanted aggregate over each window; `points` must hold the sample before the first window, if any.

    Where Stepped is off, also the one after the last window.
    """
    chosen = settings or AggregateSettings()
    assert all(a.time_ns <= b.time_ns for a, b in pairwise(points)), "points must be in time order"
    times = [point.time_ns for point in points]
    return [_window(_Scene(points, times, window, chosen), wanted) for window in over]


@dataclass(frozen=True, slots=True)
class _Scene:
    points: Sequence[Point]
    times: Sequence[int]
    window: Window
    settings: AggregateSettings

    def is_usable(self, point: Point | None) -> bool:
        if point is None or point.value is None or math.isnan(point.value) or codes.is_bad(point.status):
            return False
        return codes.is_good(point.status) or not self.settings.treat_uncertain_as_bad

    def inside(self) -> Sequence[Point]:
        low = bisect_left(self.times, self.window.start_ns)
        return self.points[low : bisect_left(self.times, self.window.end_ns)]

    def usable(self) -> list[float]:
        return [point.value for point in self.inside() if self.is_usable(point) and point.value is not None]

    def regions(self) -> Iterator[_Region]:
        index = bisect_right(self.times, self.window.start_ns) - 1
        start = self.window.start_ns
        while start < self.window.end_ns:
            following = self.points[index + 1] if index + 1 < len(self.points) else None
            end = self.window.end_ns if following is None else min(following.time_ns, self.window.end_ns)
            if end > start:
                yield _Region(start, end, self.points[index] if index >= 0 else None, following)
            start, index = max(start, end), index + 1

    def value_at(self, time_ns: int) -> float | None:
        """Give the simple bounding value (Part 13, 3.1.8): at or before the time, or interpolated where not Stepped."""
        index = bisect_right(self.times, time_ns) - 1
        before = self.points[index] if index >= 0 else None
        if before is None or not self.is_usable(before):
            return None
        after = self.points[index + 1] if index + 1 < len(self.points) else None
        return self._between(before, after, time_ns)

    def _between(self, before: Point, after: Point | None, time_ns: int) -> float | None:
        assert before.value is not None, "a usable point has a value"
        sloped = not self.settings.stepped and after is not None and self.is_usable(after)
        if not sloped or after is None or after.value is None or before.time_ns == time_ns:
            return before.value
        share = (time_ns - before.time_ns) / (after.time_ns - before.time_ns)
        return before.value + (after.value - before.value) * share

    def mean_of(self, region: _Region) -> float:
        """Give the time-weighted mean of a usable region."""
        assert region.point is not None, "a usable region has a point"
        first = self._between(region.point, region.following, region.start_ns)
        last = self._between(region.point, region.following, region.end_ns)
        if self.settings.stepped or last is None or first is None:
            assert region.point.value is not None, "a usable point has a value"
            return region.point.value
        return (first + last) / 2


def _window(scene: _Scene, wanted: Sequence[Aggregate]) -> Aggregated:
    values = {name: _COMPUTE[name](scene) for name in wanted}
    return Aggregated(scene.window, values, _status(scene))


def _status(scene: _Scene) -> int:
    """Give Good, Uncertain or Bad by the share of usable duration (Part 13, 4.2.1.2), with Calculated and Partial."""
    bits = codes.INFO_TYPE_DATA_VALUE | CALCULATED | (PARTIAL if scene.window.partial else 0)
    usable = sum(region.length_ns for region in scene.regions() if scene.is_usable(region.point))
    good = 100.0 * usable / (scene.window.end_ns - scene.window.start_ns)
    if usable == 0 and not scene.usable():
        return codes.BAD_NO_DATA | bits
    if good >= scene.settings.percent_data_good:
        return codes.GOOD | bits
    if 100.0 - good >= scene.settings.percent_data_bad:
        return codes.BAD | bits
    return codes.UNCERTAIN_DATA_SUB_NORMAL | bits


def _count(scene: _Scene) -> float:
    return float(len(scene.usable()))


def _minimum(scene: _Scene) -> float | None:
    return min(scene.usable(), default=None)


def _maximum(scene: _Scene) -> float | None:
    return max(scene.usable(), default=None)


def _average(scene: _Scene) -> float | None:
    values = scene.usable()
    return math.fsum(values) / len(values) if values else None


def _time_average(scene: _Scene) -> float | None:
    """Weigh by duration over usable regions (Part 13, 5.4.3.5)."""
    regions = [region for region in scene.regions() if scene.is_usable(region.point)]
    total = sum(region.length_ns for region in regions)
    return math.fsum(scene.mean_of(region) * (region.length_ns / total) for region in regions) if total else None


def _percent_good(scene: _Scene) -> float:
    """Give the share of the duration whose status is Good (Part 13, 5.4.3.28: by time, not by count)."""
    good = sum(r.length_ns for r in scene.regions() if r.point is not None and codes.is_good(r.point.status))
    return 100.0 * good / (scene.window.end_ns - scene.window.start_ns)


def _start(scene: _Scene) -> float | None:
    return scene.value_at(scene.window.start_ns)


def _end(scene: _Scene) -> float | None:
    return scene.value_at(scene.window.end_ns)


_COMPUTE: Final[dict[Aggregate, Callable[[_Scene], float | None]]] = {
    Aggregate.COUNT: _count,
    Aggregate.MINIMUM: _minimum,
    Aggregate.MAXIMUM: _maximum,
    Aggregate.AVERAGE: _average,
    Aggregate.TIME_AVERAGE: _time_average,
    Aggregate.PERCENT_GOOD: _percent_good,
    Aggregate.START: _start,
    Aggregate.END: _end,
}
