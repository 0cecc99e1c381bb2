"""The ledger's file: an append log of lines, each synced before its value is offered to a protocol.

A line is tab-separated and ends with its CRC-32, so that a torn end is seen for what it is:
`V n device tag time_ns status kind bits` a value (n counts the device's values from 1, without holes, across restarts);
`N device first last` values that an OPC UA server overwrote while nobody was subscribed (it did not hold them);
`D device first last` values that a full outbox dropped before the broker had them.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from penstock.core.errors import PenstockError
from penstock.core.values import Value
from penstock.simulators.emission import Emission

FILE_MODE: Final = 0o600


class LedgerError(PenstockError):
    """Say where a ledger is not what was written."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold one value as it was offered; `kind` and `bits` are exact, NaN and infinities included."""

    n: int
    device: str
    tag: str
    time_ns: int
    status: int
    kind: str
    bits: str

    @property
    def key(self) -> str:
        """Give the tag key, device/tag."""
        return f"{self.device}/{self.tag}"


def exact(value: Value) -> tuple[str, str]:
    """Give (kind, bits) of a value: f and the IEEE 754 bytes in hex, i, b, s (quoted), or n for no value."""
    match value:
        case None:
            return "n", ""
        case bool():
            return "b", str(int(value))
        case int():
            return "i", str(value)
        case float():
            return "f", struct.pack("<d", value).hex()
        case str():
            return "s", quote(value, safe="")


def inexact(kind: str, bits: str) -> Value:
    """Give the value of (kind, bits)."""
    match kind:
        case "n":
            return None
        case "b":
            return bits == "1"
        case "i":
            return int(bits)
        case "f":
            return float(struct.unpack("<d", bytes.fromhex(bits))[0])
        case "s":
            return unquote(bits)
        case _:
            message = f"ledger: unknown kind {kind!r}"
            raise LedgerError(message)


@dataclass(slots=True)
class Ledger:
    """Hold a whole ledger: values in the order written, and the ranges that need not arrive."""

    entries: list[Entry] = field(default_factory=list)
    not_held: set[tuple[str, int]] = field(default_factory=set)
    """(device, n) of values that no server held."""
    dropped: set[tuple[str, int]] = field(default_factory=set)
    """(device, n) of values that the outbox dropped, declared."""
    torn_bytes: int = 0

    def count_of(self, device: str) -> int:
        """Give the newest n of a device, 0 when it never spoke."""
        return max((entry.n for entry in self.entries if entry.device == device), default=0)


def read_ledger(path: Path) -> Ledger:
    """Read a ledger; a torn last line is cut off and counted, anything else broken is a LedgerError with its line."""
    ledger = Ledger()
    content = path.read_bytes()
    lines = content.split(b"\n")
    ledger.torn_bytes = len(lines[-1])
    for number, line in enumerate(lines[:-1], start=1):
        fields = _checked(line)
        if fields is None:
            message = f"{path}:{number}: checksum does not match"
            raise LedgerError(message, file=str(path), line=number)
        _take(ledger, fields)
    return ledger


def _checked(line: bytes) -> list[str] | None:
    body, _, crc = line.rpartition(b"\t")
    if f"{zlib.crc32(body):08x}".encode() != crc:
        return None
    return body.decode().split("\t")


def _take(ledger: Ledger, fields: Sequence[str]) -> None:
    match fields:
        case ["V", n, device, tag, time_ns, status, kind, bits]:
            ledger.entries.append(Entry(int(n), device, tag, int(time_ns), int(status), kind, bits))
        case ["N", device, first, last]:
            ledger.not_held.update((device, n) for n in range(int(first), int(last) + 1))
        case ["D", device, first, last]:
            ledger.dropped.update((device, n) for n in range(int(first), int(last) + 1))
        case _:
            message = f"ledger: unknown line {fields!r}"
            raise LedgerError(message)


class LedgerWriter:
    """Append to a ledger; after a restart it cuts a torn end and counts on."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._counts: dict[str, int] = {}
        self._newest: dict[str, int] = {}
        if path.is_file():
            before = read_ledger(path)
            os.truncate(path, path.stat().st_size - before.torn_bytes)
            for entry in before.entries:
                self._counts[entry.device] = entry.n
                self._newest[entry.key] = entry.time_ns
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, FILE_MODE)
        self._file = os.fdopen(descriptor, "ab", buffering=0)
        _sync_folder(path.parent)

    def newest_ns(self, device: str, tag: str) -> int | None:
        """Give the newest source time of a tag that the ledger knows."""
        return self._newest.get(f"{device}/{tag}")

    def write(self, emissions: Iterable[Emission]) -> list[tuple[int, int]]:
        """Append the values and sync; give (first n, last n) of each emission. Only then may they be offered.

        Each tag's source time must rise: it identifies the value.
        """
        lines, ranges = bytearray(), []
        for emission in emissions:
            first = self._counts.get(emission.device, 0) + 1
            for n, point in enumerate(emission.points, start=first):
                key = f"{emission.device}/{point.tag}"
                assert emission.time_ns > self._newest.get(key, -(2**63)), f"{key}: source time does not rise"
                self._newest[key] = emission.time_ns
                kind, bits = exact(point.value)
                lines += _line("V", n, emission.device, point.tag, emission.time_ns, point.status, kind, bits)
            last = first + len(emission.points) - 1
            self._counts[emission.device] = last
            ranges.append((first, last))
        self._append(bytes(lines))
        return ranges

    def note_not_held(self, device: str, first: int, last: int) -> None:
        """Note that no server queue holds these values."""
        self._append(_line("N", device, first, last))

    def note_dropped(self, device: str, first: int, last: int) -> None:
        """Note that the outbox dropped these values."""
        self._append(_line("D", device, first, last))

    def _append(self, lines: bytes) -> None:
        if lines:
            self._file.write(lines)
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _line(*fields: object) -> bytes:
    body = "\t".join(str(part) for part in fields).encode()
    return body + f"\t{zlib.crc32(body):08x}\n".encode()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
