"""The driver `opcua`: reads a device's nodes by subscription, and comes back for ever."""

import logging
from collections.abc import Sequence
from typing import ClassVar

from penstock.core.device_file import DeviceFile
from penstock.edge.driver import Counters, DriverContext, DriverHealth, DriverState
from penstock.edge.opcua.config import OpcUaConnection
from penstock.edge.opcua.connection import monitored_tags
from penstock.edge.opcua.link import Link, Listener
from penstock.edge.opcua.recovery import Counts

log = logging.getLogger(__name__)


class OpcUaDriver:
    """Keep the link to the device's server and say how it goes."""

    refills: ClassVar[bool] = False
    """A server's queues end with the session: what changed while the gateway was down is a gap until its history has
    filled it."""

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
            "nodes_missing", "connects", "disconnects", "connect_failures", "resumed", "subscribed", "queues_full",
            "history_reads", "history_values", "gaps_refilled", "gaps_left",
        )  # fmt: skip
        self._health = DriverHealth(DriverState.STARTING, "", {})
        self._link: Link | None = None

    async def run(self) -> None:
        """Read until cancelled; a failure to connect is a line in `health`."""
        self._say(DriverState.CONNECTING, f"connecting to {self._settings.endpoint}")
        listener = Listener(self._on_ready, self._on_break, self._on_failure)
        self._link = Link(self._device, self._settings, self._context, self._counters, listener)
        try:
            await self._link.run()
        finally:
            self._say(DriverState.STOPPED, "")

    def health(self) -> DriverHealth:
        """Say how it goes, at any time."""
        return DriverHealth(self._health.state, self._health.detail, self._counters.snapshot() | self._recovered())

    def _recovered(self) -> dict[str, int]:
        counts = self._link.machine.counts if self._link is not None else Counts()
        return {
            "transferred": counts.transferred,
            "republished": counts.republished,
            "notifications_lost": counts.lost,
            "silences": counts.silences,
        }

    def _on_break(self, cause: str) -> None:
        self._counters.add("disconnects")
        log.warning("%s: lost: %s", self._device.device, cause)
        self._say(DriverState.DISCONNECTED, cause)

    def _on_failure(self, cause: str) -> None:
        self._counters.add("connect_failures")
        if self._health.detail != cause:
            log.warning("%s: %s", self._device.device, cause)
        self._say(DriverState.DISCONNECTED, cause)

    async def _on_ready(self, missing: Sequence[str]) -> None:
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
