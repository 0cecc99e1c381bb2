"""The reference aggregates, on windows small enough to compute by hand; the examples of annex A stand beside."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.core import status as codes
from penstock.core.aggregate import (
    CALCULATED,
    INTERPOLATED,
    MULTIPLE_VALUES,
    PARTIAL,
    Aggregate,
    AggregateSettings,
    Point,
    Result,
    Window,
    aggregate,
    interpolated,
)

A = Aggregate
BAD = codes.BAD_NO_COMMUNICATION
UNSURE = codes.UNCERTAIN_SUB_NORMAL
DOUBT = codes.UNCERTAIN_DATA_SUB_NORMAL
TYPED = codes.INFO_TYPE_DATA_VALUE
WHOLE = Window(0, 100)
Rows = list[tuple[int, int, float | None]]


def one(rows: Rows, name: Aggregate, window: Window = WHOLE, **settings: object) -> Result:
    chosen = AggregateSettings(**({"covered_until_ns": 1000} | settings))  # type: ignore[arg-type]
    [result] = aggregate([Point(*row) for row in rows], [window], [name], settings=chosen)
    return result.results[name]


def value(rows: Rows, name: Aggregate, window: Window = WHOLE, **settings: object) -> float | None:
    return one(rows, name, window, **settings).value


def whole_status(rows: Rows, window: Window = WHOLE, **settings: object) -> int:
    chosen = AggregateSettings(**({"covered_until_ns": 1000} | settings))  # type: ignore[arg-type]
    [result] = aggregate([Point(*row) for row in rows], [window], [], settings=chosen)
    assert result.values == {}
    return result.status


THREE: Rows = [(-10, 0, 4.0), (25, 0, 8.0), (75, 0, 2.0)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (A.INTERPOLATIVE, 4.0),
        (A.AVERAGE, 5.0),
        (A.TIME_AVERAGE2, 4.0 * 0.25 + 8.0 * 0.5 + 2.0 * 0.25),
        (A.TOTAL2, 5.5 * 100 / 1e9),
        (A.MINIMUM, 2.0),
        (A.MAXIMUM, 8.0),
        (A.RANGE, 6.0),
        (A.MINIMUM2, 2.0),
        (A.RANGE2, 6.0),
        (A.COUNT, 2.0),
        (A.NUMBER_OF_TRANSITIONS, 2.0),
        (A.START, 8.0),
        (A.END, 2.0),
        (A.DELTA, -6.0),
        (A.START_BOUND, 4.0),
        (A.END_BOUND, 2.0),
        (A.DELTA_BOUNDS, -2.0),
        (A.DURATION_IN_STATE_NON_ZERO, 0.0001),
        (A.DURATION_IN_STATE_ZERO, 0.0),
        (A.DURATION_GOOD, 0.0001),
        (A.DURATION_BAD, 0.0),
        (A.PERCENT_GOOD, 100.0),
        (A.PERCENT_BAD, 0.0),
        (A.WORST_QUALITY, 0.0),
        (A.WORST_QUALITY2, 0.0),
        (A.STANDARD_DEVIATION_SAMPLE, 18.0**0.5),
        (A.STANDARD_DEVIATION_POPULATION, 3.0),
        (A.VARIANCE_SAMPLE, 18.0),
        (A.VARIANCE_POPULATION, 9.0),
    ],
)
def test_a_value_holds_until_the_next(name: Aggregate, expected: float) -> None:
    assert value(THREE, name) == pytest.approx(expected)


def test_time_average_is_sloped_whatever_stepped_says() -> None:
    rows: Rows = [(0, 0, 0.0), (100, 0, 10.0)]
    assert value(rows, A.TIME_AVERAGE, stepped=True) == 5.0
    assert value(rows, A.TIME_AVERAGE2, stepped=True) == 0.0
    assert value(rows, A.TIME_AVERAGE2, stepped=False) == 5.0
    assert value(rows, A.TOTAL) == pytest.approx(5.0 * 100 / 1e9)


def test_the_start_belongs_to_the_window_and_the_end_to_the_next() -> None:
    rows: Rows = [(0, 0, 1.0), (100, 0, 9.0)]
    assert (value(rows, A.COUNT), value(rows, A.MAXIMUM), value(rows, A.END_BOUND)) == (1, 1.0, 9.0)


@pytest.mark.parametrize("name", list(Aggregate))
def test_without_samples_there_is_nothing(name: Aggregate) -> None:
    assert one([], name) == Result(None, codes.BAD_NO_DATA, 0)
    assert one([(-5, codes.BAD_NO_DATA, None)], name) == Result(None, codes.BAD_NO_DATA, 0)


def test_without_samples_the_window_says_so() -> None:
    assert whole_status([]) == codes.BAD_NO_DATA | TYPED | CALCULATED


@pytest.mark.parametrize("name", sorted(set(Aggregate) - {A.INTERPOLATIVE, A.TIME_AVERAGE, A.TOTAL}))
def test_after_the_data_there_is_nothing(name: Aggregate) -> None:
    rows: Rows = [(-50, 0, 1.0)]
    assert one(rows, name, covered_until_ns=None) == Result(None, codes.BAD_NO_DATA, 0)
    assert one(rows, name, covered_until_ns=0) == Result(None, codes.BAD_NO_DATA, 0)


def test_after_the_data_interpolated_bounds_are_extrapolated() -> None:
    rows: Rows = [(-50, 0, 1.0), (-40, 0, 2.0)]
    held = one(rows, A.INTERPOLATIVE, covered_until_ns=None)
    assert held == Result(2.0, DOUBT | TYPED | INTERPOLATED, 0)
    sloped: dict[str, Any] = {"covered_until_ns": None, "use_sloped_extrapolation": True, "stepped": False}
    assert value(rows, A.INTERPOLATIVE, **sloped) == 6.0
    assert value(rows, A.TIME_AVERAGE, **sloped) == 11.0
    assert value(rows[1:], A.INTERPOLATIVE, **sloped) == 2.0
    assert value(rows, A.INTERPOLATIVE, use_sloped_extrapolation=True, stepped=False) == 6.0, "not held until then"


def test_before_the_first_sample_nothing_holds() -> None:
    rows: Rows = [(40, 0, 5.0)]
    assert value(rows, A.PERCENT_GOOD) == pytest.approx(60.0)
    assert (value(rows, A.TIME_AVERAGE2), value(rows, A.TIME_AVERAGE), value(rows, A.START_BOUND)) == (5.0, 5.0, None)
    assert one(rows, A.COUNT).status == codes.GOOD | TYPED | CALCULATED | PARTIAL
    assert whole_status(rows) == DOUBT | TYPED | CALCULATED | PARTIAL


def test_the_window_in_which_the_data_end_is_partial() -> None:
    rows: Rows = [(-1, 0, 5.0)]
    assert one(rows, A.TIME_AVERAGE2, covered_until_ns=60) == Result(5.0, TYPED | CALCULATED | PARTIAL, 0)
    assert value(rows, A.DURATION_GOOD, covered_until_ns=60) == pytest.approx(6e-5)
    assert value(rows, A.PERCENT_GOOD, covered_until_ns=60) == pytest.approx(100.0)
    assert value(rows, A.END_BOUND, covered_until_ns=60) is None


def test_percent_good_is_by_duration_and_a_gap_holds_no_stale_value() -> None:
    rows: Rows = [(0, 0, 10.0), (20, BAD, None), (90, 0, 20.0)]
    assert value(rows, A.PERCENT_GOOD) == pytest.approx(30.0)
    assert value(rows, A.PERCENT_BAD) == pytest.approx(70.0)
    assert value(rows, A.TIME_AVERAGE2) == pytest.approx((10 * 20 + 20 * 10) / 30)
    assert whole_status(rows) == DOUBT | TYPED | CALCULATED


def test_a_bad_bound_has_no_value() -> None:
    rows: Rows = [(-1, BAD, 7.0), (50, 0, 1.0), (60, BAD, None)]
    for name in (A.START_BOUND, A.END_BOUND, A.DELTA_BOUNDS, A.INTERPOLATIVE):
        assert one(rows, name) == Result(None, codes.BAD_NO_DATA, 0)


def test_all_bad_is_bad() -> None:
    rows: Rows = [(-1, BAD, 7.0), (50, BAD, 1.0)]
    for name in (A.TIME_AVERAGE, A.TIME_AVERAGE2, A.MINIMUM, A.MINIMUM2, A.RANGE, A.RANGE2, A.DELTA, A.AVERAGE):
        assert one(rows, name).value is None
    assert one(rows, A.COUNT).status == codes.BAD | TYPED | CALCULATED
    assert one(rows, A.VARIANCE_SAMPLE).status == codes.BAD_NO_DATA
    assert whole_status(rows) == codes.BAD_NO_DATA | TYPED | CALCULATED


def test_a_percentage_of_bad_makes_the_result_bad() -> None:
    rows: Rows = [(0, 0, 1.0), (20, BAD, None)]
    assert whole_status(rows, percent_data_bad=80.0) == codes.BAD | TYPED | CALCULATED
    assert one(rows, A.RANGE2, percent_data_bad=80.0) == Result(None, codes.BAD | TYPED | CALCULATED, 0)
    assert whole_status([(0, 0, 1.0), (80, BAD, None)], percent_data_good=80.0) == TYPED | CALCULATED


def test_uncertain_counts_as_neither_unless_told_that_it_is_bad() -> None:
    rows: Rows = [(0, UNSURE, 1.0), (50, 0, 3.0)]
    assert (value(rows, A.COUNT), value(rows, A.PERCENT_GOOD), value(rows, A.AVERAGE)) == (1, 50.0, 3.0)
    assert (value(rows, A.TIME_AVERAGE2), value(rows, A.MINIMUM2)) == (2.0, 1.0)
    assert one(rows, A.MINIMUM).status == DOUBT | TYPED | CALCULATED, "an Uncertain value is less"
    assert one(rows, A.RANGE).status == DOUBT | TYPED | CALCULATED
    assert value(rows, A.TIME_AVERAGE2, treat_uncertain_as_bad=True) == 3.0
    assert value(rows, A.PERCENT_BAD, treat_uncertain_as_bad=True) == 50.0


def test_nan_is_no_value_and_bad() -> None:
    rows: Rows = [(0, 0, float("nan")), (50, 0, 3.0)]
    assert (value(rows, A.COUNT), value(rows, A.MAXIMUM), value(rows, A.TIME_AVERAGE2)) == (1, 3.0, 3.0)
    assert one(rows, A.START) == Result(None, 0, 0)


def test_text_has_only_a_status() -> None:
    rows: Rows = [(0, 0, None), (40, BAD, None), (50, UNSURE, None)]
    assert value(rows, A.COUNT, textual=True) == 1.0
    assert value(rows, A.PERCENT_GOOD, textual=True) == 40.0
    assert value(rows, A.DURATION_BAD, textual=True) == pytest.approx(1e-5)


def test_a_slope_does_not_lead_into_bad() -> None:
    rows: Rows = [(0, 0, 4.0), (50, BAD, None), (60, 0, 6.0)]
    assert value(rows, A.TIME_AVERAGE2, stepped=False) == pytest.approx((4 * 50 + 6 * 40) / 90)
    assert value(rows, A.TIME_AVERAGE) == pytest.approx((5 * 60 + 6 * 40) / 100)
    assert one(rows, A.TIME_AVERAGE).status == DOUBT | TYPED | CALCULATED


def test_equal_times_the_later_one_holds() -> None:
    rows: Rows = [(0, 0, 1.0), (0, 0, 5.0)]
    assert (value(rows, A.COUNT), value(rows, A.TIME_AVERAGE2), value(rows, A.START_BOUND)) == (2, 5.0, 5.0)


def test_an_extreme_knows_its_time_and_whether_there_are_several() -> None:
    rows: Rows = [(10, 0, 1.0), (20, 0, 7.0), (30, 0, 7.0)]
    assert one(rows, A.MAXIMUM_ACTUAL_TIME) == Result(7.0, TYPED | MULTIPLE_VALUES | PARTIAL, 20)
    assert one(rows, A.MAXIMUM).status == TYPED | CALCULATED | MULTIPLE_VALUES | PARTIAL
    at_start: Rows = [(0, 0, 9.0), (20, 0, 7.0)]
    assert one(at_start, A.MAXIMUM) == Result(9.0, codes.GOOD, 0)


def test_the_end_bound_is_a_candidate_only_where_sloped() -> None:
    rows: Rows = [(-100, 0, 0.0), (100, 0, 20.0)]
    assert one(rows, A.MAXIMUM_ACTUAL_TIME2, stepped=False) == Result(20.0, TYPED | INTERPOLATED, 99)
    assert one(rows, A.MAXIMUM2, stepped=False) == Result(20.0, TYPED | CALCULATED, 0)
    assert one(rows, A.MAXIMUM2) == Result(0.0, TYPED | INTERPOLATED, 0)


def test_worst_quality_is_a_status_and_ignores_how_uncertain_is_treated() -> None:
    rows: Rows = [(-5, BAD, None), (10, UNSURE, 1.0), (20, UNSURE, 2.0)]
    found = one(rows, A.WORST_QUALITY, treat_uncertain_as_bad=True)
    assert found == Result(float(UNSURE), TYPED | CALCULATED | MULTIPLE_VALUES, 0)
    assert value(rows, A.WORST_QUALITY2) == float(codes.BAD_NO_DATA)
    assert value([(-5, 0, 1.0)], A.WORST_QUALITY) is None
    assert value([(-5, UNSURE, 1.0)], A.WORST_QUALITY2, treat_uncertain_as_bad=True) == float(DOUBT)


def test_delta_is_uncertain_where_values_at_its_ends_were_skipped() -> None:
    assert one([(1, BAD, 1.0), (2, 0, 1.0), (9, 0, 4.0)], A.DELTA).status & codes.CODE_MASK == DOUBT
    assert one([(-1, 0, 0.0), (1, 0, 1.0), (2, BAD, 1.0), (9, 0, 4.0)], A.DELTA) == Result(3.0, TYPED | CALCULATED, 0)


def test_the_first_value_of_all_is_a_transition() -> None:
    assert value([(1, 0, 1.0), (2, 0, 1.0), (3, BAD, 0.0), (4, 0, 2.0)], A.NUMBER_OF_TRANSITIONS) == 2.0


def test_a_cut_window_says_so() -> None:
    cut = Window(0, 50, partial=True)
    assert whole_status([(0, 0, 1.0)], cut) == TYPED | CALCULATED | PARTIAL
    assert one([(0, 0, 1.0)], A.COUNT, cut).status == TYPED | CALCULATED | PARTIAL
    assert one([(0, 0, 1.0)], A.AVERAGE, cut).status == TYPED | CALCULATED, "5.4.3.5: Partial is not set"


def test_values_at_times_come_raw_or_interpolated() -> None:
    points = [Point(0, 0, 0.0), Point(10, BAD, None), Point(20, 0, 10.0)]
    sloped = AggregateSettings(stepped=False)
    assert interpolated(points, [0, 10, 20], settings=sloped) == [
        Result(0.0, 0, 0),
        Result(5.0, DOUBT | TYPED | INTERPOLATED, 10),
        Result(10.0, 0, 20),
    ]
    [simple] = interpolated(points, [10], settings=sloped, simple=True)
    assert simple == Result(None, codes.BAD_NO_DATA, 10)
    assert [each.value for each in interpolated(points, [-1, 15])] == [None, 0.0]


def test_points_must_be_in_time_order() -> None:
    with pytest.raises(AssertionError, match="time order"):
        one([(5, 0, 1.0), (4, 0, 1.0)], A.COUNT)
