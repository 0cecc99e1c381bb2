"""One connection to an OPC UA server, from its first byte to its loss.

Open: endpoint and certificate checked, session, namespaces read, one subscription, monitored items. Then some publish
requests are kept outstanding; what they bring is put into the sink, and a notification is acknowledged to the server
only when the sink's receipt says that the journal has it. While the gateway is full, `put` waits, no further request
goes out, and the server's queue fills: that is the back-pressure. A queue that overflows says so in the status of
the next value.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import UaError

from penstock.core.device_file import DeviceFile
from penstock.core.status import name as status_name
from penstock.core.times import from_datetime
from penstock.edge.driver import Counters, DriverContext
from penstock.edge.opcua.certificates import check_server_certificate, own_certificate
from penstock.edge.opcua.config import OpcUaConnection, Security
from penstock.edge.opcua.items import ItemTable
from penstock.edge.opcua.nodes import MonitoredTag, UnknownNamespace, resolve_node
from penstock.edge.opcua.notification import Notification
from penstock.edge.opcua.session import PublishClient

ITEMS_PER_CALL = 500
"""Servers limit the operations of one call (OPC 10000-5 6.3.11); few limit below this."""
NOTIFICATIONS_PER_PUBLISH = 10_000
"""Values in one answer: bounds a message to some 400 kB."""


class LinkLost(Exception):
    """Say why the connection ended; the driver reconnects."""


@dataclass(slots=True)
class Link:
    """Read one device over one connection; `newest_source_time_ns` stamps a gap when it is lost."""

    device: DeviceFile
    settings: OpcUaConnection
    context: DriverContext
    counters: Counters
    on_ready: Callable[[Sequence[str]], Awaitable[None]]
    """Called with what is missing, in words, when values can flow."""
    newest_source_time_ns: int | None = None
    _client: PublishClient = field(init=False)
    _items: ItemTable = field(init=False)
    _acknowledge: list[ua.SubscriptionAcknowledgement] = field(default_factory=list)
    _opened_ns: int = 0
    """The server's clock just before the items were made: what it reports first was still so at that time."""
    _lost: asyncio.Event = field(default_factory=asyncio.Event)
    _loss: str = ""

    async def run(self) -> None:
        """Connect and read until the link is lost (LinkLost, or what the connecting raised) or until cancelled."""
        self._client = PublishClient(self.settings.endpoint)
        self._client.name = self.context.client_name
        self._client.description = f"{self.context.client_name} {self.device.device}"
        self._client.application_uri = f"urn:penstock:gateway:{self.context.client_name}"
        self._client.connection_lost_callback = self._on_connection_lost
        if self.settings.security is Security.ENCRYPTED:
            await self._secure()
        await self._client.connect()
        try:
            missing = await self._subscribe()
            await self.on_ready(missing)
            await self._read()
        finally:
            await self._close()

    async def _secure(self) -> None:
        context = self.context
        own = await asyncio.to_thread(own_certificate, context.pki_dir, context.trust_dir, context.client_name)
        self._client.application_uri = own.uri
        endpoint = self._client.find_endpoint(
            await self._client.connect_and_get_server_endpoints(),
            ua.MessageSecurityMode.SignAndEncrypt,
            SecurityPolicyBasic256Sha256.URI,
        )
        certificate = _leading_certificate(endpoint.ServerCertificate)
        await asyncio.to_thread(
            check_server_certificate,
            certificate,
            application_uri=endpoint.Server.ApplicationUri or "",
            trust_dir=context.trust_dir,
            rejected_dir=context.pki_dir / "rejected",
        )
        await self._client.set_security(
            SecurityPolicyBasic256Sha256, str(own.certificate), str(own.key), server_certificate=certificate
        )

    async def _on_connection_lost(self, error: Exception) -> None:
        self._loss = f"no answer any more ({str(error) or type(error).__name__})"
        self._lost.set()

    async def _subscribe(self) -> list[str]:
        namespaces = await self._client.get_namespace_array()
        self._opened_ns = from_datetime(
            await self._client.get_node(ObjectIds.Server_ServerStatus_CurrentTime).read_value()
        )
        settings = self.settings
        parameters = ua.CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = settings.publishing_ms
        parameters.RequestedMaxKeepAliveCount = settings.keep_alive_count
        parameters.RequestedLifetimeCount = settings.lifetime_count
        parameters.MaxNotificationsPerPublish = NOTIFICATIONS_PER_PUBLISH
        parameters.PublishingEnabled = True
        subscription = await self._client.session.create_subscription(parameters, callback=_ignore)
        self._items = ItemTable(tuple(self.device.tags), self.counters)
        missing: list[str] = []
        requests = []
        for handle, tag in enumerate(monitored_tags(self.device)):
            try:
                node = resolve_node(tag.node, settings.namespace, namespaces)
            except (ValueError, UnknownNamespace) as error:
                missing.append(f"tag {tag.tag}: {error}")
                continue
            self._items.add(handle, tag.tag)
            requests.append((handle, tag, node))
        for start in range(0, len(requests), ITEMS_PER_CALL):
            missing += await self._monitor(subscription.SubscriptionId, requests[start : start + ITEMS_PER_CALL])
        self.counters.add("nodes_missing", len(missing))
        return missing

    async def _monitor(self, subscription: int, wanted: Sequence[tuple[int, MonitoredTag, ua.NodeId]]) -> list[str]:
        parameters = ua.CreateMonitoredItemsParameters()
        parameters.SubscriptionId = subscription
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        parameters.ItemsToCreate = [
            _create_request(node, handle, sampling_ms=self.settings.sampling_ms, queue=self.settings.queue_size)
            for handle, _, node in wanted
        ]
        results = await self._client.session.create_monitored_items(parameters)
        missing = []
        for (handle, tag, node), result in zip(wanted, results, strict=True):
            if not result.StatusCode.is_good():
                self._items.remove(handle)
                missing.append(f"tag {tag.tag}: the server has no node {node.to_string()} ({result.StatusCode.name})")
            elif result.RevisedQueueSize < self.settings.queue_size:
                self.counters.add("queues_cut")
        return missing

    async def _read(self) -> None:
        pending: deque[asyncio.Task[Notification]] = deque()
        lost = asyncio.create_task(self._lost.wait(), name=f"opcua-lost-{self.device.device}")
        try:
            while True:
                while len(pending) < self.settings.publish_outstanding:
                    pending.append(asyncio.create_task(self._publish(), name=f"opcua-publish-{self.device.device}"))
                await asyncio.wait([pending[0], lost], return_when=asyncio.FIRST_COMPLETED)
                if not pending[0].done():
                    raise LinkLost(self._loss)
                await self._on_notification(pending.popleft().result())
        finally:
            for task in (*pending, lost):
                task.cancel()
            await asyncio.gather(*pending, lost, return_exceptions=True)

    async def _publish(self) -> Notification:
        acknowledgements, self._acknowledge = self._acknowledge, []
        return await self._client.session.next_notification(acknowledgements)

    async def _on_notification(self, notification: Notification) -> None:
        if notification.lost_status is not None:
            message = f"the server ended the subscription: {status_name(notification.lost_status)}"
            raise LinkLost(message)
        if notification.keep_alive or not len(notification.values):
            self._on_server_time(notification.publish_time_ns)
            return
        self.counters.add("values", len(notification.values))
        taken = self._items.take(notification.values, self._opened_ns)
        sink, device = self.context.sink, self.device.device
        for one in taken.overflows:
            await sink.overflow(device, one.tag, from_ns=one.from_ns, to_ns=one.to_ns)
        if taken.newest_ns is not None:
            self._on_newest(taken.newest_ns)
        receipt = await sink.put_columns(device, taken.readings)
        acknowledgement = ua.SubscriptionAcknowledgement(
            SubscriptionId=notification.subscription, SequenceNumber=notification.sequence
        )
        receipt.add_done_callback(lambda done: self._on_journalled(done, acknowledgement))

    def _on_journalled(self, receipt: asyncio.Future[None], acknowledgement: ua.SubscriptionAcknowledgement) -> None:
        if not receipt.cancelled() and receipt.exception() is None:
            self._acknowledge.append(acknowledgement)

    def _on_server_time(self, time_ns: int | None) -> None:
        if time_ns is not None:
            self._on_newest(time_ns - self.settings.sampling_ms * 1_000_000)

    def _on_newest(self, time_ns: int) -> None:
        self.newest_source_time_ns = max(self.newest_source_time_ns or time_ns, time_ns)

    async def _close(self) -> None:
        try:
            async with asyncio.timeout(REQUEST_WAIT_S):
                await self._client.disconnect()
        except (TimeoutError, OSError, UaError):
            self._client.disconnect_socket()


REQUEST_WAIT_S = 2.0
"""How long a goodbye may take: the server forgets the session by itself."""


def monitored_tags(device: DeviceFile) -> list[MonitoredTag]:
    """List the tags that name a node."""
    return [MonitoredTag(name, tag.source.node) for name, tag in device.tags.items() if tag.source.node is not None]


def _create_request(node: ua.NodeId, handle: int, *, sampling_ms: int, queue: int) -> ua.MonitoredItemCreateRequest:
    """Ask for every written value: by default a server reports changed values and keeps one (61 of 600)."""
    request = ua.MonitoredItemCreateRequest()
    request.ItemToMonitor = ua.ReadValueId(NodeId=node, AttributeId=AttributeIds.Value)
    request.MonitoringMode = ua.MonitoringMode.Reporting
    change = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
    request.RequestedParameters = ua.MonitoringParameters(
        ClientHandle=handle, SamplingInterval=sampling_ms, Filter=change, QueueSize=queue, DiscardOldest=True
    )
    return request


def _ignore(_result: object) -> None:
    """Stand in for asyncua's callback, which the link does not use."""


def _leading_certificate(der: bytes) -> bytes:
    """Cut a chain to its first certificate: the length of the outer SEQUENCE is in bytes 2 and 3."""
    return der[: int.from_bytes(der[2:4], "big") + 4] if der[:2] == b"\x30\x82" else der
