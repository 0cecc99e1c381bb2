"""Writing samples of tags that this client owns, through the platform's one ingest door."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from penstock.sdk.frames import ARROW_TYPES, VALUE_COLUMNS, write_arrow
from penstock.sdk.models import DeleteResult, Scalar, Tag, WriteResult
from penstock.sdk.resources.tags import AsyncTags, TagLike
from penstock.sdk.times import When, parameter, to_ns
from penstock.sdk.transport import ARROW, Params, Transport

WRITE_ROWS_MAX = 100_000  # the platform's bound of a batch

Written = tuple[int | str | datetime, Scalar] | tuple[int | str | datetime, Scalar, int]
"""(source time, value) or (source time, value, OPC UA status)."""


class AsyncWriting:
    """Write back computed values."""

    def __init__(self, transport: Transport, tags: AsyncTags) -> None:
        self._transport = transport
        self._tags = tags

    async def write(
        self, tag: TagLike, samples: Iterable[Written] | Any, *, idempotency_key: str | None = None
    ) -> WriteResult:
        """Write samples of one tag and return when they are committed.

        `samples`: (time, value[, status]) tuples, or a pandas Series with a time-zone-aware index. The write carries an
        idempotency key (made here unless given), so retries store nothing twice.
        """
        return await self.write_many({tag: samples}, idempotency_key=idempotency_key)

    async def write_many(
        self, samples: Mapping[TagLike, Iterable[Written] | Any], *, idempotency_key: str | None = None
    ) -> WriteResult:
        """Write samples of several tags in one commit (at most 100,000 rows)."""
        return await self._write(samples, idempotency_key, [])

    async def replace(
        self, tag: TagLike, samples: Iterable[Written] | Any, *, idempotency_key: str | None = None
    ) -> WriteResult:
        """Write samples of one tag in the place of what is stored at their times; needs the scope `samples:replace`.

        What is stored at other times stays. Where the same sample is there already nothing changes.
        """
        return await self.replace_many({tag: samples}, idempotency_key=idempotency_key)

    async def replace_many(
        self, samples: Mapping[TagLike, Iterable[Written] | Any], *, idempotency_key: str | None = None
    ) -> WriteResult:
        """Replace samples of several tags in one commit (at most 100,000 rows)."""
        return await self._write(samples, idempotency_key, [("replace", "true")])

    async def delete(
        self,
        tags: TagLike | Iterable[TagLike],
        *,
        start: When,
        end: When,
        reason: str = "",
    ) -> DeleteResult:
        """Delete the samples of tags (at most 100) that are there now, start inclusive, end exclusive.

        Needs the scope `samples:delete`, which administrators have. `reason` goes to the audit log.
        """
        chosen = await self._tags.select(tags, None)
        span = [("start", parameter(start)), ("end", parameter(end)), *([("reason", reason)] if reason else [])]
        params = [*(("tag", str(tag)) for tag in chosen), *span]
        response = await self._transport.request("DELETE", "/v1/samples", params=params)
        return DeleteResult.of(response.json())

    async def _write(
        self, samples: Mapping[TagLike, Iterable[Written] | Any], key: str | None, params: Params
    ) -> WriteResult:
        tags = await self._tags.resolve(samples)
        table = pa.concat_tables([_table(t, rows) for t, rows in zip(tags, samples.values(), strict=True)])
        if table.num_rows > WRITE_ROWS_MAX:
            message = f"{table.num_rows} rows in one write, at most {WRITE_ROWS_MAX}: write them in parts"
            raise ValueError(message)
        headers = {"Content-Type": ARROW, "Idempotency-Key": key or str(uuid.uuid4())}
        body = write_arrow(table)
        response = await self._transport.request("POST", "/v1/ingest", params=params, content=body, headers=headers)
        return WriteResult.of(response.json())

    async def import_arrow(self, body: bytes, *, idempotency_key: str, replace: bool = False) -> WriteResult:
        """Write an Arrow stream of samples of any owner's tags in one commit; needs the scope `samples:import`.

        `replace`: in the place of what is stored at their times; needs `samples:replace` as well.
        Columns `tag`, `time` (ns UTC), `status`, and `vf`, `vi`, `vb`, `vs`, of which at most one has the value.
        """
        headers = {"Content-Type": ARROW, "Idempotency-Key": idempotency_key}
        params = [("import", "true"), *([("replace", "true")] if replace else [])]
        response = await self._transport.request("POST", "/v1/ingest", params=params, content=body, headers=headers)
        return WriteResult.of(response.json())


def _table(tag: Tag, samples: Iterable[Written] | Any) -> pa.Table:
    rows = list(samples.items()) if hasattr(samples, "items") else list(samples)
    values = [_checked(tag, row[1]) for row in rows]
    columns = {
        "tag": pa.array([tag.id] * len(rows), pa.int64()),
        "time": pa.array([to_ns(row[0]) for row in rows], pa.int64()),
        "status": pa.array([row[2] if len(row) > 2 else 0 for row in rows], pa.uint32()),
    }
    for value_type, column in VALUE_COLUMNS.items():
        arrow_type = ARROW_TYPES[value_type]
        columns[column] = pa.array(values, arrow_type) if value_type == tag.type else pa.nulls(len(rows), arrow_type)
    return pa.table(columns)


_ACCEPTS: dict[str, tuple[type, ...]] = {"float64": (float, int), "int64": (int,), "bool": (bool,), "string": (str,)}


def _checked(tag: Tag, value: Any) -> Scalar:
    """Take Python and numpy scalars of the tag's type; say which tag and value do not fit."""
    plain: Any = value.item() if hasattr(value, "item") else value
    if plain is None:
        return None
    fits = isinstance(plain, _ACCEPTS[tag.type]) and isinstance(plain, bool) == (tag.type == "bool")
    if not fits:
        message = f"{tag.key} holds {tag.type}, {plain!r} is {type(plain).__name__}: convert it before writing"
        raise TypeError(message)
    return float(plain) if tag.type == "float64" else plain
