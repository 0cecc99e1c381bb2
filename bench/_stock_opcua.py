"""A stock asyncua client that only subscribes: the peer beside which `bench opcua` measures.

`python -m bench._stock_opcua JSON` connects, subscribes, prints `ready`; for each line on standard input it prints how
many values came so far.
"""

import asyncio
import json
import logging
import sys
from typing import Any

import asyncua

# asyncua is marked as typed, but its star imports hide their names
ua: Any = asyncua.ua  # type: ignore[attr-defined, unused-ignore]
Client: Any = asyncua.Client  # type: ignore[attr-defined, unused-ignore]


class Count:
    """Be the handler that asyncua calls for every value, and do nothing but count."""

    def __init__(self) -> None:
        self.values = 0

    def datachange_notification(self, _node: Any, _value: Any, _data: Any) -> None:
        """Take a value."""
        self.values += 1


async def subscribe(asked: dict[str, Any]) -> None:
    """Subscribe to the nodes and answer until standard input ends."""
    client = Client(asked["endpoint"], timeout=30, watchdog_intervall=30)
    client.application_uri = asked["uri"]
    if asked["certificate"]:
        await client.set_security_string(f"Basic256Sha256,SignAndEncrypt,{asked['certificate']},{asked['key']}")
    handler = Count()
    async with client:
        index = await client.get_namespace_index(asked["namespace"])
        nodes = [client.get_node(ua.NodeId(name, index)) for name in asked["nodes"]]
        subscription = await client.create_subscription(asked["publishing_ms"], handler)
        change = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)
        await subscription._subscribe(
            nodes, mfilter=change, queuesize=asked["queue"], sampling_interval=asked["sampling_ms"]
        )
        print("ready", flush=True)
        while await asyncio.to_thread(sys.stdin.readline):
            print(handler.values, flush=True)


if __name__ == "__main__":
    logging.getLogger("asyncua").setLevel(logging.ERROR)
    asyncio.run(subscribe(json.loads(sys.argv[1])))
