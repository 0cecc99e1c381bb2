"""Forward TCP ports to other hosts: ``python -m penstock.cli.forward 1883=broker:1883``.

The compose profile ``dev`` uses it to show the plant's protocols on this machine, while the network ``plant`` itself
stays closed.
"""

import asyncio
import contextlib
import sys

CHUNK_BYTES = 65536


async def serve(rules: list[str]) -> None:
    """Listen on each port of ``rules`` (``PORT=HOST:PORT``) until cancelled."""
    async with contextlib.AsyncExitStack() as stack:
        for rule in rules:
            port, _, target = rule.partition("=")
            host, _, target_port = target.rpartition(":")
            server = await _listen(int(port), host, int(target_port))
            await stack.enter_async_context(server)
        await asyncio.Event().wait()


async def _listen(port: int, host: str, target_port: int) -> asyncio.Server:
    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(host, target_port)
        except OSError as error:
            sys.stderr.write(f"{host}:{target_port}: {error}\n")
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))

    return await asyncio.start_server(on_connection, "0.0.0.0", port)  # noqa: S104 - inside a container, published on loopback


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(sys.argv[1:]))
