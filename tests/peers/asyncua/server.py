"""An asyncua server that speaks the same JSON lines as tests/peers/node-opcua: server.py PORT FOLDER [namespace …].

A namespace `history` is none: it makes the server record its variables.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.server.server import Server
from asyncua.ua.status_codes import StatusCodes

VARIABLES = {
    "Flow": (ua.VariantType.Double, 0.5),
    "Counter": (ua.VariantType.Int32, 1),
    "Running": (ua.VariantType.Boolean, True),
    "Name": (ua.VariantType.String, "first"),
}


def say(what: dict[str, Any]) -> None:
    """Answer with one line."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def main(port: str, _folder: str, *namespaces: str) -> None:
    """Serve the four variables until standard input ends."""
    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    for uri in namespaces:
        if uri != "history":
            await server.register_namespace(uri)
    index = await server.register_namespace("urn:penstock:test:plc")
    nodes = {
        name: await server.nodes.objects.add_variable(ua.NodeId(ua.String(name), ua.Int16(index)), name, value, kind)
        for name, (kind, value) in VARIABLES.items()
    }

    async def put(name: str, value: object, time_ms: float | None, status: str) -> None:
        stamp: Any = datetime.fromtimestamp((time_ms or time.time() * 1000) / 1000, UTC)
        now: Any = datetime.now(UTC)
        code = ua.StatusCode(getattr(StatusCodes, status))
        variant = ua.Variant(value, VARIABLES[name][0])
        await nodes[name].write_value(ua.DataValue(variant, code, SourceTimestamp=stamp, ServerTimestamp=now))

    async def write_until_told(names: list[str], every_ms: float, times: list[int]) -> None:
        while True:
            times.append(int(time.time() * 1000))
            for name in names:
                await put(name, float(len(times)) if name == "Flow" else len(times), times[-1], "Good")
            await asyncio.sleep(every_ms / 1000)

    async with server:
        if "history" in namespaces:
            for node in nodes.values():
                await server.historize_node_data_change(node, period=None, count=100_000)
        running: asyncio.Task[None] | None = None
        times: list[int] = []
        say({"ready": True, "certificate": ""})
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            if "set" in command:
                await put(command["set"], command["value"], command["time"], command["status"])
                say({"done": True})
            if "run" in command:
                times = []
                running = asyncio.create_task(write_until_told(command["run"], command["every_ms"], times))
            if "stop" in command and running is not None:
                running.cancel()
                say({"times": times})
            if "burst" in command:
                times = []
                for number in range(command["n"]):
                    times.append(int(time.time() * 1000))
                    await put(command["burst"], float(number), times[-1], "Good")
                    await asyncio.sleep(command["every_ms"] / 1000)
                say({"times": times})


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
