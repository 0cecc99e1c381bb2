"""Recordings: a CSV or Parquet file as times and typed columns, nothing rounded."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar

from penstock.core.errors import PenstockError
from penstock.core.times import NS_PER_S, from_datetime, parse_rfc3339_ns
from penstock.core.values import INT64_MAX, INT64_MIN, Value, ValueType
from penstock.simulators.parquet import Floats, Integers, ParquetError, Stamp, parquet_names, read_parquet

TIME_COLUMNS: Final = ("datetime", "time", "timestamp", "date", "ts")
ROWS_MAX: Final = 20_000_000
SNIFF_BYTES: Final = 16_384
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,9})?")
_INTEGER = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_T = TypeVar("_T")


class RecordingError(PenstockError):
    """Say which file, line and column cannot be read, and what was expected."""


@dataclass(frozen=True, slots=True)
class Column:
    """Hold one channel: name, type, a value per row; None: the cell is empty."""

    name: str
    type: ValueType
    values: Sequence[Value]


@dataclass(frozen=True, slots=True)
class Span:
    """Tell of a recording without its values: how many rows, the first and the last time (ns UTC)."""

    rows: int
    first_ns: int
    last_ns: int


@dataclass(frozen=True, slots=True)
class Recording:
    """Hold a table: times (ns UTC, strictly rising) and the columns beside them."""

    times_ns: list[int]
    columns: list[Column]

    @property
    def span(self) -> Span:
        """Give its length and its ends."""
        return Span(len(self.times_ns), self.times_ns[0], self.times_ns[-1])

    def column(self, name: str) -> Column:
        """Give a column; RecordingError lists those there are."""
        for column in self.columns:
            if column.name == name:
                return column
        message = f"no column {name!r}; there are: {', '.join(column.name for column in self.columns)}"
        raise RecordingError(message, column=name)

    def only(self, names: Sequence[str] | None, exclude: Iterable[str]) -> Recording:
        """Leave out columns; `names` selects, None takes all that are not excluded."""
        left_out = {name.lower() for name in exclude}
        if names is not None:
            return Recording(self.times_ns, [self.column(name) for name in names])
        return Recording(self.times_ns, [column for column in self.columns if column.name.lower() not in left_out])


def read_recording(path: Path) -> Recording:
    """Read *.csv, *.tsv, *.txt (separator and header found out) or *.parquet; RecordingError names line and column.

    A time is RFC 3339, or `YYYY-MM-DD HH:MM:SS[.f]` taken as UTC, or a number. In Parquet a timestamp has its unit and
    an integer of 64 bits is nanoseconds since 1970; any other number, and each one in text, is seconds since 1970. Rows
    must not go back in time; equal times are refused too, since a tag has one value at a time.
    """
    names, cells = _cells(path, None)
    index = _time_column(path, names)
    times = _times(path, cells[index])
    columns = [_column(path, name, cells[i]) for i, name in enumerate(names) if i != index]
    if not columns:
        message = f"{path}: no column beside the time"
        raise RecordingError(message, file=str(path))
    return Recording(times, columns)


def read_span(path: Path) -> Span:
    """Read the times alone, of a Parquet file without the rest of it; RecordingError as `read_recording`."""
    only = None
    if path.suffix == ".parquet" and path.is_file():
        names = _parquet(path, parquet_names)
        only = [names[_time_column(path, names)]]
    names, cells = _cells(path, only)
    times = _times(path, cells[_time_column(path, names)])
    return Recording(times, []).span


def _cells(path: Path, only: Sequence[str] | None) -> tuple[list[str], list[Sequence[object]]]:
    """Give names and cells, of a Parquet file those of `only`."""
    if not path.is_file():
        message = f"{path}: no such file"
        raise RecordingError(message, file=str(path))
    if path.suffix != ".parquet":
        return _read_csv(path)
    return _parquet(path, lambda path: read_parquet(path, only=only, rows_max=ROWS_MAX))


def _parquet(path: Path, read: Callable[[Path], _T]) -> _T:
    try:
        return read(path)
    except ParquetError as error:
        message = f"{path}: {error}"
        raise RecordingError(message, file=str(path)) from error


def _times(path: Path, cells: Sequence[object]) -> list[int]:
    if isinstance(cells, Integers):
        integers = cells
        cells = _parquet(path, lambda _: integers.as_stamps())
    times = [_time_ns(path, row, cell) for row, cell in enumerate(cells)]
    _check_rising(path, times)
    return times


def _read_csv(path: Path) -> tuple[list[str], list[Sequence[object]]]:
    with path.open(newline="", encoding="utf-8-sig", errors="strict") as file:
        try:
            head = file.read(SNIFF_BYTES)
            separator = _separator(head.split("\n", 1)[0])
            file.seek(0)
            rows = csv.reader(file, delimiter=separator)
            names = [name.strip() for name in next(rows, [])]
            cells: list[list[object]] = [[] for _ in names]
            for row in rows:
                if not row:
                    continue
                if len(row) != len(names):
                    message = f"{path}:{rows.line_num}: {len(row)} cells where the header has {len(names)}"
                    raise RecordingError(message, file=str(path), line=rows.line_num)
                for cell, text in zip(cells, row, strict=True):
                    cell.append(text.strip())
        except (UnicodeDecodeError, csv.Error) as error:
            message = f"{path}: cannot be read as CSV: {error}"
            raise RecordingError(message, file=str(path)) from error
    if not cells or not cells[0]:
        message = f"{path}: no rows"
        raise RecordingError(message, file=str(path))
    return names, list(cells)


def _separator(header: str) -> str:
    return max(";,\t|", key=header.count)


def _time_column(path: Path, names: Sequence[str]) -> int:
    lower = [name.lower() for name in names]
    for wanted in TIME_COLUMNS:
        if wanted in lower:
            return lower.index(wanted)
    message = f"{path}: no time column; name one of: {', '.join(TIME_COLUMNS)}; the header has: {', '.join(names)}"
    raise RecordingError(message, file=str(path))


def _time_ns(path: Path, row: int, cell: object) -> int:
    try:
        match cell:
            case Stamp():
                return int(cell)
            case datetime():
                return from_datetime(cell)
            case bool():
                pass
            case int() | float():
                return round(cell * NS_PER_S) if isinstance(cell, float) else cell * NS_PER_S
            case str() if _LOCAL.fullmatch(cell):
                return parse_rfc3339_ns(cell.replace(" ", "T") + "Z")
            case str() if _INTEGER.fullmatch(cell):
                return int(cell) * NS_PER_S
            case str():
                return parse_rfc3339_ns(cell)
    except ValueError:
        pass
    message = f"{path}: row {row + 1}: {cell!r} is no time; use 2026-11-23T04:00:00Z or 2026-11-23 04:00:00 (UTC)"
    raise RecordingError(message, file=str(path), row=row + 1)


def _check_rising(path: Path, times: Sequence[int]) -> None:
    for row in range(1, len(times)):
        if times[row] <= times[row - 1]:
            stamp = datetime.fromtimestamp(times[row] / NS_PER_S, UTC).isoformat()
            message = f"{path}: row {row + 1}: time {stamp} is not later than the row before"
            raise RecordingError(message, file=str(path), row=row + 1)


def _column(path: Path, name: str, cells: Sequence[object]) -> Column:
    if isinstance(cells, Floats):
        return Column(name, ValueType.FLOAT64, cells)
    if any(isinstance(cell, str) for cell in cells):
        return _text_column(name, cells)
    present = [cell for cell in cells if cell is not None]
    if all(isinstance(cell, bool) for cell in present):
        return Column(name, ValueType.BOOL, [None if cell is None else bool(cell) for cell in cells])
    if all(isinstance(cell, int) and not isinstance(cell, bool) for cell in present):
        return Column(name, ValueType.INT64, [cell if isinstance(cell, int) else None for cell in cells])
    if all(isinstance(cell, int | float) for cell in present):
        values: list[Value] = [float(cell) if isinstance(cell, int | float) else None for cell in cells]
        return Column(name, ValueType.FLOAT64, values)
    message = f"{path}: column {name!r} holds neither numbers, booleans nor text"
    raise RecordingError(message, file=str(path), column=name)


def _text_column(name: str, cells: Sequence[object]) -> Column:
    texts = [cell if isinstance(cell, str) and cell != "" else None for cell in cells]
    present = [text for text in texts if text is not None]
    if present and all(_INTEGER.fullmatch(text) and INT64_MIN <= int(text) <= INT64_MAX for text in present):
        return Column(name, ValueType.INT64, [None if text is None else int(text) for text in texts])
    if present and {text.lower() for text in present} <= {"true", "false"}:
        return Column(name, ValueType.BOOL, [None if text is None else text.lower() == "true" for text in texts])
    numbers: list[Value] = []
    for text in texts:
        try:
            numbers.append(None if text is None else float(text))
        except ValueError:
            return Column(name, ValueType.STRING, list(texts))
    return Column(name, ValueType.FLOAT64, numbers)


def tag_name(column: str) -> str:
    """Make a tag's name of a column's: `Volume Flow RateRMS` → `volume-flow-raterms`."""
    name = re.sub(r"[^a-z0-9_]+", "-", column.lower()).strip("-")
    return (name or "channel")[:63]


def finite_or_none(value: Value) -> bool:
    """Say whether JSON can carry the value."""
    return not isinstance(value, float) or math.isfinite(value)
