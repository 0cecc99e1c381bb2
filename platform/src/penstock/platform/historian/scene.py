"""What aggregates are computed from: samples by window, bounding values and regions; core.bounding in columns.

Theory of operation. *Knots* are the samples that hold: of equal times the one committed last, and, where the newest
value is known to hold on, one more at that time. Windows are cut at the knots into *pieces* in which one knot is the
newest; sums over pieces give what goes by duration, sums over samples what goes by count.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from penstock.core import status as codes
from penstock.core.aggregate import CALCULATED, INTERPOLATED, AggregateSettings
from penstock.core.windows import Window

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Codes = NDArray[np.uint32]
GOOD, UNCERTAIN, BAD = 0, 1, 2
SEVERITY_CODES = np.array([codes.GOOD, codes.UNCERTAIN_DATA_SUB_NORMAL, codes.BAD], np.uint32)


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
class Bounds:
    """Hold bounding values: `severity` 2 where there is none, `is_raw` where a sample has just that time."""

    value: Floats
    status: Codes
    severity: Ints
    is_raw: Bools

    @property
    def present(self) -> Bools:
        """Say where there is a value."""
        return self.severity < BAD


@dataclass(frozen=True, slots=True)
class Pieces:
    """Hold the pieces of all windows; `window` is the place of each one's window."""

    start: Ints
    end: Ints
    window: Ints
    severity: Ints
    start_severity: Ints
    first: Floats
    last: Floats

    @property
    def length(self) -> Ints:
        """Give each one's duration."""
        return self.end - self.start


class Scene:
    """Hold one tag's samples and adjoining windows over them; what several aggregates need is made once."""

    def __init__(self, series: Series, over: Sequence[Window], settings: AggregateSettings) -> None:
        self.settings = settings
        self.starts = np.array([window.start_ns for window in over], np.int64)
        self.ends = np.array([window.end_ns for window in over], np.int64)
        self.cut = np.array([window.partial for window in over], np.bool_)
        assert (self.starts[1:] == self.ends[:-1]).all(), "windows must adjoin"
        self._take_samples(series)
        self._make_knots()
        self.low = np.searchsorted(self.time, self.starts)
        self.high = np.searchsorted(self.time, self.ends)

    def _take_samples(self, series: Series) -> None:
        data = np.flatnonzero(series.status & np.uint32(codes.CODE_MASK) != codes.BAD_NO_DATA)
        first = int(data[0]) if len(data) else len(series.time)
        self.time, self.status = series.time[first:], series.status[first:].astype(np.uint32)
        value = series.value[first:]
        self.value = np.zeros(len(value)) if self.settings.textual else value
        self.severity = severities(self.status, self.value)
        self.usable: Bools = self.severity <= (GOOD if self.settings.treat_uncertain_as_bad else UNCERTAIN)

    def _make_knots(self) -> None:
        newest = np.ones(len(self.time), np.bool_)
        newest[:-1] = self.time[1:] != self.time[:-1]
        place = np.flatnonzero(newest)
        self.real_knots = len(place)
        covered = self.settings.covered_until_ns
        times = self.time[place]
        self.is_held = len(place) > 0 and covered is not None and covered > int(times[-1])
        if self.is_held:
            place, times = np.append(place, place[-1]), np.append(times, np.int64(covered or 0))
        self.knot_time: Ints = times
        self.knot_value, self.knot_status = self.value[place], self.status[place]
        self.knot_severity, self.knot_usable = self.severity[place], self.usable[place]

    @property
    def size(self) -> int:
        """Give the number of windows."""
        return len(self.starts)

    @property
    def is_empty(self) -> bool:
        """Say whether there are no samples at all."""
        return self.real_knots == 0

    @cached_property
    def region_end(self) -> int:
        """Give where the data end: the newest sample lasts one unit of time when it is not held longer."""
        return int(self.knot_time[-1]) + (0 if self.is_held else 1)

    @cached_property
    def length(self) -> Ints:
        """Give each window's duration as far as there are data; at least 1 where it is used to divide."""
        return np.maximum(np.minimum(self.ends, self.region_end) - self.starts, 1)

    @cached_property
    def starts_in(self) -> Bools:
        """Say in which window the data start."""
        first = self.knot_time[0]
        found: Bools = (self.starts < first) & (first < self.ends)
        return found

    @cached_property
    def ends_in(self) -> Bools:
        """Say in which window the data end."""
        last = self.knot_time[-1]
        found: Bools = (self.starts <= last) & (last < self.ends)
        return found

    @cached_property
    def window_of(self) -> Ints:
        """Give each sample's window, -1 outside."""
        found = np.full(len(self.time), -1, np.int64)
        found[self.low[0] : self.high[-1]] = np.repeat(np.arange(self.size), self.high - self.low)
        return found

    def chosen(self, marked: Bools) -> tuple[Ints, Floats, Ints]:
        """Give window, value and time of the marked samples within the windows."""
        kept = marked & (self.window_of >= 0)
        return self.window_of[kept], self.value[kept], self.time[kept]

    def count(self, marked: Bools) -> Ints:
        """Count the marked samples per window."""
        return np.bincount(self.window_of[marked & (self.window_of >= 0)], minlength=self.size).astype(np.int64)

    @cached_property
    def good_count(self) -> Ints:
        """Count the Good samples."""
        return self.count(self.severity == GOOD)

    @cached_property
    def unusable_count(self) -> Ints:
        """Count the samples that are Bad, or treated so."""
        return self.count(~self.usable)

    @cached_property
    def good_mean(self) -> Floats:
        """Give the mean of the Good samples."""
        window, value, _ = self.chosen(self.severity == GOOD)
        count = np.maximum(self.good_count, 1)
        return np.bincount(window, weights=value / count[window], minlength=self.size).astype(np.float64)

    def good_squares(self) -> Floats:
        """Give the sum of the squared distances of the Good samples from their mean."""
        window, value, _ = self.chosen(self.severity == GOOD)
        apart = (value - self.good_mean[window]) ** 2
        return np.bincount(window, weights=apart, minlength=self.size).astype(np.float64)

    def extreme(self, severity: int, sign: int) -> tuple[Floats, Ints, Ints]:
        """Give the least (sign 1) or greatest (-1, negated) of a severity, how many have it, and the first's time."""
        window, value, time = self.chosen(self.severity == severity)
        return self.best_of(window, sign * value, time)

    def best_of(self, window: Ints, value: Floats, time: Ints) -> tuple[Floats, Ints, Ints]:
        """Give the least value per window, how many have it, and the time of the first."""
        best = np.full(self.size, np.inf)
        np.minimum.at(best, window, value)
        hit = np.flatnonzero(value == best[window])
        number = np.bincount(window[hit], minlength=self.size).astype(np.int64)
        at = self.starts.copy()
        first = hit[firsts(window[hit])]
        at[window[first]] = time[first]
        return best, number, at

    def edge(self, *, last: bool) -> Series:
        """Give the first or last sample of each window; what stands for a window without any is not to be used."""
        at = np.where(self.all_count > 0, self.high - 1 if last else self.low, 0)
        return Series(self.time[at], self.status[at], self.value[at])

    def good_edges(self) -> tuple[Floats, Floats, Bools]:
        """Give value of the first and last Good sample of each window, and whether others lie beyond them."""
        good = np.flatnonzero(self.severity == GOOD)
        first = good[np.minimum(np.searchsorted(good, self.low), len(good) - 1)]
        last = good[np.maximum(np.searchsorted(good, self.high) - 1, 0)]
        return self.value[first], self.value[last], (first != self.low) | (last != self.high - 1)

    @property
    def all_count(self) -> Ints:
        """Count all samples."""
        return self.high - self.low

    @cached_property
    def lenient(self) -> "Scene":
        """Give the same with TreatUncertainAsBad off."""
        windows = [Window(int(s), int(e)) for s, e in zip(self.starts, self.ends, strict=True)]
        series = Series(self.time, self.status, self.value)
        return Scene(series, windows, replace(self.settings, treat_uncertain_as_bad=False))

    def _region_severity(self, *, stepped: bool) -> Ints:
        """Judge from each knot to the next: sloped, also by the end (5.4.3.2.2)."""
        own = np.where(self.knot_usable, self.knot_severity, BAD)
        if stepped:
            return own
        following = np.full(len(own), own[-1] if self.is_held else BAD)
        following[:-1] = own[1:]
        sloped = np.where(following == BAD, UNCERTAIN, np.maximum(own, following))
        return np.where(own == BAD, BAD, sloped)

    def _on_line(self, at: Ints, time: Ints, *, stepped: bool) -> Floats:
        """Give the value at times within the regions of knots `at`: held, or on the line to the next usable one."""
        value = self.knot_value[at]
        if stepped:
            return value
        after = np.minimum(at + 1, len(self.knot_time) - 1)
        sloped = (after > at) & self.knot_usable[at] & self.knot_usable[after]
        line = _line(self.knot_time[at], value, self.knot_time[after], self.knot_value[after], time)
        return np.where(sloped, line, value)

    def simple_bound(self, time: Ints) -> Bounds:
        """Give the simple bounding value at each time (3.1.9)."""
        found = np.searchsorted(self.knot_time, time, side="right") - 1
        at = np.maximum(found, 0)
        present = (found >= 0) & (time <= self.knot_time[-1]) & self.knot_usable[at]
        is_raw = present & (self.knot_time[at] == time) & (at < self.real_knots)
        region = self._region_severity(stepped=self.settings.stepped)[at]
        severity = np.where(is_raw, self.knot_severity[at], region)
        value = np.where(is_raw, self.knot_value[at], self._on_line(at, time, stepped=self.settings.stepped))
        return self._bounds(value, severity, present, np.where(is_raw, at, -1))

    def _bounds(self, value: Floats, severity: Ints, present: Bools, raw: Ints) -> Bounds:
        bits = np.uint32(codes.INFO_TYPE_DATA_VALUE | INTERPOLATED)
        status = np.where(raw >= 0, self.knot_status[raw], SEVERITY_CODES[severity] | bits)
        status = np.where(present, status, np.uint32(codes.BAD_NO_DATA)).astype(np.uint32)
        return Bounds(np.where(present, value, np.nan), status, np.where(present, severity, BAD), raw >= 0)

    def interpolated_bound(self, time: Ints, *, stepped: bool) -> Bounds:
        """Give the interpolated bounding value at each time (3.1.8)."""
        knots, places = self._interpolation_knots()
        if len(places) == 0:
            nowhere = np.full(len(time), -1, np.int64)
            return self._bounds(np.zeros(len(time)), np.full(len(time), BAD), np.zeros(len(time), np.bool_), nowhere)
        found = np.searchsorted(self.knot_time[places], time, side="right") - 1
        near = np.maximum(found, 0)
        before, has_later = places[near], found + 1 < len(places)
        after = places[np.minimum(near + 1, len(places) - 1)]
        t0, v0 = self.knot_time[before], self.knot_value[before]
        beyond = (time > self.knot_time[knots - 1]) | ((not stepped) & ~has_later & (t0 < time))
        held = ~beyond & (stepped | ~has_later)
        own = self.knot_severity[before]
        newest = np.searchsorted(self.knot_time[:knots], time, side="right") - 1
        severity = np.where(held, np.maximum(own, (newest > before).astype(np.int64)), UNCERTAIN)
        skipped = (after - before > 1).astype(np.int64)
        lined = ~beyond & ~held
        severity = np.where(lined, np.maximum(np.maximum(own, self.knot_severity[after]), skipped), severity)
        value = np.where(lined, _line(t0, v0, self.knot_time[after], self.knot_value[after], time), v0)
        if not stepped and self.settings.use_sloped_extrapolation:
            first = places[np.maximum(near - 1, 0)]
            slope = _line(self.knot_time[first], self.knot_value[first], t0, v0, time)
            value = np.where(beyond & (near > 0), slope, value)
        present = found >= 0
        is_raw = present & (t0 == time) & (before < self.real_knots)
        severity, value = np.where(is_raw, own, severity), np.where(is_raw, v0, value)
        return self._bounds(value, severity, present, np.where(is_raw, before, -1))

    def _interpolation_knots(self) -> tuple[int, Ints]:
        """Give how many knots interpolation knows, and the places of the usable ones."""
        without = self.is_held and self.settings.use_sloped_extrapolation
        knots = self.real_knots if without else len(self.knot_time)
        return knots, np.flatnonzero(self.knot_usable[:knots])

    @cached_property
    def pieces(self) -> Pieces:
        """Give the regions with simple bounding values."""
        return self._pieces(stepped=self.settings.stepped)

    @cached_property
    def stepped_pieces(self) -> Pieces:
        """Give the regions in which a state holds until the next sample."""
        return self._pieces(stepped=True)

    def _pieces(self, *, stepped: bool) -> Pieces:
        start, end, window = self._cut(self.knot_time)
        kept = start < self.region_end
        start, end, window = start[kept], np.minimum(end[kept], self.region_end), window[kept]
        found = np.searchsorted(self.knot_time, start, side="right") - 1
        at = np.maximum(found, 0)
        severity = np.where(found < 0, BAD, self._region_severity(stepped=stepped)[at])
        at_start = np.where(start == self.knot_time[at], self.knot_severity[at], severity)
        first, last = (self._on_line(at, time, stepped=stepped) for time in (start, end))
        return Pieces(start, end, window, severity, np.where(severity == BAD, BAD, at_start), first, last)

    @cached_property
    def interpolated_pieces(self) -> Pieces:
        """Give the pieces between usable knots, always sloped (5.4.3.6)."""
        _, places = self._interpolation_knots()
        start, end, window = self._cut(self.knot_time[places])
        if len(places) == 0:
            nothing = np.zeros(len(start))
            return Pieces(start, end, window, np.full(len(start), BAD), np.full(len(start), BAD), nothing, nothing)
        found = np.searchsorted(self.knot_time[places], start, side="right") - 1
        near = np.maximum(found, 0)
        slope = self.settings.use_sloped_extrapolation
        is_last = near == len(places) - 1
        low = places[np.where(is_last & slope, np.maximum(near - 1, 0), near)]
        high = places[np.where(is_last & (not slope), near, np.minimum(near + 1, len(places) - 1))]
        first, last = (
            _line(self.knot_time[low], self.knot_value[low], self.knot_time[high], self.knot_value[high], time)
            for time in (start, end)
        )
        severity = np.where(found < 0, BAD, GOOD)
        return Pieces(start, end, window, severity, severity, first, last)

    def _cut(self, times: Ints) -> tuple[Ints, Ints, Ints]:
        within = times[(times > self.starts[0]) & (times < self.ends[-1])]
        extra = [np.array([self.region_end], np.int64)] if self.starts[0] < self.region_end < self.ends[-1] else []
        cuts = np.concatenate([within, self.starts, self.ends[-1:], *extra])
        cuts.sort(kind="stable")  # merges what is in order already
        cuts = cuts[firsts(cuts)]
        return cuts[:-1], cuts[1:], np.searchsorted(self.starts, cuts[:-1], side="right") - 1

    def duration(self, pieces: Pieces, marked: Bools) -> Ints:
        """Sum the durations of the marked pieces per window."""
        summed = np.zeros(self.size, np.int64)
        np.add.at(summed, pieces.window[marked], pieces.length[marked])
        return summed

    def judge(self, good: Floats, bad: Floats) -> Ints:
        """Give severities by percentages; Good wins where the two limits meet (4.2.1.2)."""
        severity = np.where(bad >= self.settings.percent_data_bad, BAD, UNCERTAIN)
        return np.where(good >= self.settings.percent_data_good, GOOD, severity)

    @cached_property
    def severity_by_count(self) -> Ints:
        """Judge each window by the number of samples (PercentValues, 5.4.3.2.1)."""
        total = np.maximum(self.all_count, 1)
        judged = self.judge(100.0 * self.good_count / total, 100.0 * self.unusable_count / total)
        return np.where(self.all_count == 0, GOOD, judged)

    @property
    def _all_good(self) -> bool:
        return bool((self.knot_severity == GOOD).all())

    @cached_property
    def usable_by_time(self) -> tuple[Ints, Ints]:
        """Give each window's usable duration, and its severity by it; of Good samples alone without cutting at each."""
        if (self.settings.stepped or self.is_held) and self._all_good:
            held = np.minimum(self.ends, self.region_end) - np.maximum(self.starts, self.knot_time[0])
            held = np.maximum(held, 0)
            covered = np.minimum(self.ends, self.region_end) - self.starts
            bad = 100.0 * np.maximum(covered - held, 0) / self.length
            return held, self.judge(100.0 * held / self.length, bad)
        usable = self.duration(self.pieces, self.pieces.severity != BAD)
        return usable, self.severity_by_time(self.pieces)

    def severity_by_time(self, pieces: Pieces) -> Ints:
        """Judge each window by the duration of its pieces (PercentTime, 5.4.3.2.1)."""
        good = 100.0 * self.duration(pieces, pieces.severity == GOOD) / self.length
        bad = 100.0 * self.duration(pieces, pieces.severity == BAD) / self.length
        return self.judge(good, bad)


def severities(status: Codes, value: Floats) -> Ints:
    """Give each sample's severity; one without a number is Bad."""
    severity = np.minimum(status >> np.uint32(30), BAD).astype(np.int64)
    return np.where(np.isnan(value), BAD, severity)


def firsts(ordered: NDArray[np.generic]) -> Ints:
    """Give the place of the first of each run of equal values."""
    begins = np.ones(len(ordered), np.bool_)
    begins[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(begins)


def status_of(severity: Ints, bits: "NDArray[np.generic] | int" = CALCULATED) -> Codes:
    """Make status codes of severities and historian bits."""
    marks = np.asarray(bits, np.uint32)
    with_type = np.where(marks == 0, np.uint32(0), marks | np.uint32(codes.INFO_TYPE_DATA_VALUE))
    return (SEVERITY_CODES[severity] | with_type).astype(np.uint32)


def _line(t0: Ints, v0: Floats, t1: Ints, v1: Floats, time: Ints) -> Floats:
    """Give the value on lines through two points; where both are one point, its value."""
    length = t1 - t0
    share = (time - t0) / np.where(length == 0, 1, length)
    return np.where(length == 0, v0, v0 + (v1 - v0) * share)
