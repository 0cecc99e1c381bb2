"""The four value types of the historian, and what may arrive from a device."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import Final

Value = float | int | bool | str | None
"""A value as stored; None is 'no value', which goes with a Bad status."""

INT64_MIN: Final = -(2**63)
INT64_MAX: Final = 2**63 - 1
TEXT_MAX_CHARS: Final = 8192
"""Longest string value: room for a recipe or a barcode list, not for a document."""


class ValueType(StrEnum):
    """Name the type of a tag in the historian."""

    FLOAT64 = "float64"
    INT64 = "int64"
    BOOL = "bool"
    STRING = "string"

    @property
    def is_numeric(self) -> bool:
        """Say whether scale, offset and unit apply."""
        return self in (ValueType.FLOAT64, ValueType.INT64)

    @property
    def column(self) -> str:
        """Give the column that holds values of this type: vf, vi, vb, vs."""
        return _COLUMN[self]

    @property
    def kind(self) -> ValueKind:
        """Give the code that marks rows of this type in columns."""
        return _KIND[self]


class ValueKind(IntEnum):
    """Say which column of a row holds its value."""

    NONE = 0
    FLOAT64 = 1
    INT64 = 2
    BOOL = 3
    STRING = 4


_COLUMN: Final = {ValueType.FLOAT64: "vf", ValueType.INT64: "vi", ValueType.BOOL: "vb", ValueType.STRING: "vs"}
_KIND: Final = {
    ValueType.FLOAT64: ValueKind.FLOAT64,
    ValueType.INT64: ValueKind.INT64,
    ValueType.BOOL: ValueKind.BOOL,
    ValueType.STRING: ValueKind.STRING,
}
