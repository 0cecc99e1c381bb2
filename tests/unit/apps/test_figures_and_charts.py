from __future__ import annotations

import math

import pytest

from penstock.apps.house import chart
from penstock.apps.house.figures import (
    Freshness,
    age_text,
    duration_text,
    freshness,
    moment_text,
    number_text,
    shortened,
    stale_after_s,
    unit_text,
    value_text,
    words,
)
from penstock.apps.house.plant import Reading, standings
from penstock.apps.house.said import trouble_of
from penstock.apps.monitoring.alarms import journal_row
from penstock.apps.monitoring.delivery import reject_cells
from penstock.apps.monitoring.states import Live, Mark, alarm_words, severity_words, state_word
from penstock.sdk.errors import ApiError, ConnectionFailedError, CredentialError, ForbiddenError
from penstock.sdk.models import Asset, Latest, Property, Tag

S = 1_000_000_000


def test_an_assets_mark_is_that_of_its_worst_active_alarm_then_of_its_values() -> None:
    assert Mark.of("good") == Mark("good")
    assert Mark.of("good", [200, 700]) == Mark("bad", alarmed=True, words="Alarm active, severity high")
    assert Mark.of("stale", [100]) == Mark("warn", alarmed=True, words="Alarm active, severity low")


def test_a_text_from_outside_is_cut_at_its_bound_and_no_sooner() -> None:
    assert shortened("x" * 160) == "x" * 160
    assert shortened("x" * 1_000_000) == "x" * 159 + "…"


def test_a_reject_of_a_huge_payload_keeps_time_and_count_and_tells_the_rest_when_hovered() -> None:
    seen = {"device": "d", "reason": "not-a-number", "excerpt": "x" * 256, "time": 60 * S, "count": 3}
    _, _, excerpt, at, count = reject_cells(seen, 70 * S)
    assert (len(excerpt.text), excerpt.tip, excerpt.kind) == (160, "x" * 256, "cut")
    assert (at.text, count.text) == ("00:01:00", "3")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.5, "1.500"),
        (12.345, "12.35"),
        (-0.25, "−0.250"),
        (123456.7, "123\u202f457"),
        (float("nan"), "NaN"),
        (float("-inf"), "−∞"),
        (1.5e-7, "1.500·10⁻⁷"),
        (2.5e12, "2.500·10¹²"),
    ],
)
def test_numbers_are_written_with_four_figures(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(
    ("unit", "text"), [("m3/h", "m³/h"), ("degC", "°C"), ("m/s2", "m/s²"), (None, ""), ("%", "%"), ("kWh/m3", "kWh/m³")]
)
def test_units_are_written_as_people_do(unit: str | None, text: str) -> None:
    assert unit_text(unit) == text


def test_values_of_every_type_are_written() -> None:
    assert [value_text(v) for v in (None, True, 1234567, "run", "")] == ["–", "on", "1\u202f234\u202f567", "run", "“”"]
    assert value_text(4.0, "mm/s") == "4.000\u202fmm/s"


@pytest.mark.parametrize(
    ("age_s", "text"),
    [(0.4, "now"), (12.9, "12\u202fs"), (75, "1\u202fmin"), (7300, "2\u202fh"), (200_000, "2\u202fd"), (None, "–")],
)
def test_ages_have_one_unit(age_s: float | None, text: str) -> None:
    assert age_text(age_s) == text
    assert age_text(-90) == "1\u202fmin ahead"


def test_durations_and_moments() -> None:
    assert [duration_text(s) for s in (10, 300, 14_400)] == ["10\u202fs", "5\u202fmin", "4\u202fh"]
    noon = 1_700_000_000 * S
    assert moment_text(noon, now_ns=noon + S) == "22:13:20"
    assert moment_text(noon, now_ns=noon + 86_400 * S).startswith("2023-11-14 ")
    assert words("bearing_temperature") == "Bearing temperature"


def test_freshness_says_bad_before_stale() -> None:
    assert freshness("good", 5, 30) is Freshness.GOOD
    assert freshness("good", 31, 30) is Freshness.STALE
    assert freshness("bad", 31, 30) is Freshness.BAD
    assert freshness("uncertain", 1, 30) is Freshness.UNCERTAIN
    assert freshness("good", None, 30) is Freshness.NONE
    assert stale_after_s(0.01, None) == 500
    assert stale_after_s(1.0, 60 * S) == 120
    assert stale_after_s(None, None) == 30
    assert stale_after_s(None, None, on_change=True) == math.inf
    assert stale_after_s(1.0, None, on_change=True) == 30


def test_bad_rows_are_gaps_and_marks() -> None:
    curve = chart.curve_of_samples([(S, 1.0, 0), (2 * S, 5.0, 0x80310000), (3 * S, None, 0), (4 * S, 2.0, 0x40000000)])
    assert [p[1] for p in curve.line] == [1.0, None, None, 2.0]
    assert [p[2] for p in curve.marks] == ["Bad", "Bad", "Uncertain"]


def test_a_finer_part_replaces_the_coarse_one() -> None:
    coarse = chart.curve_of_samples([(i * S, float(i), 0) for i in range(10)])
    fine = chart.curve_of_samples([(3 * S + i * S // 10, 3.0, 0) for i in range(10)])
    joined = coarse.outside(3000, 4000).joined(fine)
    assert len(joined.line) == 19
    assert [p[0] for p in joined.line] == sorted(float(p[0] or 0) for p in joined.line)


def test_a_chart_draws_names_as_text() -> None:
    made = chart.options(chart.Curve(), start_ms=0, end_ms=1, unit="<b>", limit=3.0)
    assert made["tooltip"]["renderMode"] == "richText"
    assert made["series"][0]["markLine"]["data"] == [{"yAxis": 3.0}]


def test_cards_show_each_unit_once() -> None:
    asset = Asset("ast_1", "e/s/a/x", properties=(Property("b"), Property("a")))
    tags = [Tag(i, f"k/{n}", n, unit=u, asset="ast_1", property=n) for i, (n, u) in enumerate(UNITS)]
    (standing,) = standings([asset], tags, {0: Latest(0, "k", time=S, value=1.0)}, 2 * S)
    assert [r.name for r in standing.key_values()] == ["power", "flow", "temperature", "power_2"]
    assert [r.name for r in standing.readings][:2] == ["counter", "flow"]
    assert Reading.of(tags[0], None, 0).freshness is Freshness.NONE


UNITS = [("power", "kW"), ("power_2", "kW"), ("flow", "m3/h"), ("temperature", "degC"), ("counter", None)]


def test_states_have_words() -> None:
    assert alarm_words("unacknowledged_active") == ("Active, to acknowledge", "bad")
    assert alarm_words("acknowledged_active") == ("Active, acknowledged", "warn")
    assert alarm_words("rtn_unacknowledged") == ("Returned, to acknowledge", "warn")
    assert alarm_words("normal") == ("Returned to normal", "mute")
    assert [severity_words(s)[0] for s in (1000, 700, 500, 1)] == ["Critical", "High", "Medium", "Low"]
    assert [state_word("state", 6), state_word("running", True), state_word("state", 99)] == [
        "Execute",
        "Running",
        "State 99",
    ]
    assert [Live.of(s).word for s in ("online", "offline", "never", "")] == [
        "Connected",
        "Away",
        "Never seen",
        "Unknown",
    ]


def test_a_journal_line_names_who_and_why() -> None:
    entry = {"event": "acknowledge", "time": "2026-01-01T00:00:00Z", "who_name": "Ada", "comment": "seen"}
    assert [c.text for c in journal_row(0, entry, 0).cells][1:] == ["Acknowledge", "Ada", "seen"]


def test_failures_are_said_in_words() -> None:
    away = ConnectionFailedError("GET http://h/v1/x: boom", url="http://h/v1/x", attempts=6)
    assert "http://h." in trouble_of(away).reason
    assert trouble_of(CredentialError("x")).login
    refused = ForbiddenError(403, {"title": "forbidden", "detail": "needs alarms:ack"}, method="GET", url="u")
    assert "alarms:ack" in trouble_of(refused).reason
    broken = ApiError(500, {"title": "broken", "instance": "req_1"}, method="GET", url="u")
    assert "req_1" in trouble_of(broken).reason


@pytest.mark.parametrize(
    ("status", "again"), [(408, True), (425, True), (429, True), (500, True), (400, False), (409, False), (422, False)]
)
def test_only_an_answer_that_may_be_another_later_is_asked_for_again(status: int, *, again: bool) -> None:
    trouble = trouble_of(ApiError(status, {"title": "not now"}, method="GET", url="u"))
    assert (trouble.title == "The platform refused this") is not again
    assert trouble.reason.endswith("Trying again.") is again


@pytest.mark.parametrize(
    ("values", "limit", "low", "high"),
    [
        ([100.0, 100.0], None, 95.0, 105.0),
        ([100.0], 60.0, 55.0, 105.0),
        ([0.0, 0.0], None, -1.0, 1.0),
        ([-23.417], None, -25.0, -22.0),
        ([2.5e-7], None, 2.3e-7, 2.7e-7),
    ],
)
def test_the_axis_of_a_line_that_never_moves_stays_about_it(
    values: list[float], limit: float | None, low: float, high: float
) -> None:
    curve = chart.Curve([[float(i), value] for i, value in enumerate(values)])
    axis = chart.options(curve, start_ms=0, end_ms=9, unit="%", limit=limit)["yAxis"][0]
    assert axis["min"] == pytest.approx(low, rel=0.05)
    assert axis["max"] == pytest.approx(high, rel=0.05)
    assert axis["min"] < min(values) <= max(values) < axis["max"]


def test_the_axis_of_a_line_that_moves_is_left_to_the_chart() -> None:
    moving = chart.Curve([[0.0, 1.0], [1.0, 2.0]])
    for options in (
        chart.options(moving, start_ms=0, end_ms=9, unit="%"),
        chart.options(chart.Curve([[0.0, 1]]), start_ms=0, end_ms=9, unit="", stepped=True),
        chart.options(chart.Curve([[0.0, None]]), start_ms=0, end_ms=9, unit=""),
    ):
        assert "min" not in options["yAxis"][0]
