"""What aggregates are computed from: samples by window, bounding values and regions; core.bounding in columns.

Theory of operation. Several tags are computed at once, each in a lane of one time line (stage.py). *Knots* are the
samples that hold: of equal times the one committed last, and, where the newest value of a lane is known to hold on,
one more at that time. Windows are cut at the knots into *pieces* in which one knot is the newest; sums over pieces give
what goes by duration, sums over samples what goes by count. A lane without samples is given a Bad one that is later
than all that is asked, so that every lane has a first and a last knot.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from penstock.core import status as codes
from penstock.core.aggregate import CALCULATED, INTERPOLATED, AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.processed.series import Bools, Codes, Floats, Ints, Lanes, Series, firsts, ranges_of
from penstock.platform.historian.processed.stage import Stage

GOOD, UNCERTAIN, BAD = 0, 1, 2
SEVERITY_CODES = np.array([codes.GOOD, codes.UNCERTAIN_DATA_SUB_NORMAL, codes.BAD], np.uint32)


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


@dataclass(frozen=True, slots=True)
class Footing:
    """Hold the knots between which lines are drawn: their places, and the range of each lane in these."""

    place: Ints
    low: Ints
    high: Ints
    ends: Ints
    """The last knot of each lane that is known, usable or not."""


class Scene:
    """Hold samples in lanes and adjoining windows over each lane; what several aggregates need is made once."""

    def __init__(self, stage: Stage, samples: Lanes, settings: AggregateSettings) -> None:
        """Take samples as the stage lays them."""
        self.stage, self.settings = stage, settings
        self.starts, self.ends, self.cut = stage.starts, stage.ends, stage.cut
        self._take_samples(samples)
        self._make_knots()
        self.low = np.searchsorted(self.time, self.starts)
        self.high = np.searchsorted(self.time, self.ends)

    def _take_samples(self, samples: Lanes) -> None:
        data = np.flatnonzero(samples.series.status & np.uint32(codes.CODE_MASK) != codes.BAD_NO_DATA)
        begins, ends = samples.begins[:-1], samples.begins[1:]
        first = np.append(data, ends[-1])[np.searchsorted(data, begins)]
        self.dropped = np.minimum(first, ends) - begins
        """How many samples of each lane there are before its data begin."""
        if self.dropped.any():
            samples = samples.where(np.arange(ends[-1]) >= np.repeat(begins + self.dropped, samples.counts))
        self.is_empty: Bools = samples.counts == 0
        if self.is_empty.any():
            lane = np.flatnonzero(self.is_empty)
            status, value = np.full(len(lane), codes.BAD, np.uint32), np.full(len(lane), np.nan)
            later = Series(self.stage.beyond[lane], status, value)
            samples = samples.framed(lane, later, at_end=np.ones(len(lane), np.bool_))
        self._samples, series = samples, samples.series
        self.time, self.status = series.time, series.status.astype(np.uint32, copy=False)
        self.value = np.zeros(len(series.value)) if self.settings.textual else series.value
        self.severity = severities(self.status, self.value)
        self.usable: Bools = self.severity <= (GOOD if self.settings.treat_uncertain_as_bad else UNCERTAIN)

    def _make_knots(self) -> None:
        newest = np.ones(len(self.time), np.bool_)
        newest[:-1] = self.time[1:] != self.time[:-1]
        place = np.flatnonzero(newest)
        last = np.searchsorted(place, self._samples.begins[1:] - 1)
        covered = self.settings.covered_until_ns
        until = self.time[place[last]] if covered is None else self.stage.shift + covered
        self.is_held: Bools = until > self.time[place[last]]
        at = last[self.is_held] + 1
        self.knot_time: Ints = np.insert(self.time[place], at, until[self.is_held])
        self.is_real = np.insert(np.ones(len(place), np.bool_), at, values=False)
        place = np.insert(place, at, place[at - 1])
        self.knot_value, self.knot_status = self.value[place], self.status[place]
        self.knot_severity, self.knot_usable = self.severity[place], self.usable[place]
        self.last_knot = last + np.cumsum(self.is_held)
        self.first_knot = np.append(0, self.last_knot[:-1] + 1)

    @property
    def size(self) -> int:
        """Give the number of windows."""
        return len(self.starts)

    @cached_property
    def first_time(self) -> Ints:
        """Give the first knot's time of each lane."""
        found: Ints = self.knot_time[self.first_knot]
        return found

    @cached_property
    def last_time(self) -> Ints:
        """Give the last knot's time of each lane."""
        return self.knot_time[self.last_knot]

    @cached_property
    def stop_time(self) -> Ints:
        """Give where the data of each lane end: a newest sample that is not held lasts one unit of time."""
        return self.last_time + ~self.is_held

    @cached_property
    def data_start(self) -> Ints:
        """Give for each window where the data of its lane start."""
        found: Ints = self.first_time[self.stage.lane_of]
        return found

    @cached_property
    def data_end(self) -> Ints:
        """Give for each window where the data of its lane end."""
        found: Ints = self.stop_time[self.stage.lane_of]
        return found

    @cached_property
    def length(self) -> Ints:
        """Give each window's duration as far as there are data; at least 1 where it is used to divide."""
        found: Ints = np.maximum(np.minimum(self.ends, self.data_end) - self.starts, 1)
        return found

    @cached_property
    def starts_in(self) -> Bools:
        """Say in which window the data start."""
        found: Bools = (self.starts < self.data_start) & (self.data_start < self.ends)
        return found

    @cached_property
    def ends_in(self) -> Bools:
        """Say in which window the data end."""
        last = self.last_time[self.stage.lane_of]
        found: Bools = (self.starts <= last) & (last < self.ends)
        return found

    @cached_property
    def window_of(self) -> Ints:
        """Give each sample's window, -1 outside."""
        return ranges_of(self.low, self.high, len(self.time))

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
        return Scene(self.stage, self._samples, replace(self.settings, treat_uncertain_as_bad=False))

    def _region_severity(self, *, stepped: bool) -> Ints:
        """Judge from each knot to the next: sloped, also by the end (5.4.3.2.2)."""
        own = np.where(self.knot_usable, self.knot_severity, BAD)
        if stepped:
            return own
        following = own[self._next_knot]
        following[self.last_knot[~self.is_held]] = BAD
        sloped = np.where(following == BAD, UNCERTAIN, np.maximum(own, following))
        return np.where(own == BAD, BAD, sloped)

    @cached_property
    def _next_knot(self) -> Ints:
        """Give the place of the next knot of the lane; of a lane's last one its own."""
        found = np.arange(1, len(self.knot_time) + 1)
        found[self.last_knot] = self.last_knot
        return found

    def _on_line(self, at: Ints, time: Ints, *, stepped: bool) -> Floats:
        """Give the value at times within the regions of knots `at`: held, or on the line to the next usable one."""
        value = self.knot_value[at]
        if stepped:
            return value
        after = self._next_knot[at]
        sloped = (after > at) & self.knot_usable[at] & self.knot_usable[after]
        line = _line(self.knot_time[at], value, self.knot_time[after], self.knot_value[after], time)
        return np.where(sloped, line, value)

    def simple_bound(self, time: Ints) -> Bounds:
        """Give the simple bounding value at each time (3.1.9)."""
        lane = self.stage.lane_at(time)
        at = np.maximum(np.searchsorted(self.knot_time, time, side="right") - 1, 0)
        present = (time >= self.first_time[lane]) & (time <= self.last_time[lane]) & self.knot_usable[at]
        is_raw = present & (self.knot_time[at] == time) & self.is_real[at]
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
        lane, usable = self.stage.lane_at(time), self._usable_knots
        places, low, last = usable.place, usable.low[lane], usable.high[lane] - 1
        found = np.searchsorted(self.knot_time[places], time, side="right") - 1
        present = (low <= found) & (found <= last)
        near, has_later = np.maximum(found, 0), found < last
        before, after = places[near], places[np.minimum(near + 1, np.maximum(last, 0))]
        t0, v0 = self.knot_time[before], self.knot_value[before]
        ends = usable.ends[lane]
        beyond = (time > self.knot_time[ends]) | ((not stepped) & ~has_later & (t0 < time))
        held = ~beyond & (stepped | ~has_later)
        own = self.knot_severity[before]
        newest = np.minimum(np.searchsorted(self.knot_time, time, side="right") - 1, ends)
        severity = np.where(held, np.maximum(own, (newest > before).astype(np.int64)), UNCERTAIN)
        skipped = (after - before > 1).astype(np.int64)
        lined = ~beyond & ~held
        severity = np.where(lined, np.maximum(np.maximum(own, self.knot_severity[after]), skipped), severity)
        value = np.where(lined, _line(t0, v0, self.knot_time[after], self.knot_value[after], time), v0)
        if not stepped and self.settings.use_sloped_extrapolation:
            first = places[np.maximum(near - 1, 0)]
            slope = _line(self.knot_time[first], self.knot_value[first], t0, v0, time)
            value = np.where(beyond & (near > low), slope, value)
        is_raw = present & (t0 == time) & self.is_real[before]
        severity, value = np.where(is_raw, own, severity), np.where(is_raw, v0, value)
        return self._bounds(value, severity, present, np.where(is_raw, before, -1))

    @cached_property
    def _usable_knots(self) -> Footing:
        """Give the usable knots that interpolation knows: a slope goes on by itself, not to where a value is held."""
        slope = self.settings.use_sloped_extrapolation
        place = np.flatnonzero(self.knot_usable & (self.is_real | (not slope)))
        low, high = (np.searchsorted(place, each) for each in (self.first_knot, self.last_knot + 1))
        ends = self.last_knot - (self.is_held & slope)
        return Footing(place if len(place) else np.zeros(1, np.int64), low, high, ends)

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
        kept = start < self.data_end[window]
        start, window = start[kept], window[kept]
        end = np.minimum(end[kept], self.data_end[window])
        at = np.maximum(np.searchsorted(self.knot_time, start, side="right") - 1, 0)
        severity = np.where(start < self.data_start[window], BAD, self._region_severity(stepped=stepped)[at])
        at_start = np.where(start == self.knot_time[at], self.knot_severity[at], severity)
        first, last = (self._on_line(at, time, stepped=stepped) for time in (start, end))
        return Pieces(start, end, window, severity, np.where(severity == BAD, BAD, at_start), first, last)

    @cached_property
    def interpolated_pieces(self) -> Pieces:
        """Give the pieces between usable knots, always sloped (5.4.3.6)."""
        usable = self._usable_knots
        places = usable.place
        start, end, window = self._cut(self.knot_time[places])
        lane = self.stage.lane_of[window]
        first, last = usable.low[lane], usable.high[lane] - 1
        found = np.searchsorted(self.knot_time[places], start, side="right") - 1
        near = np.maximum(found, 0)
        slope = self.settings.use_sloped_extrapolation
        is_last = near == last
        low = places[np.where(is_last & slope & (near > first), near - 1, near)]
        high = places[np.where(is_last & (not slope), near, np.minimum(near + 1, np.maximum(last, 0)))]
        at_start, at_end = (
            _line(self.knot_time[low], self.knot_value[low], self.knot_time[high], self.knot_value[high], time)
            for time in (start, end)
        )
        severity = np.where((first <= found) & (found <= last), GOOD, BAD)
        return Pieces(start, end, window, severity, severity, at_start, at_end)

    def _cut(self, times: Ints) -> tuple[Ints, Ints, Ints]:
        """Cut the windows at times, and where the data end: start, end and window of each part."""
        begins, stops = self.stage.begins, self.stage.stops
        low, high = np.searchsorted(times, begins, side="right"), np.searchsorted(times, stops)
        within = times[ranges_of(low, high, len(times)) >= 0]
        extra = self.stop_time[(begins < self.stop_time) & (self.stop_time < stops)]
        cuts = np.concatenate([within, self.starts, stops, extra])
        cuts.sort(kind="stable")  # merges what is in order already
        cuts = cuts[firsts(cuts)]
        window = np.searchsorted(self.starts, cuts[:-1], side="right") - 1
        inside = cuts[:-1] < self.ends[window]  # not from the last window of a lane to the first of the next
        return cuts[:-1][inside], cuts[1:][inside], window[inside]

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
        if (self.settings.stepped or self.is_held.all()) and self._all_good:
            held = np.minimum(self.ends, self.data_end) - np.maximum(self.starts, self.data_start)
            held = np.maximum(held, 0)
            covered = np.minimum(self.ends, self.data_end) - self.starts
            bad = 100.0 * np.maximum(covered - held, 0) / self.length
            return held, self.judge(100.0 * held / self.length, bad)
        usable = self.duration(self.pieces, self.pieces.severity != BAD)
        return usable, self.severity_by_time(self.pieces)

    def severity_by_time(self, pieces: Pieces) -> Ints:
        """Judge each window by the duration of its pieces (PercentTime, 5.4.3.2.1)."""
        good = 100.0 * self.duration(pieces, pieces.severity == GOOD) / self.length
        bad = 100.0 * self.duration(pieces, pieces.severity == BAD) / self.length
        return self.judge(good, bad)


def scene_of(samples: Lanes, over: Sequence[Window], settings: AggregateSettings) -> Scene:
    """Make a scene of samples with their own times."""
    stage = Stage(samples, over, settings)
    return Scene(stage, stage.laid(samples), settings)


def severities(status: Codes, value: Floats) -> Ints:
    """Give each sample's severity; one without a number is Bad."""
    severity = np.minimum(status >> np.uint32(30), BAD).astype(np.int64)
    return np.where(np.isnan(value), BAD, severity)


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
