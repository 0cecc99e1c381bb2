"""The driver `mqtt`: maps JSON messages to tags and acknowledges what the journal has."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import ClassVar

from penstock.core.device_file import DeviceFile
from penstock.core.normalise import Rejected
from penstock.core.reading import Reading
from penstock.edge.driver import Counters, DriverContext, DriverHealth, DriverState, Receipt
from penstock.edge.mqtt.config import MqttConnection
from penstock.edge.mqtt.mapping import Mapping
from penstock.edge.mqtt.session import Connected, Disconnected, Message, MqttEvent, MqttSession, Refused

log = logging.getLogger(__name__)

MESSAGES_PER_PUT = 500
"""Messages handed over together: a burst becomes one batch, and one wait for the journal."""
SESSION_LOST = "the broker kept no session for this gateway"
UNACKNOWLEDGED_HURRY = 10
"""From this many unacknowledged messages on the journal is asked not to linger: Mosquitto sends 20 at most."""


class MqttDriver:
    """Keep a persistent session at the broker and put what arrives into the sink."""

    refills: ClassVar[bool] = True
    """The broker keeps the messages of a persistent session while the gateway is down."""

    def __init__(self, device: DeviceFile, context: DriverContext) -> None:
        self._device = device
        self._context = context
        settings = device.connection_as(MqttConnection)
        self._mapping = Mapping(device, settings)
        self._settings = settings
        self._counters = Counters(
            "messages", "acknowledged", "acknowledged_again", "values", "rejects", "retained", "redelivered_later",
            "copies", "arrival_used", "unmapped_topics", "connects", "disconnects", "connect_failures",
        )  # fmt: skip
        self._health = DriverHealth(DriverState.STARTING, "", {})
        self._newest_ns: int | None = None
        self._connected = False
        self._had_session = False
        self._unacknowledged: deque[tuple[list[Receipt], list[Message]]] = deque()
        self._work = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled; the session stays at the broker, so that it holds what comes meanwhile."""
        self._had_session = self._had_session or self._context.heard_before(self._device.device)
        session = MqttSession(
            self._settings,
            self._mapping.topics,
            client_id=f"penstock-{self._context.client_name}-{self._device.device}",
            credentials=self._context.mqtt_credentials,
        )
        self._say(DriverState.CONNECTING, f"connecting to {self._settings.broker}")
        acknowledging = asyncio.create_task(self._acknowledge(session), name=f"mqtt-ack-{self._device.device}")
        session.start()
        try:
            while True:
                await self._on_events(session, await session.next_events(MESSAGES_PER_PUT))
                self._counters.add("copies", session.take_copies())
        finally:
            acknowledging.cancel()
            await session.stop()
            await asyncio.gather(acknowledging, return_exceptions=True)
            self._say(DriverState.STOPPED, "")

    def health(self) -> DriverHealth:
        """Say how it goes, at any time."""
        return DriverHealth(self._health.state, self._health.detail, self._counters.snapshot())

    async def _on_events(self, session: MqttSession, events: Sequence[MqttEvent]) -> None:
        messages: list[Message] = []
        for event in events:
            if isinstance(event, Message):
                messages.append(event)
                continue
            await self._on_messages(session, messages)
            messages = []
            await self._on_connection_event(event)
        await self._on_messages(session, messages)

    async def _on_messages(self, session: MqttSession, messages: Sequence[Message]) -> None:
        if not messages:
            return
        readings: list[Reading] = []
        rejects: list[Rejected] = []
        for message in messages:
            self._map(session, message, readings, rejects)
        receipts: list[Receipt] = []
        waiting = len(messages) + sum(len(held) for _, held in self._unacknowledged)
        if rejects:
            self._counters.add("rejects", len(rejects))
            receipts.append(await self._context.sink.reject(self._device.device, rejects))
        if readings:
            self._counters.add("values", len(readings))
            hurry = waiting >= UNACKNOWLEDGED_HURRY
            receipts.append(await self._context.sink.put(self._device.device, readings, hurry=hurry))
        self._unacknowledged.append((receipts, list(messages)))
        self._work.set()

    def _map(self, session: MqttSession, message: Message, readings: list[Reading], rejects: list[Rejected]) -> None:
        self._counters.add("messages")
        if message.retained:
            self._counters.add("retained")
        if message.topic not in self._mapping.topics:
            self._counters.add("unmapped_topics")
            session.unsubscribe(message.topic)
            return
        mapped = self._mapping.apply(message.topic, message.payload, size=message.size)
        rejects.extend(mapped.rejects)
        for reading in mapped.readings:
            time_ns = reading.time_ns
            if time_ns is None:
                self._counters.add("arrival_used")
                time_ns = self._context.now_ns()
            self._newest_ns = max(self._newest_ns or time_ns, time_ns)
            readings.append(Reading(reading.tag, time_ns, reading.status, reading.raw))

    async def _acknowledge(self, session: MqttSession) -> None:
        """Send each PUBACK once everything that its message became is synced, in the order of arrival."""
        while True:
            await self._work.wait()
            self._work.clear()
            while self._unacknowledged:
                receipts, messages = self._unacknowledged[0]
                await asyncio.gather(*receipts)
                self._unacknowledged.popleft()
                for message in messages:
                    answered = session.acknowledge(message)
                    self._counters.add("acknowledged" if answered else "redelivered_later")
                    self._counters.add("acknowledged_again", int(answered and message.duplicate))

    async def _on_connection_event(self, event: Connected | Disconnected | Refused) -> None:
        device = self._device.device
        match event:
            case Connected(resumed=resumed, refused=refused):
                self._connected = True
                self._counters.add("connects")
                if refused:
                    detail = f"the broker does not grant {', '.join(refused)} to this gateway"
                    self._say(DriverState.DEGRADED, detail)
                else:
                    self._say(DriverState.CONNECTED, f"{len(self._mapping.topics)} topics at {self._settings.broker}")
                log.info("%s: connected, %s", device, self._health.detail)
                if self._had_session and not resumed:
                    await self._context.sink.gap(device, SESSION_LOST, None)
                self._had_session = True
                await self._context.sink.recovered(device)
            case Disconnected(cause=cause):
                self._say(DriverState.DISCONNECTED, cause)
                if self._connected:
                    self._connected = False
                    self._counters.add("disconnects")
                    log.warning("%s: %s", device, cause)
                    await self._context.sink.gap(device, cause, self._newest_ns)
            case Refused(cause=cause):
                self._counters.add("connect_failures")
                if self._health.detail != cause:
                    log.warning("%s: %s", device, cause)
                self._say(DriverState.DISCONNECTED, cause)

    def _say(self, state: DriverState, detail: str) -> None:
        self._health = DriverHealth(state, detail, {})
