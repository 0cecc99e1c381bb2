"""asyncua's client with a publish service that is ours: exact times, and acknowledging left to the caller.

Its reconnecting is off too: a client is one connection, and the next one takes its session over (`inherit`).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from asyncua import ua
from asyncua.client.client import Client
from asyncua.client.ua_client import UASocketProtocol
from asyncua.client.ua_session import UaSession
from asyncua.common.shortcuts import Shortcuts
from asyncua.common.utils import Buffer
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.ua_binary import nodeid_to_binary

from penstock.edge.opcua.publishing import Acknowledgement, encode_publish_request

REQUEST_TIMEOUT_S = 4.0
"""An answer that takes longer is taken for a dead link: reading must resume within 5 s of the link's return."""
PING_INTERVAL_S = 1.5
"""How often the link is probed: a half-open one is found within this and one request's wait."""
SESSION_TIMEOUT_MS = 120_000
"""How long a server keeps the session of a gateway that vanished: twice the longest break that its queues bridge, and
no longer, since its places are few."""

logging.getLogger("asyncua").setLevel(logging.CRITICAL)


class PublishSession(UaSession):
    """Send publish requests by hand; asyncua's loop, which acknowledges before the journal's sync, is off.

    What carries values is given as the server sent it: asyncua's decoder is not exact about times.
    """

    def ensure_publish_loop(self) -> None:
        """Start nothing: the link has the loop."""

    def send_publish_requests(self, requests: Sequence[Sequence[Acknowledgement]]) -> list[asyncio.Future[Buffer]]:
        """Send publish requests, as `publishing.Channel` has it; asyncua would make twenty objects for each."""
        protocol, transport = self._open_channel()
        token = nodeid_to_binary(self.authentication_token)
        protocol.revolve_security_token()
        loop = asyncio.get_running_loop()
        messages, answers = [], []
        for acknowledgements in requests:
            protocol._request_handle += 1
            protocol._request_id += 1
            body = encode_publish_request(token, protocol._request_handle, acknowledgements, now_ns=time.time_ns())
            messages.append(protocol._connection.message_to_binary(body, request_id=protocol._request_id))
            answer: asyncio.Future[Buffer] = loop.create_future()
            protocol._callbackmap[protocol._request_id] = answer
            answers.append(answer)
        transport.write(b"".join(messages))
        return answers

    def rest(self, for_s: float) -> None:
        """Leave what comes in to the socket, whoever it is for, as `publishing.Channel` has it."""
        _, transport = self._open_channel()
        if transport.is_reading():
            transport.pause_reading()
            asyncio.get_running_loop().call_later(for_s, transport.resume_reading)

    def _open_channel(self) -> tuple[UASocketProtocol, asyncio.Transport]:
        protocol = self._client.protocol
        if protocol is None or protocol.transport is None:
            message = "the connection is closed"
            raise ConnectionError(message)
        return protocol, protocol.transport

    async def republish_raw(self, subscription: int, sequence: int) -> Buffer:
        """Ask for a notification again (OPC 10000-4 5.14.6); give the whole answer."""
        request = ua.RepublishRequest()
        request.Parameters.SubscriptionId = ua.IntegerId(subscription)
        request.Parameters.RetransmitSequenceNumber = ua.Counter(sequence)
        return await self._send_request(request)

    async def read_raw(self, nodes: Sequence[ua.NodeId]) -> Buffer:
        """Read the value attribute of nodes with both times; give the whole answer."""
        request = ua.ReadRequest()
        request.Parameters.TimestampsToReturn = ua.TimestampsToReturn.Both
        request.Parameters.NodesToRead = [ua.ReadValueId(NodeId=n, AttributeId=AttributeIds.Value) for n in nodes]
        return await self._send_request(request)

    async def history_read_raw(self, parameters: ua.HistoryReadParameters) -> Buffer:
        """Read history (OPC 10000-4 5.11.3); give the whole answer."""
        request = ua.HistoryReadRequest()
        request.Parameters = parameters
        return await self._send_request(request, timeout=HISTORY_TIMEOUT_S)


HISTORY_TIMEOUT_S = 30.0
"""A server looks its history up on a disk; nothing waits for it but the refill."""


class PublishClient(Client):
    """Be asyncua's client around a `PublishSession`, in steps, without its reconnecting."""

    def __init__(self, url: str) -> None:
        super().__init__(url, timeout=REQUEST_TIMEOUT_S, watchdog_intervall=PING_INTERVAL_S, auto_reconnect=False)
        self.session = PublishSession(self.uaclient)
        self.uaclient.session = self.session
        self.nodes = Shortcuts(self.session)
        self.session_timeout = SESSION_TIMEOUT_MS
        self._on_lost: Callable[[str], None] | None = None
        self.connection_lost_callback = self._lost

    async def open(self) -> None:
        """Connect the socket and open the secure channel."""
        await self.connect_socket()
        await self.send_hello()
        await self.open_secure_channel()

    def inherit(self, other: "PublishClient") -> None:
        """Take the session of another client over; `activate` then binds it to this one's channel."""
        self.session.restore_authentication_token(other.session.authentication_token)
        self._server_nonce, self._policy_ids = other._server_nonce, other._policy_ids
        self.session_timeout = other.session_timeout

    async def create(self) -> None:
        """Make a session; `activate` comes next."""
        self.session.reset_authentication_token()
        await self.create_session()

    async def activate(self, on_lost: Callable[[str], None]) -> None:
        """Activate the session on this channel, keep the channel's keys fresh and probe the link from now on."""
        await self._activate_with_credentials()
        self._on_lost = on_lost
        self._start_renew_loop()
        self._supervisor_task = asyncio.create_task(self._connection_supervisor(), name="opcua-supervisor")

    async def drop(self) -> None:
        """End the connection and leave the session to the next client."""
        self._on_lost = None
        self.uaclient.request_disconnect()
        await self._cancel_task(self._supervisor_task)
        await self._cancel_task(self._renew_channel_task)
        self.disconnect_socket()

    async def _lost(self, error: Exception) -> None:
        if self._on_lost is not None:
            self._on_lost(f"no answer any more ({str(error) or type(error).__name__})")
