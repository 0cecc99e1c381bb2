"""Windows over summaries: a scene in which whole periods stand for their samples, beside samples as they are.

Theory of operation. A *part* is what counts go by: a sample of its own, or a row of a summary. For what goes by time
each period leaves its first and last sample as knots, and the one piece between them is exchanged for what the summary
says was held there; all other pieces, bounding values and what lies beyond the data come out as from samples.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.period import NS_PER_S
from penstock.platform.historian.processed.scene import BAD, GOOD, UNCERTAIN, Pieces, Scene, severities
from penstock.platform.historian.processed.series import (
    Bools,
    Floats,
    Ints,
    Lanes,
    Series,
    chained,
    ends_of,
    firsts,
    places_of,
)
from penstock.platform.historian.processed.stage import Stage

BY_PARTS = frozenset(
    {
        Aggregate.AVERAGE,
        Aggregate.MINIMUM,
        Aggregate.MAXIMUM,
        Aggregate.MINIMUM_ACTUAL_TIME,
        Aggregate.MAXIMUM_ACTUAL_TIME,
        Aggregate.RANGE,
        Aggregate.COUNT,
        Aggregate.START,
        Aggregate.END,
        Aggregate.DELTA,
        Aggregate.STANDARD_DEVIATION_SAMPLE,
        Aggregate.STANDARD_DEVIATION_POPULATION,
        Aggregate.VARIANCE_SAMPLE,
        Aggregate.VARIANCE_POPULATION,
        Aggregate.TIME_AVERAGE2,
        Aggregate.TOTAL2,
        Aggregate.START_BOUND,
        Aggregate.END_BOUND,
        Aggregate.DELTA_BOUNDS,
        Aggregate.DURATION_GOOD,
        Aggregate.DURATION_BAD,
        Aggregate.PERCENT_GOOD,
        Aggregate.PERCENT_BAD,
    }
)
"""What comes out of summaries as from samples."""
BY_PURE_PARTS = frozenset({Aggregate.INTERPOLATIVE, Aggregate.TIME_AVERAGE, Aggregate.TOTAL})
"""What comes out so where a period holds Good samples alone; so do the others with slopes."""


_EXTREMES = tuple(f"{end}_{name}" for end in ("low", "high") for name in ("time", "value", "rows"))
_COLUMNS = {
    **dict.fromkeys((Aggregate.MINIMUM, Aggregate.MAXIMUM, Aggregate.RANGE), _EXTREMES),
    **dict.fromkeys((Aggregate.MINIMUM_ACTUAL_TIME, Aggregate.MAXIMUM_ACTUAL_TIME), _EXTREMES),
    Aggregate.AVERAGE: ("sum",),
    **dict.fromkeys((Aggregate.STANDARD_DEVIATION_SAMPLE, Aggregate.STANDARD_DEVIATION_POPULATION), ("sum", "squares")),
    **dict.fromkeys((Aggregate.VARIANCE_SAMPLE, Aggregate.VARIANCE_POPULATION), ("sum", "squares")),
}


def columns_of(wanted: Iterable[Aggregate]) -> set[str]:
    """Give the columns of summaries that aggregates need beside the ends of each period and what was held in it."""
    return {"area", "line_area", *(column for name in wanted for column in _COLUMNS.get(name, ()))}


def answers(wanted: Iterable[Aggregate], settings: AggregateSettings) -> bool:
    """Say whether blocks can stand for samples in this question at all."""
    known = (BY_PARTS | BY_PURE_PARTS).issuperset(wanted)
    return known and not settings.textual and not settings.use_sloped_extrapolation


def needs_pure(wanted: Iterable[Aggregate], settings: AggregateSettings) -> bool:
    """Say whether only periods of Good samples alone can."""
    return not settings.stepped or not BY_PURE_PARTS.isdisjoint(wanted)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Hold rows of summaries: the columns of SUMMARY that are needed, `lane` in order, a number for each `block`."""

    columns: dict[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["start"])

    def where(self, marked: "Bools | Ints | slice") -> "Blocks":
        """Give the marked rows."""
        return Blocks({name: column[marked] for name, column in self.columns.items()})

    def some(self, lanes: Ints) -> "Blocks":
        """Give the rows of these lanes, which are numbered anew."""
        low, high = (np.searchsorted(self["lane"], lanes, side=side) for side in ("left", "right"))
        place = places_of(low, high)
        found = self if np.array_equal(place, np.arange(len(self))) else self.where(place)
        return Blocks(found.columns | {"lane": np.repeat(np.arange(len(lanes)), high - low)})

    def laid(self, stage: Stage) -> "Blocks":
        """Give the same with the times on the time line."""
        shift = stage.shift[self["lane"]]
        times = {name: column + shift for name, column in self.columns.items() if name.endswith("_time")}
        return Blocks(self.columns | times)

    @property
    def samples(self) -> int:
        """Give how many samples they stand for."""
        return int(self.columns["rows"].sum())

    def ends(self, *, last: bool) -> Series:
        """Give the first or the last sample of each block."""
        found = self.points("last" if last else "first")
        if (np.diff(self["block"]) > 0).all():  # of one severity each
            return found
        time = found.time
        order = np.lexsort((time, self["block"]))
        begins = firsts(self["block"][order])
        place = order[np.append(begins[1:], len(order))[: len(begins)] - 1] if last else order[begins]
        return found.where(place)

    def points(self, name: str) -> Series:
        """Give the first, last, low or high sample of each row."""
        return Series(self[f"{name}_time"], self[f"{name}_status"].astype(np.uint32), self[f"{name}_value"])

    def knots(self) -> Series:
        """Give the first and the last sample of each block."""
        both = [self.ends(last=False), self.ends(last=True)]
        time = np.concatenate([part.time for part in both])
        place = np.unique(time, return_index=True)[1]
        status, value = (np.concatenate([getattr(part, name) for part in both]) for name in ("status", "value"))
        return Series(time[place], status[place].astype(np.uint32), value[place])


class BlockScene(Scene):
    """Hold samples in lanes, and blocks for the rest, under windows that cut no block."""

    def __init__(self, stage: Stage, samples: Lanes, blocks: Blocks, settings: AggregateSettings) -> None:
        """Take samples and blocks as the stage lays them."""
        super().__init__(stage, _joined(stage, samples, blocks), settings)
        self._blocks = blocks
        series, place = samples.series, np.arange(samples.begins[-1])
        window = np.searchsorted(self.starts, series.time, side="right") - 1
        kept = place >= np.repeat(samples.begins[:-1] + self.dropped, samples.counts)  # no block begins with Bad_NoData
        kept &= (window >= 0) & (series.time < self.ends[window])
        time, status, value = (getattr(series, name)[kept] for name in ("time", "status", "value"))
        one = np.ones(len(time), np.int64)
        plain = {
            "severity": severities(status, value), "rows": one, "sum": value, "squares": np.zeros(len(one)),
            **{f"{name}_time": time for name in ("first", "last", "low", "high")},
            **{f"{name}_value": value for name in ("first", "last", "low", "high")},
            **{f"{name}_status": status for name in ("first", "last")},
            **{f"{name}_rows": one for name in ("low", "high")},
        }  # fmt: skip
        names = [name for name in plain if name in blocks.columns]
        self._parts = {name: np.concatenate([plain[name], blocks[name]]) for name in names}
        self._window = np.concatenate([window[kept], self._window_of_blocks])
        order = np.argsort(self._parts["first_time"], kind="stable")
        self._parts = {name: column[order] for name, column in self._parts.items()}
        self._window = self._window[order]

    @property
    def _window_of_blocks(self) -> Ints:
        return np.searchsorted(self.starts, self._blocks["first_time"], side="right") - 1

    @property
    def _all_good(self) -> bool:
        return bool((self.knot_severity == GOOD).all() and (self._blocks["severity"] == GOOD).all())

    def _number(self, marked: Bools) -> Ints:
        weights = self._parts["rows"][marked]
        return np.bincount(self._window[marked], weights=weights, minlength=self.size).astype(np.int64)

    def of_severity(self, severity: int) -> Bools:
        """Mark the parts of a severity."""
        found: Bools = self._parts["severity"] == severity
        return found

    @cached_property
    def good_count(self) -> Ints:
        """Count the Good samples."""
        return self._number(self.of_severity(GOOD))

    @cached_property
    def unusable_count(self) -> Ints:
        """Count the samples that are Bad, or treated so."""
        lowest = GOOD if self.settings.treat_uncertain_as_bad else GOOD + 1
        return self._number(self._parts["severity"] > lowest)

    @cached_property
    def all_count(self) -> Ints:
        """Count all samples."""
        return self._number(np.ones(len(self._window), np.bool_))

    @cached_property
    def good_mean(self) -> Floats:
        """Give the mean of the Good samples."""
        good = self.of_severity(GOOD)
        window, count = self._window[good], np.maximum(self.good_count, 1)
        weights = self._parts["sum"][good] / count[window]
        return np.bincount(window, weights=weights, minlength=self.size).astype(np.float64)

    def good_squares(self) -> Floats:
        """Give the sum of the squared distances of the Good samples from their mean."""
        good = self.of_severity(GOOD)
        window, rows = self._window[good], self._parts["rows"][good]
        apart = self._parts["sum"][good] / rows - self.good_mean[window]
        weights = self._parts["squares"][good] + rows * apart**2
        return np.bincount(window, weights=weights, minlength=self.size).astype(np.float64)

    def extreme(self, severity: int, sign: int) -> tuple[Floats, Ints, Ints]:
        """Give the least (sign 1) or greatest (-1, negated) of a severity, how many have it, and the first's time."""
        marked, name = self.of_severity(severity), "low" if sign > 0 else "high"
        window, value = self._window[marked], sign * self._parts[f"{name}_value"][marked]
        best = np.full(self.size, np.inf)
        if not marked.any():
            return best, np.zeros(self.size, np.int64), self.starts
        np.minimum.at(best, window, value)
        hit = np.flatnonzero(value == best[window])
        rows, time = self._parts[f"{name}_rows"][marked][hit], self._parts[f"{name}_time"][marked][hit]
        number = np.bincount(window[hit], weights=rows, minlength=self.size).astype(np.int64)
        at = np.full(self.size, np.iinfo(np.int64).max)
        np.minimum.at(at, window[hit], time)
        return best, number, np.where(number > 0, at, self.starts)

    def edge(self, *, last: bool) -> Series:
        """Give the first or last sample of each window; what stands for a window without any is not to be used."""
        if len(self._window) == 0:
            return Series(self.starts, np.zeros(self.size, np.uint32), np.full(self.size, np.nan))
        name = "last" if last else "first"
        place = self._edges(np.ones(len(self._window), np.bool_), last=last)
        return Series(*(self._parts[f"{name}_{column}"][place] for column in ("time", "status", "value")))

    def good_edges(self) -> tuple[Floats, Floats, Bools]:
        """Give value of the first and last Good sample of each window, and whether others lie beyond them."""
        good = self.of_severity(GOOD)
        every = np.ones(len(good), np.bool_)
        first, last = self._edges(good, last=False), self._edges(good, last=True)
        beyond = (first != self._edges(every, last=False)) | (last != self._edges(every, last=True))
        return self._parts["first_value"][first], self._parts["last_value"][last], beyond

    def _edges(self, marked: Bools, *, last: bool) -> Ints:
        place = np.flatnonzero(marked)
        if last:
            place = place[np.argsort(self._parts["last_time"][place], kind="stable")]
        found = np.zeros(self.size, np.int64)
        ordered = place if last else place[::-1]
        found[self._window[ordered]] = ordered  # of several the last assignment stays
        return found

    @cached_property
    def pieces(self) -> Pieces:
        """Give the regions with simple bounding values."""
        line, area = self._blocks["line_area"], self._blocks["area"]
        sloped = np.where(np.isnan(line), area, line)
        return self._exchanged(super().pieces, self._blocks, area if self.settings.stepped else sloped)

    @cached_property
    def interpolated_pieces(self) -> Pieces:
        """Give the pieces between usable knots."""
        pure = self._blocks.where(~np.isnan(self._blocks["line_area"]))
        return self._exchanged(super().interpolated_pieces, pure, pure["line_area"])

    def _exchanged(self, pieces: Pieces, blocks: Blocks, area: Floats) -> Pieces:
        """Put what blocks say was held in the place of the piece from the first sample of a block to its last."""
        first, last = blocks.ends(last=False).time, blocks.ends(last=True).time
        outside = ~np.isin(pieces.start, first[first < last])  # a block of one moment has no piece of its own
        held = np.flatnonzero(blocks["held"] > 0)
        start, length = blocks["first_time"][held], blocks["held"][held]
        severity = blocks["severity"][held]
        severity = np.where((severity == UNCERTAIN) & self.settings.treat_uncertain_as_bad, BAD, severity)
        mean = np.nan_to_num(area[held] / (length / NS_PER_S))
        window = np.searchsorted(self.starts, start, side="right") - 1
        told = Pieces(start, start + length, window, severity, severity, mean, mean)
        names = ("start", "end", "window", "severity", "start_severity", "first", "last")
        return Pieces(*(np.concatenate([getattr(pieces, name)[outside], getattr(told, name)]) for name in names))


def block_scene_of(samples: Lanes, blocks: Blocks, over: Sequence[Window], settings: AggregateSettings) -> BlockScene:
    """Make a scene of samples and blocks with their own times; blocks lie within the windows."""
    stage = Stage(samples, over, settings)
    return BlockScene(stage, stage.laid(samples), blocks.laid(stage), settings)


def _joined(stage: Stage, samples: Lanes, blocks: Blocks) -> Lanes:
    """Give samples and the knots of blocks in one order; the samples keep theirs where times are equal."""
    knots = blocks.knots()
    series = chained(samples.series, knots)
    counts = samples.counts + np.bincount(stage.lane_at(knots.time), minlength=len(samples))
    return Lanes(series.where(np.argsort(series.time, kind="stable")), ends_of(counts))
