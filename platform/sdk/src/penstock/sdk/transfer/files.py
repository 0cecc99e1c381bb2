"""Reading Parquet and CSV in chunks of equal size, from any row on, as the columns that the file has."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from penstock.sdk.transfer.progress import TransferError

PARQUET, CSV = frozenset({".parquet", ".pq"}), frozenset({".csv", ".tsv", ".txt"})
_DELIMITERS = ",;\t|"
_BLOCK_BYTES = 8 * 1024 * 1024  # a row longer than this cannot be read; the longest text of a sample is 8192 characters


@dataclass(frozen=True, slots=True)
class Source:
    """A file of samples: its columns' names, and its rows in chunks."""

    path: Path
    names: tuple[str, ...]
    delimiter: str | None

    def chunks(self, rows: int, *, skip: int = 0) -> Iterator[pa.Table]:
        """Yield tables of exactly `rows` rows (the last one shorter), leaving out the first `skip` rows."""
        batches = self._parquet(skip) if self.delimiter is None else self._csv(skip)
        try:
            yield from _regular(batches, rows)
        except (pa.ArrowInvalid, OSError) as broken:
            message = f"{self.path}: {str(broken).splitlines()[0]}"
            raise TransferError(message) from None

    def _parquet(self, skip: int) -> Iterator[pa.Table]:
        with pq.ParquetFile(self.path) as file:
            for group in range(file.num_row_groups):
                size = file.metadata.row_group(group).num_rows
                if skip >= size:
                    skip -= size
                    continue
                yield _plain(file.read_row_group(group).slice(skip))
                skip = 0

    def _csv(self, skip: int) -> Iterator[pa.Table]:
        reader = pacsv.open_csv(
            self.path,
            read_options=pacsv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
            parse_options=pacsv.ParseOptions(delimiter=self.delimiter, newlines_in_values=True),
            convert_options=pacsv.ConvertOptions(
                column_types=dict.fromkeys(self.names, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
        for batch in reader:
            if skip >= batch.num_rows:
                skip -= batch.num_rows
                continue
            yield pa.Table.from_batches([batch.slice(skip)])
            skip = 0


def open_source(path: Path, delimiter: str | None = None) -> Source:
    """Look at a file's kind and columns; TransferError where it is neither Parquet nor CSV with a header."""
    try:
        if path.suffix.lower() in PARQUET:
            return Source(path, tuple(_unique(path, pq.read_schema(path).names)), None)
        if path.suffix.lower() in CSV:
            with path.open(encoding="utf-8-sig", newline="") as file:
                header = file.readline()
            chosen = delimiter or max(_DELIMITERS, key=header.count)
            names = next(csv.reader([header], delimiter=chosen), [])
            return Source(path, tuple(_unique(path, names)), chosen)
    except (pa.ArrowInvalid, UnicodeDecodeError, csv.Error) as broken:
        message = f"{path} cannot be read as {path.suffix.lower().lstrip('.')} (CSV must be UTF-8): {broken}"
        raise TransferError(message) from None
    except OSError as failed:
        message = f"{path}: {failed.strerror or failed}"
        raise TransferError(message) from None
    message = f"{path}: the name must end in .parquet or .csv, which tells how to read it"
    raise TransferError(message)


def files_in(paths: list[Path]) -> list[Path]:
    """Give the files named, and those of the folders named, in the order of their names."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if each.suffix.lower() in PARQUET | CSV)
            if not inside:
                message = f"{path}: no .parquet and no .csv file in this folder"
                raise TransferError(message)
            found += inside
        else:
            found.append(path)
    return found


def _unique(path: Path, names: list[str]) -> list[str]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"{path}: the column {twice[0]!r} stands there twice; rename one"
        raise TransferError(message)
    if not names:
        message = f"{path} is empty: the first line names the columns"
        raise TransferError(message)
    return names


def _plain(table: pa.Table) -> pa.Table:
    """Bring text to one type."""
    for place, column in enumerate(table.schema):
        kind = column.type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
            kind = pa.string()
        if kind != column.type:
            table = table.set_column(place, column.name, table.column(place).cast(kind))
    return table


def _regular(batches: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    waiting: list[pa.Table] = []
    held = 0
    for batch in batches:
        waiting.append(batch)
        held += batch.num_rows
        if held < rows:
            continue
        whole = pa.concat_tables(waiting)
        cut = held - held % rows
        for first in range(0, cut, rows):
            yield whole.slice(first, rows)
        waiting, held = [whole.slice(cut)], held - cut
    if held:
        yield pa.concat_tables(waiting)
