"""Tumbling windows on event time, filled from samples in any chunks.

Theory of operation. A window closes when the *watermark* has passed its end by the allowed lateness. The watermark is
the oldest of the channels' newest source times, so that devices which deliver in turns are awaited; a channel that is
more than `patience_ns` behind the *lead*, the first vibration velocity, is awaited no longer. No clock is asked: live,
catch-up and batch runs close the same windows with the same contents. Whether a row is late is decided row by row, and
sums are carried in row order, so the result does not depend, to the last bit, on how the rows were cut into chunks. Nor
does it depend on rows of other channels between, so rows read by time give what rows in commit order gave, as long as
none was late. Late rows are left out and noted (`late_from_ns`): who holds the history can run it again from before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_OPEN = 4096
"""Open windows kept between calls; only a lead that is silent for hours while others go on can fill them."""

USABLE_MAX = 1e100
"""A value beyond it is no measurement of anything; up to it, sums over any window and their squares stay finite."""
NEVER = -(2**62)


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows of one asset in commit order: channel index (−1: of no channel), source time ns, value, Good or not.

    `position`: of the commit that each row came with; None: all with one.
    """

    channel: npt.NDArray[np.int64]
    time: npt.NDArray[np.int64]
    value: npt.NDArray[np.float64]
    good: npt.NDArray[np.bool_]
    position: npt.NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, slots=True)
class Window:
    """Mean of the Good samples per channel, NaN where there was none; `good` and `total` count rows per channel."""

    start_ns: int
    end_ns: int
    mean: npt.NDArray[np.float64]
    good: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]


@dataclass(slots=True)
class _Sums:
    value: npt.NDArray[np.float64]
    good: npt.NDArray[np.int64]
    total: npt.NDArray[np.int64]


@dataclass(slots=True)
class Windower:
    """Cut samples into windows of `width_ns`; rows that come after their window closed are counted in `late`.

    `late_from_ns`: start of the oldest window that such a row belongs to; rows older than `redo_ns` before the
    watermark are counted only.
    """

    channels: int
    width_ns: int
    lateness_ns: int
    patience_ns: int
    redo_ns: int
    lead: int = 0
    late: int = 0
    late_from_ns: int | None = None
    _newest: list[int] | None = None
    _watermark: int = NEVER
    _open: dict[int, _Sums] = field(default_factory=dict)

    def on_samples(self, samples: Samples) -> list[Window]:
        """Take rows in commit order, give the windows that they close, oldest first."""
        ours = samples.channel >= 0
        channel, time = samples.channel[ours], samples.time[ours]
        if not len(time):
            return []
        value, good = samples.value[ours], samples.good[ours] & (np.abs(samples.value[ours]) <= USABLE_MAX)
        index = time // self.width_ns
        closed = self._closed_before(channel, time)
        on_time = index >= closed
        self._note_late(index[~on_time])
        self._fill(channel[on_time], index[on_time], value[on_time], good[on_time])
        return self._close(int(closed[-1]))

    @property
    def boundary_ns(self) -> int:
        """Give the time up to which all windows are closed."""
        return (self._watermark - self.lateness_ns) // self.width_ns * self.width_ns

    def _note_late(self, index: npt.NDArray[np.int64]) -> None:
        self.late += len(index)
        start = index[index * self.width_ns >= self._watermark - self.redo_ns] * self.width_ns
        if len(start):
            first = int(start.min())
            self.late_from_ns = first if self.late_from_ns is None else min(first, self.late_from_ns)

    def _closed_before(self, channel: npt.NDArray[np.int64], time: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Give per row the first window still open once that row has been seen."""
        if self._newest is None:
            self._newest = [int(time[0])] * self.channels  # nobody is behind before the first row
        newest = np.empty((self.channels, len(time)), dtype=np.int64)
        for index, before in enumerate(self._newest):
            own = np.where(channel == index, time, before)
            newest[index] = np.maximum(np.maximum.accumulate(own), before)
        lead = newest[self.lead]
        awaited = np.where(lead - newest > self.patience_ns, lead, newest)
        watermark = np.maximum(np.maximum.accumulate(np.minimum(awaited.min(axis=0), lead)), self._watermark)
        self._newest = [int(n) for n in newest[:, -1]]
        self._watermark = int(watermark[-1])
        return (watermark - self.lateness_ns) // self.width_ns

    def _fill(
        self,
        channel: npt.NDArray[np.int64],
        index: npt.NDArray[np.int64],
        value: npt.NDArray[np.float64],
        good: npt.NDArray[np.bool_],
    ) -> None:
        if not len(index):
            return
        windows, slot = np.unique(index, return_inverse=True)
        sums = np.zeros((len(windows), self.channels))
        goods = np.zeros((len(windows), self.channels), dtype=np.int64)
        totals = np.zeros((len(windows), self.channels), dtype=np.int64)
        for row, window in enumerate(windows):
            if (carried := self._open.get(int(window))) is not None:
                sums[row], goods[row], totals[row] = carried.value, carried.good, carried.total
        np.add.at(sums, (slot[good], channel[good]), value[good])  # in row order: carried sums stay exact
        np.add.at(goods, (slot[good], channel[good]), 1)
        np.add.at(totals, (slot, channel), 1)
        for row, window in enumerate(windows):
            self._open[int(window)] = _Sums(sums[row], goods[row], totals[row])

    def _close(self, first_open: int) -> list[Window]:
        closing = sorted(w for w in self._open if w < first_open)
        if len(self._open) - len(closing) > MAX_OPEN:  # rows far in the future of the lead: the nearest are kept
            for far in sorted(self._open)[MAX_OPEN + len(closing) :]:
                self.late += int(self._open.pop(far).total.sum())
        return [self._window(w, self._open.pop(w)) for w in closing]

    def _window(self, index: int, sums: _Sums) -> Window:
        mean = np.full(self.channels, np.nan)
        np.divide(sums.value, sums.good, out=mean, where=sums.good > 0)
        start = index * self.width_ns
        return Window(start, start + self.width_ns, mean, sums.good, sums.total)

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values; floats survive exactly."""
        opened = {str(k): [v.value.tolist(), v.good.tolist(), v.total.tolist()] for k, v in self._open.items()}
        state = {"late": self.late, "newest": self._newest, "watermark": self._watermark, "open": opened}
        return state | {"late_from": self.late_from_ns}

    def mark_to_json(self) -> dict[str, Any]:
        """Give the state at `boundary_ns`, for who goes on with the rows from there on in time order."""
        return {"late": 0, "newest": None, "watermark": self._watermark, "open": {}, "late_from": None}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_json` gave, of the same channels and width."""
        self.late, self._newest, self._watermark = int(state["late"]), state["newest"], int(state["watermark"])
        self.late_from_ns = state.get("late_from")
        self._open = {
            int(k): _Sums(
                np.array(v[0], dtype=np.float64), np.array(v[1], dtype=np.int64), np.array(v[2], dtype=np.int64)
            )
            for k, v in state["open"].items()
        }
