"""A store that others write to is a 503 to wait for, in one line of the log; any other failure of it stays one."""

import logging
from pathlib import Path

import httpx
import psycopg.errors
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from penstock.platform.kit import db as kit_db
from penstock.platform.kit.db import Database, is_busy
from penstock.platform.kit.problems import install_problem_handlers


def _app(db: Database) -> FastAPI:
    app = FastAPI()
    install_problem_handlers(app)

    def write() -> None:
        with db.session() as session:
            session.execute(text("SELECT 1 FROM nowhere"))

    app.get("/write")(write)
    return app


async def test_writer_beside_a_writer_is_answered_503_and_logged_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(kit_db, "BUSY_TIMEOUT_MS", 0)
    db = Database(f"sqlite:///{tmp_path / 'store.sqlite'}")
    transport = httpx.ASGITransport(app=_app(db))
    caplog.set_level(logging.WARNING)
    async with httpx.AsyncClient(transport=transport, base_url="http://platform") as client:
        with db.session() as session:
            session.execute(text("SELECT 1"))
            answer = await client.get("/write")
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json()["type"].endswith("/busy")
        [record] = caplog.records
        assert "the store is busy" in record.getMessage()
        assert record.exc_info is None
        assert len(record.getMessage().splitlines()) == 1
        with pytest.raises(OperationalError, match="no such table"):
            await client.get("/write")
    db.close()


@pytest.mark.parametrize(
    ("orig", "busy"),
    [
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.errors.SerializationFailure(), True),
        (psycopg.errors.DeadlockDetected(), True),
        (psycopg.errors.UndefinedTable(), False),
        (OSError("disk"), False),
    ],
)
def test_server_says_by_its_sqlstate_whether_it_is_busy(orig: Exception, busy: bool) -> None:
    assert is_busy(OperationalError("SELECT 1", {}, orig)) is busy


def test_empty_pool_is_busy() -> None:
    assert is_busy(PoolTimeoutError("QueuePool limit reached"))
