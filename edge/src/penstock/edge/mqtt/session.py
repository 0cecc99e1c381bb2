"""paho's client and its thread, behind a bounded queue: messages come out in order and are acknowledged by hand.

paho calls back in a thread of its own. A message goes into a bounded queue; when that is full the thread waits, so that
nothing is acknowledged and the broker holds the rest. An acknowledgement belongs to the connection that brought the
message: after a reconnect the broker sends it again, perhaps under another id, and the old one must not be answered.
"""

import asyncio
import ssl
import threading
from collections import deque
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from penstock.edge.driver import MqttCredentials
from penstock.edge.mqtt.config import MqttConnection
from penstock.edge.mqtt.inflight import InFlight
from penstock.edge.mqtt.mapping import PAYLOAD_MAX_BYTES

QUEUED_MESSAGES_MAX = 20_000
"""Above what brokers send without acknowledgement (Mosquitto 20 a client, nats-server 1,000 a subscription), so that
the thread waits only for messages of QoS 0, and pings go on."""
QUEUED_BYTES_MAX = 32 * 1024**2
"""Bounds the memory where payloads are long."""
KEEPALIVE_S = 10
"""A dead link is found within one and a half of it."""
RECONNECT_MAX_S = 2
"""Reading resumes within 5 s of the broker's return."""


@dataclass(frozen=True, slots=True)
class Message:
    """Carry one message; `size` is what came: `payload` is cut where it is longer than what is ever mapped."""

    topic: str
    payload: bytes
    size: int
    mid: int
    qos: int
    retained: bool
    connection: int
    duplicate: bool = False
    """The broker says that it has sent the message before."""


@dataclass(frozen=True, slots=True)
class Connected:
    """Say that the subscriptions stand; `refused` lists topics that the broker did not grant.

    `resumed` is False where the broker has no session of ours: what was sent while we were away is lost.
    """

    resumed: bool
    refused: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Disconnected:
    """Say why the connection ended."""

    cause: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Say why the broker, or the way to it, refused the connection."""

    cause: str


MqttEvent = Message | Connected | Disconnected | Refused


class MqttSession:
    """Keep a persistent session (MQTT 3.1.1, clean session off) at one broker under a stable client id."""

    def __init__(
        self, connection: MqttConnection, topics: list[str], *, client_id: str, credentials: MqttCredentials | None
    ) -> None:
        self._settings = connection
        self._topics = topics
        self._events: deque[MqttEvent] = deque()
        self._queued_bytes = 0
        self._in_flight = InFlight[Message]()
        self._copies = 0
        self._room = threading.Condition()
        self._closed = False
        self._generation = 0
        self._subscribe_mid: int | None = None
        self._refused = False
        """The broker refused this connection: its end, which follows, is no news and must not hide the reason."""
        self._resumed = True
        """False from a CONNACK without a session until the driver was told, through connections that end before."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = asyncio.Event()
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=paho.MQTTv311,
            manual_ack=True,
        )
        self._client.reconnect_delay_set(min_delay=1, max_delay=RECONNECT_MAX_S)
        self._client.connect_timeout = KEEPALIVE_S / 2
        if credentials is not None:
            self._client.username_pw_set(credentials.username, credentials.password)
        if connection.encrypted:
            self._client.tls_set(cert_reqs=ssl.CERT_REQUIRED)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_subscribe = self._on_subscribe
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to connect, for ever, in paho's thread; call it on the event loop that reads the events."""
        self._loop = asyncio.get_running_loop()
        self._client.connect_async(self._settings.host, self._settings.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    async def next_events(self, most: int) -> list[MqttEvent]:
        """Wait for events and give up to `most` in their order."""
        while True:
            await self._ready.wait()
            with self._room:
                taken = [self._events.popleft() for _ in range(min(most, len(self._events)))]
                self._queued_bytes -= sum(len(event.payload) for event in taken if isinstance(event, Message))
                if not self._events:
                    self._ready.clear()
                self._room.notify_all()
            if taken:
                return taken

    def acknowledge(self, message: Message) -> bool:
        """Send the PUBACK; False where its connection is gone or its identifier is another message's by now.

        The broker sends the message again, or has had its acknowledgement.
        """
        with self._room:
            if message.qos == 0:
                return True
            if message.connection != self._generation or not self._in_flight.release(message):
                return False
            self._client.ack(message.mid, message.qos)
            return True

    def take_copies(self) -> int:
        """Give how many messages the broker has sent again, since the last call, while we held them."""
        with self._room:
            copies, self._copies = self._copies, 0
            return copies

    def unsubscribe(self, topic: str) -> None:
        """Drop a topic that the persistent session still has from an earlier device file."""
        self._client.unsubscribe(topic)

    async def stop(self) -> None:
        """Leave the broker; it keeps the session and what arrives meanwhile."""
        with self._room:
            self._closed = True
            self._room.notify_all()
        await asyncio.to_thread(self._stop_thread)

    def _stop_thread(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(self, client: paho.Client, _user: Any, flags: Any, reason: Any, _properties: Any) -> None:
        self._refused = bool(reason.is_failure)
        if self._refused:
            self._offer(Refused(f"the broker refused the connection: {reason}"))
            return
        self._resumed = self._resumed and bool(flags.session_present)
        _, self._subscribe_mid = client.subscribe([(topic, int(self._settings.qos)) for topic in self._topics])
        self._begin_generation()

    def _on_connect_fail(self, _client: paho.Client, _user: Any) -> None:
        self._offer(Refused(f"nothing answers at {self._settings.broker}: is the broker running?"))

    def _on_subscribe(self, _client: paho.Client, _user: Any, mid: int, reasons: Any, _properties: Any) -> None:
        if mid != self._subscribe_mid:
            return
        refused = tuple(topic for topic, reason in zip(self._topics, reasons, strict=False) if reason.is_failure)
        resumed, self._resumed = self._resumed, True
        self._offer(Connected(resumed, refused))

    def _on_disconnect(self, _client: paho.Client, _user: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        self._begin_generation()
        if self._refused:
            return
        self._offer(Disconnected(f"connection to {self._settings.broker} lost: {reason}"))

    def _begin_generation(self) -> None:
        with self._room:
            self._generation += 1
            self._in_flight.clear()

    def _on_message(self, _client: paho.Client, _user: Any, message: paho.MQTTMessage) -> None:
        payload = bytes(message.payload[: PAYLOAD_MAX_BYTES + 1])
        offered = Message(
            message.topic,
            payload,
            len(message.payload),
            message.mid,
            message.qos,
            message.retain,
            self._generation,
            message.dup,
        )
        if message.qos > 0:
            with self._room:
                if not self._in_flight.arrive(offered, duplicate=message.dup):
                    self._copies += 1
                    return
        self._offer(offered)

    def _offer(self, event: MqttEvent) -> None:
        """Hand over from paho's thread; a full queue makes it wait."""
        with self._room:
            if isinstance(event, Message):
                self._room.wait_for(lambda: self._closed or self._has_room())
                self._queued_bytes += len(event.payload)
            if self._closed:
                return
            self._events.append(event)
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._ready.set)

    def _has_room(self) -> bool:
        return len(self._events) < QUEUED_MESSAGES_MAX and self._queued_bytes < QUEUED_BYTES_MAX
