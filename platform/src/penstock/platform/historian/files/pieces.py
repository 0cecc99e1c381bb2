"""Rows of sorted runs in order, sorted a piece of the tags at a time: a merge's memory does not grow with its rows.

Runs are sorted by tag, so a piece reads of their files only its own row groups. What is sorted goes to DuckDB as one
Arrow stream: a UNION ALL of sorted pieces is not written in their order.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

PIECES_TABLE = "pieces"
BATCH_ROWS = 61_440


def piece_bounds(tag: NDArray[np.int64], rows: NDArray[np.int64], rows_max: int) -> list[tuple[int, int]]:
    """Cut tags, each with its rows in one file or in several, into ranges [first, last] of about so many rows."""
    tags, place = np.unique(tag, return_inverse=True)
    before = np.cumsum(np.bincount(place, weights=rows, minlength=len(tags))) - 1
    piece = before.astype(np.int64) // rows_max
    begins, ends = (np.flatnonzero(np.diff(piece, **{at: -1})) for at in ("prepend", "append"))
    return list(zip(tags[begins].tolist(), tags[ends].tolist(), strict=True))


def register_pieces(cursor: Any, select: str, order: str, bounds: Sequence[tuple[int, int]]) -> None:
    """Let `cursor` read the rows of a SELECT in order, once, as the table `pieces`."""
    beside = cursor.cursor()
    asked = [
        f"SELECT * FROM ({select}) WHERE tag BETWEEN {first} AND {last} ORDER BY {order}"  # noqa: S608 whole numbers
        for first, last in bounds
    ]
    schema = beside.sql(f"SELECT * FROM ({select}) LIMIT 0").to_arrow_table().schema  # noqa: S608 ours

    def batches() -> Iterator[pa.RecordBatch]:
        for sql in asked:
            yield from beside.sql(sql).to_arrow_reader(BATCH_ROWS)

    cursor.register(PIECES_TABLE, pa.RecordBatchReader.from_batches(schema, batches()))
