"""Aggregates in columns: what core.aggregate says one sample at a time, said with arrays; the reference judges it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from penstock.core import status as codes
from penstock.core.aggregate import (
    CALCULATED,
    HISTORIAN_BITS,
    INTERPOLATED,
    MULTIPLE_VALUES,
    PARTIAL,
    Aggregate,
    AggregateSettings,
)
from penstock.core.windows import Window
from penstock.platform.historian.processed.columns_by_count import BY_COUNT, Column, column
from penstock.platform.historian.processed.scene import BAD, GOOD, UNCERTAIN, Scene, scene_of, status_of
from penstock.platform.historian.processed.series import Bools, Codes, Floats, Ints, Series, one_lane

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold a column per aggregate, and the status of each window as a whole."""

    columns: dict[Aggregate, Column]
    status: Codes

    def parts(self, lanes: int) -> "list[Summary]":
        """Give each lane's."""
        size = len(self.status) // lanes
        spans = [slice(begin, begin + size) for begin in range(0, size * lanes, size)]
        return [
            Summary({name: column.where(span) for name, column in self.columns.items()}, self.status[span])
            for span in spans
        ]


def summarise(
    series: Series, over: Sequence[Window], wanted: Sequence[Aggregate], settings: AggregateSettings
) -> Summary:
    """Compute each wanted aggregate over adjoining windows; `series` holds the bounding samples as well."""
    return summed_up(scene_of(one_lane(series), over, settings), wanted)


def summed_up(scene: Scene, wanted: Sequence[Aggregate]) -> Summary:
    """Compute each wanted aggregate of a scene, the windows of one lane after those of another."""
    later = scene.stage.shift[scene.stage.lane_of]
    found = {name: _finished(scene, name) for name in wanted}
    told = {name: replace(column, time=column.time - later) for name, column in found.items()}
    return Summary(told, _window_status(scene))


def at_times(series: Series, times: Ints, settings: AggregateSettings, *, simple: bool = False) -> Column:
    """Give the value at each time, as ReadAtTime does (Part 11, 6.5.5.2); `simple`: by simple bounding values."""
    scene = scene_of(one_lane(series), [Window(0, 1)], settings)
    found = scene.simple_bound(times) if simple else scene.interpolated_bound(times, stepped=settings.stepped)
    return Column(found.value, found.present, found.status, times)


_NEED_USABLE = frozenset(
    {Aggregate.INTERPOLATIVE, Aggregate.TIME_AVERAGE, Aggregate.TOTAL, Aggregate.NUMBER_OF_TRANSITIONS}
)


def wants_more(scene: Scene, wanted: Sequence[Aggregate]) -> Bools:
    """Say in which lanes the samples next to the windows are Bad where usable ones further out would serve (3.1.8)."""
    if not _NEED_USABLE.intersection(wanted):
        return np.zeros(len(scene.is_empty), np.bool_)
    first = np.searchsorted(scene.knot_time, scene.stage.begins, side="right") - 1
    last = np.searchsorted(scene.knot_time, scene.stage.stops)
    enough = (first > scene.first_knot) | (not scene.settings.use_sloped_extrapolation)
    before = (first < scene.first_knot) | (enough & scene.knot_usable[np.maximum(first, 0)])
    after = (last > scene.last_knot) | scene.knot_usable[np.minimum(last, scene.last_knot)]
    more: Bools = ~scene.is_empty & ~(before & after)
    return more


_EXTRAPOLATING = frozenset({Aggregate.INTERPOLATIVE, Aggregate.TIME_AVERAGE, Aggregate.TOTAL})
_NEVER_PARTIAL = frozenset({Aggregate.INTERPOLATIVE, Aggregate.AVERAGE})


def _finished(scene: Scene, name: Aggregate) -> Column:
    """Compute one, then set what holds for all: outside of the data there is nothing, a cut window says so."""
    found = (_BY_TIME.get(name) or BY_COUNT[name])(scene)
    extrapolates = name in _EXTRAPOLATING
    outside = scene.ends <= scene.data_start
    partial = scene.cut | scene.starts_in
    if not extrapolates:
        outside = outside | (scene.starts >= scene.data_end)
        partial = partial | scene.ends_in
    status = found.status
    if name not in _NEVER_PARTIAL:
        bits = np.uint32(codes.INFO_TYPE_DATA_VALUE | PARTIAL)
        status = np.where(partial, status | bits, status)
    status = np.where(outside, np.uint32(codes.BAD_NO_DATA), status).astype(np.uint32)
    time = np.where(outside, scene.starts, found.time)
    return Column(found.value, found.present & ~outside, status, time)


def _window_status(scene: Scene) -> Codes:
    """Tell of each window as a whole: usable by duration."""
    usable, severity = scene.usable_by_time
    status = status_of(severity)
    nothing = np.uint32(codes.BAD_NO_DATA | codes.INFO_TYPE_DATA_VALUE | CALCULATED)
    status = np.where(usable == 0, nothing, status)
    partial = scene.cut | scene.starts_in | scene.ends_in
    return (status | np.where(partial, np.uint32(PARTIAL), np.uint32(0))).astype(np.uint32)


def _interpolative(scene: Scene) -> Column:
    bound = scene.interpolated_bound(scene.starts, stepped=scene.settings.stepped)
    return Column(bound.value, bound.present, bound.status, scene.starts)


def _time_average(scene: Scene) -> Column:
    pieces = scene.interpolated_pieces
    usable = pieces.severity != BAD
    duration = scene.duration(pieces, usable)
    bounds = [scene.interpolated_bound(time, stepped=False).severity for time in (scene.starts, scene.ends)]
    doubtful = scene.knot_time[(scene.knot_severity != GOOD) & scene.is_real]
    window = np.searchsorted(scene.starts, doubtful, side="right") - 1
    inside = (window >= 0) & (doubtful < scene.ends[window])
    doubts = np.bincount(window[inside], minlength=scene.size)
    severity = np.where((np.maximum(*bounds) == GOOD) & (doubts == 0), GOOD, UNCERTAIN)
    return column(scene, _mean(scene, usable, duration), duration > 0, severity)


def _mean(scene: Scene, usable: Bools, duration: Ints, *, simple: bool = False) -> Floats:
    """Weigh the usable pieces by duration."""
    pieces = scene.pieces if simple else scene.interpolated_pieces
    window = pieces.window[usable]
    share = pieces.length[usable] / duration[window]
    middle = (pieces.first[usable] + pieces.last[usable]) / 2
    return np.bincount(window, weights=middle * share, minlength=scene.size).astype(np.float64)


def _time_average2(scene: Scene) -> Column:
    usable = scene.pieces.severity != BAD
    duration = scene.duration(scene.pieces, usable)
    mean = _mean(scene, usable, duration, simple=True)
    return column(scene, mean, duration > 0, scene.severity_by_time(scene.pieces))


def _scaled(average: Callable[[Scene], Column], length: Callable[[Scene], Ints]) -> Callable[[Scene], Column]:
    def compute(scene: Scene) -> Column:
        found = average(scene)
        return Column(found.value * (length(scene) / _NS_PER_S), found.present, found.status, found.time)

    return compute


def _extreme2(sign: int, *, actual: bool) -> Callable[[Scene], Column]:
    """Give the least (sign 1) or greatest (-1) with simple bounding values."""

    def compute(scene: Scene) -> Column:
        start, end = scene.simple_bound(scene.starts), scene.simple_bound(scene.ends)
        first = np.where(start.present, sign * start.value, np.inf)
        has_end = end.present & (not scene.settings.stepped)
        last = np.where(has_end, sign * end.value, np.inf)
        window, value, time = scene.chosen(scene.usable & (scene.time > scene.starts[scene.window_of]))
        inner, number, at = scene.best_of(window, sign * value, time)
        has_inner = np.bincount(window, minlength=scene.size) > 0
        best = np.minimum(np.minimum(first, inner), last)
        by_start, by_inner = start.present & (first == best), has_inner & (inner == best)
        by_end = has_end & (last == best)
        start_bits = np.where(start.is_raw, 0, INTERPOLATED)
        end_bits = INTERPOLATED if actual else np.where(end.is_raw, CALCULATED, INTERPOLATED)
        bits = np.where(by_start, start_bits, np.where(by_inner, 0 if actual else CALCULATED, end_bits))
        matches = by_start.astype(np.int64) + np.where(by_inner, number, 0) + by_end
        bits = bits | np.where(matches > 1, MULTIPLE_VALUES, 0)
        when = np.where(by_start, scene.starts, np.where(by_inner, at, scene.ends - 1))
        severity = scene.severity_by_time(scene.pieces)
        present = start.present | has_inner | has_end
        return column(scene, sign * best, present, severity, bits, when if actual else None)

    return compute


def _range2(scene: Scene) -> Column:
    least, greatest = _extreme2(1, actual=False)(scene), _extreme2(-1, actual=False)(scene)
    has_any = least.status != codes.BAD_NO_DATA
    return column(scene, greatest.value - least.value, has_any, scene.severity_by_time(scene.pieces))


def _in_state(*, zero: bool) -> Callable[[Scene], Column]:
    def compute(scene: Scene) -> Column:
        pieces = scene.stepped_pieces
        held = scene.duration(pieces, (pieces.severity != BAD) & ((pieces.first == 0) == zero))
        return column(scene, held / _NS_PER_MS, np.ones(scene.size, np.bool_), scene.severity_by_time(pieces))

    return compute


def _start_bound(scene: Scene) -> Column:
    bound = scene.simple_bound(scene.starts)
    return Column(bound.value, bound.present, bound.status, scene.starts)


def _end_bound(scene: Scene) -> Column:
    bound = scene.simple_bound(scene.ends)
    bits = np.uint32(codes.INFO_TYPE_DATA_VALUE | CALCULATED)
    calculated = bound.status & np.uint32(~HISTORIAN_BITS & 0xFFFF_FFFF) | bits
    return Column(bound.value, bound.present, np.where(bound.present, calculated, bound.status), scene.starts)


def _delta_bounds(scene: Scene) -> Column:
    start, end = scene.simple_bound(scene.starts), scene.simple_bound(scene.ends)
    severity = np.maximum(start.severity, end.severity)
    return column(scene, end.value - start.value, severity < BAD, severity)


def _held(severity: int, *, percent: bool) -> Callable[[Scene], Column]:
    """Sum the durations of one quality, judged at the start of each region; in ms, or in percent of the window."""

    def compute(scene: Scene) -> Column:
        held = scene.duration(scene.pieces, scene.pieces.start_severity == severity)
        scale = 100.0 / scene.length if percent else np.full(scene.size, 1 / _NS_PER_MS)
        everywhere = np.ones(scene.size, np.bool_)
        return column(scene, held * scale, everywhere, np.full(scene.size, GOOD))

    return compute


_BY_TIME: dict[Aggregate, Callable[[Scene], Column]] = {
    Aggregate.INTERPOLATIVE: _interpolative,
    Aggregate.TIME_AVERAGE: _time_average,
    Aggregate.TIME_AVERAGE2: _time_average2,
    Aggregate.TOTAL: _scaled(_time_average, lambda scene: scene.ends - scene.starts),
    Aggregate.TOTAL2: _scaled(_time_average2, lambda scene: scene.length),
    Aggregate.MINIMUM2: _extreme2(1, actual=False),
    Aggregate.MAXIMUM2: _extreme2(-1, actual=False),
    Aggregate.MINIMUM_ACTUAL_TIME2: _extreme2(1, actual=True),
    Aggregate.MAXIMUM_ACTUAL_TIME2: _extreme2(-1, actual=True),
    Aggregate.RANGE2: _range2,
    Aggregate.DURATION_IN_STATE_ZERO: _in_state(zero=True),
    Aggregate.DURATION_IN_STATE_NON_ZERO: _in_state(zero=False),
    Aggregate.START_BOUND: _start_bound,
    Aggregate.END_BOUND: _end_bound,
    Aggregate.DELTA_BOUNDS: _delta_bounds,
    Aggregate.DURATION_GOOD: _held(GOOD, percent=False),
    Aggregate.DURATION_BAD: _held(BAD, percent=False),
    Aggregate.PERCENT_GOOD: _held(GOOD, percent=True),
    Aggregate.PERCENT_BAD: _held(BAD, percent=True),
}
