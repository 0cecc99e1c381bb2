"""Aggregates in columns: what core.aggregate says one sample at a time, said with arrays.

Theory of operation. Samples of one tag, in order, are cut at the bounds of the windows into pieces in which one sample
is the newest. Of equal times the one committed last holds. Sums over pieces give what goes by duration (TimeAverage,
PercentGood, the status), sums over samples what goes by count. The reference in core judges this module.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from penstock.core import status as codes
from penstock.core.aggregate import CALCULATED, PARTIAL, Aggregate, AggregateSettings
from penstock.core.windows import Window

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Series:
    """Hold one tag's samples in order: time, status, value (NaN where it has no number)."""

    time: Ints
    status: NDArray[np.uint32]
    value: Floats


@dataclass(frozen=True, slots=True)
class Summary:
    """Hold one value per window and aggregate, NaN with `present` False where there is none; status per window."""

    values: dict[Aggregate, Floats]
    present: dict[Aggregate, Bools]
    status: NDArray[np.uint32]


def summarise(
    series: Series, over: Sequence[Window], wanted: Sequence[Aggregate], settings: AggregateSettings
) -> Summary:
    """Compute each wanted aggregate over adjoining windows; `series` holds the bounding samples as well."""
    scene = _Scene(series, over, settings)
    values, present = {}, {}
    for name in wanted:
        values[name], present[name] = _COMPUTE[name](scene)
    return Summary(values, present, scene.window_status())


class _Scene:
    """Hold what several aggregates need, each made once."""

    def __init__(self, series: Series, over: Sequence[Window], settings: AggregateSettings) -> None:
        self.settings = settings
        self.starts = np.array([window.start_ns for window in over], np.int64)
        self.ends = np.array([window.end_ns for window in over], np.int64)
        self.partial = np.array([window.partial for window in over], np.bool_)
        assert (self.starts[1:] == self.ends[:-1]).all(), "windows must adjoin"
        self.series = series
        self.usable = self._usable(series)
        newest = np.ones(len(series.time), np.bool_)
        newest[:-1] = series.time[1:] != series.time[:-1]
        self.time, self.value = series.time[newest], series.value[newest]
        self.status, self.holds = series.status[newest], self.usable[newest]
        first = np.roll(newest, 1)  # of equal times: a line goes to the first, and on from the last
        self.first_value, self.first_holds = series.value[first], self.usable[first]

    def _usable(self, series: Series) -> Bools:
        severity = series.status >> 30
        good_enough = severity == 0 if self.settings.treat_uncertain_as_bad else severity < 2
        usable: Bools = good_enough & ~np.isnan(series.value)
        return usable

    @cached_property
    def inside(self) -> tuple[Ints, Floats]:
        """Give window and value of each usable sample within the windows."""
        time = self.series.time
        within = self.usable & (time >= self.starts[0]) & (time < self.ends[-1])
        return np.searchsorted(self.starts, time[within], side="right") - 1, self.series.value[within]

    @cached_property
    def counts(self) -> Ints:
        return np.bincount(self.inside[0], minlength=len(self.starts))

    @cached_property
    def pieces(self) -> tuple[Ints, Ints, Ints]:
        """Give per piece its bounds' times and the sample that is newest in it, -1 before the first."""
        within = (self.time > self.starts[0]) & (self.time < self.ends[-1])
        cuts = np.union1d(self.time[within], np.append(self.starts, self.ends[-1]))
        return cuts[:-1], cuts[1:], np.searchsorted(self.time, cuts[:-1], side="right") - 1

    @cached_property
    def first_pieces(self) -> Ints:
        """Give the place of each window's first piece."""
        return np.searchsorted(self.pieces[0], self.starts)

    def duration_where(self, marked: Bools) -> Ints:
        """Sum the length of the pieces whose newest sample is marked, per window."""
        start, end, at = self.pieces
        held = (at >= 0) & _at(marked, at)
        summed: Ints = np.add.reduceat(np.where(held, end - start, 0), self.first_pieces)
        return summed

    @cached_property
    def usable_duration(self) -> Ints:
        return self.duration_where(self.holds)

    def value_at(self, time: Ints, at: Ints) -> Floats:
        """Give the value at times within the pieces of samples `at`: held, or on the line to the next usable one."""
        value = _at(self.value, at)
        if self.settings.stepped or len(self.time) == 0:
            return value
        after = np.minimum(at + 1, len(self.time) - 1)
        sloped = (at >= 0) & (at + 1 < len(self.time)) & _at(self.holds, at) & self.first_holds[after]
        length = np.where(sloped, self.time[after] - _at(self.time, at), 1)
        share = np.where(sloped, time - _at(self.time, at), 0) / length
        return np.where(sloped & (share > 0), value + (self.first_value[after] - value) * share, value)

    def bounding(self, time: Ints) -> tuple[Floats, Bools]:
        """Give the simple bounding value at each time, and where there is one."""
        at = np.searchsorted(self.time, time, side="right") - 1
        present = (at >= 0) & _at(self.holds, at)
        return np.where(present, self.value_at(time, at), np.nan), present

    def window_status(self) -> NDArray[np.uint32]:
        """Give Good, Uncertain or Bad by the share of usable duration, with Calculated and Partial."""
        bits = codes.INFO_TYPE_DATA_VALUE | CALCULATED
        good = 100.0 * self.usable_duration / (self.ends - self.starts)
        status = np.full(len(good), codes.UNCERTAIN_DATA_SUB_NORMAL, np.uint32)
        status[100.0 - good >= self.settings.percent_data_bad] = codes.BAD
        status[good >= self.settings.percent_data_good] = codes.GOOD
        status[(self.usable_duration == 0) & (self.counts == 0)] = codes.BAD_NO_DATA
        return status | np.uint32(bits) | np.where(self.partial, PARTIAL, 0).astype(np.uint32)


def _at(values: NDArray[T], at: Ints) -> NDArray[T]:
    """Take by place; -1 (before the first sample) takes whatever, the caller masks it."""
    return values[at] if len(values) else np.zeros(len(at), values.dtype)


def _count(scene: _Scene) -> tuple[Floats, Bools]:
    return scene.counts.astype(np.float64), np.ones(len(scene.starts), np.bool_)


def _extreme(pick: np.ufunc, neutral: float) -> Callable[[_Scene], tuple[Floats, Bools]]:
    def compute(scene: _Scene) -> tuple[Floats, Bools]:
        window, value = scene.inside
        found = np.full(len(scene.starts), neutral)
        pick.at(found, window, value)
        return found, scene.counts > 0

    return compute


def _average(scene: _Scene) -> tuple[Floats, Bools]:
    window, value = scene.inside
    count = np.maximum(scene.counts, 1)
    parts = np.bincount(window, weights=value / count[window], minlength=len(scene.starts))
    summed: Floats = parts.astype(np.float64, copy=False)
    return summed, scene.counts > 0


def _time_average(scene: _Scene) -> tuple[Floats, Bools]:
    start, end, at = scene.pieces
    held = (at >= 0) & _at(scene.holds, at)
    total = np.maximum(scene.usable_duration, 1)
    window = np.searchsorted(scene.starts, start, side="right") - 1
    mean = scene.value_at(start, at)
    if not scene.settings.stepped:
        mean = (mean + scene.value_at(end, at)) / 2
    weighted = np.where(held, np.where(held, mean, 0.0) * ((end - start) / total[window]), 0.0)
    summed: Floats = np.add.reduceat(weighted, scene.first_pieces)
    return summed, scene.usable_duration > 0


def _percent_good(scene: _Scene) -> tuple[Floats, Bools]:
    good = scene.duration_where(scene.status >> 30 == 0)
    percent: Floats = 100.0 * good.astype(np.float64) / (scene.ends - scene.starts)
    return percent, np.ones(len(good), np.bool_)


_COMPUTE: dict[Aggregate, Callable[[_Scene], tuple[Floats, Bools]]] = {
    Aggregate.COUNT: _count,
    Aggregate.MINIMUM: _extreme(np.minimum, np.inf),
    Aggregate.MAXIMUM: _extreme(np.maximum, -np.inf),
    Aggregate.AVERAGE: _average,
    Aggregate.TIME_AVERAGE: _time_average,
    Aggregate.PERCENT_GOOD: _percent_good,
    Aggregate.START: lambda scene: scene.bounding(scene.starts),
    Aggregate.END: lambda scene: scene.bounding(scene.ends),
}
