"""Normalising readings in columns, with the same outcome as `Normaliser`, row by row and bit by bit.

Numbers and booleans that fit their tag go through at once. Every other row (text, an array, a wrong type, a number at
the edge of its type, a time beyond int64) is judged by `Normaliser` itself: what is rejected, and why, has one source.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from penstock.core import status as codes
from penstock.core.columns import SampleColumns
from penstock.core.device_file import DeviceFile
from penstock.core.normalise import Normalised, Normaliser
from penstock.core.readings import RawKind, ReadingColumns, Stamp
from penstock.core.values import INT64_MAX, ValueKind, ValueType

_EXACT_MOST: Final = 2**53
"""Whole numbers up to here are the same in float64 and int64."""
_NONE_FITS: Final = -1
_FLOAT64: Final = int(ValueKind.FLOAT64)

Mask = npt.NDArray[np.bool_]


class ColumnNormaliser:
    """Judge the readings of one device in columns; `ReadingColumns.tag` is the tag's position in the device file."""

    def __init__(self, device: DeviceFile) -> None:
        """Raise ValueError where a unit does not convert (parse_device_file has said so before)."""
        self._one_by_one = Normaliser(device)
        specs = list(device.tags.values())
        wholes = [spec.conversion for spec in specs]
        self._kind = np.array([spec.type.kind for spec in specs], np.uint8)
        is_float = np.array([spec.type is ValueType.FLOAT64 for spec in specs], np.bool_)
        self._converted = is_float & np.array([not whole.is_identity for whole in wholes], np.bool_)
        self._scale = np.array([whole.scale for whole in wholes], np.float64)
        self._offset = np.array([whole.offset for whole in wholes], np.float64)
        rules = [_int_rule(whole.scale, whole.offset) for whole in wholes]
        self._only_floats = bool(is_float.all())
        self._int_scale, self._int_offset, self._int_most = (
            np.array(each, np.int64) for each in zip(*rules, strict=True)
        )

    def apply(self, readings: ReadingColumns, arrival_ns: int) -> Normalised:
        """Give one sample or one reject per reading, in their order; arrival stands for a missing source time."""
        assert readings.names == self._one_by_one.tags, "the readings are of another device file"
        if self._only_floats and (readings.kind == RawKind.FLOAT).all() and (readings.stamp == Stamp.GIVEN).all():
            return Normalised(self._all_floats(readings), ())
        columns = _blank(readings, arrival_ns)
        tags = readings.tag
        target = self._kind[tags]
        done = self._numbers(readings, target, columns)
        done &= readings.stamp != Stamp.BEYOND
        if done.all():
            return Normalised(columns, ())
        return self._rest(readings, columns, done, arrival_ns)

    def _all_floats(self, readings: ReadingColumns) -> SampleColumns:
        """Make samples of readings that are floats with a source time, of a device that has nothing else."""
        n = len(readings)
        columns = SampleColumns(
            tag=readings.tag,
            time=readings.time,
            status=readings.status,
            kind=np.full(n, _FLOAT64, np.uint8),
            vf=readings.vf.copy(),
            vi=np.zeros(n, np.int64),
            vb=np.zeros(n, np.bool_),
            vs=np.empty(n, np.object_),
        )
        self._convert(columns, self._converted[readings.tag])
        return columns

    def _numbers(self, readings: ReadingColumns, target: npt.NDArray[np.uint8], columns: SampleColumns) -> Mask:
        """Fill in the rows that need no judging; say which they are."""
        done: Mask = readings.kind == RawKind.NONE
        if done.any():
            columns.status[done & ((columns.status & codes.BAD) == 0)] = codes.BAD_NO_DATA
        for kind, fill in (
            (ValueKind.FLOAT64, self._floats),
            (ValueKind.INT64, self._ints),
            (ValueKind.BOOL, _bools),
        ):
            wanted = target == kind
            if wanted.any():
                filled = fill(readings, wanted, columns)
                columns.kind[filled] = kind
                done |= filled
        return done

    def _floats(self, readings: ReadingColumns, wanted: Mask, columns: SampleColumns) -> Mask:
        floats: Mask = wanted & (readings.kind == RawKind.FLOAT)
        ints = wanted & (readings.kind == RawKind.INT) & _within(readings.vi, _EXACT_MOST)
        columns.vf[floats] = readings.vf[floats]
        if ints.any():
            columns.vf[ints] = readings.vi[ints]
            floats = floats | ints
        self._convert(columns, floats & self._converted[readings.tag])
        return floats

    def _convert(self, columns: SampleColumns, converted: Mask) -> None:
        if converted.any():
            tags = columns.tag[converted]
            with np.errstate(over="ignore", invalid="ignore"):
                columns.vf[converted] = columns.vf[converted] * self._scale[tags] + self._offset[tags]

    def _ints(self, readings: ReadingColumns, wanted: Mask, columns: SampleColumns) -> Mask:
        filled: Mask = wanted & (readings.kind == RawKind.INT) & _within(readings.vi, self._int_most[readings.tag])
        tags = readings.tag[filled]
        columns.vi[filled] = readings.vi[filled] * self._int_scale[tags] + self._int_offset[tags]
        return filled

    def _rest(self, readings: ReadingColumns, columns: SampleColumns, done: Mask, arrival_ns: int) -> Normalised:
        """Judge the other rows one by one and put them into their places."""
        rest = np.flatnonzero(~done)
        chosen = [readings.reading_at(row) for row in rest.tolist()]
        judged = self._one_by_one.apply(chosen, arrival_ns)
        rejected = rest[list(judged.rejected_rows)] if judged.rejected_rows else rest[:0]
        accepted = np.setdiff1d(rest, rejected, assume_unique=True)
        for name in SampleColumns.__slots__:
            column: npt.NDArray[Any] = getattr(columns, name)
            column[accepted] = getattr(judged.columns, name)
        if not len(rejected):
            return Normalised(columns, ())
        keep = np.ones(len(readings), np.bool_)
        keep[rejected] = False
        return Normalised(columns.take(keep), judged.rejects, tuple(rejected.tolist()))


def _blank(readings: ReadingColumns, arrival_ns: int) -> SampleColumns:
    """Give the rows with their times and statuses, and no values yet."""
    time = readings.time.copy()
    time[readings.stamp == Stamp.ABSENT] = arrival_ns
    return SampleColumns.without_values(readings.tag, time, status=readings.status)


def _bools(readings: ReadingColumns, wanted: Mask, columns: SampleColumns) -> Mask:
    bools = readings.kind == RawKind.BOOL
    ints = (readings.kind == RawKind.INT) & ((readings.vi == 0) | (readings.vi == 1))
    filled: Mask = wanted & (bools | ints)
    columns.vb[filled] = readings.vi[filled] != 0
    return filled


def _within(numbers: npt.NDArray[np.int64], most: int | npt.NDArray[np.int64]) -> Mask:
    """Say which numbers are no larger than that, either sign."""
    within: Mask = (numbers <= most) & (numbers >= -np.asarray(most, np.int64))
    return within


def _int_rule(scale: float, offset: float) -> tuple[int, int, int]:
    """Give scale and offset as integers, and the largest number for which they cannot pass int64."""
    if not (scale.is_integer() and offset.is_integer()):
        return 1, 0, _NONE_FITS
    factor, summand = int(scale), int(offset)
    room = INT64_MAX - abs(summand)
    if room < 0 or abs(factor) > INT64_MAX:
        return 1, 0, _NONE_FITS
    return factor, summand, room // max(abs(factor), 1)
