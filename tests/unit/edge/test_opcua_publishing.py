"""Publish requests: their bytes, how many are at the server, what they acknowledge, and when the socket rests."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from asyncua import ua
from asyncua.client.ua_client import UaClient, UASocketProtocol
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_to_binary, struct_to_binary

from penstock.edge.opcua.publishing import REST_S, Acknowledgement, Publishing, encode_publish_request, rest_s
from penstock.edge.opcua.session import PublishSession

SECOND = 1_795_406_400
ANSWER = Buffer(b"answer")


@dataclass
class Server:
    """Hold requests, as a server does; a test answers them."""

    requests: list[list[Acknowledgement]] = field(default_factory=list)
    answers: list[asyncio.Future[Buffer]] = field(default_factory=list)
    writes: int = 0
    rests: list[float] = field(default_factory=list)

    def send_publish_requests(self, requests: Sequence[Sequence[Acknowledgement]]) -> list[asyncio.Future[Buffer]]:
        self.writes += 1
        self.requests += [list(one) for one in requests]
        made: list[asyncio.Future[Buffer]] = [asyncio.get_running_loop().create_future() for _ in requests]
        self.answers += made
        return made

    def rest(self, for_s: float) -> None:
        self.rests.append(for_s)


@pytest.mark.parametrize("acknowledgements", [[], [(7, 1)], [(7, 2**32 - 1), (2**32 - 1, 3)]])
@pytest.mark.parametrize(
    "token",
    [ua.NodeId(), ua.NodeId(ua.Int32(70_000), ua.Int16(3)), ua.NodeId(ua.ByteString(b"secret" * 9), ua.Int16(1))],
)
def test_publish_request_has_the_bytes_that_asyncua_gives_it(
    token: ua.NodeId, acknowledgements: list[Acknowledgement]
) -> None:
    request = ua.PublishRequest()
    header = request.RequestHeader
    header.AuthenticationToken, header.RequestHandle, header.TimeoutHint = token, ua.UInt32(41), ua.UInt32(0)
    header.Timestamp = datetime.fromtimestamp(SECOND, UTC)
    request.Parameters.SubscriptionAcknowledgements = [
        ua.SubscriptionAcknowledgement(ua.IntegerId(subscription), ua.Counter(number))
        for subscription, number in acknowledgements
    ]
    ours = encode_publish_request(nodeid_to_binary(token), 41, acknowledgements, now_ns=SECOND * 10**9)
    assert ours == struct_to_binary(request)


async def test_server_holds_as_many_requests_as_it_is_to_have() -> None:
    server, publishing = Server(), Publishing(3)
    publishing.ask(server)
    publishing.ask(server)
    assert (len(server.requests), server.writes) == (3, 1)
    for answer in server.answers[:2]:
        answer.set_result(ANSWER)
    assert publishing.has_answers
    assert [publishing.next_answered() is not None for _ in range(3)] == [True, True, False]
    publishing.ask(server)
    assert (len(server.requests), server.writes) == (5, 2), "both are asked for in one write"


async def test_answers_are_taken_in_the_order_of_their_requests() -> None:
    server, publishing = Server(), Publishing(3)
    publishing.ask(server)
    for number in (2, 0):
        server.answers[number].set_result(Buffer(bytes([number])))
    taken = [publishing.next_answered() for _ in range(2)]
    assert [bytes(asked.answer.result()) for asked in taken if asked is not None] == [b"\x00", b"\x02"]


async def test_what_a_failed_request_acknowledged_is_acknowledged_by_the_next() -> None:
    server, publishing = Server(), Publishing(2)
    publishing.acknowledge([(7, 1), (7, 2)])
    publishing.ask(server)
    assert server.requests == [[(7, 1), (7, 2)], []]
    publishing.acknowledge([(7, 3)])
    server.answers[0].set_exception(ConnectionError())
    failed = publishing.next_answered()
    assert failed is not None
    publishing.give_back(failed)
    publishing.ask(server)
    assert server.requests[2:] == [[(7, 1), (7, 2), (7, 3)]]


async def test_what_cannot_be_sent_stays_to_be_acknowledged() -> None:
    class Closed(Server):
        def send_publish_requests(self, requests: Sequence[Sequence[Acknowledgement]]) -> list[asyncio.Future[Buffer]]:
            raise ConnectionError

    server, publishing = Server(), Publishing(1)
    publishing.acknowledge([(7, 1)])
    with pytest.raises(ConnectionError):
        publishing.ask(Closed())
    publishing.ask(server)
    assert server.requests == [[(7, 1)]]


async def test_end_gives_what_was_answered_and_keeps_what_was_acknowledged_by_the_rest() -> None:
    server, publishing = Server(), Publishing(3)
    publishing.acknowledge([(7, 1)])
    publishing.ask(server)
    server.answers[1].set_result(ANSWER)
    server.answers[2].set_exception(ConnectionError())
    (answered,) = publishing.stop()
    assert answered.answer is server.answers[1]
    assert server.answers[0].cancelled()
    publishing.ask(server)
    assert server.requests[3:] == [[(7, 1)], [], []]


async def test_server_that_refuses_a_request_gets_fewer_until_the_next_link() -> None:
    server, publishing = Server(), Publishing(2)
    publishing.ask_less()
    publishing.ask_less()
    publishing.ask(server)
    assert len(server.requests) == 1
    publishing.stop()
    publishing.ask(server)
    assert len(server.requests) == 3


async def test_answer_or_wake_ends_a_wait() -> None:
    server, publishing = Server(), Publishing(1)
    publishing.ask(server)
    asyncio.get_running_loop().call_soon(server.answers[0].set_result, ANSWER)
    await publishing.wait(None)
    assert publishing.next_answered() is not None
    asyncio.get_running_loop().call_soon(publishing.wake)
    await publishing.wait(None)
    await publishing.wait(0.0)


async def test_socket_rests_once_after_answers_and_not_while_the_server_is_behind() -> None:
    server, publishing = Server(), Publishing(15)

    def answer(number: int) -> None:
        publishing.ask(server)
        for one in [one for one in server.answers if not one.done()][:number]:
            one.set_result(ANSWER)
        while publishing.next_answered() is not None:
            continue
        publishing.ask(server)
        publishing.rest(server, publishing_s=0.01)

    answer(5)
    assert server.rests == [REST_S]
    answer(0)
    assert server.rests == [REST_S], "nothing came since: it is being waited for"
    answer(15)
    assert server.rests == [REST_S], "all were answered at once: there may be more"


@pytest.mark.parametrize(
    ("publishing_s", "outstanding", "expected"),
    [
        (0.01, 15, 0.05),
        (0.01, 6, 0.03),
        (0.01, 3, 0.0),
        (0.02, 8, 0.05),
        (0.025, 6, 0.05),
        (0.03, 5, 0.0),
        (0.5, 2, 0.0),
    ],
)
def test_rest_gathers_two_notifications_and_leaves_the_server_half_of_its_requests(
    publishing_s: float, outstanding: int, expected: float
) -> None:
    assert rest_s(publishing_s, outstanding) == pytest.approx(expected)


class Transport(asyncio.Transport):
    """Remember what is written, and whether anybody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.reading = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_reading(self) -> bool:
        return self.reading

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def test_session_writes_requests_together_and_gives_each_its_answer() -> None:
    client, transport = UaClient(), Transport()
    session = PublishSession(client)
    with pytest.raises(ConnectionError):
        session.send_publish_requests([[]])
    client.protocol = UASocketProtocol()
    client.protocol.connection_made(transport)
    answers = session.send_publish_requests([[(7, 1)], []])
    assert len(transport.written) == 1
    server = UASocketProtocol()._connection
    for number in (2, 1):
        client.protocol.data_received(server.message_to_binary(bytes([number]), request_id=number))
    assert [bytes(answer.result()) for answer in answers] == [b"\x01", b"\x02"]
    client.protocol.connection_lost(None)
    with pytest.raises(ConnectionError):
        session.rest(0.0)


async def test_session_reads_again_after_its_rest() -> None:
    client, transport = UaClient(), Transport()
    session = PublishSession(client)
    client.protocol = UASocketProtocol()
    client.protocol.connection_made(transport)
    session.rest(0.0)
    assert not transport.reading
    session.rest(10.0)
    for _ in range(3):
        await asyncio.sleep(0)
    assert transport.reading, "a rest within a rest does not prolong it"
