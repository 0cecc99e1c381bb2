"""Sealed runs: a full generation as immutable Parquet, its rows sorted by (tag, time), its ledger beside them.

A run is a folder named after the generations in it, `run-000001-000004`, with one file per table. It is written under a
name that ends in `.new` and renamed when every byte is synced; what counts as history is what the manifest lists.
docs/reference/history-files.md is the public description of the format.
"""

# ruff: noqa: S608 the pieces are constants and names made of numbers; paths are quoted

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.platform.historian.errors import SealingFailed
from penstock.platform.historian.files.durable import sync_file
from penstock.platform.historian.files.generation import UNBORN_SUFFIX, Extent
from penstock.platform.historian.files.pieces import PIECES_TABLE, piece_bounds, register_pieces
from penstock.platform.historian.files.summary import is_dense
from penstock.platform.historian.files.summary_file import SUMMARY_TABLE, write_summary
from penstock.platform.historian.files.view import Source, Tags, View, over, quoted
from penstock.platform.kit.files import sync_folder

RUNS_FOLDER = "runs"
ROW_GROUP_ROWS = 61_440
"""Thirty of DuckDB's vectors of 2,048: groups that end elsewhere compress a third worse."""
ORDERS = {
    "sample": 'tag, time, position, "row"',
    "ledger": "position",
    "record": "position, ordinal",
    "quarantine": "position",
    "resolution": "position, quarantined",
}
"""The tables of a run, and how each is sorted."""
SUMMARY_FILE = f"{SUMMARY_TABLE}.parquet"
_NAME = re.compile(r"run-(\d{6,})-(\d{6,})(?:-r(\d+))?")
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class RunFile:
    """Describe one file of a run."""

    name: str
    rows: int
    size: int
    crc32: int


@dataclass(frozen=True, slots=True)
class TagSpans:
    """Hold what a run has of each tag, by rising tag: rows, first and last source time."""

    tag: NDArray[np.int64]
    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @property
    def dense(self) -> NDArray[np.bool_]:
        """Say which tags the run's summary has."""
        return is_dense(self.rows, self.first, self.last)

    def places(self, tags: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the place of each tag, -1 where there is nothing of it."""
        if len(self.tag) == 0:
            return np.full(len(tags), -1)
        place = np.minimum(np.searchsorted(self.tag, tags), len(self.tag) - 1)
        return np.where(self.tag[place] == tags, place, -1)

    def at(self, tag: int) -> tuple[int, int] | None:
        """Give first and last time of a tag, None where the run has nothing of it."""
        place = self._place(tag)
        return None if place is None else (int(self.first[place]), int(self.last[place]))

    def rows_of(self, tag: int) -> int:
        """Give how many rows a tag has."""
        place = self._place(tag)
        return 0 if place is None else int(self.rows[place])

    def _place(self, tag: int) -> int | None:
        place = int(self.tag.searchsorted(tag))
        return None if place == len(self.tag) or self.tag[place] != tag else place


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Name one sealed run, and know what it holds."""

    first: int
    last: int
    extent: Extent
    files: tuple[RunFile, ...]
    tags: TagSpans
    epochs: Mapping[tuple[str, str], tuple[int, int]]
    """Lowest and highest seq of each (writer, epoch), of what is set aside too."""
    sealed_ns: int
    parquet: Path
    """The folder of its files."""
    erased_to: int = 0
    """Rows hidden by erasures up to this position are not in its files."""
    revision: int = 0
    """How often it was written again because of erasures."""

    @property
    def name(self) -> str:
        """Give its name, that of its folder."""
        return folder_name(self.first, self.last, self.revision)

    @property
    def size(self) -> int:
        """Give the bytes of all its files."""
        return sum(file.size for file in self.files)

    @property
    def has_summary(self) -> bool:
        """Say whether its dense tags are summed up beside the samples: older runs are not yet."""
        return any(file.name == SUMMARY_FILE for file in self.files)

    def is_summed(self, tags: Tags) -> NDArray[np.bool_]:
        """Say which of the tags the summary has; those that the run has nothing of count as summed."""
        if not self.has_summary:
            return np.zeros(len(tags), np.bool_)
        found = self.tags.places(np.asarray(tags, np.int64))
        dense = np.append(self.tags.dense, True)
        summed: NDArray[np.bool_] = dense[found]
        return summed

    def covers(self, number: int) -> bool:
        """Say whether a generation is in it."""
        return self.first <= number <= self.last

    def span(self, tag: int) -> tuple[int, int] | None:
        """Give first and last time of a tag."""
        return self.tags.at(tag)

    def holds(self, tags: Tags, start_ns: int, end_ns: int) -> bool:
        """Say whether a row of these tags with start <= time < end may be here."""
        if not self.extent.holds_time(start_ns, end_ns):
            return False
        asked = np.asarray(tags, np.int64)
        place = np.minimum(np.searchsorted(self.tags.tag, asked), len(self.tags.tag) - 1)
        mine = place[self.tags.tag[place] == asked]
        return bool(((self.tags.first[mine] < end_ns) & (self.tags.last[mine] >= start_ns)).any())

    def may_hold_batch(self, writer: str, epoch: str, seq: int) -> bool:
        """Say whether a journalled batch may be here."""
        low, high = self.epochs.get((writer, epoch), (1, 0))
        return low <= seq <= high

    def bound(self, tag: int, time_ns: int, *, before: bool) -> tuple[int | None, bool]:
        """Give the newest known time of the tag before `time_ns` (or the first from it on), and whether to read."""
        span = self.tags.at(tag)
        if span is None:
            return None, False
        first, last = span
        if before:
            return (last, False) if last < time_ns else (None, first < time_ns)
        return (first, False) if first >= time_ns else (None, last >= time_ns)


def folder_name(first: int, last: int, revision: int = 0) -> str:
    """Give the name of the folder of a run of these generations."""
    return f"run-{first:06d}-{last:06d}" + (f"-r{revision:d}" if revision else "")


def revision_of(name: str) -> int:
    """Give which writing of a run a folder's name tells of."""
    found = _NAME.fullmatch(name)
    return int(found[3] or 0) if found else 0


def parse_folder_name(name: str) -> tuple[int, int] | None:
    """Give the generations that a folder's name tells of, None for a name of another kind."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def write_run(
    cursor: Any,
    view: View,
    runs: Path,
    numbers: tuple[int, int],
    *,
    now_ns: int,
    revision: int = 0,
    piece_rows: int = 2**62,
) -> Run:
    """Write what a view shows as a run under its unborn name, synced and read back; erased rows stay behind.

    Of runs about `piece_rows` are sorted at a time. Raise SealingFailed where what is read back differs.
    """
    sources, name = view.sources, folder_name(*numbers, revision)
    folder = runs / (name + UNBORN_SUFFIX)
    folder.mkdir()
    pieces = _pieces(sources, piece_rows)
    files = [_write_table(cursor, view, folder, table, pieces if table == "sample" else ()) for table in ORDERS]
    samples = f"({view.visible(sources, 'SELECT tag, time FROM $G.sample')})"
    tags = cursor.execute(
        f"SELECT tag, count(*), min(time), max(time) FROM {samples} GROUP BY tag ORDER BY tag"
    ).fetchnumpy()
    spans = TagSpans(*(np.asarray(column, np.int64) for column in tags.values()))
    files.append(write_summary_file(cursor, folder, folder / SUMMARY_FILE, spans.dense, spans))
    sync_folder(folder)
    seqs = (
        "SELECT writer, epoch, seq FROM $G.ledger WHERE key IS NULL "
        "UNION ALL SELECT writer, epoch, seq FROM $G.quarantine"
    )
    epochs = cursor.execute(
        f"SELECT writer, epoch, min(seq), max(seq) FROM ({over(sources, seqs)}) GROUP BY writer, epoch"
    ).fetchall()
    return Run(
        *numbers,
        extent=_extent(joined([source.extent for source in sources]), spans),
        files=tuple(files),
        tags=spans,
        epochs={(writer, epoch): (low, high) for writer, epoch, low, high in epochs},
        sealed_ns=now_ns,
        parquet=runs / name,
        erased_to=view.head or 0,
        revision=revision,
    )


def _extent(sources: Extent, tags: TagSpans) -> Extent:
    """Give the extent of what was written; where all rows of the sources were erased, it keeps their times."""
    if not len(tags.tag):
        return replace(sources, rows=0)
    return replace(sources, rows=int(tags.rows.sum()), time_min=int(tags.first.min()), time_max=int(tags.last.max()))


def write_summary_file(cursor: Any, run: Path, path: Path, wanted: NDArray[np.bool_], spans: TagSpans) -> RunFile:
    """Write the summary of those tags of a run's samples that are marked among its spans, synced and read back."""
    marked = np.append(wanted, False)
    rows = write_summary(cursor, run / "sample.parquet", path, lambda tag: marked[spans.places(tag)])
    return RunFile(path.name, rows, path.stat().st_size, _crc32(path))


def joined(extents: Sequence[Extent]) -> Extent:
    """Give the extent of several together."""
    return Extent(
        rows=sum(each.rows for each in extents),
        time_min=min(each.time_min for each in extents),
        time_max=max(each.time_max for each in extents),
        position_min=min(each.position_min for each in extents),
        position_max=max(each.position_max for each in extents),
        arrival_min=min(each.arrival_min for each in extents),
        arrival_max=max(each.arrival_max for each in extents),
    )


def _pieces(sources: Sequence[Source], piece_rows: int) -> list[tuple[int, int]]:
    """Give the ranges of tags to sort one after the other; none where a hot file is to be read, in any order."""
    spans = [source.tags for source in sources if isinstance(source, Run)]
    if len(spans) < len(sources):
        return []
    tag, rows = (np.concatenate([getattr(each, name) for each in spans]) for name in ("tag", "rows"))
    return piece_bounds(tag, rows, piece_rows)


def _write_table(cursor: Any, view: View, folder: Path, table: str, pieces: Sequence[tuple[int, int]]) -> RunFile:
    path = folder / f"{table}.parquet"
    rows = view.visible(view.sources, f"SELECT * FROM $G.{table}")
    options = f"FORMAT parquet, PARQUET_VERSION v2, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP_ROWS}"
    if table == "sample" and _has_odd_nan(cursor, view.sources):
        options += ", DICTIONARY_SIZE_LIMIT 0"
    ordered = f"SELECT * FROM ({rows}) ORDER BY {ORDERS[table]}"
    if len(pieces) > 1:
        register_pieces(cursor, rows, ORDERS[table], pieces)
        ordered = f"SELECT * FROM {PIECES_TABLE}"
    cursor.execute(f"COPY ({ordered}) TO '{quoted(path)}' ({options})")
    sync_file(path)
    counted = "SELECT count(*), bit_xor(hash(each)) FROM (SELECT * FROM {}) each"
    was = cursor.execute(counted.format(f"({rows})")).fetchone()
    now = cursor.execute(counted.format(f"read_parquet('{quoted(path)}')")).fetchone()
    if was != now:
        message = f"{path} reads back as {now[0]} rows, made of {was[0]}, or with other content; the hot file stays"
        raise SealingFailed(message, path=str(path))
    return RunFile(path.name, now[0], path.stat().st_size, _crc32(path))


def _has_odd_nan(cursor: Any, sources: Sequence[Source]) -> bool:
    """Say whether NaNs with a payload are there: a dictionary page would make them all alike."""
    found = cursor.execute(over(sources, "SELECT vf FROM $G.sample WHERE isnan(vf)")).fetchnumpy()["vf"]
    bits = np.asarray(found, np.float64).view(np.int64)
    return bool((bits != np.array([np.nan]).view(np.int64)[0]).any())


def _crc32(path: Path) -> int:
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(_READ_BYTES):
            crc = zlib.crc32(piece, crc)
    return crc
