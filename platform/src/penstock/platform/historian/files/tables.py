"""The ledger's side of a commit as Arrow tables, columns in the order of the tables in generation.py."""

from collections.abc import Sequence

import pyarrow as pa

from penstock.platform.historian.erasures import ERASURE
from penstock.platform.historian.files.group import Judged
from penstock.platform.historian.ports import STORED_ROWS, Table

_I64, _TEXT = pa.int64(), pa.string()
_LEDGER = pa.schema(
    [
        ("position", _I64),
        ("tenant", _TEXT),
        ("writer", _TEXT),
        ("epoch", _TEXT),
        ("seq", _I64),
        ("key", _TEXT),
        ("crc", pa.uint32()),
        ("n", _I64),
        ("arrival_gateway", _I64),
        ("arrival_platform", _I64),
        ("stored", _I64),
        ("duplicates", _I64),
        ("late", _I64),
        ("future", _I64),
        ("quarantined", _I64),
    ]
)
_RECORD = pa.schema(
    [
        ("position", _I64),
        ("ordinal", _I64),
        ("tenant", _TEXT),
        ("writer", _TEXT),
        ("kind", _TEXT),
        ("tag", _I64),
        ("from_ns", _I64),
        ("to_ns", _I64),
        ("count", _I64),
        ("device", _TEXT),
        ("cause", _TEXT),
        ("excerpt", _TEXT),
        ("arrival_platform", _I64),
    ]
)
_QUARANTINE = pa.schema(
    [
        ("position", _I64),
        ("tenant", _TEXT),
        ("writer", _TEXT),
        ("epoch", _TEXT),
        ("seq", _I64),
        ("crc", pa.uint32()),
        ("reason", _TEXT),
        ("detail", _TEXT),
        ("rows", _I64),
        ("arrival_platform", _I64),
        ("payload", pa.binary()),
    ]
)
_RESOLUTION = pa.schema([("quarantined", _I64), ("position", _I64), ("time", _I64)])

WRITTEN = {
    "sample": (STORED_ROWS, 'position, "row"'),
    "ledger": (_LEDGER, "position"),
    "record": (_RECORD, "position, ordinal"),
    "quarantine": (_QUARANTINE, "position"),
    "resolution": (_RESOLUTION, "position"),
    "erasure": (ERASURE, "position, tag, from_ns"),
}
"""What a commit writes: table → its schema, and the order in which its rows were written."""
_EMPTY = {schema: schema.empty_table() for schema, _ in WRITTEN.values()}


def ledger_rows(new: Sequence[Judged]) -> Table:
    """Make one ledger row per new batch."""
    return _table(
        _LEDGER,
        [
            (
                each.position,
                each.batch.tenant,
                each.batch.writer,
                each.batch.epoch,
                each.batch.seq,
                each.batch.key,
                each.batch.crc,
                each.batch.rows.num_rows + (each.quarantine.rows if each.quarantine else 0),
                each.batch.arrival_gateway_ns,
                each.batch.arrival_platform_ns,
                each.stored,
                each.duplicates,
                each.late,
                each.future,
                each.quarantine.rows if each.quarantine else 0,
            )
            for each in new
        ],
    )


def record_rows(written: Sequence[Judged]) -> Table:
    """Make one row per record: gaps, drops, rejects and what is counted tag by tag."""
    return _table(
        _RECORD,
        [
            (
                each.position,
                ordinal,
                each.batch.tenant,
                each.batch.writer,
                record.kind.value,
                record.tag,
                record.from_ns,
                record.to_ns,
                record.count,
                record.device,
                record.cause,
                record.excerpt,
                each.batch.arrival_platform_ns,
            )
            for each in written
            for ordinal, record in enumerate(each.told)
        ],
    )


def quarantine_rows(written: Sequence[Judged]) -> Table:
    """Make one row per batch of which something is kept aside."""
    return _table(
        _QUARANTINE,
        [
            (
                each.position,
                each.batch.tenant,
                each.batch.writer,
                each.batch.epoch,
                each.batch.seq,
                each.batch.crc,
                each.quarantine.reason,
                each.quarantine.detail,
                each.quarantine.rows,
                each.batch.arrival_platform_ns,
                each.quarantine.payload,
            )
            for each in written
            if each.quarantine is not None
        ],
    )


def resolution_rows(new: Sequence[Judged]) -> Table:
    """Make one row per retry that brought a quarantined batch in."""
    return _table(
        _RESOLUTION,
        [
            (each.batch.resolves, each.position, each.batch.arrival_platform_ns)
            for each in new
            if each.batch.resolves is not None
        ],
    )


def _table(schema: pa.Schema, rows: Sequence[tuple[object, ...]]) -> Table:
    if not rows:
        return _EMPTY[schema]
    columns = zip(*rows, strict=True)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.table(arrays, schema=schema)
