"""Samples in columns: those of one tag, and those of several tags in lanes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Codes = NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Series:
    """Hold one tag's samples in order: time, status, value (NaN where it has no number)."""

    time: Ints
    status: Codes
    value: Floats

    def where(self, marked: "Bools | Ints | slice") -> "Series":
        """Give the marked samples."""
        return Series(self.time[marked], self.status[marked], self.value[marked])


def chained(*parts: Series) -> Series:
    """Give the samples of several one after another."""
    columns = ([getattr(part, name) for part in parts] for name in ("time", "status", "value"))
    return Series(*(np.concatenate(column) for column in columns))


@dataclass(frozen=True, slots=True)
class Lanes:
    """Hold the samples of several tags one after another: each tag has a lane, in which its samples are in order."""

    series: Series
    begins: Ints
    """Where each lane begins, and at last where the last one ends."""

    def __len__(self) -> int:
        return len(self.begins) - 1

    def __getitem__(self, lane: int) -> Series:
        return self.series.where(slice(self.begins[lane], self.begins[lane + 1]))

    @property
    def counts(self) -> Ints:
        """Give the number of samples of each lane."""
        return np.diff(self.begins)

    @property
    def lane(self) -> Ints:
        """Give each sample's lane."""
        return np.repeat(np.arange(len(self)), self.counts)

    @property
    def calm(self) -> Bools:
        """Say of which lanes all samples are Good and have a number."""
        other = np.flatnonzero((self.series.status >> np.uint32(30) != 0) | np.isnan(self.series.value))
        found: Bools = np.diff(np.searchsorted(other, self.begins)) == 0
        return found

    def where(self, marked: Bools) -> "Lanes":
        """Give the marked samples, in as many lanes."""
        kept = np.flatnonzero(marked)
        return Lanes(self.series.where(kept), np.searchsorted(kept, self.begins))

    def some(self, lanes: Ints) -> "Lanes":
        """Give these lanes alone."""
        if np.array_equal(lanes, np.arange(len(self))):
            return self
        place = places_of(self.begins[lanes], self.begins[lanes + 1])
        return Lanes(self.series.where(place), ends_of(self.counts[lanes]))

    def framed(self, lane: Ints, added: Series, *, at_end: Bools) -> "Lanes":
        """Give the same with samples added before or behind all others of their lanes."""
        order = np.lexsort((at_end, lane))
        lane, added, place = lane[order], added.where(order), self.begins[lane + at_end][order]
        columns = ((getattr(part, name) for part in (self.series, added)) for name in ("time", "status", "value"))
        series = Series(*(np.insert(own, place, more) for own, more in columns))
        return Lanes(series, self.begins + np.searchsorted(lane, np.arange(len(self) + 1)))


NO_LANES = Lanes(Series(np.zeros(0, np.int64), np.zeros(0, np.uint32), np.zeros(0)), np.zeros(1, np.int64))


def one_lane(series: Series) -> Lanes:
    """Give a tag's samples as the one lane there is."""
    return Lanes(series, np.array([0, len(series.time)], np.int64))


def ends_of(counts: Ints) -> Ints:
    """Give where parts of these lengths begin, and at last where the last one ends."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def firsts(ordered: NDArray[np.generic]) -> Ints:
    """Give the place of the first of each run of equal values."""
    begins = np.ones(len(ordered), np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(begins)


def places_of(low: Ints, high: Ints) -> Ints:
    """Give the places of the ranges low <= place < high, one range after another."""
    ends = ends_of(high - low)
    return np.arange(ends[-1]) + np.repeat(low - ends[:-1], high - low)


def ranges_of(low: Ints, high: Ints, total: int) -> Ints:
    """Give for each of `total` places the number of the range low <= place < high that it is in, -1 between them."""
    lengths = np.diff(np.column_stack([low, high]).ravel(), prepend=0, append=total)
    numbers = np.full(len(lengths), -1, np.int64)
    numbers[1::2] = np.arange(len(low))
    return np.repeat(numbers, lengths)
