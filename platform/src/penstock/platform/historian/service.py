"""The historian as the rest of the platform sees it: both ports, the hub, starting and stopping."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.generation import Generation
from penstock.platform.historian.files.upkeep import REWRITE_AFTER_NS, Deletion
from penstock.platform.historian.hub import CommitHub
from penstock.platform.historian.ledger.by_tag import TagLedger
from penstock.platform.historian.ledger.entries import Ledger
from penstock.platform.historian.owner import OwnerLock
from penstock.platform.historian.ports import (
    CommitResult,
    LatestSample,
    Removed,
    RowKey,
    Since,
    Table,
    Watermark,
    WriterBatch,
)
from penstock.platform.historian.processed.aggregates import Summary
from penstock.platform.historian.processed.columns_by_count import Column
from penstock.platform.historian.processed.plot import Plot
from penstock.platform.historian.reading.reader import Reader
from penstock.platform.historian.repeats import column_i64
from penstock.platform.historian.writing.backlog import FULL_MAX, Backlog
from penstock.platform.historian.writing.committer import Committer
from penstock.platform.historian.writing.sealing import Sealer, Upkeep, check_runs
from penstock.platform.historian.writing.store import Store
from penstock.platform.kit.files import make_folder

FOLDS_A_GENERATION = 4
"""By default a fold is of 125,000 rows, about a row group of DuckDB's, and lets go of 8 MB."""
SCAN_ROWS_MAX = 3_000_000
"""Samples of a tag that one question may read: a month at one a second, 60 MB in memory."""
SINCE_WINDOW_NS = 7 * 24 * 3600 * 1_000_000_000
"""How long commits can be followed by position; older ones are read by source time."""

log = logging.getLogger(__name__)


class Historian:
    """Own a folder of generations; implements the ports Hot and Sealed."""

    def __init__(
        self,
        folder: Path,
        *,
        generation_rows: int,
        fold_rows: int | None = None,
        now_ns: Callable[[], int] = time.time_ns,
        disk_free: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
        retention_ns: int | None = None,
        rewrite_after_ns: int = REWRITE_AFTER_NS,
        summary_retention_ns: int | None = None,
        full_max: int = FULL_MAX,
        on_deletion: Callable[[Deletion], None] = lambda _: None,
        sealing_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._folder = folder
        self._now_ns = now_ns
        self._lock = OwnerLock(folder)
        self._engine = Engine(folder)
        self._store = Store(
            self._engine,
            generation_rows=generation_rows,
            fold_rows=fold_rows or max(1, generation_rows // FOLDS_A_GENERATION),
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reader = Reader(self._engine)
        upkeep = Upkeep(
            generation_rows,
            now_ns,
            disk_free,
            retention_ns,
            summary_retention_ns,
            rewrite_after_ns,
            on_deletion=on_deletion,
            step=sealing_step,
        )
        self._backlog = Backlog(full_max)
        self._sealer = Sealer(self._engine, upkeep, self._backlog)
        self._committer = Committer(
            self._engine,
            self._store,
            on_commit=self._announce,
            on_correction=self._sealer.wake,
            on_full=self._on_full,
            disk_free=disk_free,
            backlog=self._backlog,
        )
        self.hub = CommitHub()
        self.ledger = Ledger(self._engine, self._reader)
        self.tag_ledger = TagLedger(self._engine, self._reader)

    async def start(self, *, upkeep: bool = True) -> None:
        """Take the folder and open it; raise HistorianInUse or HistorianDamaged.

        Without `upkeep` nothing is sealed, merged or removed before begin_upkeep().
        """
        self._loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._open)
        self.hub.publish(self._store.head)
        self._committer.start()
        if upkeep:
            self.begin_upkeep()

    def begin_upkeep(self) -> None:
        """Seal, merge and remove from now on."""
        self._sealer.start()

    def _open(self) -> None:
        make_folder(self._folder)
        self._lock.take()
        try:
            self._engine.open()
            check_runs(self._engine)
            self._store.load()
            self._backlog.on_open(len(self._engine.generations) - 1)
        except BaseException:
            self._engine.close()
            self._lock.release()
            raise
        log.info(
            "historian open at %s: %d runs, %d hot files, head %d",
            self._folder,
            len(self._engine.runs),
            len(self._engine.generations),
            self.head(),
        )

    async def stop(self) -> None:
        """Commit what is queued, close the files, let go of the folder."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._committer.stop()
        self._reader.stop()
        self._sealer.stop()
        if self._committer.is_stale:  # a log that a failed write left is read anew before anything follows it
            self._engine.close()
        else:
            self._engine.close_folded()
        self._lock.release()

    async def append(self, batches: Sequence[WriterBatch]) -> CommitResult:
        """Commit the batches; see ports.Hot."""
        return await asyncio.wrap_future(self._committer.submit(batches))

    async def range(
        self,
        tags: Sequence[int],
        start_ns: int,
        end_ns: int,
        *,
        after: RowKey | None = None,
        limit: int,
        descending: bool = False,
    ) -> Table:
        """Give rows by source time; see ports.Hot."""
        return await self._reader.run(self._reader.range, tags, start_ns, end_ns, after, limit, descending=descending)

    async def aggregate(
        self, tag: int, over: Sequence[Window], wanted: Sequence[Aggregate], *, settings: AggregateSettings
    ) -> Summary:
        """Give a tag's aggregates; see ports.Sealed."""
        return await self._reader.run(self._reader.aggregate, tag, over, wanted, settings, SCAN_ROWS_MAX)

    async def aggregate_many(
        self, settings: Mapping[int, AggregateSettings], over: Sequence[Window], wanted: Sequence[Aggregate]
    ) -> dict[int, Summary]:
        """Give the aggregates of several tags; see ports.Sealed."""
        return await self._reader.run(self._reader.aggregate_many, settings, over, wanted, SCAN_ROWS_MAX)

    async def at_times(
        self, tag: int, times: NDArray[np.int64], *, settings: AggregateSettings, simple: bool = False
    ) -> Column:
        """Give a tag's values at given times; see ports.Sealed."""
        return await self._reader.run(self._reader.at_times, tag, times, settings, SCAN_ROWS_MAX, simple=simple)

    async def plot(self, tag: int, start_ns: int, end_ns: int, *, points: int) -> Plot:
        """Give the samples to draw; see ports.Sealed."""
        return await self._reader.run(self._reader.plot, tag, start_ns, end_ns, points)

    async def since(self, position: int, *, limit: int, tags: Sequence[int] | None = None) -> Since:
        """Give rows by commit order; see ports.Hot."""
        near = self._store.tail.since(position, limit, tags)
        if near is None:
            oldest = self._now_ns() - SINCE_WINDOW_NS
            return await self._reader.run(self._reader.since, position, limit, tags, self.head(), oldest)
        erasures = self._engine.views.current.erasures
        if not erasures:
            return Since(*near)
        rows, end, head = near
        hidden = erasures.hides(*(column_i64(rows, name) for name in ("tag", "time", "position")))
        return Since(rows.filter(pa.array(~hidden)), end, head, erasures.since(position, end, tags))

    def removed(self, start_ns: int, end_ns: int) -> Removed | None:
        """Say what retention has removed of a span; None where nothing is."""
        gone = [each for each in self._engine.deleted if each.time_min < end_ns and each.time_max >= start_ns]
        if not gone:
            return None
        until = max(min(each.time_max, each.deleted_ns) for each in gone)
        return Removed(until, any(each.holds_time(start_ns, end_ns) for each in self._engine.kept))

    def latest(self, tags: Sequence[int]) -> list[LatestSample]:
        """Give the newest sample of each tag that has one; see ports.Hot."""
        return self._store.newest.latest(tags)

    def latest_table(self, tags: Sequence[int]) -> Table:
        """Give the newest sample of each tag that has one, in columns; see ports.Hot."""
        return self._store.newest.table(tags)

    def head(self) -> int:
        """Give the position of the newest commit."""
        return self._store.head

    def watermark(self, writer: str, epoch: str) -> Watermark:
        """Give what has been committed of an epoch."""
        return self._store.writers.watermark(writer, epoch)

    def epochs(self, writer: str) -> list[str]:
        """List the epochs of a writer that have commits."""
        return self._store.writers.epochs(writer)

    def counters(self) -> dict[str, float]:
        """Give the counters since the start, for /metrics."""
        return {
            **self._store.counts,
            "head": self._store.head,
            "queued_rows": self._committer.queued_rows,
            "refused_appends": self._committer.refused,
            "refused_unsealed": self._committer.refused_unsealed,
            "failed_groups": self._committer.failed_groups,
            "generations": len(self._engine.generations),
            **self._sealer.counts,
            "sealing_seconds": self._sealer.seconds,
            "runs": len(self._engine.runs),
            "run_bytes": sum(run.size for run in self._engine.runs),
            "kept_summaries": len(self._engine.kept),
            "kept_bytes": sum(kept.file.size for kept in self._engine.kept),
        }

    async def wait_sealed(self, timeout_s: float = 60) -> bool:
        """Wait until every full generation is a run and its hot file gone; say whether it came to that."""
        await self.append([])  # behind the rotation of the last group
        return await asyncio.to_thread(self._sealer.wait_idle, timeout_s)

    def _announce(self, head: int) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.hub.publish, head)

    def _on_full(self, generation: Generation) -> None:
        log.info("generation %d is full with %d rows", generation.number, generation.extent.rows)
        self._backlog.on_full(len(self._engine.generations) - 1)
        self._sealer.wake()
