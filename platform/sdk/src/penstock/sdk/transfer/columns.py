"""Columns of a file made times, statuses and values; rows that do not fit are named, the others go on."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.core.times import INTEGERS_BEGIN_NS, need_ns, parse_rfc3339_ns
from penstock.core.values import INT64_MAX, INT64_MIN, TEXT_MAX_CHARS
from penstock.sdk.frames import ARROW_TYPES

IN_NS = {b"unit": b"ns"}
"""Metadata of a column of times whose integers are ns, whatever they look like: an export has it."""
UINT32_MAX = 2**32 - 1
QUALITIES = {"good": 0x0000_0000, "uncertain": 0x4000_0000, "bad": 0x8000_0000}
_INTEGER = r"^-?\d{1,19}$"
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})
_ARROW_ERRORS = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)


@dataclass(slots=True)
class Refused:
    """Rows of a chunk that were refused: place in the chunk → reason; the first reason stays."""

    reasons: dict[int, str] = field(default_factory=dict)

    def add(self, place: int, reason: str) -> None:
        """Refuse a row."""
        self.reasons.setdefault(place, reason)

    def mask(self, rows: int) -> pa.BooleanArray:
        """Mark the rows that are left."""
        kept = np.ones(rows, np.bool_)
        kept[list(self.reasons)] = False
        return pa.array(kept)


def times(column: pa.Array, zone: str | None, refused: Refused, *, in_ns: bool = False) -> pa.Array:
    """Give int64 ns UTC of integers (ns), timestamps, or text (RFC 3339, or local time where a zone is known).

    Integers that are seconds, ms or µs are refused, unless the file says that its integers are ns.
    """
    if pa.types.is_integer(column.type):
        made = _each_null_refused(column.cast(pa.int64()), "has no time", refused)
        return made if in_ns else _in_ns(made, refused)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        return _of_stamps(column.cast(pa.timestamp("ns", column.type.tz if hasattr(column.type, "tz") else None)), zone)
    if not pa.types.is_string(column.type):
        message = f"a time cannot be {column.type}; give integer ns, a timestamp, or RFC 3339 text"
        raise TypeError(message)
    column = _each_null_refused(column, "has no time", refused)
    present = column.drop_null()
    if len(present) and pc.all(pc.match_substring_regex(present, _INTEGER)).as_py():
        return _in_ns(_converted(column, pa.int64(), lambda text: _bounded(int(text)), refused), refused)
    for kind in (pa.timestamp("ns", "UTC"), pa.timestamp("ns")):
        try:
            return _of_stamps(column.cast(kind), zone)
        except _ARROW_ERRORS:
            continue
    return _one_by_one(column, pa.int64(), _time_of_text, refused)


def _in_ns(made: pa.Array, refused: Refused) -> pa.Array:
    number = made.fill_null(0).to_numpy(zero_copy_only=False)
    for place in np.flatnonzero((number > 0) & (number < INTEGERS_BEGIN_NS)).tolist():
        try:
            need_ns(int(number[place]))
        except ValueError as error:
            refused.add(place, str(error))
    return made


def _of_stamps(stamps: pa.Array, zone: str | None) -> pa.Array:
    if stamps.type.tz is None:
        if zone is None:
            message = (
                "the times have no offset from UTC: say with --zone where they were written, such as Europe/Berlin"
            )
            raise TypeError(message)
        try:
            stamps = pc.assume_timezone(stamps, zone)
        except pa.ArrowInvalid as error:
            message = f"times in {zone}: {error}"
            raise TypeError(message) from None
    return stamps.cast(pa.int64())


def _time_of_text(text: str) -> int:
    return need_ns(_bounded(int(text))) if re.fullmatch(_INTEGER, text) else parse_rfc3339_ns(text)


def statuses(column: pa.Array | None, rows: int, refused: Refused) -> pa.Array:
    """Give OPC UA status codes of numbers, of `0x…` text, or of good, uncertain, bad; absent: Good."""
    if column is None:
        return pa.array(np.zeros(rows, np.uint32))
    if pa.types.is_integer(column.type):
        return _each_null_refused(_converted(column, pa.uint32(), _code, refused), "has no status", refused)
    if not pa.types.is_string(column.type):
        message = f"a status cannot be {column.type}; give an OPC UA status code, or good, uncertain, bad"
        raise TypeError(message)
    filled = pc.fill_null(column, "good")
    return _converted(filled, pa.uint32(), _status_of_text, refused)


def _status_of_text(text: str) -> int:
    named = QUALITIES.get(text.strip().lower())
    if named is not None:
        return named
    try:
        return _code(int(text, 0))
    except ValueError:
        message = f"{text!r:.40} is no OPC UA status code (0 to 0xFFFFFFFF, or good, uncertain, bad)"
        raise ValueError(message) from None


def _code(number: int) -> int:
    if not 0 <= number <= UINT32_MAX:
        message = f"{number} is no OPC UA status code (0 to 0xFFFFFFFF)"
        raise ValueError(message)
    return number


def values(column: pa.Array, kind: str, refused: Refused) -> pa.Array:
    """Give a column of a tag's type; a null stays one."""
    wanted = ARROW_TYPES[kind]
    if column.type == wanted and kind != "string":
        return column
    if kind == "string":
        return _texts(column, refused)
    if kind == "bool":
        return _one_by_one(column, wanted, _bool_of, refused)
    if kind == "float64":
        return _floats(column, refused)
    return _converted(column, wanted, _int_of, refused)


def _floats(column: pa.Array, refused: Refused) -> pa.Array:
    """Give numbers; a text too large for float64 is refused, an infinity that is spelled out is a value."""
    made = _converted(column, pa.float64(), _float_of, refused)
    if pa.types.is_string(column.type) and pc.any(pc.is_inf(made)).as_py():
        return _one_by_one(column, pa.float64(), _float_of, refused)
    return made


def _texts(column: pa.Array, refused: Refused) -> pa.Array:
    if not pa.types.is_string(column.type):
        return _one_by_one(column, pa.string(), _not_text, refused)
    long = pc.greater(pc.utf8_length(column), TEXT_MAX_CHARS).fill_null(fill_value=False)
    for place in np.flatnonzero(long.to_numpy(zero_copy_only=False)).tolist():
        refused.add(place, f"text longer than {TEXT_MAX_CHARS} characters")
    return column


def _not_text(value: Any) -> str:
    message = f"{value!r:.40} is no text, the type of this tag"
    raise ValueError(message)


def _bool_of(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    message = f"{value!r:.40} is no bool (true, false, 1, 0), the type of this tag"
    raise ValueError(message)


def _float_of(value: Any) -> float:
    message = f"{value!r:.40} is no float64, the type of this tag"
    if isinstance(value, bool):
        raise ValueError(message)
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(message) from None
    if isinstance(value, str) and math.isinf(number) and re.search(r"\d", value):
        message = f"{value!r:.40} lies beyond float64, the type of this tag (an infinity is written inf or -inf)"
        raise ValueError(message)
    if isinstance(value, int) and int(number) != value:
        message = f"{value} is not exact as float64, the type of this tag"
        raise ValueError(message)
    return number


def _int_of(value: Any) -> int:
    if isinstance(value, str) and re.fullmatch(_INTEGER, value.strip()):
        return _bounded(int(value))
    if isinstance(value, int) and not isinstance(value, bool):
        return _bounded(value)
    if isinstance(value, float) and value.is_integer():
        return _bounded(int(value))
    message = f"{value!r:.40} is no int64, the type of this tag"
    raise ValueError(message)


def _bounded(number: int) -> int:
    if not INT64_MIN < number <= INT64_MAX:
        message = f"{number} does not fit into 64 bits"
        raise ValueError(message)
    return number


def _converted(column: pa.Array, wanted: pa.DataType, one: Callable[[Any], Any], refused: Refused) -> pa.Array:
    """Convert at once, or one by one where something does not fit, to say what."""
    if pa.types.is_boolean(column.type):
        return _one_by_one(column, wanted, one, refused)
    try:
        return column.cast(wanted)
    except _ARROW_ERRORS:
        return _one_by_one(column, wanted, one, refused)


def _one_by_one(column: pa.Array, wanted: pa.DataType, one: Callable[[Any], Any], refused: Refused) -> pa.Array:
    made: list[Any] = []
    for place, value in enumerate(column.to_pylist()):
        try:
            made.append(None if value is None else one(value))
        except ValueError as error:
            refused.add(place, str(error))
            made.append(None)
    return pa.array(made, wanted)


def _each_null_refused(column: pa.Array, reason: str, refused: Refused) -> pa.Array:
    if column.null_count:
        for place in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
            refused.add(place, reason)
    return column
