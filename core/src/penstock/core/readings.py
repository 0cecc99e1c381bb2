"""Readings in columns: what a driver hands over for many values at once, with no object per value where it is a number.

The same rows as a list of `Reading`; which form a driver uses changes nothing in what is journalled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from penstock.core.reading import Reading
from penstock.core.values import INT64_MAX, INT64_MIN

BEYOND_NS: Final = INT64_MAX + 1
"""Stands for any time that 64 bits of nanoseconds cannot hold: it is rejected, whatever it is."""


class RawKind:
    """Say where a row's raw value is: nowhere, in `vf`, in `vi` (integers and booleans), or in `objects`.

    Plain numbers: an enumeration's members cost more to name than ten values cost to decode.
    """

    NONE: Final = 0
    FLOAT: Final = 1
    INT: Final = 2
    BOOL: Final = 3
    OBJECT: Final = 4


class Stamp:
    """Say whether a row has a source time, and whether int64 holds it."""

    ABSENT: Final = 0
    GIVEN: Final = 1
    BEYOND: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class ReadingColumns:
    """Hold n readings of one device.

    tag uint32 (position in `names`, the device file's tags in their order), time int64 (ns UTC, 0 where `stamp` is
    not GIVEN), stamp uint8 (Stamp), status uint32, kind uint8 (RawKind), vf float64, vi int64, objects object (None
    where kind is not OBJECT).
    """

    names: tuple[str, ...]
    tag: npt.NDArray[np.uint32]
    time: npt.NDArray[np.int64]
    stamp: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint32]
    kind: npt.NDArray[np.uint8]
    vf: npt.NDArray[np.float64]
    vi: npt.NDArray[np.int64]
    objects: npt.NDArray[np.object_]

    def __post_init__(self) -> None:
        lengths = {len(getattr(self, name)) for name in _COLUMNS}
        assert len(lengths) == 1, f"columns of unequal lengths: {sorted(lengths)}"

    def __len__(self) -> int:
        return len(self.tag)

    @classmethod
    def of(cls, readings: Sequence[Reading], names: tuple[str, ...]) -> ReadingColumns:
        """Make columns of readings; `names` are the device file's tags in their order."""
        position = {name: at for at, name in enumerate(names)}
        raw = RawColumns.of([reading.raw for reading in readings])
        times = [reading.time_ns for reading in readings]
        stamp = [stamp_of(time_ns) for time_ns in times]
        return cls(
            names=names,
            tag=np.array([position[reading.tag] for reading in readings], np.uint32),
            time=np.array([t if s == Stamp.GIVEN else 0 for t, s in zip(times, stamp, strict=True)], np.int64),
            stamp=np.array(stamp, np.uint8),
            status=np.array([reading.status for reading in readings], np.uint32),
            kind=raw.kind,
            vf=raw.vf,
            vi=raw.vi,
            objects=raw.objects,
        )

    def take(self, rows: slice | npt.NDArray[Any]) -> ReadingColumns:
        """Give the rows of a slice, an index array or a boolean mask."""
        return ReadingColumns(self.names, *[getattr(self, name)[rows] for name in _COLUMNS])

    def readings(self) -> Iterator[Reading]:
        """Give the rows one by one; for the few that need judging one by one, and for tests."""
        for row in range(len(self)):
            yield self.reading_at(row)

    def reading_at(self, row: int) -> Reading:
        """Give one row."""
        stamp = self.stamp[row]
        time_ns = int(self.time[row]) if stamp == Stamp.GIVEN else BEYOND_NS if stamp == Stamp.BEYOND else None
        raw = raw_at(row, kind=self.kind, vf=self.vf, vi=self.vi, objects=self.objects)
        return Reading(self.names[self.tag[row]], time_ns, int(self.status[row]), raw)


_COLUMNS: Final = tuple(name for name in ReadingColumns.__slots__ if name != "names")


@dataclass(frozen=True, slots=True, eq=False)
class RawColumns:
    """Hold n raw values, as the last four columns of `ReadingColumns` do."""

    kind: npt.NDArray[np.uint8]
    vf: npt.NDArray[np.float64]
    vi: npt.NDArray[np.int64]
    objects: npt.NDArray[np.object_]

    @classmethod
    def empty(cls, n: int) -> RawColumns:
        """Make n rows without a value, to be filled."""
        return cls(np.zeros(n, np.uint8), np.zeros(n, np.float64), np.zeros(n, np.int64), np.empty(n, np.object_))

    @classmethod
    def of(cls, values: Sequence[object]) -> RawColumns:
        """Sort raw values into columns by their Python type."""
        columns = cls.empty(len(values))
        for row, raw in enumerate(values):
            columns.put(row, raw)
        return columns

    def put(self, row: int, raw: object) -> None:
        """Set one row, which must be empty."""
        match raw:
            case None:
                return
            case bool():
                self.kind[row], self.vi[row] = RawKind.BOOL, raw
            case float():
                self.kind[row], self.vf[row] = RawKind.FLOAT, raw
            case int() if INT64_MIN <= raw <= INT64_MAX:
                self.kind[row], self.vi[row] = RawKind.INT, raw
            case _:
                self.kind[row], self.objects[row] = RawKind.OBJECT, raw


def stamp_of(time_ns: int | None) -> int:
    """Judge a time."""
    if time_ns is None:
        return Stamp.ABSENT
    return Stamp.GIVEN if INT64_MIN <= time_ns <= INT64_MAX else Stamp.BEYOND


def raw_at(
    row: int,
    *,
    kind: npt.NDArray[np.uint8],
    vf: npt.NDArray[np.float64],
    vi: npt.NDArray[np.int64],
    objects: npt.NDArray[np.object_],
) -> object:
    """Give one raw value as Python has it."""
    match int(kind[row]):
        case RawKind.NONE:
            return None
        case RawKind.FLOAT:
            return float(vf[row])
        case RawKind.INT:
            return int(vi[row])
        case RawKind.BOOL:
            return bool(vi[row])
        case _:
            raw: object = objects[row]
            return raw
