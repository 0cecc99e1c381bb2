"""What a link knows of its monitored items, and how it turns notified values into readings. Pure.

The server's time stands in for a missing source time. The first value of an item after a (re)connect is what the server
held already: where it is older than the link, the reading is followed by one that says it still held when the link was
opened. A status with the overflow bit says that the server's queue lost values between this one and the one before.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from penstock.core.readings import ReadingColumns, Stamp
from penstock.core.status import INFO_TYPE_DATA_VALUE, OVERFLOW
from penstock.edge.driver import GOOD_HELD, Counters
from penstock.edge.opcua.columnar import ItemColumns

NO_TAG = -1
QUEUE_UNKNOWN = np.iinfo(np.int64).max
_OVERFLOWED = INFO_TYPE_DATA_VALUE | OVERFLOW
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overflow:
    """Say between which two source times the server's queue lost values of a tag."""

    tag: str
    from_ns: int
    to_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Give the readings of one notification, and what its statuses say of lost values."""

    readings: ReadingColumns
    overflows: tuple[Overflow, ...]
    newest_ns: int | None
    """The newest time among the readings."""


class ItemTable:
    """Follow the monitored items of one link: which tag, heard or not, and the time of the latest value."""

    def __init__(self, names: tuple[str, ...], counters: Counters) -> None:
        """Take the device file's tags in their order; `counters` hears of what is odd about values."""
        n = len(names)
        self._names = names
        self._counters = counters
        self._tag_of = np.full(n, NO_TAG, np.int64)
        self._heard = np.zeros(n, np.bool_)
        self._latest_ns = np.zeros(n, np.int64)
        self._has_latest = np.zeros(n, np.bool_)
        self._queue = np.full(n, QUEUE_UNKNOWN, np.int64)
        self._queue_least: int = QUEUE_UNKNOWN

    def add(self, handle: int, tag: str, *, queue: int = 0) -> None:
        """Monitor a tag under a handle, which is less than the number of tags, in a queue of that length (0: unknown).

        A queue of one cannot be told full from not full.
        """
        self._tag_of[handle] = self._names.index(tag)
        if queue > 1:
            self._queue[self._tag_of[handle]] = queue
            self._queue_least = min(self._queue_least, queue)

    def remove(self, handle: int) -> None:
        """Forget a handle: the server refused the item."""
        self._tag_of[handle] = NO_TAG

    def may_join(self, values: ItemColumns) -> bool:
        """Say whether the values of several notifications may be taken as if they had come in one.

        Not where a queue may have come full in one of them, nor where a value has no time: arrival stands in for it.
        """
        if not (values.source_stamp | values.server_stamp).all():
            return False
        if len(values) < self._queue_least:
            return True
        tags = self._tags(values.handle)
        return bool((np.bincount(tags[tags >= 0], minlength=len(self._queue)) < self._queue).all())

    def take(self, values: ItemColumns, opened_ns: int) -> Taken:
        """Turn values into readings in their order; `opened_ns` is the server's clock when the items were made."""
        tags = self._tags(values.handle)
        if len(tags) and tags.min() < 0:
            known = tags >= 0
            self._counters.add("unknown_handles", int(np.count_nonzero(~known)))
            values, tags = values.take(known), tags[known]
        time, stamp = self._times(values)
        overflows = self._overflows(values.status, tags, time, stamp)
        readings = ReadingColumns(
            self._names,
            tags.astype(np.uint32),
            time,
            stamp,
            values.status,
            values.kind,
            values.vf,
            values.vi,
            values.objects,
        )
        given = stamp == Stamp.GIVEN
        heard, times = (tags, time) if given.all() else (tags[given], time[given])
        self._latest_ns[heard], self._has_latest[heard] = times, True
        newest_ns = int(times.max()) if len(times) else None
        return Taken(self._with_held(readings, tags, opened_ns), overflows, newest_ns)

    def _tags(self, handles: npt.NDArray[np.uint32]) -> Ints:
        n = len(self._tag_of)
        if not n:
            return np.full(len(handles), NO_TAG, np.int64)
        if len(handles) and handles.max() < n:
            return self._tag_of[handles]
        tags = self._tag_of[np.minimum(handles, n - 1)]
        tags[handles >= n] = NO_TAG
        return tags

    def _times(self, values: ItemColumns) -> tuple[Ints, npt.NDArray[np.uint8]]:
        if values.source_stamp.all():
            return values.source_time, values.source_stamp
        absent = values.source_stamp == Stamp.ABSENT
        by_server = int(np.count_nonzero(values.server_stamp[absent] != Stamp.ABSENT))
        self._counters.add("server_time_used", by_server)
        self._counters.add("arrival_used", int(np.count_nonzero(absent)) - by_server)
        time = np.where(absent, values.server_time, values.source_time)
        return time, np.where(absent, values.server_stamp, values.source_stamp)

    def _overflows(
        self, status: npt.NDArray[np.uint32], tags: Ints, time: Ints, stamp: npt.NDArray[np.uint8]
    ) -> tuple[Overflow, ...]:
        rows = np.flatnonzero((status & _OVERFLOWED) == _OVERFLOWED)
        given = stamp == Stamp.GIVEN
        full = self._full_queues(tags, time, given, flagged=tags[rows])
        if not len(rows):
            return full
        self._counters.add("overflows", len(rows))
        found = list(full)
        for row in rows[given[rows]].tolist():
            tag = int(tags[row])
            before = np.flatnonzero((tags[:row] == tag) & given[:row])
            if len(before):
                found.append(Overflow(self._names[tag], int(time[before[-1]]), int(time[row])))
            elif self._has_latest[tag]:
                found.append(Overflow(self._names[tag], int(self._latest_ns[tag]), int(time[row])))
        return tuple(found)

    def _full_queues(self, tags: Ints, time: Ints, given: Mask, *, flagged: Ints) -> tuple[Overflow, ...]:
        """Take a queue that comes full for one that overflowed: not every server sets the overflow bit."""
        if len(tags) < self._queue_least:
            return ()
        counts = np.bincount(tags, minlength=len(self._queue))
        found = []
        for tag in np.flatnonzero(counts >= self._queue).tolist():
            row = int(np.argmax(tags == tag))
            if self._has_latest[tag] and given[row] and tag not in flagged:
                self._counters.add("queues_full")
                found.append(Overflow(self._names[tag], int(self._latest_ns[tag]), int(time[row])))
        return tuple(found)

    def _with_held(self, readings: ReadingColumns, tags: Ints, opened_ns: int) -> ReadingColumns:
        """Put behind each first value that is older than the link the same value as of the link's beginning."""
        if self._heard[tags].all():
            return readings
        first = np.zeros(len(tags), np.bool_)
        first[np.unique(tags, return_index=True)[1]] = True
        held: Mask = first & ~self._heard[tags] & (readings.stamp == Stamp.GIVEN) & (readings.time < opened_ns)
        self._heard[tags] = True
        if not held.any():
            return readings
        rows = np.repeat(np.arange(len(tags)), 1 + held)
        added = np.flatnonzero(held) + np.arange(1, np.count_nonzero(held) + 1)
        longer = readings.take(rows)
        longer.time[added] = opened_ns
        longer.status[added] |= np.uint32(GOOD_HELD)
        return longer
