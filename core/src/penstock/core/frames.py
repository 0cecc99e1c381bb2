"""Frames of wire.md: what a request carries, one after another, each with its own checksum."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from penstock.core.errors import PeerError
from penstock.core.values import INT64_MAX, INT64_MIN

MAGIC: Final = b"PSF1"
REQUEST_MAX_BYTES: Final = 8 * 1024 * 1024
"""Body of one ingest request."""
ROWS_MAX: Final = 100_000
_BEFORE_CRC: Final = struct.Struct("<4sB3x16sQqII")
_CRC: Final = struct.Struct("<I")
HEADER_BYTES: Final = _BEFORE_CRC.size + _CRC.size
PAYLOAD_MAX_BYTES: Final = REQUEST_MAX_BYTES - HEADER_BYTES


class FrameKind(IntEnum):
    """Say what the payload is."""

    BATCH = 1
    DICTIONARY = 2


@dataclass(frozen=True, slots=True)
class Frame:
    """Carry one batch or dictionary; `epoch` is 32 lower-case hex digits, `seq` from 1 (dictionary: 0), `n` rows."""

    kind: FrameKind
    epoch: str
    seq: int
    arrival_ns: int
    n: int
    payload: bytes

    def __post_init__(self) -> None:
        assert len(self.epoch) == 32, f"epoch {self.epoch!r} must be 32 hex digits"
        assert (self.seq == 0) == (self.kind == FrameKind.DICTIONARY), f"seq {self.seq} of a {self.kind.name} frame"
        assert INT64_MIN <= self.arrival_ns <= INT64_MAX, f"arrival {self.arrival_ns} does not fit int64"
        assert len(self.payload) <= PAYLOAD_MAX_BYTES, f"payload of {len(self.payload)} bytes"

    @property
    def crc(self) -> int:
        """Give the CRC-32 over header and payload: with (epoch, seq) it tells a repeat from a conflict."""
        return zlib.crc32(self.payload, zlib.crc32(self._before_crc()))

    @property
    def size(self) -> int:
        """Give the bytes of the encoded frame."""
        return HEADER_BYTES + len(self.payload)

    def _before_crc(self) -> bytes:
        epoch = bytes.fromhex(self.epoch)
        return _BEFORE_CRC.pack(MAGIC, self.kind, epoch, self.seq, self.arrival_ns, self.n, len(self.payload))


def encode_frame(frame: Frame) -> bytes:
    """Give header and payload."""
    return b"".join((frame._before_crc(), _CRC.pack(frame.crc), frame.payload))


def iter_frames(body: bytes) -> Iterator[Frame]:
    """Read frames until the end; PeerError `frame-corrupt` with the offset at the first that is not whole and true."""
    offset = 0
    while offset < len(body):
        frame = _frame_at(body, offset)
        yield frame
        offset += frame.size


def _frame_at(body: bytes, offset: int) -> Frame:
    payload_at = offset + HEADER_BYTES
    if payload_at > len(body):
        raise _corrupt(offset, f"{len(body) - offset} bytes are left, a header has {HEADER_BYTES}")
    magic, kind, epoch, seq, arrival_ns, n, length = _BEFORE_CRC.unpack_from(body, offset)
    (stated,) = _CRC.unpack_from(body, offset + _BEFORE_CRC.size)
    if magic != MAGIC:
        raise _corrupt(offset, f"magic is {magic!r}, not {MAGIC!r}")
    if length > len(body) - payload_at:
        raise _corrupt(offset, f"payload of {length} bytes stated, {len(body) - payload_at} left")
    payload = body[payload_at : payload_at + length]
    computed = zlib.crc32(payload, zlib.crc32(body[offset : offset + _BEFORE_CRC.size]))
    if computed != stated:
        raise _corrupt(offset, f"CRC is {computed:08x}, stated {stated:08x}")
    if kind not in (FrameKind.BATCH, FrameKind.DICTIONARY) or (seq == 0) != (kind == FrameKind.DICTIONARY):
        raise _corrupt(offset, f"kind {kind} with seq {seq}")
    if length > PAYLOAD_MAX_BYTES:
        raise _corrupt(offset, f"payload of {length} bytes, at most {PAYLOAD_MAX_BYTES}")
    return Frame(FrameKind(kind), epoch.hex(), seq, arrival_ns, n, payload)


def _corrupt(offset: int, why: str) -> PeerError:
    return PeerError(f"frame at byte {offset}: {why}; send it again", problem="frame-corrupt", offset=offset)
