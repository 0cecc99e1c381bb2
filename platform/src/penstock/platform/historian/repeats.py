"""Equal samples: found in columns, bitwise, never by a Python object per row.

Two samples are equal when tag, source time, status, type and value agree bit for bit: 0.0 and -0.0 differ, and so do
two NaNs of different payload.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from penstock.platform.historian.ports import Table

_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)


def twins(tag: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark rows whose (tag, time) may occur twice among them: never misses one, seldom marks another."""
    mixed = tag.view(np.uint64) * _MIX + time.view(np.uint64)
    ordered = np.sort(mixed)
    again = ordered[1:][ordered[1:] == ordered[:-1]]
    if again.size == 0:
        return np.zeros(len(tag), dtype=np.bool_)
    return np.isin(mixed, again)


def repeats(rows: Table) -> NDArray[np.bool_]:
    """Mark each row that equals an earlier one; `rows` begins with the columns of ports.ROWS."""
    if rows.num_rows < 2:
        return np.zeros(rows.num_rows, dtype=np.bool_)
    kind, bits = value_bits(rows)
    columns = (column_i64(rows, "tag"), column_i64(rows, "time"), column_i64(rows, "status"), kind, bits)
    order = np.lexsort(columns[::-1])  # stable: among equals the first comes first
    same = np.ones(len(order) - 1, dtype=np.bool_)
    for column in columns:
        ordered = column[order]
        same &= ordered[1:] == ordered[:-1]
    marked = np.zeros(len(order), dtype=np.bool_)
    marked[order[1:]] = same
    return marked


def value_bits(rows: Table) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give per row which column holds the value (0 none, 1 vf, 2 vi, 3 vb, 4 vs) and its bits."""
    kind = np.zeros(rows.num_rows, dtype=np.int64)
    bits = np.zeros(rows.num_rows, dtype=np.int64)
    for code, name in enumerate(("vf", "vi", "vb", "vs"), start=1):
        column = rows[name].combine_chunks()
        if column.null_count == len(column):
            continue
        valid = column.is_valid().to_numpy(zero_copy_only=False)
        kind[valid] = code
        bits[valid] = _bits(column.drop_null(), name)
    return kind, bits


def _bits(column: pa.Array, name: str) -> NDArray[np.int64]:
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if name == "vs":
        column = pc.dictionary_encode(column).indices
    values: NDArray[np.int64]
    if name == "vf":
        values = column.to_numpy(zero_copy_only=False).view(np.int64)
    else:
        values = column.to_numpy(zero_copy_only=False).astype(np.int64)
    return values


def column_i64(rows: Table, name: str) -> NDArray[np.int64]:
    """Give a column without nulls as int64."""
    column: NDArray[np.int64] = rows[name].to_numpy()
    return column.astype(np.int64, copy=False)
