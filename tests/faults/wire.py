"""The way between gateway and platform as a proxy that reads HTTP requests and ill-treats them."""

import asyncio
import contextlib
import random
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import StrEnum

SLOW_BYTES_PER_S = 8_000
LOSS = 0.05


class Mode(StrEnum):
    """Say how requests fare."""

    PASS = "passed"
    PARTITION = "swallowed: no byte comes back"
    RESET = "answered by RST, before or after the platform has it"
    SLOW = "64 kbit/s"
    LOSS = "one in twenty links cut"
    SHUFFLE = "delayed, reordered, repeated, truncated, their answers lost"


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Say how a wire that shuffles does: shares of requests, and delays up to some seconds."""

    delay_max_s: float = 0.8
    repeat_later_max_s: float = 2.0
    truncated: float = 0.15
    unanswered: float = 0.15
    repeated: float = 0.45


@dataclass(slots=True)
class Wire:
    """Listen on a loopback port, forward each request to the platform as the mode says; count what was done."""

    platform_port: int
    seed: int
    port: int = 0
    mode: Mode = Mode.PASS
    shuffle: Shuffle = Shuffle()
    done: dict[str, int] = field(default_factory=dict)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    _ready: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _chance: random.Random = field(default_factory=random.Random)

    def start(self) -> None:
        """Start in a thread of its own; `port` is known on return."""
        self._chance.seed(self.seed)
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)
        self._thread.start()
        assert self._ready.wait(10), "the wire did not start"

    def stop(self) -> None:
        """Cut every link and end the thread."""
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def heal(self) -> None:
        """Pass from now on; links that hang are cut."""
        self.mode = Mode.PASS
        self._loop.call_soon_threadsafe(lambda: [task.cancel() for task in self._tasks])

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._on_link, "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in self._tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*self._tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _on_link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while (request := await _message(reader)) is not None:
                answer = await self._treat(request)
                if answer is None:
                    self._reset(writer)
                    return
                await self._write(writer, answer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, ValueError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _treat(self, request: bytes) -> bytes | None:
        """Give the platform's answer, or None for a link that is to be cut."""
        chance = self._chance.random()
        match self.mode:
            case Mode.PARTITION:
                self._count("swallowed")
                await asyncio.Event().wait()
            case Mode.RESET if chance < 0.5:
                self._count("reset")
                if chance < 0.25:
                    await self._forward(request)
                return None
            case Mode.LOSS if chance < 2 * LOSS:
                self._count("cut")
                if chance < LOSS:
                    await self._forward(request)
                return None
            case Mode.SHUFFLE:
                return await self._shuffle(request, chance)
            case _:
                pass
        return await self._forward(request)

    async def _shuffle(self, request: bytes, chance: float) -> bytes | None:
        how = self.shuffle
        self._count("delayed")
        await asyncio.sleep(self._chance.uniform(0, how.delay_max_s))
        if chance < how.truncated:
            self._count("truncated")
            await self._send_half(request)
            return None
        if chance < how.truncated + how.unanswered:
            self._count("answers lost")
            await self._forward(request)
            return None
        if chance < how.truncated + how.unanswered + how.repeated:
            self._count("repeated")
            later = asyncio.create_task(self._again(request, self._chance.uniform(0, how.repeat_later_max_s)))
            self._tasks.add(later)
            later.add_done_callback(self._tasks.discard)
        return await self._forward(request)

    async def _again(self, request: bytes, after_s: float) -> None:
        await asyncio.sleep(after_s)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._forward(request)

    async def _forward(self, request: bytes) -> bytes | None:
        self._count("requests")
        reader, writer = await asyncio.open_connection("127.0.0.1", self.platform_port)
        try:
            await self._write(writer, request)
            return await _message(reader)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _send_half(self, request: bytes) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", self.platform_port)
        writer.write(request[: self._chance.randrange(1, len(request))])
        with contextlib.suppress(OSError):
            await writer.drain()
        writer.close()

    async def _write(self, writer: asyncio.StreamWriter, octets: bytes) -> None:
        if self.mode is not Mode.SLOW:
            writer.write(octets)
            return await writer.drain()
        for at in range(0, len(octets), SLOW_BYTES_PER_S // 10):
            writer.write(octets[at : at + SLOW_BYTES_PER_S // 10])
            await writer.drain()
            await asyncio.sleep(0.1)
        return None

    def _reset(self, writer: asyncio.StreamWriter) -> None:
        plug = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def _count(self, name: str) -> None:
        self.done[name] = self.done.get(name, 0) + 1


async def _message(reader: asyncio.StreamReader) -> bytes | None:
    """Read one HTTP/1.1 message with its body by Content-Length or in chunks; None at a clean end."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    lines = dict(line.lower().split(b":", 1) for line in head.split(b"\r\n")[1:] if b":" in line)
    if lines.get(b"transfer-encoding", b"").strip() == b"chunked":
        body = b""
        while True:
            size = await reader.readuntil(b"\r\n")
            chunk = await reader.readexactly(int(size, 16) + 2)
            body += size + chunk
            if int(size, 16) == 0:
                return head + body
    return head + await reader.readexactly(int(lines.get(b"content-length", b"0")))
