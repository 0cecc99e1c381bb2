"""The historian on real files: append, read back, repeats, latest."""

import asyncio
import math
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from penstock.core.errors import RetryLater
from penstock.platform.historian.errors import CursorExpired, HistorianDamaged, HistorianInUse, KeyReused
from penstock.platform.historian.ledger.entries import Span
from penstock.platform.historian.ports import LedgerRecord, Quarantine, RecordKind, RowKey, Verdict
from penstock.platform.historian.service import SINCE_WINDOW_NS, Historian
from tests.builders.historian import EPOCH, NOON_NS, SECOND_NS, batch_of, plain_rows, rows_of

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)


@pytest.fixture
async def historian(tmp_path: Path) -> AsyncIterator[Historian]:
    historian = Historian(tmp_path / "h", generation_rows=1000, now_ns=lambda: NOON_NS)
    await historian.start()
    yield historian
    await historian.stop()


async def reopened(historian: Historian, folder: Path, rows: int = 1000) -> Historian:
    await historian.stop()
    again = Historian(folder, generation_rows=rows, now_ns=lambda: NOON_NS)
    await again.start()
    return again


async def test_what_is_appended_is_read_back_bitwise(historian: Historian) -> None:
    odd = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0123))[0]
    samples = [
        (1, NOON_NS, 0, 1.5), (1, NOON_NS + 1, 0x8000_0000, -0.0), (1, NOON_NS + 2, 0, math.inf),
        (1, NOON_NS + 3, 0, odd), (2, NOON_NS, 0, 2**63 - 1), (3, NOON_NS, 0, False), (4, NOON_NS, 0, "läuft"),
        (4, NOON_NS + 1, 0x8031_0000, None),
    ]  # fmt: skip
    result = await historian.append([batch_of(samples)])
    assert [(o.verdict, o.stored) for o in result.outcomes] == [(Verdict.COMMITTED, 8)]
    floats = await historian.range([1], *ALWAYS, limit=100)
    assert floats["vf"].to_numpy().view(np.uint64).tolist() == [
        struct.unpack("<Q", struct.pack("<d", value))[0] for _, _, _, value in samples[:4]
    ]
    assert plain_rows(await historian.range([2, 3, 4], *ALWAYS, limit=100)) == [
        samples[4],
        samples[5],
        samples[6],
        samples[7],
    ]


async def test_a_batch_sent_twice_is_answered_as_committed_and_stored_once(historian: Historian) -> None:
    batch = batch_of([(1, NOON_NS, 0, 1.0)])
    first = (await historian.append([batch])).outcomes[0]
    again = (await historian.append([batch])).outcomes[0]
    assert again == first._replace(verdict=Verdict.REPEATED)
    assert (await historian.range([1], *ALWAYS, limit=9)).num_rows == 1


async def test_a_batch_repeated_inside_one_group_is_stored_once(historian: Historian) -> None:
    batch = batch_of([(1, NOON_NS, 0, 1.0)])
    result = await historian.append([batch, batch, batch_of([(1, NOON_NS + 1, 0, 1.0)], seq=2)])
    assert [each.verdict for each in result.outcomes] == [Verdict.COMMITTED, Verdict.REPEATED, Verdict.COMMITTED]
    assert (await historian.range([1], *ALWAYS, limit=9)).num_rows == 2


@pytest.mark.parametrize("together", [True, False])
async def test_a_repeated_seq_with_other_content_is_quarantined(historian: Historian, together: bool) -> None:
    first, other = batch_of([(1, NOON_NS, 0, 1.0)], crc=1), batch_of([(1, NOON_NS + 5, 0, 2.0)], crc=2)
    if together:
        outcome = (await historian.append([first, other])).outcomes[1]
    else:
        await historian.append([first])
        outcome = (await historian.append([other])).outcomes[0]
    assert (outcome.verdict, outcome.quarantined) == (Verdict.CONFLICT, "seq-conflict")
    assert plain_rows(await historian.range([1], *ALWAYS, limit=9)) == [(1, NOON_NS, 0, 1.0)]
    kept = await historian.ledger.quarantine("tnt_a", Span(), limit=9)
    assert [(each.reason, each.rows) for each in kept] == [("seq-conflict", 1)]
    assert await historian.ledger.payload("tnt_a", kept[0].position) == b"the frame"
    assert await historian.ledger.payload("tnt_b", kept[0].position) is None


@pytest.mark.parametrize("together", [True, False])
async def test_other_content_of_a_seq_is_set_aside_once_and_answered_the_same(
    historian: Historian, tmp_path: Path, together: bool
) -> None:
    first, other = batch_of([(1, NOON_NS, 0, 1.0)], crc=1), batch_of([(1, NOON_NS + 5, 0, 2.0)], crc=2)
    if together:
        outcomes = list((await historian.append([first, other, other])).outcomes[1:])
    else:
        outcomes = [(await historian.append([batch])).outcomes[0] for batch in (first, other, other)][1:]
    head = historian.head()
    historian = await reopened(historian, tmp_path / "h")
    outcomes += (await historian.append([other])).outcomes
    repeated = outcomes[0]._replace(verdict=Verdict.REPEATED)
    assert (outcomes[0].verdict, outcomes[1:], historian.head()) == (Verdict.CONFLICT, [repeated, repeated], head)
    third = (await historian.append([batch_of([(1, NOON_NS + 6, 0, 3.0)], crc=3)])).outcomes[0]
    kept = await historian.ledger.quarantine("tnt_a", Span(), limit=9)
    await historian.stop()
    assert [(each.crc, each.position) for each in kept] == [(3, third.position), (2, repeated.position)]


@pytest.mark.parametrize("together", [True, False])
async def test_equal_samples_of_different_batches_are_stored_once_and_counted(
    historian: Historian, together: bool
) -> None:
    samples = [
        (1, NOON_NS, 0, math.nan),
        (2, NOON_NS, 0, "a"),
        (3, NOON_NS, 0, None),
        (4, NOON_NS, 0, 7),
        (5, NOON_NS, 0, True),
    ]
    batches = [batch_of(samples), batch_of(samples, seq=2)]
    if together:
        outcomes = list((await historian.append(batches)).outcomes)
    else:
        outcomes = [(await historian.append([batch])).outcomes[0] for batch in batches]
    assert [(each.stored, each.duplicates) for each in outcomes] == [(5, 0), (0, 5)]
    assert (await historian.range([1, 2, 3, 4, 5], *ALWAYS, limit=99)).num_rows == 5


async def test_a_different_value_or_status_at_the_same_time_is_kept_beside(historian: Historian) -> None:
    await historian.append([batch_of([(1, NOON_NS, 0, 0.0)])])
    samples = [(1, NOON_NS, 0, -0.0), (1, NOON_NS, 0x4000_0000, 0.0), (1, NOON_NS, 0, 0), (1, NOON_NS, 0, 0.0)]
    outcome = (await historian.append([batch_of(samples, seq=2)])).outcomes[0]
    assert (outcome.stored, outcome.duplicates) == (3, 1)


async def test_latest_is_the_newest_by_source_time_and_never_beyond_the_skew(historian: Historian) -> None:
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0), (1, NOON_NS - 9, 0, 2.0)])])
    await historian.append([batch_of([(1, NOON_NS + 61 * SECOND_NS, 0, 3.0), (1, NOON_NS - 5, 0, 4.0)], seq=2)])
    [latest] = historian.latest([1, 2])
    assert (latest.value, latest.time, latest.newer_is_future) == (1.0, NOON_NS, True)
    assert (await historian.ledger.batches("tnt_a", Span(), limit=1))[0].future == 1
    later = NOON_NS + 70 * SECOND_NS
    await historian.append([batch_of([(1, later, 0, 5.0)], seq=3, arrival_ns=later)])
    [latest] = historian.latest([1])
    assert (latest.value, latest.newer_is_future) == (5.0, False)
    again = await historian.append([batch_of([(1, NOON_NS + 61 * SECOND_NS, 0, 3.0)], seq=4, arrival_ns=later)])
    assert again.outcomes[0].duplicates == 1


async def test_late_rows_are_counted(historian: Historian) -> None:
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0), (1, NOON_NS + 1, 0, 1.0)], late=[True, False])])
    assert (await historian.ledger.batches("tnt_a", Span(), limit=1))[0].late == 1


async def test_a_range_is_paged_by_time_position_and_row_both_ways(historian: Historian) -> None:
    for seq in range(1, 6):
        await historian.append([batch_of([(1, NOON_NS + k % 3, 0, float(seq * 10 + k)) for k in range(6)], seq=seq)])
    whole = await historian.range([1], *ALWAYS, limit=1000)
    keys = list(zip(*(whole[name].to_pylist() for name in ("time", "position", "row")), strict=True))
    assert keys == sorted(keys)
    assert len(keys) == 30
    for descending in (False, True):
        paged: list[tuple[int, int, int]] = []
        after = None
        while page := (await historian.range([1], *ALWAYS, after=after, limit=7, descending=descending)).to_pylist():
            paged += [(row["time"], row["position"], row["row"]) for row in page]
            after = RowKey(*paged[-1])
        assert paged == (keys[::-1] if descending else keys)


async def test_since_follows_commits_from_memory_and_from_files_alike(historian: Historian, tmp_path: Path) -> None:
    for seq in range(1, 40):
        await historian.append([batch_of([(seq % 2, NOON_NS + seq * 100 + k, 0, 1.0) for k in range(60)], seq=seq)])

    async def follow(of: Historian, tags: list[int] | None) -> list[tuple[int, int]]:
        position, seen = 0, []
        while position < of.head():
            page = await of.since(position, limit=100, tags=tags)
            assert page.position > position
            seen += list(zip(page.rows["position"].to_pylist(), page.rows["row"].to_pylist(), strict=True))
            position = page.position
        return seen

    near = await follow(historian, None), await follow(historian, [1])
    again = await reopened(historian, tmp_path / "h")
    far = await follow(again, None), await follow(again, [1])
    await again.stop()
    assert near == far
    assert len(near[0]) == 39 * 60
    assert near[0] == sorted(near[0])


async def test_commits_of_few_tags_are_found_among_many_rows_in_few_pages(historian: Historian, tmp_path: Path) -> None:
    for seq in range(1, 61):
        mine = [(7, NOON_NS + seq, 0, 1.0)] * (seq % 20 == 0)
        large = [(7, NOON_NS + seq * 1000 + k, 0, 2.0) for k in range(250)] * (seq == 50)
        others = [(seq % 5, NOON_NS + seq * 1000 + k, 0, 0.0) for k in range(60)]
        await historian.append([batch_of([*others, *mine, *large], seq=seq)])
    again = await reopened(historian, tmp_path / "h")
    position, pages, seen = 0, [], []
    while position < again.head():
        page = await again.since(position, limit=100, tags=[7])
        pages.append(page.rows.num_rows)
        seen += page.rows["position"].to_pylist()
        position = page.position
    await again.stop()
    assert seen == [20, 40, *[50] * 250, 60]
    assert len(pages) <= 4, pages
    assert 250 in pages, "a commit beyond the limit comes whole, alone"


async def test_a_restart_remembers_newest_watermarks_and_head(historian: Historian, tmp_path: Path) -> None:
    for seq in [*range(1, 30), 35]:  # over a rotation
        samples = [(1, NOON_NS + seq * 1000 + k, 0, float(k)) for k in range(60)]
        await historian.append([batch_of([*samples, (2, NOON_NS - seq, 0, f"text {seq}")], seq=seq)])
    await historian.append([batch_of([(3, NOON_NS + 3600 * SECOND_NS, 0, 1.0)], seq=36)])
    before = historian.latest([1, 2, 3]), historian.head(), historian.watermark("gtw_a", EPOCH)
    assert await historian.wait_sealed()
    assert historian.counters()["runs"] == 1
    again = await reopened(historian, tmp_path / "h")
    assert (again.latest([1, 2, 3]), again.head(), again.watermark("gtw_a", EPOCH)) == before
    repeated = await again.append([batch_of([(3, NOON_NS + 3600 * SECOND_NS, 0, 1.0)], seq=37)])
    assert repeated.outcomes[0].duplicates == 1
    await again.stop()
    assert before[2] == (29, (35, 36))


async def test_an_idempotency_key_is_remembered_over_a_restart(historian: Historian, tmp_path: Path) -> None:
    batch = batch_of([(1, NOON_NS, 0, 1.0)], key="k1", writer="cli_a")
    first = (await historian.append([batch])).outcomes[0]
    again = await reopened(historian, tmp_path / "h")
    assert (await again.append([batch])).outcomes[0] == first._replace(verdict=Verdict.REPEATED)
    with pytest.raises(KeyReused, match="k1"):
        await again.append([batch_of([(1, NOON_NS, 0, 2.0)], key="k1", writer="cli_a")])
    other = await again.append([batch_of([(1, NOON_NS, 0, 2.0)], key="k1", writer="cli_b")])
    assert other.outcomes[0].verdict is Verdict.COMMITTED
    await again.stop()


async def test_gap_records_close_and_other_records_add_up(historian: Historian) -> None:
    opened = LedgerRecord(RecordKind.GAP, 1, "link", from_ns=NOON_NS)
    closed = LedgerRecord(RecordKind.GAP, 1, "link", from_ns=NOON_NS, to_ns=NOON_NS + 9)
    drop = LedgerRecord(RecordKind.DROP, 2, "journal full", NOON_NS, NOON_NS + 5, 12)
    reject = LedgerRecord(RecordKind.REJECT, None, "not a number", device="pump", excerpt="abc")
    await historian.append([batch_of([], records=(opened, drop, reject))])
    assert [g.to_ns for g in await historian.ledger.records("tnt_a", Span(), "gap", limit=9, open_only=True)] == [None]
    await historian.append([batch_of([], seq=2, records=(closed, reject))])
    assert await historian.ledger.records("tnt_a", Span(), "gap", limit=9, open_only=True) == []
    assert [g.to_ns for g in await historian.ledger.records("tnt_a", Span(), "gap", limit=9)] == [NOON_NS + 9]
    totals = {each.kind: each for each in await historian.ledger.record_totals("tnt_a", Span())}
    assert (totals["drop"].number, totals["reject"].number, totals["gap"].open) == (12, 2, 0)
    assert await historian.ledger.record_totals("tnt_b", Span()) == []


async def test_a_quarantined_part_is_in_the_same_commit_as_the_rows(historian: Historian) -> None:
    quarantine = Quarantine("wrong-type", "row 3", 1, b"bytes")
    outcome = (await historian.append([batch_of([(1, NOON_NS, 0, 1.0)], quarantine=quarantine)])).outcomes[0]
    assert (outcome.stored, outcome.quarantined) == (1, "wrong-type")
    [entry] = await historian.ledger.batches("tnt_a", Span(), limit=9)
    assert (entry.n, entry.stored, entry.quarantined_samples) == (2, 1, 1)


async def test_positions_below_the_window_are_gone(historian: Historian, tmp_path: Path) -> None:
    old = NOON_NS - SINCE_WINDOW_NS - SECOND_NS
    await historian.append([batch_of([(1, old + k, 0, 1.0) for k in range(1000)], arrival_ns=old)])
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)], seq=2)])
    again = await reopened(historian, tmp_path / "h")
    with pytest.raises(CursorExpired) as caught:
        await again.since(0, limit=10)
    assert (await again.since(caught.value.oldest, limit=10)).rows.num_rows == 1
    await again.stop()


async def test_a_second_owner_is_told_which_process_has_the_folder(historian: Historian, tmp_path: Path) -> None:
    second = Historian(tmp_path / "h", generation_rows=1000)
    with pytest.raises(HistorianInUse, match=rf"{tmp_path}/h is in use by process {os.getpid()}"):
        await second.start()


async def test_a_damaged_file_is_named(historian: Historian, tmp_path: Path) -> None:
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    await historian.stop()
    file = tmp_path / "h" / "gen-000001.duckdb"
    file.write_bytes(b"\0" * 4096)
    second = Historian(tmp_path / "h", generation_rows=1000)
    with pytest.raises(HistorianDamaged, match="gen-000001"):
        await second.start()


async def test_the_hub_wakes_followers_after_a_commit(historian: Historian) -> None:
    waiting = asyncio.create_task(historian.hub.wait_beyond(0))
    await asyncio.sleep(0)
    result = await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    assert await asyncio.wait_for(waiting, 5) == result.head == historian.head()


async def test_a_full_queue_refuses_and_stays_bounded(historian: Historian) -> None:
    big = rows_of([(1, NOON_NS, 0, 1.0)]).take(pa.array(np.zeros(90_000, np.int64)))
    appends = [asyncio.create_task(historian.append([batch_of(big, seq=seq, crc=seq)])) for seq in range(1, 40)]
    results = await asyncio.gather(*appends, return_exceptions=True)
    refused = [each for each in results if isinstance(each, RetryLater)]
    assert refused
    assert "queue is full" in str(refused[0])
    assert len(refused) == historian.counters()["refused_appends"]
    assert historian.watermark("gtw_a", EPOCH).watermark >= 1
