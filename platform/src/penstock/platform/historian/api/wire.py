"""Rows as they travel: JSON columns, and Arrow with the page's cursor in the schema metadata."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray
from starlette.responses import Response

from penstock.core.times import format_rfc3339_ns
from penstock.platform.historian.erasures import Entries
from penstock.platform.historian.ports import Removed, Table
from penstock.platform.historian.repeats import column_i64

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
METADATA_KEY = b"penstock"


def wants_arrow(accept: str) -> bool:
    """Say whether the caller named Arrow among what it accepts."""
    return any(part.split(";")[0].strip().lower() == ARROW for part in accept.split(","))


def json_answer(content: Mapping[str, Any]) -> Response:
    """Answer with JSON."""
    return Response(orjson.dumps(content), media_type=JSON)


def told_removed(removed: Removed | None) -> dict[str, Any]:
    """Say beside an answer what retention has removed of its span; nothing where all is there."""
    if removed is None:
        return {}
    return {"removed": {"until": format_rfc3339_ns(removed.until_ns), "summaries": removed.summaries}}


def arrow_answer(rows: Table, beside: Mapping[str, Any] | None = None) -> Response:
    """Answer with one Arrow stream; `beside` goes into the schema metadata."""
    if beside is not None:
        rows = rows.replace_schema_metadata({METADATA_KEY: orjson.dumps(beside)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_table(rows.combine_chunks())
    return Response(sink.getvalue().to_pybytes(), media_type=ARROW)


def json_columns(rows: Table) -> dict[str, list[Any]]:
    """Give STORED_ROWS as the columns of a JSON page."""
    return {
        "tag": rows["tag"].to_pylist(),
        "time": times_text(column_i64(rows, "time")),
        "value": values_column(rows),
        "status": rows["status"].to_pylist(),
        "position": rows["position"].to_pylist(),
        "row": rows["row"].to_pylist(),
    }


def json_erasures(erasures: Entries) -> dict[str, list[Any]]:
    """Give erasures as the columns of a JSON page."""
    return {
        "tag": erasures.tag.tolist(),
        "start": times_text(erasures.from_ns),
        "end": times_text(erasures.to_ns),
        "position": erasures.position.tolist(),
    }


def times_text(times: NDArray[np.int64]) -> list[str]:
    """Write times as RFC 3339 with nanoseconds; the smallest int64 is no date to numpy, the historian refuses it."""
    stamps = np.datetime_as_string(times.view("datetime64[ns]"), unit="ns")
    return [f"{stamp}Z" for stamp in stamps.tolist()]


def json_value(value: float | int | bool | str | None) -> float | int | bool | str | None:
    """Give a value as JSON can hold it: NaN and the infinities as words."""
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def float_column(values: NDArray[np.float64], present: NDArray[np.bool_] | None = None) -> list[Any]:
    """Give floats for JSON; rows that are not present become null."""
    plain: list[Any] = values.tolist()
    for place in np.flatnonzero(~np.isfinite(values)):
        plain[place] = json_value(plain[place])
    if present is not None:
        for place in np.flatnonzero(~present):
            plain[place] = None
    return plain


def values_column(rows: Table) -> list[Any]:
    """Give each row's value as JSON can hold it, from whichever column has it; null: no value."""
    floats = rows["vf"]
    if floats.null_count == 0:
        return float_column(floats.to_numpy())
    merged: list[Any] = [None] * rows.num_rows
    for name in ("vf", "vi", "vb", "vs"):
        column = rows[name]
        if column.null_count == len(column):
            continue
        for place, value in zip(
            np.flatnonzero(column.is_valid().to_numpy()), column.drop_null().to_pylist(), strict=True
        ):
            merged[place] = json_value(value)
    return merged
