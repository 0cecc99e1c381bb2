"""Time as int nanoseconds UTC since 1970: text forms in and out. Nothing here knows what time it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from penstock.core.values import INT64_MAX, INT64_MIN

NS_PER_S: Final = 1_000_000_000
DURATION_UNITS_NS: Final[dict[str, int]] = {
    "ns": 1,
    "us": 1_000,
    "ms": 1_000_000,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
    "w": 7 * 86_400 * NS_PER_S,
}
EPOCH_UNITS_NS: Final[dict[str, int]] = {unit: DURATION_UNITS_NS[unit] for unit in ("s", "ms", "us", "ns")}

INTEGERS_BEGIN_NS: Final = 10**17
"""1973-03-03: what lies between 1970 and this, as an integer, are seconds, ms or µs of other years."""
_MISTAKEN: Final = ((10**11, "seconds"), (10**14, "milliseconds"), (INTEGERS_BEGIN_NS, "microseconds"))
FIRST_AND_LAST: Final = "1677-09-21T00:12:44Z to 2262-04-11T23:47:16Z"
"""What 64 bits of nanoseconds hold, to the second."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))", re.ASCII
)
_DURATION = re.compile(r"(\d{1,15})(ns|us|ms|s|m|h|d|w)", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_AGO: Final = "-ago"


class OutOfRange(ValueError):
    """A time or duration, well written, that 64 bits of nanoseconds do not hold."""


def format_rfc3339_ns(time_ns: int) -> str:
    """Write as `2026-11-23T04:00:00.000000000Z`; any int64 has a form (years 1677 to 2262)."""
    seconds, fraction = divmod(time_ns, NS_PER_S)
    days, second_of_day = divmod(seconds, 86_400)
    day = datetime.fromordinal(_EPOCH.toordinal() + days)
    hour, rest = divmod(second_of_day, 3600)
    minute, second = divmod(rest, 60)
    return f"{day.year:04d}-{day.month:02d}-{day.day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{fraction:09d}Z"


def parse_rfc3339_ns(text: str) -> int:
    """Read RFC 3339 with an offset and up to nine decimals; raise ValueError that shows the form wanted.

    A leap second (`:60`) is read as the second that follows, as POSIX time has it.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        message = f"{text[:64]!r} is no RFC 3339 time such as 2026-11-23T04:00:00Z (an offset is required)"
        raise ValueError(message)
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    leap = second == 60
    try:
        whole = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError as error:
        message = f"{text[:64]!r}: {error}"
        raise ValueError(message) from None
    since = whole - _EPOCH
    seconds = since.days * 86_400 + since.seconds + leap - _offset_s(match)
    return bounded(seconds * NS_PER_S + int((match.group(7) or "").ljust(9, "0")), text)


def _offset_s(match: re.Match[str]) -> int:
    if match.group(8):
        return 0
    hours, minutes = int(match.group(10)), int(match.group(11))
    if hours > 23 or minutes > 59:
        message = f"{match.string[:64]!r}: offset out of range"
        raise ValueError(message)
    return (hours * 3600 + minutes * 60) * (-1 if match.group(9) == "-" else 1)


def parse_time(text: str, now_ns: int) -> int:
    """Read a time parameter: RFC 3339, integer nanoseconds, `now`, or relative such as `2h-ago`."""
    if text == "now":
        return now_ns
    if text.endswith(_AGO):
        return bounded(now_ns - parse_duration_ns(text.removesuffix(_AGO)), text)
    if _INTEGER.fullmatch(text):
        return bounded(int(text), text)
    try:
        return parse_rfc3339_ns(text)
    except OutOfRange:
        raise
    except ValueError:
        message = f"{text[:64]!r} is no time: use 2026-11-23T04:00:00Z, integer nanoseconds, now, or 2h-ago (s m h d w)"
        raise ValueError(message) from None


def parse_asked_time(text: str, now_ns: int) -> int:
    """Read a time that a person or a program asks about: as `parse_time`, but `need_ns` of an integer."""
    found = parse_time(text, now_ns)
    return need_ns(found) if _INTEGER.fullmatch(text) else found


def need_ns(time_ns: int) -> int:
    """Give the integer back; raise ValueError for one from 1970 to early 1973, which is another unit taken for ns."""
    if not 0 < time_ns < INTEGERS_BEGIN_NS:
        return time_ns
    unit = next(name for below, name in _MISTAKEN if time_ns < below)
    message = (
        f"{time_ns} is {format_rfc3339_ns(time_ns)}: integers are nanoseconds since 1970; {time_ns} looks like {unit}"
    )
    raise ValueError(message)


def parse_duration_ns(text: str) -> int:
    """Read `500ms`, `30s`, `1m`, `2h`, `7d`, `1w` as nanoseconds; days have 24 h here (calendar windows: aggregate)."""
    match = _DURATION.fullmatch(text)
    if match is None:
        message = f"{text[:64]!r} is no duration: a whole number and one of ns us ms s m h d w, such as 30s"
        raise ValueError(message)
    return bounded(int(match.group(1)) * DURATION_UNITS_NS[match.group(2)], text)


def from_datetime(moment: datetime) -> int:
    """Convert to nanoseconds; one without zone is taken as UTC, as OPC UA's DateTime is (Part 3, 8.12)."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    since = aware - _EPOCH
    nanoseconds = (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000
    return bounded(nanoseconds, moment.isoformat())


def bounded(time_ns: int, text: str) -> int:
    """Give the nanoseconds; OutOfRange, with the bounds, where they do not fit int64."""
    if INT64_MIN <= time_ns <= INT64_MAX:
        return time_ns
    message = f"{text[:64]!r} does not fit 64 bits of nanoseconds: times go from {FIRST_AND_LAST}"
    raise OutOfRange(message)
