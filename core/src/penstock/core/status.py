"""OPC UA status codes (Part 4, 7.39; Part 8, annex A): the quality of a value, kept as the code itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

GOOD: Final = 0x0000_0000
UNCERTAIN: Final = 0x4000_0000
BAD: Final = 0x8000_0000

GOOD_CLAMPED: Final = 0x0030_0000
GOOD_LOCAL_OVERRIDE: Final = 0x0096_0000
GOOD_NO_DATA: Final = 0x00A5_0000
GOOD_MORE_DATA: Final = 0x00A6_0000

UNCERTAIN_NO_COMMUNICATION_LAST_USABLE_VALUE: Final = 0x408F_0000
UNCERTAIN_LAST_USABLE_VALUE: Final = 0x4090_0000
UNCERTAIN_SUBSTITUTE_VALUE: Final = 0x4091_0000
UNCERTAIN_INITIAL_VALUE: Final = 0x4092_0000
UNCERTAIN_SENSOR_NOT_ACCURATE: Final = 0x4093_0000
UNCERTAIN_ENGINEERING_UNITS_EXCEEDED: Final = 0x4094_0000
UNCERTAIN_SUB_NORMAL: Final = 0x4095_0000
UNCERTAIN_DATA_SUB_NORMAL: Final = 0x40A4_0000

BAD_UNEXPECTED_ERROR: Final = 0x8001_0000
BAD_INTERNAL_ERROR: Final = 0x8002_0000
BAD_OUT_OF_MEMORY: Final = 0x8003_0000
BAD_RESOURCE_UNAVAILABLE: Final = 0x8004_0000
BAD_COMMUNICATION_ERROR: Final = 0x8005_0000
BAD_TIMEOUT: Final = 0x800A_0000
BAD_SHUTDOWN: Final = 0x800C_0000
BAD_SERVER_NOT_CONNECTED: Final = 0x800D_0000
BAD_USER_ACCESS_DENIED: Final = 0x801F_0000
BAD_NO_COMMUNICATION: Final = 0x8031_0000
BAD_WAITING_FOR_INITIAL_DATA: Final = 0x8032_0000
BAD_NODE_ID_INVALID: Final = 0x8033_0000
BAD_NODE_ID_UNKNOWN: Final = 0x8034_0000
BAD_NOT_READABLE: Final = 0x803A_0000
BAD_OUT_OF_RANGE: Final = 0x803C_0000
BAD_NOT_SUPPORTED: Final = 0x803D_0000
BAD_TYPE_MISMATCH: Final = 0x8074_0000
BAD_CONFIGURATION_ERROR: Final = 0x8089_0000
BAD_NOT_CONNECTED: Final = 0x808A_0000
BAD_DEVICE_FAILURE: Final = 0x808B_0000
BAD_SENSOR_FAILURE: Final = 0x808C_0000
BAD_OUT_OF_SERVICE: Final = 0x808D_0000
BAD_NO_DATA: Final = 0x809B_0000
BAD_DATA_LOST: Final = 0x809D_0000
BAD_DATA_UNAVAILABLE: Final = 0x809E_0000

CODE_MASK: Final = 0xFFFF_0000
"""Severity and sub code; the low 16 bits are flags."""
INFO_TYPE_DATA_VALUE: Final = 0x0000_0400
"""The low bits speak of a data value (Part 4, table 178)."""
OVERFLOW: Final = 0x0000_0080
"""With INFO_TYPE_DATA_VALUE: the server's queue overflowed, values are missing before this one."""


class Quality(StrEnum):
    """Name the severity of a status code."""

    GOOD = "good"
    UNCERTAIN = "uncertain"
    BAD = "bad"


_BY_SEVERITY: Final = (Quality.GOOD, Quality.UNCERTAIN, Quality.BAD, Quality.BAD)


def quality(status: int) -> Quality:
    """Give the severity: bits 30 and 31; the reserved pattern 11 counts as Bad (Part 4, 7.39.1)."""
    return _BY_SEVERITY[(status >> 30) & 3]


def is_good(status: int) -> bool:
    """Say whether the severity is Good."""
    return status & 0xC000_0000 == GOOD


def is_bad(status: int) -> bool:
    """Say whether the severity is Bad."""
    return status & BAD != 0


def has_overflow(status: int) -> bool:
    """Say whether the server marked the value as coming after a queue overflow."""
    return status & (INFO_TYPE_DATA_VALUE | OVERFLOW) == INFO_TYPE_DATA_VALUE | OVERFLOW


def name(status: int) -> str:
    """Give the standard's name (`BadNoCommunication`), or `Bad 0x80FF0000` where the code is not listed here."""
    code = status & CODE_MASK
    listed = NAMES.get(code)
    return listed if listed is not None else f"{quality(status).capitalize()} 0x{code:08X}"


def _camel(constant: str) -> str:
    return "".join(part.capitalize() for part in constant.split("_"))


_NOT_CODES: Final = frozenset({"CODE_MASK", "INFO_TYPE_DATA_VALUE", "OVERFLOW"})
NAMES: Final[dict[int, str]] = {
    code: _camel(constant)
    for constant, code in list(globals().items())
    if isinstance(code, int) and constant.isupper() and not constant.startswith("_") and constant not in _NOT_CODES
}
"""Code → the standard's name."""


def parse_status(text: str | int) -> int:
    """Read a code, `good` / `uncertain` / `bad`, or a listed name; raise ValueError for anything else."""
    if isinstance(text, bool):
        message = f"a status is a code or a word, not {text!r}"
        raise ValueError(message)
    if isinstance(text, int):
        if 0 <= text <= 0xFFFF_FFFF:
            return text
        message = f"status {text} does not fit 32 bits unsigned"
        raise ValueError(message)
    word = text.strip()
    found = _WORDS.get(word.lower())
    if found is not None:
        return found
    try:
        return parse_status(int(word, 0))
    except ValueError:
        message = f"{text[:64]!r} is no status: use a 32 bit OPC UA code, good, uncertain or bad"
        raise ValueError(message) from None


_WORDS: Final[dict[str, int]] = {listed.lower(): code for code, listed in NAMES.items()}
