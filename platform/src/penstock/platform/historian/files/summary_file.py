"""A run's summary on disk: written from its sorted samples in one pass, read back and compared."""

# ruff: noqa: S608 the pieces are constants and names made of numbers; paths are quoted

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.platform.historian.errors import SealingFailed
from penstock.platform.historian.files.durable import sync_file
from penstock.platform.historian.files.summary import SUMMARY, summaries
from penstock.platform.historian.files.view import quoted
from penstock.platform.historian.ports import Table
from penstock.platform.historian.repeats import column_i64

SUMMARY_TABLE = "summary"
PART_ROWS = 245_760
"""Samples summed up at once: 20 MB of memory."""
ROW_GROUP_ROWS = 20_480
_SAMPLES = "SELECT tag, time, status, coalesce(vf, vi::DOUBLE, vb::INTEGER::DOUBLE) AS value FROM read_parquet('{}')"


def write_summary(cursor: Any, samples: Path, path: Path, wanted: Callable[[NDArray[np.int64]], Any]) -> int:
    """Write the summary of a run's samples, synced; give its rows. `wanted` marks the tags that are to be in it.

    Raise SealingFailed where the file reads back as something else.
    """
    made = _Fingerprint()

    def parts() -> Iterator[pa.RecordBatch]:
        for table in summaries(_sorted_parts(cursor.cursor(), samples, wanted)):
            made.take(table)
            yield from table.to_batches()

    cursor.register("summed", pa.RecordBatchReader.from_batches(SUMMARY, parts()))
    options = f"FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
    try:
        cursor.execute(f"COPY (SELECT * FROM summed) TO '{quoted(path)}' ({options})")
    finally:
        cursor.unregister("summed")
    sync_file(path)
    written = _Fingerprint()
    for batch in cursor.sql(f"SELECT * FROM read_parquet('{quoted(path)}')").to_arrow_reader(PART_ROWS):
        written.take(pa.Table.from_batches([batch]))
    if made.told != written.told:
        message = f"{path} reads back as {written.rows} rows, made of {made.rows}, or with other content"
        raise SealingFailed(message, path=str(path))
    return written.rows


def _sorted_parts(cursor: Any, samples: Path, wanted: Callable[[NDArray[np.int64]], Any]) -> Iterator[Table]:
    before = (-(2**63), -(2**63))
    for batch in cursor.sql(_SAMPLES.format(quoted(samples))).to_arrow_reader(PART_ROWS):
        table = pa.Table.from_batches([batch])
        if table.num_rows == 0:
            continue
        tag, time = column_i64(table, "tag"), column_i64(table, "time")
        changes = np.flatnonzero(np.diff(tag)) + 1
        falls = np.flatnonzero(np.diff(time) < 0) + 1
        begins = np.append(0, changes)
        if before > (tag[0], time[0]) or not np.isin(falls, changes).all() or (np.diff(tag[begins]) < 0).any():
            message = f"{samples} does not come sorted; no summary is made of it"
            raise SealingFailed(message, path=str(samples))
        before = (int(tag[-1]), int(time[-1]))
        chosen = wanted(tag[begins])
        yield table if chosen.all() else table.filter(pa.array(np.repeat(chosen, np.diff(begins, append=len(tag)))))


class _Fingerprint:
    """Count rows and fold the bits of every column, in any order of rows."""

    def __init__(self) -> None:
        self.rows = 0
        self._bits = [np.int64(0)] * len(SUMMARY)

    @property
    def told(self) -> tuple[int, list[int]]:
        """Give what two equal tables have alike."""
        return self.rows, [int(bits) for bits in self._bits]

    def take(self, table: Table) -> None:
        """Add rows."""
        self.rows += table.num_rows
        for place, name in enumerate(SUMMARY.names):
            column = table[name].to_numpy()
            if column.dtype == np.float64:
                column = np.where(np.isnan(column), np.nan, column).view(np.int64)
            self._bits[place] ^= np.bitwise_xor.reduce(column.astype(np.int64)) if len(column) else np.int64(0)
