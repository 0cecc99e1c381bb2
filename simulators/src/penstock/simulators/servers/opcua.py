"""An OPC UA server for simulated devices: one endpoint, a namespace per device, values with source time and status."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from penstock.core.device_address import OPCUA
from penstock.core.status import BAD_NODE_ID_UNKNOWN, BAD_WAITING_FOR_INITIAL_DATA, is_bad
from penstock.core.values import Value, ValueType
from penstock.simulators.emission import Emission
from penstock.simulators.pki import OwnCertificate, TrustFolder
from penstock.simulators.servers.opcua_guard import CertificateGuard, GuardedServer, ReadOnlyRules, Visitors
from penstock.simulators.servers.opcua_history import History, Past
from penstock.simulators.servers.ua import Server, ua

SECURE: Final = {
    "Basic256Sha256/SignAndEncrypt": ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt,
    "Basic256Sha256/Sign": ua.SecurityPolicyType.Basic256Sha256_Sign,
    "Aes128Sha256RsaOaep/SignAndEncrypt": ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt,
    "Aes256Sha256RsaPss/SignAndEncrypt": ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt,
}
PLAIN: Final = "none, I accept plain text"
VARIANT: Final = {
    ValueType.FLOAT64: ua.VariantType.Double,
    ValueType.INT64: ua.VariantType.Int64,
    ValueType.BOOL: ua.VariantType.Boolean,
    ValueType.STRING: ua.VariantType.String,
}
DATA_TYPE: Final = {
    ValueType.FLOAT64: ua.ObjectIds.Double,
    ValueType.INT64: ua.ObjectIds.Int64,
    ValueType.BOOL: ua.ObjectIds.Boolean,
    ValueType.STRING: ua.ObjectIds.String,
}
TIME_STEP_ns: Final = 1000
"""asyncua carries datetime: microseconds. A finer source time would be cut, so it is refused before."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NODE = re.compile(r"nsu=(?P<uri>[^;]+);(?P<kind>[si])=(?P<identifier>.+)", re.DOTALL)


def _is_not_told_by_us(record: logging.LogRecord) -> bool:
    """Leave out asyncua's traceback of a port that is taken: the EndpointError of `listen` tells it in words."""
    return not (record.exc_info and isinstance(record.exc_info[1], OSError))


logging.getLogger("asyncua.server.server").addFilter(_is_not_told_by_us)


class EndpointError(Exception):
    """Say why an endpoint cannot be served: its address, its security, its port."""


class NodeTakenError(EndpointError):
    """Say that a tag's node is already that of another one; `tag` names it."""

    def __init__(self, node: str, tag: str) -> None:
        super().__init__(f"node {node!r} is already there on this endpoint; give the tag a node of its own")
        self.tag = tag


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """Describe one variable: tag, its node as the device file writes it, its type."""

    tag: str
    node: str
    type: ValueType
    description: str


class WrittenValue(ua.DataValue):  # type: ignore[misc]
    """Be a DataValue that nobody changes: asyncua copies each one per monitored item, two thirds of a write's time."""

    __slots__ = ()

    def __deepcopy__(self, memo: object) -> WrittenValue:
        """Give the same one."""
        return self


def to_data_value(value: Value, status: int, time_ns: int, kind: ValueType) -> Any:
    """Make the DataValue that clients see; the source time must be whole microseconds."""
    assert time_ns % TIME_STEP_ns == 0, f"source time {time_ns} ns is finer than OPC UA carries here"
    stamp = _EPOCH + timedelta(microseconds=time_ns // TIME_STEP_ns)
    empty = value is None or is_bad(status)
    variant = ua.Variant(None, ua.VariantType.Null) if empty else ua.Variant(value, VARIANT[kind])
    return WrittenValue(variant, ua.StatusCode(status), SourceTimestamp=stamp, ServerTimestamp=datetime.now(UTC))


class OpcUaEndpoint:
    """Serve the devices of one endpoint."""

    def __init__(self, url: str, *, security: str, own: OwnCertificate, trust: Path, bind_host: str | None) -> None:
        problem = OPCUA.problem(url)
        if problem is not None:
            raise EndpointError(problem)
        if security != PLAIN and security not in SECURE:
            message = f"security {security!r} is not served; use one of: {', '.join(SECURE)}, or the words: {PLAIN}"
            raise EndpointError(message)
        self.url, self.security, self.uri = url, security, own.uri
        self._own, self._trust = own, TrustFolder(trust)
        self._address = (bind_host or "127.0.0.1", urlsplit(url).port)
        self._nodes: dict[str, dict[str, tuple[Any, ValueType]]] = {}
        visitors = Visitors(None if security == PLAIN else self._trust)
        self._history = History()
        self._server = Server(iserver=GuardedServer(self._history, user_manager=visitors))
        self._cut_by: set[str] = set()

    async def build(self) -> None:
        """Make the address space and the security settings. Nobody can connect before `listen`."""
        server = self._server
        await server.init()
        server.name, server.manufacturer_name = "Penstock simulators", "Penstock"
        server.product_uri = "https://penstock.invalid/simulators"
        server.set_endpoint(self.url)
        server.socket_address = self._address
        await server.set_application_uri(self._own.uri)
        server.allow_remote_admin(False)
        server.set_identity_tokens([ua.AnonymousIdentityToken])
        policy = ua.SecurityPolicyType.NoSecurity if self.security == PLAIN else SECURE[self.security]
        server.set_security_policy([policy], permission_ruleset=ReadOnlyRules())
        if self.security != PLAIN:
            await server.load_certificate(self._own.certificate)
            await server.load_private_key(self._own.key)
            server.set_certificate_validator(CertificateGuard(self._trust))

    async def listen(self) -> None:
        """Let clients in, once what they look for is there; EndpointError names a port that is taken."""
        try:
            await self._server.start()
        except OSError as error:
            message = f"{self.url}: cannot listen on {self._address[0]}:{self._address[1]}: {error.strerror or error}"
            raise EndpointError(message) from error

    async def cut(self, device: str, *, dead: bool) -> None:
        """Close the socket and every connection while a device's wire is dead; nodes and history go on.

        One wire serves all devices of an endpoint: it is dead while one of them says so.
        """
        before = bool(self._cut_by)
        (self._cut_by.add if dead else self._cut_by.discard)(device)
        if bool(self._cut_by) is before:
            return
        if self._cut_by:
            await self._server.bserver.stop()
            return
        try:
            await self._server.bserver.start()
        except OSError:
            self._cut_by.add(device)  # somebody took the port meanwhile: tried again with the next word

    async def stop(self) -> None:
        """Close sessions and socket."""
        await self._server.stop()

    async def add(self, device: str, namespace: str, nodes: Iterable[NodeSpec]) -> None:
        """Make a folder for the device; every variable waits for its first value. Others run between two variables.

        NodeTakenError where a node is there; `remove` then takes away what was made before.
        """
        index = await self._server.register_namespace(namespace)
        folder = await self._server.nodes.objects.add_object(ua.NodeId(device, index), ua.QualifiedName(device, index))
        made = self._nodes[device] = {}  # known from the first one on, so that `remove` takes away what was begun
        for spec in nodes:
            node_id = await self._node_id(spec.node, index)
            name, nothing = ua.QualifiedName(spec.tag, index), ua.Variant(None, ua.VariantType.Null)
            try:
                node = await folder.add_variable(node_id, name, nothing, datatype=ua.NodeId(DATA_TYPE[spec.type]))
            except ua.uaerrors.BadNodeIdExists as error:
                raise NodeTakenError(spec.node, spec.tag) from error
            waiting = ua.DataValue(ua.Variant(None, ua.VariantType.Null), ua.StatusCode(BAD_WAITING_FOR_INITIAL_DATA))
            await self._server.write_attribute_value(node.nodeid, waiting)
            description = ua.DataValue(ua.Variant(ua.LocalizedText(spec.description or spec.tag)))
            await self._server.write_attribute_value(node.nodeid, description, ua.AttributeIds.Description)
            await self._remember(node, spec.type)
            made[spec.tag] = (node.nodeid, spec.type)
            await asyncio.sleep(0)  # asyncua awaits nothing above

    async def _remember(self, node: Any, kind: ValueType) -> None:
        """Keep the variable's history, and say so in its attributes."""
        for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
            await node.set_attr_bit(attribute, ua.AccessLevel.HistoryRead)
        await self._server.write_attribute_value(
            node.nodeid, ua.DataValue(ua.Variant(True, ua.VariantType.Boolean)), ua.AttributeIds.Historizing
        )
        self._history.add(node.nodeid, lambda past: to_data_value(past.value, past.status, past.time_ns, kind))

    async def _node_id(self, text: str, index: int) -> Any:
        match = _NODE.fullmatch(text)
        if match is None:
            return ua.NodeId(text, index)
        own = await self._server.register_namespace(match["uri"])
        return ua.NodeId(int(match["identifier"]) if match["kind"] == "i" else match["identifier"], own)

    async def remove(self, device: str) -> None:
        """Take the device's nodes out; subscribers hear BadNodeIdUnknown from then on."""
        await self.cut(device, dead=False)
        gone = ua.DataValue(ua.Variant(None, ua.VariantType.Null), ua.StatusCode(BAD_NODE_ID_UNKNOWN))
        space = self._server.iserver.aspace
        for node_id, _ in self._nodes.pop(device, {}).values():
            await self._server.write_attribute_value(node_id, gone)
            self._history.remove(node_id)
            for handle in list(space[node_id].attributes[ua.AttributeIds.Value].datachange_callbacks):
                space.delete_datachange_callback(handle)  # asyncua itself would call it and never await it
            item = ua.DeleteNodesItem(NodeId=node_id, DeleteTargetReferences=False)  # the folder alone refers to it
            await self._server.iserver.isession.delete_nodes(ua.DeleteNodesParameters(NodesToDelete=[item]))
            await asyncio.sleep(0)  # asyncua awaits nothing above
        folders = await self._server.nodes.objects.get_children(ua.ObjectIds.HasComponent)
        folders += await self._server.nodes.objects.get_children(ua.ObjectIds.Organizes)
        await self._server.delete_nodes([node for node in folders if node.nodeid.Identifier == device])

    async def offer(self, emission: Emission) -> int:
        """Write the values; give how many of them a subscription now holds."""
        nodes = self._nodes[emission.device]
        held = 0
        for point in emission.points:
            node_id, kind = nodes[point.tag]
            held += self._is_monitored(node_id)
            await self._server.write_attribute_value(
                node_id, to_data_value(point.value, point.status, emission.time_ns, kind)
            )
            self._history.record(node_id, Past(emission.time_ns, point.value, point.status))
        return held

    def _is_monitored(self, node_id: Any) -> bool:
        return bool(self._server.iserver.aspace[node_id].attributes[ua.AttributeIds.Value].datachange_callbacks)

    def watchers(self, device: str) -> Mapping[str, bool]:
        """Say of every tag whether a client monitors it."""
        return {tag: self._is_monitored(node_id) for tag, (node_id, _) in self._nodes[device].items()}

    def backlog(self, device: str | None = None) -> tuple[int, int]:
        """Give (most values waiting in one monitored item's queue, notifications sent and not acknowledged).

        With a device: of the subscriptions that monitor it.
        """
        queues, unacknowledged = 0, 0
        for subscription in self._subscriptions(device):
            waiting = subscription._triggered_datachanges.values()
            queues = max([queues, *(len(queue) for queue in waiting)])
            unacknowledged += len(subscription._not_acknowledged_results)
        return queues, unacknowledged

    def queued(self) -> int:
        """Give the number of values that wait in the queues of all monitored items."""
        return sum(
            len(queue)
            for subscription in self._subscriptions(None)
            for queue in subscription._triggered_datachanges.values()
        )

    def queue_room(self, device: str | None = None) -> int:
        """Give the smallest queue of the monitored items; 0 when there is none."""
        sizes = [
            item.queue_size
            for subscription in self._subscriptions(device)
            for item in subscription.monitored_item_srv._monitored_items.values()
        ]
        return min(sizes, default=0)

    def _subscriptions(self, device: str | None) -> list[Any]:
        if device is None:
            return list(self._server.iserver.subscription_service.subscriptions.values())
        space, found = self._server.iserver.aspace, {}
        for node_id, _ in self._nodes[device].values():
            for callback in space[node_id].attributes[ua.AttributeIds.Value].datachange_callbacks.values():
                subscription = callback.__self__.isub
                found[id(subscription)] = subscription
        return list(found.values())


async def wait_until_quiet(endpoint: OpcUaEndpoint, *, quiet_s: float, timeout_s: float) -> bool:
    """Wait until every notification went out and was acknowledged, for quiet_s; False after timeout_s."""
    loop = asyncio.get_running_loop()
    deadline, quiet_since = loop.time() + timeout_s, None
    while loop.time() < deadline:
        if endpoint.backlog() == (0, 0):
            quiet_since = quiet_since or loop.time()
            if loop.time() - quiet_since >= quiet_s:
                return True
        else:
            quiet_since = None
        await asyncio.sleep(0.05)
    return False
