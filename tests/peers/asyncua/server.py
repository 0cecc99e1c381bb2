"""An asyncua server that speaks the same JSON lines as tests/peers/node-opcua: server.py PORT FOLDER [namespace …].

A namespace `history` is none: it makes the server record its variables.
"""

import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
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


class Peer:
    """Do what the lines say."""

    def __init__(self, server: Server, nodes: dict[str, Any]) -> None:
        self.server = server
        self.nodes = nodes
        self.times: list[int] = []
        self.writing: asyncio.Task[None] | None = None

    async def put(self, name: str, value: object, time_ms: float | None, status: str) -> None:
        """Write one value with its source time."""
        stamp: Any = datetime.fromtimestamp((time_ms or time.time() * 1000) / 1000, UTC)
        now: Any = datetime.now(UTC)
        code = ua.StatusCode(getattr(StatusCodes, status))
        variant = ua.Variant(value, VARIABLES[name][0])
        await self.nodes[name].write_value(ua.DataValue(variant, code, SourceTimestamp=stamp, ServerTimestamp=now))

    async def write_until_told(self, names: list[str], every_ms: float) -> None:
        """Write 1, 2, 3 … to the variables."""
        while True:
            self.times.append(int(time.time() * 1000))
            n = len(self.times)
            for name in names:
                await self.put(name, float(n) if name == "Flow" else n, self.times[-1], "Good")
            await asyncio.sleep(every_ms / 1000)

    async def burst(self, name: str, n: int, every_ms: float) -> list[int]:
        """Write n values; give their times."""
        times = []
        for number in range(n):
            times.append(int(time.time() * 1000))
            await self.put(name, float(number), times[-1], "Good")
            await asyncio.sleep(every_ms / 1000)
        return times

    async def do(self, command: dict[str, Any]) -> dict[str, Any] | None:
        """Do one line's command; give the answer, None where it has none."""
        match command:
            case {"set": name, "value": value, "time": time_ms, "status": status}:
                await self.put(name, value, time_ms, status)
            case {"run": names, "every_ms": every_ms}:
                self.times = []
                self.writing = asyncio.create_task(self.write_until_told(names, every_ms))
                return None
            case {"stop": _} if self.writing is not None:
                self.writing.cancel()
                return {"times": self.times}
            case {"forget": _}:
                for session in list(self.server.iserver._external_sessions.values()):
                    await session.close_session(True)
            case {"burst": name, "n": n, "every_ms": every_ms}:
                return {"times": await self.burst(name, n, every_ms)}
        return {"done": True}


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
    peer = Peer(server, nodes)
    async with server:
        if "history" in namespaces:
            for node in nodes.values():
                await server.historize_node_data_change(node, period=timedelta(hours=2), count=100_000)
        say({"ready": True, "certificate": ""})
        while line := await asyncio.to_thread(sys.stdin.readline):
            answer = await peer.do(json.loads(line))
            if answer is not None:
                say(answer)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
