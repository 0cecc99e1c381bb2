"""Decoding the other answers that carry values: Read, HistoryRead, Republish (OPC 10000-6 5.2.2.17)."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary
from asyncua.ua.uaerrors import UaError

from penstock.core.times import from_datetime
from penstock.edge.opcua.columnar import ItemValue
from penstock.edge.opcua.encoding import (
    I32,
    I64,
    U8,
    U16,
    U32,
    Cursor,
    MalformedNotification,
    datetime_ns,
    read_variant,
    with_picoseconds,
)
from penstock.edge.opcua.notification import Notification, decode_notification_message

HISTORY_DATA = 658
"""The binary encoding of HistoryData."""
HISTORY_RESULT_LEAST = 11
"""Bytes of a HistoryReadResult that says nothing: status, no continuation point, an empty extension object."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Carry what one HistoryRead said of one node; `continuation` is not empty where there is more."""

    status: int
    continuation: bytes
    values: tuple[ItemValue, ...]


def decode_republish_response(answer: Buffer, *, subscription: int) -> Notification | None:
    """Give the notification, None where the server sent an empty one instead of saying that it has none."""
    notification = _decode(answer, lambda body: decode_notification_message(body, subscription=subscription))
    return None if notification.keep_alive else notification


def decode_read_response(answer: Buffer) -> list[ItemValue]:
    """Give the values in the order of the request, numbered from 0."""
    return _decode(answer, lambda body: _data_values(Cursor(body)))


def decode_clock_response(answer: Buffer) -> int:
    """Give the server's clock in ns of the answer to a Read of its CurrentTime.

    A server may renew that value once a second only; the answer's own stamp (OPC 10000-4 7.33) is not so old.
    """
    header = _header(answer)
    header.ServiceResult.check()
    told = [from_datetime(header.Timestamp)] if header.Timestamp is not None else []
    (value,) = _body(answer, lambda body: _data_values(Cursor(body)))
    if isinstance(value.raw, int):
        told.append(value.raw)
    return max(told, default=0)


def decode_history_response(answer: Buffer) -> list[HistoryPage]:
    """Give what was said of each node, in the order of the request."""
    return _decode(answer, lambda body: _history_results(Cursor(body)))


def _decode(answer: Buffer, decode: Callable[[bytes], T]) -> T:
    """Take the header off; a Bad service result raises asyncua's error, junk MalformedNotification."""
    _header(answer).ServiceResult.check()
    return _body(answer, decode)


def _header(answer: Buffer) -> ua.ResponseHeader:
    try:
        nodeid_from_binary(answer)
        return struct_from_binary(ua.ResponseHeader, answer)
    except (struct.error, UaError, ValueError, TypeError, IndexError) as error:
        raise MalformedNotification(str(error)) from error


def _body(answer: Buffer, decode: Callable[[bytes], T]) -> T:
    try:
        return decode(bytes(answer))
    except (struct.error, UaError, ValueError, TypeError, IndexError, OverflowError) as error:
        message = f"{type(error).__name__}: {error}"
        raise MalformedNotification(message) from error


def _history_results(cursor: Cursor) -> list[HistoryPage]:
    return [_history_page(cursor) for _ in range(cursor.count(least=HISTORY_RESULT_LEAST))]


def _history_page(cursor: Cursor) -> HistoryPage:
    status = cursor.take(U32)
    continuation = cursor.string() or b""
    at = Buffer(cursor.body, cursor.at)
    kind = nodeid_from_binary(at)
    cursor.at = at.cur_pos
    if not cursor.take(U8) & 1:
        return HistoryPage(status, continuation, ())
    size = cursor.take(I32)
    start = cursor.at
    cursor.skip(size)
    if kind.NamespaceIndex != 0 or kind.Identifier != HISTORY_DATA:
        return HistoryPage(status, continuation, ())
    return HistoryPage(status, continuation, tuple(_data_values(Cursor(cursor.body[start : cursor.at]))))


def _data_values(cursor: Cursor) -> list[ItemValue]:
    return [_data_value(cursor, number) for number in range(cursor.count(least=1))]


def _data_value(cursor: Cursor, number: int) -> ItemValue:
    mask = cursor.take(U8)
    raw = read_variant(cursor) if mask & 1 else None
    status = cursor.take(U32) if mask & 2 else 0
    source = datetime_ns(cursor.take(I64)) if mask & 4 else None
    if mask & 16:
        source = with_picoseconds(source, cursor.take(U16))
    server = datetime_ns(cursor.take(I64)) if mask & 8 else None
    if mask & 32:
        server = with_picoseconds(server, cursor.take(U16))
    return ItemValue(number, raw, status, source, server)
