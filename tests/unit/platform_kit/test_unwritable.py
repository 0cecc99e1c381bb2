"""A relational store whose disk takes no writes is a 503 that names the disk, in one line of the log."""

import logging
import sqlite3
from pathlib import Path

import httpx
import psycopg.errors
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from penstock.platform.kit.db import Database, is_unwritable
from penstock.platform.kit.problems import install_problem_handlers


def _app(db: Database) -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)

    def write() -> None:
        with db.session() as session:
            session.execute(text("PRAGMA query_only = 1"))  # SQLite then answers as for a read-only file
            try:
                session.execute(text("CREATE TABLE thing (id INTEGER)"))
            finally:
                session.execute(text("PRAGMA query_only = 0"))

    app.get("/write")(write)
    return app


async def test_a_store_that_cannot_be_written_is_answered_503_and_names_the_disk(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    db = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    caplog.set_level(logging.WARNING)
    transport = httpx.ASGITransport(app=_app(db))
    async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
        answer = await client.get("/write")
    db.close()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["type"].endswith("/busy")
    assert "disk of the relational store" in answer.json()["detail"]
    [record] = caplog.records
    assert "attempt to write a readonly database" in record.getMessage()
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("orig", "unwritable"),
    [
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.IoError(), True),
        (psycopg.errors.ReadOnlySqlTransaction(), True),
        (psycopg.errors.LockNotAvailable(), False),
        (sqlite3.OperationalError("no such table"), False),
    ],
)
def test_server_says_by_its_sqlstate_whether_it_can_write(orig: Exception, unwritable: bool) -> None:
    assert is_unwritable(OperationalError("SELECT 1", {}, orig)) is unwritable


@pytest.mark.parametrize(
    ("code", "unwritable"),
    [
        (sqlite3.SQLITE_IOERR_WRITE, True),
        (sqlite3.SQLITE_IOERR_FSYNC, True),
        (sqlite3.SQLITE_READONLY, True),
        (sqlite3.SQLITE_FULL, True),
        (sqlite3.SQLITE_CANTOPEN, True),
        (sqlite3.SQLITE_BUSY, False),
        (sqlite3.SQLITE_CORRUPT, False),
    ],
)
def test_sqlite_says_by_its_code_whether_it_can_write(code: int, unwritable: bool) -> None:
    orig = sqlite3.OperationalError("it says")
    orig.sqlite_errorcode = code
    assert is_unwritable(OperationalError("SELECT 1", {}, orig)) is unwritable


def test_an_empty_pool_can_write() -> None:
    assert not is_unwritable(PoolTimeoutError("QueuePool limit reached"))
