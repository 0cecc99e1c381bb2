"""Publish the messages of simulated devices to a broker: QoS 1, in order, from an outbox that outlives both sides."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from penstock.core.device_address import MQTT
from penstock.simulators.servers.outbox import Message, Outbox

WINDOW: Final = 200
"""Messages sent and not yet acknowledged: enough for 10k messages/s at 20 ms, few enough to resend."""
KEEPALIVE_s: Final = 15
RECONNECT_MAX_s: Final = 10
log = logging.getLogger(__name__)


class BrokerError(Exception):
    """Say why a broker's address cannot be used."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """Hold host and port of `mqtt://host:port`."""

    host: str
    port: int

    @classmethod
    def parse(cls, url: str) -> BrokerAddress:
        """Read the URL; a user in it is refused, since passwords never stand in a device file."""
        problem = MQTT.problem(url)
        if problem is not None:
            raise BrokerError(problem)
        parts = urlsplit(url)
        if parts.scheme != "mqtt":
            message = f"{url!r}: the simulators speak no TLS to a broker: write mqtt://host:port"
            raise BrokerError(message)
        return cls(parts.hostname or "", parts.port or 1883)


class MqttPublisher:
    """Send what `add` is given; paho's thread works the socket, everything else happens on the event loop."""

    def __init__(
        self, address: BrokerAddress, outbox: Outbox, *, client_id: str, credentials: tuple[str, str] | None
    ) -> None:
        self._address, self._outbox = address, outbox
        self._loop = asyncio.get_running_loop()
        self._in_flight: dict[int, int] = {}
        self._newest_sent = 0
        self._acknowledged: list[int] = []
        self.connected = False
        self.detail = "connecting"
        self.published = 0
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=paho.MQTTv311)
        client.max_inflight_messages_set(WINDOW)
        client.reconnect_delay_set(1, RECONNECT_MAX_s)
        if credentials is not None:
            client.username_pw_set(*credentials)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        self._client = client

    def start(self) -> None:
        """Connect, and again whenever the connection breaks."""
        self._client.connect_async(self._address.host, self._address.port, KEEPALIVE_s)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; what is not acknowledged stays in the outbox."""
        self._settle()
        self._client.disconnect()
        self._client.loop_stop()
        self._settle()

    def add(self, messages: list[Message]) -> list[Message]:
        """Keep and send messages; give those that a full outbox dropped."""
        dropped = self._outbox.add(messages)
        self.pump()
        return dropped

    def pump(self) -> None:
        """Send as many as the window allows."""
        self._settle()
        if not self.connected:
            return
        room = WINDOW - len(self._in_flight)
        for message_id, message in self._outbox.after(self._newest_sent, room) if room > 0 else ():
            sent = self._client.publish(message.topic, message.payload, qos=1)
            self._newest_sent = message_id
            self._in_flight[sent.mid] = message_id

    def waiting(self) -> int:
        """Give the number of messages that the broker has not acknowledged."""
        self._settle()
        return len(self._outbox)

    def waiting_of(self, device: str) -> int:
        """Give the number of these that are a device's."""
        self._settle()
        return self._outbox.of(device)

    def _settle(self) -> None:
        if self._acknowledged:
            done, self._acknowledged = self._acknowledged, []
            self._outbox.done(done)
            self.published += len(done)

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._call(self._note, not reason.is_failure, "connected" if not reason.is_failure else f"refused: {reason}")

    def _on_disconnect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._call(self._note, False, f"disconnected: {reason}")

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        self._call(self._note_acknowledged, mid)

    def _call(self, function: Any, *arguments: Any) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(function, *arguments)

    def _note(self, connected: bool, detail: str) -> None:
        if detail != self.detail:
            log.info("broker %s:%s %s", self._address.host, self._address.port, detail)
        self.connected, self.detail = connected, detail
        if connected:
            self.pump()

    def _note_acknowledged(self, mid: int) -> None:
        message_id = self._in_flight.pop(mid, None)
        if message_id is None:
            return
        self._acknowledged.append(message_id)
        if len(self._in_flight) < WINDOW // 2:
            self.pump()
