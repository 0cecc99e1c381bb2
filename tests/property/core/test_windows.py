"""Calendar windows, over every zone and all changes of its clocks: they adjoin, and none is empty."""

import itertools
import zoneinfo
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hypothesis import example, given, settings
from hypothesis import strategies as st

from penstock.core.windows import windows

S = 10**9
DAY = 86_400 * S
ZONES = sorted(zoneinfo.available_timezones())
FIRST, LAST = date(1900, 2, 1).toordinal(), date(2037, 12, 31).toordinal()
INTERVALS = ["7h", "12h", "1d", "2d", "3d", "1w", "2w", "1mo", "5mo"]


def _begin(day: int) -> int:
    moment = datetime.fromordinal(day).replace(tzinfo=UTC)
    return int(moment.timestamp()) * S


def _near_a_change(zone: str, day: int) -> int:
    """Give the last change of the clocks in the 400 days before `day`, to a second; `day` where there is none."""
    where = ZoneInfo(zone)

    def offset(second: int) -> object:
        return datetime.fromtimestamp(second, UTC).astimezone(where).utcoffset()

    at = _begin(day) // S
    for high in range(at, at - 400 * 86_400, -86_400):
        low = high - 86_400
        if offset(low) != offset(high):
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
            return high * S
    return at * S


@settings(max_examples=300, deadline=None)
@example(zone="Pacific/Apia", day=date(2012, 1, 5).toordinal(), shift_s=0, length_d=5, interval="1d")
@example(zone="Pacific/Apia", day=date(2012, 1, 5).toordinal(), shift_s=0, length_d=5, interval="12h")
@example(zone="Pacific/Kwajalein", day=date(1993, 9, 1).toordinal(), shift_s=0, length_d=40, interval="1d")
@example(zone="America/Toronto", day=date(1919, 4, 5).toordinal(), shift_s=600, length_d=2, interval="1d")
@example(zone="America/St_Johns", day=date(2006, 11, 5).toordinal(), shift_s=600, length_d=2, interval="7h")
@given(
    zone=st.sampled_from(ZONES),
    day=st.integers(FIRST + 500, LAST),
    shift_s=st.integers(-3 * 86_400, 3 * 86_400),
    length_d=st.integers(1, 40),
    interval=st.sampled_from(INTERVALS),
)
def test_windows_adjoin_cover_the_span_and_none_is_empty(
    zone: str, day: int, shift_s: int, length_d: int, interval: str
) -> None:
    start = _near_a_change(zone, day) + shift_s * S
    end = start + length_d * DAY
    found = windows(start, end, interval, zone)
    assert all(window.start_ns < window.end_ns for window in found)
    assert all(a.end_ns == b.start_ns for a, b in itertools.pairwise(found))
    assert (found[0].start_ns, found[-1].end_ns) == (start, end)
    assert not any(window.partial for window in found[1:-1])


@given(zone=st.sampled_from(ZONES), day=st.integers(FIRST + 500, LAST))
@example(zone="America/Toronto", day=date(1919, 4, 5).toordinal())
@example(zone="Pacific/Apia", day=date(2012, 1, 5).toordinal())
@settings(max_examples=100, deadline=None)
def test_each_day_begins_with_the_first_second_of_its_date(zone: str, day: int) -> None:
    where = ZoneInfo(zone)
    change = _near_a_change(zone, day)

    def local(time_ns: int) -> date:
        return datetime.fromtimestamp(time_ns // S, UTC).astimezone(where).date()

    for window in windows(change - 3 * DAY, change + 3 * DAY, "1d", zone)[1:]:
        assert local(window.start_ns) > local(window.start_ns - S)
