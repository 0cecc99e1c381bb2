"""The uplink's shell: what it makes of the platform's answers, and what it puts into a request."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from penstock.core.frames import REQUEST_MAX_BYTES, FrameKind, iter_frames
from penstock.core.uplink import FailureKind, Synced
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

    async def open_session(self, epoch: str, _head: int, _others: Sequence[str]) -> Answer:
        return Answer(200, {"session": 1, "watermarks": self.watermarks})

    async def ingest(self, _session: int, body: bytes) -> Answer:
        self.bodies.append(body)
        if self.answers:
            return self.answers.pop(0)
        self.seqs |= {frame.seq for frame in iter_frames(body) if frame.kind is FrameKind.BATCH}
        return Answer(200, {"watermark": max(self.seqs), "above": []})

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
        appended = self.store.append([NewBatch(payload, 1, 5, ()) for payload in payloads], [])
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
        (401, "invalid_client", FailureKind.UNAUTHORIZED),
        (403, "forbidden", FailureKind.UNAUTHORIZED),
        (404, "", FailureKind.UNAVAILABLE),
        (409, "dictionary-needed", FailureKind.DICTIONARY_NEEDED),
        (409, "session-superseded", FailureKind.SUPERSEDED),
        (413, "too-large", FailureKind.TOO_LARGE),
        (429, "busy", FailureKind.BUSY),
        (500, "", FailureKind.UNAVAILABLE),
        (503, "busy", FailureKind.BUSY),
    ],
)
def test_every_answer_of_the_wire_has_its_kind(status: int, problem: str, kind: FailureKind) -> None:
    assert failure_kind(Answer(status, {}, problem)) is kind
