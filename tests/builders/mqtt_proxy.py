"""A TCP proxy between gateway and broker that reads MQTT 3.1.1 packets as they pass, and can cut the link.

It notes each PUBLISH that the broker sent and each PUBACK that the gateway answered: a publish whose PUBACK was seen
must be in the historian, whatever is killed afterwards. It can lose a PUBLISH on its first way, so that the broker
sends it again, behind newer ones.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

PUBLISH = 3
PUBACK = 4
DUP = 0b1000
CHUNK_BYTES = 65536


@dataclass(slots=True)
class PacketReader:
    """Cut a byte stream into MQTT control packets (MQTT 3.1.1, clause 2.2)."""

    pending: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Give (packet type, flags, body) of every packet that ``chunk`` completes."""
        self.pending += chunk
        while (packet := self._take()) is not None:
            yield packet

    def _take(self) -> tuple[int, int, bytes] | None:
        length, shift, at = 0, 0, 1
        while True:
            if at >= len(self.pending):
                return None
            byte = self.pending[at]
            length |= (byte & 0x7F) << shift
            shift += 7
            at += 1
            if not byte & 0x80:
                break
        if len(self.pending) < at + length:
            return None
        first, body = self.pending[0], bytes(self.pending[at : at + length])
        del self.pending[: at + length]
        return first >> 4, first & 0x0F, body


def packet(kind: int, flags: int, body: bytes) -> bytes:
    """Put a control packet together again (MQTT 3.1.1, clause 2.2.3)."""
    length, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        length.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([kind << 4 | flags]) + bytes(length) + body


def publish_of(flags: int, body: bytes) -> tuple[int | None, str, bytes]:
    """Split a PUBLISH body into packet id (None at QoS 0), topic and payload (clause 3.3)."""
    size = int.from_bytes(body[:2], "big")
    topic, rest = body[2 : 2 + size].decode(), body[2 + size :]
    if flags & 0b110:
        return int.from_bytes(rest[:2], "big"), topic, rest[2:]
    return None, topic, rest


class MqttProxy:
    """Listen on a loopback port, forward to the broker, keep what the gateway has acknowledged."""

    def __init__(
        self, broker_port: int, port: int = 0, *, loses: Callable[[str, bytes], bool] = lambda *_: False
    ) -> None:
        """`loses`: says of (topic, payload) whether its first PUBLISH comes to nobody."""
        self.broker_port = broker_port
        self.lost = 0
        self._loses = loses
        self.port = port
        self.acknowledged: list[tuple[str, bytes]] = []
        self._links: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mqtt-proxy", daemon=True)

    def start(self) -> None:
        """Start the proxy in a thread of its own; ``port`` is known on return."""
        self._thread.start()
        assert self._ready.wait(10), "the proxy did not start"

    def stop(self) -> None:
        """Close every link and end the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def cut(self) -> None:
        """Cut every link that stands now, as a pulled plug would."""
        self._loop.call_soon_threadsafe(self._cut_links)

    def _cut_links(self) -> None:
        for link in self._links:
            link.cancel()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._on_link, "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._cut_links()
        self._loop.run_until_complete(asyncio.gather(*self._links, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    async def _on_link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = asyncio.current_task()
        assert link is not None
        self._links.add(link)
        far_writer: asyncio.StreamWriter | None = None
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.broker_port)
            in_flight: dict[int, tuple[str, bytes]] = {}
            up = asyncio.create_task(self._from_gateway(reader, far_writer, in_flight))
            down = asyncio.create_task(self._from_broker(far_reader, writer, in_flight))
            try:
                await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (up, down):
                    pump.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(link)
            for end in (writer, far_writer):
                if end is not None:
                    end.close()
                    with contextlib.suppress(OSError):
                        await end.wait_closed()

    async def _from_broker(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, in_flight: dict[int, tuple[str, bytes]]
    ) -> None:
        packets = PacketReader()
        while chunk := await reader.read(CHUNK_BYTES):
            for kind, flags, body in packets.feed(chunk):
                if kind == PUBLISH:
                    packet_id, topic, payload = publish_of(flags, body)
                    if not flags & DUP and self._loses(topic, payload):
                        self.lost += 1
                        continue
                    if packet_id is not None:
                        in_flight[packet_id] = (topic, payload)
                writer.write(packet(kind, flags, body))
            await writer.drain()

    async def _from_gateway(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, in_flight: dict[int, tuple[str, bytes]]
    ) -> None:
        packets = PacketReader()
        while chunk := await reader.read(CHUNK_BYTES):
            for kind, _flags, body in packets.feed(chunk):
                if kind == PUBACK:
                    publish = in_flight.pop(int.from_bytes(body[:2], "big"), None)
                    if publish is not None:
                        self.acknowledged.append(publish)
            writer.write(chunk)
            await writer.drain()
