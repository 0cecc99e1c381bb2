"""Aggregates in columns: what core.aggregate says one sample at a time, said with arrays; the reference judges it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from penstock.platform.historian.columns_by_count import BY_COUNT, Column, column
from penstock.platform.historian.scene import BAD, GOOD, UNCERTAIN, Bools, Codes, Floats, Ints, Scene, Series, status_of

__all__ = ["Series", "Summary", "at_times", "summarise", "wants_more"]

_NS_PER_MS = 1_000_000
_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold a column per aggregate, and the status of each window as a whole."""

    columns: dict[Aggregate, Column]
    status: Codes


def summarise(
    series: Series, over: Sequence[Window], wanted: Sequence[Aggregate], settings: AggregateSettings
) -> Summary:
    """Compute each wanted aggregate over adjoining windows; `series` holds the bounding samples as well."""
    return summed_up(Scene(series, over, settings), wanted)


def summed_up(scene: Scene, wanted: Sequence[Aggregate]) -> Summary:
    """Compute each wanted aggregate of a scene."""
    if scene.is_empty:
        return _nothing(scene, wanted)
    return Summary({name: _finished(scene, name) for name in wanted}, _window_status(scene))


def at_times(series: Series, times: Ints, settings: AggregateSettings, *, simple: bool = False) -> Column:
    """Give the value at each time, as ReadAtTime does (Part 11, 6.5.5.2); `simple`: by simple bounding values."""
    scene = Scene(series, [Window(0, 1)], settings)
    if scene.is_empty:
        return _no_data(times)
    found = scene.simple_bound(times) if simple else scene.interpolated_bound(times, stepped=settings.stepped)
    return Column(found.value, found.present, found.status, times)


_NEED_USABLE = frozenset(
    {Aggregate.INTERPOLATIVE, Aggregate.TIME_AVERAGE, Aggregate.TOTAL, Aggregate.NUMBER_OF_TRANSITIONS}
)


def wants_more(
    series: Series, over: Sequence[Window], wanted: Sequence[Aggregate], settings: AggregateSettings
) -> bool:
    """Say whether the samples next to the windows are Bad where usable ones further out would be used (3.1.8)."""
    if not _NEED_USABLE.intersection(wanted) or len(series.time) == 0:
        return False
    return scene_wants_more(Scene(series, over, settings), wanted)


def scene_wants_more(scene: Scene, wanted: Sequence[Aggregate]) -> bool:
    """Say the same of a scene."""
    if not _NEED_USABLE.intersection(wanted) or len(scene.time) == 0:
        return False
    first = int(np.searchsorted(scene.knot_time, scene.starts[0], side="right")) - 1
    last = int(np.searchsorted(scene.knot_time, scene.ends[-1], side="left"))
    enough = first > 0 or not scene.settings.use_sloped_extrapolation
    before = first < 0 or (enough and bool(scene.knot_usable[first]))
    after = last >= len(scene.knot_time) or bool(scene.knot_usable[last])
    return not (before and after)


def _nothing(scene: Scene, wanted: Sequence[Aggregate]) -> Summary:
    bits = np.where(
        scene.cut, codes.INFO_TYPE_DATA_VALUE | CALCULATED | PARTIAL, codes.INFO_TYPE_DATA_VALUE | CALCULATED
    )
    status = (bits | codes.BAD_NO_DATA).astype(np.uint32)
    return Summary({name: _no_data(scene.starts) for name in wanted}, status)


def _no_data(times: Ints) -> Column:
    size = len(times)
    nothing = np.full(size, codes.BAD_NO_DATA, np.uint32)
    return Column(np.full(size, np.nan), np.zeros(size, np.bool_), nothing, times)


_EXTRAPOLATING = frozenset({Aggregate.INTERPOLATIVE, Aggregate.TIME_AVERAGE, Aggregate.TOTAL})
_NEVER_PARTIAL = frozenset({Aggregate.INTERPOLATIVE, Aggregate.AVERAGE})


def _finished(scene: Scene, name: Aggregate) -> Column:
    """Compute one, then set what holds for all: outside of the data there is nothing, a cut window says so."""
    found = (_BY_TIME.get(name) or BY_COUNT[name])(scene)
    extrapolates = name in _EXTRAPOLATING
    outside = scene.ends <= scene.knot_time[0]
    partial = scene.cut | scene.starts_in
    if not extrapolates:
        outside = outside | (scene.starts >= scene.region_end)
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
    doubtful = scene.knot_severity[: scene.real_knots] != GOOD
    window = np.searchsorted(scene.starts, scene.knot_time[: scene.real_knots], side="right") - 1
    inside = doubtful & (window >= 0) & (scene.knot_time[: scene.real_knots] < scene.ends[-1])
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
