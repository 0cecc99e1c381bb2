"""The shell around core's uplink machine: performs its effects on the journal and at the platform's door."""

import asyncio
import logging
import random
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

from penstock.core.dictionary import DictionaryEntry, encode_dictionary
from penstock.core.frames import REQUEST_MAX_BYTES, Frame, FrameKind, encode_frame
from penstock.core.uplink import (
    Answered,
    Effect,
    EpochOpened,
    Failed,
    FailureKind,
    Input,
    JournalEpoch,
    OpenEpoch,
    OpenSession,
    Release,
    RenewToken,
    RewindTo,
    SendBatches,
    SessionGranted,
    State,
    Stop,
    Synced,
    Trimmed,
    Uplink,
    UplinkSettings,
    Watermark,
)
from penstock.gateway.journal.store import JournalStore
from penstock.gateway.platform_client import UNKNOWN_CLIENT, Answer, PlatformClient

log = logging.getLogger(__name__)

BACKOFF_MAX_MS = 15_000
"""After a long outage delivery resumes within this."""
DISK_RETRY_S = 0.5


@dataclass(slots=True)
class Counts:
    """Count what the uplink did since start."""

    requests: int = 0
    failures: int = 0
    batches: int = 0
    quarantined_batches: int = 0
    sessions: int = 0


@dataclass(slots=True)
class UplinkShell:
    """Deliver the journal's batches until cancelled; `epoch_opened` hears when appending must go to a new epoch."""

    store: JournalStore
    client: PlatformClient
    dictionary: Callable[[], Sequence[DictionaryEntry]]
    open_epoch: Callable[[str], str]
    """Open a new epoch for the reason given; the answer is its id."""
    on_released: Callable[[], None]
    explain: Callable[[Answer], str]
    """Say in words, with the command to run, what a refusal means for this gateway."""
    now_ns: Callable[[], int]
    counts: Counts = field(default_factory=Counts)
    problem: str = ""
    """What stands in the way of delivery now; empty while it works."""
    watermark: int = 0
    """Of the epoch that is appended to."""
    machine: Uplink = field(init=False)
    _current: str = field(init=False)
    _inputs: deque[Input] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        epochs = [JournalEpoch(e.id, e.head, e.released, e.trimmed) for e in self.store.epochs()]
        chance = random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self.machine = Uplink(UplinkSettings(backoff_max_ms=BACKOFF_MAX_MS), chance.random, epochs)
        self.watermark, self._current = epochs[-1].released, epochs[-1].epoch

    def post(self, item: Input) -> None:
        """Tell the machine what happened. Of neighbouring `Synced` only the newest counts: the list stays short."""
        last = self._inputs[-1] if self._inputs else None
        if isinstance(item, Synced) and isinstance(last, Synced) and last.epoch == item.epoch:
            self._inputs.pop()
        self._inputs.append(item)
        self._arrived.set()

    async def run(self) -> None:
        """Drive the machine until cancelled; what is unacknowledged stays in the journal."""
        try:
            while True:
                item = await self._next_input()
                now_ns = time.monotonic_ns()
                effects = self.machine.on_wake(now_ns) if item is None else self.machine.on_input(item, now_ns)
                for effect in effects:
                    await self._perform(effect)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _next_input(self) -> Input | None:
        wake_at = self.machine.wake_at()
        left_s = None if wake_at is None else max(0.0, (wake_at - time.monotonic_ns()) / 1e9)
        if not self._inputs:
            self._arrived.clear()
            try:
                async with asyncio.timeout(left_s):
                    await self._arrived.wait()
            except TimeoutError:
                return None
        return self._inputs.popleft()

    async def _perform(self, effect: Effect) -> None:
        match effect:
            case OpenSession():
                self._spawn(self._open_session(effect))
            case SendBatches():
                self._spawn(self._send(effect))
            case Release():
                await self._release(effect)
            case RewindTo():
                await self._rewind(effect)
            case OpenEpoch(reason=reason):
                log.warning("uplink: opening a new epoch: %s", reason)
                self._current, self.watermark = await asyncio.to_thread(self.open_epoch, reason), 0
                self._inputs.appendleft(EpochOpened(self._current))  # before any Synced of it
            case RenewToken():
                self.client.forget_token()
            case Stop(reason=reason):
                self.problem = f"delivery has stopped: {reason}; stop the other one, then restart this gateway"
                log.error("uplink: %s", self.problem)
            case _:
                assert_never(effect)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open_session(self, effect: OpenSession) -> None:
        answer = await self._ask(self.client.open_session(effect.epoch, effect.head, effect.epochs))
        if not answer.ok:
            self.post(self._failed(None, answer))
            return
        try:
            granted = _granted(answer)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            malformed = Answer(502, {}, "malformed", f"the session answer is malformed: {error!r}")
            self.post(self._failed(None, malformed))
            return
        self.counts.sessions += 1
        self._works(f"session {granted.session} granted")
        self.post(granted)

    async def _send(self, effect: SendBatches) -> None:
        try:
            frames = await asyncio.to_thread(self.store.frames, effect.epoch, effect.seqs)
        except sqlite3.Error as error:
            text = f"the journal {self.store.path} cannot be read ({error}): check its disk"
            self.post(self._failed(effect.request, Answer(0, {}, "journal", text)))
            return
        if not frames or frames[0][0] != effect.seqs[0]:
            gone = frames[0][0] - 1 if frames else effect.seqs[-1]
            self.post(Trimmed(effect.epoch, gone))
            self.post(Failed(effect.request, FailureKind.CORRUPT))
            return
        body, sent = self._body(effect, [frame for _, frame in frames])
        answer = await self._ask(self.client.ingest(effect.session, body))
        if not answer.ok:
            self.post(self._failed(effect.request, answer))
            return
        try:
            stated = answer.document.get("position")
            position = None if stated is None else int(stated)
            told = Answered(effect.request, *_watermark(answer.document), sent=sent, position=position)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            malformed = Answer(502, {}, "malformed", f"the ingest answer is malformed: {error!r}")
            self.post(self._failed(effect.request, malformed))
            return
        self.counts.batches += sent
        for refused in answer.document.get("quarantined") or ():
            self.counts.quarantined_batches += 1
            log.warning("uplink: the platform quarantined batch %s: %s", refused.get("seq"), refused.get("reason"))
        self._works("delivering again")
        self.post(told)

    def _body(self, effect: SendBatches, frames: Sequence[bytes]) -> tuple[bytes, int]:
        parts: list[bytes] = []
        if effect.with_dictionary:
            entries = self.dictionary()
            payload = encode_dictionary(entries)
            parts.append(
                encode_frame(Frame(FrameKind.DICTIONARY, effect.epoch, 0, self.now_ns(), len(entries), payload))
            )
        size = sum(len(part) for part in parts)
        sent = 0
        for frame in frames:
            if sent and size + len(frame) > REQUEST_MAX_BYTES:
                break
            parts.append(frame)
            size += len(frame)
            sent += 1
        return b"".join(parts), sent

    async def _ask(self, request: Awaitable[Answer]) -> Answer:
        self.counts.requests += 1
        answer = await request
        if not answer.ok:
            self.counts.failures += 1
        return answer

    def _failed(self, request: int | None, answer: Answer) -> Failed:
        problem = self.explain(answer)
        if problem != self.problem:
            self.problem = problem
            log.warning("uplink: %s", problem)
        newer = answer.document.get("epoch") if answer.problem == "session-superseded" else None
        return Failed(request, failure_kind(answer), answer.retry_after_ms, None if newer is None else str(newer))

    def _works(self, message: str) -> None:
        if self.problem:
            log.info("uplink: %s", message)
            self.problem = ""

    async def _release(self, effect: Release) -> None:
        if effect.epoch == self._current:
            self.watermark = effect.up_to
        try:
            await asyncio.to_thread(self.store.release, effect.epoch, up_to=effect.up_to, now_ns=self.now_ns())
        except sqlite3.Error as error:
            log.warning("journal: release of %d not written (%s); it comes with the next", effect.up_to, error)
        self.on_released()

    async def _rewind(self, effect: RewindTo) -> None:
        while True:
            try:
                moved = await asyncio.to_thread(self.store.rewind, effect.epoch, effect.seq)
                break
            except sqlite3.Error as error:
                log.warning("journal: rewind not written (%s), trying again", error)
                await asyncio.sleep(DISK_RETRY_S)
        if moved:
            log.warning("uplink: the platform went back to %d, %d batches again from the reserve", effect.seq, moved)

    @property
    def connected(self) -> bool:
        """Say whether a session is granted and nothing stands in the way."""
        return self.machine.state is State.ONLINE and not self.problem


def failure_kind(answer: Answer) -> FailureKind:
    """Map an answer other than success to what the machine knows (wire.md's table)."""
    match answer.status, answer.problem:
        case 400, "frame-corrupt":
            return FailureKind.CORRUPT
        case 400, unknown if unknown == UNKNOWN_CLIENT:
            return FailureKind.UNAUTHORIZED
        case ((401 | 403), _):
            return FailureKind.UNAUTHORIZED
        case 409, "session-superseded":
            return FailureKind.SUPERSEDED
        case 409, "session-unknown":
            return FailureKind.SESSION_UNKNOWN
        case 409, "dictionary-needed":
            return FailureKind.DICTIONARY_NEEDED
        case 413, _:
            return FailureKind.TOO_LARGE
        case ((429 | 503), _):
            return FailureKind.BUSY
        case _:
            return FailureKind.UNAVAILABLE


def _granted(answer: Answer) -> SessionGranted:
    stated = answer.document["watermarks"]
    return SessionGranted(
        int(answer.document["session"]),
        {str(epoch): Watermark(*_watermark(word)) for epoch, word in stated.items()},
        int(answer.document.get("position", 0)),
    )


def _watermark(word: Mapping[str, Any]) -> tuple[int, tuple[int, ...]]:
    return int(word["watermark"]), tuple(int(seq) for seq in word.get("above") or ())
