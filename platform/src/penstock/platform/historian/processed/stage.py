"""One time line for several tags: a stretch for each, with the same windows on all of them.

Theory of operation. The times of lane n stand n strides later than they are. A stride is longer than all that is in
question: windows, samples, how long the newest value holds. So one search in times answers for all lanes at once, and
no lane meets another. Windows are numbered on from lane to lane.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from penstock.core.aggregate import AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.processed.series import Bools, Ints, Lanes, Series

ROWS_TOGETHER = 250_000
"""Samples and blocks in one scene of several lanes: a bound for what is made of them, and near to the processor."""
_LATEST = np.iinfo(np.int64).max


class Stage:
    """Lay lanes one after another on one time line."""

    def __init__(self, lanes: Lanes, over: Sequence[Window], settings: AggregateSettings) -> None:
        starts = np.array([window.start_ns for window in over], np.int64)
        ends = np.array([window.end_ns for window in over], np.int64)
        assert (starts[1:] == ends[:-1]).all(), "windows must adjoin"
        low, high = _reach(lanes, over, settings)
        count = len(lanes)
        assert count <= _most(low, high)
        self.shift: Ints = np.arange(count) * (high + 1 - low if count > 1 else 0)
        """How much later each lane's times stand."""
        self.stretches = self.shift + low if count > 1 else self.shift
        self.beyond = self.shift + min(high, _LATEST)
        """A time of each lane that is later than all that is asked."""
        self.starts, self.ends = ((self.shift[:, None] + each).ravel() for each in (starts, ends))
        self.begins, self.stops = self.shift + starts[0], self.shift + ends[-1]
        """Where the windows of each lane begin and end."""
        self.cut: Bools = np.tile(np.array([window.partial for window in over], np.bool_), count)
        self.lane_of: Ints = np.repeat(np.arange(count), len(over))
        """The lane of each window."""

    def laid(self, lanes: Lanes) -> Lanes:
        """Give the samples with their times on the time line."""
        series, later = lanes.series, np.repeat(self.shift, lanes.counts)
        return Lanes(Series(series.time + later, series.status, series.value), lanes.begins)

    def lane_at(self, time: Ints) -> Ints:
        """Give the lane in whose stretch each time is."""
        return np.searchsorted(self.stretches[1:], time, side="right")


def together(
    lanes: Lanes, settings: Sequence[AggregateSettings], over: Sequence[Window], *, calm: Bools, rows: Ints
) -> Iterator[Ints]:
    """Part lanes into those that one scene can hold: of the same settings, of few enough rows, calm ones by themselves.

    Calm ones are Good throughout: of these much is told without cutting windows at each sample.
    """
    alike: dict[tuple[AggregateSettings, bool], list[int]] = {}
    for lane, kind in enumerate(zip(settings, calm.tolist(), strict=True)):
        alike.setdefault(kind, []).append(lane)
    counts = rows.tolist()
    for (each, _), members in alike.items():
        most = _most(*_reach(lanes, over, each))
        part: list[int] = []
        held = 0
        for lane in members:
            if part and (len(part) == most or held + counts[lane] > ROWS_TOGETHER):
                yield np.array(part, np.int64)
                part, held = [], 0
            part.append(lane)
            held += counts[lane]
        yield np.array(part, np.int64)


def _reach(lanes: Lanes, over: Sequence[Window], settings: AggregateSettings) -> tuple[int, int]:
    """Give the earliest time in question, and one later than the last."""
    some = lanes.counts > 0
    times = lanes.series.time[np.concatenate([lanes.begins[:-1][some], lanes.begins[1:][some] - 1])].tolist()
    until = [] if settings.covered_until_ns is None else [settings.covered_until_ns]
    return min([over[0].start_ns, *times]), max([over[-1].end_ns, *times, *until]) + 1


def _most(low: int, high: int) -> int:
    """Give how many lanes fit on a time line."""
    return max((_LATEST - 1 - high) // (high + 1 - low) + 1, 1)
