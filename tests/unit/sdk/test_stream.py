import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from penstock.sdk import Client, GoneError, StreamBatch
from penstock.sdk.sse import Event, EventParser
from penstock.sdk.testing import FakePlatform
from tests.builders.sdk import NOW, S, small_plant


async def take(fake: FakePlatform, count: int, **options: object) -> list[StreamBatch]:
    batches: list[StreamBatch] = []
    async with fake.client() as client:
        async for batch in client.stream("plc/flow", **options):  # type: ignore[arg-type]
            batches.append(batch)
            if sum(len(b.samples) for b in batches) >= count:
                break
    return batches


async def opened(fake: FakePlatform, streams: int = 1) -> None:
    while sum(r.url.path == "/v1/stream" for r in fake.requests) < streams:  # noqa: ASYNC110 - no event in the fake
        await asyncio.sleep(0)


async def test_stream_yields_what_is_committed_from_now() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW - 9 * S, 0.5)])
    taking = asyncio.create_task(take(fake, 2))
    await opened(fake)
    fake.feed("plc/flow", [(NOW - 2 * S, 1.0), (NOW - S, 2.0)])
    fake.feed("plc/mode", [(NOW, "auto")])
    (batch,) = await taking
    assert [s.value for s in batch.samples] == [1.0, 2.0]
    assert batch.position == 2


async def test_stream_goes_on_behind_its_cursor_after_a_cut_without_hole_or_repeat() -> None:
    fake = small_plant()
    taking = asyncio.create_task(take(fake, 40))
    await opened(fake)
    for number in range(40):
        if number % 7 == 3:
            fake.cut_streams()  # what is committed until the client is back must come by the cursor
        fake.feed("plc/flow", [(NOW + number, float(number))])
        if number % 3 == 0:
            await asyncio.sleep(0)
    batches = await taking
    assert [s.value for b in batches for s in b.samples] == [float(n) for n in range(40)]
    assert batches[-1].reconnects >= 1


async def test_stream_stands_refused_connections_and_busy_answers() -> None:
    fake = small_plant()
    fake.fail_next(503, httpx.ConnectError("refused"))
    async with fake.client() as client:
        stream = client.stream(cursor=0, heartbeats=True)
        first = await anext(stream)
        await stream.aclose()  # type: ignore[attr-defined]
    assert first.position == 0
    assert first.reconnects == 2


async def test_stream_raises_what_waiting_cannot_mend() -> None:
    fake = small_plant()
    async with fake.client() as client:
        fake.fail_next(410)
        with pytest.raises(GoneError):
            await anext(client.stream(cursor=1))


async def test_a_cursor_beyond_the_head_is_raised_as_since_raises_it() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW, 1.0)])
    async with fake.client() as client:
        for asked in (client.since(99), anext(client.stream(cursor=99, heartbeats=True))):
            with pytest.raises(GoneError, match="restored or made anew") as gone:
                await asked
            assert gone.value.oldest == 0
    assert sum(r.url.path == "/v1/stream" for r in fake.requests) == 1, "it does not reconnect"


async def test_a_platform_that_was_restored_while_a_stream_was_cut_is_told() -> None:
    fake = small_plant()
    fake.feed("plc/flow", [(NOW, 1.0)])
    async with fake.client() as client:
        stream = client.stream("plc/flow", heartbeats=True)
        assert (await anext(stream)).position == 1
        fake.state.head = 0
        fake.cut_streams()
        with pytest.raises(GoneError, match="beyond the head"):
            await anext(stream)


async def test_a_commit_of_which_a_part_was_sent_comes_whole_once() -> None:
    def columns(rows: list[int]) -> bytes:
        body = {"tag": [1] * len(rows), "time": rows, "value": [float(r) for r in rows], "status": [0] * len(rows)}
        return json.dumps({"columns": {**body, "position": [5] * len(rows), "row": rows}}).encode()

    first = b"event: samples\nid: 4\ndata: " + columns([0, 1]) + b"\n\n"
    again = first + b"event: samples\nid: 5\ndata: " + columns([2, 3]) + b"\n\n"
    fake = small_plant()
    answers = [first, again]
    async with fake.client() as client:

        async def events(*_: object) -> AsyncIterator[Event]:
            for event in EventParser().feed(answers.pop(0)):
                yield event

        client.streaming._events = events  # type: ignore[method-assign,assignment]
        values: list[object] = []
        async for batch in client.stream("plc/flow", cursor=4):
            values += [s.value for s in batch.samples]
            if len(values) >= 4:
                break
    assert values == [0.0, 1.0, 2.0, 3.0]


async def test_a_cursor_that_expires_on_the_way_is_raised_with_the_oldest_that_is_left() -> None:
    fake = small_plant()
    async with fake.client() as client:

        async def events(*_: object) -> AsyncIterator[Event]:
            yield Event("expired", json.dumps({"detail": "too old", "oldest": 17}), "3")

        client.streaming._events = events  # type: ignore[method-assign,assignment]
        with pytest.raises(GoneError) as gone:
            await anext(client.stream("plc/flow", cursor=3))
    assert gone.value.oldest == 17


async def test_stream_brings_alarms_when_asked() -> None:
    fake = small_plant()
    async with fake.client() as client:
        await client.rules.create("high flow", tag="plc/flow", comparison="high", limit=10.0)
        stream = client.stream("plc/flow", alarms=True, heartbeats=True)
        await anext(stream)
        fake.feed("plc/flow", [(NOW, 11.0)])
        batches = [await anext(stream), await anext(stream)]
        await stream.aclose()  # type: ignore[attr-defined]
    (alarm,) = batches[1].alarms
    assert (alarm.value, alarm.tag) == (11.0, 1)


def test_the_synchronous_stream_can_be_left_and_the_client_still_works() -> None:
    fake = small_plant()
    with fake.sync_client() as client:
        assert isinstance(client, Client)
        stream = client.stream("plc/flow", cursor=0)
        fake.feed("plc/flow", [(NOW, 1.0)])
        assert [s.value for s in next(stream).samples] == [1.0]
        stream.close()  # type: ignore[attr-defined]
        assert client.me().name == "Test Person"


def test_the_parser_takes_events_in_any_pieces() -> None:
    text = b": hello\nevent: samples\nid: 7\ndata: {\ndata: }\n\nevent: heartbeat\r\nid: 8\r\ndata: {}\r\n\r\n"
    for size in (1, 2, 3, 5, 1000):
        parser = EventParser()
        events = [e for i in range(0, len(text), size) for e in parser.feed(text[i : i + size])]
        assert [(e.name, e.data, e.id) for e in events] == [("samples", "{\n}", "7"), ("heartbeat", "{}", "8")]
