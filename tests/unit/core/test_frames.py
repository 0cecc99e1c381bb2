"""Frames are whole and true, or refused with their offset."""

import struct
import zlib
from pathlib import Path

import pytest

from penstock.core.errors import PeerError
from penstock.core.frames import HEADER_BYTES, Frame, FrameKind, encode_frame, iter_frames
from tests.builders.core import EPOCH, make_frame


def test_frames_come_back_in_order() -> None:
    frames = [make_frame(1), make_frame(2, b""), Frame(FrameKind.DICTIONARY, EPOCH, 0, -1, 3, b"d")]
    assert list(iter_frames(b"".join(map(encode_frame, frames)))) == frames
    assert list(iter_frames(b"")) == []


def test_header_is_as_the_reference_says() -> None:
    wire = encode_frame(Frame(FrameKind.BATCH, EPOCH, 1, 5, 2, b"abc"))
    assert HEADER_BYTES == 52
    assert wire[:8] == b"PSF1\x01\0\0\0"
    assert wire[8:24].hex() == EPOCH
    assert wire[24:48] == b"\x01" + bytes(7) + b"\x05" + bytes(7) + b"\x02\0\0\0" + b"\x03\0\0\0"
    assert wire[52:] == b"abc"


@pytest.mark.parametrize("at", range(HEADER_BYTES + 7))
def test_any_flipped_byte_is_found(at: int) -> None:
    wire = bytearray(encode_frame(make_frame()))
    wire[at] ^= 0x20
    with pytest.raises(PeerError, match="frame at byte 0") as caught:
        list(iter_frames(bytes(wire)))
    assert caught.value.problem == "frame-corrupt"


@pytest.mark.parametrize("keep", range(1, HEADER_BYTES + 7))
def test_any_cut_is_found(keep: int) -> None:
    good = encode_frame(make_frame())
    with pytest.raises(PeerError) as caught:
        list(iter_frames(good + good[:keep]))
    assert caught.value.attributes["offset"] == len(good)


@pytest.mark.parametrize(("kind", "seq"), [(3, 1), (1, 0), (2, 1)])
def test_kind_and_seq_must_fit(kind: int, seq: int) -> None:

    wire = bytearray(encode_frame(make_frame(payload=b"")))
    wire[4], wire[24] = kind, seq
    wire[48:52] = zlib.crc32(bytes(wire[:48])).to_bytes(4, "little")
    with pytest.raises(PeerError, match="kind"):
        list(iter_frames(bytes(wire)))


def test_too_long_a_payload_is_refused() -> None:

    length = 8 * 1024 * 1024
    head = struct.pack("<4sB3x16sQqII", b"PSF1", 1, bytes(16), 1, 0, 1, length)
    body = head + zlib.crc32(bytes(length), zlib.crc32(head)).to_bytes(4, "little") + bytes(length)
    with pytest.raises(PeerError, match="at most"):
        list(iter_frames(body))


@pytest.mark.parametrize(
    "wrong", [{"epoch": "ab"}, {"seq": 0}, {"arrival_ns": 2**63}, {"payload": bytes(8 * 1024 * 1024)}]
)
def test_wrong_frames_are_not_made(wrong: dict[str, object]) -> None:
    plain = {"kind": FrameKind.BATCH, "epoch": EPOCH, "seq": 1, "arrival_ns": 0, "n": 1, "payload": b""}
    with pytest.raises(AssertionError):
        Frame(**{**plain, **wrong})  # type: ignore[arg-type]


def test_crc_tells_content_apart() -> None:
    assert make_frame(1).crc == make_frame(1).crc
    assert make_frame(1).crc != make_frame(1, b"other").crc != make_frame(2, b"other").crc
    assert make_frame(1).size == len(encode_frame(make_frame(1)))


def test_golden_frame_is_unchanged() -> None:
    golden = Path(__file__).with_name("golden") / "frame.hex"
    assert encode_frame(make_frame()).hex() == golden.read_text().strip()
