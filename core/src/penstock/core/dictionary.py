"""The tag dictionary of a gateway's epoch: local index → what the platform must know of the tag."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import zstandard
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from penstock.core.batch import ZSTD_LEVEL, decompress, load_json
from penstock.core.errors import PeerError
from penstock.core.values import INT64_MAX, ValueType

VERSION: Final = 1
PROBLEM: Final = "dictionary-malformed"
ENTRIES_MAX: Final = 1_000_000
DECOMPRESSED_MAX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class DictionaryEntry:
    """Describe one tag; indexes are dense from 0 and never reused within (gateway, epoch)."""

    index: int
    key: str
    asset: str | None
    name: str
    type: ValueType
    unit: str
    description: str
    device: str
    file_hash: str
    late_after_ns: int | None = None
    rate_hz: float | None = None


class _WireEntry(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore")

    index: int = Field(ge=0, lt=ENTRIES_MAX)
    key: str = Field(min_length=1, max_length=512)
    asset: str | None = Field(default=None, max_length=512)
    name: str = Field(min_length=1, max_length=256)
    type: ValueType = Field(strict=False)
    unit: str = Field(default="", max_length=64)
    description: str = Field(default="", max_length=1024)
    device: str = Field(min_length=1, max_length=128)
    file_hash: str = Field(default="", max_length=64, pattern=r"^[0-9a-f]*$")
    late_after_ns: int | None = Field(default=None, gt=0, le=INT64_MAX)
    rate_hz: float | None = Field(default=None, gt=0, allow_inf_nan=False)


_ENTRIES: Final = TypeAdapter(list[_WireEntry])


def encode_dictionary(entries: Sequence[DictionaryEntry]) -> bytes:
    """Give the payload of a dictionary frame."""
    plain = [{name: getattr(entry, name) for name in DictionaryEntry.__slots__} for entry in entries]
    text = json.dumps({"v": VERSION, "entries": plain}, ensure_ascii=False, separators=(",", ":"))
    return zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(text.encode())


def decode_dictionary(payload: bytes) -> tuple[DictionaryEntry, ...]:
    """Read a payload; PeerError where it is malformed, or its indexes are not 0 … n-1 in order, or keys repeat."""
    text = decompress(payload, max_bytes=DECOMPRESSED_MAX_BYTES)
    note = load_json(text, max_bytes=DECOMPRESSED_MAX_BYTES)
    entries = note.get("entries") if isinstance(note, dict) and note.get("v") == VERSION else None
    _require(isinstance(entries, list), f'payload must be {{"v": {VERSION}, "entries": [...]}}')
    try:
        wire = _ENTRIES.validate_python(entries)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        why = f"dictionary: entries.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise PeerError(why, problem=PROBLEM) from None
    _require([entry.index for entry in wire] == list(range(len(wire))), "indexes must be dense from 0, in order")
    _require(len({entry.key for entry in wire}) == len(wire), "two entries have the same key")
    return tuple(DictionaryEntry(**_plain(entry)) for entry in wire)


def _require(ok: bool, why: str) -> None:
    if not ok:
        message = f"dictionary: {why}"
        raise PeerError(message, problem=PROBLEM)


def _plain(entry: _WireEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in DictionaryEntry.__slots__}
