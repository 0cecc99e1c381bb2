"""Erasures in the files: written again, forgotten when spent, taken over from older formats, told to summaries."""

import asyncio
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from penstock.platform.historian.erasures import NO_ERASURES, Entries
from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.files.manifest import MANIFEST_FILE
from penstock.platform.historian.files.view import View, Views
from penstock.platform.historian.ports import BatchOutcome, Erasing
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing import committer
from penstock.platform.historian.writing.sealing import Sealer
from tests.builders.historian import NOON_NS, SECOND_NS, batch_of, plain_rows

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
HOUR_NS, DAY_NS = 3600 * SECOND_NS, 24 * 3600 * SECOND_NS


class Clock:
    """Says what time it is."""

    def __init__(self) -> None:
        self.now_ns = NOON_NS

    def __call__(self) -> int:
        return self.now_ns


async def opened(folder: Path, clock: Clock, rows: int = 20, **options: int) -> Historian:
    historian = Historian(folder, generation_rows=rows, now_ns=clock, **options)  # type: ignore[arg-type]
    await historian.start()
    return historian


async def fill(historian: Historian, seq: int, *, rows: int = 20) -> None:
    """Commit a generation's worth of tags 1 and 2."""
    samples = [(1 + k % 2, NOON_NS + (100 * seq + k) * SECOND_NS, 0, float(k)) for k in range(rows)]
    await historian.append([batch_of(samples, seq=seq, arrival_ns=NOON_NS + 2_000 * SECOND_NS)])


async def delete(historian: Historian, tag: int, start_ns: int, end_ns: int, *, key: str = "d") -> BatchOutcome:
    batch = batch_of([], key=key, writer="usr_a", arrival_ns=historian._now_ns())
    order = Erasing((tag,), start_ns, end_ns)
    return (await historian.append([replace(batch, deletes=order)])).outcomes[0]


async def pause(historian: Historian) -> None:
    """Let the background thread look again, and end."""
    historian._sealer.wake()
    assert await historian.wait_sealed()


def in_files(folder: Path, tag: int) -> int:
    found = duckdb.execute("SELECT count(*) FROM read_parquet(?) WHERE tag = ?", [files(folder), tag]).fetchall()
    return int(found[0][0])


def files(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.glob("runs/*/sample.parquet"))]


def listed(folder: Path) -> int:
    with closing(sqlite3.connect(folder / MANIFEST_FILE)) as manifest:
        return int(manifest.execute("SELECT count(*) FROM erasure").fetchone()[0])


async def test_a_run_is_written_again_an_hour_after_its_first_erasure_and_then_forgets_it(tmp_path: Path) -> None:
    folder, clock = tmp_path / "h", Clock()
    historian = await opened(folder, clock)
    await fill(historian, 1)
    await fill(historian, 2)
    assert await historian.wait_sealed()
    assert (await delete(historian, 1, *ALWAYS)).erased == 20
    await pause(historian)
    assert (in_files(folder, 1), listed(folder)) == (20, 1), "hidden, and told to who reads the files"
    assert await historian.range([1], *ALWAYS, limit=100) is not None
    clock.now_ns += HOUR_NS
    await pause(historian)
    assert (in_files(folder, 1), in_files(folder, 2), listed(folder)) == (0, 20, 1)
    assert [path.name for path in sorted((folder / "runs").iterdir())] == [
        "run-000001-000001-r1",
        "run-000002-000002-r1",
    ]
    assert historian.counters()["rewritten_runs"] == 2
    for seq in (3, 4, 5, 6):  # the hot file with the erasure is sealed, and runs are merged
        await fill(historian, seq)
    assert await historian.wait_sealed()
    clock.now_ns += 8 * DAY_NS
    await pause(historian)
    assert listed(folder) == 0
    assert not historian._engine.views.current.erasures
    before = plain_rows(await historian.range([1, 2], *ALWAYS, limit=1000))
    await historian.stop()
    historian = await opened(folder, clock)
    assert not historian._engine.views.current.erasures
    assert plain_rows(await historian.range([1, 2], *ALWAYS, limit=1000)) == before
    assert len(before) == 100
    await historian.stop()


@pytest.mark.parametrize("listed_first", [True, False])
async def test_an_erasure_outlives_its_hot_file_because_it_is_listed_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, listed_first: bool
) -> None:
    folder, clock = tmp_path / "h", Clock()
    if not listed_first:  # planted
        monkeypatch.setattr(Sealer, "_list_erasures", lambda _: False)
    historian = await opened(folder, clock)
    await fill(historian, 1)
    assert await historian.wait_sealed()
    assert (await delete(historian, 1, *ALWAYS)).erased == 10
    await fill(historian, 2)
    assert await historian.wait_sealed()
    await historian.stop()
    historian = await opened(folder, clock)
    found = plain_rows(await historian.range([1], *ALWAYS, limit=100))
    await historian.stop()
    assert len(found) == (10 if listed_first else 20)


async def test_a_hot_file_with_erased_rows_is_sealed_after_a_day_though_it_is_not_full(tmp_path: Path) -> None:
    folder, clock = tmp_path / "h", Clock()
    historian = await opened(folder, clock, rows=10_000)
    await fill(historian, 1)
    assert (await delete(historian, 1, *ALWAYS)).erased == 10
    await historian.stop()
    historian = await opened(folder, clock, rows=10_000)
    await historian.append([batch_of([(2, NOON_NS, 0, 7.0)], seq=8, arrival_ns=NOON_NS + DAY_NS - 1)])
    assert await historian.wait_sealed()
    assert historian._engine.runs == []
    await historian.append([batch_of([(2, NOON_NS + 1, 0, 7.0)], seq=9, arrival_ns=NOON_NS + DAY_NS)])
    await historian.append([batch_of([(2, NOON_NS + 2, 0, 7.0)], seq=10, arrival_ns=NOON_NS + 3 * DAY_NS)])
    assert await historian.wait_sealed()
    assert [(run.first, run.extent.rows) for run in historian._engine.runs] == [(1, 12)], "once"
    assert in_files(folder, 1) == 0
    await historian.stop()


async def test_a_run_of_which_all_is_erased_keeps_its_ledger(tmp_path: Path) -> None:
    folder, clock = tmp_path / "h", Clock()
    historian = await opened(folder, clock, rewrite_after_ns=0)
    samples = [(1, NOON_NS + k, 0, float(k)) for k in range(20)]
    await historian.append([batch_of(samples)])
    assert await historian.wait_sealed()
    assert (await delete(historian, 1, *ALWAYS)).erased == 20
    await pause(historian)
    assert in_files(folder, 1) == 0
    assert historian.latest([1]) == []
    assert plain_rows(await historian.range([1], *ALWAYS, limit=100)) == []
    repeated = (await historian.append([batch_of(samples)])).outcomes[0]
    assert (repeated.verdict.value, repeated.stored) == ("repeated", 20), "its batch is known"
    other = (await historian.append([batch_of(samples, seq=2)])).outcomes[0]
    assert (other.stored, other.duplicates) == (20, 0)
    assert historian.latest([1])[0].value == 19.0
    await historian.stop()


@pytest.mark.parametrize("kept", ["DROP TABLE kept", "ALTER TABLE kept DROP COLUMN erased_to"])
async def test_files_of_format_1_are_taken_over(tmp_path: Path, kept: str) -> None:
    folder, clock = tmp_path / "h", Clock()
    historian = await opened(folder, clock)
    await fill(historian, 1)
    assert await historian.wait_sealed()
    await fill(historian, 2, rows=6)
    await historian.stop()
    with closing(sqlite3.connect(folder / MANIFEST_FILE)) as manifest:
        for statement in ("DROP TABLE erasure", "ALTER TABLE run DROP COLUMN erased_to", kept):
            manifest.execute(statement)
        manifest.execute("PRAGMA user_version = 1")
    with closing(duckdb.connect(str(folder / "gen-000002.duckdb"))) as hot:
        hot.execute("DROP TABLE erasure")
    historian = await opened(folder, clock)
    assert (await delete(historian, 2, *ALWAYS)).erased == 13
    await historian.stop()
    historian = await opened(folder, clock)
    assert plain_rows(await historian.range([2], *ALWAYS, limit=100)) == []
    assert len(plain_rows(await historian.range([1], *ALWAYS, limit=100))) == 13
    await historian.stop()


async def test_summaries_are_told_which_spans_of_a_source_they_may_not_trust(tmp_path: Path) -> None:
    clock = Clock()
    historian = await opened(tmp_path / "h", clock)
    await fill(historian, 1)
    assert await historian.wait_sealed()
    start, end = NOON_NS + 104 * SECOND_NS, NOON_NS + 108 * SECOND_NS
    await delete(historian, 1, start, end)
    await pause(historian)
    with historian._engine.view() as view:
        [run] = historian._engine.runs
        for low, high in (ALWAYS, (start + 1, start + 2)):
            [(tag, steps)] = view.erased([1, 2], low, high, source=run).items()
            told = [column.tolist() for column in steps]
            assert (tag, told) == (1, [[max(start, low)], [min(end, high)], [2]])
        assert view.erased([1], end, ALWAYS[1], source=run) == {}
    clock.now_ns += HOUR_NS
    await pause(historian)
    with historian._engine.view() as view:
        [run] = historian._engine.runs
        assert view.erased([1, 2], *ALWAYS, source=run) == {}, "its files are free of it"
    await historian.stop()


@pytest.mark.parametrize("head_known", [True, False])
async def test_a_replaced_sample_and_the_one_in_its_place_are_never_seen_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, head_known: bool
) -> None:
    historian = await opened(tmp_path / "h", Clock())
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    on_disk, go = threading.Event(), threading.Event()

    def advance(views: Views, head: int, added: Entries | None = None) -> None:
        on_disk.set()
        assert go.wait(20)
        plain(views, head, added)

    plain = Views.advance
    monkeypatch.setattr(Views, "advance", advance)
    if not head_known:  # planted: the question does not say up to which commit it reads
        monkeypatch.setattr(View, "head", property(lambda _: None, lambda *_: None), raising=False)
    batch = batch_of([(1, NOON_NS, 0, 2.0)], key="r", writer="app_a")
    answer = asyncio.create_task(historian.append([replace(batch, replaces=True)]))
    assert await asyncio.to_thread(on_disk.wait, 20)
    during = [row[3] for row in plain_rows(await historian.range([1], *ALWAYS, limit=10))]
    go.set()
    assert (await answer).outcomes[0].erased == 1
    assert (during == [1.0]) is head_known
    assert [row[3] for row in plain_rows(await historian.range([1], *ALWAYS, limit=10))] == [2.0]
    await historian.stop()


async def test_too_many_erasures_are_answered_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "ERASURES_MAX", 1)
    historian = await opened(tmp_path / "h", Clock())
    await fill(historian, 1, rows=4)
    await delete(historian, 1, *ALWAYS)
    with pytest.raises(NotNow, match="erasures are kept"):
        await delete(historian, 2, *ALWAYS, key="e")
    await fill(historian, 2, rows=4)
    assert len(plain_rows(await historian.range([1, 2], *ALWAYS, limit=100))) == 6
    await historian.stop()


async def test_what_was_never_corrected_is_asked_as_before(tmp_path: Path) -> None:
    historian = await opened(tmp_path / "h", Clock())
    await fill(historian, 1, rows=4)
    with historian._engine.view() as view:
        assert view.erasures is NO_ERASURES or not view.erasures
        sql = view.samples("SELECT * FROM $G.sample", (1,), *ALWAYS)
        assert "erased" not in sql
    await delete(historian, 2, *ALWAYS)
    with historian._engine.view() as view:
        assert "erased" not in view.samples("SELECT * FROM $G.sample", (1,), *ALWAYS), "another tag"
        assert "erased" in view.samples("SELECT * FROM $G.sample", (2,), *ALWAYS)
    await historian.stop()
