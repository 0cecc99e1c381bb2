"""Windows follow the calendar of their zone."""

import itertools
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from penstock.core.windows import Window, windows

H = 3600 * 10**9
BERLIN, SAMOA = "Europe/Berlin", "Pacific/Apia"


def _at(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9


def _hours(found: list[Window]) -> list[float]:
    return [(window.end_ns - window.start_ns) / H for window in found]


@pytest.mark.parametrize(
    ("start", "end", "interval", "hours"),
    [
        ("2026-03-28", "2026-03-31", "1d", [24, 23, 24]),
        ("2026-10-24", "2026-10-27", "1d", [24, 25, 24]),
        ("2026-03-29", "2026-03-30", "6h", [6, 6, 6, 5]),
        ("2026-10-25", "2026-10-26", "12h", [12, 12, 1]),
        ("2026-03-23", "2026-04-06", "1w", [167, 168]),
        ("2026-02-01", "2026-05-01", "1mo", [672, 743, 720]),
        ("2026-01-01", "2026-07-01", "3mo", [90 * 24 - 1, 91 * 24]),
    ],
)
def test_days_of_23_and_25_hours(start: str, end: str, interval: str, hours: list[float]) -> None:
    found = windows(_at(start), _at(end), interval, BERLIN)
    assert _hours(found) == hours
    assert not any(window.partial for window in found)
    assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(found))


def test_hours_of_a_short_day_are_elapsed_hours() -> None:
    assert _hours(windows(_at("2026-03-29"), _at("2026-03-30"), "1h", BERLIN)) == [1.0] * 23


def test_cut_windows_are_partial() -> None:
    found = windows(5 * 10**9, 130 * 10**9, "1m")
    assert [(w.start_ns // 10**9, w.end_ns // 10**9, w.partial) for w in found] == [
        (5, 60, True),
        (60, 120, False),
        (120, 130, True),
    ]


def test_a_day_that_begins_at_one_o_clock() -> None:
    zone = "America/Sao_Paulo"
    found = windows(_at("2018-11-03", zone), _at("2018-11-06", zone), "1d", zone)
    assert _hours(found) == [24, 23, 24]


def test_a_day_that_the_zone_skips_has_no_window() -> None:
    start, end = _at("2011-12-28T00:00:00", "UTC"), _at("2012-01-02T00:00:00", "UTC")
    starts = [datetime.fromtimestamp(w.start_ns // 10**9, ZoneInfo("UTC")) for w in windows(start, end, "1d", SAMOA)]
    assert [each.isoformat()[5:16] for each in starts] == [
        "12-28T00:00", "12-28T10:00", "12-29T10:00", "12-30T10:00", "12-31T10:00", "01-01T10:00"
    ]  # fmt: skip


def test_a_day_whose_midnight_is_inside_a_gap_begins_when_the_clocks_change() -> None:
    at = int(datetime.fromisoformat("1919-03-30T23:30:00-05:00").timestamp()) * 10**9
    assert windows(at, at + H, "1d", "America/Toronto")[0] == Window(at, at + H, partial=True)


def test_multiples_of_days_count_from_the_epoch() -> None:
    day = 24 * H
    assert [w.start_ns // day for w in windows(2 * day, 8 * day, "2d")] == [2, 4, 6]


def test_times_before_1970() -> None:
    assert [w.start_ns for w in windows(-2 * H, 2 * H, "1h")] == [-2 * H, -H, 0, H]


@pytest.mark.parametrize(
    ("start", "end", "interval", "zone", "says"),
    [
        (0, H, "1x", "UTC", "no interval"),
        (0, H, "0m", "UTC", "no interval"),
        (0, H, "25h", "UTC", "longer than a day"),
        (0, H, "9999d", "UTC", "longer than ten years"),
        (0, H, "1m", "Mars/Olympus", "no zone"),
        (0, H, "1m", "../etc/passwd", "no zone"),
        (0, 0, "1m", "UTC", "empty"),
        (0, 60 * H, "1s", "UTC", "more than 200000 windows, the limit"),
        (-(2**63), 0, "1d", "UTC", "1900"),
    ],
)
def test_wrong_questions_are_refused(start: int, end: int, interval: str, zone: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        windows(start, end, interval, zone)
