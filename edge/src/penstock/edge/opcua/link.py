"""The link to one OPC UA server over all its breaks: the shell around the recovery machine.

The machine (recovery.py) decides; the connection (connection.py) does the steps; here values flow. Some publish
requests are kept outstanding (publishing.py); what they bring is put into the sink in the order of its numbers, several
notifications in one go where they came together, and a notification is acknowledged to the server only when the sink's
receipt says that the journal has it. While the gateway is full, `put` waits, no further request goes out, and the
server's queue fills: that is the back-pressure. A queue that overflows says so in the status of the next value.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from asyncua.ua.uaerrors import BadTimeout, BadTooManyPublishRequests, UaError

from penstock.core.device_file import DeviceFile
from penstock.core.reading import Reading
from penstock.core.status import name as status_name
from penstock.edge.backoff import Backoff
from penstock.edge.driver import GOOD_HELD, Counters, DriverContext
from penstock.edge.opcua import recovery as r
from penstock.edge.opcua.columnar import ColumnDecoder, ItemColumns, ItemValue, gather
from penstock.edge.opcua.config import OpcUaConnection
from penstock.edge.opcua.connection import SUBSCRIPTION_GONE, Connection
from penstock.edge.opcua.encoding import MalformedNotification
from penstock.edge.opcua.items import ItemTable
from penstock.edge.opcua.notification import Notification, decode_publish_response
from penstock.edge.opcua.publishing import Acknowledgement, Asked, Publishing
from penstock.edge.opcua.refill import Refiller
from penstock.edge.opcua.sequence import UNNUMBERED

MARK_AFTER_S = 5.0
"""A break is marked as a gap after this: one that ends sooner and loses nothing leaves no trace in the history."""
SILENT_KEEP_ALIVES = 3
"""So many keep-alives missed in a row, and the server is taken for dead (OPC 10000-4 5.14.1.1)."""
SILENCE_MARGIN_S = 1.0
"""What a busy server may take beyond that."""
LATE_WRITES_NS = 5_000_000_000
"""A keep-alive says that nothing waits to be sent, not that nothing older comes: a busy server samples on time and
queues later. What it may have been behind with is not vouched for, so that a gap that follows begins before it."""
TOGETHER_ROWS_MAX = 5_000
"""Notifications are put together up to so many values: more save nothing, and the gateway counts what it holds."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Hear how the link goes."""

    on_ready: Callable[[Sequence[str]], Awaitable[None]]
    """Values can flow; called with what is missing, in words."""
    on_break: Callable[[str], None]
    on_failure: Callable[[str], None]
    """A try to come back failed."""


@dataclass(slots=True)
class Link:
    """Read one device for ever; `newest_source_time_ns` stamps a gap."""

    device: DeviceFile
    settings: OpcUaConnection
    context: DriverContext
    counters: Counters
    listener: Listener
    newest_source_time_ns: int | None = None
    machine: r.Recovery = field(init=False)
    _connection: Connection = field(init=False)
    _refiller: Refiller = field(init=False)
    _backoff: Backoff = field(default_factory=Backoff)
    _items: ItemTable = field(init=False)
    _bodies: dict[int, Notification] = field(default_factory=dict)
    """Notifications that came and are not handed on yet, by number."""
    _keep_alive_ns: int | None = None
    _publishing: Publishing = field(init=False)
    _decoder: ColumnDecoder = field(default_factory=ColumnDecoder)
    _marked: Collection[str] = ()
    """The tags whose gap the last mark opened."""
    _lost: str | None = None
    """Why the link is broken; None where nobody reads."""

    def __post_init__(self) -> None:
        self.machine = r.Recovery(
            next_delay_ns=lambda: int(self._backoff.next_delay_s() * 1e9),
            grace_ns=int(MARK_AFTER_S * 1e9),
            silence_ns=int(MARK_AFTER_S * 1e9),
        )
        self._publishing = Publishing(self.settings.publish_outstanding)
        self._connection = Connection(self.device, self.settings, self.context, self.counters, self._on_lost)
        self._refiller = Refiller(self.device.device, self._connection, self.context.sink, self.counters)

    async def run(self) -> None:
        """Read until cancelled; then leave the server with a goodbye."""
        try:
            while True:
                effects = await self._next_effects()
                while effects:
                    effects = await self._perform_all(effects)
        finally:
            self._stop_asking()
            await self._refiller.stop()
            await self._connection.leave()

    async def _next_effects(self) -> list[r.Effect]:
        if self.machine.state is r.State.READING:
            return await self._read()
        await asyncio.sleep(self._wait_s() or 0)
        return self._on_wake()

    async def _perform_all(self, effects: list[r.Effect]) -> list[r.Effect]:
        following: list[r.Effect] = []
        for is_delivery, some in groupby(effects, key=lambda effect: isinstance(effect, r.Deliver)):
            if is_delivery:
                await self._deliver([self._bodies.pop(one.sequence) for one in some if isinstance(one, r.Deliver)])
                continue
            for effect in some:
                if not await self._perform_here(effect):
                    answer = await self._ask(effect)
                    if answer is not None:
                        following += self._tell(answer)
        return following

    def _tell(self, item: r.Input) -> list[r.Effect]:
        state = self.machine.state
        effects = self.machine.on_input(item, _now_ns())
        if self.machine.state is r.State.WAITING and state is not r.State.WAITING:
            assert isinstance(item, r.Lost | r.Refused)
            self._refiller.pause()
            if state is r.State.READING:
                self.listener.on_break(item.why)
            else:
                self.listener.on_failure(item.why)
        return effects

    def _wait_s(self) -> float | None:
        at = self.machine.wake_at()
        return None if at is None else max(0.0, (at - _now_ns()) / 1e9)

    # what needs no answer of the server

    async def _perform_here(self, effect: r.Effect) -> bool:
        sink, device = self.context.sink, self.device.device
        match effect:
            case r.Deliver(sequence):
                await self._deliver([self._bodies.pop(sequence)])
            case r.Discard(sequence):
                self._bodies.pop(sequence, None)
            case r.Heard():
                self._on_server_time(self._keep_alive_ns)
            case r.MarkGap(cause):
                self._marked = await sink.gap(device, cause, self.newest_source_time_ns)
            case r.Continued():
                await sink.continued(device, self._marked)
            case r.Ready(fresh):
                await self._begin(fresh=fresh)
            case r.CloseChannel():
                self._stop_asking()
                await self._connection.drop()
            case _:
                return False
        return True

    async def _begin(self, *, fresh: bool) -> None:
        self._backoff.reset()
        if fresh:
            self._items = ItemTable(tuple(self.device.tags), self.counters)
            for handle, item in self._connection.items.items():
                self._items.add(handle, item.tag, queue=item.queue)
            self._bodies = {}
            self._publishing.forget_acknowledgements()
            silence_s = SILENT_KEEP_ALIVES * self._connection.keep_alive_ns / 1e9 + SILENCE_MARGIN_S
            self.machine.silence_ns = int(silence_s * 1e9)
        self.counters.add("subscribed" if fresh else "resumed")
        self._refiller.resume()
        await self.listener.on_ready(self._connection.missing)

    async def _deliver(self, notifications: Sequence[Notification]) -> None:
        """Hand notifications on in their order, as one where that makes no difference."""
        self.counters.add("values", sum(len(one) for one in notifications))
        together = gather([items for one in notifications for items in one.items])
        if len(notifications) == 1 or self._items.may_join(together):
            await self._put(together, notifications)
        else:
            for one in notifications:
                await self._put(one.values, [one])
        self._refiller.poke()

    async def _put(self, values: ItemColumns, notifications: Sequence[Notification]) -> None:
        taken = self._items.take(values, self._connection.opened_ns)
        sink, device = self.context.sink, self.device.device
        for one in taken.overflows:
            await sink.overflow(device, one.tag, from_ns=one.from_ns, to_ns=one.to_ns)
        if taken.newest_ns is not None:
            self._on_newest(taken.newest_ns)
        receipt = await sink.put_columns(device, taken.readings)
        journalled = [(one.subscription, one.sequence) for one in notifications]
        receipt.add_done_callback(lambda done: self._on_journalled(done, journalled))

    def _on_journalled(self, receipt: asyncio.Future[None], acknowledgements: Sequence[Acknowledgement]) -> None:
        if not receipt.cancelled() and receipt.exception() is None:
            self._publishing.acknowledge(acknowledgements)

    def _on_server_time(self, time_ns: int | None) -> None:
        if time_ns is not None:
            self._on_newest(time_ns - self.settings.sampling_ms * 1_000_000 - LATE_WRITES_NS)

    def _on_newest(self, time_ns: int) -> None:
        self.newest_source_time_ns = max(self.newest_source_time_ns or time_ns, time_ns)

    # what needs an answer

    async def _ask(self, effect: r.Effect) -> r.Input | None:
        """Do a step; the machine's deadlines run on meanwhile. None where one of them ended the step."""
        step = asyncio.create_task(
            self._connection.attempt(self._step(effect)), name=f"opcua-step-{self.device.device}"
        )
        try:
            while not step.done():
                await asyncio.wait([step], timeout=self._wait_s())
                if not step.done():
                    for due in self._on_wake():
                        await self._perform_here(due)
                    if self.machine.state is r.State.WAITING:
                        return None
            return step.result()
        finally:
            step.cancel()

    async def _step(self, effect: r.Effect) -> r.Input:
        match effect:
            case r.OpenChannel():
                self._stop_asking()
                return await self._connection.open()
            case r.ActivateSession():
                return await self._connection.activate()
            case r.CreateSession():
                return await self._connection.create()
            case r.TransferSubscription():
                return await self._connection.transfer()
            case r.Subscribe():
                return await self._connection.subscribe()
            case r.Republish(sequence) if sequence in self._bodies:
                return r.Republished(sequence)
            case r.Republish(sequence):
                return await self._connection.republish(sequence, self._bodies)
            case r.ReadPresent():
                await self._put_present(await self._connection.read_present())
                return r.Succeeded()
        message = f"{effect} is no step"
        raise AssertionError(message)

    async def _put_present(self, values: Sequence[ItemValue]) -> None:
        """Hand on what was read, and that it still held when it was read."""
        readings: list[Reading] = []
        for value in values:
            tag = self._connection.items[value.handle].tag
            time_ns = value.source_time_ns if value.source_time_ns is not None else value.server_time_ns
            readings.append(Reading(tag, time_ns, value.status, value.raw))
            if time_ns is not None and time_ns < self._connection.opened_ns:
                readings.append(Reading(tag, self._connection.opened_ns, value.status | GOOD_HELD, value.raw))
        await self.context.sink.put(self.device.device, readings)

    # publish

    async def _read(self) -> list[r.Effect]:
        if self._lost is None:
            self._lost = ""
        publishing = self._publishing
        try:
            session = self._connection.present().session
            publishing.ask(session)
            if not publishing.has_answers and not self._lost:
                self._tell(r.Asking())
                publishing.rest(session, publishing_s=self._connection.publishing_s)
                await publishing.wait(self._wait_s())
        except (OSError, UaError) as error:
            if not publishing.has_answers:  # what came before the end is handed on first
                return self._break(str(error) or type(error).__name__)
        if publishing.has_answers:
            return self._on_answers()
        if self._lost:
            return self._break(self._lost)
        return self._on_wake()

    def _on_answers(self) -> list[r.Effect]:
        """Tell the machine what was answered, in order, up to the first answer that asks for more than handing on."""
        effects: list[r.Effect] = []
        rows = 0
        while rows < TOGETHER_ROWS_MAX and (asked := self._publishing.next_answered()) is not None:
            following = self._on_answer(asked)
            effects += following
            if not all(_may_wait(effect) for effect in following):
                break
            rows += sum(len(self._bodies[effect.sequence]) for effect in following if isinstance(effect, r.Deliver))
        return effects

    def _on_wake(self) -> list[r.Effect]:
        effects = self.machine.on_wake(_now_ns())
        for effect in effects:
            if isinstance(effect, r.CloseChannel):
                self._refiller.pause()
                self.listener.on_break(effect.why)
        return effects

    def _on_answer(self, asked: Asked) -> list[r.Effect]:
        publishing = self._publishing
        try:
            notification = decode_publish_response(asked.answer.result(), self._decoder)
        except SUBSCRIPTION_GONE as error:
            return self._tell(r.Ended(str(error)))
        except BadTooManyPublishRequests:
            publishing.give_back(asked)
            publishing.ask_less()
            return []
        except BadTimeout:
            publishing.give_back(asked)
            return []
        except (OSError, TimeoutError, UaError, MalformedNotification) as error:
            publishing.give_back(asked)
            return self._break(str(error) or type(error).__name__)
        return self._on_notification(notification)

    def _on_notification(self, notification: Notification) -> list[r.Effect]:
        if notification.subscription != self._connection.subscription:
            return []
        if notification.lost_status is not None:
            return self._tell(r.Ended(f"the server ended the subscription: {status_name(notification.lost_status)}"))
        if notification.keep_alive:
            self._keep_alive_ns = notification.publish_time_ns
        else:
            self._bodies.setdefault(notification.sequence, notification)
        return self._tell(r.Answered(notification.sequence, keep_alive=notification.keep_alive))

    def _break(self, why: str) -> list[r.Effect]:
        return [r.CloseChannel(why), *self._tell(r.Lost(f"{self.settings.endpoint}: {why}"))]

    def _on_lost(self, why: str) -> None:
        if self._lost is not None:
            self._lost = self._lost or why
            self._publishing.wake()

    def _stop_asking(self) -> None:
        """Forget the requests on the way; what was answered is kept, to be handed on when the link is back."""
        self._lost = None
        for asked in self._publishing.stop():
            try:
                notification = decode_publish_response(asked.answer.result(), self._decoder)
            except (UaError, MalformedNotification):
                self._publishing.give_back(asked)
                continue
            if notification.subscription == self._connection.subscription and len(notification):
                self._bodies.setdefault(notification.sequence, notification)


def _may_wait(effect: r.Effect) -> bool:
    """Say whether the machine may hear of the next answer before this is done.

    Two notifications without a number could not be told apart; anything but handing on asks the server, or marks gaps.
    """
    match effect:
        case r.Deliver(sequence):
            return sequence != UNNUMBERED
        case r.Discard():
            return True
    return False


def _now_ns() -> int:
    return time.monotonic_ns()
