"""How far the gateway is with one played device, as each protocol lets it be seen.

OPC UA: the server sees who monitors, what waits in the queues, and what was acknowledged, which a Penstock gateway does
after its journal's sync. MQTT: the broker's acknowledgement says nothing of the gateway, so the gateway is asked how
many messages it has acknowledged to the broker, which it does after the same sync.
"""

from __future__ import annotations

from typing import Final, Protocol

from penstock.simulators.playback import PlaybackError
from penstock.simulators.playback_gateway import READING, GatewayWatch
from penstock.simulators.servers.opcua import OpcUaEndpoint
from penstock.simulators.wires import MqttWire, OpcUaWire, Wire, Wires

QUEUED_VALUES_MAX: Final = 4000
"""Values in the queues of all devices of an endpoint: what is queued goes out in one piece a device, and while that is
encoded (some 30 us a value) nobody else is answered; a gateway takes a server that is silent for 4 s for dead."""
BROKER_BACKLOG_MAX: Final = 1000
"""Messages of one device that the broker has not acknowledged."""
GATEWAY_BACKLOG_MAX: Final = 1000
"""Messages of one device that the gateway has not acknowledged: a broker may drop what waits beyond its bound, 1,000
at Mosquitto's default."""


class Reader(Protocol):
    """See how far the gateway is with one device."""

    def is_subscribed(self) -> bool:
        """Say whether rows offered now reach the gateway."""

    def room(self) -> int:
        """Say how many rows may be offered before the next look; PlaybackError where they would be lost."""

    def progress(self) -> tuple[int, ...]:
        """Give figures that change while something goes on."""

    def is_done(self, rows: int) -> bool:
        """Say whether the gateway has acknowledged these many rows."""

    def has_left(self) -> bool:
        """Say whether the gateway has noticed that the device is disabled."""


class OpcUaReader:
    """See it in the server; others' devices on the same endpoint do not count."""

    def __init__(self, device: str, endpoint: OpcUaEndpoint) -> None:
        self._device, self._endpoint = device, endpoint
        self._channels = len(endpoint.watchers(device))

    def is_subscribed(self) -> bool:
        """Say whether every channel is monitored."""
        return all(self._endpoint.watchers(self._device).values())

    def room(self) -> int:
        """Let queues be half full at most, and one row in a queue that is empty, whatever others have in theirs."""
        if not self.is_subscribed():
            message = "the gateway left in mid playback; rows from here on would be lost. Play again"
            raise PlaybackError(message)
        half = max(1, self._endpoint.queue_room(self._device) // 2)
        waiting = self._endpoint.backlog(self._device)[0]
        shared = (QUEUED_VALUES_MAX - self._endpoint.queued()) // self._channels
        return min(half - waiting, max(shared, 1 if waiting == 0 else 0))

    def progress(self) -> tuple[int, ...]:
        """Give what is queued and what is not acknowledged."""
        return self._endpoint.backlog(self._device)

    def is_done(self, rows: int) -> bool:
        """Say whether nothing is queued nor unacknowledged, by a gateway that is still there."""
        return self.room() > 0 and self.progress() == (0, 0)

    def has_left(self) -> bool:
        """Say whether nobody monitors any more."""
        return not any(self._endpoint.watchers(self._device).values())


class MqttReader:
    """Ask the broker's side and, where a gateway is watched, the gateway."""

    def __init__(self, device: str, wire: MqttWire, wires: Wires, *, watch: GatewayWatch | None) -> None:
        self._device, self._wire, self._wires, self._watch = device, wire, wires, watch
        self._looked_at = 0
        self._counter: int | None = None
        """The gateway's count at the last look; it begins again with each of its starts."""
        self._acknowledged = 0

    def is_subscribed(self) -> bool:
        """Say whether the gateway reads the device; true at once where nobody is asked."""
        if self._watch is None:
            return True
        seen = self._watch.device(self._device)
        if seen is None or seen.state != READING:
            return False
        self._counter = seen.acknowledged
        return True

    def room(self) -> int:
        """Bound what waits for the broker, and what waits in it."""
        self._look()
        room = BROKER_BACKLOG_MAX - self._wire.waiting_of_device()
        if self._watch is not None:
            room = min(room, GATEWAY_BACKLOG_MAX - (self._wire.messages - self._acknowledged))
        return max(0, room)

    def progress(self) -> tuple[int, ...]:
        """Give what waits for the broker, and what the gateway has."""
        self._look()
        return (self._wire.waiting_of_device(), self._acknowledged)

    def is_done(self, rows: int) -> bool:
        """Say whether the broker has all, and the gateway too."""
        waiting, acknowledged = self.progress()
        return waiting == 0 and (self._watch is None or acknowledged >= rows)

    def has_left(self) -> bool:
        """A broker keeps the session: nobody needs to be waited for."""
        return True

    def _look(self) -> None:
        self._wires.pump()
        if self._watch is None or self._watch.answers == self._looked_at:
            return
        self._looked_at = self._watch.answers
        seen = self._watch.device(self._device)
        if seen is not None:
            before = self._counter or 0
            self._acknowledged += seen.acknowledged - (before if seen.acknowledged >= before else 0)
            self._counter = seen.acknowledged


def reader_of(device: str, wire: Wire, wires: Wires, *, watch: GatewayWatch | None) -> Reader:
    """Give the reader of a device's wire."""
    if isinstance(wire, OpcUaWire):
        return OpcUaReader(device, wire.endpoint)
    assert isinstance(wire, MqttWire), "two wires there are"
    return MqttReader(device, wire, wires, watch=watch)
