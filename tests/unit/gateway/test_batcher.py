"""Batching: group commit, bounds that make drivers wait, and a disk that fails for a while."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from penstock.core.batch import decode_batch
from penstock.core.columns import SampleColumns
from penstock.core.frames import iter_frames
from penstock.gateway import batcher as module
from penstock.gateway.batcher import Batcher
from penstock.gateway.journal.store import Appended, JournalStore, NewBatch, TagState

EPOCH = "0a" * 16


def rows(n: int) -> SampleColumns:
    return SampleColumns.without_values([0] * n, list(range(n)), status=0)


class FailingStore(JournalStore):
    """A journal whose disk is full for some commits."""

    failures = 0

    def append(self, batches: Sequence[NewBatch], tags: Iterable[TagState], **beside: Any) -> Appended:
        if self.failures:
            self.failures -= 1
            message = "database or disk is full"
            raise sqlite3.OperationalError(message)
        return super().append(batches, tags, **beside)


class Rig:
    """A running batcher over a journal on disk."""

    def __init__(self, folder: Path, *, batch_rows: int = 100, linger_s: float = 30.0) -> None:
        self.store = FailingStore(folder / "journal.sqlite")
        self.store.open_epoch(EPOCH, 1)
        self.appended: list[Appended] = []
        self.room = True
        self.batcher = Batcher(
            self.store,
            now_ns=lambda: 5,
            batch_rows=batch_rows,
            linger_s=linger_s,
            has_room=lambda: self.room,
            on_journalled=self.appended.append,
        )

    def sizes(self) -> list[int]:
        frames = self.store.frames(EPOCH, range(1, 50))
        return [len(decode_batch(next(iter_frames(octets)).payload)[0]) for _, octets in frames]


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    task = asyncio.create_task(made.batcher.run())
    yield made
    made.batcher.close()
    await task
    made.store.close()


async def test_receipt_is_done_only_after_the_commit(rig: Rig) -> None:
    receipt = rig.batcher.add(rows(1), (), ())
    await asyncio.sleep(0)
    assert not receipt.done()
    rig.batcher.add(rows(1), (), (), hurry=True)
    await receipt
    assert rig.sizes() == [2], "what lingered goes together"
    assert [b.seq for one in rig.appended for b in one.batches] == [1]


async def test_full_batch_does_not_linger(rig: Rig) -> None:
    receipts = [rig.batcher.add(rows(60), (), ()) for _ in range(3)]
    await asyncio.gather(*receipts[:2])
    assert rig.sizes()[:2] == [60, 60]
    assert max(rig.sizes()) <= 100


async def test_lingering_ends_by_itself(tmp_path: Path) -> None:
    rig = Rig(tmp_path, linger_s=0.01)
    task = asyncio.create_task(rig.batcher.run())
    await rig.batcher.add(rows(1), (), ())
    rig.batcher.close()
    await task
    rig.store.close()


async def test_full_disk_holds_everything_and_recovers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    rig.store.failures = 3
    receipt = rig.batcher.add(rows(5), (), (), hurry=True)
    while not rig.batcher.blocked:  # noqa: ASYNC110 - the batcher has no event for it
        await asyncio.sleep(0)
    assert "disk is full" in rig.batcher.blocked
    assert "free space" in rig.batcher.blocked
    assert rig.batcher.settled_ns() < 5, "what is being written is stamped 5: up to then not all is on disk"
    waiting = asyncio.create_task(rig.batcher.wait_for_room())
    await receipt
    await waiting
    assert rig.batcher.blocked == ""
    assert rig.sizes() == [5], "once, not once per try"
    assert rig.batcher.settled_ns() == 5


async def test_full_journal_makes_drivers_wait_until_the_historian_commits(rig: Rig) -> None:
    rig.room = False
    waiting = asyncio.create_task(rig.batcher.wait_for_room())
    await asyncio.sleep(0)
    await rig.batcher.room_changed()
    assert not waiting.done()
    rig.room = True
    await rig.batcher.room_changed()
    await waiting
    assert rig.batcher.counts.waited_s > 0


async def test_rows_in_flight_are_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_IN_FLIGHT_MAX", 10)
    rig.batcher.add(rows(10), (), ())
    waiting = asyncio.create_task(rig.batcher.wait_for_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    rig.batcher.add(rows(1), (), (), hurry=True)
    await waiting


async def test_close_commits_what_is_left(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    task = asyncio.create_task(rig.batcher.run())
    receipt = rig.batcher.add(rows(7), (), ())
    rig.batcher.close()
    await task
    assert receipt.done()
    assert rig.sizes() == [7]
    rig.store.close()


async def test_cancelled_receipt_does_not_hold_the_others(rig: Rig) -> None:
    first = rig.batcher.add(rows(1), (), ())
    first.cancel()
    await rig.batcher.add(rows(1), (), (), hurry=True)
