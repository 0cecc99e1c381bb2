"""Exporting: a folder of part files and a note of how far it came; the same command goes on after a break."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from penstock.core.times import format_rfc3339_ns
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.frames import VALUE_COLUMNS
from penstock.sdk.models import Tag
from penstock.sdk.resources.history import TAGS_A_REQUEST
from penstock.sdk.transfer.columns import IN_NS
from penstock.sdk.transfer.progress import TransferError, publish, read_progress, write_progress

PART_ROWS = 500_000
NOTE = "export.json"
FORMATS = ("parquet", "csv")
PARQUET = pa.schema(
    [
        ("key", pa.string()),
        pa.field("time", pa.int64(), metadata=IN_NS),
        ("status", pa.uint32()),
        ("vf", pa.float64()),
        ("vi", pa.int64()),
        ("vb", pa.bool_()),
        ("vs", pa.string()),
    ]
)
"""As `penstock sim generate` writes: the key in full, source time in ns UTC, the OPC UA status, the value typed."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export: tags, a span in ns UTC (end exclusive), a format."""

    tags: Sequence[Tag]
    start: int
    end: int
    format: str = "parquet"


class Exporter:
    """Write one export into a folder."""

    def __init__(
        self, client: AsyncClient, folder: Path, wanted: Wanted, *, tell: Callable[[int], None] = lambda _: None
    ) -> None:
        self._client, self._folder, self._tell = client, folder, tell
        self._wanted = wanted
        self._keys = {tag.id: tag.key for tag in wanted.tags}
        self._types = {tag.id: tag.type for tag in wanted.tags}

    async def run(self) -> int:
        """Write what is not written yet; give the rows of the whole export."""
        state = self._begun()
        ids = list(self._keys)
        groups = [ids[first : first + TAGS_A_REQUEST] for first in range(0, len(ids), TAGS_A_REQUEST)]
        while state["group"] < len(groups):
            rows, cursor = await self._part(groups[state["group"]], state["cursor"])
            if rows.num_rows:
                name = f"part-{len(state['parts']) + 1:05d}.{self._wanted.format}"
                self._write(rows, self._folder / name)
                state["parts"].append({"file": name, "rows": rows.num_rows})
                state["rows"] += rows.num_rows
            state["cursor"] = cursor
            if cursor is None:
                state["group"] += 1
            state["done"] = state["group"] == len(groups)
            write_progress(self._folder / NOTE, state)
            self._tell(state["rows"])
        return int(state["rows"])

    def _begun(self) -> dict[str, Any]:
        self._folder.mkdir(parents=True, exist_ok=True)
        found = read_progress(self._folder / NOTE)
        if found is not None:
            return found
        if any(self._folder.iterdir()):
            message = f"{self._folder} is not empty and holds no {NOTE}; name a new folder"
            raise TransferError(message)
        wanted = self._wanted
        state = {
            "platform": self._client.url,
            "start": wanted.start,
            "end": wanted.end,
            "format": wanted.format,
            "tags": [{"key": tag.key, "type": tag.type, "unit": tag.unit} for tag in wanted.tags],
            "parts": [],
            "rows": 0,
            "group": 0,
            "cursor": None,
            "done": False,
        }
        write_progress(self._folder / NOTE, state)
        return state

    async def _part(self, ids: list[int], cursor: str | None) -> tuple[pa.Table, str | None]:
        tables, held = [], 0
        start, end = format_rfc3339_ns(self._wanted.start), format_rfc3339_ns(self._wanted.end)
        while True:
            page = await self._client.history.page(ids, start, end, cursor=cursor)
            tables.append(page.table)
            held += page.table.num_rows
            cursor = page.next
            if cursor is None or held >= PART_ROWS:
                return pa.concat_tables(tables), cursor

    def _write(self, rows: pa.Table, path: Path) -> None:
        part = path.with_name(f".{path.name}.part")
        ids = pc.dictionary_encode(rows.column("tag").combine_chunks())
        names = pa.array([self._keys[tag] for tag in ids.dictionary.to_pylist()], pa.string())
        keys = names.take(ids.indices)
        if self._wanted.format == "csv":
            columns = {"key": keys, "time": _stamps(rows), "value": _text(rows), "status": rows.column("status")}
            pacsv.write_csv(pa.table(columns), part, pacsv.WriteOptions(quoting_style="needed"))
        else:
            columns = {"key": keys} | {name: rows.column(name) for name in PARQUET.names[1:]}
            pq.write_table(pa.table(columns, schema=PARQUET), part, compression="zstd", version="2.6")
        publish(part, path)


def continued(folder: Path, client_url: str) -> dict[str, Any] | None:
    """Give the note of an export begun in a folder; TransferError where it was of another platform."""
    if not (folder / NOTE).exists():
        return None
    found = read_progress(folder / NOTE)
    needed = {"platform", "start", "end", "format", "tags", "parts", "rows", "group", "cursor", "done"}
    if found is None or not needed <= set(found):
        message = f"{folder / NOTE} is not the note of an export; name a new folder"
        raise TransferError(message)
    if found["platform"] != client_url:
        message = f"{folder} holds an export of {found['platform']}, not of {client_url}; name a new folder"
        raise TransferError(message)
    return found


def _stamps(rows: pa.Table) -> pa.Array:
    """Write RFC 3339 with all nine decimals."""
    stamps = rows.column("time").cast(pa.timestamp("ns", "UTC"))
    return pc.strftime(stamps, format="%Y-%m-%dT%H:%M:%SZ", locale="C")


def _text(rows: pa.Table) -> pa.ChunkedArray:
    """Write each value in the shortest form that reads back to the same bits; NaN alone loses its payload."""
    shown = [rows.column(name).cast(pa.string()) for name in VALUE_COLUMNS.values()]
    return pc.coalesce(*shown)
