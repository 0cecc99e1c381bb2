"""The driver `opcua`: reads a device's nodes by subscription and reconnects for ever."""

import asyncio
import logging
from collections.abc import Sequence
from typing import ClassVar

from asyncua.ua.uaerrors import UaError

from penstock.core.device_file import DeviceFile
from penstock.edge.backoff import Backoff
from penstock.edge.driver import Counters, DriverContext, DriverHealth, DriverState
from penstock.edge.opcua.certificates import Untrusted
from penstock.edge.opcua.config import OpcUaConnection
from penstock.edge.opcua.encoding import MalformedNotification
from penstock.edge.opcua.link import Link, LinkLost, monitored_tags

log = logging.getLogger(__name__)


class OpcUaDriver:
    """Keep one link to the device's server, mark a gap when it breaks, and open the next."""

    refills: ClassVar[bool] = False
    """A server's queues end with the session: what changed while the gateway was down is a gap."""

    def __init__(self, device: DeviceFile, context: DriverContext) -> None:
        self._device = device
        self._context = context
        self._settings = device.connection_as(OpcUaConnection)
        for name, tag in device.tags.items():
            if tag.source.node is None:
                message = "missing; the driver opcua needs the node in the server"
                raise device.error(message, "tags", name, "source", "node")
        self._counters = Counters(
            "values", "server_time_used", "arrival_used", "overflows", "unknown_handles", "queues_cut",
            "nodes_missing", "connects", "disconnects", "connect_failures",
        )  # fmt: skip
        self._health = DriverHealth(DriverState.STARTING, "", {})
        self._was_connected = False
        self._backoff = Backoff()

    async def run(self) -> None:
        """Read until cancelled; every loss is one gap, every failure to connect a line in `health`."""
        try:
            while True:
                await self._one_link()
                await asyncio.sleep(self._backoff.next_delay_s())
        finally:
            self._say(DriverState.STOPPED, "")

    def health(self) -> DriverHealth:
        """Say how it goes, at any time."""
        return DriverHealth(self._health.state, self._health.detail, self._counters.snapshot())

    async def _one_link(self) -> None:
        if self._health.state is not DriverState.DISCONNECTED:
            self._say(DriverState.CONNECTING, f"connecting to {self._settings.endpoint}")
        self._was_connected = False
        link = Link(self._device, self._settings, self._context, self._counters, self._on_ready)
        cause = "connection lost"
        try:
            await link.run()
        except (OSError, TimeoutError, UaError, LinkLost, MalformedNotification, Untrusted) as error:
            cause = _describe(error, self._settings.endpoint)
        if self._was_connected:
            self._counters.add("disconnects")
            log.warning("%s: lost: %s", self._device.device, cause)
            await self._context.sink.gap(self._device.device, cause, link.newest_source_time_ns)
        else:
            self._counters.add("connect_failures")
            if self._health.detail != cause:
                log.warning("%s: %s", self._device.device, cause)
        self._say(DriverState.DISCONNECTED, cause)

    async def _on_ready(self, missing: Sequence[str]) -> None:
        self._was_connected = True
        self._backoff.reset()
        self._counters.add("connects")
        wanted = len(monitored_tags(self._device))
        if missing:
            detail = f"{wanted - len(missing)} of {wanted} tags of {self._device.device} are read; " + "; ".join(
                missing
            )
            self._say(DriverState.DEGRADED, detail)
            log.warning("%s: %s", self._device.device, detail)
        else:
            self._say(DriverState.CONNECTED, f"{wanted} tags from {self._settings.endpoint}")
            log.info("%s: connected, %s", self._device.device, self._health.detail)
        await self._context.sink.recovered(self._device.device)

    def _say(self, state: DriverState, detail: str) -> None:
        self._health = DriverHealth(state, detail, {})


def _describe(error: BaseException, endpoint: str) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer from {endpoint} in time"
    if isinstance(error, ConnectionRefusedError):
        return f"nothing listens at {endpoint}: is the server running?"
    return f"{endpoint}: {str(error) or type(error).__name__}"
