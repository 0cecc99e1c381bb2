"""Decoding notifications: exact times, the standard's order of fields, and junk that costs nothing."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.edge.opcua.encoding import FILETIME_UNIX, MalformedNotification
from penstock.edge.opcua.notification import decode_notification_message

SECOND = 1_795_406_400
TICKS = FILETIME_UNIX + SECOND * 10_000_000 + 1_234_567


def double(value: float) -> bytes:
    return b"\x0b" + struct.pack("<d", value)


def item(handle: int, mask: int, *parts: bytes) -> bytes:
    return struct.pack("<IB", handle, mask) + b"".join(parts)


def data_change(*items: bytes, count: int | None = None) -> bytes:
    body = struct.pack("<i", len(items) if count is None else count) + b"".join(items) + struct.pack("<i", -1)
    return b"\x01\x00\x2b\x03\x01" + struct.pack("<i", len(body)) + body


def message(*parts: bytes, sequence: int = 7, published: int = TICKS) -> bytes:
    return struct.pack("<Iqi", sequence, published, len(parts)) + b"".join(parts)


def decode(*items: bytes) -> list[tuple[object, int, int | None, int | None]]:
    found = decode_notification_message(message(data_change(*items)), subscription=1)
    return [(value.raw, value.status, value.source_time_ns, value.server_time_ns) for value in found.values.items()]


def test_source_time_keeps_its_100_ns() -> None:
    ((raw, status, source, server),) = decode(item(1, 0x05, double(1.5), struct.pack("<q", TICKS)))
    assert (raw, status, source, server) == (1.5, 0, SECOND * 1_000_000_000 + 123_456_700, None)


def test_picoseconds_stand_right_after_their_time() -> None:
    """OPC 10000-6 5.2.2.17: source time, its picoseconds, server time, its picoseconds."""
    parts = (
        double(1.0),
        struct.pack("<I", 0x40000000),
        struct.pack("<qH", TICKS, 4_200),
        struct.pack("<qH", TICKS + 1, 0),
    )
    ((_, status, source, server),) = decode(item(1, 0x3F, *parts))
    assert status == 0x40000000
    assert source == SECOND * 1_000_000_000 + 123_456_742
    assert server == SECOND * 1_000_000_000 + 123_456_800


@pytest.mark.parametrize(
    ("variant", "raw"),
    [
        (b"\x01\x01", True),
        (b"\x02\xff", -1),
        (b"\x03\xff", 255),
        (b"\x04" + struct.pack("<h", -300), -300),
        (b"\x06" + struct.pack("<i", -70_000), -70_000),
        (b"\x08" + struct.pack("<q", -(2**62)), -(2**62)),
        (b"\x09" + struct.pack("<Q", 2**63 + 1), 2**63 + 1),
        (b"\x0a" + struct.pack("<f", 0.1), struct.unpack("<f", struct.pack("<f", 0.1))[0]),
        (b"\x0c" + struct.pack("<i", 5) + "prüf".encode(), "prüf"),
        (b"\x0c" + struct.pack("<i", -1), None),
        (b"\x0d" + struct.pack("<q", TICKS), SECOND * 1_000_000_000 + 123_456_700),
        (b"\x86" + struct.pack("<iii", 2, 1, 2), [1, 2]),
    ],
)
def test_every_scalar_is_decoded_and_arrays_come_as_lists(variant: bytes, raw: object) -> None:
    ((found, *_),) = decode(item(1, 0x01, variant))
    assert found == raw
    assert type(found) is type(raw)


def test_value_without_any_field_is_good_without_times() -> None:
    assert decode(item(1, 0x00)) == [(None, 0, None, None)]


def test_keep_alive_has_no_values_and_a_time() -> None:
    found = decode_notification_message(message(), subscription=1)
    assert found.keep_alive
    assert found.publish_time_ns == SECOND * 1_000_000_000 + 123_456_700


def test_end_of_the_subscription_carries_its_status() -> None:
    body = struct.pack("<I", 0x800A0000) + b"\x00"
    ended = b"\x01\x00\x34\x03\x01" + struct.pack("<i", len(body)) + body
    assert decode_notification_message(message(ended), subscription=1).lost_status == 0x800A0000


@pytest.mark.parametrize("count", [1_000_001, 2**31 - 1, 5])
def test_count_beyond_the_body_is_refused_before_anything_is_allocated(count: int) -> None:
    with pytest.raises(MalformedNotification):
        decode_notification_message(message(data_change(item(1, 0), count=count)), subscription=1)


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(body: bytes) -> None:
    try:
        decode_notification_message(body, subscription=1)
    except MalformedNotification:
        return


@given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
def test_damaged_message_is_decoded_or_refused(at: int, damage: bytes) -> None:
    whole = message(data_change(*(item(n, 0x0F, double(n), struct.pack("<Iqq", 0, TICKS, TICKS)) for n in range(8))))
    at %= len(whole)
    try:
        decode_notification_message(whole[:at] + damage + whole[at + len(damage) :], subscription=1)
    except MalformedNotification:
        return
