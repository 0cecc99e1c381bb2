"""Opening the historian's files again: questions that run are broken off, and what was full is sealed."""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.files import engine as engine_module
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing import committer as committer_module
from tests.builders.edge import eventually
from tests.builders.historian import NOON_NS, batch_of

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
ROWS = 5_000


async def test_a_long_question_does_not_keep_the_files_from_being_opened_again(tmp_path: Path) -> None:
    historian = Historian(tmp_path / "h", generation_rows=10**9, now_ns=lambda: NOON_NS)
    await historian.start()
    await historian.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(ROWS)])])
    engine, begun = historian._engine, asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask_for_minutes() -> None:
        engine.cursor()
        loop.call_soon_threadsafe(begun.set)
        engine.rows("SELECT count(*) FROM range(1000000000000) WHERE range < (SELECT min(vf) FROM gen_1.sample)")

    asked = asyncio.create_task(historian._reader.run(ask_for_minutes))
    await begun.wait()
    await asyncio.sleep(0.2)
    await asyncio.to_thread(engine.reopen)
    with pytest.raises(NotNow):
        await asked
    rows = await historian.range([1], *ALWAYS, limit=ROWS)
    assert rows.num_rows == ROWS
    await historian.stop()


async def test_files_that_stay_taken_are_no_damage_and_are_opened_when_they_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that hears no interrupt holds them for longer than anybody waits."""
    monkeypatch.setattr(engine_module, "RELEASE_S", 0.2)
    historian = Historian(tmp_path / "h", generation_rows=10**9, now_ns=lambda: NOON_NS)
    await historian.start()
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    engine, begun, go = historian._engine, threading.Event(), threading.Event()

    def deaf(value: int) -> int:
        begun.set()
        go.wait(20)
        return value

    def hold() -> None:
        cursor = engine.cursor()
        cursor.create_function("deaf", deaf, ["bigint"], "bigint")
        cursor.execute("SELECT deaf(tag) FROM gen_1.sample").fetchall()

    asked = asyncio.create_task(historian._reader.run(hold))
    await asyncio.to_thread(begun.wait, 10)
    with pytest.raises(duckdb.ResourceInUseException):
        await asyncio.to_thread(engine.reopen)
    with pytest.raises(NotNow):
        await historian.range([1], *ALWAYS, limit=9)
    go.set()
    with contextlib.suppress(NotNow):
        await asked
    await asyncio.to_thread(engine.reopen)
    assert (await historian.range([1], *ALWAYS, limit=9)).num_rows == 1
    await historian.stop()


async def test_nobody_asks_files_that_are_being_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    historian = Historian(tmp_path / "h", generation_rows=10**9, now_ns=lambda: NOON_NS)
    await historian.start()
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    engine, begun, go = historian._engine, threading.Event(), threading.Event()
    attach = engine_module._attach_whole

    def slowly(*asked: Any) -> None:
        begun.set()
        assert go.wait(20)
        attach(*asked)

    monkeypatch.setattr(engine_module, "_attach_whole", slowly)
    opening = asyncio.create_task(asyncio.to_thread(engine.reopen))
    await asyncio.to_thread(begun.wait, 10)
    with pytest.raises(NotNow):
        await historian.range([1], *ALWAYS, limit=9)
    go.set()
    await opening
    assert (await historian.range([1], *ALWAYS, limit=9)).num_rows == 1
    await historian.stop()


async def test_a_file_that_was_full_at_the_end_is_sealed_after_the_next_start(tmp_path: Path) -> None:
    before = Historian(tmp_path / "h", generation_rows=10**9, now_ns=lambda: NOON_NS)
    await before.start()
    await before.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(20)])])
    await before.stop()
    historian = Historian(tmp_path / "h", generation_rows=20, now_ns=lambda: NOON_NS)
    await historian.start()
    await eventually(lambda: historian.counters()["runs"] == 1, what="nobody appends anything")
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 20
    await historian.stop()


async def test_a_rotation_that_fails_is_not_tried_at_each_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try opens all files again; commits go on in the full file meanwhile."""
    historian = Historian(tmp_path / "h", generation_rows=10, now_ns=lambda: NOON_NS)
    await historian.start()
    tried: list[int] = []

    def fail(*_asked: object) -> None:
        tried.append(1)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(committer_module, "RETRY_MS", 60_000)
    with monkeypatch.context() as full:
        full.setattr(historian._engine, "add_generation", fail)
        for seq in range(1, 8):
            await historian.append([batch_of([(1, NOON_NS + 10 * seq + k, 0, 1.0) for k in range(10)], seq=seq)])
        await historian.append([])
        assert len(tried) == 1
    historian._committer._rotate_from_s = 0.0  # a minute later
    assert await historian.wait_sealed()
    await eventually(lambda: historian.counters()["runs"] == 1)
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 70
    await historian.stop()
