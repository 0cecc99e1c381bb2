"""An OPC UA server with its subscription, a link that breaks, and a client that does what the recovery machine says."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from penstock.edge.opcua import recovery as r
from penstock.edge.opcua.sequence import SEQUENCE_LAST, following

MS = 1_000_000
STEP_NS = 50 * MS
TAGS = 4
QUEUE = 12
RETRANSMISSION = 6
LIFETIME_NS = 8_000 * MS
ON_TIME_MS, BEHIND_MS = 40, 1_500
"""By how much a server writes a value later than its source time: as a rule, and while it is starved."""
LATELY_NS = 3_000 * MS
"""A tag that was silent for longer is vouched for by what the server says."""
Value = tuple[int, int]
"""(tag, source time): unique."""


@dataclass
class Message:
    """One notification: its values, or none for a keep-alive."""

    sequence: int
    time_ns: int
    values: list[Value]
    overflowed: set[int]


@dataclass
class Character:
    """What kind of server this is."""

    transfers: bool
    republishes: bool
    pops_on_republish: bool
    forgets_sessions: bool


@dataclass
class Server:
    """Hold one subscription for a client that may be away; note what it could not keep."""

    chance: random.Random
    character: Character
    session: int = 0
    subscription: int = 0
    is_alive: bool = False
    owner: int = 0
    next_sequence: int = 1
    queues: dict[int, deque[Value]] = field(default_factory=dict)
    overflowed: set[int] = field(default_factory=set)
    unacknowledged: dict[int, Message] = field(default_factory=dict)
    present: dict[int, Value] = field(default_factory=dict)
    produced: set[Value] = field(default_factory=set)
    dropped: set[Value] = field(default_factory=set)
    heard_at: int = 0
    keep_alive_at: int = 0

    def change(self, tag: int, now_ns: int) -> None:
        value = (tag, now_ns)
        self.present[tag] = value
        if not self.subscription:
            return
        self.produced.add(value)
        if not self.is_alive:
            self.dropped.add(value)
            return
        queue = self.queues[tag]
        queue.append(value)
        if len(queue) > QUEUE:
            self.dropped.add(queue.popleft())
            self.overflowed.add(tag)

    def expire(self, now_ns: int) -> None:
        if self.is_alive and now_ns - self.heard_at > LIFETIME_NS:
            self.end()

    def end(self) -> None:
        self.is_alive = False
        for queue in self.queues.values():
            self.dropped.update(queue)
        for message in self.unacknowledged.values():
            self.dropped.update(message.values)
        self.queues, self.unacknowledged = {}, {}

    def subscribe(self, now_ns: int, first: int) -> None:
        self.end()
        self.subscription += 1
        self.is_alive, self.owner, self.next_sequence, self.heard_at = True, self.session, first, now_ns
        self.overflowed = set()
        self.queues = {tag: deque([self.present[tag]] if tag in self.present else []) for tag in range(TAGS)}

    def publish(self, now_ns: int) -> Message | None:
        self.heard_at = now_ns
        values = [value for queue in self.queues.values() for value in queue]
        if not values:
            if now_ns < self.keep_alive_at:
                return None
            self.keep_alive_at = now_ns + 500 * MS
            return Message(self.next_sequence, now_ns, [], set())
        for queue in self.queues.values():
            queue.clear()
        message = Message(self.next_sequence, now_ns, values, self.overflowed)
        self.overflowed = set()
        self.next_sequence = following(self.next_sequence)
        self.unacknowledged[message.sequence] = message
        while len(self.unacknowledged) > RETRANSMISSION:
            oldest = next(iter(self.unacknowledged))
            self.dropped.update(self.unacknowledged.pop(oldest).values)
        return message

    def republish(self, sequence: int) -> Message | None:
        if not self.character.republishes:
            kept = self.unacknowledged.get(sequence)
            self.dropped.update(kept.values if kept else [])
            return None
        if self.character.pops_on_republish:
            return self.unacknowledged.pop(sequence, None)
        return self.unacknowledged.get(sequence)


@dataclass
class Gap:
    """A marked stretch of one tag."""

    tag: int
    from_ns: int
    to_ns: int | None = None

    def covers(self, value: Value) -> bool:
        tag, time_ns = value
        return tag == self.tag and self.from_ns <= time_ns and (self.to_ns is None or time_ns <= self.to_ns)


class World:
    """Run a seed: chaos, then peace; `judge` says what broke the promise."""

    def __init__(self, seed: int, *, first_sequence: int = 1) -> None:
        self.chance = random.Random(seed)
        self.server = Server(self.chance, self._character(seed))
        self.first_sequence = first_sequence
        self.now_ns = 0
        self.is_up = True
        self.peace = False
        self.machine = r.Recovery(
            next_delay_ns=lambda: self.chance.randrange(50, 500) * MS,
            grace_ns=1_000 * MS,
            silence_ns=3_000 * MS,
        )
        self.bodies: dict[int, Message] = {}
        self.wire: deque[Message] = deque()
        self.acknowledge: list[int] = []
        self.delivered: list[Value] = []
        self.taken: list[tuple[int, int]] = []
        self.newest: dict[int, int] = {}
        self.newest_heard = 0
        self.gaps: list[Gap] = []
        self.last_marked: list[Gap] = []
        self.client_session = 0
        self.client_subscription = 0
        self.newest_announced = 0
        self.behind_ms = ON_TIME_MS
        self.faults: list[str] = []

    def _character(self, seed: int) -> Character:
        transfers, republishes, pops = (self.chance.random() < 0.6 for _ in range(3))
        return Character(transfers, republishes, pops, seed % 3 == 0)

    def run(self, *, chaos_steps: int = 800, peace_steps: int = 200) -> World:
        for step in range(chaos_steps + peace_steps):
            self.peace = step >= chaos_steps
            self.now_ns += STEP_NS
            self._disturb()
            self._write()
            if step == 3:
                self.server.change(TAGS - 1, self.now_ns)  # a tag that never changes again
            self._publish()
            deadline = self.machine.wake_at()
            if deadline is not None and deadline <= self.now_ns:
                self._perform(self.machine.on_wake(self.now_ns))
        if self.machine.state is not r.State.READING:
            self.faults.append(f"ended {self.machine.state}")
        self._go_for_good()
        return self

    def _write(self) -> None:
        """Change some values; a starved server is behind with them all, and makes up for it at once."""
        if self.chance.random() < 0.02:
            self.behind_ms = self.chance.choice((ON_TIME_MS, ON_TIME_MS, BEHIND_MS))
        for tag in range(TAGS - 1):
            if self.chance.random() < 0.25:
                _, before_ns = self.server.present.get(tag, (tag, 0))
                at_ns = self.now_ns - self.chance.randrange(1, self.behind_ms) * MS
                self.server.change(tag, max(at_ns, before_ns + MS))

    def _go_for_good(self) -> None:
        """End the server: whatever went before, the end must be marked."""
        self._tell(r.Lost("gone for good"))
        self.is_up = False
        for _ in range(60):
            self.now_ns += STEP_NS
            deadline = self.machine.wake_at()
            if deadline is not None and deadline <= self.now_ns:
                self._perform(self.machine.on_wake(self.now_ns))
        marked = {gap.tag for gap in self._open()}
        self.faults += [f"the end of tag {tag} is not marked" for tag in self.newest if tag not in marked]

    def _disturb(self) -> None:
        self.server.expire(self.now_ns)
        if self.peace:
            self.is_up = True
            return
        if self.is_up and self.chance.random() < 0.02:
            self._cut()
        elif not self.is_up and self.chance.random() < 0.06:
            self.is_up = True
        if self.chance.random() < 0.001:
            self.server.end()
        if not self.is_up and self.server.character.forgets_sessions and self.chance.random() < 0.05:
            self.server.session += 1

    def _cut(self) -> None:
        """The link breaks; what is on the wire is gone, and the client may not notice at once."""
        self.is_up = False
        self.wire.clear()
        if self.chance.random() < 0.7:
            self._tell(r.Lost("reset"))

    def _publish(self) -> None:
        if self.machine.state is not r.State.READING:
            return
        if not self.is_up:
            return
        if self.server.session != self.client_session:
            self._tell(r.Lost("BadSessionIdInvalid"))
            return
        if not self._has_subscription() or self.server.owner != self.client_session:
            self._tell(r.Ended("BadNoSubscription"))
            return
        for sequence in self.acknowledge:
            self.server.unacknowledged.pop(sequence, None)
        self.acknowledge = []
        message = self.server.publish(self.now_ns)
        if message is not None:
            self._send(message)
        while self.wire and self.machine.state is r.State.READING:
            self._receive(self.wire.popleft())

    def _send(self, message: Message) -> None:
        fate = 1.0 if self.peace else self.chance.random()
        if fate < 0.03:
            return  # lost without a break: a server that gave up on an answer
        if fate < 0.06:
            self.wire.append(message)
        if fate < 0.1 and self.wire:
            self.wire.insert(0, message)
        else:
            self.wire.append(message)
        if fate < 0.12:
            later = self.server.publish(self.now_ns)
            if later is not None:
                self.wire.appendleft(later)

    def _receive(self, message: Message) -> None:
        if message.values:
            self.bodies.setdefault(message.sequence, message)
        else:
            self.newest_announced = message.time_ns
        self._tell(r.Answered(message.sequence, keep_alive=not message.values))

    def _tell(self, item: r.Input) -> None:
        self._perform(self.machine.on_input(item, self.now_ns))

    def _perform(self, effects: list[r.Effect]) -> None:
        for effect in effects:
            if not self._perform_here(effect):
                self._ask(effect)

    def _perform_here(self, effect: r.Effect) -> bool:
        """Do what needs no server; False where it needs one."""
        match effect:
            case r.Deliver(sequence):
                self._deliver(sequence)
            case r.Discard(sequence):
                self.bodies.pop(sequence, None)
                self.acknowledge.append(sequence)
            case r.Heard():
                self.newest_heard = max(self.newest_heard, self.newest_announced - 40 * MS)
            case r.MarkGap():
                self._mark()
            case r.Continued():
                for gap in self.last_marked:
                    gap.to_ns = gap.from_ns + 1 if gap.to_ns is None else gap.to_ns
            case r.Ready():
                self.acknowledge = []
            case r.CloseChannel():
                self.wire.clear()
            case _:
                return False
        return True

    def _ask(self, effect: r.Effect) -> None:
        """Ask the server; the link may break before, or after and before the answer."""
        if not self.is_up or self._breaks():
            self._tell(r.Lost("not up"))
            return
        answer = self._republish(effect.sequence) if isinstance(effect, r.Republish) else self._step(effect)
        if self._breaks():
            self._lose(effect)
            answer = r.Lost("broke before the answer")
        if isinstance(effect, r.Subscribe) and isinstance(answer, r.Succeeded):
            self.client_subscription = self.server.subscription
        if isinstance(effect, r.ReadPresent) and isinstance(answer, r.Succeeded):
            self._take_values(list(self.server.present.values()), set())
            for gap in self._open():
                gap.to_ns = self.now_ns
        self._tell(answer)
        if isinstance(effect, r.Subscribe) and isinstance(answer, r.Succeeded):
            self.machine.sequence.expected = self.first_sequence

    def _step(self, effect: r.Effect) -> r.Input:
        server = self.server
        match effect:
            case r.ActivateSession() if server.session != self.client_session:
                return r.Refused("BadSessionIdInvalid")
            case r.Subscribe() if server.session != self.client_session:
                return r.Refused("BadSessionIdInvalid")
            case r.CreateSession():
                server.session += 1
                self.client_session = server.session
            case r.TransferSubscription():
                if not (server.character.transfers and self._has_subscription()):
                    return r.Refused("BadServiceUnsupported")
                server.owner = self.client_session
            case r.Subscribe():
                self.bodies, self.acknowledge = {}, []
                server.subscribe(self.now_ns, self.first_sequence)
        return r.Succeeded()

    def _republish(self, sequence: int) -> r.Input:
        if not self._has_subscription():
            return r.Ended("BadSubscriptionIdInvalid")
        message = self.server.republish(sequence)
        if message is None:
            return r.Unavailable(sequence)
        self.bodies.setdefault(sequence, message)
        return r.Republished(sequence)

    def _has_subscription(self) -> bool:
        return self.server.is_alive and self.server.subscription == self.client_subscription

    def _lose(self, effect: r.Effect) -> None:
        """What the server gave away with an answer that did not arrive is lost to it."""
        if isinstance(effect, r.Republish) and self.server.character.pops_on_republish:
            message = self.bodies.pop(effect.sequence, None)
            if message is not None and effect.sequence not in self.server.unacknowledged:
                self.server.dropped.update(message.values)

    def _breaks(self) -> bool:
        if self.peace or self.chance.random() > 0.02:
            return False
        self.is_up = False
        self.wire.clear()
        return True

    def _deliver(self, sequence: int) -> None:
        message = self.bodies.pop(sequence)
        if (self.server.subscription, sequence) in self.taken:
            self.faults.append(f"notification {sequence} was delivered twice")
        self.taken.append((self.server.subscription, sequence))
        self._take_values(message.values, message.overflowed)
        self.acknowledge.append(sequence)

    def _take_values(self, values: list[Value], overflowed: set[int]) -> None:
        for tag, time_ns in values:
            if tag in overflowed and tag in self.newest:
                self.gaps.append(Gap(tag, self.newest[tag], time_ns))
                overflowed = overflowed - {tag}
            self.delivered.append((tag, time_ns))
            self.newest[tag] = max(self.newest.get(tag, 0), time_ns)
            for gap in self._open():
                if gap.tag == tag and time_ns > gap.from_ns:
                    gap.to_ns = time_ns

    def _mark(self) -> None:
        known = {gap.tag for gap in self._open()}
        device_ns = max(self.newest_heard, *self.newest.values(), 0)
        self.last_marked = [
            Gap(tag, (newest_ns if device_ns - newest_ns <= LATELY_NS else device_ns) + 1)
            for tag, newest_ns in self.newest.items()
            if tag not in known
        ]
        self.gaps += self.last_marked

    def _open(self) -> list[Gap]:
        return [gap for gap in self.gaps if gap.to_ns is None]

    def judge(self) -> list[str]:
        """Every value the server held is there; what it could not hold lies in a marked gap.

        Before its first value of all a tag has no stretch that could be marked.
        """
        there = set(self.delivered)
        first = {tag: min(time_ns for of, time_ns in there if of == tag) for tag in self.newest}
        absent = {value for value in self.server.produced - there if value[1] > first[value[0]]}
        waiting = {value for queue in self.server.queues.values() for value in queue}
        faults = list(self.faults)
        faults += [f"{value} was held and is not there" for value in absent - self.server.dropped - waiting]
        faults += [
            f"{value} was lost and is not marked"
            for value in absent - waiting
            if not any(g.covers(value) for g in self.gaps)
        ]
        return faults


ROLLS_OVER = SEQUENCE_LAST - 40
