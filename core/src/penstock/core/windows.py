"""Calendar windows in an IANA zone: days of 23 and 25 h, weeks, months; shorter ones begin again at local midnight."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from penstock.core.times import DURATION_UNITS_NS, NS_PER_S

WINDOWS_MAX: Final = 200_000
"""Windows an answer may have, of all its tags: two days of seconds of one."""
_INTERVAL = re.compile(r"([1-9][0-9]{0,8})(ms|s|m|h|d|w|mo)", re.ASCII)
_DAY_NS: Final = 86_400 * NS_PER_S
_EPOCH_MONDAY: Final = date(1970, 1, 5)


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold a window's length: calendar units (d, w, mo) in the zone, others in elapsed time."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> Interval:
        """Read `30s`, `5m`, `1h`, `1d`, `1w`, `1mo`; ValueError otherwise, and for more than a day of s, m or h."""
        match = _INTERVAL.fullmatch(text)
        if match is None:
            message = f"{text[:32]!r} is no interval: a whole number and one of ms s m h d w mo, such as 1m or 1d"
            raise ValueError(message)
        interval = cls(int(match.group(1)), match.group(2))
        if not interval.is_calendar and interval.length_ns > _DAY_NS:
            message = f"{text!r} is longer than a day; use d, w or mo, which follow the calendar"
            raise ValueError(message)
        if interval.is_calendar and interval.count > _CALENDAR_MAX[interval.unit]:
            message = f"{text!r} is longer than ten years"
            raise ValueError(message)
        return interval

    @property
    def is_calendar(self) -> bool:
        """Say whether the length depends on the calendar."""
        return self.unit in _CALENDAR_MAX

    @property
    def length_ns(self) -> int:
        """Give the length of an interval of elapsed time."""
        return self.count * DURATION_UNITS_NS[self.unit]


_CALENDAR_MAX: Final = {"d": 3660, "w": 520, "mo": 120}


class TooManyWindows(ValueError):
    """Say that a span has more windows than the bound."""

    def __init__(self, limit: int = WINDOWS_MAX) -> None:
        super().__init__(f"more than {limit} windows, the limit; use a longer interval or a shorter range")
        self.limit = limit


@dataclass(frozen=True, slots=True)
class Window:
    """Hold start ≤ time < end; `partial` where the query's range cut it."""

    start_ns: int
    end_ns: int
    partial: bool = False


def zone_named(name: str) -> ZoneInfo:
    """Give the zone; ValueError that names it where it is none of the IANA database."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        message = f"{name[:64]!r} is no zone of the IANA database; use a name such as Europe/Berlin, or UTC"
        raise ValueError(message) from None


def windows(start_ns: int, end_ns: int, interval: str, zone: str = "UTC") -> list[Window]:
    """Give the windows that cover start ≤ time < end, in order, the first and last cut to the range.

    Multiples of days count from 1970-01-01, of weeks from Monday 1970-01-05, of months from January 1970. ValueError
    for an unknown interval or zone, an empty range, years outside 1900 to 2200; TooManyWindows above WINDOWS_MAX.
    """
    length, where = Interval.parse(interval), zone_named(zone)
    if end_ns <= start_ns:
        message = "the range is empty: end must be after start"
        raise ValueError(message)
    if not _YEARS[0] <= start_ns <= end_ns <= _YEARS[1]:
        message = "calendar windows are made for the years 1900 to 2200"
        raise ValueError(message)
    return _collect(
        start_ns,
        end_ns,
        _calendar(start_ns, length, where) if length.is_calendar else _elapsed(start_ns, length, where),
    )


_YEARS: Final = (
    int(datetime(1900, 1, 2, tzinfo=UTC).timestamp()) * NS_PER_S,
    int(datetime(2200, 1, 1, tzinfo=UTC).timestamp()) * NS_PER_S,
)


def _collect(start_ns: int, end_ns: int, bounds: Iterator[int]) -> list[Window]:
    found: list[Window] = []
    low = next(bounds)
    while low < end_ns:
        high = next(bounds)
        if high > max(start_ns, low):  # a day that the zone skips has no window
            if len(found) == WINDOWS_MAX:
                raise TooManyWindows
            cut = Window(max(low, start_ns), min(high, end_ns), low < start_ns or high > end_ns)
            found.append(cut)
        low = high
    return found


def _calendar(start_ns: int, interval: Interval, zone: ZoneInfo) -> Iterator[int]:
    """Give boundaries from the last one at or before start on, without end."""
    day = _local_day(start_ns, zone)
    if interval.unit == "mo":
        month = (day.year - 1970) * 12 + day.month - 1
        month -= month % interval.count
        while True:
            yield _midnight_ns(date(1970 + month // 12, month % 12 + 1, 1), zone)
            month += interval.count
    origin = _EPOCH_MONDAY if interval.unit == "w" else date(1970, 1, 1)
    days = interval.count * (7 if interval.unit == "w" else 1)
    day -= timedelta(days=(day - origin).days % days)
    while True:
        yield _midnight_ns(day, zone)
        day += timedelta(days=days)


def _elapsed(start_ns: int, interval: Interval, zone: ZoneInfo) -> Iterator[int]:
    day = _local_day(start_ns, zone)
    midnight = _midnight_ns(day, zone)
    bound = midnight + (start_ns - midnight) // interval.length_ns * interval.length_ns
    while True:
        day += timedelta(days=1)
        following = _midnight_ns(day, zone)
        while bound < following:
            yield bound
            bound += interval.length_ns
        bound = following


def _local_day(time_ns: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(time_ns // NS_PER_S, UTC).astimezone(zone).date()


def _midnight_ns(day: date, zone: ZoneInfo) -> int:
    """Give the instant at which the local day begins; where 00:00 does not exist, the first instant that does.

    That instant is the change of the clocks. A day that the zone skips begins where the next one does.
    """
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    low, high = _seconds(midnight.replace(fold=1)), _seconds(midnight)
    while low < high:  # in a gap alone: the offset before the change gives the later instant
        middle = (low + high) // 2
        low, high = (low, middle) if _local_day(middle * NS_PER_S, zone) >= day else (middle + 1, high)
    return high * NS_PER_S


def _seconds(local: datetime) -> int:
    return round((local - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
