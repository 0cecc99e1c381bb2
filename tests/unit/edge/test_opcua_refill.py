"""Reading a server's history into gaps: pages, bounds, refusals, and what is left when it does not reach back."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asyncua import ua as asyncua_ua
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary, uaerrors

from penstock.core.status import GOOD
from penstock.core.times import parse_rfc3339_ns
from penstock.edge.driver import GOOD_HELD, ClosedGap, Counters
from penstock.edge.opcua import refill
from penstock.edge.opcua.connection import Connection, Monitored
from penstock.edge.opcua.encoding import MalformedNotification
from penstock.edge.opcua.refill import Refiller
from penstock.edge.opcua.values import (
    decode_clock_response,
    decode_history_response,
    decode_read_response,
    decode_republish_response,
)
from tests.builders.edge import MemorySink, eventually

ua: Any = asyncua_ua
errors: Any = uaerrors
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
US = 1_000
NO_BOUND = 0x80D70000
BAD_UNSUPPORTED = 0x80720000
GAP = ClosedGap("flow", 100 * US, 150 * US, 300 * US)
COUNTED = ("history_reads", "history_values", "gaps_refilled", "gaps_left")
Page = tuple[int, bytes, list[tuple[int, float | None, int]]]


def data_value(at_us: int, value: float | None, status: int = GOOD) -> Any:
    stamp = EPOCH + timedelta(microseconds=at_us)
    return ua.DataValue(ua.Variant(value), ua.StatusCode(status), SourceTimestamp=stamp, ServerTimestamp=stamp)


def history(*pages: Page) -> Buffer:
    response = ua.HistoryReadResponse()
    for status, continuation, values in pages:
        result = ua.HistoryReadResult(StatusCode=ua.StatusCode(status), ContinuationPoint=continuation or None)
        result.HistoryData = ua.HistoryData(DataValues=[data_value(*value) for value in values])
        response.Results.append(result)
    return Buffer(ua_binary.struct_to_binary(response))


class Server:
    """Stand in for the connection: the answers that a test gives, one after the other."""

    def __init__(self, *answers: Buffer | Exception, tags: tuple[str, ...] = ("flow",)) -> None:
        self.items = {n: Monitored(tag, ua.NodeId(tag, 2), 0) for n, tag in enumerate(tags)}
        self.answers = list(answers)
        self.asked: list[Any] = []

    def present(self) -> "Server":
        return self

    @property
    def session(self) -> "Server":
        return self

    async def history_read_raw(self, parameters: Any) -> Buffer:
        self.asked.append(parameters)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refill, "DELAY_S", 0.0)


async def refilled(server: Server, *gaps: ClosedGap) -> tuple[MemorySink, Counters]:
    sink = MemorySink(closed=list(gaps))
    counters = Counters(*COUNTED)
    connection: Any = server
    assert not isinstance(connection, Connection)
    refiller = Refiller("plc", connection, sink, counters)
    refiller.resume()
    refiller.poke()
    await eventually(lambda: len(sink.settled) == len(gaps), within_s=10)
    await refiller.stop()
    return sink, counters


async def test_history_that_has_the_sample_before_refills_the_gap_whole() -> None:
    server = Server(history((0, b"", [(100, 1.0, GOOD), (200, 2.0, GOOD), (250, 3.0, GOOD), (300, 4.0, GOOD)])))
    sink, counters = await refilled(server, GAP)
    assert [(r.time_ns, r.raw) for r in sink.refilled if r.status == GOOD] == [(200 * US, 2.0), (250 * US, 3.0)]
    assert [(r.time_ns, r.raw) for r in sink.refilled if r.status & 0xFFFF == GOOD_HELD] == [(150 * US + 1, 1.0)]
    assert sink.settled == {GAP: None}
    assert counters.snapshot() == {"history_reads": 1, "history_values": 2, "gaps_refilled": 1, "gaps_left": 0}
    (asked,) = server.asked
    assert asked.HistoryReadDetails.StartTime == EPOCH + timedelta(microseconds=100)
    assert asked.HistoryReadDetails.EndTime == EPOCH + timedelta(microseconds=300)
    assert asked.HistoryReadDetails.ReturnBounds


async def test_bounding_value_before_the_start_proves_the_history_whole() -> None:
    sink, _ = await refilled(Server(history((0, b"", [(40, 1.0, GOOD)]))), GAP)
    assert sink.settled == {GAP: None}


async def test_absent_bound_proves_nothing() -> None:
    sink, _ = await refilled(Server(history((0, b"", [(100, None, NO_BOUND), (200, 2.0, GOOD)]))), GAP)
    assert [r.time_ns for r in sink.refilled] == [200 * US]
    assert sink.settled == {GAP: 200 * US}, "what is missing ends where the history begins"


async def test_pages_are_followed_to_the_last() -> None:
    server = Server(history((0, b"next", [(100, 1.0, GOOD), (200, 2.0, GOOD)])), history((0, b"", [(250, 3.0, GOOD)])))
    sink, _ = await refilled(server, GAP)
    assert [r.raw for r in sink.refilled if r.status == GOOD] == [2.0, 3.0]
    assert [asked.NodesToRead[0].ContinuationPoint for asked in server.asked] == [None, b"next"]


async def test_queue_that_overflowed_left_no_bad_sample_to_end() -> None:
    gap = ClosedGap("flow", 100 * US, 100 * US, 300 * US)
    sink, _ = await refilled(Server(history((0, b"", [(100, 1.0, GOOD), (200, 2.0, GOOD)]))), gap)
    assert [r.status for r in sink.refilled] == [GOOD]
    assert sink.settled == {gap: None}


@pytest.mark.parametrize(
    "answer",
    [
        history((BAD_UNSUPPORTED, b"", [])),
        history((0, b"", [])),
        errors.BadServiceUnsupported(),
        errors.BadHistoryOperationUnsupported(),
        Buffer(b"junk"),
    ],
)
async def test_server_without_history_leaves_the_gap(answer: Buffer | Exception) -> None:
    sink, counters = await refilled(Server(answer), GAP)
    assert sink.refilled == []
    assert sink.settled == {GAP: GAP.to_ns}
    assert counters.snapshot()["gaps_left"] == 1


async def test_too_many_nodes_at_once_are_asked_in_smaller_calls() -> None:
    one = history((0, b"", [(100, 1.0, GOOD)]))
    other = ClosedGap("level", 100 * US, 150 * US, 300 * US)
    server = Server(errors.BadTooManyOperations(), one.copy(), one.copy(), tags=("flow", "level"))
    sink = MemorySink(closed=[GAP, other])
    connection: Any = server
    refiller = Refiller("plc", connection, sink, Counters(*COUNTED), _nodes_per_call=2)
    refiller.resume()
    await eventually(lambda: len(sink.settled) == 2, within_s=10)
    await refiller.stop()
    assert [len(asked.NodesToRead) for asked in server.asked] == [2, 1, 1]


async def test_history_that_gives_no_answer_is_asked_again() -> None:
    whole = history((0, b"", [(100, 1.0, GOOD)]))
    server = Server(ConnectionError("gone"), errors.BadSessionIdInvalid(), whole)
    sink = MemorySink(closed=[GAP])
    connection: Any = server
    refiller = Refiller("plc", connection, sink, Counters(*COUNTED))
    refiller.resume()
    await eventually(lambda: sink.settled == {GAP: None}, within_s=10)
    await refiller.stop()
    assert len(server.asked) == 3


async def test_gap_of_a_tag_that_is_not_read_is_left_alone() -> None:
    sink = MemorySink(closed=[ClosedGap("gone", 1, 2, 3)])
    connection: Any = Server()
    refiller = Refiller("plc", connection, sink, Counters(*COUNTED))
    refiller.resume()
    await asyncio.sleep(0.05)
    await refiller.stop()
    assert sink.settled == {}


def test_read_answer_is_decoded_exactly() -> None:
    response = ua.ReadResponse()
    response.Results = [data_value(7, 1.5), data_value(8, None, BAD_UNSUPPORTED)]
    first, second = decode_read_response(Buffer(ua_binary.struct_to_binary(response)))
    assert (first.handle, first.raw, first.status, first.source_time_ns) == (0, 1.5, GOOD, 7 * US)
    assert (second.handle, second.raw, second.status) == (1, None, BAD_UNSUPPORTED)


def test_the_server_s_clock_is_the_later_of_the_value_and_of_the_answer_s_stamp() -> None:
    second, later = datetime(2026, 11, 26, 12, 0, 0, tzinfo=UTC), datetime(2026, 11, 26, 12, 0, 0, 900_000, tzinfo=UTC)
    for stamp, value in ((later, second), (second, later)):
        response = ua.ReadResponse()
        response.ResponseHeader.Timestamp = stamp
        response.Results = [ua.DataValue(ua.Variant(value, ua.VariantType.DateTime))]
        answer = Buffer(ua_binary.struct_to_binary(response))
        assert decode_clock_response(answer) == parse_rfc3339_ns("2026-11-26T12:00:00.9Z")


def test_empty_republish_answer_is_none() -> None:
    response = ua.RepublishResponse()
    assert decode_republish_response(Buffer(ua_binary.struct_to_binary(response)), subscription=1) is None


def test_history_of_another_kind_has_no_values() -> None:
    response = ua.HistoryReadResponse()
    response.Results.append(ua.HistoryReadResult(HistoryData=ua.HistoryEvent()))
    (page,) = decode_history_response(Buffer(ua_binary.struct_to_binary(response)))
    assert page.values == ()


@pytest.mark.parametrize("cut", [1, 20, 60, 75])
def test_answer_that_is_cut_short_is_malformed(cut: int) -> None:
    whole = bytes(history((0, b"", [(100, 1.0, GOOD)])))
    with pytest.raises(MalformedNotification):
        decode_history_response(Buffer(whole[: min(cut, len(whole) - 1)]))
