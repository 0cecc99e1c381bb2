"""Decoding PublishResponse by hand (OPC 10000-6 5.2.2, 10000-4 7.25).

asyncua's own decoder drops the last digit of a DateTime (100 ns) and reads picoseconds in the wrong order, so that the
stamps of servers that send picoseconds come out wrong. Scalars are decoded here; anything else by asyncua.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary, struct_from_binary, variant_from_binary
from asyncua.ua.uaerrors import UaError

from penstock.core.times import from_datetime

FILETIME_UNIX = 116_444_736_000_000_000
"""1970-01-01 in 100 ns steps since 1601-01-01."""
NOTIFIED_ITEMS_MAX = 1_000_000
"""Values in one message: a malformed count must not allocate gigabytes."""
DATA_CHANGE = 811
STATUS_CHANGE = 820

_HAS_VALUE, _HAS_STATUS, _HAS_SOURCE_TIME, _HAS_SERVER_TIME, _HAS_SOURCE_PS, _HAS_SERVER_PS = 1, 2, 4, 8, 16, 32


class MalformedNotification(Exception):
    """Say that a PublishResponse does not follow the encoding."""


@dataclass(frozen=True, slots=True)
class ItemValue:
    """Carry one monitored item's value; times in ns UTC, None where the server sent none."""

    handle: int
    raw: object
    status: int
    source_time_ns: int | None
    server_time_ns: int | None


@dataclass(frozen=True, slots=True)
class Notification:
    """Carry one publish answer: `values` is empty for a keep-alive.

    `publish_time_ns` is the server's clock; a server that leaves it out of keep-alives stamps the response at least.
    """

    subscription: int
    sequence: int
    publish_time_ns: int | None
    more: bool
    keep_alive: bool
    values: tuple[ItemValue, ...]
    lost_status: int | None
    """The status of a StatusChangeNotification: the server ended the subscription."""
    acknowledge_results: tuple[int, ...] = ()


def decode_publish_response(buffer: Buffer) -> Notification:
    """Decode the body of a PublishResponse; a Bad service result raises asyncua's error, junk MalformedNotification."""
    try:
        nodeid_from_binary(buffer)
        header = struct_from_binary(ua.ResponseHeader, buffer)
    except (struct.error, UaError, ValueError, TypeError, IndexError) as error:
        raise MalformedNotification(str(error)) from error
    header.ServiceResult.check()
    try:
        notification = _decode_result(_Cursor(bytes(buffer)))
        if notification.publish_time_ns is None and header.Timestamp is not None:
            return replace(notification, publish_time_ns=from_datetime(header.Timestamp))
        return notification
    except (struct.error, UaError, ValueError, TypeError, IndexError, OverflowError) as error:
        message = f"{type(error).__name__}: {error}"
        raise MalformedNotification(message) from error


def decode_notification_message(body: bytes, *, subscription: int) -> Notification:
    """Decode a NotificationMessage alone, as Republish answers it."""
    try:
        sequence, published, keep_alive, values, lost = _decode_message(_Cursor(body))
    except (struct.error, UaError, ValueError, TypeError, IndexError, OverflowError) as error:
        message = f"{type(error).__name__}: {error}"
        raise MalformedNotification(message) from error
    return Notification(subscription, sequence, published, False, keep_alive, values, lost)


class _Cursor:
    """Walk over bytes; reading beyond the end raises struct.error."""

    __slots__ = ("at", "body")

    def __init__(self, body: bytes, at: int = 0) -> None:
        self.body = body
        self.at = at

    def take(self, layout: struct.Struct) -> Any:
        (value,) = layout.unpack_from(self.body, self.at)
        self.at += layout.size
        return value

    def skip(self, size: int) -> None:
        if size < 0 or self.at + size > len(self.body):
            message = f"{size} bytes announced, {len(self.body) - self.at} left"
            raise ValueError(message)
        self.at += size

    def string(self) -> bytes | None:
        size = self.take(_I32)
        if size < 0:
            return None
        start = self.at
        self.skip(size)
        return self.body[start : self.at]


_U8, _I8, _U16, _I16 = struct.Struct("<B"), struct.Struct("<b"), struct.Struct("<H"), struct.Struct("<h")
_U32, _I32, _U64, _I64 = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<Q"), struct.Struct("<q")
_F32, _F64, _BOOL = struct.Struct("<f"), struct.Struct("<d"), struct.Struct("<?")


def _text(cursor: _Cursor) -> str | None:
    octets = cursor.string()
    return None if octets is None else octets.decode("utf-8")


_SCALARS: dict[int, Callable[[_Cursor], object]] = {
    0: lambda _cursor: None,
    1: lambda cursor: cursor.take(_BOOL),
    2: lambda cursor: cursor.take(_I8),
    3: lambda cursor: cursor.take(_U8),
    4: lambda cursor: cursor.take(_I16),
    5: lambda cursor: cursor.take(_U16),
    6: lambda cursor: cursor.take(_I32),
    7: lambda cursor: cursor.take(_U32),
    8: lambda cursor: cursor.take(_I64),
    9: lambda cursor: cursor.take(_U64),
    10: lambda cursor: cursor.take(_F32),
    11: lambda cursor: cursor.take(_F64),
    12: _text,
    13: lambda cursor: _datetime_ns(cursor.take(_I64)),
}


def _datetime_ns(filetime: int) -> int | None:
    return None if filetime <= 0 else (filetime - FILETIME_UNIX) * 100


def _decode_result(cursor: _Cursor) -> Notification:
    subscription = cursor.take(_U32)
    for _ in range(_count(cursor)):
        cursor.skip(4)
    more = cursor.take(_BOOL)
    sequence, published, keep_alive, values, lost = _decode_message(cursor)
    results = tuple(cursor.take(_U32) for _ in range(_count(cursor)))
    return Notification(subscription, sequence, published, more, keep_alive, values, lost, results)


def _decode_message(cursor: _Cursor) -> tuple[int, int | None, bool, tuple[ItemValue, ...], int | None]:
    sequence = cursor.take(_U32)
    published = _datetime_ns(cursor.take(_I64))
    values: list[ItemValue] = []
    lost: int | None = None
    parts = _count(cursor)
    for _ in range(parts):
        kind, body = _extension_object(cursor)
        if kind == DATA_CHANGE:
            values.extend(_data_change(body))
        elif kind == STATUS_CHANGE:
            lost = body.take(_U32)
    return sequence, published, parts == 0, tuple(values), lost


def _count(cursor: _Cursor) -> int:
    count: int = cursor.take(_I32)
    if count > NOTIFIED_ITEMS_MAX:
        message = f"a list of {count} announced, at most {NOTIFIED_ITEMS_MAX} taken"
        raise ValueError(message)
    return max(count, 0)


def _extension_object(cursor: _Cursor) -> tuple[object, _Cursor]:
    buffer = Buffer(cursor.body, cursor.at)
    kind = nodeid_from_binary(buffer)
    cursor.at = buffer.cur_pos
    encoding = cursor.take(_U8)
    if not encoding & 1:
        return kind.Identifier, _Cursor(b"")
    size = cursor.take(_I32)
    start = cursor.at
    cursor.skip(size)
    return kind.Identifier if kind.NamespaceIndex == 0 else None, _Cursor(cursor.body[start : cursor.at])


def _data_change(cursor: _Cursor) -> list[ItemValue]:
    return [_item(cursor) for _ in range(_count(cursor))]


def _item(cursor: _Cursor) -> ItemValue:
    handle = cursor.take(_U32)
    mask = cursor.take(_U8)
    raw = _variant(cursor) if mask & _HAS_VALUE else None
    status = cursor.take(_U32) if mask & _HAS_STATUS else 0
    source = _datetime_ns(cursor.take(_I64)) if mask & _HAS_SOURCE_TIME else None
    if mask & _HAS_SOURCE_PS:
        source = _with_picoseconds(source, cursor.take(_U16))
    server = _datetime_ns(cursor.take(_I64)) if mask & _HAS_SERVER_TIME else None
    if mask & _HAS_SERVER_PS:
        server = _with_picoseconds(server, cursor.take(_U16))
    return ItemValue(handle, raw, status, source, server)


def _with_picoseconds(time_ns: int | None, tens: int) -> int | None:
    """Add the part below 100 ns; it counts in 10 ps (OPC 10000-4 7.11.1), so 100 of them are a nanosecond."""
    return None if time_ns is None else time_ns + min(tens, 9_999) // 100


def _variant(cursor: _Cursor) -> object:
    encoding = cursor.body[cursor.at]
    decode = _SCALARS.get(encoding)
    if decode is not None:
        cursor.at += 1
        return decode(cursor)
    buffer = Buffer(cursor.body, cursor.at)
    variant = variant_from_binary(buffer)
    cursor.at = buffer.cur_pos
    value: object = variant.Value
    return value
