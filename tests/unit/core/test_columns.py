"""Columns keep what rows say."""

import numpy as np
import pyarrow as pa
import pytest

from penstock.core.columns import SCHEMA, SampleColumns
from penstock.core.values import Value
from tests.builders.core import make_columns

ROWS: list[tuple[int, int, int, Value]] = [
    (0, 1, 0, 1.5),
    (1, 2, 0, -7),
    (2, 3, 0, True),
    (3, 4, 0, "x"),
    (0, 5, 0x80310000, None),
]


def test_rows_come_back_through_arrow() -> None:
    back = SampleColumns.from_arrow(make_columns(ROWS).to_arrow())
    assert [back.value_at(row) for row in range(5)] == [1.5, -7, True, "x", None]
    assert back.tag.tolist() == [0, 1, 2, 3, 0]
    assert back.time.tolist() == [1, 2, 3, 4, 5]
    assert back.status.tolist() == [0, 0, 0, 0, 0x80310000]


def test_full_columns_need_no_mask() -> None:
    whole = make_columns([(0, 1, 0, 1.5), (0, 2, 0, float("nan"))])
    batch = whole.to_arrow()
    assert batch.column("vf").null_count == 0
    assert SampleColumns.from_arrow(batch).kind.tolist() == [1, 1]


def test_concat_take_and_retag() -> None:
    columns = make_columns(ROWS)
    both = SampleColumns.concat([columns, SampleColumns.empty(), columns])
    assert len(both) == 10
    assert len(SampleColumns.concat([])) == 0
    assert SampleColumns.concat([columns]) is columns
    assert both.take(slice(3, 4)).value_at(0) == "x"
    assert len(both.take(both.tag == 0)) == 4
    assert columns.with_tags(columns.tag + np.uint32(5)).tag.tolist() == [5, 6, 7, 8, 5]


def test_unequal_lengths_are_refused() -> None:
    columns = make_columns(ROWS)
    with pytest.raises(AssertionError, match="unequal"):
        columns.with_tags(np.zeros(2, np.uint32))


def test_other_schema_is_refused() -> None:
    with pytest.raises(ValueError, match="columns must be"):
        SampleColumns.from_arrow(pa.record_batch({"tag": pa.array([1])}))


def test_two_values_in_a_row_are_refused() -> None:
    arrays = [pa.array([1], field.type) for field in list(SCHEMA)[:5]]
    batch = pa.record_batch([*arrays, pa.nulls(1, pa.bool_()), pa.nulls(1, pa.utf8())], schema=SCHEMA)
    with pytest.raises(ValueError, match="another column"):
        SampleColumns.from_arrow(batch)


def test_null_keys_are_refused() -> None:
    batch = pa.record_batch([pa.nulls(1, field.type) for field in SCHEMA], schema=SCHEMA)
    with pytest.raises(ValueError, match="tag has nulls"):
        SampleColumns.from_arrow(batch)
