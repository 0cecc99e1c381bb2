"""What to do next when an OPC UA link breaks or a notification is missing. Pure: no I/O, time is a parameter.

A subscription outlives its connection (OPC 10000-4 6.7): a server keeps it, its queues and the notifications that were
not acknowledged. So a broken link is first opened again under the same session; where the server forgot the session,
the subscription is transferred to a new one (5.14.7); what was on the way is asked for again (Republish, 5.14.6),
number by number until the server has no more. Only where the subscription is gone, a fresh one is made, and what lies
between is marked as a gap, to be fetched from the server's history (refill.py).

A break is marked as a gap when it lasts longer than `grace_ns`: a short one that loses nothing leaves no trace. When
the subscription goes on and its first notification proves that nothing is missing, the mark is taken back (Continued).
A notification that the server has no more is marked at once (MarkGap), and the present values are read, so that the
mark ends on tags that do not change (ReadPresent).

    WAITING ──retry──▶ OPENING ──▶ ACTIVATING ──refused──▶ CREATING ──▶ TRANSFERRING ──refused──▶ SUBSCRIBING
                                       │                       │ (no subscription)  │                   │
                                       └────────▶ REPUBLISHING ◀────────────────────┘                   │
                                                       └──────────────▶ READING ◀───────────────────────┘
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from penstock.edge.opcua.sequence import Sequence, ahead

REPUBLISH_MAX = 10_000
"""Notifications asked for again after one break: more than a server keeps; a server that never ends has an end here."""


class State(StrEnum):
    """Name what the shell is doing for the machine."""

    WAITING = "waiting"
    OPENING = "opening"
    ACTIVATING = "activating"
    CREATING = "creating"
    TRANSFERRING = "transferring"
    SUBSCRIBING = "subscribing"
    REPUBLISHING = "republishing"
    READING = "reading"


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The step that was asked for is done."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The server answered, and said no."""

    why: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The channel is broken, or was never there."""

    why: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A publish answer came; a keep-alive carries the number that comes next."""

    sequence: int
    keep_alive: bool = False


@dataclass(frozen=True, slots=True)
class Republished:
    """The server sent a notification again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The server does not have that notification (any more, or yet)."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The server ended the subscription; the session stands."""

    why: str


@dataclass(frozen=True, slots=True)
class Asking:
    """The shell waits for the server from now on: what kept it busy does not count as the server's silence."""


Input = Succeeded | Refused | Lost | Answered | Republished | Unavailable | Ended | Asking


@dataclass(frozen=True, slots=True)
class OpenChannel:
    """Connect and open a secure channel."""


@dataclass(frozen=True, slots=True)
class ActivateSession:
    """Activate the session that was, on the new channel."""


@dataclass(frozen=True, slots=True)
class CreateSession:
    """Make and activate a new session."""


@dataclass(frozen=True, slots=True)
class TransferSubscription:
    """Take the subscription over into the new session."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Make a fresh subscription with its items; forget what was held of the old one."""


@dataclass(frozen=True, slots=True)
class Republish:
    """Ask for a notification again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand on the held notification, and acknowledge it once it is journalled."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Forget the body of a notification that came before; acknowledge it again."""

    sequence: int


@dataclass(frozen=True, slots=True)
class Heard:
    """The keep-alive is in order: nothing changed up to its time."""


@dataclass(frozen=True, slots=True)
class MarkGap:
    """Mark every tag as without communication."""

    cause: str


@dataclass(frozen=True, slots=True)
class Continued:
    """Take back what the last MarkGap opened (and no older one): nothing was lost since."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Values can flow again; `fresh`: by a new subscription."""

    fresh: bool


@dataclass(frozen=True, slots=True)
class ReadPresent:
    """Read the present value of every item."""


@dataclass(frozen=True, slots=True)
class CloseChannel:
    """Drop the connection, without a goodbye to the session."""

    why: str


Effect = (
    OpenChannel | ActivateSession | CreateSession | TransferSubscription | Subscribe | Republish | Deliver | Discard
    | Heard | MarkGap | Continued | Ready | ReadPresent | CloseChannel
)  # fmt: skip


class UnexpectedInput(Exception):
    """Say that the shell told something that cannot be in this state."""


@dataclass(slots=True)
class Counts:
    """Count what recovery did since start."""

    breaks: int = 0
    resumed: int = 0
    transferred: int = 0
    subscribed: int = 0
    republished: int = 0
    lost: int = 0
    """Notifications that the server had no more."""
    repeated: int = 0
    silences: int = 0


@dataclass(slots=True)
class Recovery:
    """Decide the next step; `on_input`, `on_wake` give effects, `wake_at` the one next deadline."""

    next_delay_ns: Callable[[], int]
    grace_ns: int
    silence_ns: int
    """A server that answers no publish request for so long is taken for dead; set to what it granted."""
    state: State = State.WAITING
    counts: Counts = field(default_factory=Counts)
    sequence: Sequence = field(default_factory=Sequence)
    _has_session: bool = False
    _has_subscription: bool = False
    _marked: bool = False
    _unproven: bool = False
    _is_hole_open: bool = False
    _cause: str = ""
    _retry_at: int | None = 0
    _mark_at: int | None = None
    _silent_at: int | None = None
    _asked_again: int = 0

    def wake_at(self) -> int | None:
        """Give the next deadline: a new try, the mark of a break, the server's silence."""
        return min((at for at in (self._retry_at, self._mark_at, self._silent_at) if at is not None), default=None)

    def on_wake(self, now_ns: int) -> list[Effect]:
        """Do what is due."""
        effects: list[Effect] = []
        if self._silent_at is not None and now_ns >= self._silent_at:
            self.counts.silences += 1
            why = f"no publish answer within {self.silence_ns / 1e9:g} s"
            effects += [CloseChannel(why), *self._on_lost(Lost(why), now_ns)]
        if self._mark_at is not None and now_ns >= self._mark_at:
            effects += self._mark(self._cause)
        if self._retry_at is not None and now_ns >= self._retry_at:
            self._retry_at = None
            self.state = State.OPENING
            effects.append(OpenChannel())
        return effects

    def on_input(self, item: Input, now_ns: int) -> list[Effect]:
        """Take what happened; UnexpectedInput where it cannot happen in this state."""
        if isinstance(item, Lost):
            return self._on_lost(item, now_ns)
        handler = _TABLE.get((self.state, type(item)))
        if handler is None:
            message = f"{type(item).__name__} while {self.state}"
            raise UnexpectedInput(message)
        return handler(self, item, now_ns)

    def _on_lost(self, item: Lost, now_ns: int) -> list[Effect]:
        if self.state is State.WAITING:
            return []
        self.counts.breaks += self.state is State.READING
        self._unproven = True  # also amid republishing, which may have proved the break before whole
        self.state = State.WAITING
        self._silent_at = None
        self._retry_at = now_ns + self.next_delay_ns()
        if self._has_subscription and not self._marked and self._mark_at is None:
            self._cause = item.why
            self._mark_at = now_ns + self.grace_ns
        return []

    def _on_opened(self, _item: Input, _now_ns: int) -> list[Effect]:
        if self._has_session:
            self.state = State.ACTIVATING
            return [ActivateSession()]
        return self._create()

    def _on_activated(self, _item: Input, _now_ns: int) -> list[Effect]:
        return self._ask_again() if self._has_subscription else self._subscribe("")

    def _create(self) -> list[Effect]:
        self._has_session = False
        self.state = State.CREATING
        return [CreateSession()]

    def _on_forgotten(self, _item: Input, _now_ns: int) -> list[Effect]:
        return self._create()

    def _on_created(self, _item: Input, _now_ns: int) -> list[Effect]:
        self._has_session = True
        if not self._has_subscription:
            return self._subscribe("")
        self.state = State.TRANSFERRING
        return [TransferSubscription()]

    def _on_transferred(self, _item: Input, _now_ns: int) -> list[Effect]:
        self.counts.transferred += 1
        return self._ask_again()

    def _ask_again(self) -> list[Effect]:
        self.state = State.REPUBLISHING
        self._asked_again = 0
        return [Republish(self.sequence.expected)]

    def _on_untransferable(self, item: Input, _now_ns: int) -> list[Effect]:
        assert isinstance(item, Refused)
        return self._subscribe(item.why)

    def _subscribe(self, why: str) -> list[Effect]:
        marks = self._mark(self._cause or why) if self._has_subscription else []
        self.state = State.SUBSCRIBING
        self._silent_at = None
        return [*marks, Subscribe()]

    def _on_subscribed(self, _item: Input, now_ns: int) -> list[Effect]:
        self.counts.subscribed += 1
        self.sequence = Sequence()
        self._has_subscription = True
        self._settle(now_ns)
        return [Ready(fresh=True)]

    def _settle(self, now_ns: int) -> None:
        """Begin to read with nothing left open."""
        self.state = State.READING
        self._marked, self._unproven, self._is_hole_open = False, False, False
        self._mark_at, self._cause = None, ""
        self._silent_at = now_ns + self.silence_ns

    def _on_refused_step(self, item: Input, now_ns: int) -> list[Effect]:
        """Begin from the first step: a new channel, a new session."""
        assert isinstance(item, Refused)
        self._has_session = False
        return [CloseChannel(item.why), *self._on_lost(Lost(item.why), now_ns)]

    def _on_republished(self, item: Input, now_ns: int) -> list[Effect]:
        assert isinstance(item, Republished)
        self.counts.republished += 1
        self._asked_again += 1
        effects = self._arrive(item.sequence)
        if self.state is State.REPUBLISHING:
            if self._asked_again >= REPUBLISH_MAX:
                return [*effects, *self._resume(now_ns)]
            return [*effects, Republish(self.sequence.expected)]
        return [*effects, *self._next_missing()]

    def _on_no_more(self, _item: Input, now_ns: int) -> list[Effect]:
        """All that was sent before the break is here, or the next answer will show what is gone."""
        return self._resume(now_ns)

    def _resume(self, now_ns: int) -> list[Effect]:
        self.counts.resumed += 1
        self.state = State.READING
        self._silent_at = now_ns + self.silence_ns
        if not self._marked:
            self._mark_at = None
        return [Ready(fresh=False)]

    def _on_answered(self, item: Input, now_ns: int) -> list[Effect]:
        assert isinstance(item, Answered)
        self._silent_at = now_ns + self.silence_ns
        if item.keep_alive:
            if ahead(item.sequence, self.sequence.expected) > REPUBLISH_MAX:
                return self._subscribe(f"a keep-alive announced {item.sequence} out of all order")
            if self.sequence.announce(item.sequence):
                return [*self._prove(), Heard(), *self._close_hole()]
            return self._next_missing()
        if ahead(item.sequence, self.sequence.expected) > REPUBLISH_MAX:
            return [Discard(item.sequence), *self._subscribe(f"notification {item.sequence} came out of all order")]
        if self.sequence.is_known(item.sequence):
            self.counts.repeated += 1
            return [Discard(item.sequence)]
        return [*self._arrive(item.sequence), *self._next_missing()]

    def _arrive(self, sequence: int) -> list[Effect]:
        if self.sequence.is_known(sequence):
            return [Discard(sequence)]
        delivered = [Deliver(number) for number in self.sequence.take(sequence)]
        if not delivered:
            return []
        proved = self._prove()
        self._marked = False  # what is delivered ends the mark on its tags: the next break needs a new one
        return [*proved, *delivered]

    def _prove(self) -> list[Effect]:
        """Nothing was lost over the break: take its mark back."""
        if not self._unproven or self._is_hole_open:
            return []
        self._unproven = False
        self._mark_at, self._cause = None, ""
        if not self._marked:
            return []
        self._marked = False
        return [Continued()]

    def _next_missing(self) -> list[Effect]:
        missing = self.sequence.missing
        if missing is None:
            return self._close_hole()
        if self.sequence.is_crowded:
            return self._go_past()
        return [Republish(missing)]

    def _on_unavailable(self, item: Input, _now_ns: int) -> list[Effect]:
        assert isinstance(item, Unavailable)
        if self.sequence.missing != item.sequence:
            return self._next_missing()
        return self._go_past()

    def _go_past(self) -> list[Effect]:
        lost = self.sequence.expected
        self.counts.lost += 1
        self._is_hole_open = True
        marks = self._mark(self._cause or f"notification {lost} is lost")
        self._unproven = False
        delivered = [Deliver(number) for number in self.sequence.give_up()]
        self._marked = not delivered  # as in _arrive
        return [*marks, *delivered, *self._next_missing()]

    def _close_hole(self) -> list[Effect]:
        return [ReadPresent()] if self._is_hole_open else []

    def _on_present_read(self, _item: Input, _now_ns: int) -> list[Effect]:
        """Every mark has its end: only now may a later one be taken back."""
        self._is_hole_open, self._marked, self._unproven = False, False, False
        self._mark_at, self._cause = None, ""
        return []

    def _mark(self, cause: str) -> list[Effect]:
        self._mark_at = None
        if self._marked:
            return []
        self._marked = True
        return [MarkGap(cause)]

    def _on_ended(self, item: Input, _now_ns: int) -> list[Effect]:
        assert isinstance(item, Ended)
        return self._subscribe(item.why)

    def _on_asking(self, _item: Input, now_ns: int) -> list[Effect]:
        self._silent_at = now_ns + self.silence_ns
        return []


_TABLE: dict[tuple[State, type[Input]], Callable[[Recovery, Input, int], list[Effect]]] = {
    (State.OPENING, Succeeded): Recovery._on_opened,
    (State.OPENING, Refused): Recovery._on_refused_step,
    (State.ACTIVATING, Succeeded): Recovery._on_activated,
    (State.ACTIVATING, Refused): Recovery._on_forgotten,
    (State.CREATING, Succeeded): Recovery._on_created,
    (State.CREATING, Refused): Recovery._on_refused_step,
    (State.TRANSFERRING, Succeeded): Recovery._on_transferred,
    (State.TRANSFERRING, Refused): Recovery._on_untransferable,
    (State.SUBSCRIBING, Succeeded): Recovery._on_subscribed,
    (State.SUBSCRIBING, Refused): Recovery._on_refused_step,
    (State.REPUBLISHING, Republished): Recovery._on_republished,
    (State.REPUBLISHING, Unavailable): Recovery._on_no_more,
    (State.REPUBLISHING, Ended): Recovery._on_ended,
    (State.READING, Answered): Recovery._on_answered,
    (State.READING, Republished): Recovery._on_republished,
    (State.READING, Unavailable): Recovery._on_unavailable,
    (State.READING, Ended): Recovery._on_ended,
    (State.READING, Succeeded): Recovery._on_present_read,
    (State.READING, Refused): Recovery._on_refused_step,
    (State.READING, Asking): Recovery._on_asking,
}
"""What may happen when; Lost may happen always."""
