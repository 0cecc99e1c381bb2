"""The DuckDB instance over hot files and sealed runs: opening, making, querying, and opening again after a fault."""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

import contextlib
import logging
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import PythonUDFType

from penstock.platform.historian.erasures import ERASURE, Entries, Erasures
from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.files.durable import (
    DurableFolder,
    forget_before,
    keep_before,
    log_of,
    settle,
    sync_file,
)
from penstock.platform.historian.files.generation import (
    ERASURE_TABLE,
    TABLES,
    UNBORN_SUFFIX,
    Extent,
    Generation,
    file_name,
    list_files,
    remove_unborn,
)
from penstock.platform.historian.files.inserts import Inserts
from penstock.platform.historian.files.kept import KEPT_FOLDER, Kept
from penstock.platform.historian.files.manifest import DeletedRun, Manifest
from penstock.platform.historian.files.proof import crc_of, proved
from penstock.platform.historian.files.run import RUNS_FOLDER, Run, RunFile, parse_folder_name
from penstock.platform.historian.files.tables import WRITTEN
from penstock.platform.historian.files.torn import cut_last_commit, cut_torn_tail, has_log
from penstock.platform.historian.files.view import ERASED, Source, View, Views, quoted
from penstock.platform.historian.ports import Table
from penstock.platform.kit.files import sync_folder

MEMORY_LIMIT = "512MB"  # beyond it DuckDB spills to its temporary folder; the whole stack must stay under 1.2 GB
CHECKPOINT_THRESHOLD = "1GB"  # never inside a commit: a checkpoint is made after rotation
TEMPORARY_FOLDER = "spill"
RELEASE_S, RELEASE_EVERY_S = 5.0, 0.05
"""How long what runs is told to end before files are opened again, and how often."""

log = logging.getLogger(__name__)
Connection = duckdb.DuckDBPyConnection


class Engine:
    """Hold one DuckDB instance; each thread has a cursor of its own, made again when the instance is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.durable = DurableFolder(folder)
        self.manifest = Manifest(folder)
        self.views = Views()
        self.layout = threading.RLock()
        """Held while files are renamed, listed and exchanged, and while everything is opened again."""
        self.deleted: list[DeletedRun] = []
        self.kept: list[Kept] = []
        self._local = threading.local()
        self._cursors: weakref.WeakSet[Connection] = weakref.WeakSet()
        self._cursors_lock = threading.Lock()
        self._opened = 0
        self._opener: int | None = None
        """The thread that is opening the files: before it is done nobody else is to ask."""
        self._root: Connection | None = None
        self._unclosed: list[Connection] = []
        """Instances of before that a statement still holds, and with them their files."""

    @property
    def runs_folder(self) -> Path:
        """Give the folder of the sealed runs."""
        return self.folder / RUNS_FOLDER

    @property
    def kept_folder(self) -> Path:
        """Give the folder of what is kept of removed runs."""
        return self.folder / KEPT_FOLDER

    @property
    def generations(self) -> list[Generation]:
        """Give the hot files, oldest first."""
        return [each for each in self.views.current.sources if isinstance(each, Generation)]

    @property
    def runs(self) -> list[Run]:
        """Give the sealed runs, oldest first."""
        return [each for each in self.views.current.sources if isinstance(each, Run)]

    def view(self) -> contextlib.AbstractContextManager[View]:
        """Pin what there is to read; hold it for as long as names of its sources stand in a question."""
        return self.views.pin()

    def open(self) -> None:
        """Attach runs and generations; raise HistorianDamaged naming the file that cannot be read."""
        with self.layout:
            self._opener = threading.get_ident()
            try:
                self._open()
            finally:
                self._opener = None

    def _open(self) -> None:
        remove_unborn(self.folder)
        self.manifest.open()
        self._connect()
        runs, self.deleted = self.manifest.runs(), self.manifest.deleted()
        for run in runs:
            _check_files(run)
        hot = [each for each in list_files(self.folder) if not any(run.covers(each[0]) for run in runs)]
        for _, path in hot:
            settle(path)
        generations = [self._attach(number, path) for number, path in hot]
        self.kept = self.manifest.kept()
        for kept in self.kept:
            _check_file(kept.parquet, kept.file)
        self.views.begin([*runs, *generations], self.kept, self._erasures(generations))
        self.durable.sync_new_names()

    def _erasures(self, generations: Sequence[Generation]) -> Erasures:
        """Read what is erased: the manifest lists it, and hot files what it may not list yet."""
        hot = [self.query(f"SELECT * FROM {each.name}.erasure").cast(ERASURE) for each in generations]
        found = pa.concat_tables([self.manifest.erasures(), *hot]).group_by(ERASURE.names).aggregate([])
        return Erasures.of(Entries.of(found.sort_by("position")))

    def _connect(self) -> None:
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
        self._root.execute("SET GLOBAL parquet_metadata_cache = true")  # runs never change
        self._root.execute("PRAGMA disable_checkpoint_on_shutdown")
        self._root.create_function(ERASED, self._hidden, ["bigint"] * 4, "boolean", type=PythonUDFType.ARROW)
        self._opened += 1

    def _hidden(self, number: Any, tag: Any, time: Any, position: Any) -> Any:
        """Answer DuckDB which rows are erased; all four are columns."""
        columns = [each.to_numpy(zero_copy_only=False) for each in (tag, time, position)]
        return pa.array(self.views.hides(number[0].as_py(), *columns))

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
        """Begin anew from the files: after an I/O fault DuckDB refuses all further work on an instance.

        What other threads ask is broken off: until a statement ends, the files of its instance stay taken.
        """
        with self.layout:
            ends_s = time.monotonic() + RELEASE_S
            while True:
                self._release(ends_s)
                try:
                    return self.open()
                except duckdb.ResourceInUseException:
                    if time.monotonic() >= ends_s:
                        self._release(0)
                        raise
                    time.sleep(RELEASE_EVERY_S)
                except BaseException:
                    self._release(0)  # of half an instance nobody is to ask
                    raise

    def _release(self, ends_s: float) -> None:
        """Close all instances whatever still runs on them; what is not closed in time is kept for the next call."""
        root, self._root = self._root, None
        self._unclosed += [] if root is None else [root]
        while self._unclosed:
            with self._cursors_lock:
                cursors = [*self._cursors]
            for cursor in cursors:
                with contextlib.suppress(duckdb.Error):
                    cursor.interrupt()
            self._unclosed = [each for each in self._unclosed if not _closed(each)]
            if time.monotonic() >= ends_s:
                break
            if self._unclosed:  # an interrupt between two statements is not heard
                time.sleep(RELEASE_EVERY_S)

    def cursor(self) -> Connection:
        """Give this thread's cursor; raise duckdb.ConnectionException while the files are not open."""
        root = self._root
        if root is None or self._opener not in (None, threading.get_ident()):
            message = "the historian is not open"
            raise duckdb.ConnectionException(message)
        if getattr(self._local, "opened", 0) != self._opened:
            self._local.inserts = None  # it holds the cursor before, and so the files
            self._local.cursor = root.cursor()
            self._local.opened = self._opened
            with self._cursors_lock:
                self._cursors.add(self._local.cursor)
        cursor: Connection = self._local.cursor
        return cursor

    def inserts(self, database: str) -> Inserts:
        """Give this thread's inserts into a file; made anew for another file or on a new cursor."""
        cursor = self.cursor()
        made: Inserts | None = self._local.inserts
        if made is None or made.database != database:
            made = self._local.inserts = Inserts(cursor, database)
        return made

    def let_go(self) -> None:
        """Close this thread's cursor after a failure: what it still held would keep files from being opened again."""
        cursor, self._local.opened = getattr(self._local, "cursor", None), 0
        self._local.cursor = self._local.inserts = None
        if cursor is not None:
            with contextlib.suppress(duckdb.Error):
                cursor.close()

    def give_back(self) -> None:
        """Give memory that the allocators of DuckDB and Arrow keep after large work back to the machine.

        DuckDB keeps some hundred MB for ever after a merge; setting the limit, also to what it is, makes it let go.
        """
        with self.layout, contextlib.suppress(duckdb.Error):
            self.cursor().execute(f"SET memory_limit = '{MEMORY_LIMIT}'")
        pa.default_memory_pool().release_unused()

    def query(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> Table:
        """Run a query on this thread's cursor; give an Arrow table."""
        cursor = self.cursor()
        relation: Any = cursor.sql(sql, params=parameters) if parameters else cursor.sql(sql)
        return relation.to_arrow_table()

    def rows(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run a query whose few rows are wanted as Python values."""
        found: list[tuple[Any, ...]] = self.cursor().execute(sql, parameters).fetchall()
        return found

    def answer(self, build: Callable[[View], str], parameters: Mapping[str, object]) -> list[tuple[Any, ...]]:
        """Run the question that `build` writes over a pinned view; give its few rows."""
        with self.view() as view:
            return self.rows(build(view), parameters)

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
        number = self._next_number()
        path = self.folder / file_name(number)
        unborn = path.with_name(path.name + UNBORN_SUFFIX)
        cursor = self.cursor()
        cursor.execute(f"ATTACH '{quoted(unborn)}' AS unborn")
        try:
            _fill(cursor, number, head, made_ns, birth)
            cursor.execute("CHECKPOINT unborn")
        finally:
            cursor.execute("DETACH unborn")
        sync_file(unborn)
        unborn.rename(path)
        sync_folder(self.folder)
        generation = self._attach(number, path)
        self.views.exchange(lambda sources: [*sources, generation])
        return generation

    def _next_number(self) -> int:
        if self.generations:
            return self.generations[-1].number + 1
        last = [*(run.last for run in self.runs), *(each.last for each in self.deleted)]
        return max(last, default=0) + 1

    def publish(self, run: Run) -> None:
        """Let readers see a listed run in the place of what it was made of; once only."""
        if any(each.name == run.name for each in self.runs):
            return
        self.views.exchange(lambda sources: sorted((*_beside(sources, run), run), key=_first_number))

    def forget(self, run: Run) -> None:
        """Let no reader see a run that the manifest has deleted."""
        self.deleted, self.kept = self.manifest.deleted(), self.manifest.kept()
        self.views.exchange(lambda sources: [each for each in sources if each.name != run.name], self.kept)

    def forget_kept(self) -> None:
        """Let no reader see summaries that the manifest has deleted."""
        self.kept = self.manifest.kept()
        self.views.exchange(lambda sources: sources, self.kept)

    def exchange_run(self, run: Run) -> None:
        """Let readers see a run that has a file more."""
        self.views.exchange(lambda sources: [run if each.name == run.name else each for each in sources])

    def holds_elsewhere(self, folder: str) -> bool:
        """Say whether listed runs and hot files hold all generations of a folder, or retention has deleted them."""
        numbers = parse_folder_name(folder.removesuffix(UNBORN_SUFFIX))
        assert numbers is not None, folder
        covers = [
            *(each.covers for each in self.views.current.sources),
            *(each.covers for each in self.deleted),
        ]
        return all(any(covered(number) for covered in covers) for number in range(numbers[0], numbers[1] + 1))

    def detach(self, name: str) -> None:
        """Let go of a hot file that no view holds."""
        self.cursor().execute(f"DETACH DATABASE IF EXISTS {name}")

    def checkpoint(self, generation: Generation) -> None:
        """Fold the log of a generation that takes no commits into its file, where it has one; off the ingest path."""
        if not log_of(generation.path).exists():
            return
        try:
            keep_before(generation.path)
            self.cursor().execute(f"CHECKPOINT {generation.name}")
            forget_before(generation.path)
        except (duckdb.Error, OSError) as error:  # readers may stand in the way; the log is as good as the file
            log.warning("generation %d keeps its log until the next start: %s", generation.number, error)

    def fold(self, generation: Generation) -> None:
        """Fold the log of the generation that takes commits into its file; by the committer's thread, between commits.

        What DuckDB holds of a row since its commit, 60 to 70 bytes, is let go. An error leaves the copy of the file
        there: then nothing may be committed before everything is opened again.
        """
        keep_before(generation.path)
        self.cursor().execute(f"CHECKPOINT {generation.name}")
        forget_before(generation.path)
        self.durable.sync()  # the copy stays gone, and the next log is a new name whatever its inode
        self.give_back()

    def _attach(self, number: int, path: Path) -> Generation:
        generation = Generation(number, path, Extent())
        cursor = self.cursor()
        try:
            _attach_whole(cursor, generation)
            cursor.execute(ERASURE_TABLE.format(name=generation.name))
            _measure(cursor, generation)
        except duckdb.ResourceInUseException:
            raise
        except duckdb.Error as error:
            message = (
                f"{path} cannot be read: {error}. Nothing was changed. Restore this file (and its .wal) from a backup, "
                "or move both away to go on without them: the gateways then send again what they still keep."
            )
            raise HistorianDamaged(message, path=str(path)) from error
        return generation


def _closed(root: Connection) -> bool:
    """Close an instance; say whether that was possible."""
    try:
        root.close()
    except duckdb.ResourceInUseException:
        return False
    except duckdb.Error:
        return True
    return True


def _attach_whole(cursor: Connection, generation: Generation) -> None:
    attach = f"ATTACH '{quoted(generation.path)}' AS {generation.name}"
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
    told = f"SELECT table_name FROM duckdb_tables() WHERE database_name = '{name}'"
    made = {table for (table,) in cursor.execute(told).fetchall()}
    if "proof" not in made:
        return True  # a file from before there were proofs
    newest = cursor.execute(f"SELECT first, last, crc FROM {name}.proof ORDER BY last DESC LIMIT 1").fetchall()
    first, last, crc = newest[0] if newest else (0, 0, 0)
    if (cursor.execute(f"SELECT max(position) FROM {name}.ledger").fetchall()[0][0] or 0) > last:
        return False
    if not newest:
        return True
    written = {table: _written(cursor, name, table, (first, last)) for table in WRITTEN if table in made}
    return bool(crc_of(proved(written)) == crc)


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
    first, last, earliest, latest = cursor.execute(
        "SELECT min(position), max(position), min(arrival_platform), max(arrival_platform) FROM ("
        f"SELECT position, arrival_platform FROM {name}.ledger "
        f"UNION ALL SELECT position, arrival_platform FROM {name}.quarantine)"
    ).fetchall()[0]
    extent = generation.extent
    if rows:
        extent.rows, extent.time_min, extent.time_max = rows, low, high
    if first is not None:
        extent.position_min, extent.position_max = first, last
        extent.arrival_min, extent.arrival_max = earliest, latest


def _check_files(run: Run) -> None:
    for file in run.files:
        _check_file(run.parquet, file)


def _check_file(folder: Path, file: RunFile) -> None:
    path = folder / file.name
    if not path.exists() or path.stat().st_size != file.size:
        found = f"has {path.stat().st_size} bytes, not {file.size}" if path.exists() else "is not there"
        message = f"{path} {found}. Nothing was changed. Restore the folder {folder} from a backup."
        raise HistorianDamaged(message, path=str(path))


def _beside(sources: Sequence[Source], run: Run) -> list[Source]:
    return [each for each in sources if not run.covers(_first_number(each))]


def _first_number(source: Source) -> int:
    if isinstance(source, Run):
        return source.first
    assert isinstance(source, Generation)
    return source.number
