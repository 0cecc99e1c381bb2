"""Record publish responses from a source, then put them through one process as quickly as it can.

`python -m bench._opcua_recorded JSON` prints one line of JSON: values a second, and CPU µs a value, of decoding,
normalising, gap keeping, batching and the fsynced journal. The recorded bodies are decrypted already.
"""

import asyncio
import json
import logging
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncua
from asyncua.common.utils import Buffer
from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

from penstock.core.device_file import DeviceFile, parse_device_file
from penstock.edge.driver import Counters
from penstock.edge.opcua.columnar import ColumnDecoder
from penstock.edge.opcua.items import ItemTable
from penstock.edge.opcua.notification import decode_publish_response
from penstock.edge.opcua.session import PublishClient
from penstock.gateway.batcher import Batcher
from penstock.gateway.intake import Intake
from penstock.gateway.journal.store import JournalStore

# asyncua is marked as typed, but its star imports hide their names
ua: Any = asyncua.ua  # type: ignore[attr-defined, unused-ignore]

RECORDED = 50
BATCH_ROWS, LINGER_S = 5_000, 0.25
"""As the gateway's settings have them."""


async def main(asked: dict[str, Any]) -> None:
    """Record, replay, print."""
    bodies = await record(asked)
    device = parse_device_file(asked["device"], file="load.yaml", environ={})
    with TemporaryDirectory(dir=asked["folder"]) as folder:
        print(json.dumps(await replay(device, bodies, asked["values"], Path(folder))), flush=True)


async def record(asked: dict[str, Any]) -> list[bytes]:
    """Give the bodies of publish responses as they came over the channel."""
    client = PublishClient(asked["endpoint"])
    client.application_uri = asked["uri"]
    if asked["secure"]:
        await client.set_security(SecurityPolicyBasic256Sha256, asked["certificate"], asked["key"])
    async with client:
        index = await client.get_namespace_index(asked["namespace"])
        parameters = ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=asked["publishing_ms"],
            RequestedMaxKeepAliveCount=10,
            RequestedLifetimeCount=10_000,
            PublishingEnabled=True,
        )
        subscription = await client.session.create_subscription(parameters, callback=lambda _result: None)
        items = ua.CreateMonitoredItemsParameters(SubscriptionId=subscription.SubscriptionId)
        items.ItemsToCreate = [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(NodeId=ua.NodeId(name, index), AttributeId=ua.AttributeIds.Value),
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(ClientHandle=handle, QueueSize=1),
            )
            for handle, name in enumerate(asked["nodes"])
        ]
        await client.session.create_monitored_items(items)
        bodies: list[bytes] = []
        while len(bodies) < RECORDED:
            body = bytes(await client.session._send_request(ua.PublishRequest(), timeout=0))
            if len(decode_publish_response(Buffer(body)).values) == len(asked["nodes"]):
                bodies.append(body)
    return bodies


async def replay(device: DeviceFile, bodies: list[bytes], values: int, folder: Path) -> dict[str, float]:
    """Put the bodies through, over and over; the clock stops when the last value is synced."""
    store = JournalStore(folder / "journal.sqlite")
    store.open_epoch("0a" * 16, 1)
    batcher = Batcher(
        store,
        now_ns=time.time_ns,
        batch_rows=BATCH_ROWS,
        linger_s=LINGER_S,
        has_room=lambda: True,
        on_journalled=lambda _appended: None,
    )
    committing = asyncio.create_task(batcher.run())
    intake = Intake(batcher, time.time_ns, lambda: None)
    await intake.install(intake.prepare(device))
    items = ItemTable(tuple(device.tags), Counters("unknown_handles", "server_time_used", "arrival_used", "overflows"))
    for handle, name in enumerate(device.tags):
        items.add(handle, name)
    decoder = ColumnDecoder()

    async def put(body: bytes) -> asyncio.Future[None]:
        taken = items.take(decode_publish_response(Buffer(body), decoder).values, 0)
        return await intake.put_columns(device.device, taken.readings)

    await (await put(bodies[0]))
    per = len(device.tags)
    rounds = max(values // per, 1)
    before = batcher.counts.samples
    cpu, began = time.process_time(), time.perf_counter()
    for number in range(rounds):
        receipt = await put(bodies[number % len(bodies)])
    await receipt
    cpu, elapsed = time.process_time() - cpu, time.perf_counter() - began
    journalled = batcher.counts.samples - before
    assert journalled == rounds * per, f"{journalled} of {rounds * per} values were journalled"
    batcher.close()
    await committing
    store.close()
    return {"per_s": journalled / elapsed, "us": cpu / journalled * 1e6, "values": journalled}


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    asyncio.run(main(json.loads(sys.argv[1])))
