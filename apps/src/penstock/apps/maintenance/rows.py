"""Rows of an asset's channels out of samples in commit order.

Theory of operation. Devices give their channels at common source times, so a row is what has one source time. It is
complete when every channel has a sample at that time, Good or not, and is given as soon as no earlier row is open.
A row that is not complete is given at the end of a commit in which each channel that it lacks has gone on by
`lateness_ns`, or once it has been open for `wait_ns` of the reader's clock. Source time could not say how long to wait:
a playback that is 200 times as quick as its recording brings minutes of one channel before the next one's. So the clock
decides when an incomplete row is given, never what is in it, as long as what belongs to it comes within the wait. Read
in time order, a row is over when a later one begins. A sample at or before the newest row that was given is late: it is
counted, and `late_from_ns` says from where the history is to be read again.

What is not Good completes a row, but says nothing of how far a device has come: a server that waits for its first data,
or a gateway that lost its device, stamps it with a time of its own. A row without any Good value is no row.
"""

from __future__ import annotations

import heapq
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
LATENESS_PERIODS = 3
WAIT_NS = 15 * SECOND
"""A gateway gathers for a second or two, and sends again after a break of its link."""


@dataclass(slots=True)
class _Open:
    values: list[float]
    seen: int = 0
    good: bool = False
    since_ns: int | None = None
    """When the reader's clock first saw it; None: not since it was restored."""


@dataclass(slots=True)
class RowMaker:
    """Make rows of `channels` channels; what is before `from_ns` is not looked at."""

    channels: int
    lateness_ns: int
    wait_ns: int
    from_ns: int = NEVER
    late: int = 0
    late_from_ns: int | None = None
    _given_ns: int = NEVER
    _newest_ns: int = NEVER
    _newest: list[int] = field(default_factory=list)
    _open: dict[int, _Open] = field(default_factory=dict)
    _times: list[int] = field(default_factory=list)
    """A heap of the open rows' times."""
    _restored: bool = False

    def __post_init__(self) -> None:
        self._newest = self._newest or [NEVER] * self.channels

    @property
    def boundary_ns(self) -> int:
        """Give the time before which every row was given."""
        return self._given_ns + 1

    def on_samples(
        self, samples: Samples, now_ns: int, *, in_order: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Take whole commits in their order, or rows by time where `in_order`; none at all lets the clock go on.

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
                    self._put(channel[i], time[i], value[i], now_ns)
            while self._times and self._is_due(self._times[0], now_ns, in_order):
                first = heapq.heappop(self._times)
                row = self._open.pop(first)
                if row.good:
                    self._given_ns = first
                    times.append(first)
                    rows.append(row.values)
        return np.array(times, np.int64), np.array(rows, np.float64).reshape(len(rows), self.channels)

    def _wait_anew(self, now_ns: int) -> None:
        """Let rows that were restored wait from now on."""
        for row in self._open.values() if self._restored else ():
            row.since_ns = now_ns
        self._restored = False

    def _put(self, channel: int, time: int, value: float, now_ns: int) -> None:
        if time <= self._given_ns:
            self.late += 1
            self.late_from_ns = time if self.late_from_ns is None else min(time, self.late_from_ns)
            return
        row = self._open.get(time)
        if row is None:
            row = self._open[time] = _Open([float("nan")] * self.channels, since_ns=now_ns)
            heapq.heappush(self._times, time)
        row.seen |= 1 << channel
        if value != value:  # NaN: not Good
            return
        row.values[channel] = value
        row.good = True
        self._newest[channel] = max(self._newest[channel], time)
        self._newest_ns = max(self._newest_ns, time)

    def _is_due(self, time: int, now_ns: int, in_order: bool) -> bool:
        row = self._open[time]
        if row.seen == (1 << self.channels) - 1 or len(self._open) > OPEN_MAX:
            return True
        if in_order:
            return self._newest_ns > time
        if row.since_ns is not None and now_ns - row.since_ns > self.wait_ns:
            return True
        lacking = (newest for i, newest in enumerate(self._newest) if not row.seen >> i & 1)
        return min(lacking) > time + self.lateness_ns

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        opened = {
            str(time): [[None if v != v else v for v in row.values], row.seen] for time, row in self._open.items()
        }
        state = {"late": self.late, "late_from": self.late_from_ns, "given": self._given_ns, "open": opened}
        return state | {"newest": list(self._newest), "newest_ns": self._newest_ns}

    def mark_to_json(self) -> dict[str, Any]:
        """Give the state at `boundary_ns`, for who goes on with the samples from there on in time order."""
        never = [NEVER] * self.channels
        return {"late": 0, "late_from": None, "given": self._given_ns, "open": {}, "newest": never, "newest_ns": NEVER}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `to_json` gave, of as many channels."""
        self.late, self.late_from_ns = int(state["late"]), state["late_from"]
        self._given_ns, self._newest_ns = int(state["given"]), int(state["newest_ns"])
        self._newest = [int(newest) for newest in state["newest"]]
        self._open = {
            int(time): _Open(
                [float("nan") if v is None else float(v) for v in values], int(seen), any(v is not None for v in values)
            )
            for time, (values, seen) in state["open"].items()
        }
        self._times, self._restored = sorted(self._open), True


def row_maker(channels: int, period_ns: int, from_ns: int) -> RowMaker:
    """Give the maker of rows that are usually so far apart."""
    return RowMaker(channels, LATENESS_PERIODS * period_ns, WAIT_NS, from_ns)


def period_of(times_ns: NDArray[np.int64]) -> int:
    """Give the usual time between rows in ns; a second where there are too few to tell."""
    return int(np.median(np.diff(times_ns))) if len(times_ns) > 2 else SECOND
