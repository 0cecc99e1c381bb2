"""Parquet files as cells: nothing rounded, float64 columns kept as they lie, eight bytes a value."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, overload

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from penstock.core.errors import PenstockError
from penstock.core.times import NS_PER_S, need_ns

_UNITS_ns: Final = {"s": NS_PER_S, "ms": 1_000_000, "us": 1_000, "ns": 1}


class ParquetError(PenstockError):
    """Say why a file cannot be read; the caller names the file."""


class Stamp(int):
    """A time that is nanoseconds since 1970 already."""


class Integers(list[int | None]):
    """Hold a column of 64-bit integers, which as times are nanoseconds since 1970."""

    def as_stamps(self) -> list[Stamp | None]:
        """Give them as times; ParquetError where all of them lie in the years in which seconds look like ns."""
        try:
            need_ns(max((cell for cell in self if cell is not None), default=0))
        except ValueError as error:
            message = f"the time column: {error}; write a timestamp column, or seconds as float64"
            raise ParquetError(message) from error
        return [None if cell is None else Stamp(cell) for cell in self]


class Floats(Sequence[float | None]):
    """Hold a column of float64; a null is None, a NaN stays one."""

    __slots__ = ("_empty", "_values")

    def __init__(self, values: array[float], empty: bytes) -> None:
        """`empty` has a byte a row, 1 where there is no value; none at all where every row has one."""
        assert not empty or len(empty) == len(values), "a byte a row"
        self._values, self._empty = values, empty

    def __len__(self) -> int:
        return len(self._values)

    @overload
    def __getitem__(self, at: int) -> float | None: ...
    @overload
    def __getitem__(self, at: slice) -> Floats: ...

    def __getitem__(self, at: int | slice) -> float | Floats | None:
        if isinstance(at, slice):
            return Floats(self._values[at], self._empty[at])
        return None if self._empty and self._empty[at] else self._values[at]


def parquet_names(path: Path) -> list[str]:
    """Give the names of the columns."""
    try:
        return list(pq.read_schema(path).names)
    except (OSError, ValueError, pa.ArrowException) as error:
        message = f"cannot be read as Parquet: {error}"
        raise ParquetError(message) from error


def read_parquet(path: Path, *, only: Sequence[str] | None, rows_max: int) -> tuple[list[str], list[Sequence[object]]]:
    """Give names and cells; columns of timestamps are Stamps, of float64 Floats, of 64-bit integers Integers."""
    try:
        with pq.ParquetFile(path) as file:  # read_table would load pandas
            table = file.read(columns=None if only is None else list(only))
    except (OSError, ValueError, pa.ArrowException) as error:
        message = f"cannot be read as Parquet: {error}"
        raise ParquetError(message) from error
    if not 0 < table.num_rows <= rows_max:
        message = f"{table.num_rows} rows; 1 to {rows_max} can be played"
        raise ParquetError(message)
    return list(table.column_names), [_cells(column) for column in table.columns]


def _cells(column: pa.ChunkedArray) -> Sequence[object]:
    if pa.types.is_timestamp(column.type):
        unit_ns = _UNITS_ns[column.type.unit]
        return [None if x is None else Stamp(x * unit_ns) for x in column.cast(pa.int64()).to_pylist()]
    if pa.types.is_float64(column.type):
        empty = pc.is_null(column).to_numpy().astype("uint8").tobytes() if column.null_count else b""
        return Floats(array("d", pc.fill_null(column, 0.0).to_numpy().tobytes()), empty)
    cells: list[Any] = column.to_pylist()
    return Integers(cells) if column.type in (pa.int64(), pa.uint64()) else cells
