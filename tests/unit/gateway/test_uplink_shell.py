"""The uplink's shell: what it makes of the platform's answers, and what it puts into a request."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.core.batch import Drop, decode_batch
from penstock.core.frames import REQUEST_MAX_BYTES, FrameKind, iter_frames
from penstock.core.uplink import FailureKind, Synced, Trimmed
from penstock.gateway.journal.store import JournalStore, NewBatch
from penstock.gateway.platform_client import Answer
from penstock.gateway.uplink import UplinkShell, failure_kind

EPOCH = "0a" * 16
OTHER = "0b" * 16


@dataclass
class Door:
    """A platform's door in memory: commits what it gets, or answers what a test puts first."""

    answers: list[Answer] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    seqs: set[int] = field(default_factory=set)
    watermarks: dict[str, dict[str, object]] = field(default_factory=dict)
    tokens_forgotten: int = 0

    position: int | None = None
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def open_session(self, _epoch: str, _head: int, others: Sequence[str]) -> Answer:
        self.asked.append(tuple(others))
        stated = {} if self.position is None else {"position": self.position}
        return Answer(200, {"session": len(self.asked), "watermarks": self.watermarks, **stated})

    async def ingest(self, _session: int, body: bytes) -> Answer:
        self.bodies.append(body)
        if self.answers:
            return self.answers.pop(0)
        self.seqs |= {frame.seq for frame in iter_frames(body) if frame.kind is FrameKind.BATCH}
        stated = {} if self.position is None else {"position": self.position}
        return Answer(200, {"watermark": max(self.seqs), "above": [], **stated})

    def forget_token(self) -> None:
        self.tokens_forgotten += 1


@dataclass
class Rig:
    store: JournalStore
    door: Door
    shell: UplinkShell
    opened: list[str]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - the journal has no event for it
                await asyncio.sleep(0.005)

    async def journal(self, *payloads: bytes) -> None:
        appended = self.store.append([NewBatch(payload, 1, 5) for payload in payloads], [])
        self.shell.post(Synced(appended.epoch, appended.batches[-1].seq))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    store = JournalStore(tmp_path / "journal.sqlite")
    store.open_epoch(EPOCH, 1)
    door, opened = Door(), []

    def open_epoch(reason: str) -> str:
        opened.append(reason)
        return store.open_epoch(OTHER, 2).id

    shell = UplinkShell(store, door, lambda: [], open_epoch, lambda: None, lambda a: a.detail, lambda: 5)  # type: ignore[arg-type]
    made = Rig(store, door, shell, opened)
    task = asyncio.create_task(shell.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()


async def test_committed_batches_are_released(rig: Rig) -> None:
    await rig.journal(b"one", b"two")
    await rig.until(lambda: rig.store.sizes().waiting == 0)
    kinds = [frame.kind for frame in iter_frames(rig.door.bodies[0])]
    assert kinds[0] is FrameKind.DICTIONARY, "the dictionary goes first"
    assert rig.store.sizes().reserve == 2


async def test_request_stays_within_its_bytes(rig: Rig) -> None:
    chance = random.Random(1)
    await rig.journal(*(chance.randbytes(3 * 1024 * 1024) for _ in range(5)))
    await rig.until(lambda: rig.door.seqs == {1, 2, 3, 4, 5})
    assert all(len(body) <= REQUEST_MAX_BYTES for body in rig.door.bodies)
    await rig.until(lambda: rig.store.sizes().waiting == 0)


async def test_refused_request_keeps_the_batches_and_comes_again(rig: Rig) -> None:
    rig.door.answers += [Answer(503, {}, "busy", "full", 0), Answer(409, {}, "dictionary-needed", "dictionary")]
    await rig.journal(b"one")
    await rig.until(lambda: rig.store.sizes().waiting == 0)
    assert rig.shell.counts.failures == 2
    assert rig.shell.problem == ""


async def test_malformed_answer_is_a_failure_not_a_crash(rig: Rig) -> None:
    rig.door.answers += [Answer(200, {}), Answer(200, {"watermark": "x"}), Answer(200, {"watermark": 1, "above": 7})]
    await rig.journal(b"one")
    await rig.until(lambda: "malformed" in rig.shell.problem)
    assert rig.store.sizes().waiting == 1


async def test_superseded_session_stops_and_says_so(rig: Rig) -> None:
    rig.door.answers.append(Answer(409, {}, "session-superseded", "newer"))
    await rig.journal(b"one")
    await rig.until(lambda: "delivery has stopped" in rig.shell.problem)
    assert rig.store.sizes().waiting == 1


async def test_session_of_its_own_delayed_request_is_opened_again(rig: Rig) -> None:
    rig.door.answers.append(Answer(409, {"session": 2, "epoch": EPOCH}, "session-superseded", "newer"))
    await rig.journal(b"one")
    await rig.until(lambda: rig.store.sizes().waiting == 0)
    assert len(rig.door.asked) == 2


async def test_session_that_was_never_granted_is_asked_for_anew(rig: Rig) -> None:
    rig.door.answers.append(Answer(409, {}, "session-unknown", "never granted"))
    await rig.journal(b"one")
    await rig.until(lambda: rig.store.sizes().waiting == 0)
    assert len(rig.door.asked) == 2


async def test_commit_position_that_went_back_opens_a_new_session(tmp_path: Path) -> None:
    store, door = JournalStore(tmp_path / "journal.sqlite"), Door(position=50)
    store.open_epoch(EPOCH, 1)
    shell = UplinkShell(store, door, lambda: [], str, lambda: None, lambda a: a.detail, lambda: 5)  # type: ignore[arg-type]
    rig = Rig(store, door, shell, [])
    task = asyncio.create_task(shell.run())
    await rig.journal(b"one")
    await rig.until(lambda: store.sizes().waiting == 0)
    door.position = 49
    await rig.journal(b"two")
    await rig.until(lambda: len(door.asked) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()


async def test_session_names_every_epoch_that_the_reserve_still_holds(tmp_path: Path) -> None:
    store, door = JournalStore(tmp_path / "journal.sqlite"), Door()
    store.open_epoch(EPOCH, 1)
    store.append([NewBatch(b"one", 1, 5)], [])
    store.release(EPOCH, up_to=1, now_ns=5)
    store.open_epoch(OTHER, 2)
    door.watermarks = {EPOCH: {"watermark": 1, "above": []}}
    shell = UplinkShell(store, door, lambda: [], str, lambda: None, lambda a: a.detail, lambda: 5)  # type: ignore[arg-type]
    rig = Rig(store, door, shell, [])
    task = asyncio.create_task(shell.run())
    await rig.until(lambda: shell.connected)
    (trimmed,) = store.trim(older_than_ns=10, most_bytes=0)
    for _ in range(2):
        shell.post(Trimmed(trimmed.id, trimmed.trimmed))
    door.answers.append(Answer(409, {}, "session-unknown"))
    await rig.journal(b"two")
    await rig.until(lambda: len(door.asked) == 2)
    assert door.asked == [(EPOCH, OTHER), (OTHER,)]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()


async def test_broken_batch_is_told_as_a_drop_under_its_own_seq(rig: Rig) -> None:
    appended = rig.store.append([NewBatch(payload, 7, 5) for payload in (b"one", b"two", b"three")], [])
    spoil(rig.store, 2)
    rig.shell.post(Synced(appended.epoch, 3))
    await rig.until(lambda: rig.store.sizes().waiting == 0)
    batches = {f.seq: f for body in rig.door.bodies for f in iter_frames(body) if f.kind is FrameKind.BATCH}
    assert (batches[1].payload, batches[3].payload) == (b"one", b"three")
    columns, records = decode_batch(batches[2].payload)
    assert (len(columns), records) == (0, (Drop(None, 5, 5, 7, "journal entry corrupt"),))
    assert (rig.store.broken, rig.store.broken_since_start, rig.shell.counts.failures) == (1, 1, 0)


async def test_journal_that_cannot_be_read_is_named_and_tried_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(*_: object) -> list[tuple[int, bytes]]:
        message = "database disk image is malformed"
        raise sqlite3.DatabaseError(message)

    with monkeypatch.context() as patched:
        patched.setattr(rig.store, "frames", unreadable)
        await rig.journal(b"one")
        await rig.until(lambda: "malformed" in rig.shell.problem)
    await rig.until(lambda: rig.store.sizes().waiting == 0)


def spoil(store: JournalStore, seq: int) -> None:
    """Turn one bit of a stored batch."""
    with sqlite3.connect(store.path) as plain:
        ((frame,),) = plain.execute("SELECT frame FROM batch WHERE seq=?", (seq,)).fetchall()
        plain.execute("UPDATE batch SET frame=? WHERE seq=?", (frame[:-1] + bytes([frame[-1] ^ 1]), seq))
    plain.close()


async def test_platform_ahead_of_the_journal_makes_a_new_epoch(tmp_path: Path) -> None:
    store = JournalStore(tmp_path / "journal.sqlite")
    store.open_epoch(EPOCH, 1)
    door, reasons = Door(watermarks={EPOCH: {"watermark": 40, "above": []}}), []

    def open_epoch(reason: str) -> str:
        reasons.append(reason)
        door.watermarks[OTHER] = {"watermark": 0}
        return store.open_epoch(OTHER, 2).id

    shell = UplinkShell(store, door, lambda: [], open_epoch, lambda: None, lambda a: a.detail, lambda: 5)  # type: ignore[arg-type]
    task = asyncio.create_task(shell.run())
    made = Rig(store, door, shell, reasons)
    await made.until(lambda: shell.connected)
    assert "was restored" in reasons[0]
    await made.journal(b"one")
    await made.until(lambda: store.sizes().waiting == 0)
    assert next(iter_frames(door.bodies[-1])).epoch == OTHER
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    store.close()


@pytest.mark.parametrize(
    ("status", "problem", "kind"),
    [
        (0, "no-answer", FailureKind.UNAVAILABLE),
        (400, "frame-corrupt", FailureKind.CORRUPT),
        (400, "other", FailureKind.UNAVAILABLE),
        (400, "invalid_client", FailureKind.UNAUTHORIZED),
        (401, "invalid_client", FailureKind.UNAUTHORIZED),
        (403, "forbidden", FailureKind.UNAUTHORIZED),
        (404, "", FailureKind.UNAVAILABLE),
        (409, "dictionary-needed", FailureKind.DICTIONARY_NEEDED),
        (409, "session-superseded", FailureKind.SUPERSEDED),
        (409, "session-unknown", FailureKind.SESSION_UNKNOWN),
        (413, "too-large", FailureKind.TOO_LARGE),
        (429, "busy", FailureKind.BUSY),
        (500, "", FailureKind.UNAVAILABLE),
        (503, "busy", FailureKind.BUSY),
    ],
)
def test_every_answer_of_the_wire_has_its_kind(status: int, problem: str, kind: FailureKind) -> None:
    assert failure_kind(Answer(status, {}, problem)) is kind
