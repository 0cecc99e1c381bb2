"""Times go through text and back to the nanosecond."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from penstock.core import times
from penstock.core.values import INT64_MAX, INT64_MIN


@pytest.mark.parametrize("time_ns", [0, -1, 1, 1_763_870_400_123_456_789, INT64_MIN, INT64_MAX])
def test_rfc3339_round_trip(time_ns: int) -> None:
    assert times.parse_rfc3339_ns(times.format_rfc3339_ns(time_ns)) == time_ns


def test_form_is_nine_decimals_and_z() -> None:
    assert times.format_rfc3339_ns(-1) == "1969-12-31T23:59:59.999999999Z"


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31 19:00:00.5-05:00", 500_000_000),
        ("2016-12-31t23:59:60z", 1_483_228_800_000_000_000),
    ],
)
def test_offsets_and_leap_seconds_are_read(text: str, time_ns: int) -> None:
    assert times.parse_rfc3339_ns(text) == time_ns


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00+24:00",
        "1600-01-01T00:00:00Z",
        "2300-01-01T00:00:00Z",
        "2026-01-01T00:00:00.1234567890Z",
        "٢٠٢٦-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|out of range|must be in|64 bits"):
        times.parse_rfc3339_ns(text)


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [("now", 10**18), ("2h-ago", 10**18 - 7200 * 10**9), ("-5", -5), ("1970-01-01T00:00:01Z", 10**9)],
)
def test_parameters_take_every_form(text: str, time_ns: int) -> None:
    assert times.parse_time(text, 10**18) == time_ns


@pytest.mark.parametrize("text", ["yesterday", "2h ago", "-ago", "9999999999999999999", "99999999w-ago"])
def test_wrong_parameters_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no time|no duration|64 bits"):
        times.parse_time(text, 0)


@pytest.mark.parametrize(
    ("number", "looks"),
    [
        (1, "seconds"),
        (1_764_188_000, "seconds"),
        (1_764_188_000_123, "milliseconds"),
        (1_764_188_000_123_456, "microseconds"),
        (10**17 - 1, "microseconds"),
    ],
)
def test_integers_that_are_no_nanoseconds_are_refused_where_they_are_asked(number: int, looks: str) -> None:
    with pytest.raises(
        ValueError, match=rf"is 19\d\d-.*: integers are nanoseconds since 1970; {number} looks like {looks}"
    ):
        times.parse_asked_time(str(number), 0)
    assert times.parse_time(str(number), 0) == number, "what is stored keeps its time"


@pytest.mark.parametrize("text", ["0", "-1764188000", "100000000000000000", "1970-01-01T00:00:05Z", "now", "1h-ago"])
def test_other_times_are_asked_as_before(text: str) -> None:
    assert times.parse_asked_time(text, 10**18) == times.parse_time(text, 10**18)


@pytest.mark.parametrize(("text", "ns"), [("500ms", 5 * 10**8), ("1m", 60 * 10**9), ("1w", 604800 * 10**9)])
def test_durations_are_read(text: str, ns: int) -> None:
    assert times.parse_duration_ns(text) == ns


@pytest.mark.parametrize("text", ["1", "m", "-1s", "1.5h", "1mo", "999999999999999w"])
def test_wrong_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no duration|64 bits"):
        times.parse_duration_ns(text)


def test_datetime_without_zone_is_utc() -> None:
    moment = datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC)
    assert times.from_datetime(moment) == times.from_datetime(moment.replace(tzinfo=None))
    assert times.from_datetime(moment.astimezone(timezone(timedelta(hours=2)))) == times.from_datetime(moment)
    assert times.from_datetime(moment) % 1_000_000 == 1000


@pytest.mark.parametrize(
    "text", ["1677-01-01T00:00:00Z", "2300-01-01T00:00:00Z", "9999999999999999999", "9999999w-ago"]
)
def test_a_time_beyond_int64_is_told_with_the_bounds(text: str) -> None:
    with pytest.raises(times.OutOfRange, match="1677-09-21T00:12:44Z to 2262-04-11T23:47:16Z"):
        times.parse_time(text, 0)


def test_the_bounds_that_are_told_are_the_bounds() -> None:
    first, last = times.FIRST_AND_LAST.split(" to ")
    for text, step in ((first, -times.NS_PER_S), (last, times.NS_PER_S)):
        at = times.parse_rfc3339_ns(text)
        with pytest.raises(times.OutOfRange):
            times.bounded(at + step, text)


def test_datetime_beyond_int64_is_refused() -> None:
    with pytest.raises(ValueError, match="64 bits"):
        times.from_datetime(datetime(9999, 1, 1, tzinfo=UTC))
