"""The link's way from publish answers to the sink, and back as acknowledgements, over a server in memory."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from asyncua.common.utils import Buffer

from penstock.core.reading import Reading
from penstock.core.readings import ReadingColumns
from penstock.edge.driver import Counters
from penstock.edge.opcua import recovery as r
from penstock.edge.opcua.config import OpcUaConnection
from penstock.edge.opcua.connection import Connection, Monitored
from penstock.edge.opcua.encoding import FILETIME_UNIX
from penstock.edge.opcua.link import LATE_WRITES_NS, TOGETHER_ROWS_MAX, Link, Listener
from penstock.edge.opcua.notification import Notification, decode_notification_message
from penstock.edge.opcua.publishing import Acknowledgement
from tests.builders.edge import MemorySink, device_file, driver_context, eventually

SUBSCRIPTION = 7
SECOND = 1_795_406_400
PLC = """
version: 1
device: plc
connection:
  driver: opcua
  endpoint: 'opc.tcp://127.0.0.1:4840'
  security: 'none, I accept plain text'
  publishing_ms: 10
  sampling_ms: 0
tags:
  flow: {type: float64, source: {node: 'ns=2;s=Flow'}}
  level: {type: float64, source: {node: 'ns=2;s=Level'}}
"""
COUNTED = (
    "values", "server_time_used", "arrival_used", "overflows", "unknown_handles", "resumed", "subscribed",
    "queues_full",
)  # fmt: skip
QUEUE = 3


def item(handle: int, value: float, second: int | None) -> bytes:
    time = b"" if second is None else struct.pack("<q", FILETIME_UNIX + (SECOND + second) * 10_000_000)
    return struct.pack("<IBBd", handle, 0x01 if second is None else 0x05, 11, value) + time


def message(sequence: int, *items: bytes, second: int = 0) -> bytes:
    """Give a NotificationMessage; without items it is a keep-alive."""
    published = FILETIME_UNIX + (SECOND + second) * 10_000_000
    body = struct.pack("<i", len(items)) + b"".join(items) + struct.pack("<i", -1)
    change = struct.pack("<BBHBi", 1, 0, 811, 1, len(body)) + body
    return struct.pack("<Iqi", sequence, published, len(items) > 0) + (change if items else b"")


def answer(notification: bytes) -> Buffer:
    """Give the body of a PublishResponse."""
    header = struct.pack("<BBHqIIBiHB", 1, 0, 829, 0, 1, 0, 0, -1, 0, 0)
    return Buffer(header + struct.pack("<Ii?", SUBSCRIPTION, -1, False) + notification + struct.pack("<ii", -1, -1))


@dataclass
class Server:
    """Be connection and session at once: grant everything, hold requests until the test answers them."""

    requests: list[list[Acknowledgement]] = field(default_factory=list)
    waiting: list[asyncio.Future[Buffer]] = field(default_factory=list)
    kept: dict[int, bytes] = field(default_factory=dict)
    """What Republish gives."""
    asked_again: list[int] = field(default_factory=list)
    is_open: bool = False
    subscription: int = SUBSCRIPTION
    publishing_s: float = 0.01
    keep_alive_ns: int = 1_000_000_000
    opened_ns: int = 0
    missing: list[str] = field(default_factory=list)
    queue: int = QUEUE

    @property
    def items(self) -> dict[int, Monitored]:
        node = cast("Any", None)
        return {number: Monitored(tag, node, self.queue) for number, tag in enumerate(("flow", "level"))}

    def present(self) -> "Server":
        return self

    @property
    def session(self) -> "Server":
        return self

    async def attempt(self, step: Awaitable[r.Input]) -> r.Input:
        return await step

    async def open(self) -> r.Input:
        self.is_open = True
        return r.Succeeded()

    create = activate = subscribe = open

    async def drop(self) -> None:
        self.is_open, self.waiting = False, []

    leave = drop

    async def republish(self, sequence: int, bodies: dict[int, Notification]) -> r.Input:
        self.asked_again.append(sequence)
        if sequence not in self.kept:
            return r.Unavailable(sequence)
        bodies[sequence] = decode_notification_message(self.kept[sequence], subscription=SUBSCRIPTION)
        return r.Republished(sequence)

    async def read_present(self) -> list[Any]:
        return []

    def send_publish_requests(self, requests: Sequence[Sequence[Acknowledgement]]) -> list[asyncio.Future[Buffer]]:
        if not self.is_open:
            message = "the connection is closed"
            raise ConnectionError(message)
        made: list[asyncio.Future[Buffer]] = [asyncio.get_running_loop().create_future() for _ in requests]
        self.requests += [list(one) for one in requests]
        self.waiting += made
        return made

    def rest(self, for_s: float) -> None:
        return

    def tell(self, *messages: bytes) -> None:
        """Answer so many requests at once."""
        for one in messages:
            self.waiting.pop(0).set_result(answer(one))

    @property
    def acknowledged(self) -> list[int]:
        return [number for request in self.requests for _, number in request]


@dataclass
class GroupSink(MemorySink):
    """Remember what came in one put."""

    puts: list[list[Reading]] = field(default_factory=list)

    async def put_columns(self, device: str, readings: ReadingColumns, *, hurry: bool = False) -> asyncio.Future[None]:
        self.puts.append(list(readings.readings()))
        return await super().put_columns(device, readings, hurry=hurry)


@asynccontextmanager
async def reading(
    sink: MemorySink, folder: Path, breaks: list[str], *, queue: int = QUEUE
) -> AsyncIterator[tuple[Link, Server]]:
    device, server = device_file(PLC), Server(queue=queue)

    async def ready(_missing: Sequence[str]) -> None:
        return

    listener = Listener(ready, breaks.append, breaks.append)
    settings = device.connection_as(OpcUaConnection)
    link = Link(device, settings, driver_context(sink, folder), Counters(*COUNTED), listener)
    link._connection = cast("Connection", server)
    task = asyncio.create_task(link.run())
    try:
        await settled()
        assert len(server.waiting) == settings.publish_outstanding
        yield link, server
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def settled() -> None:
    """Let everything happen that needs no clock."""
    for _ in range(100):
        await asyncio.sleep(0)


def raws(sink: MemorySink) -> list[object]:
    return [one.raw for one in sink.readings if one.status == 0]


async def test_notifications_that_come_together_are_put_as_one_in_their_order(tmp_path: Path) -> None:
    sink = GroupSink()
    async with reading(sink, tmp_path, []) as (link, server):
        server.tell(*(message(n, item(0, n, n), item(1, -n, n)) for n in (1, 2)))
        await settled()
        server.tell(message(3, item(0, 3.0, 3)))
        await settled()
        assert raws(sink) == [1.0, -1.0, 2.0, -2.0, 3.0]
        assert [len([one for one in put if one.status == 0]) for put in sink.puts] == [4, 1]
        assert link.counters.snapshot()["values"] == 5
        assert len(server.waiting) == 15, "each answered request is followed by another"


async def test_nothing_of_a_group_is_acknowledged_before_the_sync_and_all_of_it_after(tmp_path: Path) -> None:
    sink = MemorySink(hold_receipts=True)
    async with reading(sink, tmp_path, []) as (_, server):
        server.tell(*(message(n, item(0, n, n)) for n in (1, 2)))
        await settled()
        server.tell(message(3, item(0, 3.0, 3)))
        await settled()
        assert raws(sink) == [1.0, 2.0, 3.0]
        assert server.acknowledged == []
        first, second = sink.receipts
        first.set_result(None)
        server.tell(message(4, second=3))
        await settled()
        assert server.acknowledged == [1, 2]
        second.cancel()
        server.tell(message(4, second=3))
        await settled()
        assert server.acknowledged == [1, 2], "the gateway stopped before the third was journalled"


async def test_missing_notification_is_asked_for_before_what_came_after_it_is_put(tmp_path: Path) -> None:
    sink = GroupSink()
    async with reading(sink, tmp_path, []) as (_, server):
        server.kept[2] = message(2, item(0, 2.0, 2))
        server.tell(*(message(n, item(0, n, n)) for n in (1, 3, 4)))
        await settled()
        assert server.asked_again == [2]
        assert raws(sink) == [1.0, 2.0, 3.0, 4.0]


async def test_lost_notification_is_marked_between_its_neighbours(tmp_path: Path) -> None:
    sink = GroupSink()
    async with reading(sink, tmp_path, []) as (_, server):
        server.tell(*(message(n, item(0, n, n)) for n in (1, 3, 4)))
        await settled()
        assert sink.gaps == [("notification 2 is lost", (SECOND + 1) * 10**9)]
        assert raws(sink) == [1.0, 3.0, 4.0]


async def test_two_notifications_without_a_number_are_both_kept(tmp_path: Path) -> None:
    sink = MemorySink()
    async with reading(sink, tmp_path, []) as (_, server):
        server.tell(message(0, item(0, 1.0, 1)), message(0, item(0, 2.0, 2)))
        await settled()
        assert raws(sink) == [1.0, 2.0]


async def test_notification_that_comes_twice_is_put_once(tmp_path: Path) -> None:
    sink = MemorySink()
    async with reading(sink, tmp_path, []) as (_, server):
        server.tell(message(1, item(0, 1.0, 1)), message(1, item(0, 1.0, 1)), message(2, item(0, 2.0, 2)))
        await settled()
        assert raws(sink) == [1.0, 2.0]


async def test_keep_alive_that_shows_a_hole_proves_nothing_up_to_its_time(tmp_path: Path) -> None:
    sink = MemorySink()
    async with reading(sink, tmp_path, []) as (link, server):
        server.tell(message(1, item(0, 1.0, 1)), message(2, second=15), message(4, second=19))
        await settled()
        assert link.newest_source_time_ns == (SECOND + 15) * 10**9 - LATE_WRITES_NS


async def test_keep_alive_does_not_vouch_for_what_a_busy_server_writes_late(tmp_path: Path) -> None:
    """The gap of a break begins behind this time: a value that comes late and is lost must lie in it."""
    sink = MemorySink()
    async with reading(sink, tmp_path, []) as (link, server):
        server.tell(message(1, item(0, 1.0, 1)), message(2, second=5), message(2, item(0, 2.0, 3)))
        await settled()
        assert raws(sink) == [1.0, 2.0]
        assert link.newest_source_time_ns == (SECOND + 3) * 10**9


async def test_queue_is_full_by_what_came_in_one_notification_not_in_several(tmp_path: Path) -> None:
    sink = GroupSink()
    async with reading(sink, tmp_path, []) as (link, server):
        server.tell(
            message(1, item(0, 1.0, 1)), *(message(n, item(0, n, 2 * n), item(0, n, 2 * n + 1)) for n in (2, 3))
        )
        await settled()
        assert sink.overflows == []
        server.tell(message(4, *(item(0, 4.0, second) for second in (20, 21, 22))), message(5, item(0, 5.0, 30)))
        await settled()
        assert sink.overflows == [("flow", (SECOND + 7) * 10**9, (SECOND + 20) * 10**9)]
        assert link.counters.snapshot()["queues_full"] == 1
        assert raws(sink) == [1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0, 4.0, 5.0]


async def test_values_without_a_time_are_put_one_notification_after_the_other(tmp_path: Path) -> None:
    sink = GroupSink(hold_receipts=True)
    async with reading(sink, tmp_path, []) as (_, server):
        server.tell(message(1, item(0, 1.0, None)), message(2, item(0, 2.0, None)))
        await settled()
        assert [[one.raw for one in put] for put in sink.puts] == [[1.0], [2.0]]
        sink.receipts[0].set_result(None)
        server.tell(message(3, second=3))
        await settled()
        assert server.acknowledged == [1]


async def test_no_more_is_put_together_than_the_gateway_counts(tmp_path: Path) -> None:
    sink = GroupSink()
    async with reading(sink, tmp_path, [], queue=10_000) as (_, server):
        many = [item(n % 2, n, n) for n in range(TOGETHER_ROWS_MAX // 2)]
        server.tell(*(message(number, *many) for number in (1, 2, 3)))
        await settled()
        assert [len([one for one in put if one.status == 0]) for put in sink.puts] == [2 * len(many), len(many)]


async def test_what_was_answered_before_a_break_is_not_lost_with_the_link(tmp_path: Path) -> None:
    sink, breaks = MemorySink(), list[str]()
    async with reading(sink, tmp_path, breaks) as (link, server):
        server.waiting.pop(0).set_exception(ConnectionError("reset"))
        server.tell(message(1, item(0, 1.0, 1)), message(2, item(0, 2.0, 2)))
        await settled()
        assert breaks == ["opc.tcp://127.0.0.1:4840: reset"]
        assert raws(sink) == []
        await eventually(lambda: link.machine.state is r.State.READING)
        await settled()
        assert raws(sink) == [1.0, 2.0]


async def test_what_came_last_before_the_connection_closed_is_put_before_the_break(tmp_path: Path) -> None:
    sink, breaks = MemorySink(), list[str]()
    async with reading(sink, tmp_path, breaks) as (_, server):
        server.tell(message(1, item(0, 1.0, 1)), message(2, second=1), message(2, item(0, 2.0, 2)))
        server.is_open = False
        await settled()
        assert raws(sink) == [1.0, 2.0]
        assert breaks == ["opc.tcp://127.0.0.1:4840: the connection is closed"]


@pytest.mark.parametrize("junk", [b"", b"\x01\x00\x3d\x03junk", bytes(answer(message(1, item(0, 1.0, 1))))[:-30]])
async def test_junk_among_good_answers_breaks_the_link_behind_what_came_before(junk: bytes, tmp_path: Path) -> None:
    sink, breaks = MemorySink(), list[str]()
    async with reading(sink, tmp_path, breaks) as (_, server):
        first, second, *_ = server.waiting
        first.set_result(answer(message(1, item(0, 1.0, 1))))
        second.set_result(Buffer(junk))
        await settled()
        assert raws(sink) == [1.0]
        assert len(breaks) == 1
