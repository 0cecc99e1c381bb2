"""What a simulated PLC remembers: the last values of each variable, for HistoryRead (OPC 10000-11 6.4.3).

In memory and bounded: a restart of the simulators forgets it, and a plant with many tags remembers less of each.
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final

from penstock.core.times import from_datetime
from penstock.core.values import Value
from penstock.simulators.servers.ua import ua

VALUES_PER_NODE_MAX: Final = 20_000
"""Half an hour at 10 Hz."""
VALUES_MAX: Final = 400_000
"""Of all variables together: some 60 MB."""
VALUES_PER_NODE_MIN: Final = 20
VALUES_PER_ANSWER: Final = 5_000
"""Values of one node in one answer; a continuation point says where it goes on."""
_POINT = struct.Struct("<q")
_GOOD_NO_DATA = 0x00A50000


@dataclass(frozen=True, slots=True)
class Past:
    """One value as it was."""

    time_ns: int
    value: Value
    status: int


@dataclass(slots=True)
class Ring:
    """Hold the last values of one variable, in the order of their times."""

    to_data_value: Callable[[Past], Any]
    values: deque[Past]


@dataclass(slots=True)
class History:
    """Record and answer."""

    _rings: dict[Any, Ring] = field(default_factory=dict)
    _each: int = VALUES_PER_NODE_MAX

    def add(self, node_id: Any, to_data_value: Callable[[Past], Any]) -> None:
        """Begin to remember a variable; with each more of them, each keeps less."""
        self._rings[node_id] = Ring(to_data_value, deque())
        self._each = max(VALUES_PER_NODE_MIN, min(VALUES_PER_NODE_MAX, VALUES_MAX // len(self._rings)))
        for ring in self._rings.values():
            self._trim(ring.values)

    def remove(self, node_id: Any) -> None:
        """Forget a variable."""
        self._rings.pop(node_id, None)

    def record(self, node_id: Any, past: Past) -> None:
        """Remember a value; one that is older than the newest is not history, which goes by time."""
        values = self._rings[node_id].values
        if not values or past.time_ns >= values[-1].time_ns:
            values.append(past)
        self._trim(values)

    def _trim(self, values: deque[Past]) -> None:
        while len(values) > self._each:
            values.popleft()

    def read(self, parameters: Any) -> list[Any]:
        """Answer a HistoryRead; anything but raw values is BadHistoryOperationUnsupported."""
        details = parameters.HistoryReadDetails
        return [self._read_one(details, wanted) for wanted in parameters.NodesToRead]

    def _read_one(self, details: Any, wanted: Any) -> Any:
        result = ua.HistoryReadResult()
        ring = self._rings.get(wanted.NodeId)
        if not isinstance(details, ua.ReadRawModifiedDetails) or details.IsReadModified or ring is None:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadHistoryOperationUnsupported)
            return result
        start_ns, end_ns = _time(details.StartTime), _time(details.EndTime)
        if start_ns is None or end_ns is None or end_ns < start_ns:
            result.StatusCode = ua.StatusCode(ua.StatusCodes.BadInvalidArgument)
            return result
        times = [past.time_ns for past in ring.values]
        first, last = _range(times, start_ns, end_ns, bounds=bool(details.ReturnBounds))
        if wanted.ContinuationPoint:
            first = max(first, bisect_right(times, _POINT.unpack(wanted.ContinuationPoint)[0]))
        most = min(VALUES_PER_ANSWER, details.NumValuesPerNode or VALUES_PER_ANSWER)
        found = list(islice(ring.values, first, min(last, first + most)))
        result.HistoryData = ua.HistoryData()
        result.HistoryData.DataValues = [ring.to_data_value(past) for past in found]
        if first + most < last:
            result.ContinuationPoint = _POINT.pack(found[-1].time_ns)
        if not found:
            result.StatusCode = ua.StatusCode(_GOOD_NO_DATA)
        return result


def _range(times: list[int], start_ns: int, end_ns: int, *, bounds: bool) -> tuple[int, int]:
    """Give first and one past last; with bounds also the last value before the start and the first after the end."""
    first, last = bisect_left(times, start_ns), bisect_right(times, end_ns)
    if bounds and first > 0 and (first == len(times) or times[first] != start_ns):
        first -= 1
    if bounds and last < len(times) and (last == 0 or times[last - 1] != end_ns):
        last += 1
    return first, last


def _time(moment: datetime | None) -> int | None:
    return None if moment is None else from_datetime(moment)
