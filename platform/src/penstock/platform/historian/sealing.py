"""Sealing: in the background, a full generation becomes a sorted run and its hot file goes.

Theory of operation. One thread goes through the same steps for each full generation; every step may be the last one
before a crash, and the next start goes on from what it finds:

    checkpointed   the hot file holds everything, its log is empty
    written        the run's files stand under an unborn name, synced, read back equal    start: removed, made again
    renamed        the folder has its name, durably                                       start: removed, made again
    listed         the manifest's transaction: from here on the run is the history        start: the hot file goes
    switched       new questions read the run
    drained        the last question that read the hot file has ended
    detached       DuckDB has let go of the hot file
    unlinked       the hot file is gone

Nothing is removed that is not held elsewhere: a hot file goes when a listed run covers it, a run's folder that the
manifest does not list goes when hot files and listed runs hold all its generations.
"""

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable

import duckdb

from penstock.core.errors import PenstockError
from penstock.platform.historian.durable import sync_folder
from penstock.platform.historian.engine import Engine
from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.generation import UNBORN_SUFFIX, Generation, list_files
from penstock.platform.historian.run import folder_name, parse_folder_name, write_run

STEPS = ("checkpointed", "written", "renamed", "listed", "switched", "drained", "detached", "unlinked")
RETRY_S = 60.0
"""When a seal failed, or old files are still read, it is tried again: the hot file serves meanwhile."""
DRAIN_S = 30.0
"""Longer than any question should take."""

log = logging.getLogger(__name__)


class Sealer:
    """Own the sealing thread; `step` is told each step as it is done."""

    def __init__(self, engine: Engine, *, now_ns: Callable[[], int], step: Callable[[str], None]) -> None:
        self._engine, self._now_ns, self._step = engine, now_ns, step
        self._wake = threading.Condition()
        self._asked = True  # a start may have something to do
        self._stopping = False
        self._idle = False
        self._thread = threading.Thread(target=self._run, name="historian-sealer", daemon=True)
        self.counts = {"seals": 0, "sealed_rows": 0, "seal_failures": 0}
        self.seconds = 0.0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step at hand; the next start goes on."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self) -> None:
        """Tell that a generation is full, or that the files were opened again."""
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
                self._wake.wait_for(lambda: self._asked or self._stopping, None if done else RETRY_S)
                if self._stopping:
                    return
                self._asked = False
            done = self._round()
            with self._wake:
                self._idle = done and not self._asked
                self._wake.notify_all()

    def _round(self) -> bool:
        """Seal what is full, take away what is no longer needed; say whether nothing is left to do."""
        try:
            for generation in self._engine.generations[:-1]:
                if self._stopping:
                    return False
                self._seal(generation)
                self.sweep()
            return self.sweep()
        except (duckdb.Error, sqlite3.Error, OSError, PenstockError) as error:
            self.counts["seal_failures"] += 1
            log.error("sealing failed, the hot files serve on, next try in %d s: %s", RETRY_S, error)
            return False

    def _seal(self, generation: Generation) -> None:
        started = time.monotonic()
        engine, runs = self._engine, self._engine.runs_folder
        engine.checkpoint(generation)
        self._step("checkpointed")
        self._clear(generation.number)
        numbers = (generation.number, generation.number)
        run = write_run(engine.cursor(), (generation,), runs, numbers, self._now_ns())
        self._step("written")
        with engine.layout:
            (runs / (run.folder + UNBORN_SUFFIX)).rename(runs / run.folder)
            sync_folder(runs)
            self._step("renamed")
            engine.manifest.add(run)
            self._step("listed")
            engine.publish(run)
            self._step("switched")
        seconds = time.monotonic() - started
        self.seconds += seconds
        self.counts["seals"] += 1
        self.counts["sealed_rows"] += run.extent.rows
        log.info("sealed %s: %d rows, %d bytes, %.1f s", run.folder, run.extent.rows, run.size, seconds)

    def _clear(self, number: int) -> None:
        """Remove what an attempt that failed left of this run; it was never listed, else it were no hot file."""
        runs = self._engine.runs_folder
        if not runs.exists():
            runs.mkdir(mode=0o700)
            sync_folder(runs.parent)
        for name in (folder_name(number, number), folder_name(number, number) + UNBORN_SUFFIX):
            if (runs / name).exists():
                shutil.rmtree(runs / name)

    def sweep(self) -> bool:
        """Remove hot files that a run has replaced, and half-made runs; say whether all that could go is gone."""
        engine = self._engine
        all_gone = True
        for number, path in list_files(engine.folder):
            if not any(run.covers(number) for run in engine.runs):
                continue
            if not engine.views.wait_unused(f"gen_{number:d}", DRAIN_S):
                all_gone = False
                continue
            self._step("drained")
            engine.detach(number)
            self._step("detached")
            path.with_name(path.name + ".wal").unlink(missing_ok=True)
            path.unlink()
            sync_folder(engine.folder)
            self._step("unlinked")
        return all_gone


def check_runs(engine: Engine) -> None:
    """At start, remove runs that were being made; raise HistorianDamaged for one that nothing else holds."""
    listed = {run.folder for run in engine.runs}
    if not engine.runs_folder.exists():
        return
    for path in sorted(engine.runs_folder.iterdir()):
        if path.name in listed:
            continue
        numbers = parse_folder_name(path.name.removesuffix(UNBORN_SUFFIX))
        if numbers is None:
            continue
        unborn = path.name.endswith(UNBORN_SUFFIX)
        held = all(any(each.covers(n) for each in engine.views.current.sources) for n in range(*_closed(numbers)))
        if not (unborn or held):
            message = (
                f"{path} is not listed in {engine.manifest.path}, and no other file holds its rows. Nothing was "
                "changed. Restore the manifest that belongs to these runs from a backup, or move the folder away."
            )
            raise HistorianDamaged(message, path=str(path))
        shutil.rmtree(path)


def _closed(numbers: tuple[int, int]) -> tuple[int, int]:
    return numbers[0], numbers[1] + 1
