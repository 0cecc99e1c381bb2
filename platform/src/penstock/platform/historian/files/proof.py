"""A proof of each commit's content in the commit itself, for the last one to be judged after a power cut.

DuckDB's log has a checksum an entry, but a weak one: the exclusive or of the hashes of its words, so equal words cancel
one another and a torn sector of equal values goes unseen. Hence each commit writes one row with a CRC-32 over all that
it writes, computed here over the columns; at a start the newest one is computed again from what was read back.
"""

import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.platform.historian.ports import Table

COLUMNS = pa.schema([("first", pa.int64()), ("last", pa.int64()), ("crc", pa.uint32())])


def proof_row(first: int, last: int, tables: Sequence[Table]) -> Table:
    """Make the row that proves a commit of the positions first … last."""
    return pa.table([[first], [last], [crc_of(tables)]], schema=COLUMNS)


def proved(tables: Mapping[str, Table]) -> list[Table]:
    """Give the tables of a commit that its proof is over: an empty one of erasures is as if it were not there."""
    return [table for name, table in tables.items() if name != "erasure" or table.num_rows]


def crc_of(tables: Sequence[Table]) -> int:
    """Compute the CRC of tables by their values; how Arrow cuts or fills them does not matter."""
    crc = 0
    for table in tables:
        crc = zlib.crc32(table.num_rows.to_bytes(8, "little"), crc)
        for column in table.columns if table.num_rows else ():
            crc = _add(column, crc)
    return crc


def _add(column: pa.ChunkedArray, crc: int) -> int:
    if column.null_count:
        crc = zlib.crc32(_fixed(column.is_valid()), crc)
        if column.null_count == len(column):
            return crc
    kind = column.type
    if pa.types.is_string(kind) or pa.types.is_binary(kind) or pa.types.is_string_view(kind):
        octets = pc.fill_null(column.cast(pa.binary()), b"")
        return zlib.crc32(b"".join(octets.to_pylist()), zlib.crc32(_fixed(pc.binary_length(octets)), crc))
    if column.null_count:
        column = pc.fill_null(column, False) if pa.types.is_boolean(kind) else pc.fill_null(column, 0)
    return zlib.crc32(_fixed(column), crc)


def _fixed(column: pa.ChunkedArray) -> memoryview:
    return np.ascontiguousarray(column.to_numpy()).data
