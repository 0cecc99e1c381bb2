"""Sealing on real files: the same answers before and after, nothing left over, nothing lost when a seal fails."""

import asyncio
import random
import shutil
import sqlite3
import struct
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
import pytest

from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.files.manifest import MANIFEST_FILE
from penstock.platform.historian.ledger.entries import Span
from penstock.platform.historian.ports import Verdict
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing.sealing import STEPS
from tests.builders.edge import eventually
from tests.builders.historian import NOON_NS, SECOND_NS, batch_of, plain_rows
from tests.builders.sealing import all_answers, awkward_batches, bits

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
NEVER_SEALED = 10**9
TABLES = ["ledger", "quarantine", "record", "resolution", "sample", "summary"]


async def opened(folder: Path, rows: int, **options: object) -> Historian:
    historian = Historian(folder, generation_rows=rows, now_ns=lambda: NOON_NS, **options)  # type: ignore[arg-type]
    await historian.start()
    return historian


async def test_answers_are_the_same_from_hot_files_from_runs_and_after_a_start(tmp_path: Path) -> None:
    batches = awkward_batches(random.Random(7), 40)
    hot, sealed = await opened(tmp_path / "hot", NEVER_SEALED), await opened(tmp_path / "sealed", 300)
    for batch in batches:
        assert await hot.append([batch]) == await sealed.append([batch])
    assert await sealed.wait_sealed()
    counters = sealed.counters()
    assert counters["seals"] >= 4
    assert counters["generations"] == 1
    expected = await all_answers(hot, random.Random(3))
    assert await all_answers(sealed, random.Random(3)) == expected
    await sealed.stop()
    sealed = await opened(tmp_path / "sealed", 300)
    assert await all_answers(sealed, random.Random(3)) == expected
    for batch in batches:
        again = [await each.append([batch]) for each in (hot, sealed)]
        assert again[0] == again[1]
        assert again[0].outcomes[0].verdict is Verdict.REPEATED
    await hot.stop()
    await sealed.stop()


async def test_a_sealed_generation_is_sorted_parquet_and_its_hot_file_is_gone(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", 100)
    await historian.append([batch_of([(2 - k % 2, NOON_NS - k, 0, float(k)) for k in range(100)])])
    assert await historian.wait_sealed()
    await historian.stop()
    names = sorted(path.name for path in (tmp_path / "h").iterdir())
    assert names == ["gen-000002.duckdb", "manifest.sqlite", "owner.lock", "runs"]
    run = tmp_path / "h" / "runs" / "run-000001-000001"
    assert sorted(path.stem for path in run.iterdir()) == TABLES
    rows = pq.read_table(run / "sample.parquet")
    keys = list(zip(rows["tag"].to_pylist(), rows["time"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert len(keys) == 100
    with closing(sqlite3.connect(tmp_path / "h" / MANIFEST_FILE)) as manifest:
        assert manifest.execute("SELECT tag, rows, time_first, time_last FROM tag").fetchall() == [
            (1, 50, NOON_NS - 99, NOON_NS - 1),
            (2, 50, NOON_NS - 98, NOON_NS),
        ]


async def test_values_are_kept_to_the_bit_whatever_page_they_are_written_to(tmp_path: Path) -> None:
    words = [0x7FF8_0000_0000_0123, 0x7FF8_0000_0000_0000, 0xFFF8_0000_0000_0001, 0, 1 << 63] * 60
    samples = [(1, NOON_NS + k, 0, struct.unpack("<d", struct.pack("<Q", word))[0]) for k, word in enumerate(words)]
    historian = await opened(tmp_path / "h", 300)
    await historian.append([batch_of(samples)])
    before = bits(await historian.range([1], *ALWAYS, limit=1000))
    assert await historian.wait_sealed()
    after = bits(await historian.range([1], *ALWAYS, limit=1000))
    assert after == before
    assert [row[-1] & (2**64 - 1) for row in after] == words
    await historian.stop()


async def test_equal_samples_and_repeated_keys_are_found_in_runs(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", 10)
    samples = [(1, NOON_NS + k, 0, float(k)) for k in range(10)]
    keyed = batch_of(samples, key="once", writer="app_a")
    first = (await historian.append([keyed])).outcomes[0]
    assert await historian.wait_sealed()
    assert (await historian.append([keyed])).outcomes[0] == first._replace(verdict=Verdict.REPEATED)
    other = (await historian.append([batch_of([*samples[:4], (1, NOON_NS, 0, 7.0)])])).outcomes[0]
    assert (other.stored, other.duplicates) == (1, 4)
    await historian.stop()


async def test_a_question_that_began_before_the_exchange_ends_on_the_hot_file(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", 10)
    engine = historian._engine
    go, pinned = threading.Event(), threading.Event()

    def long_question() -> int:
        with engine.view() as view:
            pinned.set()
            assert go.wait(20)
            return int(engine.rows(view.visible(view.sources, "SELECT count(*) FROM $G.sample"))[0][0])

    await historian.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(5)], seq=1)])
    asked = asyncio.create_task(asyncio.to_thread(long_question))
    assert await asyncio.to_thread(pinned.wait, 20)
    await historian.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(5, 15)], seq=2)])
    await eventually(lambda: engine.runs)
    assert (tmp_path / "h" / "gen-000001.duckdb").exists()
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 15
    go.set()
    assert await asked == 5, "what was committed when it began"
    assert await historian.wait_sealed()
    assert not (tmp_path / "h" / "gen-000001.duckdb").exists()
    await historian.stop()


async def test_ingest_goes_on_while_a_seal_stands_still(tmp_path: Path) -> None:
    go = threading.Event()
    historian = await opened(tmp_path / "h", 10, sealing_step=lambda step: step != "written" or go.wait(20))
    for seq in range(1, 12):
        await historian.append([batch_of([(1, NOON_NS + seq * 100 + k, 0, float(k)) for k in range(10)], seq=seq)])
    assert historian.counters()["runs"] == 0
    assert (await historian.range([1], *ALWAYS, limit=999)).num_rows == 110
    go.set()
    assert await historian.wait_sealed()
    assert historian.counters()["seals"] == 11
    assert (await historian.range([1], *ALWAYS, limit=999)).num_rows == 110
    await historian.stop()


async def test_a_seal_that_fails_is_counted_and_the_hot_file_serves_on(tmp_path: Path) -> None:
    def fail(step: str) -> None:
        if step == "written":
            raise OSError(28, "No space left on device")

    historian = await opened(tmp_path / "h", 10, sealing_step=fail)
    await historian.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(10)])])
    await eventually(lambda: historian.counters()["seal_failures"])
    assert historian.counters()["runs"] == 0
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 10
    await historian.stop()
    historian = await opened(tmp_path / "h", 10)
    assert await historian.wait_sealed()
    assert historian.counters()["runs"] == 1
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 10
    await historian.stop()


async def sealed_folder(tmp_path: Path) -> Path:
    historian = await opened(tmp_path / "h", 10)
    for seq in (1, 2):
        rows = [(1, NOON_NS + seq * 100 + k, 0, float(k)) for k in range(10)]
        await historian.append([batch_of(rows, seq=seq, arrival_ns=NOON_NS + SECOND_NS)])
    assert await historian.wait_sealed()
    await historian.stop()
    return tmp_path / "h"


async def test_a_run_that_is_missing_or_cut_refuses_the_start_with_its_name(tmp_path: Path) -> None:
    folder = await sealed_folder(tmp_path)
    path = folder / "runs" / "run-000001-000001" / "sample.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    with pytest.raises(HistorianDamaged, match=r"run-000001-000001/sample\.parquet has"):
        await opened(folder, 10)
    path.unlink()
    with pytest.raises(HistorianDamaged, match="is not there"):
        await opened(folder, 10)
    path.write_bytes(whole)
    historian = await opened(folder, 10)
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 20
    await historian.stop()


async def test_runs_that_no_manifest_lists_are_never_removed(tmp_path: Path) -> None:
    folder = await sealed_folder(tmp_path)
    (folder / MANIFEST_FILE).unlink()
    with pytest.raises(HistorianDamaged, match="is not listed"):
        await opened(folder, 10)
    assert (folder / "runs" / "run-000001-000001" / "sample.parquet").exists()
    (folder / MANIFEST_FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(HistorianDamaged, match="cannot be read"):
        await opened(folder, 10)


async def test_without_its_hot_file_the_historian_goes_on_from_its_runs(tmp_path: Path) -> None:
    folder = await sealed_folder(tmp_path)
    (folder / "gen-000003.duckdb").unlink()
    historian = await opened(folder, 10)
    assert historian.head() == 2
    assert [(each.value, each.time) for each in historian.latest([1])] == [(9.0, NOON_NS + 209)]
    assert historian.watermark("gtw_a", historian.epochs("gtw_a")[0]).watermark == 2
    await historian.append([batch_of([(1, NOON_NS + 300, 0, 1.5)], seq=3)])
    assert plain_rows(await historian.range([1], NOON_NS + 209, 2**62, limit=9)) == [
        (1, NOON_NS + 209, 0, 9.0),
        (1, NOON_NS + 300, 0, 1.5),
    ]
    await historian.stop()


async def test_a_folder_with_a_quote_in_its_name_is_sealed(tmp_path: Path) -> None:
    folder = tmp_path / "plant's"
    historian = await opened(folder, 10)
    await historian.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(10)])])
    assert await historian.wait_sealed()
    await historian.stop()
    moved = tmp_path / "moved"
    shutil.move(folder, moved)
    historian = await opened(moved, 10)
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 10
    await historian.stop()
    found = duckdb.execute(f"SELECT count(*) FROM '{moved}/runs/*/sample.parquet'").fetchall()
    assert found == [(10,)]


async def test_readers_see_each_row_once_while_files_are_exchanged(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", 50)
    stored = 0
    for seq in range(1, 25):
        await historian.append([batch_of([(1, NOON_NS + seq * 100 + k, 0, float(k)) for k in range(25)], seq=seq)])
        stored += 25
        rows = await historian.range([1], *ALWAYS, limit=10_000)
        assert rows.num_rows == stored
        totals = await historian.ledger.epoch_totals("tnt_a", Span())
        assert [(each.batches, each.stored) for each in totals] == [(seq, stored)]
    assert await historian.wait_sealed()
    assert (historian.counters()["seals"], historian.counters()["runs"]) == (12, 3)
    await historian.stop()


class Endless:
    """Stand for a sort of many rows: it ends when it is interrupted."""

    def __init__(self) -> None:
        self.writing, self.interrupted = threading.Event(), threading.Event()

    def interrupt(self) -> None:
        self.interrupted.set()

    def execute(self, sql: str) -> None:
        if sql.startswith("SET"):  # memory given back, by a round that had nothing to write
            return
        self.writing.set()
        assert self.interrupted.wait(20)
        message = "INTERRUPT Error: Interrupted!"
        raise duckdb.InterruptException(message)


async def test_a_stop_gives_up_the_run_that_is_being_written(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", 10)
    engine, endless = historian._engine, Endless()
    own: Any = engine.cursor
    engine.cursor = lambda: endless if threading.current_thread().name == "historian-sealer" else own()  # type: ignore[method-assign, assignment, return-value]
    engine.checkpoint = lambda generation: None  # type: ignore[method-assign]
    await historian.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(10)])])
    assert await asyncio.to_thread(endless.writing.wait, 20)
    await historian.stop()
    historian = await opened(tmp_path / "h", 10)
    assert await historian.wait_sealed()
    assert (await historian.range([1], *ALWAYS, limit=99)).num_rows == 10
    assert [path.name for path in (tmp_path / "h" / "runs").iterdir()] == ["run-000001-000001"]
    await historian.stop()


@pytest.mark.parametrize("when", STEPS)
async def test_files_opened_again_in_the_middle_of_a_seal_change_no_answer(tmp_path: Path, when: str) -> None:
    done: list[str] = []

    def reopen(step: str) -> None:
        if step == when and not done:
            done.append(step)
            historian._engine.reopen()

    historian = await opened(tmp_path / "h", 20, sealing_step=reopen)
    await historian.append([batch_of([(1, NOON_NS + k, 0, float(k)) for k in range(20)])])
    await eventually(lambda: done)
    assert await historian.wait_sealed()
    await historian.append([batch_of([(1, NOON_NS + 100 + k, 0, float(k)) for k in range(20)], seq=2)])
    assert await historian.wait_sealed()
    assert (await historian.range([1], *ALWAYS, limit=99))["time"].to_pylist() == [
        *(NOON_NS + k for k in range(20)),
        *(NOON_NS + 100 + k for k in range(20)),
    ]
    assert historian.counters()["runs"] == 2
    await historian.stop()
