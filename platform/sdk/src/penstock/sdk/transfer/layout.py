"""From a file's columns to samples: long files have a row a sample, wide ones a column a tag."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.sdk.frames import ARROW_TYPES, VALUE_COLUMNS
from penstock.sdk.models import Tag
from penstock.sdk.transfer.columns import IN_NS, Refused, statuses, times, values
from penstock.sdk.transfer.files import Source
from penstock.sdk.transfer.progress import TransferError

SAMPLES = pa.schema(
    [
        ("tag", pa.int64()),
        ("time", pa.int64()),
        ("status", pa.uint32()),
        ("vf", pa.float64()),
        ("vi", pa.int64()),
        ("vb", pa.bool_()),
        ("vs", pa.string()),
    ]
)
"""What the ingest door takes: a row a sample, its value in the column of its tag's type."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file's columns are read."""

    time: str
    long: bool
    columns: Mapping[str, str] = field(default_factory=dict)
    """Wide files: column → key."""
    zone: str | None = None

    @property
    def cells(self) -> int:
        """Give the samples that a row may hold."""
        return 1 if self.long else max(1, len(self.columns))

    def samples(self, table: pa.Table, tags: Mapping[str, Tag], refused: Refused) -> pa.Table:
        """Make samples of a chunk; `refused` then holds the rows that did not fit."""
        table = table.combine_chunks()
        told = table.schema.field(self.time).metadata or {}
        stamps = times(_flat(table, self.time), self.zone, refused, in_ns=IN_NS.items() <= told.items())
        if self.long:
            return self._long(table, stamps, tags, refused)
        return self._wide(table, stamps, tags, refused)

    def _long(self, table: pa.Table, stamps: pa.Array, tags: Mapping[str, Tag], refused: Refused) -> pa.Table:
        rows = table.num_rows
        keys = pc.dictionary_encode(_flat(table, "key"))
        known = [tags.get(key) for key in keys.dictionary.to_pylist()]
        places = pc.fill_null(keys.indices, len(known)).to_numpy(zero_copy_only=False)
        ids = np.array([tag.id if tag else 0 for tag in known] + [0], np.int64)[places]
        kinds = np.array([tag.type if tag else "" for tag in known] + [""], "U8")[places]
        for place in np.flatnonzero(ids == 0).tolist():
            refused.add(place, "no tag with this key, or none that you may see")
        has_status = "status" in table.column_names
        columns = {
            "tag": pa.array(ids),
            "time": stamps,
            "status": statuses(_flat(table, "status") if has_status else None, rows, refused),
        }
        if "value" in table.column_names:
            columns |= _by_type(_flat(table, "value"), kinds, refused, allow_null=has_status)
        else:
            columns |= _checked(table, kinds, refused)
        return pa.table(columns, schema=SAMPLES).filter(refused.mask(rows))

    def _wide(self, table: pa.Table, stamps: pa.Array, tags: Mapping[str, Tag], refused: Refused) -> pa.Table:
        parts, without_time = [], dict(refused.reasons)
        for column, key in self.columns.items():
            tag, cell = tags[key], Refused(dict(without_time))  # a wrong cell leaves the others of its row
            made = values(_flat(table, column), tag.type, cell)
            for place, reason in cell.reasons.items():
                refused.add(place, f"{column}: {reason}")
            empty = {name: pa.nulls(len(stamps), ARROW_TYPES[kind]) for kind, name in VALUE_COLUMNS.items()}
            rows = pa.table(
                {
                    "tag": pa.array(np.full(len(stamps), tag.id, np.int64)),
                    "time": stamps,
                    "status": pa.array(np.zeros(len(stamps), np.uint32)),
                    **(empty | {VALUE_COLUMNS[tag.type]: made}),
                },
                schema=SAMPLES,
            )
            parts.append(rows.filter(pc.and_(cell.mask(len(stamps)), made.is_valid())))
        return pa.concat_tables(parts)


def layout_of(source: Source, *, time: str | None, renamed: Mapping[str, str], zone: str | None) -> Layout:
    """Find out how a file is laid out; TransferError says what is missing.

    `renamed` maps columns of a wide file to keys, an empty key leaves the column out.
    """
    names = source.names
    stamp = time or next((name for name in ("time", "timestamp", "datetime") if name in names), None)
    if stamp is None or stamp not in names:
        message = f"{source.path}: no column {time or 'time'!r} among {_list(names)}; name it with --time COLUMN"
        raise TransferError(message)
    for column in renamed:
        if column not in names:
            message = f"{source.path}: --map names the column {column!r}; there are {_list(names)}"
            raise TransferError(message)
    if "key" in names and not renamed and ("value" in names or set(VALUE_COLUMNS.values()) & set(names)):
        return Layout(stamp, long=True, zone=zone)
    columns = {name: renamed.get(name, name) for name in names if name != stamp}
    wanted = {name: key for name, key in columns.items() if key}
    if not wanted:
        message = f"{source.path}: no column is left beside {stamp!r}"
        raise TransferError(message)
    twice = next((key for key in wanted.values() if list(wanted.values()).count(key) > 1), None)
    if twice is not None:
        message = f"{source.path}: two columns go to the tag {twice!r}"
        raise TransferError(message)
    return Layout(stamp, long=False, columns=wanted, zone=zone)


def keys_of(source: Source, layout: Layout, rows: int) -> list[str]:
    """Give every key that the file names; of a long file this reads one column of it."""
    if not layout.long:
        return list(layout.columns.values())
    found: dict[str, None] = {}
    for chunk in source.chunks(rows):
        column = chunk.column("key")
        if not pa.types.is_string(column.type):
            message = f"{source.path}: the column key is {column.type}, not text"
            raise TransferError(message)
        found.update(dict.fromkeys(key for key in column.unique().to_pylist() if key))
    return list(found)


def _flat(table: pa.Table, name: str) -> pa.Array:
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _by_type(column: pa.Array, kinds: np.ndarray, refused: Refused, *, allow_null: bool) -> dict[str, pa.Array]:
    made = {}
    for kind, name in VALUE_COLUMNS.items():
        mine = pa.array(kinds == kind)
        made[name] = values(pc.if_else(mine, column, pa.scalar(None, column.type)), kind, refused)
    if not allow_null:
        for place in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            refused.add(place, "no value; a row without one needs a status that says why")
    return made


def _checked(table: pa.Table, kinds: np.ndarray, refused: Refused) -> dict[str, pa.Array]:
    made = {}
    for kind, name in VALUE_COLUMNS.items():
        present = name in table.column_names
        column = _flat(table, name) if present else pa.nulls(table.num_rows, ARROW_TYPES[kind])
        foreign = column.is_valid().to_numpy(zero_copy_only=False) & (kinds != kind)
        for place in np.flatnonzero(foreign).tolist():
            refused.add(place, f"the value stands in {name}, the tag is {kinds[place] or 'unknown'}")
        made[name] = values(column, kind, refused)
    return made


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
