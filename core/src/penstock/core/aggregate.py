"""The reference of the aggregates: slow, plain, by the words of OPC UA Part 13 (1.05); the historian is judged by it.

Every aggregate is a function of one window's view. Where the standard contradicts itself, docs/reference/aggregates.md
says how it is read. `core.bounding` has the bounding values and regions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from penstock.core import status as codes
from penstock.core.aggregate_types import (
    ACTUAL_TIME,
    BY_STATE,
    BY_STATUS,
    CALCULATED,
    HISTORIAN_BITS,
    INTERPOLATED,
    MULTIPLE_VALUES,
    PARTIAL,
    Aggregate,
    Aggregated,
    AggregateSettings,
    Point,
    Result,
)
from penstock.core.bounding import BAD, GOOD, NO_BOUND, UNCERTAIN, Bound, History, Region
from penstock.core.windows import Window, windows

__all__ = [
    "ACTUAL_TIME", "BY_STATE", "BY_STATUS", "CALCULATED", "HISTORIAN_BITS", "INTERPOLATED", "MULTIPLE_VALUES",
    "PARTIAL", "Aggregate", "AggregateSettings", "Aggregated", "Point", "Result", "Window", "aggregate",
    "interpolated", "windows",
]  # fmt: skip

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_CODES: Final = (codes.GOOD, codes.UNCERTAIN_DATA_SUB_NORMAL, codes.BAD)


def aggregate(
    points: Sequence[Point],
    over: Sequence[Window],
    wanted: Sequence[Aggregate],
    *,
    settings: AggregateSettings | None = None,
) -> list[Aggregated]:
    """Compute each wanted aggregate over each window.

    `points` must hold, beside those within, the samples around that bounding values need: at least one on each side
    where there is one.
    """
    chosen = settings or AggregateSettings()
    assert all(a.time_ns <= b.time_ns for a, b in pairwise(points)), "points must be in time order"
    history = History(points, chosen)
    lenient = History(points, replace(chosen, treat_uncertain_as_bad=False))
    return [_of_window(_View(history, window, lenient), wanted) for window in over]


def interpolated(
    points: Sequence[Point], times_ns: Sequence[int], *, settings: AggregateSettings | None = None, simple: bool = False
) -> list[Result]:
    """Give the value at each time, as ReadAtTime does (Part 11, 6.5.5.2); `simple`: by simple bounding values."""
    history = History(points, settings or AggregateSettings())
    bounds = [history.simple_bound(t) if simple else history.interpolated_bound(t) for t in times_ns]
    return [Result(bound.value, bound.status, t) for bound, t in zip(bounds, times_ns, strict=True)]


@dataclass(frozen=True, slots=True)
class _View:
    """Hold what one window shows."""

    history: History
    window: Window
    lenient: History

    @property
    def settings(self) -> AggregateSettings:
        return self.history.settings

    @property
    def length_ns(self) -> int:
        """Give the duration of the window as far as there are data."""
        return min(self.window.end_ns, self.history.region_end_ns) - self.window.start_ns

    @property
    def is_partial(self) -> bool:
        return self.window.partial or self.history.starts_in(self.window) or self.history.ends_in(self.window)

    def inside(self) -> list[Point]:
        return self.history.inside(self.window)

    def good(self) -> list[Point]:
        return [point for point in self.inside() if self.history.severity(point) == GOOD]

    def uncertain(self) -> list[Point]:
        return [point for point in self.inside() if self.history.severity(point) == UNCERTAIN]

    def has_bad(self) -> bool:
        return any(not self.history.is_usable(point) for point in self.inside())

    def regions(self, *, stepped: bool | None = None) -> list[Region]:
        return list(self.history.regions(self.window, stepped=stepped))

    def start_bound(self) -> Bound:
        return self.history.simple_bound(self.window.start_ns)

    def end_bound(self) -> Bound:
        return self.history.simple_bound(self.window.end_ns)

    def result(self, value: float | None, severity: int, bits: int = CALCULATED, time_ns: int | None = None) -> Result:
        """Give a result; a Bad one has no value (5.4.3.2)."""
        at = self.window.start_ns if time_ns is None else time_ns
        if value is None:
            return Result(None, codes.BAD_NO_DATA, at)
        status = _CODES[severity] | (codes.INFO_TYPE_DATA_VALUE | bits if bits else 0)
        return Result(None if severity == BAD else value, status, at)

    def by_count(self) -> int:
        """Judge by the number of samples (PercentValues, 5.4.3.2.1)."""
        inside = self.inside()
        if not inside:
            return GOOD
        bad = sum(1 for point in inside if not self.history.is_usable(point))
        return self._judge(100.0 * len(self.good()) / len(inside), 100.0 * bad / len(inside))

    def by_time(self, regions: Sequence[Region]) -> int:
        """Judge by the duration of the regions (PercentTime, 5.4.3.2.1)."""
        good = sum(region.length_ns for region in regions if region.severity == GOOD)
        bad = sum(region.length_ns for region in regions if region.severity == BAD)
        return self._judge(100.0 * good / self.length_ns, 100.0 * bad / self.length_ns)

    def _judge(self, good: float, bad: float) -> int:
        """Good wins where the two percentages meet (4.2.1.2)."""
        if good >= self.settings.percent_data_good:
            return GOOD
        return BAD if bad >= self.settings.percent_data_bad else UNCERTAIN


def _of_window(view: _View, wanted: Sequence[Aggregate]) -> Aggregated:
    return Aggregated(view.window, {name: _one(view, name) for name in wanted}, _window_status(view))


_EXTRAPOLATING: Final = frozenset({Aggregate.INTERPOLATIVE, Aggregate.TIME_AVERAGE, Aggregate.TOTAL})
_NEVER_PARTIAL: Final = frozenset({Aggregate.INTERPOLATIVE, Aggregate.AVERAGE})


def _one(view: _View, name: Aggregate) -> Result:
    history, window = view.history, view.window
    extrapolates = name in _EXTRAPOLATING
    if history.is_outside(window) and not (extrapolates and history.knots and window.end_ns > history.times[0]):
        return Result(None, codes.BAD_NO_DATA, window.start_ns)
    found = _COMPUTE[name](view)
    partial = window.partial or history.starts_in(window) or (history.ends_in(window) and not extrapolates)
    if not partial or name in _NEVER_PARTIAL:
        return found
    return replace(found, status=found.status | codes.INFO_TYPE_DATA_VALUE | PARTIAL)


def _window_status(view: _View) -> int:
    """Tell of the window as a whole: usable by duration."""
    bits = codes.INFO_TYPE_DATA_VALUE | CALCULATED | (PARTIAL if view.is_partial else 0)
    regions = view.regions()
    if all(region.severity == BAD for region in regions):
        return codes.BAD_NO_DATA | bits
    return _CODES[view.by_time(regions)] | bits


def _interpolative(view: _View) -> Result:
    """5.4.3.4."""
    bound = view.history.interpolated_bound(view.window.start_ns)
    return Result(bound.value, bound.status, view.window.start_ns)


def _average(view: _View) -> Result:
    """5.4.3.5."""
    values = [view.history.number(point) for point in view.good()]
    return view.result(math.fsum(values) / len(values) if values else None, view.by_count())


def _time_average(view: _View, scale: float = 1.0) -> Result:
    """5.4.3.6: always sloped, from one usable sample to the next, with interpolated bounding values."""
    history, window = view.history, view.window
    first = history.interpolated_bound(window.start_ns, stepped=False)
    last = history.interpolated_bound(window.end_ns, stepped=False)
    knots = [k for k in history.knots if window.start_ns < k.time_ns < window.end_ns and history.is_usable(k)]
    if history.is_held and history.settings.use_sloped_extrapolation:
        knots = [knot for knot in knots if knot is not history.knots[-1]]
    line = [(knot.time_ns, history.number(knot)) for knot in knots]
    if first.value is not None:
        line.insert(0, (window.start_ns, first.value))
    if last.value is not None:
        line.append((window.end_ns, last.value))
    duration = line[-1][0] - line[0][0] if line else 0
    if not duration:
        return view.result(None, BAD)
    shares = [((t1 - t0) / duration) * ((v0 + v1) / 2) for (t0, v0), (t1, v1) in pairwise(line)]
    newest = {point.time_ns: point for point in view.inside()}.values()
    doubts = [max(first.severity, last.severity), *(history.severity(point) for point in newest)]
    return view.result(math.fsum(shares) * scale, GOOD if max(doubts) == GOOD else UNCERTAIN)


def _time_average2(view: _View, scale: float = 1.0) -> Result:
    """5.4.3.7: over the regions that are not Bad, with simple bounding values."""
    regions = view.regions()
    usable = [region for region in regions if region.severity != BAD]
    duration = sum(region.length_ns for region in usable)
    if not duration:
        return view.result(None, BAD)
    mean = math.fsum((region.first + region.last) / 2 * (region.length_ns / duration) for region in usable)
    return view.result(mean * scale, view.by_time(regions))


def _total(view: _View) -> Result:
    """5.4.3.8: TimeAverage times the length of the window in seconds."""
    return _time_average(view, (view.window.end_ns - view.window.start_ns) / _NS_PER_S)


def _total2(view: _View) -> Result:
    """5.4.3.9: TimeAverage2 times the length of the window in seconds."""
    return _time_average2(view, view.length_ns / _NS_PER_S)


def _extreme(view: _View, sign: int, *, actual: bool) -> Result:
    """5.4.3.10 to 13: the least (sign 1) or greatest (-1) of the Good raw values."""
    good = view.good()
    if not good:
        return view.result(None, BAD)
    found = min(good, key=lambda point: sign * view.history.number(point))
    value = view.history.number(found)
    severity = UNCERTAIN if view.has_bad() or _is_beyond(view, sign, value) else GOOD
    is_raw = severity == GOOD and (actual or found.time_ns == view.window.start_ns)
    many = sum(1 for point in good if view.history.number(point) == value) > 1
    bits = (0 if is_raw else CALCULATED) | (MULTIPLE_VALUES if many else 0)
    return view.result(value, severity, bits, found.time_ns if actual else None)


def _is_beyond(view: _View, sign: int, value: float) -> bool:
    """Say whether an Uncertain value lies beyond the Good extreme."""
    return any(sign * view.history.number(point) < sign * value for point in view.uncertain())


def _range(view: _View) -> Result:
    """5.4.3.14."""
    least, greatest = _extreme(view, 1, actual=False), _extreme(view, -1, actual=False)
    if least.value is None or greatest.value is None:
        return view.result(None, BAD)
    doubtful = not codes.is_good(least.status) or not codes.is_good(greatest.status)
    return view.result(greatest.value - least.value, UNCERTAIN if doubtful else GOOD)


def _extreme2(view: _View, sign: int, *, actual: bool) -> Result:
    """5.4.3.15 to 18: with simple bounding values; the end's only where sloped."""
    history, window = view.history, view.window
    start, end = view.start_bound(), NO_BOUND if view.settings.stepped else view.end_bound()
    candidates: list[tuple[float, int, int]] = []
    if start.value is not None:
        candidates.append((start.value, 0 if start.is_raw else INTERPOLATED, window.start_ns))
    inner = [point for point in view.inside() if point.time_ns > window.start_ns and history.is_usable(point)]
    candidates += [(history.number(point), 0 if actual else CALCULATED, point.time_ns) for point in inner]
    if end.value is not None:
        bits = CALCULATED if end.is_raw and not actual else INTERPOLATED
        candidates.append((end.value, bits, window.end_ns - 1))
    if not candidates:
        return view.result(None, BAD)
    value, bits, time_ns = min(candidates, key=lambda candidate: sign * candidate[0])
    many = sum(1 for candidate in candidates if candidate[0] == value) > 1
    bits |= MULTIPLE_VALUES if many else 0
    return view.result(value, view.by_time(view.regions()), bits, time_ns if actual else None)


def _range2(view: _View) -> Result:
    """5.4.3.19."""
    least, greatest = _extreme2(view, 1, actual=False), _extreme2(view, -1, actual=False)
    if least.value is None or greatest.value is None:
        return view.result(None if least.status == codes.BAD_NO_DATA else 0.0, BAD)
    return view.result(greatest.value - least.value, view.by_time(view.regions()))


def _count(view: _View) -> Result:
    """5.4.3.21."""
    return view.result(float(len(view.good())), view.by_count())


def _duration_in_state(view: _View, *, zero: bool) -> Result:
    """5.4.3.22 and 23, in ms: a state holds until the next sample, whatever Stepped says."""
    regions = view.regions(stepped=True)
    held = sum(r.length_ns for r in regions if r.severity != BAD and (r.first == 0) is zero)
    return view.result(held / _NS_PER_MS, view.by_time(regions))


def _transitions(view: _View) -> Result:
    """5.4.3.24: changes from one usable value to the next; the first of all is one."""
    usable = [p for p in [*view.history.before(view.window), *view.inside()] if view.history.is_usable(p)]
    values = [view.history.number(point) for point in usable]
    inside = sum(1 for point in usable if point.time_ns >= view.window.start_ns)
    first = len(usable) - inside
    changes = sum(1 for i in range(first, len(usable)) if i == 0 or values[i] != values[i - 1])
    return view.result(float(changes), view.by_count())


def _edge(view: _View, place: int) -> Result:
    """5.4.3.25 and 26: the first or last raw sample with its own status and time."""
    inside = view.inside()
    if not inside:
        return view.result(None, BAD)
    point = inside[place]
    value = None if view.history.severity(point) == BAD else view.history.number(point)
    return Result(value, point.status, point.time_ns)


def _delta(view: _View) -> Result:
    """5.4.3.27: between the first and the last Good value."""
    inside, good = view.inside(), view.good()
    if not good:
        return view.result(None, BAD)
    skipped = inside[0] is not good[0] or inside[-1] is not good[-1]
    difference = view.history.number(good[-1]) - view.history.number(good[0])
    return view.result(difference, UNCERTAIN if skipped else GOOD)


def _start_bound(view: _View) -> Result:
    """5.4.3.28."""
    bound = view.start_bound()
    return Result(bound.value, bound.status, view.window.start_ns)


def _end_bound(view: _View) -> Result:
    """5.4.3.29."""
    bound = view.end_bound()
    status = bound.status & ~HISTORIAN_BITS | codes.INFO_TYPE_DATA_VALUE | CALCULATED
    return Result(bound.value, bound.status if bound.value is None else status, view.window.start_ns)


def _delta_bounds(view: _View) -> Result:
    """5.4.3.30."""
    start, end = view.start_bound(), view.end_bound()
    if start.value is None or end.value is None:
        return view.result(None, BAD)
    return view.result(end.value - start.value, max(start.severity, end.severity))


def _duration(view: _View, severity: int, scale: float) -> Result:
    """5.4.3.31 to 34: regions judged by the value at their start."""
    held = sum(region.length_ns for region in view.regions() if region.start_severity == severity)
    return view.result(held * scale, GOOD)


def _worst_quality(view: _View, *, bounded: bool) -> Result:
    """5.4.3.35 and 36: the worst status as the value; TreatUncertainAsBad is ignored."""
    statuses = [point.status for point in view.inside()]
    starts_raw = bool(statuses) and view.inside()[0].time_ns == view.window.start_ns
    if bounded and not starts_raw:
        statuses.insert(0, view.lenient.simple_bound(view.window.start_ns).status & codes.CODE_MASK)
    if not statuses:
        return view.result(None, BAD)
    worst = max(statuses, key=_rank)
    many = sum(1 for status in statuses if _rank(status) == _rank(worst)) > 1
    return view.result(float(worst), GOOD, CALCULATED | (MULTIPLE_VALUES if many else 0))


def _rank(status: int) -> int:
    return min(status >> 30, BAD)


def _variance(view: _View, *, sample: bool, root: bool) -> Result:
    """5.4.3.37 to 40: of the Good raw values; 0 for a single one."""
    values = [view.history.number(point) for point in view.good()]
    if not values:
        return view.result(None, BAD)
    mean = math.fsum(values) / len(values)
    divisor = max(len(values) - sample, 1)
    variance = math.fsum((value - mean) ** 2 for value in values) / divisor
    ignored = len(values) < len(view.inside())
    return view.result(math.sqrt(variance) if root else variance, UNCERTAIN if ignored else GOOD)


_COMPUTE: Final[dict[Aggregate, Callable[[_View], Result]]] = {
    Aggregate.INTERPOLATIVE: _interpolative,
    Aggregate.AVERAGE: _average,
    Aggregate.TIME_AVERAGE: _time_average,
    Aggregate.TIME_AVERAGE2: _time_average2,
    Aggregate.TOTAL: _total,
    Aggregate.TOTAL2: _total2,
    Aggregate.MINIMUM: lambda view: _extreme(view, 1, actual=False),
    Aggregate.MAXIMUM: lambda view: _extreme(view, -1, actual=False),
    Aggregate.MINIMUM_ACTUAL_TIME: lambda view: _extreme(view, 1, actual=True),
    Aggregate.MAXIMUM_ACTUAL_TIME: lambda view: _extreme(view, -1, actual=True),
    Aggregate.RANGE: _range,
    Aggregate.MINIMUM2: lambda view: _extreme2(view, 1, actual=False),
    Aggregate.MAXIMUM2: lambda view: _extreme2(view, -1, actual=False),
    Aggregate.MINIMUM_ACTUAL_TIME2: lambda view: _extreme2(view, 1, actual=True),
    Aggregate.MAXIMUM_ACTUAL_TIME2: lambda view: _extreme2(view, -1, actual=True),
    Aggregate.RANGE2: _range2,
    Aggregate.COUNT: _count,
    Aggregate.DURATION_IN_STATE_ZERO: lambda view: _duration_in_state(view, zero=True),
    Aggregate.DURATION_IN_STATE_NON_ZERO: lambda view: _duration_in_state(view, zero=False),
    Aggregate.NUMBER_OF_TRANSITIONS: _transitions,
    Aggregate.START: lambda view: _edge(view, 0),
    Aggregate.END: lambda view: _edge(view, -1),
    Aggregate.DELTA: _delta,
    Aggregate.START_BOUND: _start_bound,
    Aggregate.END_BOUND: _end_bound,
    Aggregate.DELTA_BOUNDS: _delta_bounds,
    Aggregate.DURATION_GOOD: lambda view: _duration(view, GOOD, 1 / _NS_PER_MS),
    Aggregate.DURATION_BAD: lambda view: _duration(view, BAD, 1 / _NS_PER_MS),
    Aggregate.PERCENT_GOOD: lambda view: _duration(view, GOOD, 100.0 / view.length_ns),
    Aggregate.PERCENT_BAD: lambda view: _duration(view, BAD, 100.0 / view.length_ns),
    Aggregate.WORST_QUALITY: lambda view: _worst_quality(view, bounded=False),
    Aggregate.WORST_QUALITY2: lambda view: _worst_quality(view, bounded=True),
    Aggregate.STANDARD_DEVIATION_SAMPLE: lambda view: _variance(view, sample=True, root=True),
    Aggregate.STANDARD_DEVIATION_POPULATION: lambda view: _variance(view, sample=False, root=True),
    Aggregate.VARIANCE_SAMPLE: lambda view: _variance(view, sample=True, root=False),
    Aggregate.VARIANCE_POPULATION: lambda view: _variance(view, sample=False, root=False),
}
