"""The binary encoding of single values (OPC 10000-6 5.2.2), read from bytes that may be broken.

Scalars that can become samples are decoded here. Anything else is first walked over, so that every length and count is
known to lie within the bytes, and then decoded by asyncua; a structure is kept as its bytes. Without the walk a wrong
count makes asyncua allocate for ever (an array of two billion nulls takes no byte in the message).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import variant_from_binary

FILETIME_UNIX = 116_444_736_000_000_000
"""1970-01-01 in 100 ns steps since 1601-01-01."""
DEPTH_MAX = 100
"""Nesting of variants and diagnostics that a decoder has to bear (OPC 10000-6 5.1.5)."""


class MalformedNotification(Exception):
    """Say that a PublishResponse does not follow the encoding."""


@dataclass(frozen=True, slots=True)
class Structure:
    """Stand for a value that holds structures, which nothing here maps: its built-in type and its bytes."""

    type_id: int
    octets: bytes


class Cursor:
    """Walk over bytes; reading beyond the end raises struct.error or ValueError."""

    __slots__ = ("at", "body")

    def __init__(self, body: bytes, at: int = 0) -> None:
        self.body = body
        self.at = at

    def take(self, layout: struct.Struct) -> Any:
        """Give the next scalar."""
        (value,) = layout.unpack_from(self.body, self.at)
        self.at += layout.size
        return value

    def skip(self, size: int) -> None:
        """Go on by so many bytes, which must be there."""
        if size < 0 or self.at + size > len(self.body):
            message = f"{size} bytes announced, {len(self.body) - self.at} left"
            raise ValueError(message)
        self.at += size

    def string(self) -> bytes | None:
        """Give the next string's or byte string's bytes."""
        size = self.take(I32)
        if size < 0:
            return None
        start = self.at
        self.skip(size)
        return self.body[start : self.at]

    def count(self, *, least: int) -> int:
        """Give the next count of things of at least so many bytes each, which must be there; −1 counts as 0."""
        count: int = self.take(I32)
        if count * least > len(self.body) - self.at:
            message = f"{count} elements announced, {len(self.body) - self.at} bytes left"
            raise ValueError(message)
        return max(count, 0)


U8, I8, U16, I16 = struct.Struct("<B"), struct.Struct("<b"), struct.Struct("<H"), struct.Struct("<h")
U32, I32, U64, I64 = struct.Struct("<I"), struct.Struct("<i"), struct.Struct("<Q"), struct.Struct("<q")
F32, F64, BOOL = struct.Struct("<f"), struct.Struct("<d"), struct.Struct("<?")


def datetime_ns(filetime: int) -> int | None:
    """Give ns UTC since 1970; 0 and less stand for no time."""
    return None if filetime <= 0 else (filetime - FILETIME_UNIX) * 100


def with_picoseconds(time_ns: int | None, tens: int) -> int | None:
    """Add the part below 100 ns; it counts in 10 ps (OPC 10000-4 7.11.1), so 100 of them are a nanosecond."""
    return None if time_ns is None else time_ns + min(tens, 9_999) // 100


def read_variant(cursor: Cursor) -> object:
    """Give a Variant's value: scalars as Python has them, DateTime as ns, the rest as asyncua has it."""
    encoding = cursor.body[cursor.at]
    decode = _SCALARS.get(encoding)
    if decode is not None:
        cursor.at += 1
        return decode(cursor)
    start = cursor.at
    walk = _Walk(cursor)
    walk.variant(depth=0)
    if walk.opaque:
        return Structure(encoding & 0x3F, cursor.body[start : cursor.at])
    if walk.is_empty_array:
        return []
    value: object = variant_from_binary(Buffer(cursor.body[start : cursor.at])).Value
    return value


def skip_node_id(cursor: Cursor) -> None:
    """Go over a NodeId."""
    _Walk(cursor).node_id()


def skip_diagnostic_info(cursor: Cursor) -> None:
    """Go over a DiagnosticInfo."""
    _Walk(cursor).element(_DIAGNOSTIC_INFO, 0)


def skip_extension_object(cursor: Cursor) -> None:
    """Go over an ExtensionObject."""
    _Walk(cursor).element(_EXTENSION_OBJECT, 0)


def _text(cursor: Cursor) -> str | None:
    octets = cursor.string()
    return None if octets is None else octets.decode("utf-8")


_SCALARS: dict[int, Callable[[Cursor], object]] = {
    0: lambda _cursor: None,
    1: lambda cursor: cursor.take(BOOL),
    2: lambda cursor: cursor.take(I8),
    3: lambda cursor: cursor.take(U8),
    4: lambda cursor: cursor.take(I16),
    5: lambda cursor: cursor.take(U16),
    6: lambda cursor: cursor.take(I32),
    7: lambda cursor: cursor.take(U32),
    8: lambda cursor: cursor.take(I64),
    9: lambda cursor: cursor.take(U64),
    10: lambda cursor: cursor.take(F32),
    11: lambda cursor: cursor.take(F64),
    12: _text,
    13: lambda cursor: datetime_ns(cursor.take(I64)),
}

_SIZES = {0: 0, 1: 1, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 4, 8: 8, 9: 8, 10: 4, 11: 8, 13: 8, 14: 16, 19: 4}
"""Bytes of the built-in types whose size does not vary."""
_NULL, _EXTENSION_OBJECT, _DIAGNOSTIC_INFO = 0, 22, 25
_NODE_ID_SIZES = {0: 1, 1: 3, 2: 6}
_NODE_ID_GUID_SIZE, _NODE_ID_STRINGS, _NODE_ID_GUID = 18, (3, 5), 4
_IS_ARRAY, _HAS_DIMENSIONS = 0x80, 0x40


class _Walk:
    """Go over a value without decoding it; `opaque` says that asyncua should not decode it either."""

    __slots__ = ("cursor", "is_empty_array", "opaque")

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.opaque = False
        self.is_empty_array = False

    def variant(self, depth: int) -> None:
        cursor = self.cursor
        encoding = cursor.take(U8)
        kind = encoding & 0x3F
        length: int | None = None
        if encoding & _IS_ARRAY:
            length = cursor.count(least=1)
            self.is_empty_array = depth == 0 and length == 0
            size = _SIZES.get(kind)
            if size is not None:
                cursor.skip(size * length)
                self.opaque |= kind == _NULL and length > 0
            else:
                for _ in range(length):
                    self.element(kind, depth)
        else:
            self.element(kind, depth)
        if encoding & _HAS_DIMENSIONS:
            dimensions = [cursor.take(I32) for _ in range(cursor.count(least=4))]
            if length is None or any(one < 0 for one in dimensions) or prod(dimensions) != (length or 0):
                message = f"dimensions {dimensions[:8]} of {length} elements"
                raise ValueError(message)

    def element(self, kind: int, depth: int) -> None:
        if depth > DEPTH_MAX:
            message = f"values nested deeper than {DEPTH_MAX}"
            raise ValueError(message)
        cursor = self.cursor
        size = _SIZES.get(kind)
        if size is not None:
            cursor.skip(size)
            return
        match kind:
            case 17 | 18:  # NodeId, ExpandedNodeId
                self.node_id()
            case 20:  # QualifiedName
                cursor.skip(2)
                cursor.string()
            case 21:
                self.localized_text()
            case 22:
                self.extension_object()
            case 23:
                self.data_value(depth + 1)
            case 24:
                self.variant(depth + 1)
            case 25:
                self.diagnostic_info(depth + 1)
            case _:  # strings, byte strings, XML, and the reserved types, which are byte strings
                cursor.string()

    def localized_text(self) -> None:
        mask = self.cursor.take(U8)
        for bit in (1, 2):
            if mask & bit:
                self.cursor.string()

    def extension_object(self) -> None:
        self.opaque = True
        self.node_id()
        if self.cursor.take(U8):
            self.cursor.string()

    def node_id(self) -> None:
        cursor = self.cursor
        first = cursor.take(U8)
        form = first & 0x3F
        if form in _NODE_ID_SIZES:
            cursor.skip(_NODE_ID_SIZES[form])
        elif form in _NODE_ID_STRINGS:
            cursor.skip(2)
            cursor.string()
        elif form == _NODE_ID_GUID:
            cursor.skip(_NODE_ID_GUID_SIZE)
        else:
            message = f"a node id of form {form}"
            raise ValueError(message)
        if first & 0x80:
            cursor.string()
        if first & 0x40:
            cursor.skip(4)

    def data_value(self, depth: int) -> None:
        """Go over one within a variant; asyncua has the order of its picoseconds wrong, so it stays as bytes."""
        mask = self.cursor.take(U8)
        self.opaque |= bool(mask & 0x30)
        if mask & 1:
            self.variant(depth)
        for bit, size in ((2, 4), (4, 8), (16, 2), (8, 8), (32, 2)):
            if mask & bit:
                self.cursor.skip(size)

    def diagnostic_info(self, depth: int) -> None:
        mask = self.cursor.take(U8)
        self.cursor.skip(4 * (mask & 0x0F).bit_count())
        if mask & 0x10:
            self.cursor.string()
        if mask & 0x20:
            self.cursor.skip(4)
        if mask & 0x40:
            self.element(_DIAGNOSTIC_INFO, depth)
