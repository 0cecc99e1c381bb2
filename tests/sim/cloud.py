"""A model of the platform: the ingest door, the ledger and the historian, by the rules of wire.md."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from penstock.core.alarm import AlarmSample, Comparison, LimitAlarm, LimitRule, Transition
from penstock.core.errors import PeerError
from penstock.core.frames import Frame, FrameKind, encode_frame, iter_frames
from penstock.core.uplink import Answered, Failed, FailureKind, SessionGranted, Watermark
from tests.sim.bugs import Bug
from tests.sim.samples import Sample, unpack_samples
from tests.sim.world import MS, Violation, World

RULE = LimitRule("rul_sim", 1, Comparison.HIGH, limit=0.8, deadband=0.2, on_delay_ns=400 * MS)
REQUEST_BATCHES_MAX = 16

Reply = Callable[[object], None]


@dataclass
class Stored:
    """Hold one committed row."""

    sample: Sample
    epoch: str
    seq: int
    position: int
    row: int


@dataclass
class Store:
    """Hold all that is durable: what a backup contains."""

    ledger: dict[str, dict[int, int]] = field(default_factory=dict)
    quarantine: dict[tuple[str, int, int], Frame] = field(default_factory=dict)
    """By epoch, seq and CRC: what comes again is kept once."""
    rows: list[Stored] = field(default_factory=list)
    known: set[Sample] = field(default_factory=set)
    dictionaries: set[str] = field(default_factory=set)
    session: int = 0
    session_epoch: str = ""
    position: int = 0
    alarm: dict[str, Any] = field(default_factory=dict)
    transitions: list[Transition] = field(default_factory=list)
    evaluated: int = 0

    def word(self, epoch: str, bug: Bug) -> Watermark:
        """Give the contiguous watermark of an epoch and the seqs above it."""
        seqs = self.ledger.get(epoch, {})
        if bug is Bug.WATERMARK_SKIPS_HOLE:
            return Watermark(max(seqs, default=0))
        low = 0
        while low + 1 in seqs:
            low += 1
        return Watermark(low, tuple(sorted(seq for seq in seqs if seq > low)))


class Cloud:
    """Answer requests; commit in groups; forget what was not committed when killed."""

    def __init__(self, world: World, bug: Bug) -> None:
        self.world = world
        self.bug = bug
        self.up = True
        self.store = Store()
        self.ever: dict[str, set[int]] = {}
        """Every (epoch, seq) that was durable at some time, restores notwithstanding."""
        self.fenced: set[str] = set()
        """Instances that were told that they are superseded."""
        self._life = 0
        self._group: list[Callable[[], None]] = []

    # the two routes --------------------------------------------------------------------------------------------------

    def open_session(self, epochs: tuple[str, ...], *, instance: str, reply: Reply) -> None:
        if not self._is_awake(None, reply):
            return
        if instance in self.fenced:
            raise Violation("fencing", f"instance {instance[:8]} opened a session after it was superseded")
        store = self.store
        store.session += 1
        store.session_epoch = epochs[-1]
        self.world.note("session", store.session)
        words = {epoch: store.word(epoch, self.bug) for epoch in epochs}
        reply(SessionGranted(store.session, words, store.position))

    def ingest(self, body: bytes, *, request: int, session: int, instance: str, reply: Reply, received: Reply) -> None:
        if not self._is_awake(request, reply):
            return
        if session < self.store.session and self.bug is not Bug.FENCING_IGNORED_BY_PLATFORM:
            own = self.store.session_epoch
            self.world.note("superseded", session)
            reply(Failed(request, FailureKind.SUPERSEDED, superseded_by=own))
            return
        try:
            frames = self._frames(body)
        except PeerError:
            reply(Failed(request, FailureKind.CORRUPT))
            return
        batches = [frame for frame in frames if frame.kind is FrameKind.BATCH]
        if len(batches) > REQUEST_BATCHES_MAX:
            reply(Failed(request, FailureKind.TOO_LARGE))
            return
        epoch = frames[0].epoch
        told = any(frame.kind is FrameKind.DICTIONARY for frame in frames)
        if not told and epoch not in self.store.dictionaries:
            reply(Failed(request, FailureKind.DICTIONARY_NEEDED))
            return
        received(request)
        if self.bug is Bug.ACK_BEFORE_COMMIT:
            self._answer_early(request, epoch, batches, reply)
            self._join(lambda: self._commit(epoch, batches, session=session, told=told))
            return
        self._join(lambda: self._commit_and_answer(request, epoch, batches, session=session, told=told, reply=reply))

    def _is_awake(self, request: int | None, reply: Reply) -> bool:
        if not self.up:
            return False
        if self.world.chance(0.03):
            reply(Failed(request, FailureKind.BUSY, retry_after_ms=self.world.between(100, 3000)))
            return False
        if self.world.chance(0.02):
            reply(Failed(request, FailureKind.UNAUTHORIZED))
            return False
        if self.world.chance(0.02):
            reply(Failed(request, FailureKind.UNAVAILABLE))
            return False
        return True

    def _frames(self, body: bytes) -> list[Frame]:
        if self.bug is not Bug.CRC_NOT_CHECKED:
            return list(iter_frames(body))
        return list(iter_frames(_with_true_crcs(body)))

    # commit ----------------------------------------------------------------------------------------------------------

    def _join(self, commit: Callable[[], None]) -> None:
        self._group.append(commit)
        if len(self._group) == 1:
            life = self._life
            self.world.after(self.world.between(2, 60) * MS, lambda: self._flush(life))

    def _flush(self, life: int) -> None:
        if life != self._life:
            return
        group, self._group = self._group, []
        for commit in group:
            commit()

    def _commit_and_answer(
        self, request: int, epoch: str, batches: list[Frame], *, session: int, told: bool, reply: Reply
    ) -> None:
        self._commit(epoch, batches, session=session, told=told)
        word = self.store.word(epoch, self.bug)
        durable = self.store.ledger.get(epoch, {})
        if any(seq not in durable for seq in (*range(1, word.watermark + 1), *word.above)):
            raise Violation("ack ≤ durable", f"watermark {word.watermark} of {epoch[:8]} covers a hole")
        reply(Answered(request, word.watermark, word.above, position=self.store.position))

    def _answer_early(self, request: int, epoch: str, batches: list[Frame], reply: Reply) -> None:
        word = self.store.word(epoch, self.bug)
        reply(Answered(request, word.watermark, (*word.above, *(frame.seq for frame in batches))))

    def _commit(self, epoch: str, batches: list[Frame], *, session: int, told: bool) -> None:
        if session < self.store.session and self.bug is Bug.FENCING_IGNORED_BY_PLATFORM:
            raise Violation("fencing", f"session {session} committed after {self.store.session} was granted")
        store = self.store
        if told:
            store.dictionaries.add(epoch)
        seen = store.ledger.setdefault(epoch, {})
        for frame in batches:
            crc = frame.crc
            if frame.seq in seen and self.bug is not Bug.NO_DEDUP:
                if seen[frame.seq] != crc:
                    store.quarantine.setdefault((epoch, frame.seq, crc), frame)
                continue
            seen[frame.seq] = crc
            self.ever.setdefault(epoch, set()).add(frame.seq)
            store.position += 1
            self.world.note("commit", epoch, frame.seq, crc)
            self._store_rows(frame)
        self._evaluate()

    def _store_rows(self, frame: Frame) -> None:
        store = self.store
        for row, sample in enumerate(unpack_samples(frame.payload)):
            if sample in store.known and self.bug is not Bug.NO_DEDUP:
                continue
            store.known.add(sample)
            store.rows.append(Stored(sample, frame.epoch, frame.seq, store.position, row))

    # alarms ----------------------------------------------------------------------------------------------------------

    def _evaluate(self) -> None:
        """Judge new rows; state, cursor and transitions are saved together."""
        store = self.store
        fresh = not store.alarm or (self.bug is Bug.ALARM_STATE_NOT_SAVED and self._alarm_lost)
        machine = LimitAlarm(RULE, "pump") if fresh else LimitAlarm.from_json(RULE, "pump", store.alarm)
        self._alarm_lost = False
        for stored in store.rows[store.evaluated :]:
            store.transitions += machine.on_input(as_alarm_sample(stored), 0)
        store.evaluated = len(store.rows)
        store.alarm = machine.to_json()

    _alarm_lost = False

    # life ------------------------------------------------------------------------------------------------------------

    def kill(self) -> None:
        """Stop at once; the group under way is lost."""
        self.world.note("platform killed")
        self.up = False
        self._life += 1
        self._group = []
        self._alarm_lost = True

    def start(self) -> None:
        self.up = True

    def backup(self) -> Store:
        return copy.deepcopy(self.store)

    def restore(self, backup: Store) -> None:
        self.world.note("platform restored")
        self.kill()
        self.store = backup
        self.start()


def as_alarm_sample(stored: Stored) -> AlarmSample:
    """Give what the evaluator sees of a row."""
    sample = stored.sample
    return AlarmSample(sample.time_ns, sample.status, sample.value, stored.position, stored.row)


def _with_true_crcs(body: bytes) -> bytes:
    """Let broken payloads pass: compute each CRC again (what a platform that checks none would do)."""
    out, offset = [], 0
    while offset < len(body):
        length = int.from_bytes(body[offset + 44 : offset + 48], "little")
        payload = body[offset + 52 : offset + 52 + length]
        frame = Frame(
            FrameKind(body[offset + 4]),
            body[offset + 8 : offset + 24].hex(),
            int.from_bytes(body[offset + 24 : offset + 32], "little"),
            int.from_bytes(body[offset + 32 : offset + 40], "little", signed=True),
            int.from_bytes(body[offset + 40 : offset + 44], "little"),
            payload,
        )
        out.append(encode_frame(frame))
        offset += 52 + length
    return b"".join(out)
