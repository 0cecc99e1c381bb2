"""Merging and retention on real files."""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from sqlalchemy import select

from penstock.platform.historian.errors import CursorExpired
from penstock.platform.historian.files.manifest import MANIFEST_FILE
from penstock.platform.historian.files.upkeep import BUSY_ROWS_S, MERGE_BYTES_A_ROW, Deletion
from penstock.platform.historian.ledger.entries import Span
from penstock.platform.historian.ports import ROWS, Erasing, Verdict
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing.sealing import RETRY_S
from penstock.platform.kit.audit import AuditRow
from tests.builders.historian import NOON_NS, batch_of
from tests.builders.ingest import float_columns
from tests.builders.platform_control import running_platform
from tests.builders.sealing import bits

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
DAY_NS = 24 * 3600 * 1_000_000_000


def folders(history: Path) -> list[str]:
    return sorted(path.name for path in (history / "runs").iterdir())


async def fill(historian: Historian, seqs: range, *, day: int = 0) -> None:
    for seq in seqs:
        rows = [(1 + k % 2, NOON_NS + day * DAY_NS + seq * 100 + k, 0, float(k)) for k in range(10)]
        await historian.append([batch_of(rows, seq=seq, arrival_ns=NOON_NS + day * DAY_NS)])
    assert await historian.wait_sealed()


async def test_runs_are_merged_by_four_and_answers_stay(tmp_path: Path) -> None:
    historian = Historian(tmp_path / "h", generation_rows=10)
    await historian.start()
    await fill(historian, range(1, 4))
    before = bits(await historian.range([1, 2], *ALWAYS, limit=99))
    assert folders(tmp_path / "h") == ["run-000001-000001", "run-000002-000002", "run-000003-000003"]
    await fill(historian, range(4, 18))
    assert folders(tmp_path / "h") == ["run-000001-000016", "run-000017-000017"]
    after = bits(await historian.range([1, 2], *ALWAYS, limit=999))
    assert (after[:30], len(after)) == (before, 170)
    assert historian.counters()["merges"] == 5
    await historian.stop()


async def test_merges_wait_while_samples_come_quickly(tmp_path: Path) -> None:
    now_ns = NOON_NS
    historian = Historian(tmp_path / "h", generation_rows=BUSY_ROWS_S, now_ns=lambda: now_ns)
    await historian.start()
    index = np.arange(BUSY_ROWS_S)
    for seq in range(1, 5):
        columns = float_columns(1 + index % 2, NOON_NS + seq * BUSY_ROWS_S + index, index)
        rows = pa.Table.from_batches([columns.to_arrow()]).cast(ROWS)
        await historian.append([batch_of(rows, seq=seq)])
    assert await historian.wait_sealed()
    assert (historian.counters()["merges"], historian.counters()["runs"]) == (0, 4)
    now_ns += 5 * 1_000_000_000
    historian._sealer.wake()
    assert await historian.wait_sealed()
    assert (historian.counters()["merges"], historian.counters()["runs"]) == (1, 1)
    assert len(bits(await historian.range([1, 2], *ALWAYS, limit=10**6))) == 4 * BUSY_ROWS_S
    await historian.stop()


async def test_no_merge_begins_without_room_on_the_disk(tmp_path: Path) -> None:
    historian = Historian(tmp_path / "h", generation_rows=10)
    historian._sealer._upkeep = replace(historian._sealer._upkeep, disk_free=lambda _: 40 * MERGE_BYTES_A_ROW - 1)
    await historian.start()
    await fill(historian, range(1, 5))
    assert (historian.counters()["merges"], historian.counters()["runs"]) == (0, 4)
    await historian.stop()


async def test_a_rewriting_without_room_is_tried_again_later_not_at_once(tmp_path: Path) -> None:
    historian = Historian(
        tmp_path / "h", generation_rows=10, now_ns=lambda: NOON_NS, rewrite_after_ns=0, disk_free=lambda _: 10**9
    )
    historian._sealer._upkeep = replace(historian._sealer._upkeep, disk_free=lambda _: 0)
    await historian.start()
    await fill(historian, range(1, 3))
    gone = replace(batch_of([], key="delete-1", writer="usr_a"), deletes=Erasing((1,), *ALWAYS, "wrong"))
    await historian.append([gone])
    assert await historian.wait_sealed()
    assert historian.counters()["rewritten_runs"] == 0
    assert historian._sealer._pause_s() == RETRY_S
    await historian.stop()


async def test_retention_deletes_old_runs_tells_of_them_and_nothing_comes_back(tmp_path: Path) -> None:
    folder, told, now_ns = tmp_path / "h", list[Deletion](), NOON_NS + 2 * DAY_NS

    async def opened() -> Historian:
        historian = Historian(
            folder, generation_rows=10, now_ns=lambda: now_ns, retention_ns=30 * DAY_NS, on_deletion=told.append
        )
        await historian.start()
        return historian

    historian = await opened()
    await fill(historian, range(1, 3))
    await fill(historian, range(3, 4), day=20)
    now_ns = NOON_NS + 40 * DAY_NS
    await fill(historian, range(4, 5), day=40)
    assert folders(folder) == ["run-000003-000003", "run-000004-000004"]
    assert [(each.folder, each.rows_by_tenant) for each in told] == [
        ("run-000001-000001", {"tnt_a": 10}),
        ("run-000002-000002", {"tnt_a": 10}),
    ]
    with closing(sqlite3.connect(folder / MANIFEST_FILE)) as manifest:
        deleted = manifest.execute("SELECT folder, rows, position_max, deleted_ns, reason FROM deleted").fetchall()
    assert deleted == [
        ("run-000001-000001", 10, 1, now_ns, "retention"),
        ("run-000002-000002", 10, 2, now_ns, "retention"),
    ]
    with pytest.raises(CursorExpired) as expired:
        await historian._reader.run(historian._reader.since, 0, 10, None, historian.head(), -(2**62))
    assert expired.value.oldest == 2
    await historian.stop()
    historian = await opened()
    assert await historian.wait_sealed()
    assert (await historian.range([1, 2], *ALWAYS, limit=99)).num_rows == 20
    assert [each.position for each in await historian.ledger.batches("tnt_a", Span(), limit=9)] == [4, 3]
    assert len(told) == 2
    again = batch_of([(1, NOON_NS + 100, 0, 0.0)], seq=1, arrival_ns=NOON_NS)
    [outcome] = (await historian.append([again])).outcomes
    assert (outcome.verdict, outcome.position, outcome.stored) == (Verdict.REPEATED, 0, 0), "not stored once more"
    assert (await historian.range([1, 2], *ALWAYS, limit=99)).num_rows == 20
    await historian.stop()


async def test_positions_go_on_after_everything_was_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    now_ns = NOON_NS + 90 * DAY_NS
    historian = Historian(folder, generation_rows=10, now_ns=lambda: now_ns, retention_ns=30 * DAY_NS)
    await historian.start()
    await fill(historian, range(1, 3))
    await historian.stop()
    assert folders(folder) == []
    (folder / "gen-000003.duckdb").unlink()
    historian = Historian(folder, generation_rows=10, now_ns=lambda: now_ns)
    await historian.start()
    assert historian.head() == 2
    assert (folder / "gen-000003.duckdb").exists()
    await historian.stop()


async def test_what_retention_deletes_stands_in_each_tenants_audit_log(tmp_path: Path) -> None:
    old_ns = time.time_ns() - 40 * DAY_NS
    async with running_platform(tmp_path, generation_rows=1000, retention_days=30) as platform:
        for seq, tenant in enumerate(("tnt_a", "tnt_b"), start=1):
            rows = [(1, old_ns + seq * 1000 + k, 0, float(k)) for k in range(700)]
            await platform.historian.append([batch_of(rows, seq=seq, arrival_ns=old_ns, tenant=tenant)])
        assert await platform.historian.wait_sealed()
        assert platform.historian.counters()["deleted_runs"] == 1
        with platform.db.reading() as session:
            noted = session.execute(
                select(AuditRow.tenant, AuditRow.actor, AuditRow.object, AuditRow.detail)
                .where(AuditRow.action == "history.delete")
                .order_by(AuditRow.tenant)
            ).all()
    assert [tuple(row)[:3] for row in noted] == [
        ("tnt_a", "platform", "run-000001-000001"),
        ("tnt_b", "platform", "run-000001-000001"),
    ]
    assert [json.loads(row[3])["rows"] for row in noted] == [700, 700]
