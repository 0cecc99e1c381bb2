"""The relational store: one model, two engines (SQLite embedded, PostgreSQL in compose).

SQLite runs in WAL mode with synchronous=FULL (a commit survives a power cut) and foreign keys on. `session()` takes
the write lock at its start, so that read-then-write never fails half-way; `reading()` never waits for a writer.
Use both in worker threads, never on the event loop.
"""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import BigInteger, Engine, Integer, MetaData, create_engine, event, inspect, make_url
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from penstock.platform.kit.files import make_folder

BUSY_TIMEOUT_MS = 10_000
POOL_SIZE = 10
POOL_OVERFLOW = 30  # Starlette runs up to 40 threads

MIGRATIONS = Path(__file__).parent / "migrations"
NEWEST = max(path.name for path in (MIGRATIONS / "versions").glob("[0-9]*.py")).partition("_")[0]
"""The newest revision: migrations are numbered, and each follows the one before."""

_SQLITE_BUSY, _SQLITE_LOCKED = 5, 6
_SQLITE_UNWRITABLE = (8, 10, 13, 14)  # read-only, I/O error, full, cannot open
_SERVER_UNWRITABLE = {"53100", "58030", "25006"}  # disk_full, io_error, read_only_sql_transaction
_SERVER_BUSY = {"40001", "40P01", "55P03"}  # serialization_failure, deadlock_detected, lock_not_available

BigId = BigInteger().with_variant(Integer(), "sqlite")
"""A 64-bit surrogate key: SQLite numbers rows by itself only in a column declared INTEGER."""


class Base(DeclarativeBase):
    """Root of every table; names of constraints are fixed, so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Database:
    """Open the store and give sessions; `password_file` completes a PostgreSQL URL."""

    def __init__(self, url: str, password_file: Path | None = None) -> None:
        self.url = _complete(url, password_file)
        self.engine = _sqlite(self.url) if self.is_sqlite else _server(self.url)
        self._writing = sessionmaker(self.engine, expire_on_commit=False)
        self._reading = sessionmaker(self.engine.execution_options(penstock_reading=True), expire_on_commit=False)

    @property
    def is_sqlite(self) -> bool:
        """Tell whether the store is a file of this process."""
        return self.url.get_backend_name() == "sqlite"

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Give a session for writing: commit at the end, roll back on any exception."""
        with self._writing() as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Give a session for reading one consistent state; it never commits."""
        with self._reading() as session:
            yield session

    def create_or_migrate(self) -> None:
        """Bring the schema to the newest revision; safe to repeat, and when two processes start at once."""
        if self.is_sqlite and self.url.database:
            make_folder(Path(self.url.database).parent)
        with self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7306911)")
            if _revision(connection) != NEWEST:
                _upgrade(connection)
        if self.is_sqlite and self.url.database:
            Path(self.url.database).chmod(0o600)

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()


def _upgrade(connection: Connection) -> None:
    from alembic import command  # late: 0.2 s of CPU, and few starts have anything to upgrade
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def is_busy(error: SQLAlchemyError) -> bool:
    """Tell whether the store refused only because of what others do in it now: the same again may succeed."""
    return isinstance(error, PoolTimeoutError) or _is_one_of(error, (_SQLITE_BUSY, _SQLITE_LOCKED), _SERVER_BUSY)


def is_unwritable(error: SQLAlchemyError) -> bool:
    """Tell whether the store's disk takes no writes: it is full, read-only, or fails."""
    return _is_one_of(error, _SQLITE_UNWRITABLE, _SERVER_UNWRITABLE)


def _is_one_of(error: SQLAlchemyError, sqlite_codes: Collection[int], states: Collection[str]) -> bool:
    if not isinstance(error, DBAPIError):
        return False
    code = getattr(error.orig, "sqlite_errorcode", None)  # extended: the low byte is the code
    if isinstance(code, int):
        return code & 0xFF in sqlite_codes
    return getattr(error.orig, "sqlstate", None) in states


def _complete(url: str, password_file: Path | None) -> URL:
    parsed = make_url(url)
    if parsed.get_backend_name() == "postgresql" and parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if password_file is not None:
        parsed = parsed.set(password=password_file.read_text(encoding="utf-8").strip())
    return parsed


def _server(url: URL) -> Engine:
    return create_engine(url, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, pool_pre_ping=True, hide_parameters=True)


def _sqlite(url: URL) -> Engine:
    if url.database:
        make_folder(Path(url.database).parent)
    engine = create_engine(url, pool_size=POOL_SIZE, max_overflow=POOL_OVERFLOW, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_TIMEOUT_MS}"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("penstock_reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
