"""The source of `bench opcua`: a server whose values cost it next to nothing, so that it can feed three clients.

`python -m bench._opcua_source JSON` is asyncua's server, its sessions, security and subscriptions as they are; only
what a notification holds is made here: a new double of every monitored item at each publishing interval, encoded in
columns. A client that is late gets all notifications, one after the other. Prints `ready`; ends with standard input.
"""

import asyncio
import json
import logging
import struct
import sys
import time
from pathlib import Path
from typing import Any

import asyncua
import numpy as np
from asyncua.server import subscription_service
from asyncua.server.internal_subscription import InternalSubscription
from asyncua.server.server import Server
from asyncua.server.uaprocessor import UaProcessor

from penstock.edge.opcua.encoding import FILETIME_UNIX

# asyncua is marked as typed, but its star imports hide their names
ua: Any = asyncua.ua  # type: ignore[attr-defined, unused-ignore]

ITEM = np.dtype(
    [("handle", "<u4"), ("mask", "u1"), ("type", "u1"), ("value", "<f8"), ("source", "<i8"), ("server", "<i8")]
)
DOUBLE, VALUE_AND_TIMES = 11, 0x0D
DATA_CHANGE, PUBLISH_RESPONSE = 811, 829
BACKLOG_MAX = 1_000
"""Notifications that are kept for a client before it is taken for one that began anew."""


class Canned:
    """Encode the values of one subscription."""

    def __init__(self, handles: list[int]) -> None:
        self.items = np.zeros(len(handles), ITEM)
        self.items["handle"], self.items["mask"], self.items["type"] = handles, VALUE_AND_TIMES, DOUBLE
        self.items["value"] = np.arange(len(handles))

    def next(self) -> bytes:
        """Give the body of the next DataChangeNotification."""
        self.items["value"] += 0.25
        self.items["source"] = self.items["server"] = time.time_ns() // 100 + FILETIME_UNIX
        count, no_diagnostics = np.array([len(self.items), -1], "<i4")
        return bytes(count.tobytes() + self.items.tobytes() + no_diagnostics.tobytes())


class Subscription(InternalSubscription):
    """Publish canned values for each interval that has passed."""

    canned: Canned | None = None
    _began_s = 0.0
    _sent = 0

    def has_published_results(self) -> bool:
        """Say whether a notification is due."""
        if not self.monitored_item_srv._monitored_items:
            return False
        passed = int((time.monotonic() - self._began_s) * 1_000 / self.data.RevisedPublishingInterval)
        if not self._sent or passed - self._sent > BACKLOG_MAX:
            self._began_s, self._sent, passed = time.monotonic(), 0, 1
        return passed > self._sent

    async def publish_results(self, requestdata: Any = None) -> bool:
        """Send what is due, as far as there are requests."""
        answered = await super().publish_results(requestdata)
        more = answered
        while more:
            more = await super().publish_results()
        return answered

    def _pop_triggered_datachanges(self, result: Any) -> None:
        handles = [item.client_handle or 0 for item in self.monitored_item_srv._monitored_items.values()]
        if self.canned is None or len(self.canned.items) != len(handles):
            self.canned = Canned(handles)
        self._triggered_datachanges = {}
        self._sent += 1
        result.NotificationMessage.NotificationData.append(self.canned.next())


async def send_notification(processor: Any, result: Any, requestdata: Any) -> None:
    """Answer a publish request with bytes, where asyncua would go through an object of each field."""
    now = time.time_ns() // 100 + FILETIME_UNIX
    acknowledged = [code.value for code in requestdata.results or []]
    notified = b"".join(_extension_object(body) for body in result.NotificationMessage.NotificationData)
    answer = (
        struct.pack("<BBHqIIBiHB", 1, 0, PUBLISH_RESPONSE, now, requestdata.requesthdr.RequestHandle, 0, 0, -1, 0, 0)
        + struct.pack("<Ii?", result.SubscriptionId, -1, False)
        + struct.pack("<Iqi", result.NotificationMessage.SequenceNumber, now, 1 if notified else 0)
        + notified
        + struct.pack(f"<i{len(acknowledged)}Ii", len(acknowledged), *acknowledged, -1)
    )
    message = processor._connection.message_to_binary(
        answer, message_type=ua.MessageType.SecureMessage, request_id=requestdata.seqhdr.RequestId
    )
    processor._transport.write(message)


def _extension_object(body: bytes) -> bytes:
    return struct.pack("<BBHBi", 1, 0, DATA_CHANGE, 1, len(body)) + body


async def serve(asked: dict[str, Any]) -> None:
    """Serve the variables until standard input ends."""
    service: Any = subscription_service
    service.InternalSubscription = Subscription
    processor: Any = UaProcessor
    processor.forward_publish_response = send_notification
    server = Server()
    await server.init()
    server.set_endpoint(asked["endpoint"])
    await server.set_application_uri(asked["uri"])
    if asked["secure"]:
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        await server.load_certificate(Path(asked["certificate"]))
        await server.load_private_key(Path(asked["key"]))
    else:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(asked["namespace"])
    for name in asked["nodes"]:
        await server.nodes.objects.add_variable(ua.NodeId(name, index), name, 0.0, ua.VariantType.Double)
    async with server:
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            continue


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    asyncio.run(serve(json.loads(sys.argv[1])))
