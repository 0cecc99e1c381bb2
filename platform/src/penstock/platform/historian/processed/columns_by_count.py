"""Aggregates that go by the number of samples, in columns."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.core import status as codes
from penstock.core.aggregate import CALCULATED, MULTIPLE_VALUES, Aggregate
from penstock.platform.historian.processed.scene import BAD, GOOD, UNCERTAIN, Scene, status_of
from penstock.platform.historian.processed.series import Bools, Codes, Floats, Ints, firsts


@dataclass(frozen=True, slots=True)
class Column:
    """Hold one aggregate over all windows: `value` counts only where `present`; `time` that of each result."""

    value: Floats
    present: Bools
    status: Codes
    time: Ints

    def where(self, span: slice) -> "Column":
        """Give a part of it."""
        return Column(self.value[span], self.present[span], self.status[span], self.time[span])


def column(
    scene: Scene,
    value: Floats,
    has_data: Bools,
    severity: Ints,
    bits: "NDArray[np.generic] | int" = CALCULATED,
    time: Ints | None = None,
) -> Column:
    """Make a column; a Bad result has no value, one without data is Bad_NoData without bits."""
    status = np.where(has_data, status_of(severity, bits), np.uint32(codes.BAD_NO_DATA)).astype(np.uint32)
    at = scene.starts if time is None else np.where(has_data, time, scene.starts)
    return Column(value, has_data & (severity != BAD), status, at)


def _average(scene: Scene) -> Column:
    return column(scene, scene.good_mean, scene.good_count > 0, scene.severity_by_count)


def _extreme(sign: int, *, actual: bool) -> Callable[[Scene], Column]:
    """Give the least (sign 1) or greatest (-1) of the Good samples."""

    def compute(scene: Scene) -> Column:
        best, number, at = scene.extreme(GOOD, sign)
        beyond, _, _ = scene.extreme(UNCERTAIN, sign)
        severity = np.where((scene.unusable_count > 0) | (beyond < best), UNCERTAIN, GOOD)
        is_raw = (severity == GOOD) & (actual | (at == scene.starts))
        bits = np.where(is_raw, 0, CALCULATED) | np.where(number > 1, MULTIPLE_VALUES, 0)
        return column(scene, sign * best, scene.good_count > 0, severity, bits, at if actual else None)

    return compute


def _range(scene: Scene) -> Column:
    least, greatest = _extreme(1, actual=False)(scene), _extreme(-1, actual=False)(scene)
    doubtful = (least.status | greatest.status) >> np.uint32(30) != 0
    return column(scene, greatest.value - least.value, scene.good_count > 0, np.where(doubtful, UNCERTAIN, GOOD))


def _count(scene: Scene) -> Column:
    everywhere = np.ones(scene.size, np.bool_)
    return column(scene, scene.good_count.astype(np.float64), everywhere, scene.severity_by_count)


def _transitions(scene: Scene) -> Column:
    place = np.flatnonzero(scene.usable)
    value, lane = scene.value[place], scene.stage.lane_at(scene.time[place])
    changed = np.ones(len(place), np.bool_)
    changed[1:] = (value[1:] != value[:-1]) | (lane[1:] != lane[:-1])
    marked = np.zeros(len(scene.time), np.bool_)
    marked[place[changed]] = True
    number = scene.count(marked).astype(np.float64)
    return column(scene, number, np.ones(scene.size, np.bool_), scene.severity_by_count)


def _edge(*, last: bool) -> Callable[[Scene], Column]:
    def compute(scene: Scene) -> Column:
        has_any = scene.all_count > 0
        found = scene.edge(last=last)
        severity = np.minimum(found.status >> np.uint32(30), BAD)
        status = np.where(has_any, found.status, np.uint32(codes.BAD_NO_DATA)).astype(np.uint32)
        present = has_any & (severity < BAD) & ~np.isnan(found.value)
        return Column(found.value, present, status, np.where(has_any, found.time, scene.starts))

    return compute


def _delta(scene: Scene) -> Column:
    if not scene.good_count.any():
        return column(scene, np.zeros(scene.size), np.zeros(scene.size, np.bool_), np.full(scene.size, GOOD))
    first, last, skipped = scene.good_edges()
    return column(scene, last - first, scene.good_count > 0, np.where(skipped, UNCERTAIN, GOOD))


def _worst_quality(*, bounded: bool) -> Callable[[Scene], Column]:
    def compute(scene: Scene) -> Column:
        rank = np.minimum(scene.status >> np.uint32(30), BAD).astype(np.int64)
        inside = np.flatnonzero(scene.window_of >= 0)
        window = scene.window_of[inside]
        worst = np.full(scene.size, -1)
        np.maximum.at(worst, window, rank[inside])
        hit = inside[rank[inside] == worst[window]]
        number = np.bincount(scene.window_of[hit], minlength=scene.size)
        value = np.zeros(scene.size, np.uint32)
        first = hit[firsts(scene.window_of[hit])]
        value[scene.window_of[first]] = scene.status[first]
        if bounded:
            bound = scene.lenient.simple_bound(scene.starts)
            starts_raw = (scene.all_count > 0) & (
                scene.time[np.minimum(scene.low, len(scene.time) - 1)] == scene.starts
            )
            own = np.where(starts_raw, -1, bound.severity)
            number = np.where(worst >= own, number, 0) + (own >= worst)
            value = np.where(own >= worst, bound.status & np.uint32(codes.CODE_MASK), value)
            worst = np.maximum(own, worst)
        bits = CALCULATED | np.where(number > 1, MULTIPLE_VALUES, 0)
        return column(scene, value.astype(np.float64), worst >= 0, np.full(scene.size, GOOD), bits)

    return compute


def _variance(*, sample: bool, root: bool) -> Callable[[Scene], Column]:
    def compute(scene: Scene) -> Column:
        variance = scene.good_squares() / np.maximum(scene.good_count - sample, 1)
        severity = np.where(scene.good_count < scene.all_count, UNCERTAIN, GOOD)
        return column(scene, np.sqrt(variance) if root else variance, scene.good_count > 0, severity)

    return compute


BY_COUNT: dict[Aggregate, Callable[[Scene], Column]] = {
    Aggregate.AVERAGE: _average,
    Aggregate.MINIMUM: _extreme(1, actual=False),
    Aggregate.MAXIMUM: _extreme(-1, actual=False),
    Aggregate.MINIMUM_ACTUAL_TIME: _extreme(1, actual=True),
    Aggregate.MAXIMUM_ACTUAL_TIME: _extreme(-1, actual=True),
    Aggregate.RANGE: _range,
    Aggregate.COUNT: _count,
    Aggregate.NUMBER_OF_TRANSITIONS: _transitions,
    Aggregate.START: _edge(last=False),
    Aggregate.END: _edge(last=True),
    Aggregate.DELTA: _delta,
    Aggregate.WORST_QUALITY: _worst_quality(bounded=False),
    Aggregate.WORST_QUALITY2: _worst_quality(bounded=True),
    Aggregate.STANDARD_DEVIATION_SAMPLE: _variance(sample=True, root=True),
    Aggregate.STANDARD_DEVIATION_POPULATION: _variance(sample=False, root=True),
    Aggregate.VARIANCE_SAMPLE: _variance(sample=True, root=False),
    Aggregate.VARIANCE_POPULATION: _variance(sample=False, root=False),
}
