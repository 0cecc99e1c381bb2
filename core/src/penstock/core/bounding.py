"""Bounding values and regions of one tag's history (OPC UA Part 13: 3.1.7 to 3.1.9, 5.4.3.2), one point at a time.

Of equal times the sample committed last holds. A sample is *usable* (the standard's non-Bad) when it has a number, is
not Bad and, with TreatUncertainAsBad, not Uncertain. Leading samples of status Bad_NoData are no data: they only say
that the tag was made. Where the historian knows that the newest value holds until a later time, it acts as if there
were another raw value at that time (3.1.9).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise

from penstock.core import status as codes
from penstock.core.aggregate_types import INTERPOLATED, AggregateSettings, Point
from penstock.core.windows import Window

GOOD, UNCERTAIN, BAD = 0, 1, 2
"""Severities of a region."""


@dataclass(frozen=True, slots=True)
class Bound:
    """Hold a bounding value: None where it is Bad. `is_raw`: a sample has just this time."""

    value: float | None
    status: int
    is_raw: bool = False

    @property
    def severity(self) -> int:
        """Give Good, Uncertain or Bad."""
        return BAD if self.value is None else GOOD if codes.is_good(self.status) else UNCERTAIN


NO_BOUND = Bound(None, codes.BAD_NO_DATA)


@dataclass(frozen=True, slots=True)
class Region:
    """Hold a piece of a window in which one sample is the newest, or none yet.

    `severity` of the piece as a whole; `start_severity` of the value at its start; values at both ends.
    """

    start_ns: int
    end_ns: int
    severity: int
    start_severity: int
    first: float
    last: float

    @property
    def length_ns(self) -> int:
        """Give its duration."""
        return self.end_ns - self.start_ns


class History:
    """Answer for one tag's points in time order."""

    def __init__(self, points: Sequence[Point], settings: AggregateSettings) -> None:
        self.settings = settings
        self.raw = list(dropwhile(lambda p: p.status & codes.CODE_MASK == codes.BAD_NO_DATA, points))
        self._raw_times = [point.time_ns for point in self.raw]
        newest = {point.time_ns: point for point in self.raw}
        self.knots = list(newest.values())
        self.times = list(newest)
        covered = settings.covered_until_ns
        self.is_held = bool(self.knots) and covered is not None and covered > self.times[-1]
        if self.is_held and covered is not None:
            self.knots.append(Point(covered, self.knots[-1].status, self.knots[-1].value))
            self.times.append(covered)

    @property
    def region_end_ns(self) -> int:
        """Give where the data end: the newest sample lasts one unit of time (5.4.2.4) when it is not held longer."""
        return self.times[-1] + (0 if self.is_held else 1)

    def is_outside(self, window: Window) -> bool:
        """Say whether a window lies before or after all data."""
        return not self.knots or window.end_ns <= self.times[0] or window.start_ns >= self.region_end_ns

    def starts_in(self, window: Window) -> bool:
        """Say whether the data start within a window (5.3.3.2)."""
        return bool(self.knots) and window.start_ns < self.times[0] < window.end_ns

    def ends_in(self, window: Window) -> bool:
        """Say whether the data end within a window (5.3.3.2)."""
        return bool(self.knots) and window.start_ns <= self.times[-1] < window.end_ns

    def inside(self, window: Window) -> list[Point]:
        """Give the raw samples with start ≤ time < end."""
        low = bisect_left(self._raw_times, window.start_ns)
        return self.raw[low : bisect_left(self._raw_times, window.end_ns)]

    def before(self, window: Window) -> list[Point]:
        """Give the raw samples before the window."""
        return self.raw[: bisect_left(self._raw_times, window.start_ns)]

    def has_number(self, point: Point) -> bool:
        """Say whether a sample has a value that can be used."""
        return self.settings.textual or (point.value is not None and not math.isnan(point.value))

    def severity(self, point: Point) -> int:
        """Give Good, Uncertain or Bad; without a number it is Bad."""
        if codes.is_bad(point.status) or not self.has_number(point):
            return BAD
        return GOOD if codes.is_good(point.status) else UNCERTAIN

    def is_usable(self, point: Point) -> bool:
        """Say whether a sample is what the standard calls non-Bad."""
        severity = self.severity(point)
        return severity == GOOD or (severity == UNCERTAIN and not self.settings.treat_uncertain_as_bad)

    def number(self, point: Point) -> float:
        """Give the value of a usable sample; text counts as 0."""
        return 0.0 if self.settings.textual or point.value is None else point.value

    def simple_bound(self, time_ns: int) -> Bound:
        """Give the simple bounding value (3.1.9): from the samples next to the time, even if they are Bad."""
        index = bisect_right(self.times, time_ns) - 1
        if index < 0 or time_ns > self.times[-1] or not self.is_usable(self.knots[index]):
            return NO_BOUND
        point = self.knots[index]
        is_virtual = self.is_held and index == len(self.knots) - 1
        if point.time_ns == time_ns and not is_virtual:
            return Bound(self.number(point), point.status, is_raw=True)
        status = codes.GOOD if self._severity_of_region(index) == GOOD else codes.UNCERTAIN_DATA_SUB_NORMAL
        return Bound(self._on_line(index, time_ns), status | codes.INFO_TYPE_DATA_VALUE | INTERPOLATED)

    def _severity_of_region(self, index: int, *, stepped: bool | None = None) -> int:
        """Judge from one sample to the next (5.4.3.2.2): sloped, also by the end."""
        point = self.knots[index]
        if not self.is_usable(point):
            return BAD
        own = self.severity(point)
        stepped = self.settings.stepped if stepped is None else stepped
        if stepped or (self.is_held and index + 1 == len(self.knots)):
            return own
        if index + 1 == len(self.knots):
            return UNCERTAIN
        following = self.knots[index + 1]
        return max(own, self.severity(following)) if self.is_usable(following) else UNCERTAIN

    def _on_line(self, index: int, time_ns: int, *, stepped: bool | None = None) -> float:
        point = self.knots[index]
        stepped = self.settings.stepped if stepped is None else stepped
        following = self.knots[index + 1] if index + 1 < len(self.knots) else None
        if stepped or following is None or not self.is_usable(following):
            return self.number(point)
        return _line(point.time_ns, self.number(point), following.time_ns, self.number(following), time_ns)

    def interpolated_bound(self, time_ns: int, *, stepped: bool | None = None) -> Bound:
        """Give the interpolated bounding value (3.1.8): from the nearest usable samples, Bad ones skipped."""
        stepped = self.settings.stepped if stepped is None else stepped
        knots = self.knots[:-1] if self.is_held and self.settings.use_sloped_extrapolation else self.knots
        usable = [index for index, knot in enumerate(knots) if self.is_usable(knot)]
        earlier = [index for index in usable if knots[index].time_ns <= time_ns]
        if not earlier:
            return NO_BOUND
        before = knots[earlier[-1]]
        is_virtual = self.is_held and earlier[-1] == len(self.knots) - 1
        if before.time_ns == time_ns and not is_virtual:
            return Bound(self.number(before), before.status, is_raw=True)
        later = [index for index in usable if knots[index].time_ns > time_ns]
        value, severity = self.number(before), self.severity(before)
        if time_ns > knots[-1].time_ns or (not stepped and not later and before.time_ns < time_ns):
            severity = UNCERTAIN
            if not stepped and self.settings.use_sloped_extrapolation and len(earlier) > 1:
                first = knots[earlier[-2]]
                value = _line(first.time_ns, self.number(first), before.time_ns, value, time_ns)
        elif stepped or not later:
            severity = max(severity, min(UNCERTAIN, self._skipped(earlier[-1], time_ns, knots)))
        else:
            after = knots[later[0]]
            skipped = later[0] - earlier[-1] > 1
            severity = max(severity, self.severity(after), UNCERTAIN if skipped else GOOD)
            value = _line(before.time_ns, value, after.time_ns, self.number(after), time_ns)
        status = codes.GOOD if severity == GOOD else codes.UNCERTAIN_DATA_SUB_NORMAL
        return Bound(value, status | codes.INFO_TYPE_DATA_VALUE | INTERPOLATED)

    def _skipped(self, index: int, time_ns: int, knots: Sequence[Point]) -> int:
        return sum(1 for knot in knots[index + 1 :] if knot.time_ns <= time_ns)

    def regions(self, window: Window, *, stepped: bool | None = None) -> Iterator[Region]:
        """Cut a window, as far as there are data, into regions with simple bounding values (5.4.3.2)."""
        if self.is_outside(window):
            return
        end_ns = min(window.end_ns, self.region_end_ns)
        cuts = sorted({window.start_ns, end_ns, *(t for t in self.times if window.start_ns < t < end_ns)})
        for start, end in pairwise(cuts):
            index = bisect_right(self.times, start) - 1
            if index < 0:
                yield Region(start, end, BAD, BAD, 0.0, 0.0)
            else:
                yield self._region(index, start, end, stepped)

    def _region(self, index: int, start: int, end: int, stepped: bool | None) -> Region:
        point = self.knots[index]
        severity = self._severity_of_region(index, stepped=stepped)
        if severity == BAD:
            return Region(start, end, BAD, BAD, 0.0, 0.0)
        at_start = self.severity(point) if start == point.time_ns else severity
        first, last = (self._on_line(index, time_ns, stepped=stepped) for time_ns in (start, end))
        return Region(start, end, severity, at_start, first, last)


def _line(t0: int, v0: float, t1: int, v1: float, time_ns: int) -> float:
    return v0 + (v1 - v0) * ((time_ns - t0) / (t1 - t0))
