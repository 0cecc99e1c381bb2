"""Playback: a recorded file becomes a device, and every row of it goes over the plant's protocol with its own time.

Over OPC UA nothing may be lost, however fast: rows wait while a client's queue is more than half full, the first row
waits until every channel is monitored, and the end waits until every notification was acknowledged, which a Penstock
gateway does after its journal's sync.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from penstock.core.device_file import DeviceFile, parse_device_file
from penstock.core.errors import PenstockError
from penstock.core.status import BAD_NO_DATA, GOOD
from penstock.core.times import NS_PER_S, format_rfc3339_ns
from penstock.core.values import ValueType
from penstock.simulators.emission import Emission, Point
from penstock.simulators.folder import write_whole
from penstock.simulators.ledger.log import LedgerWriter
from penstock.simulators.recording import Recording, finite_or_none, tag_name
from penstock.simulators.servers.opcua import TIME_STEP_ns, wait_until_quiet
from penstock.simulators.wires import MqttWire, OpcUaWire, Wire, Wires

MADE_BY: Final = "# made by: penstock playback\n"
PUBLISHING_ms: Final = 100
SUBSCRIBE_TIMEOUT_s: Final = 120.0
DRAIN_TIMEOUT_s: Final = 120.0
LEAVE_TIMEOUT_s: Final = 20.0
SLICE_s: Final = 0.02
"""Rows that fall due within this time are offered together."""
MQTT_BACKLOG_MAX: Final = 1000
Say = Callable[[str], None]


class PlaybackError(PenstockError):
    """Say why a recording cannot be played, or not to its end."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Describe a playback: what, as which device, over what, how fast."""

    recording: Recording
    device: str
    driver: str
    address: str
    """OPC UA endpoint, or MQTT broker."""
    speed: float
    shift_ns: int
    plant: Path
    title: str

    @property
    def path(self) -> Path:
        """Give the device file's place."""
        return self.plant / "devices" / f"{self.device}.yaml"


@dataclass(frozen=True, slots=True)
class Played:
    """Tell what went out."""

    rows: int
    channels: int
    values: int
    seconds: float
    first_ns: int
    last_ns: int


def shift_of(recording: Recording, *, stamps: str, speed: float, now_ns: int) -> int:
    """Give what is added to each time: 0 for `original`; `shifted` starts now at ×1, else it ends now.

    Faster than real time the stamps would run into the future if they started now.
    """
    if stamps == "original":
        return 0
    anchor = recording.times_ns[0] if speed <= 1.0 else recording.times_ns[-1]
    return (now_ns - anchor) // TIME_STEP_ns * TIME_STEP_ns


def check(plan: Plan) -> None:
    """Raise PlaybackError for what the protocol cannot carry, or for a device file that is somebody else's."""
    names = [tag_name(column.name) for column in plan.recording.columns]
    if len(set(names)) != len(names):
        message = f"columns become the same tag: {', '.join(sorted({n for n in names if names.count(n) > 1}))}"
        raise PlaybackError(message)
    if plan.driver == "opcua" and any(time_ns % TIME_STEP_ns for time_ns in plan.recording.times_ns):
        message = "the recording has times finer than a microsecond, which OPC UA cannot carry here; use --driver mqtt"
        raise PlaybackError(message)
    for column in plan.recording.columns if plan.driver == "mqtt" else ():
        if not all(finite_or_none(value) for value in column.values):
            message = f"column {column.name!r} holds NaN or infinities, which JSON cannot carry; use --driver opcua"
            raise PlaybackError(message)
    if plan.path.is_file() and not plan.path.read_text(encoding="utf-8").startswith(MADE_BY):
        message = f"{plan.path} is there and was not made by playback; choose another --device"
        raise PlaybackError(message)


def device_text(plan: Plan, *, enabled: bool) -> str:
    """Give the device file: one tag a column."""
    connection: dict[str, Any] = {"driver": plan.driver}
    if plan.driver == "opcua":
        connection |= {
            "endpoint": plan.address,
            "namespace": f"urn:penstock:playback:{plan.device}",
            "security": "Basic256Sha256/SignAndEncrypt",
            "publishing_ms": PUBLISHING_ms,
            "sampling_ms": 1,
        }
    else:
        connection |= {"broker": plan.address, "topic": f"plant/playback/{plan.device}", "time_field": "time", "qos": 1}
    tags = {}
    for column in plan.recording.columns:
        name = tag_name(column.name)
        source = {"node": name} if plan.driver == "opcua" else {"field": name}
        tags[name] = {"description": column.name, "type": column.type.value, "source": source}
    content = {
        "version": 1,
        "device": plan.device,
        "description": f"Playback of {plan.title}",
        "enabled": enabled,
        "connection": connection,
        "tags": tags,
    }
    return MADE_BY + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=200)


class Player:
    """Play one plan over wires that are closed afterwards, whatever happens."""

    def __init__(self, plan: Plan, wires: Wires, *, ledger: LedgerWriter | None, say: Say) -> None:
        self._plan, self._wires, self._ledger, self._say = plan, wires, ledger, say
        self._names = [(tag_name(column.name), column) for column in plan.recording.columns]

    async def play(self, ready: Callable[[], bool] | None) -> Played:
        """Serve, wait for the gateway, play every row, wait for the last acknowledgement, disable the device file.

        `ready` says over MQTT that the gateway is subscribed; None: play at once.
        """
        check(self._plan)
        text = device_text(self._plan, enabled=True)
        file = parse_device_file(text, file=str(self._plan.path), environ={})
        wire = await self._wires.open(file)
        try:
            write_whole(self._plan.path, text)
            try:
                await self._wait_subscribed(wire, ready)
                played = await self._rows(wire, file)
                await self._drain(wire)
            finally:
                write_whole(self._plan.path, device_text(self._plan, enabled=False))
            await self._wait_left(wire)
        finally:
            await self._wires.close()
        return played

    async def _wait_subscribed(self, wire: Wire, ready: Callable[[], bool] | None) -> None:
        self._say(f"device {self._plan.device} is in {self._plan.path}; waiting for the gateway to subscribe")
        deadline = time.monotonic() + SUBSCRIBE_TIMEOUT_s
        while time.monotonic() < deadline:
            if isinstance(wire, OpcUaWire):
                if all(wire.endpoint.watchers(self._plan.device).values()):
                    return
            elif ready is None or await asyncio.to_thread(ready):
                return
            await asyncio.sleep(0.1)
        who, plant = self._plan.device, self._plan.plant
        message = f"nobody subscribed to {who} within {SUBSCRIBE_TIMEOUT_s:g} s; does the gateway follow {plant}?"
        raise PlaybackError(message)

    async def _rows(self, wire: Wire, file: DeviceFile) -> Played:
        plan, times = self._plan, self._plan.recording.times_ns
        began, row = time.monotonic(), 0
        while row < len(times):
            due_ns = times[0] + int((time.monotonic() - began) * plan.speed * NS_PER_S)
            batch = []
            while row < len(times) and times[row] <= due_ns:
                batch.append(self._emission(file.device, row))
                row += 1
            for emission in batch:
                await self._room(wire)
                ranges = [(0, 0)]
                if self._ledger is not None:
                    ranges = await asyncio.to_thread(self._ledger.write, [emission])
                await wire.offer([emission], ranges)
            await asyncio.sleep(SLICE_s)
        count = len(self._names)
        seconds = time.monotonic() - began
        first, last = times[0] + plan.shift_ns, times[-1] + plan.shift_ns
        return Played(len(times), count, len(times) * count, seconds, first, last)

    def _emission(self, device: str, row: int) -> Emission:
        points = []
        for name, column in self._names:
            value = column.values[row]
            points.append(Point(name, value, BAD_NO_DATA if value is None else GOOD))
        return Emission(device, self._plan.recording.times_ns[row] + self._plan.shift_ns, tuple(points))

    async def _room(self, wire: Wire) -> None:
        if isinstance(wire, OpcUaWire):
            while wire.endpoint.backlog()[0] * 2 > max(2, wire.endpoint.queue_room()):
                if not all(wire.endpoint.watchers(self._plan.device).values()):
                    message = "the gateway left in mid playback; rows from here on would be lost. Play again"
                    raise PlaybackError(message)
                await asyncio.sleep(SLICE_s)
        elif isinstance(wire, MqttWire):
            while wire.waiting() > MQTT_BACKLOG_MAX:
                self._wires.pump()
                await asyncio.sleep(SLICE_s)

    async def _drain(self, wire: Wire) -> None:
        if isinstance(wire, OpcUaWire):
            if not await wait_until_quiet(wire.endpoint, quiet_s=0.5, timeout_s=DRAIN_TIMEOUT_s):
                queued, unacknowledged = wire.endpoint.backlog()
                message = f"after {DRAIN_TIMEOUT_s:g} s still {queued} queued, {unacknowledged} not acknowledged"
                raise PlaybackError(message)
            return
        assert isinstance(wire, MqttWire), "two wires there are"
        deadline = time.monotonic() + DRAIN_TIMEOUT_s
        while wire.waiting():
            self._wires.pump()
            if time.monotonic() > deadline:
                message = f"{wire.waiting()} messages were still unacknowledged after {DRAIN_TIMEOUT_s:g} s"
                raise PlaybackError(message)
            await asyncio.sleep(SLICE_s)

    async def _wait_left(self, wire: Wire) -> None:
        """Give the gateway time to take the device off, so that it sees no broken connection."""
        deadline = time.monotonic() + LEAVE_TIMEOUT_s
        while isinstance(wire, OpcUaWire) and time.monotonic() < deadline:
            if not any(wire.endpoint.watchers(self._plan.device).values()):
                return
            await asyncio.sleep(0.1)


def summary(plan: Plan, played: Played) -> str:
    """Say in a line what was played."""
    first, last = format_rfc3339_ns(played.first_ns), format_rfc3339_ns(played.last_ns)
    kinds = {column.type for column in plan.recording.columns} - {ValueType.FLOAT64}
    types = f" ({', '.join(sorted(kinds))} among them)" if kinds else ""
    return (
        f"{plan.title}: {played.rows} rows × {played.channels} channels{types} = {played.values} values "
        f"over {plan.driver} in {played.seconds:.1f} s, stamped {first} to {last}"
    )
