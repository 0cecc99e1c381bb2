"""The steps that the recovery machine asks for, done with asyncua over one connection after the other.

Each step answers with what the machine wants to hear: Succeeded, Refused (the server said no) or Lost (it said
nothing). The session and the subscription live longer than a connection; the next client inherits them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.uaerrors import (
    BadNoSubscription,
    BadSessionClosed,
    BadSessionIdInvalid,
    BadSessionNotActivated,
    BadSubscriptionIdInvalid,
    UaError,
)

from penstock.core.device_file import DeviceFile
from penstock.edge.driver import Counters, DriverContext
from penstock.edge.opcua.certificates import Untrusted, check_server_certificate, own_certificate
from penstock.edge.opcua.columnar import ItemValue
from penstock.edge.opcua.config import OpcUaConnection, Security
from penstock.edge.opcua.encoding import MalformedNotification
from penstock.edge.opcua.nodes import MonitoredTag, UnknownNamespace, resolve_node
from penstock.edge.opcua.notification import Notification
from penstock.edge.opcua.recovery import Ended, Input, Lost, Refused, Republished, Succeeded, Unavailable
from penstock.edge.opcua.session import PublishClient
from penstock.edge.opcua.values import decode_clock_response, decode_read_response, decode_republish_response

CLOCK = ua.NodeId(ua.Int32(ObjectIds.Server_ServerStatus_CurrentTime))
ITEMS_PER_CALL = 500
"""Servers limit the operations of one call (OPC 10000-5 6.3.11); few limit below this."""
NOTIFICATIONS_PER_PUBLISH = 10_000
"""Values in one answer: bounds a message to some 400 kB."""
GOODBYE_S = 2.0
"""How long a goodbye may take: the server forgets the session by itself."""
SUBSCRIPTION_GONE = (BadSubscriptionIdInvalid, BadNoSubscription)
SESSION_GONE = (BadSessionIdInvalid, BadSessionClosed, BadSessionNotActivated)


@dataclass(frozen=True, slots=True)
class Monitored:
    """Pair a tag with its node in this server and the queue that the server granted."""

    tag: str
    node: ua.NodeId
    queue: int


@dataclass(slots=True)
class Connection:
    """Hold the present client and what outlives it."""

    device: DeviceFile
    settings: OpcUaConnection
    context: DriverContext
    counters: Counters
    on_lost: Callable[[str], None]
    """Called when the probe of the link fails."""
    client: PublishClient | None = None
    subscription: int = 0
    items: dict[int, Monitored] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    """The tags that cannot be read, in words."""
    opened_ns: int = 0
    """The server's clock just before the values were asked for: what it reports first was still so at that time."""
    publishing_s: float = 0.0
    """The granted publishing interval."""
    keep_alive_ns: int = 0
    """How long the granted subscription may be silent."""
    _previous: PublishClient | None = None

    async def attempt(self, step: Awaitable[Input]) -> Input:
        """Do a step; what goes wrong on the way is Lost or Refused."""
        try:
            return await step
        except SESSION_GONE as error:
            return Lost(self._describe(error))
        except UaError as error:
            return Refused(self._describe(error))
        except (OSError, TimeoutError, MalformedNotification, Untrusted) as error:
            return Lost(self._describe(error))

    def _describe(self, error: BaseException) -> str:
        endpoint = self.settings.endpoint
        if isinstance(error, TimeoutError):
            return f"no answer from {endpoint} in time"
        if isinstance(error, ConnectionRefusedError):
            return f"nothing listens at {endpoint}: is the server running?"
        return f"{endpoint}: {str(error) or type(error).__name__}"

    def present(self) -> PublishClient:
        """Give the client; ConnectionError where there is none."""
        if self.client is None:
            message = "the connection is closed"
            raise ConnectionError(message)
        return self.client

    async def open(self) -> Input:
        """Connect, check the server's certificate, open the channel."""
        await self.drop()
        client = PublishClient(self.settings.endpoint)
        client.name = self.context.client_name
        client.description = f"{self.context.client_name} {self.device.device}"
        client.application_uri = f"urn:penstock:gateway:{self.context.client_name}"
        self.client = client
        try:
            if self.settings.security is Security.ENCRYPTED:
                await self._secure(client)
            await client.open()
        except UaError as error:  # a channel that is refused is not open
            return Lost(self._describe(error))
        return Succeeded()

    async def _secure(self, client: PublishClient) -> None:
        context = self.context
        own = await asyncio.to_thread(own_certificate, context.pki_dir, context.trust_dir, context.client_name)
        client.application_uri = own.uri
        endpoint = client.find_endpoint(
            await client.connect_and_get_server_endpoints(),
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
        await client.set_security(
            SecurityPolicyBasic256Sha256, str(own.certificate), str(own.key), server_certificate=certificate
        )

    async def activate(self) -> Input:
        """Bind the session of the client before to the new channel."""
        client = self.present()
        if self._previous is None:
            return Refused("no session to activate")
        client.inherit(self._previous)
        try:
            await client.activate(self.on_lost)
        except UaError as error:
            return Refused(self._describe(error))
        return Succeeded()

    async def create(self) -> Input:
        """Make a session."""
        client = self.present()
        await client.create()
        await client.activate(self.on_lost)
        return Succeeded()

    async def transfer(self) -> Input:
        """Take the subscription over into this session, without the values it reported last."""
        parameters = ua.TransferSubscriptionsParameters()
        parameters.SubscriptionIds = [ua.IntegerId(self.subscription)]
        parameters.SendInitialValues = False
        (result,) = await self.present().session.transfer_subscriptions(parameters)
        return Succeeded() if result.StatusCode.is_good() else Refused(result.StatusCode.name)

    async def subscribe(self) -> Input:
        """Make a subscription with all items whose nodes the server has."""
        client, settings = self.present(), self.settings
        namespaces = await client.get_namespace_array()
        self.opened_ns = await self._server_clock()
        parameters = ua.CreateSubscriptionParameters()
        parameters.RequestedPublishingInterval = settings.publishing_ms
        parameters.RequestedMaxKeepAliveCount = settings.keep_alive_count
        parameters.RequestedLifetimeCount = settings.lifetime_count
        parameters.MaxNotificationsPerPublish = NOTIFICATIONS_PER_PUBLISH
        parameters.PublishingEnabled = True
        made = await client.session.create_subscription(parameters, callback=_ignore)
        self.subscription = made.SubscriptionId
        self.publishing_s = made.RevisedPublishingInterval / 1_000
        self.keep_alive_ns = int(made.RevisedPublishingInterval * made.RevisedMaxKeepAliveCount * 1_000_000)
        self.items, self.missing = {}, []
        requests = []
        for handle, tag in enumerate(monitored_tags(self.device)):
            try:
                requests.append((handle, tag, resolve_node(tag.node, settings.namespace, namespaces)))
            except (ValueError, UnknownNamespace) as error:
                self.missing.append(f"tag {tag.tag}: {error}")
        for start in range(0, len(requests), ITEMS_PER_CALL):
            await self._monitor(requests[start : start + ITEMS_PER_CALL])
        self.counters.add("nodes_missing", len(self.missing))
        return Succeeded()

    async def _server_clock(self) -> int:
        return decode_clock_response(await self.present().session.read_raw([CLOCK]))

    async def _monitor(self, wanted: Sequence[tuple[int, MonitoredTag, ua.NodeId]]) -> None:
        parameters = ua.CreateMonitoredItemsParameters()
        parameters.SubscriptionId = self.subscription
        parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        parameters.ItemsToCreate = [
            _create_request(node, handle, sampling_ms=self.settings.sampling_ms, queue=self.settings.queue_size)
            for handle, _, node in wanted
        ]
        results = await self.present().session.create_monitored_items(parameters)
        for (handle, tag, node), result in zip(wanted, results, strict=True):
            if not result.StatusCode.is_good():
                why = f"tag {tag.tag}: the server has no node {node.to_string()} ({result.StatusCode.name})"
                self.missing.append(why)
                continue
            self.items[handle] = Monitored(tag.tag, node, result.RevisedQueueSize)
            if result.RevisedQueueSize < self.settings.queue_size:
                self.counters.add("queues_cut")

    async def republish(self, sequence: int, bodies: dict[int, Notification]) -> Input:
        """Ask for a notification again, and put it among the bodies."""
        try:
            answer = await self.present().session.republish_raw(self.subscription, sequence)
            notification = decode_republish_response(answer, subscription=self.subscription)
        except SUBSCRIPTION_GONE as error:
            return Ended(self._describe(error))
        except SESSION_GONE as error:
            return Lost(self._describe(error))
        except (UaError, MalformedNotification):  # it has it no more, knows no Republish, or cannot send it right
            return Unavailable(sequence)
        if notification is None or notification.sequence != sequence:
            return Unavailable(sequence)
        if notification.lost_status is not None:
            return Ended("the server ended the subscription")
        bodies.setdefault(sequence, notification)
        return Republished(sequence)

    async def read_present(self) -> list[ItemValue]:
        """Read the present value of every item; numbered by the items' handles."""
        self.opened_ns = await self._server_clock()
        found: list[ItemValue] = []
        handles = list(self.items)
        for start in range(0, len(handles), ITEMS_PER_CALL):
            some = handles[start : start + ITEMS_PER_CALL]
            answer = await self.present().session.read_raw([self.items[handle].node for handle in some])
            for handle, value in zip(some, decode_read_response(answer), strict=False):
                found.append(ItemValue(handle, value.raw, value.status, value.source_time_ns, value.server_time_ns))
        return found

    async def drop(self) -> None:
        """End the connection without a goodbye: the session waits for the next one."""
        client, self.client = self.client, None
        if client is None:
            return
        await client.drop()
        if client.session.has_session:
            self._previous = client

    async def leave(self) -> None:
        """Say goodbye: the server may forget session and subscription."""
        client, self.client = self.client, None
        if client is None:
            return
        try:
            async with asyncio.timeout(GOODBYE_S):
                await client.disconnect()
        except (TimeoutError, OSError, UaError):
            client.disconnect_socket()


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
