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

QUEUED_VALUES_MAX: Final = 2000
"""Values in the queues of all devices of an endpoint: what is queued goes out in one piece a device, and while that is
encoded (some 30 us a value) nobody else is answered; a gateway takes a server that is silent for 4 s for dead."""
BROKER_BACKLOG_MAX: Final = 1000
"""Messages of one device that the broker has not acknowledged."""
QUIET_s: Final = 0.5
"""So long nothing moves at the end: what was left in the broker from before is not taken for the last row."""
QUIET_AFTER_COPIES_s: Final = 3.0
"""So long where the gateway acknowledged messages that the broker sent twice, so that counting them proves nothing:
what is still missing moves meanwhile, since a broker sends it again (nats-server after 2 s)."""
GATEWAY_VALUES_MAX: Final = 30_000
"""Values of all devices that the gateway has not acknowledged: about a second's work of its driver. More would wait in
the broker for longer than it waits for an acknowledgement, and come twice."""
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

    def is_done(self, rows: int, still_s: float) -> bool:
        """Say whether the gateway has acknowledged these many rows, when nothing has moved for `still_s`."""

    def has_left(self) -> bool:
        """Say whether the gateway has noticed that the device is disabled."""


class OpcUaReader:
    """See it in the server; others' devices on the same endpoint do not count."""

    def __init__(self, device: str, endpoint: OpcUaEndpoint, channels: int) -> None:
        self._device, self._endpoint, self._channels = device, endpoint, channels

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

    def is_done(self, rows: int, still_s: float) -> bool:
        """Say whether nothing is queued nor unacknowledged, by a gateway that is still there."""
        return self.room() > 0 and self.progress() == (0, 0) and still_s >= QUIET_s

    def has_left(self) -> bool:
        """Say whether nobody monitors any more."""
        return not any(self._endpoint.watchers(self._device).values())


class MqttReader:
    """Ask the broker's side and, where a gateway is watched, the gateway."""

    def __init__(self, device: str, wire: MqttWire, wires: Wires, *, watch: GatewayWatch | None, channels: int) -> None:
        self._device, self._wire, self._wires, self._watch, self._channels = device, wire, wires, watch, channels
        self._looked_at = 0
        self._counted = (0, 0)
        """The gateway's counts at the last look; they begin again with each of its starts."""
        self._acknowledged = self._again = 0

    def is_subscribed(self) -> bool:
        """Say whether the gateway reads the device; true at once where nobody is asked."""
        if self._watch is None:
            return True
        seen = self._watch.device(self._device)
        if seen is None or seen.state != READING:
            return False
        self._counted = (seen.acknowledged, seen.again)
        return True

    def room(self) -> int:
        """Bound what waits for the broker, and in it; one row is let go where nothing of the device is on the way."""
        self._look()
        room = BROKER_BACKLOG_MAX - self._wire.waiting_of_device()
        if self._watch is not None:
            behind = self._behind(self._watch)
            shared = (GATEWAY_VALUES_MAX - sum(self._watch.on_the_way.values())) // self._channels
            room = min(room, GATEWAY_BACKLOG_MAX - behind, max(shared, 1 if behind == 0 else 0))
        return max(0, room)

    def _behind(self, watch: GatewayWatch) -> int:
        behind = max(0, self._wire.messages - self._acknowledged)
        watch.on_the_way[self._device] = behind * self._channels
        return behind

    def progress(self) -> tuple[int, ...]:
        """Give what waits for the broker, and what the gateway has acknowledged: all, and what came twice."""
        self._look()
        return (self._wire.waiting_of_device(), self._acknowledged, self._again)

    def is_done(self, rows: int, still_s: float) -> bool:
        """Say whether the broker has all, and the gateway too."""
        waiting, acknowledged, again = self.progress()
        if waiting or still_s < QUIET_s:
            return False
        if self._watch is None or acknowledged - again >= rows:
            return True
        return acknowledged >= rows and still_s >= QUIET_AFTER_COPIES_s

    def has_left(self) -> bool:
        """A broker keeps the session, nobody needs to be waited for; what was on the way holds nobody up any more."""
        if self._watch is not None:
            self._watch.on_the_way.pop(self._device, None)
        return True

    def _look(self) -> None:
        self._wires.pump()
        if self._watch is None or self._watch.answers == self._looked_at:
            return
        self._looked_at = self._watch.answers
        seen = self._watch.device(self._device)
        if seen is None:
            return
        began_again = seen.acknowledged < self._counted[0]
        acknowledged, again = (0, 0) if began_again else self._counted
        self._acknowledged += seen.acknowledged - acknowledged
        self._again += seen.again - again
        self._counted = (seen.acknowledged, seen.again)
        self._behind(self._watch)


def reader_of(device: str, wire: Wire, wires: Wires, *, watch: GatewayWatch | None, channels: int) -> Reader:
    """Give the reader of a device's wire."""
    if isinstance(wire, OpcUaWire):
        return OpcUaReader(device, wire.endpoint, channels)
    assert isinstance(wire, MqttWire), "two wires there are"
    return MqttReader(device, wire, wires, watch=watch, channels=channels)
