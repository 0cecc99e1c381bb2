"""Decoding PublishResponse by hand (OPC 10000-6 5.2.2, 10000-4 7.25).

asyncua's own decoder drops the last digit of a DateTime (100 ns), reads picoseconds in the wrong order, so that the
stamps of servers that send picoseconds come out wrong, and makes some ten objects of each value. Here the values of a
message stay in columns (`columnar`); nothing is allocated on the word of a count that the bytes do not bear out.
"""

import struct
from dataclasses import dataclass, replace

from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import nodeid_from_binary
from asyncua.ua.uaerrors import UaError

from penstock.edge.opcua.columnar import ColumnDecoder, ItemColumns, LaidOut, gather
from penstock.edge.opcua.encoding import (
    BOOL,
    I32,
    I64,
    U8,
    U32,
    Cursor,
    MalformedNotification,
    datetime_ns,
    skip_diagnostic_info,
    skip_extension_object,
    skip_node_id,
)

DATA_CHANGE = 811
STATUS_CHANGE = 820
_DATA_CHANGE_ID = b"\x01\x00" + DATA_CHANGE.to_bytes(2, "little")
"""As every server writes it: a node id of four bytes."""
_JUNK = (struct.error, UaError, ValueError, TypeError, IndexError, OverflowError)
"""What broken bytes make the decoders raise."""


@dataclass(frozen=True, slots=True)
class Notification:
    """Carry one publish answer: `items` is empty for a keep-alive.

    `publish_time_ns` is the server's clock; a server that leaves it out of keep-alives stamps the response at least.
    """

    subscription: int
    sequence: int
    publish_time_ns: int | None
    more: bool
    keep_alive: bool
    items: tuple[LaidOut, ...]
    lost_status: int | None
    """The status of a StatusChangeNotification: the server ended the subscription."""
    acknowledge_results: tuple[int, ...] = ()

    def __len__(self) -> int:
        return sum(len(one) for one in self.items)

    @property
    def values(self) -> ItemColumns:
        """Give the values in columns."""
        return gather(self.items)


def decode_publish_response(buffer: Buffer, decoder: ColumnDecoder | None = None) -> Notification:
    """Decode the body of a PublishResponse; a Bad service result raises asyncua's error, junk MalformedNotification.

    A decoder that is given again knows the layouts of the messages before.
    """
    try:
        cursor = Cursor(bytes(buffer))
        skip_node_id(cursor)
        stamped, result = _decode_header(cursor)
    except _JUNK as error:
        raise MalformedNotification(str(error)) from error
    ua.StatusCode(ua.UInt32(result)).check()
    try:
        notification = _decode_result(cursor, decoder or ColumnDecoder())
    except _JUNK as error:
        message = f"{type(error).__name__}: {error}"
        raise MalformedNotification(message) from error
    if notification.publish_time_ns is None and stamped is not None:
        return replace(notification, publish_time_ns=stamped)
    return notification


def decode_notification_message(
    body: bytes, *, subscription: int, decoder: ColumnDecoder | None = None
) -> Notification:
    """Decode a NotificationMessage alone, as Republish answers it."""
    try:
        sequence, published, keep_alive, items, lost = _decode_message(Cursor(body), decoder or ColumnDecoder())
    except _JUNK as error:
        message = f"{type(error).__name__}: {error}"
        raise MalformedNotification(message) from error
    return Notification(subscription, sequence, published, False, keep_alive, items, lost)


def _decode_header(cursor: Cursor) -> tuple[int | None, int]:
    """Give the time and the service result of a ResponseHeader (OPC 10000-4 7.33)."""
    stamped = datetime_ns(cursor.take(I64))
    cursor.skip(4)
    result: int = cursor.take(U32)
    skip_diagnostic_info(cursor)
    for _ in range(cursor.count(least=4)):
        cursor.string()
    skip_extension_object(cursor)
    return stamped, result


def _decode_result(cursor: Cursor, decoder: ColumnDecoder) -> Notification:
    subscription = cursor.take(U32)
    cursor.skip(4 * cursor.count(least=4))
    more = cursor.take(BOOL)
    sequence, published, keep_alive, items, lost = _decode_message(cursor, decoder)
    results = tuple(cursor.take(U32) for _ in range(cursor.count(least=4)))
    return Notification(subscription, sequence, published, more, keep_alive, items, lost, results)


def _decode_message(
    cursor: Cursor, decoder: ColumnDecoder
) -> tuple[int, int | None, bool, tuple[LaidOut, ...], int | None]:
    sequence = cursor.take(U32)
    published = datetime_ns(cursor.take(I64))
    items: list[LaidOut] = []
    lost: int | None = None
    parts = cursor.count(least=3)
    for _ in range(parts):
        kind, body = _extension_object(cursor)
        if kind == DATA_CHANGE:
            items.append(decoder.prove(body))
        elif kind == STATUS_CHANGE:
            lost = Cursor(body).take(U32)
    return sequence, published, parts == 0, tuple(items), lost


def _extension_object(cursor: Cursor) -> tuple[object, bytes]:
    identifier: object = DATA_CHANGE
    if cursor.body.startswith(_DATA_CHANGE_ID, cursor.at):
        cursor.at += len(_DATA_CHANGE_ID)
    else:
        buffer = Buffer(cursor.body, cursor.at)
        kind = nodeid_from_binary(buffer)
        cursor.at = buffer.cur_pos
        identifier = kind.Identifier if kind.NamespaceIndex == 0 else None
    encoding = cursor.take(U8)
    if not encoding & 1:
        return identifier, b""
    size = cursor.take(I32)
    start = cursor.at
    cursor.skip(size)
    return identifier, cursor.body[start : cursor.at]
