"""One run: a minute of chaos, then heal, drain, judge. The same seed gives the same run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from penstock.core.alarm import LimitAlarm, Transition
from tests.sim.bugs import Bug
from tests.sim.cloud import RULE, Cloud, Store, as_alarm_sample
from tests.sim.edge_box import Device, EdgeBox
from tests.sim.journal import Disk
from tests.sim.samples import Sample, make_sample
from tests.sim.world import CHAOS_NS, DRAIN_NS, MS, S, Violation, World


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold the figures of a run that passed."""

    seed: int
    events: int
    event_hash: str
    must_arrive: int
    stored: int
    transitions: int


class Campaign:
    """Set the scene, disturb it, judge it."""

    def __init__(self, seed: int, bug: Bug = Bug.NONE) -> None:
        self.world = World(seed)
        self.bug = bug
        self.scenario = ("plain", "platform restored", "gateway restored", "cloned")[seed % 4]
        self.cloud = Cloud(self.world, bug)
        self.device = Device(self.world)
        self.disk = Disk()
        self.boxes = [self._box(self.disk)]
        self._platform_backup: Store | None = None
        self._disk_image: Disk | None = None

    def _box(self, disk: Disk) -> EdgeBox:
        keeps_all = self.scenario == "platform restored"
        return EdgeBox(self.world, self.cloud, self.device, disk, bug=self.bug, keeps_all=keeps_all)

    @property
    def box(self) -> EdgeBox:
        """Give the box that has the device."""
        return self.boxes[-1]

    def run(self) -> Verdict:
        world = self.world
        self.box.start()
        self._feed()
        self._plan()
        world.run(CHAOS_NS)
        self._heal()
        world.run(CHAOS_NS + DRAIN_NS)
        return self._judge()

    def _feed(self) -> None:
        if self.world.now_ns < CHAOS_NS:
            self.box.feed()
            self.world.after(self.world.between(20, 250) * MS, self._feed)

    # chaos -----------------------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        faults = (self._kill_gateway, self._cut_gateway, self._kill_platform, self._part, self._stop_gateway)
        at = 0
        while True:
            at += self.world.between(1, 7) * S
            if at >= CHAOS_NS:
                break
            self.world.after(at + self.world.between(0, 999) * MS, self.world.random.choice(faults))
        middle = self.world.between(10, 30) * S
        later = middle + self.world.between(3, 20) * S
        match self.scenario:
            case "platform restored":
                self.world.after(middle, self._back_up_platform)
                self.world.after(later, self._restore_platform)
            case "gateway restored":
                self.world.after(middle, self._image_disk)
                self.world.after(later, self._restore_gateway)
            case "cloned":
                self.world.after(later, self._clone)

    def _kill_gateway(self) -> None:
        box = self.box
        box.kill()
        self.world.after(self.world.between(10, 4000) * MS, box.start)

    def _cut_gateway(self) -> None:
        box = self.box
        box.cut_power()
        self.world.after(self.world.between(10, 4000) * MS, box.start)

    def _kill_platform(self) -> None:
        self.cloud.kill()
        self.world.after(self.world.between(10, 5000) * MS, self.cloud.start)

    def _part(self) -> None:
        box = self.box
        for link in self.world.random.choice(([box.up_link], [box.down_link], [box.up_link, box.down_link])):
            link.parted = True
        self.world.after(self.world.between(100, 9000) * MS, lambda: self._join(box))

    def _join(self, box: EdgeBox) -> None:
        box.up_link.parted = box.down_link.parted = False

    def _stop_gateway(self) -> None:
        """SIGSTOP: time goes on without it."""
        self.box.paused_until_ns = self.world.now_ns + self.world.between(100, 12_000) * MS

    def _back_up_platform(self) -> None:
        self._platform_backup = self.cloud.backup()

    def _restore_platform(self) -> None:
        assert self._platform_backup is not None
        self.cloud.restore(self._platform_backup)

    def _image_disk(self) -> None:
        self._disk_image = self.box.disk.image()

    def _restore_gateway(self) -> None:
        """Put the old image back; what only the lost disk had is nobody's promise any more."""
        assert self._disk_image is not None
        box = self.box
        box.kill()
        gone = box.disk.samples() - self._disk_image.samples() - self.cloud.store.known
        self.device.journalled -= gone
        box.disk = self.disk = self._disk_image
        self.world.note("gateway restored", len(gone))
        box.start()

    def _clone(self) -> None:
        """Boot a copy of the machine's disk beside it; the device turns to the copy."""
        old = self.box
        twin = self._box(old.disk.image())
        old.retire()
        self.boxes.append(twin)
        self.world.note("gateway cloned")
        twin.start()

    # heal and judge --------------------------------------------------------------------------------------------------

    def _call_operator(self) -> None:
        """Do what the alarm asks for when two boxes fought: switch the old one off, start the stopped one again."""
        for box in self.boxes[:-1]:
            box.kill()
        if self.box.stops:
            self.box.stops.clear()
            self.box.kill()
            self.box.start()

    def _heal(self) -> None:
        self.world.healed = True
        self.cloud.start()
        for box in self.boxes:
            self._join(box)
            box.paused_until_ns = 0
            box.start()
        if self.scenario == "cloned":
            self.world.after(20 * S, self._call_operator)

    def _judge(self) -> Verdict:
        store = self.cloud.store
        counted = Counter(stored.sample for stored in store.rows)
        lost = self.device.journalled - counted.keys()
        if lost:
            raise Violation("nothing lost", f"{len(lost)} of {len(self.device.journalled)} journalled samples")
        doubled = [sample for sample, times in counted.items() if times > 1]
        if doubled:
            raise Violation("exactly once", f"{len(doubled)} samples stored more than once")
        phantoms = [sample for sample in counted if not self._was_published(sample)]
        if phantoms:
            raise Violation("intact", f"{len(phantoms)} stored samples differ from all that was published")
        if not all(box.is_quiet for box in self.boxes if box.running):
            raise Violation("the end is quiet", "batches are pending long after the world has healed")
        if self.box.stops:
            raise Violation("the end is quiet", f"the newest gateway stopped: {self.box.stops}")
        replayed = self._replayed()
        if replayed != store.transitions:
            raise Violation("alarms equal a replay", f"{len(store.transitions)} live, {len(replayed)} replayed")
        return Verdict(
            seed=self.world.seed,
            events=self.world.events,
            event_hash=self.world.event_hash,
            must_arrive=len(self.device.journalled),
            stored=len(store.rows),
            transitions=len(replayed),
        )

    def _was_published(self, sample: Sample) -> bool:
        number = sample.time_ns // (20 * MS)
        return 0 < number <= self.device.published and make_sample(number) == sample

    def _replayed(self) -> list[Transition]:
        machine = LimitAlarm(RULE, "pump")
        return [moved for stored in self.cloud.store.rows for moved in machine.on_input(as_alarm_sample(stored), 0)]


def caught(seed: int, bug: Bug) -> str | None:
    """Give the oracle that catches the bug with this seed; a crash of the machine counts as caught, by its assert."""
    try:
        Campaign(seed, bug).run()
    except Violation as violation:
        return violation.oracle
    except AssertionError:
        return "assert"
    return None
