"""The manifest: a SQLite database that says which sealed runs are the history, and what each holds.

A run counts from the transaction that lists it. The journal mode is DELETE, so the manifest is one file that any tool
opens and that a copy takes whole; `synchronous=EXTRA` syncs the folder after the journal is gone, without which a power
cut could bring a committed journal back and roll the listing back after the hot file was removed.
"""

import contextlib
import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from penstock.platform.historian.erasures import ERASURE, Entries
from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.files.generation import Extent
from penstock.platform.historian.files.kept import KEPT_FOLDER, Kept
from penstock.platform.historian.files.run import RUNS_FOLDER, Run, RunFile, TagSpans, revision_of
from penstock.platform.historian.ports import Table
from penstock.platform.kit.files import sync_folder

MANIFEST_FILE = "manifest.sqlite"
FORMAT = 2
_TABLES = (
    """CREATE TABLE run (
        folder TEXT PRIMARY KEY, first_generation INTEGER NOT NULL, last_generation INTEGER NOT NULL,
        rows INTEGER NOT NULL, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL,
        position_min INTEGER NOT NULL, position_max INTEGER NOT NULL,
        arrival_min INTEGER NOT NULL, arrival_max INTEGER NOT NULL, sealed_ns INTEGER NOT NULL)""",
    """CREATE TABLE file (
        folder TEXT NOT NULL REFERENCES run ON DELETE CASCADE, name TEXT NOT NULL,
        rows INTEGER NOT NULL, bytes INTEGER NOT NULL, crc32 INTEGER NOT NULL, PRIMARY KEY (folder, name))""",
    """CREATE TABLE tag (
        folder TEXT NOT NULL REFERENCES run ON DELETE CASCADE, tag INTEGER NOT NULL,
        rows INTEGER NOT NULL, time_first INTEGER NOT NULL, time_last INTEGER NOT NULL,
        PRIMARY KEY (folder, tag)) WITHOUT ROWID""",
    """CREATE TABLE epoch (
        folder TEXT NOT NULL REFERENCES run ON DELETE CASCADE, writer TEXT NOT NULL, epoch TEXT NOT NULL,
        seq_min INTEGER NOT NULL, seq_max INTEGER NOT NULL, PRIMARY KEY (folder, writer, epoch)) WITHOUT ROWID""",
    """CREATE TABLE deleted (
        folder TEXT PRIMARY KEY, first_generation INTEGER NOT NULL, last_generation INTEGER NOT NULL,
        rows INTEGER NOT NULL, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL,
        position_min INTEGER NOT NULL, position_max INTEGER NOT NULL,
        deleted_ns INTEGER NOT NULL, reason TEXT NOT NULL)""",
)
_SINCE_FORMAT_2 = (
    "ALTER TABLE run ADD COLUMN erased_to INTEGER NOT NULL DEFAULT 0",
    """CREATE TABLE erasure (
        position INTEGER NOT NULL, tag INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL,
        made_ns INTEGER NOT NULL, PRIMARY KEY (position, tag, from_ns)) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS kept (
        folder TEXT PRIMARY KEY, first_generation INTEGER NOT NULL, last_generation INTEGER NOT NULL,
        rows INTEGER NOT NULL, time_min INTEGER NOT NULL, time_max INTEGER NOT NULL, name TEXT NOT NULL,
        summary_rows INTEGER NOT NULL, bytes INTEGER NOT NULL, crc32 INTEGER NOT NULL,
        rows_by_tenant TEXT NOT NULL, kept_ns INTEGER NOT NULL)""",
    "ALTER TABLE kept ADD COLUMN erased_to INTEGER NOT NULL DEFAULT 0",
)
"""An older version must not open what has erasures: it would show what was deleted. Some of format 1 have `kept`."""


class DeletedRun(NamedTuple):
    """Tell of a run that was history once."""

    folder: str
    first: int
    last: int
    rows: int
    time_min: int
    time_max: int
    position_min: int
    position_max: int
    deleted_ns: int
    reason: str

    def covers(self, number: int) -> bool:
        """Say whether a generation was in it."""
        return self.first <= number <= self.last


class Manifest:
    """List runs and read the list; each call is one transaction of its own connection."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / MANIFEST_FILE
        self._kept = folder / KEPT_FOLDER

    def open(self) -> None:
        """Make the database where there is none; raise HistorianDamaged when it is not one of ours."""
        try:
            with self._transaction() as connection:
                found = connection.execute("PRAGMA user_version").fetchone()[0]
                missing = {0: (*_TABLES, *_SINCE_FORMAT_2), 1: _SINCE_FORMAT_2}.get(found, ())
                for statement in missing:
                    connection.execute(statement)
                if missing:
                    connection.execute(f"PRAGMA user_version = {FORMAT:d}")
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        if not 0 <= found <= FORMAT:
            message = f"{self.path} has format {found}, this version reads 1 to {FORMAT}; use the version that wrote it"
            raise HistorianDamaged(message, path=str(self.path))
        sync_folder(self.path.parent)

    def add(self, run: Run, replaces: Sequence[str] = ()) -> None:
        """List a run in place of others, durably, at once."""
        with self._transaction() as connection:
            connection.executemany("DELETE FROM run WHERE folder = ?", [(folder,) for folder in replaces])
            extent = run.extent
            row = (
                run.name, run.first, run.last, extent.rows, extent.time_min, extent.time_max,
                extent.position_min, extent.position_max, extent.arrival_min, extent.arrival_max, run.sealed_ns,
                run.erased_to,
            )  # fmt: skip
            connection.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            files = [(run.name, file.name, file.rows, file.size, file.crc32) for file in run.files]
            connection.executemany("INSERT INTO file VALUES (?, ?, ?, ?, ?)", files)
            spans = run.tags
            columns = [column.tolist() for column in (spans.tag, spans.rows, spans.first, spans.last)]
            tags = [(run.name, *row) for row in zip(*columns, strict=True)]
            connection.executemany("INSERT INTO tag VALUES (?, ?, ?, ?, ?)", tags)
            epochs = [(run.name, *key, *seqs) for key, seqs in run.epochs.items()]
            connection.executemany("INSERT INTO epoch VALUES (?, ?, ?, ?, ?)", epochs)

    def runs(self) -> list[Run]:
        """Give the listed runs, oldest commits first."""
        try:
            with self._transaction() as connection:
                return _read_runs(connection, self.path.parent / RUNS_FOLDER)
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error

    def add_file(self, run: Run, file: RunFile) -> None:
        """List one file more of a run."""
        with self._transaction() as connection:
            row = (run.name, file.name, file.rows, file.size, file.crc32)
            connection.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?)", row)

    def delete(self, run: Run, now_ns: int, reason: str, kept: Kept | None = None) -> None:
        """Take a run off the list for good, and note that it was there, and what is kept of it."""
        extent = run.extent
        row = (
            run.name, run.first, run.last, extent.rows, extent.time_min, extent.time_max,
            extent.position_min, extent.position_max, now_ns, reason,
        )  # fmt: skip
        with self._transaction() as connection:
            connection.execute("DELETE FROM run WHERE folder = ?", (run.name,))
            connection.execute("INSERT INTO deleted VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            if kept is not None:
                file = kept.file
                told = (
                    run.name, run.first, run.last, kept.rows, kept.time_min, kept.time_max, file.name, file.rows,
                    file.size, file.crc32, json.dumps(dict(kept.rows_by_tenant)), kept.kept_ns, kept.erased_to,
                )  # fmt: skip
                connection.execute("INSERT INTO kept VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", told)

    def delete_kept(self, kept: Kept) -> None:
        """Take what was kept of a run off the list."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM kept WHERE folder = ?", (kept.parquet.name,))

    def kept(self) -> list[Kept]:
        """Give what is kept of removed runs, oldest commits first."""
        try:
            with self._transaction() as connection:
                rows = connection.execute("SELECT * FROM kept ORDER BY first_generation").fetchall()
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        return [
            Kept(
                first,
                last,
                count,
                low,
                high,
                RunFile(*file),
                json.loads(by_tenant),
                kept_ns,
                self._kept / folder,
                erased_to,
            )
            for folder, first, last, count, low, high, *file, by_tenant, kept_ns, erased_to in rows
        ]

    def deleted(self) -> list[DeletedRun]:
        """Give what was deleted, oldest commits first."""
        try:
            with self._transaction() as connection:
                rows = connection.execute("SELECT * FROM deleted ORDER BY first_generation").fetchall()
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        return [DeletedRun(*row) for row in rows]

    def erasures(self) -> Table:
        """Give the erasures that are listed, as a table of ERASURE."""
        try:
            with self._transaction() as connection:
                rows = connection.execute("SELECT * FROM erasure ORDER BY position").fetchall()
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from error
        columns = np.array(rows, np.int64).reshape(-1, len(ERASURE)).T
        return pa.table([pa.array(column) for column in columns], schema=ERASURE)

    def list_erasures(self, added: Entries) -> None:
        """List erasures, for readers of the runs and for the next start; those that are there already stay."""
        with self._transaction() as connection:
            rows = zip(*(column.tolist() for column in added), strict=True)
            connection.executemany("INSERT OR IGNORE INTO erasure VALUES (?, ?, ?, ?, ?)", rows)

    def forget_erasures(self, position: int) -> None:
        """Take the erasures up to a position off the list."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM erasure WHERE position <= ?", (position,))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
            connection.execute("PRAGMA synchronous = EXTRA")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise

    def _damaged(self, error: Exception) -> HistorianDamaged:
        message = f"{self.path} cannot be read: {error}. Nothing was changed. Restore this file from a backup."
        return HistorianDamaged(message, path=str(self.path))


def _read_runs(connection: sqlite3.Connection, runs: Path) -> list[Run]:
    files: dict[str, list[RunFile]] = defaultdict(list)
    for folder, *row in connection.execute("SELECT folder, name, rows, bytes, crc32 FROM file ORDER BY folder, name"):
        files[folder].append(RunFile(*row))
    epochs: dict[str, dict[tuple[str, str], tuple[int, int]]] = defaultdict(dict)
    for folder, writer, epoch, low, high in connection.execute("SELECT * FROM epoch"):
        epochs[folder][writer, epoch] = (low, high)
    found = []
    listed = connection.execute("SELECT * FROM run ORDER BY first_generation").fetchall()
    for folder, first, last, *spans, sealed_ns, erased_to in listed:
        rows = connection.execute(
            "SELECT tag, rows, time_first, time_last FROM tag WHERE folder = ? ORDER BY tag", (folder,)
        ).fetchall()
        columns = np.array(rows, np.int64).reshape(-1, 4).T
        tags = TagSpans(*(np.ascontiguousarray(column) for column in columns))
        run = Run(first, last, Extent(*spans), tuple(files[folder]), tags, epochs[folder], sealed_ns, runs / folder)
        found.append(replace(run, erased_to=erased_to, revision=revision_of(folder)))
    return found
