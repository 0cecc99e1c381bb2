"""What is remembered of the past: the newest rows one by one, older ones as means, the older the coarser. Bounded.

Theory of operation. Level 0 holds the newest rows. Whenever a level has taken `FOLD` entries, their mean goes to the
next one; each level keeps its newest `KEPT`. So `LEVELS` levels reach back KEPT · FOLD^(LEVELS − 1) rows, and the past
that matters for "since when" and "how quickly" costs a few hundred numbers a channel, however long it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.numbers import Floats, packed, unpacked

FOLD = 4
KEPT = 16
LEVELS = 6
"""Each level is as fine as four of the one above: enough to say since when. 16 · 4⁵ = 16,384 rows back: 4.5 hours of
rows a second apart, 45 of rows ten seconds apart."""


class Memory:
    """Entries (k,) with their times; the state goes through `to_json` and `restore`."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._values = np.zeros((LEVELS, KEPT, width), np.float32)
        self._times = np.zeros((LEVELS, KEPT), np.int64)
        self._taken = [0] * LEVELS

    def on_entry(self, time_ns: int, entry: Floats) -> None:
        """Take one row's entry, (k,) without NaN."""
        self._put(0, time_ns, entry.astype(np.float32))

    def _put(self, level: int, time_ns: int, entry: NDArray[np.float32]) -> None:
        taken = self._taken[level]
        place = taken % KEPT
        self._values[level, place] = entry
        self._times[level, place] = time_ns
        self._taken[level] = taken + 1
        if (taken + 1) % FOLD == 0 and level + 1 < LEVELS:
            first = place + 1 - FOLD  # KEPT is a multiple of FOLD: the last entries lie side by side
            mean = self._values[level, first : place + 1].mean(axis=0)
            self._put(level + 1, int(self._times[level, first]), mean)

    def read(self) -> tuple[NDArray[np.int64], Floats]:
        """Give the past in time order: when each block begins (n,), its mean (n, k); the newest are single rows."""
        times: list[NDArray[np.int64]] = []
        values: list[NDArray[np.float32]] = []
        before = np.iinfo(np.int64).max
        for level in range(LEVELS):
            order = self._order(level)
            begins = self._times[level, order]
            older = order[begins < before]
            if len(older):
                times.append(self._times[level, older])
                values.append(self._values[level, older])
                before = int(times[-1][0])
        if not times:
            return np.zeros(0, np.int64), np.zeros((0, self._width))
        return np.concatenate(times[::-1]), np.concatenate(values[::-1]).astype(np.float64)

    def _order(self, level: int) -> NDArray[np.int64]:
        taken = self._taken[level]
        if taken <= KEPT:
            return np.arange(taken)
        return (np.arange(KEPT) + taken) % KEPT

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return {"values": packed(self._values), "times": packed(self._times), "taken": list(self._taken)}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave; ValueError where it is of another width."""
        self._values, self._times = unpacked(kept["values"], self._values), unpacked(kept["times"], self._times)
        self._taken = [int(taken) for taken in kept["taken"]]
