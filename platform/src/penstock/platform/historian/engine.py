"""The DuckDB instance that holds every generation: opening, making, querying, and opening again after a fault."""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

import contextlib
import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb

from penstock.platform.historian.durable import DurableFolder, forget_before, keep_before, settle, sync_file
from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.generation import (
    TABLES,
    UNBORN_SUFFIX,
    Extent,
    Generation,
    file_name,
    list_files,
    remove_unborn,
)
from penstock.platform.historian.ports import Table
from penstock.platform.historian.proof import crc_of
from penstock.platform.historian.tables import WRITTEN
from penstock.platform.historian.torn import cut_last_commit, cut_torn_tail, has_log
from penstock.platform.kit.files import sync_folder

MEMORY_LIMIT = "512MB"  # beyond it DuckDB spills to its temporary folder; the whole stack must stay under 1.2 GB
CHECKPOINT_THRESHOLD = "1GB"  # never inside a commit: a checkpoint is made after rotation
TEMPORARY_FOLDER = "spill"

log = logging.getLogger(__name__)
Connection = duckdb.DuckDBPyConnection


class Engine:
    """Hold one DuckDB instance; each thread has a cursor of its own, made again when the instance is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.durable = DurableFolder(folder)
        self.generations: list[Generation] = []
        self._local = threading.local()
        self._opened = 0
        self._root: Connection | None = None

    def open(self) -> None:
        """Attach every generation; raise HistorianDamaged naming the file that cannot be read."""
        remove_unborn(self.folder)
        self._root = duckdb.connect(
            ":memory:",
            config={
                "threads": 1,
                "memory_limit": MEMORY_LIMIT,
                "checkpoint_threshold": CHECKPOINT_THRESHOLD,
                "temp_directory": str(self.folder / TEMPORARY_FOLDER),
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            },
        )
        self._root.execute("PRAGMA disable_checkpoint_on_shutdown")
        self._opened += 1
        for _, path in list_files(self.folder):
            settle(path)
        self.generations = [self._attach(number, path) for number, path in list_files(self.folder)]
        self.durable.sync_new_names()

    def close(self) -> None:
        """Close the instance; what is in the logs stays there."""
        root, self._root = self._root, None
        if root is not None:
            root.close()

    def close_folded(self) -> None:
        """Fold the log of the last generation into its file, for the next start to be quick, and close the instance."""
        if self._root is not None and self.generations:
            self.checkpoint(self.generations[-1])
        self.close()

    def reopen(self) -> None:
        """Begin anew from the files: after an I/O fault DuckDB refuses all further work on an instance."""
        with contextlib.suppress(duckdb.Error):
            self.close()
        self.open()

    def cursor(self) -> Connection:
        """Give this thread's cursor."""
        assert self._root is not None, "the historian is not open"
        if getattr(self._local, "opened", 0) != self._opened:
            self._local.cursor = self._root.cursor()
            self._local.opened = self._opened
        cursor: Connection = self._local.cursor
        return cursor

    def over(self, generations: Iterable[Generation], select: str) -> str:
        """Write one SELECT over several files: `$G` stands for the file in `select`."""
        return " UNION ALL ".join(f"({select.replace('$G', generation.name)})" for generation in generations)

    def query(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> Table:
        """Run a query on this thread's cursor; give an Arrow table."""
        cursor = self.cursor()
        relation: Any = cursor.sql(sql, params=parameters) if parameters else cursor.sql(sql)
        return relation.to_arrow_table()

    def rows(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query whose few rows are wanted as Python values."""
        found: list[tuple[Any, ...]] = self.cursor().execute(sql, parameters).fetchall()
        return found

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Commit at the end, with the names of new files made durable; roll back on any exception."""
        cursor = self.cursor()
        cursor.execute("BEGIN")
        try:
            yield cursor
            cursor.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(duckdb.Error):
                cursor.execute("ROLLBACK")
            raise
        self.durable.sync_new_names()

    def add_generation(self, head: int, made_ns: int, birth: Mapping[str, Table]) -> Generation:
        """Make the next file with the state at its birth (`birth`: table name → rows) and attach it."""
        number = self.generations[-1].number + 1 if self.generations else 1
        path = self.folder / file_name(number)
        unborn = path.with_name(path.name + UNBORN_SUFFIX)
        cursor = self.cursor()
        cursor.execute(f"ATTACH '{_quoted(unborn)}' AS unborn")
        try:
            _fill(cursor, number, head, made_ns, birth)
            cursor.execute("CHECKPOINT unborn")
        finally:
            cursor.execute("DETACH unborn")
        sync_file(unborn)
        unborn.rename(path)
        sync_folder(self.folder)
        generation = self._attach(number, path)
        self.generations = [*self.generations, generation]
        return generation

    def checkpoint(self, generation: Generation) -> None:
        """Fold the log of a generation that takes no commits into its file; off the ingest path."""
        try:
            keep_before(generation.path)
            self.cursor().execute(f"CHECKPOINT {generation.name}")
            forget_before(generation.path)
        except (duckdb.Error, OSError) as error:  # readers may stand in the way; the log is as good as the file
            log.warning("generation %d keeps its log until the next start: %s", generation.number, error)

    def _attach(self, number: int, path: Path) -> Generation:
        generation = Generation(number, path, Extent())
        cursor = self.cursor()
        try:
            _attach_whole(cursor, generation)
            _measure(cursor, generation)
        except duckdb.Error as error:
            message = (
                f"{path} cannot be read: {error}. Nothing was changed. Restore this file (and its .wal) from a backup, "
                "or move both away to go on without them: the gateways then send again what they still keep."
            )
            raise HistorianDamaged(message, path=str(path)) from error
        return generation


def _attach_whole(cursor: Connection, generation: Generation) -> None:
    attach = f"ATTACH '{_quoted(generation.path)}' AS {generation.name}"
    try:
        cursor.execute(attach)
    except duckdb.Error as error:
        if not cut_torn_tail(generation.path, error):
            raise
        cursor.execute(attach)
    if has_log(generation.path) and not _is_proved(cursor, generation.name):
        cursor.execute(f"DETACH {generation.name}")
        cut_last_commit(generation.path)
        cursor.execute(attach)


def _is_proved(cursor: Connection, name: str) -> bool:
    """Say whether the newest commit reads back as it was written; older ones were synced before it began."""
    ((made_by,),) = cursor.execute(
        f"SELECT count(*) FROM duckdb_tables() WHERE database_name = '{name}' AND table_name = 'proof'"
    ).fetchall()
    if not made_by:
        return True  # a file from before there were proofs
    newest = cursor.execute(f"SELECT first, last, crc FROM {name}.proof ORDER BY last DESC LIMIT 1").fetchall()
    first, last, crc = newest[0] if newest else (0, 0, 0)
    if (cursor.execute(f"SELECT max(position) FROM {name}.ledger").fetchall()[0][0] or 0) > last:
        return False
    return not newest or crc_of([_written(cursor, name, table, (first, last)) for table in WRITTEN]) == crc


def _written(cursor: Connection, name: str, table: str, positions: tuple[int, int]) -> Table:
    schema, order = WRITTEN[table]
    columns = ", ".join(f'"{column}"' for column in schema.names)
    sql = f"SELECT {columns} FROM {name}.{table} WHERE position BETWEEN ? AND ? ORDER BY {order}"
    found: Any = cursor.sql(sql, params=list(positions))
    return found.to_arrow_table().cast(schema)


def _fill(cursor: Connection, number: int, head: int, made_ns: int, birth: Mapping[str, Table]) -> None:
    cursor.execute("BEGIN")
    for statement in TABLES:
        cursor.execute(statement.format(name="unborn"))
    for table, rows in birth.items():
        insert(cursor, "unborn", table, rows)
    cursor.execute("INSERT INTO unborn.birth VALUES (?, ?, ?)", [number, head, made_ns])
    cursor.execute("COMMIT")


def insert(cursor: Connection, database: str, table: str, rows: Table) -> None:
    """Insert an Arrow table whose columns stand in the order of the table's."""
    if rows.num_rows == 0:
        return
    cursor.register("incoming", rows)
    try:
        cursor.execute(f"INSERT INTO {database}.{table} SELECT * FROM incoming")
    finally:
        cursor.unregister("incoming")


def _measure(cursor: Connection, generation: Generation) -> None:
    name = generation.name
    rows, low, high = cursor.execute(f"SELECT count(*), min(time), max(time) FROM {name}.sample").fetchall()[0]
    first, last, arrival = cursor.execute(
        f"SELECT min(position), max(position), max(arrival_platform) FROM {name}.ledger"
    ).fetchall()[0]
    extent = generation.extent
    if rows:
        extent.rows, extent.time_min, extent.time_max = rows, low, high
    if first is not None:
        extent.position_min, extent.position_max, extent.arrival_max = first, last, arrival


def _quoted(path: Path) -> str:
    return os.fspath(path).replace("'", "''")
