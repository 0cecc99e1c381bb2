"""A TCP proxy in the test's own event loop whose link can be cut, hushed and restored."""

import asyncio
import contextlib

CHUNK_BYTES = 65536


class LinkProxy:
    """Listen on a loopback port and forward to another.

    `cut` resets all connections and refuses new ones; `hush` keeps them and passes nothing on, as a network that drops
    every packet does: what was sent goes on once the link is restored, if both ends still wait for it.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, with the link up."""
        self._open.set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Break the link so that both sides notice."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.transport.abort()

    def hush(self) -> None:
        """Break the link so that nobody notices."""
        self._open.clear()

    async def restore(self) -> None:
        """Mend the link."""
        if self._server is None:
            await self.start()
        self._open.set()

    async def stop(self) -> None:
        """End."""
        await self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        ways = ((reader, far_writer), (far_reader, writer))
        for way in ways:
            task = asyncio.create_task(self._forward(*way))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(OSError):
                while chunk := await reader.read(CHUNK_BYTES):
                    await self._open.wait()
                    writer.write(chunk)
                    await writer.drain()
        finally:
            self._writers.discard(writer)
            writer.close()
