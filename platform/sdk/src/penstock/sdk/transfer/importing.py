"""Importing: chunk by chunk through the ingest door, each a commit of its own that repeats without harm."""

from __future__ import annotations

import csv
import hashlib
import uuid
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import ApiError
from penstock.sdk.frames import write_arrow
from penstock.sdk.models import Tag
from penstock.sdk.transfer.columns import Refused
from penstock.sdk.transfer.files import Source, open_source
from penstock.sdk.transfer.layout import Layout, keys_of, layout_of
from penstock.sdk.transfer.progress import TransferError, identity, read_progress, write_progress

CHUNK_SAMPLES = 50_000
BODY_BYTES = 6 * 1024 * 1024  # below the door's 8 MiB; a chunk of long texts is cut in halves
SCAN_ROWS = 200_000
OTHERWISE = {"platform": "into another platform", "file": "of another file", "options": "with other options"}
"""What a note of progress tells of where it does not fit, by what differs."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to read a file, and what to do with rows that do not fit."""

    time: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    zone: str | None = None
    delimiter: str | None = None
    rejects: Path | None = None
    restart: bool = False
    replace: bool = False
    """Samples take the place of those at the same times."""

    def mark(self) -> dict[str, Any]:
        """Give what must not change between two runs of one import."""
        told = {"time": self.time, "map": dict(self.renamed), "zone": self.zone, "delimiter": self.delimiter}
        return told | ({"replace": True} if self.replace else {})


@dataclass(slots=True)
class Tally:
    """How far an import came: rows of the file, and what became of their samples."""

    rows: int = 0
    samples: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    erased: int = 0
    run: str = ""
    """Names the run in its idempotency keys: replacing A, then B, then A again must not repeat the first answer."""
    done: bool = False
    """The whole file is in; a run that finds it so sends nothing."""


class Importer:
    """Import one file. Killed at any moment, the same call goes on where the last commit was."""

    def __init__(
        self, client: AsyncClient, path: Path, options: Options, *, tell: Callable[[Tally], None] = lambda _: None
    ) -> None:
        self._client, self._path, self._options, self._tell = client, path, options, tell
        self.progress = path.with_name(f"{path.name}.import.json")
        self._tags: dict[str, Tag] = {}

    def is_done(self) -> bool:
        """Say whether an earlier run imported the whole file; TransferError where that was another file or platform."""
        return self._resumed(self._mark())[0].done

    async def run(self) -> Tally:
        """Send what is not committed yet; raise TransferError for what must be mended first, ApiError for refusals."""
        source = open_source(self._path, self._options.delimiter)
        layout = layout_of(source, time=self._options.time, renamed=self._options.renamed, zone=self._options.zone)
        mark = self._mark()
        tally, rejects_bytes = self._resumed(mark)
        if tally.done:
            return tally
        await self._find_tags(source, layout)
        rejects = _Rejects(self._options.rejects, rejects_bytes)
        if self._options.replace and not tally.run:
            tally.run = uuid.uuid4().hex
            write_progress(self.progress, {**mark, **asdict(tally), "rejects_bytes": rejects.bytes})
        for chunk in source.chunks(max(1, CHUNK_SAMPLES // layout.cells), skip=tally.rows):
            await self._one(chunk, layout, tally, rejects)
            write_progress(self.progress, {**mark, **asdict(tally), "rejects_bytes": rejects.bytes})
            self._tell(tally)
        tally.done = True
        write_progress(self.progress, {**mark, **asdict(tally), "rejects_bytes": rejects.bytes})
        return tally

    def _mark(self) -> dict[str, Any]:
        """Give what must not change between two runs; TransferError for a file that cannot be read."""
        try:
            content = identity(self._path)
        except OSError as failed:
            message = f"{self._path}: {failed.strerror or failed}"
            raise TransferError(message) from None
        return {"platform": self._client.url, "file": content, "options": self._options.mark()}

    def _resumed(self, mark: Mapping[str, Any]) -> tuple[Tally, int]:
        found = None if self._options.restart else read_progress(self.progress)
        if found is None:
            return Tally(), 0
        for name, now in mark.items():
            if found.get(name) != now:
                message = (
                    f"{self.progress} tells of an import {OTHERWISE[name]}; give --restart to import from the "
                    "first row (samples that are there already are not stored twice)"
                )
                raise TransferError(message)
        try:
            later = {"erased": 0, "run": ""}  # than the first files of progress
            told: dict[str, Any] = later | found
            tally = Tally(**{name: told[name] for name in Tally.__dataclass_fields__})
            return tally, int(found["rejects_bytes"])
        except (KeyError, TypeError, ValueError):
            message = f"{self.progress} is not the progress of an import; give --restart to begin anew"
            raise TransferError(message) from None

    async def _find_tags(self, source: Source, layout: Layout) -> None:
        keys = keys_of(source, layout, SCAN_ROWS)
        known = {tag.key: tag for tag in await self._client.tags.list()}
        absent = [key for key in keys if key not in known]
        if absent and (not layout.long or self._options.rejects is None):
            names = ", ".join(repr(key) for key in absent[:5]) + (f" and {len(absent) - 5} more" if absent[5:] else "")
            ways = "--map COLUMN=KEY" if not layout.long else "--rejects FILE to import the others"
            message = (
                f"{self._path}: no tag with the key {names} on {self._client.url}. A tag comes with its device file "
                f"or its app (declare_tag of the SDK); or give {ways}"
            )
            raise TransferError(message)
        self._tags = {key: known[key] for key in keys if key in known}

    async def _one(self, chunk: pa.Table, layout: Layout, tally: Tally, rejects: _Rejects) -> None:
        refused = Refused()
        try:
            samples = layout.samples(chunk, self._tags, refused)
        except TypeError as error:
            message = f"{self._path}, from row {tally.rows + 1}: {error}"
            raise TransferError(message) from None
        if refused.reasons:
            place = min(refused.reasons)
            if self._options.rejects is None:
                message = (
                    f"{self._path}, row {tally.rows + place + 1}: {refused.reasons[place]}. Mend it, or give --rejects "
                    "FILE to set such rows aside; what was committed stays, and the same command goes on from there"
                )
                raise TransferError(message)
            rejects.write((tally.rows + 1 + at, refused.reasons[at]) for at in sorted(refused.reasons))
        await self._send(samples, f"{tally.rows}", tally)
        tally.rows += chunk.num_rows
        tally.refused += len(refused.reasons)

    async def _send(self, samples: pa.Table, place: str, tally: Tally) -> None:
        if samples.num_rows == 0:
            return
        body = write_arrow(samples.combine_chunks())
        if len(body) > BODY_BYTES and samples.num_rows > 1:
            half = samples.num_rows // 2
            await self._send(samples.slice(0, half), f"{place}a", tally)
            await self._send(samples.slice(half), f"{place}b", tally)
            return
        kind = f"replace-{tally.run}" if self._options.replace else "import"
        key = f"{kind}-{place}-{hashlib.sha256(body).hexdigest()}"
        try:
            written = await self._client.writing.import_arrow(body, idempotency_key=key, replace=self._options.replace)
        except ApiError as error:
            error.add_note(f"importing {self._path}, from row {tally.rows + 1}; what was committed stays")
            raise
        tally.samples += samples.num_rows
        tally.stored += written.stored
        tally.duplicates += written.duplicates
        tally.erased += written.erased


class _Rejects:
    """A CSV of the rows set aside; after a crash it is cut back to what the progress knows of."""

    def __init__(self, path: Path | None, known_bytes: int) -> None:
        self._path, self.bytes = path, known_bytes
        if path is not None and known_bytes:
            with path.open("ab") as file:
                file.truncate(known_bytes)

    def write(self, rows: Any) -> None:
        assert self._path is not None
        with self._path.open("a" if self.bytes else "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            if not self.bytes:
                writer.writerow(["row", "reason"])
            writer.writerows(rows)
        self.bytes = self._path.stat().st_size
