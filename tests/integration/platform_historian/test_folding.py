"""The log of the hot file is folded into it again and again: memory is small, answers stay, a failure costs nothing."""

import shutil
from pathlib import Path

import duckdb
import pytest

from penstock.platform.historian.files import engine as engine_module
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing import store as store_module
from tests.builders.historian import EPOCH, NOON_NS, batch_of

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
ROWS, COMMITS = 20_000, 12
UNFOLDED_MIB_MAX = 8
"""Segments of all tables and one fold's rows; all rows of the file would be 15 MiB."""


async def opened(folder: Path, fold_rows: int) -> Historian:
    historian = Historian(folder, generation_rows=10**6, fold_rows=fold_rows)
    await historian.start()
    return historian


async def commit(historian: Historian, seq: int, rows: int) -> None:
    samples = [(1, NOON_NS + seq * 1_000_000 + k, 0, seq + k / 7) for k in range(rows)]
    await historian.append([batch_of(samples, seq=seq)])
    await historian.append([])  # behind the fold


async def stored(historian: Historian) -> tuple[int, int]:
    rows = await historian.range([1], *ALWAYS, limit=10**7)
    return historian.watermark("gtw_a", EPOCH).watermark, rows.num_rows


async def test_memory_does_not_grow_with_the_rows_of_the_hot_file(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", 2 * ROWS)
    held = []
    for seq in range(1, COMMITS + 1):
        await commit(historian, seq, ROWS)
        asked = "SELECT memory_usage_bytes FROM duckdb_memory() WHERE tag = 'IN_MEMORY_TABLE'"
        held.append(historian._engine.rows(asked)[0][0] >> 20)
    assert max(held) <= UNFOLDED_MIB_MAX, held
    assert await stored(historian) == (COMMITS, COMMITS * ROWS)
    await historian.stop()


async def test_a_busy_door_does_not_stop_to_fold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    historian = await opened(tmp_path / "h", 1)
    fold = historian._engine.fold
    folded: list[None] = []
    monkeypatch.setattr(historian._engine, "fold", lambda generation: folded.append(fold(generation)))
    monkeypatch.setattr(store_module, "QUICK_ROWS_MIN", 1)
    monkeypatch.setattr(store_module, "BUSY_ROWS_S", 20)
    for seq in range(1, 7):
        await commit(historian, seq, 200)
    assert not folded
    monkeypatch.setattr(store_module, "BUSY_ROWS_S", 10**9)  # calm again
    await commit(historian, 7, 200)
    assert folded
    await historian.stop()


async def test_a_fold_beside_an_open_question_changes_no_answer(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", 100)
    await commit(historian, 1, 50)
    reader = historian._engine._root.cursor()  # type: ignore[union-attr]
    reader.execute("BEGIN")
    count = "SELECT count(*), sum(vf) FROM gen_1.sample"
    before = reader.execute(count).fetchall()
    log = tmp_path / "h" / "gen-000001.duckdb.wal"
    assert log.exists()
    await commit(historian, 2, 50)
    assert not log.exists(), "it was folded"
    assert reader.execute(count).fetchall() == before
    reader.execute("COMMIT")
    reader.close()
    assert await stored(historian) == (2, 100)
    await historian.stop()


@pytest.mark.parametrize("when", ["copy", "checkpoint", "end"])
async def test_a_fold_that_fails_loses_nothing_whatever_comes_after_it(
    tmp_path: Path, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    historian = await opened(tmp_path / "h", 100)
    tried: list[str] = []

    def fail(*_: object) -> None:
        tried.append(when)
        error = duckdb.IOException if when == "checkpoint" else OSError
        message = "no room"
        raise error(message)

    with monkeypatch.context() as patched:
        if when == "copy":
            patched.setattr(engine_module, "keep_before", fail)
        elif when == "end":
            patched.setattr(engine_module, "forget_before", fail)
        else:
            patched.setattr(historian._engine, "fold", fail)
        for seq in (1, 2, 3):
            await commit(historian, seq, 50)
        assert len(tried) == 1, "not at each commit"
    shutil.copytree(tmp_path / "h", tmp_path / "killed")
    for seq in (4, 5, 6):
        await commit(historian, seq, 50)
    assert await stored(historian) == (6, 300)
    await historian.stop()
    again = await opened(tmp_path / "killed", 100)
    assert await stored(again) == (3, 150)
    await again.stop()
