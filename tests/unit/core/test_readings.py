"""Readings in columns are the same readings."""

import numpy as np
import pytest

from penstock.core.reading import Reading
from penstock.core.readings import BEYOND_NS, RawColumns, RawKind, ReadingColumns, Stamp
from penstock.core.values import INT64_MAX, INT64_MIN

NAMES = ("flow", "count", "name")
READINGS = [
    Reading("flow", 1, 0, 1.5),
    Reading("flow", None, 0x80310000, None),
    Reading("count", INT64_MIN, 0, INT64_MAX),
    Reading("count", INT64_MAX, 0, INT64_MAX + 1),
    Reading("count", 5, 0xFFFFFFFF, True),
    Reading("name", BEYOND_NS, 0, "pump"),
    Reading("name", 6, 0, [1, 2]),
]


def test_readings_come_back_as_they_were() -> None:
    columns = ReadingColumns.of(READINGS, NAMES)
    assert list(columns.readings()) == READINGS
    assert [type(one.raw) for one in columns.readings()] == [type(one.raw) for one in READINGS]


def test_chosen_rows_are_taken_in_the_given_order() -> None:
    columns = ReadingColumns.of(READINGS, NAMES).take(np.array([4, 0]))
    assert list(columns.readings()) == [READINGS[4], READINGS[0]]


def test_time_out_of_64_bits_is_beyond_whatever_it_was() -> None:
    columns = ReadingColumns.of([Reading("flow", 2**80, 0, 1.0), Reading("flow", -(2**80), 0, 1.0)], NAMES)
    assert columns.stamp.tolist() == [Stamp.BEYOND, Stamp.BEYOND]
    assert [one.time_ns for one in columns.readings()] == [BEYOND_NS, BEYOND_NS]


def test_columns_of_unequal_lengths_are_refused() -> None:
    columns = ReadingColumns.of(READINGS, NAMES)
    with pytest.raises(AssertionError, match="unequal"):
        ReadingColumns(
            NAMES,
            columns.tag[:1],
            columns.time,
            columns.stamp,
            columns.status,
            columns.kind,
            columns.vf,
            columns.vi,
            columns.objects,
        )


def test_raw_values_are_sorted_by_their_type() -> None:
    kinds = RawColumns.of([None, True, 1, 1.0, "1", 2**63]).kind.tolist()
    assert kinds == [RawKind.NONE, RawKind.BOOL, RawKind.INT, RawKind.FLOAT, RawKind.OBJECT, RawKind.OBJECT]
