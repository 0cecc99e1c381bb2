"""The gateway on the plant floor, as a shell around the real uplink machine, and the device that feeds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from penstock.core.frames import Frame, FrameKind, encode_frame
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
)
from tests.sim.bugs import LANES, Bug
from tests.sim.cloud import Cloud
from tests.sim.journal import Disk, EpochFile
from tests.sim.samples import Sample, make_sample, pack_samples
from tests.sim.world import MS, Link, S, Violation, World

SETTINGS = UplinkSettings(backoff_first_ms=200, backoff_max_ms=5000, batches_per_request_max=24)
REQUEST_TIMEOUT_NS = 3 * S
RESERVE_BATCHES = 60


@dataclass
class Device:
    """Publish samples until each was acknowledged (a persistent MQTT session)."""

    world: World
    published: int = 0
    waiting: list[Sample] = field(default_factory=list)
    journalled: set[Sample] = field(default_factory=set)
    """The source ledger: acknowledged after the journal's sync, so it must arrive."""

    def publish(self, count: int) -> list[Sample]:
        fresh = [make_sample(self.published + n + 1) for n in range(count)]
        self.published += count
        self.waiting += fresh
        return fresh

    def acknowledge(self, samples: list[Sample]) -> None:
        self.journalled.update(samples)
        done = set(samples)
        self.waiting = [sample for sample in self.waiting if sample not in done]


class EdgeBox:
    """Journal, sync, tell the machine, perform its effects; die and come back."""

    def __init__(self, world: World, cloud: Cloud, device: Device, disk: Disk, *, bug: Bug, keeps_all: bool) -> None:
        self.world, self.cloud, self.device, self.disk = world, cloud, device, disk
        self.bug, self.keeps_all = bug, keeps_all
        self.up_link, self.down_link = Link(world), Link(world)
        self.running = False
        self.retired = False
        self.paused_until_ns = 0
        self.machine: Uplink
        self.instance = ""
        self.stops: list[str] = []
        self._life = 0
        self._timer_ns: int | None = None

    # life ------------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Boot: what is on the disk counts; a fresh epoch, so that a restored image never reuses a seq."""
        if self.running or self.retired:
            return
        self.running = True
        self._life += 1
        for file in self.disk.files:
            file.synced = file.head
        if self.bug is not Bug.EPOCH_REUSED or not self.disk.files:
            self.disk.files.append(EpochFile(self._new_epoch()))
        held = [JournalEpoch(f.epoch, f.head, f.released, f.trimmed) for f in self.disk.files]
        self.machine = Uplink(SETTINGS, self.world.random.random, held)
        self._plant_lanes()
        self.instance = self.disk.files[-1].epoch + str(self._life)
        self.world.note("gateway started", self.instance)
        if self.device.waiting:
            self._journal(list(self.device.waiting))
        self._wake(self._life)

    def kill(self) -> None:
        self.world.note("gateway killed")
        self.running = False

    def cut_power(self) -> None:
        self.kill()
        self.disk.cut_power(self.world.random)

    def retire(self) -> None:
        """Take the device away: another box has it now."""
        self.retired = True

    def _new_epoch(self) -> str:
        return f"{self.world.random.getrandbits(128):032x}"

    def _plant_lanes(self) -> None:
        planted = LANES.get(self.bug)
        if planted is not None:
            for lane in self.machine._lanes:
                lane.__class__ = planted
        if self.bug is Bug.EPOCH_REUSED:
            for lane in self.machine._lanes:
                lane.head_at_start = 1 << 60

    # the way of a sample ---------------------------------------------------------------------------------------------

    def feed(self) -> None:
        """Take what the device has published since."""
        if self.running and not self.retired:
            self._later(lambda: self._journal(self.device.publish(self.world.between(1, 4))))

    def _journal(self, samples: list[Sample]) -> None:
        epoch = self.disk.files[-1].epoch
        payload = pack_samples(samples)
        seq = self.disk.files[-1].head + 1
        frame = Frame(FrameKind.BATCH, epoch, seq, self.world.now_ns, len(samples), payload)
        self.disk.append(encode_frame(frame))
        if self.bug is Bug.SEND_BEFORE_FSYNC:
            self._tell(Synced(epoch, seq))
        life = self._life
        self.world.after(self.world.between(1, 30) * MS, lambda: self._synced(life, epoch, seq, samples))

    def _synced(self, life: int, epoch: str, seq: int, samples: list[Sample]) -> None:
        if life != self._life or not self.running:
            return
        file = self.disk.file(epoch)
        file.synced = max(file.synced, seq)
        if not self.retired:
            self.device.acknowledge(samples)
        self._later(lambda: self._tell(Synced(epoch, seq)))

    # the machine -----------------------------------------------------------------------------------------------------

    def _tell(self, item: Input) -> None:
        effects = self.machine.on_input(item, self.world.now_ns)
        self._plant_lanes()
        self._apply(effects)

    def _wake(self, life: int) -> None:
        self._timer_ns = None
        if life == self._life and self.running:
            self._later(lambda: self._apply(self.machine.on_wake(self.world.now_ns)))

    def _later(self, act: Callable[[], None]) -> None:
        """Act now, or when the stopped process goes on."""
        if self.world.now_ns >= self.paused_until_ns:
            act()
            return
        life = self._life
        self.world.after(
            self.paused_until_ns - self.world.now_ns, lambda: act() if life == self._life and self.running else None
        )

    def _apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            self.world.note(type(effect).__name__)
            match effect:
                case OpenSession():
                    self._open(effect)
                case SendBatches():
                    self._send(effect)
                case Release():
                    self._release(effect)
                case RewindTo(epoch, seq):
                    self.disk.file(epoch).released = seq
                case OpenEpoch():
                    self.disk.files.append(EpochFile(self._new_epoch()))
                    self._tell(EpochOpened(self.disk.files[-1].epoch))
                case Stop(reason):
                    self.stops.append(reason)
                case RenewToken():
                    pass
        wake = self.machine.wake_at()
        if wake is not None and (self._timer_ns is None or wake < self._timer_ns):
            self._timer_ns = wake
            life = self._life
            self.world.after(wake - self.world.now_ns, lambda: self._wake(life))

    def _open(self, effect: OpenSession) -> None:
        reply = self._reply_once(None, FailureKind.UNAVAILABLE)
        instance = self.instance
        self.up_link.send(lambda: self.cloud.open_session(effect.epochs, instance=instance, reply=reply))

    def _send(self, effect: SendBatches) -> None:
        if self.machine.in_flight > SETTINGS.requests_in_flight_max:
            raise Violation("window bounded", f"{self.machine.in_flight} requests in flight")
        if len(effect.seqs) > SETTINGS.batches_per_request_max:
            raise Violation("window bounded", f"{len(effect.seqs)} batches in a request")
        file = self.disk.file(effect.epoch)
        if max(effect.seqs) > file.synced:
            raise Violation("synced before sent", f"seq {max(effect.seqs)} is sent, {file.synced} is synced")
        held = [file.entries[seq] for seq in effect.seqs if seq in file.entries]
        if len(held) < len(effect.seqs):
            raise Violation("held until released", f"{len(effect.seqs) - len(held)} batches to send are gone")
        words = [_dictionary(effect.epoch)] if effect.with_dictionary else []
        body = self._through_air(b"".join([*words, *held]))
        reply = self._reply_once(effect.request, FailureKind.UNAVAILABLE)
        received = self._on_receipt(effect)
        instance = self.instance
        self.up_link.send(
            lambda: self.cloud.ingest(
                body,
                request=effect.request,
                session=effect.session,
                instance=instance,
                reply=reply,
                received=received,
            )
        )
        if self.bug is Bug.TRIM_ON_SEND:
            self.disk.delete(effect.epoch, max(effect.seqs))

    def _through_air(self, body: bytes) -> bytes:
        """Flip a byte of the last payload now and then."""
        if not self.world.chance(0.03):
            return body
        at = len(body) - self.world.between(1, 8)
        return body[:at] + bytes([body[at] ^ (1 << self.world.between(0, 7))]) + body[at + 1 :]

    def _on_receipt(self, effect: SendBatches) -> Callable[[object], None]:
        def received(_: object) -> None:
            if self.bug is Bug.DELETE_ON_RECEIPT:
                self._delete(effect.epoch, max(effect.seqs))

        return received

    def _reply_once(self, request: int | None, otherwise: FailureKind) -> Callable[[object], None]:
        """Give the way back: the first answer counts, else the time-out."""
        life, waiting = self._life, [True]

        def arrive(item: object) -> None:
            if not waiting or life != self._life or not self.running:
                return
            waiting.clear()
            assert isinstance(item, Answered | Failed | SessionGranted)
            if isinstance(item, Failed) and item.kind is FailureKind.SUPERSEDED:
                item = self._superseded(item)
            self._later(lambda: self._tell(item))

        self.world.after(REQUEST_TIMEOUT_NS, lambda: arrive(Failed(request, otherwise)))
        return lambda item: self.down_link.send(lambda: arrive(item))

    def _superseded(self, item: Failed) -> Failed:
        own = any(file.epoch == item.superseded_by for file in self.disk.files)
        if not own:
            self.cloud.fenced.add(self.instance)
        if self.bug is Bug.SUPERSEDED_IGNORED:
            return Failed(item.request, item.kind, superseded_by=self.disk.files[-1].epoch)
        return item

    # the reserve -----------------------------------------------------------------------------------------------------

    def _release(self, effect: Release) -> None:
        durable = self.cloud.ever.get(effect.epoch, set())
        file = self.disk.file(effect.epoch)
        for seq in range(file.released + 1, effect.up_to + 1):
            if seq not in durable:
                raise Violation("released only when durable", f"seq {seq} of {effect.epoch[:8]}")
        file.released = max(file.released, effect.up_to)
        surplus = file.released - RESERVE_BATCHES
        if not self.keeps_all and surplus > file.trimmed:
            self._delete(effect.epoch, surplus)
            self._tell(Trimmed(effect.epoch, surplus))

    def _delete(self, epoch: str, up_to: int) -> None:
        self.disk.delete(epoch, up_to)

    @property
    def is_quiet(self) -> bool:
        """Say that nothing is left to do."""
        machine = self.machine
        return machine.state is State.STOPPED or (machine.pending == 0 and machine.in_flight == 0)


def _dictionary(epoch: str) -> bytes:
    return encode_frame(Frame(FrameKind.DICTIONARY, epoch, 0, 0, 1, b"{}"))
