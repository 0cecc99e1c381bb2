"""The one shape that every protocol driver has, and what the gateway gives it.

A driver turns a device's protocol into readings. It owns its connection: it reconnects for ever with back-off, says
what is wrong in `health`, and never raises for what the other side does. It hands readings over with `Sink.put`,
which waits while the gateway is full: that wait is the back-pressure, and each driver turns it into what its
protocol has for it (MQTT: no PUBACK; OPC UA: the server's queue). `put` answers with a receipt that is done once the
readings are synced to the journal; only then may a driver acknowledge them to the device.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ClassVar, Protocol

from penstock.core.device_file import DeviceFile
from penstock.core.normalise import Rejected
from penstock.core.reading import Reading
from penstock.core.readings import ReadingColumns

GOOD_HELD = 0x0402
"""Status bits (InfoType DataValue + historian bit Interpolated, OPC 10000-4 7.39.1, OPC 10000-11 6.2) of a reading that
repeats a value which the device still holds after a break. The gateway keeps it only where a gap is open: it ends the
Bad sample of a tag that did not change meanwhile. It is no measurement of its own."""

DISCONNECT_CAUSE_MAX = 200
"""Characters of a gap's cause: it travels with every tag of the device."""


class DriverState(StrEnum):
    """Say what the driver is doing; `degraded` is connected with something missing."""

    STARTING = "starting"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DEGRADED = "degraded"
    DISCONNECTED = "disconnected"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class DriverHealth:
    """Carry a driver's state, what to do about it in words, and its counters since start."""

    state: DriverState
    detail: str
    counters: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class MqttCredentials:
    """Hold the broker's user; it comes from the process's credentials file, never from a device file."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClosedGap:
    """Name a gap of a tag with both ends: values may be missing from `from_ns` to `to_ns`.

    `after_ns` is the source time of the tag's newest sample before it; it lies further back where the device was known
    to have nothing new.
    """

    tag: str
    after_ns: int
    from_ns: int
    to_ns: int


Receipt = asyncio.Future[None]
"""Done once what was handed over is synced to the journal; cancelled where the gateway stops before."""


class Sink(Protocol):
    """Take what the drivers bring; implemented by the gateway."""

    async def put(self, device: str, readings: Sequence[Reading], *, hurry: bool = False) -> Receipt:
        """Take readings, waiting while the gateway is full; the answer is done once they are journalled and synced.

        `hurry` says that the source sends no more until it is acknowledged, so that a batch should not linger.
        """

    async def put_columns(self, device: str, readings: ReadingColumns, *, hurry: bool = False) -> Receipt:
        """Take readings in columns, as `put` takes them; their names are all tags of the device file in its order."""

    async def reject(self, device: str, rejects: Sequence[Rejected]) -> Receipt:
        """Take what could not become a reading; journalled and counted like readings."""

    async def gap(self, device: str, cause: str, newest_source_time_ns: int | None) -> Collection[str]:
        """Mark every tag of the device as without communication from the newest source time on.

        Give the tags whose gap this opened; the others are in one, or were never heard.
        """

    async def continued(self, device: str, tags: Collection[str]) -> None:
        """Take the marks of these tags back, where they are still open: the device lost nothing since."""

    def closed_gaps(self, device: str) -> Sequence[ClosedGap]:
        """Give the gaps that got their second end and are not settled; they are remembered from the first call on."""

    async def refill(self, device: str, readings: Sequence[Reading]) -> Receipt:
        """Take readings of the device's own history, which lie within its gaps."""

    async def settle(self, device: str, gap: ClosedGap, *, missing_to_ns: int | None) -> None:
        """Say that nothing more can be had for the gap: `missing_to_ns` None says that it is refilled whole."""

    async def overflow(self, device: str, tag: str, *, from_ns: int, to_ns: int) -> None:
        """Say that the device's own queue lost values of one tag between two source times that did arrive."""

    async def recovered(self, device: str) -> None:
        """Say that the device is heard again; each tag's gap closes with its next value."""


@dataclass(frozen=True, slots=True)
class DriverContext:
    """Give a driver what it may use of its process."""

    sink: Sink
    now_ns: Callable[[], int]
    trust_dir: Path
    pki_dir: Path
    client_name: str
    mqtt_credentials: MqttCredentials | None = None
    heard_before: Callable[[str], bool] = lambda _device: False
    """Say whether the journal knows samples of the device from before this start."""


class Driver(Protocol):
    """Read one device until cancelled."""

    refills: ClassVar[bool]
    """Whether the other side keeps values for a gateway that is down (a broker's persistent session does)."""

    def __init__(self, device: DeviceFile, context: DriverContext) -> None:
        """Check the device's connection keys; ConfigError names device and key. No I/O."""

    async def run(self) -> None:
        """Connect, read and reconnect until cancelled; on cancellation leave the device cleanly."""

    def health(self) -> DriverHealth:
        """Say how it goes, at any time."""


class Counters:
    """Count named events; what is counted is documented in docs/reference/metrics.md."""

    def __init__(self, *names: str) -> None:
        self._counts = dict.fromkeys(names, 0)

    def add(self, name: str, n: int = 1) -> None:
        """Count n more of a name that was declared."""
        self._counts[name] += n

    def snapshot(self) -> dict[str, int]:
        """Give a copy of all counts."""
        return dict(self._counts)
