"""From readings to samples: type, range, scale, unit and status, in columns; what cannot become a sample is rejected.

A value is never bent to fit: a string where a number is declared, a fraction for an int64, an integer that float64
cannot hold, an array: each is rejected with its reason. NaN and infinities are values. Where scale and unit change
nothing, floats pass bit by bit.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from penstock.core import status as codes
from penstock.core.batch import EXCERPT_MAX_CHARS
from penstock.core.columns import SampleColumns
from penstock.core.device_file import DeviceFile, TagSpec
from penstock.core.reading import Reading
from penstock.core.times import from_datetime
from penstock.core.values import INT64_MAX, INT64_MIN, TEXT_MAX_CHARS, ValueKind, ValueType

_STATUS_MAX: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class Rejected:
    """Say why a reading became no sample; `tag` is None where the device file has no such tag."""

    tag: str | None
    time_ns: int | None
    reason: str
    excerpt: str


@dataclass(frozen=True, slots=True, eq=False)
class Normalised:
    """Give samples and rejects; `columns.tag` is the tag's position in the device file."""

    columns: SampleColumns
    rejects: tuple[Rejected, ...]
    rejected_rows: tuple[int, ...] = ()
    """Which reading each reject was."""


class Normaliser:
    """Judge the readings of one device."""

    def __init__(self, device: DeviceFile) -> None:
        """Raise ValueError where a unit does not convert (parse_device_file has said so before)."""
        self.tags: tuple[str, ...] = tuple(device.tags)
        """Tag names: `columns.tag` indexes this."""
        self._position = {name: position for position, name in enumerate(self.tags)}
        self._specs = tuple(_Spec.of(spec) for spec in device.tags.values())
        self._converted = np.array([not spec.is_identity for spec in self._specs], np.bool_)
        self._scale = np.array([spec.scale for spec in self._specs], np.float64)
        self._offset = np.array([spec.offset for spec in self._specs], np.float64)

    def apply(self, readings: Sequence[Reading], arrival_ns: int) -> Normalised:
        """Give one sample or one reject per reading, in their order; arrival stands for a missing source time."""
        rows = _Rows()
        rejects: list[Rejected] = []
        rejected_rows: list[int] = []
        for row, reading in enumerate(readings):
            position = self._position.get(reading.tag)
            if position is None:
                reason = "the device file has no such tag"
                rejects.append(Rejected(None, _time_or_none(reading.time_ns), reason, excerpt(reading.tag)))
                rejected_rows.append(row)
                continue
            why = self._add(rows, reading, position, arrival_ns=arrival_ns)
            if why is not None:
                rejects.append(Rejected(reading.tag, _time_or_none(reading.time_ns), why, excerpt(reading.raw)))
                rejected_rows.append(row)
        return Normalised(self._columns(rows), tuple(rejects), tuple(rejected_rows))

    def _add(self, rows: _Rows, reading: Reading, position: int, *, arrival_ns: int) -> str | None:
        time_ns = arrival_ns if reading.time_ns is None else reading.time_ns
        if _time_or_none(time_ns) is None:
            return "source time does not fit 64 bits of nanoseconds (years 1677 to 2262)"
        if not 0 <= reading.status <= _STATUS_MAX:
            return f"status {reading.status} does not fit 32 bits unsigned"
        status, value, kind = reading.status, reading.raw, self._specs[position].kind
        if value is not None:
            try:
                value = self._specs[position].coerce(value)
            except ValueError as error:
                if not codes.is_bad(status):
                    return str(error)
                value = None
        if value is None:
            kind = ValueKind.NONE
            status = status if codes.is_bad(status) else codes.BAD_NO_DATA
        rows.add(position, time_ns, status=status, kind=kind, value=value)
        return None

    def _columns(self, rows: _Rows) -> SampleColumns:
        columns = rows.columns()
        converted = self._converted[columns.tag] & (columns.kind == ValueKind.FLOAT64)
        if converted.any():
            tags = columns.tag[converted]
            with np.errstate(over="ignore", invalid="ignore"):
                columns.vf[converted] = columns.vf[converted] * self._scale[tags] + self._offset[tags]
        return columns


class _Rows:
    """Collect rows in plain lists, then make columns at once."""

    def __init__(self) -> None:
        self._tag: list[int] = []
        self._time: list[int] = []
        self._status: list[int] = []
        self._kind: list[int] = []
        self._values: dict[ValueKind, tuple[list[int], list[Any]]] = {kind: ([], []) for kind in ValueKind}

    def add(self, tag: int, time_ns: int, *, status: int, kind: ValueKind, value: Any) -> None:
        row = len(self._tag)
        self._tag.append(tag)
        self._time.append(time_ns)
        self._status.append(status)
        self._kind.append(kind)
        at, values = self._values[kind]
        at.append(row)
        values.append(value)

    def columns(self) -> SampleColumns:
        columns = SampleColumns.without_values(self._tag, self._time, status=self._status)
        columns.kind[:] = self._kind
        targets: tuple[tuple[ValueKind, Any], ...] = (
            (ValueKind.FLOAT64, columns.vf),
            (ValueKind.INT64, columns.vi),
            (ValueKind.BOOL, columns.vb),
            (ValueKind.STRING, columns.vs),
        )
        for kind, target in targets:
            at, values = self._values[kind]
            if at:
                target[at] = np.array(values, dtype=target.dtype)
        return columns


@dataclass(frozen=True, slots=True)
class _Spec:
    kind: ValueKind
    scale: float
    offset: float
    is_identity: bool
    coerce: Callable[[Any], Any]

    @classmethod
    def of(cls, tag: TagSpec) -> _Spec:
        whole = tag.conversion
        coerce = _COERCE[tag.type]
        if tag.type is ValueType.INT64 and not whole.is_identity:
            coerce = _scaled_int(int(whole.scale), int(whole.offset))
        identity = whole.is_identity or tag.type is not ValueType.FLOAT64
        return cls(tag.type.kind, whole.scale, whole.offset, identity, coerce)


def _plain(raw: Any) -> Any:
    """Take a numpy scalar for the Python value that it holds."""
    return raw.item() if isinstance(raw, np.generic) else raw


def _float64(raw: Any) -> float:
    value = _plain(raw)
    if isinstance(value, float):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        if abs(value) <= 2**53 or (abs(value) <= INT64_MAX and int(float(value)) == value):
            return float(value)
        message = "integer that float64 cannot hold exactly; declare the tag int64"
        raise ValueError(message)
    raise _mismatch(value, "a number")


def _int64(raw: Any) -> int:
    value = from_datetime(raw) if isinstance(raw, datetime) else _plain(raw)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        if INT64_MIN <= value <= INT64_MAX:
            return value
        message = "integer outside int64; declare the tag float64 or string"
        raise ValueError(message)
    raise _mismatch(value, "a whole number")


def _scaled_int(scale: int, offset: int) -> Callable[[Any], int]:
    def coerce(raw: Any) -> int:
        return _int64(_int64(raw) * scale + offset)

    return coerce


def _bool(raw: Any) -> bool:
    value = _plain(raw)
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise _mismatch(value, "true, false, 0 or 1")


def _string(raw: Any) -> str:
    value = _plain(raw)
    if not isinstance(value, str):
        raise _mismatch(value, "text")
    if len(value) > TEXT_MAX_CHARS:
        message = f"text of {len(value)} characters; at most {TEXT_MAX_CHARS}"
        raise ValueError(message)
    if not value.isascii() and any("\ud800" <= char <= "\udfff" for char in value):
        message = "text is not valid Unicode (a lone surrogate)"
        raise ValueError(message)
    return value


_COERCE: Final[dict[ValueType, Callable[[Any], Any]]] = {
    ValueType.FLOAT64: _float64,
    ValueType.INT64: _int64,
    ValueType.BOOL: _bool,
    ValueType.STRING: _string,
}


def _mismatch(value: object, wanted: str) -> ValueError:
    if isinstance(value, list | tuple | dict | np.ndarray):
        return ValueError(f"{wanted} expected, got an array or object; map its parts to tags of their own")
    return ValueError(f"{wanted} expected, got {type(value).__name__}")


def _time_or_none(time_ns: int | None) -> int | None:
    return time_ns if time_ns is not None and INT64_MIN <= time_ns <= INT64_MAX else None


def excerpt(raw: object) -> str:
    """Show the beginning of a raw value, in bounded time and length."""
    shown = raw[: EXCERPT_MAX_CHARS + 1] if isinstance(raw, str) else _SHORT.repr(raw)
    return shown[:EXCERPT_MAX_CHARS]


_SHORT: Final = reprlib.Repr()
