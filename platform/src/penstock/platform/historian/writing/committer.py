"""The committer: one thread that writes whatever is queued as one group, and answers when it is on disk.

There is no linger time: while a commit runs the next group gathers by itself. The queue has a bound in rows, bytes and
batches; above it the caller is told to come back. A failed write (disk full, I/O error) answers its group with "later",
opens the files again and goes on: whatever of the group did reach the disk is then found as a repeat. On a read-only
disk files cannot be opened again: what is open goes on to answer questions until the disk takes writes.
"""

import errno
import logging
import os
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from penstock.core.errors import PenstockError
from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.generation import Generation
from penstock.platform.historian.ports import BatchOutcome, CommitResult, WriterBatch
from penstock.platform.historian.writing.backlog import Backlog
from penstock.platform.historian.writing.store import Store
from penstock.platform.kit.files import is_readonly

GROUP_ROWS_MAX = 100_000  # from 122,880 rows DuckDB passes its log by and writes partial row groups
QUEUE_ROWS_MAX = 400_000  # four full groups: about a second of work
QUEUE_BATCHES_MAX = 2_000  # many tiny batches cost too
QUEUE_BYTES_MAX = 128 << 20
ERASURES_MAX = 1_000_000  # 40 MB in memory; spans count, not samples
ERASED_RETRY_MS = 3_600_000
RETRY_MS = 1_000
SEAL_RETRY_MS = 2_000  # about a seal
DISK_RETRY_MS = 5_000
DISK_FREE_MIN_BYTES = 64 << 20  # room for one group, its log and a checkpoint
DISK_FAULTS = (errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
READONLY = "the historian's disk is read-only; nothing is taken until it takes writes. Keep, wait."
UNOPENED = "the historian cannot open the files on its disk, its log says why; keep what you have and send again"

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pending:
    batches: Sequence[WriterBatch]
    rows: int
    size: int
    alone: bool
    """What corrects is a group of its own: it is judged by what is committed."""
    answer: "Future[CommitResult]" = field(default_factory=Future)


class Committer:
    """Own the writing thread and its queue."""

    def __init__(
        self,
        engine: Engine,
        store: Store,
        *,
        on_commit: Callable[[int], None],
        on_correction: Callable[[], None],
        on_full: Callable[[Generation], None],
        disk_free: Callable[[Path], int],
        backlog: Backlog,
    ) -> None:
        self._engine, self._store, self._backlog = engine, store, backlog
        self._on_commit, self._on_correction, self._on_full = on_commit, on_correction, on_full
        self._disk_free = disk_free
        self._queue: deque[_Pending] = deque()
        self._wake = threading.Condition()
        self._rows = self._bytes = self._batches = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="historian-committer", daemon=True)
        self.refused = 0
        self.refused_unsealed = 0
        self.failed_groups = 0
        self._rotate_from_s = 0.0  # monotonic; after a failure not at each commit, since it opens the files again
        self.is_stale = False
        """Whether files are to be opened again before anything is written to them, at the next commit."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Commit what is queued, then end the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def queued_rows(self) -> int:
        """Give the rows that wait."""
        return self._rows

    def submit(self, batches: Sequence[WriterBatch]) -> "Future[CommitResult]":
        """Queue batches that are answered together; raise NotNow when too much waits, here or for its seal."""
        alone = any(each.corrects for each in batches)
        if alone and self._engine.views.current.erasures.log.size >= ERASURES_MAX:
            raise NotNow(ERASED_RETRY_MS, f"{ERASURES_MAX} erasures are kept already; the oldest go after 7 days")
        assert not alone or len(batches) == 1, "a batch that corrects is appended alone"
        rows = sum(each.rows.num_rows for each in batches)
        pending = _Pending(batches, rows, sum(map(_size, batches)), alone)
        with self._wake:
            if self._stopping:
                raise NotNow(RETRY_MS, "the historian is stopping; send again in a moment")
            if batches and self._backlog.is_over:
                self.refused_unsealed += 1
                raise NotNow(SEAL_RETRY_MS, "full hot files wait for their seal; keep what you have and send again")
            if self._queue and self._is_over(pending):
                self.refused += 1
                raise NotNow(RETRY_MS, f"the historian's queue is full ({self._rows} rows wait); keep and send again")
            self._queue.append(pending)
            self._count(pending, 1)
            self._wake.notify()
        return pending.answer

    def _is_over(self, pending: _Pending) -> bool:
        return (
            self._rows + pending.rows > QUEUE_ROWS_MAX
            or self._bytes + pending.size > QUEUE_BYTES_MAX
            or self._batches + len(pending.batches) > QUEUE_BATCHES_MAX
        )

    def _count(self, pending: _Pending, sign: int) -> None:
        self._rows += sign * pending.rows
        self._bytes += sign * pending.size
        self._batches += sign * len(pending.batches)

    def _run(self) -> None:
        try:
            self._rotate()  # what was full when the last process ended
        except Exception:  # boundary: the thread must live
            log.exception("a generation that was full at the start could not be sealed")
        while group := self._next_group():
            try:
                self._commit(group)
            except Exception as error:  # boundary: the thread must live; the group is answered
                log.exception("a group of %d appends failed", len(group))
                _fail(group, PenstockError(f"the historian failed: {error}"))

    def _next_group(self) -> list[_Pending]:
        with self._wake:
            while not self._queue:
                if self._stopping:
                    return []
                self._wake.wait()
            group: list[_Pending] = []
            rows = 0
            while self._queue and (not group or rows + self._queue[0].rows <= GROUP_ROWS_MAX):
                if group and (self._queue[0].alone or group[-1].alone):
                    break
                pending = self._queue.popleft()
                self._count(pending, -1)
                rows += pending.rows
                group.append(pending)
            return group

    def _commit(self, group: list[_Pending]) -> None:
        if (free := self._disk_free(self._engine.folder)) < DISK_FREE_MIN_BYTES:
            self.failed_groups += 1
            message = (
                f"the historian's disk has {free >> 20} MiB left; nothing is taken until there is room. Keep, wait."
            )
            _fail(group, NotNow(DISK_RETRY_MS, message))
            return
        if self.is_stale and (hindrance := self._recover()):
            self.failed_groups += 1
            _fail(group, NotNow(DISK_RETRY_MS, hindrance))
            return
        try:
            judged = self._store.commit([batch for pending in group for batch in pending.batches])
        except (duckdb.Error, OSError) as error:
            self.failed_groups += 1
            log.error("a commit failed, the historian opens its files again: %s", error)
            _fail(group, NotNow(DISK_RETRY_MS, f"{_what_failed(error)}; keep what you have and send again"))
            self._recover()
            return
        outcomes = iter(judged)
        for pending in group:
            mine = [next(outcomes) for _ in pending.batches]
            wrong = next((each.error for each in mine if each.error is not None), None)
            if wrong is not None:
                pending.answer.set_exception(wrong)
            else:
                answers: tuple[BatchOutcome, ...] = tuple(each.outcome() for each in mine)
                pending.answer.set_result(CommitResult(self._store.head, answers))
        self._on_commit(self._store.head)
        if group[0].alone:
            self._on_correction()
        if not self._store.is_quick or self._backlog.is_long:  # a busy door goes first: what is full is sealed as it is
            self._fold()
        self._rotate()

    def _fold(self) -> None:
        try:
            self._store.fold_if_due()
        except (duckdb.Error, OSError) as error:  # the log is as good as the file
            log.error("the hot file's log could not be folded into it, the historian opens its files again: %s", error)
            self._recover(spoilt=isinstance(error, duckdb.Error))

    def _rotate(self) -> None:
        if self.is_stale or time.monotonic() < self._rotate_from_s:
            return
        try:
            full = self._store.rotate_if_full()
        except (duckdb.Error, OSError) as error:  # the old one can grow on; the next commit tries again
            log.error("a new generation could not be begun: %s", error)
            self._rotate_from_s = time.monotonic() + RETRY_MS / 1000
            self._recover()
            return
        if full is not None:
            self._on_full(full)

    def _recover(self, *, spoilt: bool = False) -> str:
        """Open the files again; give why that cannot be, empty when it was.

        What is open on a read-only disk is left so that it can be read, unless a checkpoint spoilt it.
        """
        self.is_stale = True
        if not spoilt and is_readonly(self._engine.folder):
            return READONLY
        try:
            self._engine.reopen()
            self._store.load()
        except (duckdb.Error, sqlite3.Error, OSError, PenstockError) as error:
            if is_readonly(self._engine.folder):
                log.error("the historian's disk is read-only: its files are opened when it takes writes again")
                return READONLY
            log.error("the historian's files could not be opened again, trying at the next commit: %s", error)
            return UNOPENED
        self.is_stale = False
        return ""


def _what_failed(error: Exception) -> str:
    """Say what is wrong with the disk, where the error is of a disk."""
    for known in map(os.strerror, DISK_FAULTS):
        if known in str(error):
            return f"the historian's disk could not be written ({known})"
    return "the historian could not write, its log says why"


def _size(batch: WriterBatch) -> int:
    kept = len(batch.quarantine.payload) if batch.quarantine else 0
    return int(batch.rows.nbytes) + len(batch.frame) + kept


def _fail(group: Sequence[_Pending], error: Exception) -> None:
    for pending in group:
        if not pending.answer.done():
            pending.answer.set_exception(error)
