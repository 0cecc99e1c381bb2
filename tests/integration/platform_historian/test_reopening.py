"""Opening the historian's files again: questions that run are broken off, and what was full is sealed."""

import asyncio
from pathlib import Path

import duckdb
import pytest

from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.service import Historian
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


async def test_files_that_stay_taken_are_no_damage(tmp_path: Path) -> None:
    historian = Historian(tmp_path / "h", generation_rows=10**9, now_ns=lambda: NOON_NS)
    await historian.start()
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    engine = historian._engine
    root, engine._root = engine._root, None  # an instance that nobody closes
    with pytest.raises(duckdb.ResourceInUseException):
        engine.reopen()
    assert root is not None
    root.close()
    engine.reopen()
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
