"""Rows of an asset's channels out of samples in commit order.

Theory of operation. Devices give their channels at common source times, so a row is what has one source time. It is
complete when every channel has a sample at that time, Good or not, and is given as soon as no earlier row is open.
A row that is not complete is given once it has been open for `wait_ns` of the reader's clock. Source time could not say
how long to wait: a playback that is 200 times as quick as its recording brings minutes of one channel before the next
one's. Nor does a channel that has gone on: its message of this row may have been lost and be sent again. So the clock
decides when an incomplete row is given, never what is in it, as long as what belongs to it comes within the wait.

A whole row may be on its way too: a broker sends what it holds for lost behind newer messages. Nobody says so, but a
row that lies further behind the one before it than rows usually do shows that something may be missing, and it waits as
an incomplete one does. Read in time order, a row is over when a later one begins; one that is incomplete or parted, and
was committed so lately that the rest may still come, is left open for the clock. A sample at or before the newest row
that was given is late: it is counted, and `late_from_ns` says from where the history is to be read again.

What is not Good completes a row, but says nothing of how far a device has come: a server that waits for its first data,
or a gateway that lost its device, stamps it with a time of its own. A row without any Good value is no row.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.assessment import SECOND
from penstock.apps.maintenance.windows import Samples

OPEN_MAX = 100_000
"""Rows that are open at a time; beyond, the oldest is given as it is. More than any batch of one device holds."""
NEVER = -(2**62)
PARTED_PERIODS = 1.5
"""So far behind the row before it a row is parted from it: one that lay between them may still come."""
APART_KNOWN, APART_MIN = 15, 5
"""Newest rows whose median tells how far rows lie apart; with fewer than the second each is awaited."""
WAIT_NS = 15 * SECOND
"""A gateway gathers for a second or two, and sends again after a break of its link; a broker sends again after its
`ack_wait`, 2 s in the demo, perhaps some times."""
ALL_SETTLED = 2**62


@dataclass(slots=True)
class _Open:
    values: list[float]
    seen: int = 0
    good: bool = False
    since_ns: int | None = None
    """When the reader's clock first saw it; None: not since it was restored."""
    position: int = 0
    """Newest commit of it that was seen."""


@dataclass(slots=True)
class RowMaker:
    """Make rows of `channels` channels; what is before `from_ns` is not looked at.

    Rows are usually `period_ns` apart; without one the newest rows tell. `waits`: also for rows that have not begun.
    """

    channels: int
    wait_ns: int
    from_ns: int = NEVER
    period_ns: int | None = None
    waits: bool = False
    late: int = 0
    late_from_ns: int | None = None
    _given_ns: int = NEVER
    _newest_ns: int = NEVER
    _open: dict[int, _Open] = field(default_factory=dict)
    _times: list[int] = field(default_factory=list)
    """A heap of the open rows' times."""
    _restored: bool = False
    _apart: deque[int] = field(default_factory=lambda: deque(maxlen=APART_KNOWN))
    """How far the newest rows lie apart."""

    @property
    def boundary_ns(self) -> int:
        """Give the time before which every row was given."""
        return self._given_ns + 1

    def on_samples(
        self, samples: Samples, now_ns: int, *, in_order: bool = False, settled: int = ALL_SETTLED
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Take whole commits in their order, or rows by time where `in_order`; none at all lets the clock go on.

        `settled`: of rows by time, the commit up to which nothing is awaited any more.
        Give the rows that are over: times (n,) and values (n, c), NaN where nothing was read.
        """
        times: list[int] = []
        rows: list[list[float]] = []
        self._wait_anew(now_ns)
        position = np.zeros(len(samples), np.int64) if samples.position is None else samples.position
        cuts = [0, *(np.flatnonzero(np.diff(position)) + 1).tolist(), len(samples)]
        channel, time = samples.channel.tolist(), samples.time.tolist()
        value = np.where(samples.good, samples.value, np.nan).tolist()
        for begin, end in pairwise(cuts):
            for i in range(begin, end):
                if channel[i] >= 0 and time[i] >= self.from_ns:
                    self._put(channel[i], time[i], value[i], now_ns=now_ns, position=int(position[i]))
            clock_ns = now_ns if end == len(samples) else None
            while self._times and self._is_due(self._times[0], clock_ns, settled if in_order else None):
                first = heapq.heappop(self._times)
                row = self._open.pop(first)
                if row.good:
                    if self._given_ns > NEVER:
                        self._apart.append(first - self._given_ns)
                    self._given_ns = first
                    times.append(first)
                    rows.append(row.values)
        return np.array(times, np.int64), np.array(rows, np.float64).reshape(len(rows), self.channels)

    def _wait_anew(self, now_ns: int) -> None:
        """Let rows that were restored wait from now on."""
        for row in self._open.values() if self._restored else ():
            row.since_ns = now_ns
        self._restored = False

    def _put(self, channel: int, time: int, value: float, *, now_ns: int, position: int) -> None:
        if time <= self._given_ns:
            self.late += 1
            self.late_from_ns = time if self.late_from_ns is None else min(time, self.late_from_ns)
            return
        row = self._open.get(time)
        if row is None:
            row = self._open[time] = _Open([float("nan")] * self.channels, since_ns=now_ns)
            heapq.heappush(self._times, time)
        row.seen |= 1 << channel
        row.position = max(row.position, position)
        if value != value:  # NaN: not Good
            return
        row.values[channel] = value
        row.good = True
        self._newest_ns = max(self._newest_ns, time)

    def _is_due(self, time: int, now_ns: int | None, settled: int | None) -> bool:
        """Say whether a row is over; `settled` where rows come by time.

        `now_ns`: None while commits are at hand that were not looked at: what is awaited may be in them.
        """
        row = self._open[time]
        whole, parted = row.seen == (1 << self.channels) - 1, self._is_parted(time)
        if (whole and not parted) or len(self._open) > OPEN_MAX:
            return True
        if settled is not None:
            return self._newest_ns > time and row.position <= settled
        return now_ns is not None and row.since_ns is not None and now_ns - row.since_ns > self.wait_ns

    def _is_parted(self, time: int) -> bool:
        """Say whether a row may be missing before this one."""
        if not self.waits:
            return False
        period_ns = self.period_ns
        if period_ns is None:
            if len(self._apart) < APART_MIN:
                return True
            period_ns = sorted(self._apart)[len(self._apart) // 2]
        return time - max(self._given_ns, self.from_ns) > PARTED_PERIODS * period_ns

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        opened = {
            str(time): [[None if v != v else v for v in row.values], row.seen] for time, row in self._open.items()
        }
        state = {"late": self.late, "late_from": self.late_from_ns, "given": self._given_ns, "open": opened}
        return state | {"newest_ns": self._newest_ns, "apart": list(self._apart)}

    def mark_to_json(self) -> dict[str, Any]:
        """Give the state at `boundary_ns`, for who goes on with the samples from there on in time order."""
        state: dict[str, Any] = {"late": 0, "late_from": None, "given": self._given_ns, "open": {}, "newest_ns": NEVER}
        return state | {"apart": list(self._apart)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_json` gave, of as many channels."""
        self.late, self.late_from_ns = int(state["late"]), state["late_from"]
        self._given_ns, self._newest_ns = int(state["given"]), int(state["newest_ns"])
        self._apart = deque(state.get("apart", ()), maxlen=APART_KNOWN)
        self._open = {
            int(time): _Open(
                [float("nan") if v is None else float(v) for v in values], int(seen), any(v is not None for v in values)
            )
            for time, (values, seen) in state["open"].items()
        }
        self._times, self._restored = sorted(self._open), True


def row_maker(channels: int, period_ns: int | None, from_ns: int = NEVER) -> RowMaker:
    """Give the maker of rows that are usually so far apart; None: that is seen as they come."""
    return RowMaker(channels, WAIT_NS, from_ns, period_ns, waits=True)


def may_lack(times_ns: NDArray[np.int64], values: NDArray[np.float64], span: tuple[int, int]) -> bool:
    """Say whether something may still come of a stretch, begin ≤ time < end: a channel has holes, by its own pace."""
    for column in values.T:
        own = times_ns[~np.isnan(column)]
        if len(own) > 1:
            usual = float(np.median(np.diff(own)))
            apart = np.diff(np.concatenate([[span[0]], own, [span[1]]])).max()
            if apart > PARTED_PERIODS * usual:
                return True
    return False


def period_of(times_ns: NDArray[np.int64]) -> int:
    """Give the usual time between rows in ns; a second where there are too few to tell."""
    return int(np.median(np.diff(times_ns))) if len(times_ns) > 2 else SECOND
