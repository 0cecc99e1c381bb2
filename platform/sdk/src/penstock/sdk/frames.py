"""Columns as they travel: Arrow pages, JSON pages of the stream, and the optional libraries' import."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from penstock.sdk.errors import ClientError, MissingExtraError
from penstock.sdk.models import Erasure, scalar_of
from penstock.sdk.times import to_ns

VALUE_COLUMNS = {"float64": "vf", "int64": "vi", "bool": "vb", "string": "vs"}
ARROW_TYPES = {"float64": pa.float64(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}
WIRE = pa.schema(
    [
        ("tag", pa.int64()),
        ("time", pa.int64()),
        ("status", pa.uint32()),
        ("vf", pa.float64()),
        ("vi", pa.int64()),
        ("vb", pa.bool_()),
        ("vs", pa.string()),
        ("position", pa.int64()),
        ("row", pa.int64()),
    ]
)
METADATA_KEY = b"penstock"


@dataclass(frozen=True, slots=True)
class Removed:
    """What retention has removed of a span: samples up to `until` (RFC 3339), and whether summaries of them stay."""

    until: str
    summaries: bool

    @classmethod
    def of(cls, *besides: Mapping[str, Any]) -> Removed | None:
        """Read what stands beside answers; None where nothing was removed."""
        told = [beside["removed"] for beside in besides if beside.get("removed")]
        if not told:
            return None
        return cls(max(each["until"] for each in told), any(each["summaries"] for each in told))


@dataclass(frozen=True, slots=True)
class Page:
    """One page of rows in the WIRE schema, and what the platform said beside it."""

    table: pa.Table
    next: str | None = None
    position: int | None = None
    head: int | None = None
    removed: Removed | None = None
    erasures: tuple[Erasure, ...] = ()


def read_page(body: bytes) -> Page:
    """Read an Arrow answer of `/v1/samples` or `/v1/since`."""
    table, beside = read_arrow(body)
    erasures = Erasure.all_of(beside["erasures"]) if "erasures" in beside else ()
    return Page(
        conform(table), beside.get("next"), beside.get("position"), beside.get("head"), Removed.of(beside), erasures
    )


def read_arrow(body: bytes) -> tuple[pa.Table, dict[str, Any]]:
    """Read an IPC stream and the JSON in its schema metadata."""
    try:
        table = pa.ipc.open_stream(body).read_all()
    except pa.ArrowInvalid as broken:
        message = f"the platform's answer is not an Arrow stream ({broken}); is a proxy in between?"
        raise ClientError(message) from broken
    metadata = table.schema.metadata or {}
    return table, json.loads(metadata.get(METADATA_KEY, b"{}"))


def conform(table: pa.Table) -> pa.Table:
    """Bring a table to the WIRE schema: absent columns become null, integer widths are adapted."""
    columns = [
        table.column(f.name).cast(f.type) if f.name in table.column_names else pa.nulls(table.num_rows, f.type)
        for f in WIRE
    ]
    return pa.table(columns, schema=WIRE)


def read_columns(columns: Mapping[str, Sequence[Any]], types: Mapping[int, str]) -> pa.Table:
    """Read a JSON columns page; `types` gives each tag's value type."""
    tags = [int(t) for t in columns["tag"]]
    values: dict[str, list[Any]] = {c: [None] * len(tags) for c in VALUE_COLUMNS.values()}
    for index, (tag, value) in enumerate(zip(tags, columns["value"], strict=True)):
        value_type = types.get(tag, "float64")
        values[VALUE_COLUMNS[value_type]][index] = scalar_of(value, value_type)
    zeros = [0] * len(tags)
    return pa.table(
        {
            "tag": tags,
            "time": [to_ns(t) for t in columns["time"]],
            "status": columns["status"],
            **values,
            "position": columns.get("position", zeros),
            "row": columns.get("row", zeros),
        },
        schema=WIRE,
    )


def write_arrow(table: pa.Table) -> bytes:
    """Render a table as an IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()  # type: ignore[no-any-return]


def optional(library: str) -> Any:
    """Import pandas or polars, or say which extra brings it."""
    try:
        return importlib.import_module(library)
    except ImportError as absent:
        raise MissingExtraError(library, library) from absent
