"""Times at the edge of the client: what callers may give, and what the API takes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from penstock.core.times import (
    INTEGERS_BEGIN_NS,
    OutOfRange,
    bounded,
    format_rfc3339_ns,
    parse_rfc3339_ns,
    parse_time,
)

When = str | int | datetime | timedelta
"""RFC 3339 text, integer ns UTC, an aware datetime, "now", "2h-ago", or a timedelta meaning that long ago."""

_RELATIVE = re.compile(r"now|\d+(ns|us|ms|s|m|h|d|w)-ago")
_CLOCK = re.compile(r"(?:(?P<day>\d{4}-\d\d-\d\d)[ T])?(?P<hour>\d{1,2}):(?P<minute>\d\d)(?::(?P<second>\d\d))?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parameter(when: When) -> str:
    """Render a time as the API takes it; a relative text stays relative, so that the platform's clock decides."""
    if isinstance(when, bool):
        message = "a time cannot be a bool: give ns, RFC 3339 text, a datetime or '2h-ago'"
        raise TypeError(message)
    if isinstance(when, int):
        return str(when)
    if isinstance(when, timedelta):
        if when < timedelta(0):
            message = f"{when!r} lies in the future: a timedelta says how long ago, give a positive one"
            raise ValueError(message)
        return f"{int(when.total_seconds())}s-ago"
    if isinstance(when, datetime):
        return _absolute(to_ns(when))
    text = when.strip()
    if _RELATIVE.fullmatch(text) or text.lstrip("-").isdigit():
        return text
    return _absolute(parse_rfc3339_ns(text))


def _absolute(time_ns: int) -> str:
    """Render a time that was no integer: one that the platform would take for seconds is written out."""
    return format_rfc3339_ns(time_ns) if 0 < time_ns < INTEGERS_BEGIN_NS else str(time_ns)


def spoken(text: str, now_ns: int) -> str:
    """Read a time as people say it, in UTC, and render it as `parameter` does.

    `10:32` and `10:32:05` are the last ones that have been; `2026-11-26 10:32` needs no T and no Z; `2026-11-26` is its
    midnight; all else that `parameter` takes. Raise ValueError with the forms for anything else, or with the bounds.
    """
    said = text.strip()
    clock = _CLOCK.fullmatch(f"{said} 00:00" if _DAY.fullmatch(said) else said)
    now = _EPOCH + timedelta(microseconds=now_ns // 1000)
    try:
        if clock is None:
            taken = parameter(said)
            parse_time(taken, now_ns)  # refuses what does not fit; a relative text stays as it is
            return taken
        hour, minute, second = (int(part or 0) for part in clock.group("hour", "minute", "second"))
        if clock["day"]:
            at = datetime.fromisoformat(f"{clock['day']}T00:00:00+00:00")
        else:
            at = now.replace(hour=0, minute=0, second=0, microsecond=0)
        at = at.replace(hour=hour, minute=minute, second=second)
        return _absolute(bounded(to_ns(at if clock["day"] or at <= now else at - timedelta(days=1)), said))
    except OutOfRange:
        raise
    except ValueError:
        message = f"{said[:64]!r} is no time: write 10:32, 2026-11-26 10:32 (UTC), 2026-11-26T10:32:00Z, 2h-ago or now"
        raise ValueError(message) from None


def to_ns(when: int | str | datetime) -> int:
    """Give integer ns UTC of an absolute time."""
    if isinstance(when, int):
        return when
    if isinstance(when, str):
        return int(when) if when.lstrip("-").isdigit() else parse_rfc3339_ns(when)
    if when.tzinfo is None:
        message = (
            f"{when!r} has no time zone: a plant's history cannot guess it; use datetime.now(UTC) or .replace(tzinfo=…)"
        )
        raise ValueError(message)
    delta = when - _EPOCH
    whole_us = (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
    return whole_us * 1000 + int(getattr(when, "nanosecond", 0))  # pandas.Timestamp adds the last three digits
