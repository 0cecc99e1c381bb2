"""The protocol side of all simulated devices: endpoints and publishers, made when a device needs them, shared after."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from penstock.core.device_file import DeviceFile
from penstock.core.errors import ConfigError
from penstock.simulators.emission import Emission
from penstock.simulators.ledger.log import LedgerWriter
from penstock.simulators.payload import JsonMapping
from penstock.simulators.pki import own_certificate
from penstock.simulators.servers.mqtt import BrokerAddress, BrokerError, MqttPublisher
from penstock.simulators.servers.opcua import EndpointError, NodeSpec, NodeTakenError, OpcUaEndpoint
from penstock.simulators.servers.outbox import IN_MEMORY, Message, Outbox

DRIVERS: Final = ("opcua", "mqtt")
log = logging.getLogger(__name__)
Range = tuple[int, int]


class Wire(Protocol):
    """Carry the emissions of one device."""

    async def offer(self, emissions: Sequence[Emission], ranges: Sequence[Range]) -> None:
        """Give the values to the protocol; `ranges` are their numbers in the ledger, (0, 0) without one."""

    @property
    def keeps(self) -> bool:
        """Say whether values go on behind a dead wire, for a client that comes back and asks for them."""

    async def cut(self, *, dead: bool) -> None:
        """Let the wire go dead, or come back; called again and again with the same word."""

    async def close(self) -> None:
        """Take the device off its wire."""

    def status(self) -> dict[str, Any]:
        """Say how it goes, for /status."""


class OpcUaWire:
    """Write the values of a device into its endpoint."""

    def __init__(self, device: str, endpoint: OpcUaEndpoint, ledger: LedgerWriter | None) -> None:
        self._device, self.endpoint, self._ledger = device, endpoint, ledger
        self.offered = self.not_held = 0
        self.keeps = True

    async def cut(self, *, dead: bool) -> None:
        """Close the socket of the server and its connections, for all of its devices; or listen again."""
        await self.endpoint.cut(self._device, dead=dead)

    async def offer(self, emissions: Sequence[Emission], ranges: Sequence[Range]) -> None:
        """Write; what no subscription holds is noted in the ledger."""
        for emission, (first, last) in zip(emissions, ranges, strict=True):
            held = await self.endpoint.offer(emission)
            self.offered += len(emission.points)
            if held < len(emission.points):
                self.not_held += len(emission.points) - held
                if self._ledger is not None:
                    self._ledger.note_not_held(self._device, first, last)

    async def close(self) -> None:
        """Take the nodes away."""
        await self.endpoint.remove(self._device)

    def status(self) -> dict[str, Any]:
        """Give endpoint, security and how many tags somebody watches."""
        watched = self.endpoint.watchers(self._device)
        return {
            "driver": "opcua",
            "endpoint": self.endpoint.url,
            "security": self.endpoint.security,
            "monitored": sum(watched.values()),
            "tags": len(watched),
            "offered": self.offered,
            "not_held": self.not_held,
        }


class MqttWire:
    """Publish the values of a device."""

    def __init__(self, device: str, mapping: JsonMapping, broker: MqttPublisher, ledger: LedgerWriter | None) -> None:
        self._device, self._mapping, self._broker, self._ledger = device, mapping, broker, ledger
        self.offered = self.messages = 0
        self.keeps = False

    async def cut(self, *, dead: bool) -> None:
        """Do nothing: the connection to the broker is shared, and a sensor that is cut off publishes nothing."""

    async def offer(self, emissions: Sequence[Emission], ranges: Sequence[Range]) -> None:
        """Put the messages into the outbox; what a full one dropped is noted in the ledger."""
        messages = []
        for emission, (first, last) in zip(emissions, ranges, strict=True):
            self.offered += len(emission.points)
            for topic, payload in self._mapping.messages(emission):
                messages.append(Message(topic, payload, self._device, first, last))
        self.messages += len(messages)
        for dropped in self._broker.add(messages):
            if self._ledger is not None and dropped.first:
                self._ledger.note_dropped(dropped.device, dropped.first, dropped.last)

    def waiting(self) -> int:
        """Give the number of messages that the broker has not acknowledged."""
        return self._broker.waiting()

    def waiting_of_device(self) -> int:
        """Give the number of these that are this device's."""
        return self._broker.waiting_of(self._device)

    async def close(self) -> None:
        """Leave the rest in the outbox, where the broker still gets it."""

    def status(self) -> dict[str, Any]:
        """Give the broker's state and what waits for it."""
        return {
            "driver": "mqtt",
            "broker": self._broker.detail,
            "waiting": self._broker.waiting(),
            "published": self._broker.published,
            "offered": self.offered,
        }


class Wires:
    """Make and keep endpoints and publishers."""

    def __init__(
        self,
        *,
        data: Path,
        trust: Path,
        opcua_host: str,
        mqtt_credentials: Path | None,
        ledger: LedgerWriter | None,
        application: str = "simulators",
        keeps: bool = True,
    ) -> None:
        """`keeps`: what no broker has acknowledged is there at the next start; else it goes with this process.

        One process at a time keeps in a folder.
        """
        self._keeps = keeps
        self._data, self._trust, self._host = data, trust, opcua_host
        self._credentials_file, self._ledger, self._application = mqtt_credentials, ledger, application
        self._endpoints: dict[str, OpcUaEndpoint] = {}
        self._opening = asyncio.Lock()  # one OPC UA device after another: those that run have the rest of the time
        self._brokers: dict[str, MqttPublisher] = {}
        self._outboxes: list[Outbox] = []

    async def open(self, file: DeviceFile) -> Wire:
        """Put a device on its wire; ConfigError with the key that is wrong."""
        match file.connection.driver:
            case "opcua":
                return await self._open_opcua(file)
            case "mqtt":
                return self._open_mqtt(file)
            case other:
                message = f"the simulators speak {' and '.join(DRIVERS)}, not {other!r}"
                raise file.error(message, "connection", "driver")

    async def _open_opcua(self, file: DeviceFile) -> Wire:
        settings = file.connection.settings
        for key in ("endpoint", "namespace"):
            if not isinstance(settings.get(key), str):
                message = f"an OPC UA device needs a {key}"
                raise file.error(message, "connection", key)
        url, security = settings["endpoint"], str(settings.get("security", "Basic256Sha256/SignAndEncrypt"))
        nodes = []
        for name, tag in file.tags.items():
            if tag.source.node is None:
                message = "an OPC UA tag needs a node"
                raise file.error(message, "tags", name, "source")
            nodes.append(NodeSpec(name, tag.source.node, tag.type, tag.description))
        async with self._opening:
            endpoint = await self._endpoint(file, url, security)
            async with AsyncExitStack() as undo:
                undo.push_async_callback(endpoint.remove, file.device)  # its neighbours go on without half of it
                try:
                    await endpoint.add(file.device, settings["namespace"], nodes)
                except NodeTakenError as error:
                    raise file.error(str(error), "tags", error.tag, "source", "node") from error
                undo.pop_all()
            await self._listen(file, endpoint)
        return OpcUaWire(file.device, endpoint, self._ledger)

    async def _endpoint(self, file: DeviceFile, url: str, security: str) -> OpcUaEndpoint:
        known = self._endpoints.get(url)
        if known is not None:
            if known.security != security:
                message = f"endpoint {url} is served with {known.security!r}; take the same, or another port"
                raise file.error(message, "connection", "security")
            return known
        hosts = {urlsplit(url).hostname or "localhost"}
        own = await asyncio.to_thread(
            own_certificate, self._data / "pki", name=self._application, hosts=hosts, trust=self._trust
        )
        try:
            endpoint = OpcUaEndpoint(url, security=security, own=own, trust=self._trust, bind_host=self._host)
        except EndpointError as error:
            key = "security" if "security" in str(error) else "endpoint"
            raise file.error(str(error), "connection", key) from error
        await endpoint.build()
        return endpoint

    async def _listen(self, file: DeviceFile, endpoint: OpcUaEndpoint) -> None:
        """Let clients in, when the first device of the endpoint is there for them to find."""
        if endpoint.url in self._endpoints:
            return
        try:
            await endpoint.listen()
        except EndpointError as error:
            raise file.error(str(error), "connection", "endpoint") from error
        log.info("serving %s, %s", endpoint.url, endpoint.security)
        self._endpoints[endpoint.url] = endpoint

    def _open_mqtt(self, file: DeviceFile) -> Wire:
        mapping = JsonMapping(file)
        url = file.connection.settings.get("broker")
        if not isinstance(url, str):
            message = "an MQTT device needs a broker, mqtt://host:port"
            raise file.error(message, "connection", "broker")
        if url not in self._brokers:
            try:
                address = BrokerAddress.parse(url)
            except BrokerError as error:
                raise file.error(str(error), "connection", "broker") from error
            name = re.sub(r"[^A-Za-z0-9]", "-", f"{self._application}-{address.host}-{address.port}")
            outbox = Outbox(self._data / f"outbox-{name}.sqlite" if self._keeps else IN_MEMORY)
            client_id = f"penstock-{name}-{secrets.token_hex(4)}"  # a broker cuts the elder of two that bear one name
            broker = MqttPublisher(
                address, outbox, client_id=client_id, credentials=read_credentials(self._credentials_file)
            )
            broker.start()
            self._outboxes.append(outbox)
            self._brokers[url] = broker
        return MqttWire(file.device, mapping, self._brokers[url], self._ledger)

    def pump(self) -> None:
        """Send what waits."""
        for broker in self._brokers.values():
            broker.pump()

    async def close(self) -> None:
        """Stop all servers and publishers."""
        for broker in self._brokers.values():
            broker.stop()
        for outbox in self._outboxes:
            outbox.close()
        await asyncio.gather(*(endpoint.stop() for endpoint in self._endpoints.values()))


def read_credentials(path: Path | None) -> tuple[str, str] | None:
    """Read {"username", "password"}; None without a file; ConfigError where it is not that."""
    if path is None:
        return None
    try:
        content = json.loads(path.read_text())
        return str(content["username"]), str(content["password"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"is no JSON file with username and password: {type(error).__name__}"
        raise ConfigError(message, file=str(path), line=None, key="") from error
