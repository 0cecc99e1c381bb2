"""Columns against an encoder written from the standard, and against asyncua's decoder where that one is right.

Seeded: 10,000 notifications of changing masks, types, nulls, arrays and picoseconds through one decoder, which
therefore meets layouts again, and others of the same count and length, some gathered together; then 1,500 broken ones.
"""

import random
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import pytest
from asyncua import ua
from asyncua.common.utils import Buffer
from asyncua.ua.ua_binary import struct_from_binary, variant_to_binary
from asyncua.ua.uaerrors import UaError

from penstock.core.times import from_datetime
from penstock.edge.opcua.columnar import ColumnDecoder, ItemValue, LaidOut, gather
from penstock.edge.opcua.encoding import FILETIME_UNIX, Structure

NOTIFICATIONS = 10_000
MALFORMED = 1_500
STATUSES = (0, 0x40000000, 0x80310000, 0x00000480, 0xFFFFFFFF)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Choice = tuple[bytes, object]


def scalar(kind: int, layout: str, draw: Callable[[random.Random], Any]) -> Callable[[random.Random], Choice]:
    def make(chance: random.Random) -> Choice:
        value = draw(chance)
        octets = struct.pack(layout, value)
        return bytes([kind]) + octets, struct.unpack(layout, octets)[0]

    return make


def integer(bits: int, *, signed: bool) -> Callable[[random.Random], int]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return lambda chance: chance.choice((low, high, 0, chance.randint(low, high)))


def real(chance: random.Random) -> float:
    return chance.choice((0.0, -0.0, 1.5, float("inf"), chance.uniform(-1e30, 1e30)))


def text(chance: random.Random) -> Choice:
    value = chance.choice((None, "", "pump", "prüf", "泵" * chance.randint(1, 9)))
    octets = b"" if value is None else value.encode()
    return b"\x0c" + struct.pack("<i", -1 if value is None else len(octets)) + octets, value


def ticks(chance: random.Random) -> int:
    now = FILETIME_UNIX + 1_795_406_400 * 10_000_000 + chance.randint(0, 10**12)
    return chance.choice((now, now, now, now, 0, -1, 1, 2**63 - 1, FILETIME_UNIX - 1))


def time_ns(filetime: int, tens_of_ps: int = 0) -> int | None:
    if filetime <= 0:
        return None
    return (filetime - FILETIME_UNIX) * 100 + min(tens_of_ps, 9_999) // 100


def moment(chance: random.Random) -> Choice:
    filetime = ticks(chance)
    return b"\x0d" + struct.pack("<q", filetime), time_ns(filetime)


def by_asyncua(chance: random.Random) -> Choice:
    variant = chance.choice(
        (
            ua.Variant([1.5, 2.5], ua.VariantType.Double),
            ua.Variant([True], ua.VariantType.Boolean),
            ua.Variant(["a", None, "prüf"], ua.VariantType.String),
            ua.Variant([[1, 2], [3, 4], [5, 6]], ua.VariantType.Int32),
            ua.Variant(b"octets", ua.VariantType.ByteString),
            ua.Variant(ua.NodeId(ua.String("Flow"), ua.Int16(2)), ua.VariantType.NodeId),
            ua.Variant(ua.LocalizedText("Pumpe", "de"), ua.VariantType.LocalizedText),
            ua.Variant(ua.QualifiedName("Flow", ua.UInt16(2)), ua.VariantType.QualifiedName),
            ua.Variant(ua.StatusCode(ua.UInt32(0x80310000)), ua.VariantType.StatusCode),
            ua.Variant([ua.Variant(1, ua.VariantType.Int16), ua.Variant("b")], ua.VariantType.Variant),
        )
    )
    return variant_to_binary(variant), variant.Value


def empty_array(chance: random.Random) -> Choice:
    return bytes([0x80 | chance.choice((1, 6, 11, 12))]) + struct.pack("<i", chance.choice((0, -1))), []


def structure(_chance: random.Random) -> Choice:
    octets = variant_to_binary(ua.Variant(ua.Range(0.0, 1.0), ua.VariantType.ExtensionObject))
    return octets, Structure(22, octets)


NUMBERS = (
    scalar(1, "<?", lambda chance: chance.random() < 0.5),
    scalar(2, "<b", integer(8, signed=True)),
    scalar(3, "<B", integer(8, signed=False)),
    scalar(4, "<h", integer(16, signed=True)),
    scalar(5, "<H", integer(16, signed=False)),
    scalar(6, "<i", integer(32, signed=True)),
    scalar(7, "<I", integer(32, signed=False)),
    scalar(8, "<q", integer(64, signed=True)),
    scalar(9, "<Q", integer(64, signed=False)),
    scalar(10, "<f", real),
    scalar(11, "<d", real),
)
PLAIN = (*NUMBERS, moment, text, lambda _chance: (b"\x00", None))
ODD = (by_asyncua, empty_array, structure)


@dataclass
class Shape:
    """What an item consists of; its content is drawn anew for each message."""

    handle: int
    mask: int
    value: Callable[[random.Random], Choice]

    def make(self, chance: random.Random) -> tuple[bytes, ItemValue]:
        parts, raw, status, source, server = [], None, 0, None, None
        if self.mask & 1:
            octets, raw = self.value(chance)
            parts.append(octets)
        if self.mask & 2:
            status = chance.choice(STATUSES)
            parts.append(struct.pack("<I", status))
        source, octets = self._time(chance, 4, 16)
        server, more = self._time(chance, 8, 32)
        octets = struct.pack("<IB", self.handle, self.mask) + b"".join(parts) + octets + more
        return octets, ItemValue(self.handle, raw, status, source, server)

    def _time(self, chance: random.Random, has_time: int, has_picoseconds: int) -> tuple[int | None, bytes]:
        filetime, tens, octets = 0, 0, b""
        if self.mask & has_time:
            filetime = ticks(chance)
            octets += struct.pack("<q", filetime)
        if self.mask & has_picoseconds:
            tens = chance.choice((0, 99, 4_200, 9_999, 65_535))
            octets += struct.pack("<H", tens)
        found = time_ns(filetime, tens)
        return (found if found is not None and -(2**63) <= found < 2**63 else None), octets


def shapes(chance: random.Random) -> list[Shape]:
    """Draw what one message consists of: uniform, in runs, or anything."""
    n = chance.choice((1, 2, 5, 12, 25))
    kinds = PLAIN if chance.random() < 0.8 else (*PLAIN, *ODD)
    usual = [chance.randrange(256) for _ in range(chance.choice((1, 2, 9)))]
    values = [chance.choice(kinds) for _ in range(chance.choice((1, 2, 9)))]
    return [Shape(chance.randrange(2**32), chance.choice(usual), chance.choice(values)) for _ in range(n)]


def body_of(items: list[bytes], *, count: int | None = None) -> bytes:
    return struct.pack("<i", len(items) if count is None else count) + b"".join(items) + struct.pack("<i", -1)


@dataclass
class Source:
    """Give one message after the other: a new one, the same shapes again, or the same in another order."""

    chance: random.Random
    known: list[list[Shape]] = field(default_factory=list)

    def next(self) -> tuple[bytes, list[ItemValue]]:
        return self.fill(self.choose())

    def choose(self) -> list[Shape]:
        chance = self.chance
        if not self.known or chance.random() < 0.4:
            self.known = [*self.known[-7:], shapes(chance)]
        chosen = chance.choice(self.known)
        if chance.random() < 0.2:
            chosen = chance.sample(chosen, len(chosen))
        return chosen

    def fill(self, chosen: list[Shape]) -> tuple[bytes, list[ItemValue]]:
        chance = self.chance
        made = [shape.make(chance) for shape in chosen]
        return body_of([octets for octets, _ in made]), [value for _, value in made]


def bits(value: object) -> object:
    """Make floats comparable by their bits: 0.0 is not -0.0 here."""
    return struct.pack("<d", value) if isinstance(value, float) else value


def test_ten_thousand_random_notifications_decode_as_the_standard_says() -> None:
    source = Source(random.Random(20_261_126))
    decoder = ColumnDecoder()
    for number in range(NOTIFICATIONS):
        body, expected = source.next()
        found = list(decoder.decode(body).items())
        assert [(type(value.raw), bits(value.raw)) for value in found] == [
            (type(value.raw), bits(value.raw)) for value in expected
        ], number
        assert found == expected, number
    assert decoder.layouts_used > NOTIFICATIONS / 20, "the layouts of earlier messages were hardly used"


def test_messages_that_are_gathered_together_give_what_each_gives_alone() -> None:
    source = Source(random.Random(17))
    decoder = ColumnDecoder()
    alike = 0
    for number in range(1_000):
        messages: list[LaidOut] = []
        expected: list[ItemValue] = []
        for _ in range(source.chance.randrange(4)):
            chosen = source.choose()
            for _ in range(source.chance.choice((1, 1, 2, 5))):
                body, values = source.fill(chosen)
                messages.append(decoder.prove(body))
                expected += values
        found = list(gather(messages).items())
        assert [bits(value.raw) for value in found] == [bits(value.raw) for value in expected], number
        assert found == expected, number
        assert len(found) == sum(len(one) for one in messages)
        alike += sum(one.layout is not None and one.layout is next_one.layout for one, next_one in pairwise(messages))
    assert alike > 500, "hardly any were read together"


def test_values_decode_as_by_asyncua_where_it_follows_the_standard() -> None:
    """Without picoseconds, structures and times out of datetime's range, which asyncua has in its own way."""
    chance = random.Random(7)
    decoder = ColumnDecoder()
    for _ in range(500):
        chosen = [
            Shape(chance.randrange(2**32), chance.randrange(4), chance.choice((*NUMBERS, text))) for _ in range(20)
        ]
        body = body_of([shape.make(chance)[0] for shape in chosen])
        theirs = struct_from_binary(ua.DataChangeNotification, Buffer(body)).MonitoredItems
        for ours, item in zip(decoder.decode(body).items(), theirs, strict=True):
            value = None if item.Value.Value is None else item.Value.Value.Value
            status = 0 if item.Value.StatusCode is None else item.Value.StatusCode.value
            assert (ours.handle, bits(ours.raw), ours.status) == (item.ClientHandle, bits(value), status)


def test_times_decode_as_by_asyncua_up_to_its_microsecond() -> None:
    filetime = FILETIME_UNIX + 1_795_406_400 * 10_000_000 + 1_234_567
    body = body_of([struct.pack("<IBqq", 1, 0x0C, filetime, filetime + 10)])
    (item,) = struct_from_binary(ua.DataChangeNotification, Buffer(body)).MonitoredItems
    (ours,) = ColumnDecoder().decode(body).items()
    for theirs, found in (
        (item.Value.SourceTimestamp, ours.source_time_ns),
        (item.Value.ServerTimestamp, ours.server_time_ns),
    ):
        assert found is not None
        assert abs(from_datetime(theirs) - found) < 1_000


def damaged(chance: random.Random, body: bytes) -> bytes:
    """Cut off, lie about a count or a length, or change bytes."""
    at = chance.randrange(len(body))
    lie = struct.pack("<i", chance.choice((-2, 2**31 - 1, -(2**31), 2**24, chance.randrange(2**20))))
    match chance.randrange(4):
        case 0:
            return body[:at]
        case 1:
            return lie + body[4:]
        case 2:
            return body[:at] + lie + body[at + 4 :]
        case _:
            return body[:at] + chance.randbytes(chance.randint(1, 6)) + body[at:]


def test_malformed_notifications_cost_neither_time_nor_memory() -> None:
    source = Source(random.Random(1_500))
    decoder = ColumnDecoder()
    refused = 0
    tracemalloc.start()
    try:
        for _ in range(MALFORMED):
            body, _expected = source.next()
            broken = damaged(source.chance, body)
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            try:
                decoder.decode(broken)
            except (ValueError, struct.error, IndexError, UaError):
                refused += 1
            _, peak = tracemalloc.get_traced_memory()
            assert peak - before < 2_000_000 + 500 * len(broken)
    finally:
        tracemalloc.stop()
    assert refused > MALFORMED / 3


@pytest.mark.parametrize(
    "variant",
    [
        b"\x80" + struct.pack("<i", 2**31 - 1),
        b"\x98" + struct.pack("<i", 1) + b"\x80" + struct.pack("<i", 2**31 - 1),
        b"\x8b" + struct.pack("<i", 2**28),
        b"\xc6" + struct.pack("<iiiii", 1, 9, 2, 1_000, 1_000),
        b"\x18" * 10_000,
        b"\x19" + b"\x40" * 10_000,
        b"\x8c" + struct.pack("<ii", 1, 2**31 - 1),
        b"\x11\x3f",
    ],
    ids=["nulls", "nested nulls", "doubles", "dimensions", "depth", "diagnostics", "text", "node id"],
)
def test_value_that_lies_about_its_size_is_refused(variant: bytes) -> None:
    body = body_of([struct.pack("<IB", 1, 1) + variant])
    with pytest.raises((ValueError, struct.error, IndexError)):
        ColumnDecoder().decode(body)


def test_array_of_nulls_that_are_there_is_kept_as_its_bytes() -> None:
    """A null takes no byte in an array, so only its count stands in the message."""
    variant = b"\x80" + struct.pack("<i", 3)
    (value,) = ColumnDecoder().decode(body_of([struct.pack("<IB", 1, 1) + variant])).items()
    assert value.raw == Structure(0, variant)
