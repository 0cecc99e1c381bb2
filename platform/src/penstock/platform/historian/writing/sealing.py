"""Sealing: in the background, a full generation becomes a sorted run and its hot file goes; small runs become one.

Theory of operation. One thread goes through the same steps for each full generation, and then for runs to merge; every
step may be the last one before a crash, and the next start goes on from what it finds:

    begun          a full hot file is chosen; what its log holds is read where it is
    written        the run's files stand under an unborn name, synced, read back equal    start: removed, made again
    renamed        the folder has its name, durably                                       start: removed, made again
    listed         the manifest's transaction: from here on the run is the history        start: what it replaces goes
    switched       new questions read the run
    drained        the last question that read what it replaces has ended
    detached       DuckDB has let go of that
    unlinked       it is gone

A merge has the same steps, but the first and the last but one, under names that begin with `merge-`; so has a run that
is written again without what was erased, under names that begin with `erase-`. Before all that, erasures of the hot
files are listed in the manifest (`erasures-listed`): readers of runs find them there, and a hot file may go.

Nothing is removed that is not held elsewhere: a hot file goes when a listed run covers it, a run's folder that the
manifest does not list goes when hot files and listed runs hold all its generations, or when the manifest says that
retention deleted them.

Retention removes runs. Where summaries are kept longer, one of all the run's tags is written first (`kept-written`),
gets its name (`kept-renamed`) and is listed in the transaction that takes the run off (`kept-listed`); a run with
erased rows is written again before that. A run of before there were summaries gets one when there is nothing else to do
(`summary-written`, `summary-listed`).
"""

import contextlib
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from penstock.core.errors import PenstockError
from penstock.platform.historian.erasures import ALWAYS
from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.files.durable import BEFORE_SUFFIX, LOG_SUFFIX
from penstock.platform.historian.files.engine import Connection, Engine
from penstock.platform.historian.files.generation import UNBORN_SUFFIX, Generation, list_files
from penstock.platform.historian.files.kept import KEPT_FOLDER, Kept, expired_kept, write_kept
from penstock.platform.historian.files.run import (
    SUMMARY_FILE,
    Run,
    folder_name,
    parse_folder_name,
    write_run,
    write_summary_file,
)
from penstock.platform.historian.files.upkeep import (
    KEPT_AFTER_ARRIVAL_NS,
    REWRITE_AFTER_NS,
    Deletion,
    busy_until_ns,
    bytes_to_merge,
    expired,
    mergeable,
    rewrite_due_ns,
    spent,
)
from penstock.platform.historian.files.view import Source, View, parquet_files
from penstock.platform.historian.writing.backlog import Backlog
from penstock.platform.kit.files import sync_folder

STEPS = ("begun", "written", "renamed", "listed", "switched", "drained", "detached", "unlinked")
KEPT_STEPS = ("kept-written", "kept-renamed", "kept-listed")
SUMMARY_STEPS = ("summary-written", "summary-listed")
MERGE_STEPS = tuple(f"merge-{step}" for step in STEPS if step not in ("begun", "detached"))
ERASE_STEPS = ("erasures-listed", *(f"erase-{step}" for step in ("written", "renamed", "listed", "switched")))
"""The old files then go by the last steps of a merge."""
RETRY_S = 60.0
"""When a seal failed, or old files are still read, it is tried again: the hot file serves meanwhile."""
UPKEEP_S = 3600.0
"""How often retention looks for runs that have grown too old."""
INTERRUPT_S = 0.2
"""How soon a stop asks again: an interrupt between two statements is not heard."""
DRAIN_S = 30.0
"""Longer than any question should take."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Upkeep:
    """Hold what the sealer is told from outside; `step` hears of each step as it is done."""

    generation_rows: int
    now_ns: Callable[[], int]
    disk_free: Callable[[Path], int]
    retention_ns: int | None = None
    summary_retention_ns: int | None = None
    """Longer than the other; None: summaries go with their samples."""
    rewrite_after_ns: int = REWRITE_AFTER_NS
    on_deletion: Callable[[Deletion], None] = lambda _: None
    step: Callable[[str], None] = lambda _: None


class Sealer:
    """Own the thread that seals, merges and removes."""

    def __init__(self, engine: Engine, upkeep: Upkeep, backlog: Backlog) -> None:
        self._engine, self._upkeep, self._step, self._backlog = engine, upkeep, upkeep.step, backlog
        self._wake = threading.Condition()
        self._asked = True  # a start may have something to do
        self._stopping = False
        self._idle = False
        self._writing: Connection | None = None
        self._thread = threading.Thread(target=self._run, name="historian-sealer", daemon=True)
        self._listed = 0
        """Up to this position erasures are known to stand in the manifest."""
        self.counts = {"seals": 0, "sealed_rows": 0, "seal_failures": 0, "merges": 0, "deleted_runs": 0}
        self.counts |= {"deleted_summaries": 0, "rewritten_runs": 0}
        self.seconds = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End soon: a run that is being written is given up, the next start makes it again."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        while self._thread.is_alive():
            if (cursor := self._writing) is not None:
                cursor.interrupt()
            self._thread.join(INTERRUPT_S)

    def wake(self) -> None:
        """Tell that a generation is full."""
        with self._wake:
            self._asked, self._idle = True, False
            self._wake.notify_all()

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until everything full is sealed and every old file gone; say whether it came to that."""
        with self._wake:
            return self._wake.wait_for(lambda: self._idle, timeout_s)

    def _run(self) -> None:
        done = True
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._asked or self._stopping, self._pause_s() if done else RETRY_S)
                if self._stopping:
                    return
                self._asked = False
            done = self._round()
            with self._wake:
                self._idle = done and not self._asked
                self._wake.notify_all()

    def _round(self) -> bool:
        """Do what there is to do, seals before the rest; say whether nothing is left."""
        try:
            done = self._sweep()
            while not self._stopping and self._one_work():
                done = self._sweep()
        except (duckdb.Error, sqlite3.Error, OSError, PenstockError) as error:
            if self._stopping:
                return False
            self.counts["seal_failures"] += 1
            self._backlog.on_failed(len(self._engine.generations) - 1)
            log.error("sealing failed, the files there are serve on, next try in %d s: %s", RETRY_S, error)
            return False
        finally:
            try:
                self._engine.give_back()
            finally:
                self._engine.let_go()
        return done and not self._stopping

    def _pause_s(self) -> float:
        """Give how long there is nothing to do unless somebody wakes: until a run is due to be written again."""
        view, upkeep = self._engine.views.current, self._upkeep
        due = [rewrite_due_ns(view, run, upkeep.rewrite_after_ns) for run in self._engine.runs]
        if self._is_busy():  # what is left to be merged then
            due.append(busy_until_ns(view.sources))
        first = min((each for each in due if each is not None), default=None)
        pause_s = UPKEEP_S if first is None else (first - upkeep.now_ns()) / 1e9
        return min(UPKEEP_S, pause_s if pause_s > 0 else RETRY_S)  # what is due and was not done has no room

    def _is_busy(self) -> bool:
        """Say whether samples come so quickly that merges wait for more to merge."""
        return self._upkeep.now_ns() < busy_until_ns(self._engine.views.current.sources)

    def _one_work(self) -> bool:
        engine, upkeep = self._engine, self._upkeep
        if engine.views.current.erasures and self._list_erasures():
            return True
        if full := engine.generations[:-1]:
            self._seal(full[0])
            return True
        now_ns, summaries_ns = upkeep.now_ns(), upkeep.summary_retention_ns
        if upkeep.retention_ns is not None and (old := expired(engine.runs, now_ns, upkeep.retention_ns)):
            if self._keeps_of(old[0]) and engine.views.current.touched(old[0], None, *ALWAYS):
                self._rewrite(old[0])
            else:
                self._delete(old[0])
            return True
        if summaries_ns is not None and (aged := expired_kept(engine.kept, now_ns, summaries_ns)):
            self._delete_kept(aged[0])
            return True
        small = mergeable(engine.runs, upkeep.generation_rows, busy=self._is_busy())
        if small and bytes_to_merge(small) < upkeep.disk_free(engine.folder):
            self._merge(small)
            return True
        if engine.views.current.erasures and (self._carry_out() or self._forget_erasures()):
            return True
        if bare := [run for run in engine.runs if not run.has_summary]:
            self._sum_up(bare[0])
            return True
        return False

    def _list_erasures(self) -> bool:
        """List in the manifest what was erased since the last time; say whether there was any."""
        log = self._engine.views.current.erasures.log
        added = log.where(log.position > self._listed)
        if not added.size:
            return False
        self._engine.manifest.list_erasures(added)
        self._listed = int(added.position[-1])
        self._step("erasures-listed")
        return True

    def _carry_out(self) -> bool:
        """Write one run again without what has been erased from it for long enough; say whether one was."""
        engine, upkeep, now_ns = self._engine, self._upkeep, self._upkeep.now_ns()
        for run in engine.runs:
            due_ns = rewrite_due_ns(engine.views.current, run, upkeep.rewrite_after_ns)
            if due_ns is not None and due_ns <= now_ns and bytes_to_merge([run]) < upkeep.disk_free(engine.folder):
                self._rewrite(run)
                return True
        return False

    def _rewrite(self, run: Run) -> None:
        self._make((run,), (run.first, run.last), "erase-", revision=run.revision + 1)
        self.counts["rewritten_runs"] += 1

    def _forget_erasures(self) -> bool:
        """Let go of the oldest erasures that hide nothing in any file and that no follower may ask for."""
        engine = self._engine
        up_to = spent(engine.views.current, self._upkeep.now_ns() - KEPT_AFTER_ARRIVAL_NS)
        if up_to is None:
            return False
        engine.manifest.forget_erasures(up_to)
        engine.views.forget(up_to)
        return True

    def _seal(self, generation: Generation) -> None:
        started = time.monotonic()
        self._step("begun")
        run = self._make((generation,), (generation.number, generation.number))
        self.seconds += time.monotonic() - started
        self.counts["seals"] += 1
        self.counts["sealed_rows"] += run.extent.rows
        self._backlog.on_sealed(len(self._engine.generations) - 1)

    def _merge(self, runs: Sequence[Run]) -> None:
        self._make(runs, (runs[0].first, runs[-1].last), "merge-")
        self.counts["merges"] += 1

    def _make(self, sources: Sequence[Source], numbers: tuple[int, int], kind: str = "", *, revision: int = 0) -> Run:
        """Write a run, list it in the place of its sources, show it to readers."""
        started = time.monotonic()
        engine, runs = self._engine, self._engine.runs_folder
        _clear(runs, folder_name(*numbers, revision))
        now = engine.views.current
        view = View(sources, head=now.head, erasures=now.erasures)
        with self._interruptible() as cursor:
            run = write_run(
                cursor,
                view,
                runs,
                numbers,
                now_ns=self._upkeep.now_ns(),
                revision=revision,
                piece_rows=-(-self._upkeep.generation_rows // 2),
            )
        self._step(f"{kind}written")
        with engine.layout:
            (runs / (run.name + UNBORN_SUFFIX)).rename(runs / run.name)
            sync_folder(runs)
            self._step(f"{kind}renamed")
            engine.manifest.add(run, [each.name for each in sources if isinstance(each, Run)])
            self._step(f"{kind}listed")
            engine.publish(run)
            self._step(f"{kind}switched")
        seconds = time.monotonic() - started
        log.info("made %s: %d rows, %d bytes, %.1f s", run.name, run.extent.rows, run.size, seconds)
        return run

    def _sum_up(self, run: Run) -> None:
        """Give a run the summary that it was made without."""
        engine, path = self._engine, run.parquet / SUMMARY_FILE
        unborn = path.with_name(path.name + UNBORN_SUFFIX)
        with self._interruptible() as cursor:
            file = write_summary_file(cursor, run.parquet, unborn, run.tags.dense, run.tags)
        self._step("summary-written")
        with engine.layout:
            unborn.rename(path)
            sync_folder(run.parquet)
            file = replace(file, name=path.name)
            engine.manifest.add_file(run, file)
            self._step("summary-listed")
            engine.exchange_run(replace(run, files=(*run.files, file)))
        log.info("summed up %s: %d rows of summary", run.name, file.rows)

    def _delete(self, run: Run) -> None:
        """Take a run out of the history: told outside first, then the manifest's transaction, then its files."""
        engine, extent, upkeep = self._engine, run.extent, self._upkeep
        ledger = parquet_files([run.parquet], "ledger")
        found = engine.rows(f"SELECT tenant, sum(stored)::BIGINT FROM {ledger} GROUP BY tenant")  # noqa: S608
        rows = {str(tenant): int(count) for tenant, count in found}
        kept = None
        if self._keeps_of(run):
            kept = self._keep(run, rows)
        what = "samples" if kept is None else "samples, summaries stay"
        upkeep.on_deletion(Deletion(run.name, rows, extent.time_min, extent.time_max, what))
        with engine.layout:
            engine.manifest.delete(run, upkeep.now_ns(), "retention", kept)
            if kept is not None:
                self._step("kept-listed")
            engine.forget(run)
        self.counts["deleted_runs"] += 1
        log.info("deleted %s: %d rows older than the retention; %s", run.name, extent.rows, what)

    def _keeps_of(self, run: Run) -> bool:
        """Say whether a summary of the run stays when its samples go."""
        summaries_ns = self._upkeep.summary_retention_ns
        return summaries_ns is not None and not expired([run], self._upkeep.now_ns(), summaries_ns)

    def _keep(self, run: Run, rows: dict[str, int]) -> Kept:
        """Write what is to stay of a run."""
        folder = self._engine.kept_folder
        _clear(folder, run.name)
        with self._interruptible() as cursor:
            kept = write_kept(cursor, run, folder, rows, self._upkeep.now_ns())
        self._step("kept-written")
        (folder / (run.name + UNBORN_SUFFIX)).rename(folder / run.name)
        sync_folder(folder)
        self._step("kept-renamed")
        return kept

    def _delete_kept(self, kept: Kept) -> None:
        """Take what was kept of a run out of the history."""
        told = Deletion(kept.name, dict(kept.rows_by_tenant), kept.time_min, kept.time_max, "summaries")
        self._upkeep.on_deletion(told)
        with self._engine.layout:
            self._engine.manifest.delete_kept(kept)
            self._engine.forget_kept()
        self.counts["deleted_summaries"] += 1
        log.info("deleted %s: summaries of %d rows older than their retention", kept.name, kept.rows)

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[Connection]:
        """Give a cursor whose work a stop breaks off."""
        self._writing = self._engine.cursor()
        try:
            yield self._writing
        finally:
            self._writing = None

    def _sweep(self) -> bool:
        """Remove hot files and runs that a listed run has replaced; say whether all that could go is gone."""
        engine = self._engine
        all_gone = True
        for number, path in list_files(engine.folder):
            if any(run.covers(number) for run in engine.runs):
                all_gone &= self._remove(path, f"gen_{number:d}", "")
        listed = {run.name for run in engine.runs}
        for path in _folders(engine.runs_folder):
            if path.name not in listed and engine.holds_elsewhere(path.name):
                all_gone &= self._remove(path, path.name, "merge-")
        kept = {each.parquet.name for each in engine.kept}
        for path in _folders(engine.kept_folder):
            if path.name not in kept:
                all_gone &= self._remove(path, f"{KEPT_FOLDER}-{path.name}", "kept-")
        return all_gone

    def _remove(self, path: Path, name: str, kind: str) -> bool:
        engine = self._engine
        if not engine.views.wait_unused(name, DRAIN_S):
            return False
        self._step(f"{kind}drained")
        if path.is_dir():
            shutil.rmtree(path)
        else:
            engine.detach(name)
            self._step("detached")
            for suffix in (BEFORE_SUFFIX + ".part", BEFORE_SUFFIX, LOG_SUFFIX):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            path.unlink()
        sync_folder(path.parent)
        self._step(f"{kind}unlinked")
        return True


def check_runs(engine: Engine) -> None:
    """At start, remove runs that were being made; raise HistorianDamaged for one that nothing else holds."""
    runs, kept = {run.name for run in engine.runs}, {each.parquet.name for each in engine.kept}
    unlisted = [path for path in _folders(engine.runs_folder) if path.name not in runs]
    unlisted += [path for path in _folders(engine.kept_folder) if path.name not in kept]
    for path in unlisted:
        if not (path.name.endswith(UNBORN_SUFFIX) or engine.holds_elsewhere(path.name)):
            message = (
                f"{path} is not listed in {engine.manifest.path}, and no other file holds its rows. Nothing was "
                "changed. Restore the manifest that belongs to these runs from a backup, or move the folder away."
            )
            raise HistorianDamaged(message, path=str(path))
        shutil.rmtree(path)


def _clear(folder: Path, name: str) -> None:
    """Remove what an attempt that failed left of this run; it was never listed, else its sources were gone."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        sync_folder(folder.parent)
    for each in (name, name + UNBORN_SUFFIX):
        if (folder / each).exists():
            shutil.rmtree(folder / each)


def _folders(folder: Path) -> list[Path]:
    """List the folders of runs, those that are being made too."""
    if not folder.exists():
        return []
    return [path for path in sorted(folder.iterdir()) if parse_folder_name(path.name.removesuffix(UNBORN_SUFFIX))]
