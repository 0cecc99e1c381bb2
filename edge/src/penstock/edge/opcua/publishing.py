"""Publish requests: how they are written, which are at the server, and what was answered.

A server holds some requests and answers one for each notification. A request that is answered is followed by the next
one, which carries what is journalled meanwhile as acknowledged. Requests are written and answers are taken together,
as many as there are: a wake-up of the process costs more than a hundred values. Where notifications come quicker than
the process need wake, it *rests*: it leaves the socket alone for a moment, so that several have come when it looks.
"""

import asyncio
import struct
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from asyncua.common.utils import Buffer

from penstock.edge.opcua.encoding import FILETIME_UNIX

REST_S = 0.05
"""Values wait so long at most: a fifth of what a batch lingers before it is journalled."""
NO_MORE = 2
"""A rest that gathers fewer notifications than this is none."""

_PUBLISH_REQUEST = b"\x01\x00" + struct.pack("<H", 826)
"""The node id of its binary encoding."""
_HEADER = struct.Struct("<qIIiI3si")
_NULL_STRING, _NO_ADDITIONAL_HEADER = -1, b"\x00\x00\x00"
_ACKNOWLEDGEMENT = struct.Struct("<II")

Acknowledgement = tuple[int, int]
"""Subscription and number of a notification."""


def encode_publish_request(
    token: bytes, handle: int, acknowledgements: Sequence[Acknowledgement], *, now_ns: int
) -> bytes:
    """Give a PublishRequest (OPC 10000-4 5.14.5) without a timeout; `token` is the session's, encoded."""
    stamp = now_ns // 100 + FILETIME_UNIX
    n = len(acknowledgements)
    header = _HEADER.pack(stamp, handle, 0, _NULL_STRING, 0, _NO_ADDITIONAL_HEADER, n)
    return b"".join((_PUBLISH_REQUEST, token, header, *(_ACKNOWLEDGEMENT.pack(*one) for one in acknowledgements)))


class Channel(Protocol):
    """Carry publish requests to a server."""

    def send_publish_requests(self, requests: Sequence[Sequence[Acknowledgement]]) -> list[asyncio.Future[Buffer]]:
        """Send a request for each list of acknowledgements, in one go; OSError or UaError where that is not possible.

        An answer is the body of a response, whatever it says, or an exception.
        """

    def rest(self, for_s: float) -> None:
        """Leave what comes in unread for so long."""


@dataclass(slots=True)
class Asked:
    """Hold a publish request that is on the way, and what it acknowledges."""

    answer: asyncio.Future[Buffer]
    acknowledgements: list[Acknowledgement]


class Publishing:
    """Keep as many requests at the server as it is to have."""

    def __init__(self, most: int) -> None:
        self._most_at_first = self._most = most
        self._acknowledge: list[Acknowledgement] = []
        self._pending: deque[Asked] = deque()
        self._woken = asyncio.Event()
        self._answered_since_rest = 0

    def acknowledge(self, journalled: Sequence[Acknowledgement]) -> None:
        """Let the next request carry these."""
        self._acknowledge.extend(journalled)

    def give_back(self, asked: Asked) -> None:
        """What a request acknowledged that was not answered is acknowledged again: once more does no harm."""
        self._acknowledge = asked.acknowledgements + self._acknowledge

    def forget_acknowledgements(self) -> None:
        """They were of a subscription that is no more."""
        self._acknowledge = []

    def ask_less(self) -> None:
        """The server will not hold so many requests."""
        self._most = max(1, self._most - 1)

    def ask(self, channel: Channel) -> None:
        """Send what is lacking; errors as `Channel.send_publish_requests` has them."""
        lacking = self._most - len(self._pending)
        if lacking <= 0:
            return
        wanted: list[list[Acknowledgement]] = [self._acknowledge, *([] for _ in range(lacking - 1))]
        answers = channel.send_publish_requests(wanted)
        self._acknowledge = []
        for answer, acknowledgements in zip(answers, wanted, strict=True):
            answer.add_done_callback(self._on_answer)
            self._pending.append(Asked(answer, acknowledgements))

    def _on_answer(self, _answer: asyncio.Future[Buffer]) -> None:
        self._woken.set()

    def wake(self) -> None:
        """End a wait."""
        self._woken.set()

    async def wait(self, timeout_s: float | None) -> None:
        """Wait for an answer or a `wake` from now on, or the timeout."""
        self._woken.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._woken.wait()

    def next_answered(self) -> Asked | None:
        """Take the first request that has its answer, in the order in which they were sent."""
        for asked in self._pending:
            if asked.answer.done():
                self._pending.remove(asked)
                self._answered_since_rest += 1
                return asked
        return None

    @property
    def has_answers(self) -> bool:
        """Say whether `next_answered` gives one."""
        return any(asked.answer.done() for asked in self._pending)

    def rest(self, channel: Channel, *, publishing_s: float) -> None:
        """Leave the channel alone for a moment, once after answers came, where notifications are that frequent.

        Not after all requests were answered at once: then the server has more than it may send.
        """
        answered, self._answered_since_rest = self._answered_since_rest, 0
        for_s = rest_s(publishing_s, self._most)
        if 0 < answered < self._most and for_s > 0:
            channel.rest(for_s)

    def stop(self) -> list[Asked]:
        """Forget the requests that are on the way; give those that were answered, not with an exception."""
        pending, self._pending = self._pending, deque()
        self._most = self._most_at_first
        self._answered_since_rest = 0
        answered = []
        for asked in pending:
            if asked.answer.done() and not asked.answer.cancelled() and asked.answer.exception() is None:
                answered.append(asked)
            else:
                asked.answer.cancel()
                self.give_back(asked)
        return answered


def rest_s(publishing_s: float, outstanding: int) -> float:
    """Say how long to rest: while it lasts, half of the requests may be answered; 0 where it gathers too little."""
    for_s = min(REST_S, publishing_s * outstanding / 2)
    return for_s if for_s >= NO_MORE * publishing_s else 0.0
