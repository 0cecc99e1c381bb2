"""The uplink machine: brings what the journal holds to the historian, once, and releases it only when it is there.

Theory of operation
-------------------
The shell journals batches and syncs them; then, and only then, it says `Synced`. The machine opens a session, sends
batches within a bounded window, and releases a batch when the platform has stated it committed: by the contiguous
*watermark* of its epoch, or among the seqs *above* it. Nothing else releases: not a send, not a PUBACK, not a timeout.

Each epoch of the journal is a *lane*. A lane knows its head (synced), its floor (everything up to it is committed, or
was trimmed from the journal), and the committed seqs above the floor. What lies between floor and head, is not above
and not in flight, is to be sent: so a lost, repeated or reordered answer costs a repeat and nothing else. Lanes drain
oldest first. `Synced` and answers only add knowledge; it is taken back in one place, when a session is granted: there
the platform's word replaces the lane's. It may be lower (the platform was restored: rewind from the reserve), or higher
than the journal can explain (the gateway was restored: a new epoch; what was journalled in the old one since the start
is sent even so, each batch by its own answer, and the platform quarantines a conflict: nothing vanishes silently).
The shell avoids even that by a fresh epoch at each start.

That the platform went back while a session lasts shows in an answer whose commit position, or whose watermark, is below
one that was known when its request left: the machine then opens a new session. A failed request only gives its batches
back, and a pause: exponential with jitter, or what Retry-After says. A session superseded by another gateway stops the
machine for good: a zombie must not fight. One superseded by a delayed request of its own (it names one of our epochs)
is opened again, and so is one that the platform never granted (it was restored).

| state    | journal's word (Synced, Trimmed, DictionaryChanged, EpochOpened) | SessionGranted | Answered | Failed     |
|----------|------------------------------------------------------------------|----------------|----------|------------|
| offline  | noted                                                            | late           | late     | late       |
| opening  | noted                                                            | online, or     | late     | offline,   |
|          |                                                                  | renewing       |          | or stopped |
| online   | noted, sends                                                     | late           | releases | gives back |
|          |                                                                  |                | or opens | or stopped |
| renewing | noted; EpochOpened: opening                                      | late           | late     | late       |
| stopped  | noted                                                            | late           | late     | late       |

*late*: an answer to a question no longer asked; ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from penstock.core.lane import Lane
from penstock.core.uplink_events import (
    Answered,
    DictionaryChanged,
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
    Stop,
    Synced,
    Trimmed,
    Watermark,
)

__all__ = [
    "Answered",
    "DictionaryChanged",
    "Effect",
    "EpochOpened",
    "Failed",
    "FailureKind",
    "Input",
    "JournalEpoch",
    "OpenEpoch",
    "OpenSession",
    "Release",
    "RenewToken",
    "RewindTo",
    "SendBatches",
    "SessionGranted",
    "State",
    "Stop",
    "Synced",
    "Trimmed",
    "Uplink",
    "UplinkSettings",
    "Watermark",
]


@dataclass(frozen=True, slots=True)
class UplinkSettings:
    """Bound the window and the pauses."""

    requests_in_flight_max: int = 2
    """Two keep a link busy while the platform commits; more only reorder."""
    batches_per_request_max: int = 64
    backoff_first_ms: int = 500
    backoff_max_ms: int = 60_000
    retry_after_max_ms: int = 600_000
    """A Retry-After beyond ten minutes is a platform's mistake."""


class State(StrEnum):
    """Name the states of the table above."""

    OFFLINE = "offline"
    OPENING = "opening"
    ONLINE = "online"
    RENEWING = "renewing"
    STOPPED = "stopped"


@dataclass(slots=True)
class _Flight:
    lane: Lane
    seqs: tuple[int, ...]
    with_dictionary: bool
    watermark_known: int
    position_known: int


@dataclass(slots=True)
class _Pause:
    """Count failures in a row and compute the next pause."""

    settings: UplinkSettings
    random: Callable[[], float]
    failures: int = 0
    until_ns: int | None = None

    def begin(self, now_ns: int, retry_after_ms: int | None = None) -> None:
        if retry_after_ms is not None:
            delay_ms = float(min(retry_after_ms, self.settings.retry_after_max_ms))
            delay_ms += self.random() * self.settings.backoff_first_ms
        else:
            top = min(self.settings.backoff_first_ms * 2 ** min(self.failures, 30), self.settings.backoff_max_ms)
            delay_ms = top * (0.5 + 0.5 * self.random())
        self.failures += 1
        self.until_ns = max(self.until_ns or 0, now_ns + round(delay_ms * 1_000_000))

    def end(self) -> None:
        """Begin small again; a Retry-After that another request brought still holds."""
        self.failures = 0


@dataclass(slots=True)
class Uplink:
    """Decide what is sent and what is released; `now_ns` is monotonic, `random` gives floats in [0, 1)."""

    settings: UplinkSettings
    random: Callable[[], float]
    epochs: Sequence[JournalEpoch]
    """What the journal holds at the start, oldest first; the last is the one it appends to."""
    state: State = field(init=False, default=State.OFFLINE)
    session: int | None = field(init=False, default=None)
    _lanes: list[Lane] = field(init=False)
    _flights: dict[int, _Flight] = field(init=False, default_factory=dict)
    _pause: _Pause = field(init=False)
    _batch_limit: int = field(init=False)
    _next_request: int = field(init=False, default=1)
    _granted_before: bool = field(init=False, default=False)
    _position: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        assert self.epochs, "a journal has at least its current epoch"
        self._lanes = [Lane(e.epoch, e.head, floor=max(e.released, e.trimmed), trimmed=e.trimmed) for e in self.epochs]
        self._pause = _Pause(self.settings, self.random)
        self._batch_limit = self.settings.batches_per_request_max

    @property
    def pending(self) -> int:
        """Count batches journalled and not known to be committed."""
        return sum(lane.pending for lane in self._lanes)

    @property
    def in_flight(self) -> int:
        """Count requests without an answer."""
        return len(self._flights)

    @property
    def failures(self) -> int:
        """Count failures in a row."""
        return self._pause.failures

    def on_input(self, item: Input, now_ns: int) -> list[Effect]:
        """Take what happened; give effects, to be performed in their order."""
        handler = _TABLE[self.state, type(item)]
        effects: list[Effect] = handler(self, item, now_ns)
        return effects

    def wake_at(self) -> int | None:
        """Give the next deadline; None while only an input can change anything."""
        match self.state:
            case State.OFFLINE:
                return self._pause.until_ns or 0
            case State.ONLINE if self._pause.until_ns is not None and any(lane.to_send(1) for lane in self._lanes):
                return self._pause.until_ns
            case _:
                return None

    def on_wake(self, now_ns: int) -> list[Effect]:
        """Begin, or go on after a pause; harmless when called early."""
        if self._pause.until_ns is not None and now_ns < self._pause.until_ns:
            return []
        self._pause.until_ns = None
        match self.state:
            case State.OFFLINE:
                return self._open()
            case State.ONLINE:
                return self._send(now_ns)
            case _:
                return []

    # what happened ---------------------------------------------------------------------------------------------------

    def _note_synced(self, item: Synced, now_ns: int) -> list[Effect]:
        lane = self._lane(item.epoch)
        lane.head = max(lane.head, item.seq)
        return self._send(now_ns)

    def _note_trimmed(self, item: Trimmed, now_ns: int) -> list[Effect]:
        lane = next((lane for lane in self._lanes if lane.epoch == item.epoch), None)
        if lane is None:  # was trimmed away whole before
            return []
        lane.trim(item.seq)
        if lane is not self._lanes[-1] and lane.trimmed >= lane.head:
            self._lanes.remove(lane)
            self._flights = {request: flight for request, flight in self._flights.items() if flight.lane is not lane}
        return self._send(now_ns)

    def _note_dictionary(self, item: DictionaryChanged, now_ns: int) -> list[Effect]:
        self._lane(item.epoch).dictionary_known = False
        return self._send(now_ns)

    def _add_lane(self, item: EpochOpened, now_ns: int) -> list[Effect]:
        assert all(lane.epoch != item.epoch for lane in self._lanes), f"epoch {item.epoch} was opened before"
        self._lanes.append(Lane(item.epoch, 0))
        return self._send(now_ns)

    def _renewed(self, item: EpochOpened, now_ns: int) -> list[Effect]:
        self._add_lane(item, now_ns)
        return self._open()

    def _granted(self, item: SessionGranted, now_ns: int) -> list[Effect]:
        self.session, self._position = item.session, item.position
        self._pause.end()
        effects: list[Effect] = []
        for lane in self._lanes:
            word = item.watermarks.get(lane.epoch, Watermark())
            trusted = lane.head if self._granted_before and not lane.suspect else lane.head_at_start
            lane.suspect = lane.suspect or max(word.watermark, *word.above, 0) > trusted
            if lane.accept(min(word.watermark, trusted), [seq for seq in word.above if seq <= trusted]):
                effects.append(RewindTo(lane.epoch, lane.floor))
            elif lane.floor:
                effects.append(Release(lane.epoch, lane.floor))
        self._granted_before = True
        current = self._lanes[-1]
        if current.suspect:
            self.state = State.RENEWING
            reason = f"the platform has more of epoch {current.epoch} than this journal ever held: it was restored"
            return [*effects, OpenEpoch(reason)]
        self.state = State.ONLINE
        return [*effects, *self._send(now_ns)]

    def _answered(self, item: Answered, now_ns: int) -> list[Effect]:
        flight = self._flights.pop(item.request, None)
        if flight is None:
            return []
        position = flight.position_known if item.position is None else item.position
        if item.watermark < flight.watermark_known or position < flight.position_known:
            return self._open()
        self._position = max(self._position, position)
        lane, before = flight.lane, flight.lane.floor
        lane.land(flight.seqs)
        if lane.suspect:
            lane.commit(0, flight.seqs[: item.sent])
        else:
            lane.commit(item.watermark, item.above)
        lane.dictionary_known = lane.dictionary_known or flight.with_dictionary
        self._fit_window(flight, item.sent)
        self._pause.end()
        released: list[Effect] = [Release(lane.epoch, lane.floor)] if lane.floor > before else []
        return [*released, *self._send(now_ns)]

    def _fit_window(self, flight: _Flight, sent: int | None) -> None:
        if sent is not None and sent < len(flight.seqs):
            self._batch_limit = max(1, sent)
        elif len(flight.seqs) >= self._batch_limit:
            self._batch_limit = min(self._batch_limit * 2, self.settings.batches_per_request_max)

    def _request_failed(self, item: Failed, now_ns: int) -> list[Effect]:
        flight = self._flights.pop(item.request, None) if item.request is not None else None
        if flight is None:
            return []
        flight.lane.land(flight.seqs)
        match item.kind:
            case FailureKind.SUPERSEDED:
                return self._superseded(item, now_ns)
            case FailureKind.SESSION_UNKNOWN:
                return self._reopen_after_pause(item, now_ns)
            case FailureKind.DICTIONARY_NEEDED if not flight.with_dictionary:
                flight.lane.dictionary_known = False
            case FailureKind.TOO_LARGE if len(flight.seqs) > 1:
                self._batch_limit = max(1, len(flight.seqs) // 2)
            case kind:
                return self._hold(kind, item.retry_after_ms, now_ns=now_ns)
        return self._send(now_ns)

    def _opening_failed(self, item: Failed, now_ns: int) -> list[Effect]:
        if item.request is not None:
            return []
        if item.kind is FailureKind.SUPERSEDED:
            return self._superseded(item, now_ns)
        self.state = State.OFFLINE
        return self._hold(item.kind, item.retry_after_ms, now_ns=now_ns)

    def _hold(self, kind: FailureKind, retry_after_ms: int | None, *, now_ns: int) -> list[Effect]:
        self._pause.begin(now_ns, retry_after_ms if kind is FailureKind.BUSY else None)
        return [RenewToken()] if kind is FailureKind.UNAUTHORIZED else []

    def _superseded(self, item: Failed, now_ns: int) -> list[Effect]:
        if any(lane.epoch == item.superseded_by for lane in self._lanes):
            return self._reopen_after_pause(item, now_ns)
        self._flights.clear()
        self.state = State.STOPPED
        return [Stop(f"session {self.session} is superseded: another gateway runs with this identity")]

    def _reopen_after_pause(self, item: Failed, now_ns: int) -> list[Effect]:
        self._flights.clear()
        self.state = State.OFFLINE
        return self._hold(item.kind, None, now_ns=now_ns)

    def _ignore(self, item: object, now_ns: int) -> list[Effect]:
        return []

    # what to do ------------------------------------------------------------------------------------------------------

    def _open(self) -> list[Effect]:
        self.state = State.OPENING
        self._flights.clear()
        current = self._lanes[-1]
        return [OpenSession(current.epoch, current.head, tuple(lane.epoch for lane in self._lanes))]

    def _send(self, now_ns: int) -> list[Effect]:
        if self.state is not State.ONLINE or self._pause.until_ns is not None:
            return []
        effects: list[Effect] = []
        while len(self._flights) < self.settings.requests_in_flight_max:
            effect = self._next()
            if effect is None:
                break
            effects.append(effect)
        return effects

    def _next(self) -> SendBatches | None:
        for lane in self._lanes:
            if not lane.dictionary_known and lane.in_flight:
                return None
            seqs = lane.to_send(self._batch_limit)
            if seqs:
                return self._fly(lane, seqs)
            if lane.pending:
                return None
        return None

    def _fly(self, lane: Lane, seqs: tuple[int, ...]) -> SendBatches:
        assert self.session is not None, "online without a session"
        request, self._next_request = self._next_request, self._next_request + 1
        lane.take_off(seqs)
        self._flights[request] = _Flight(lane, seqs, not lane.dictionary_known, lane.watermark, self._position)
        return SendBatches(request, self.session, lane.epoch, seqs, not lane.dictionary_known)

    def _lane(self, epoch: str) -> Lane:
        for lane in reversed(self._lanes):
            if lane.epoch == epoch:
                return lane
        message = f"epoch {epoch} is not one of this journal"
        raise ValueError(message)


_NOTED: Final[dict[type, Callable[..., list[Effect]]]] = {
    Synced: Uplink._note_synced,
    Trimmed: Uplink._note_trimmed,
    DictionaryChanged: Uplink._note_dictionary,
    EpochOpened: Uplink._add_lane,
    SessionGranted: Uplink._ignore,
    Answered: Uplink._ignore,
    Failed: Uplink._ignore,
}
_BY_STATE: Final[dict[State, dict[type, Callable[..., Any]]]] = {
    State.OFFLINE: {},
    State.OPENING: {SessionGranted: Uplink._granted, Failed: Uplink._opening_failed},
    State.ONLINE: {Answered: Uplink._answered, Failed: Uplink._request_failed},
    State.RENEWING: {EpochOpened: Uplink._renewed},
    State.STOPPED: {},
}
_TABLE: Final = {(state, kind): handler for state in State for kind, handler in {**_NOTED, **_BY_STATE[state]}.items()}
