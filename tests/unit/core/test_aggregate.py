"""The reference aggregates, on windows small enough to compute by hand."""

from __future__ import annotations

import pytest

from penstock.core import status as codes
from penstock.core.aggregate import Aggregate, AggregateSettings, Point, Window, aggregate

ALL = tuple(Aggregate)
BAD = codes.BAD_NO_COMMUNICATION
UNSURE = codes.UNCERTAIN_SUB_NORMAL
CALCULATED = 0x401
WHOLE = Window(0, 100)


def _one(
    points: list[tuple[int, int, float | None]],
    window: Window = WHOLE,
    **settings: object,
) -> tuple[dict[Aggregate, float | None], int]:
    chosen = AggregateSettings(**settings)  # type: ignore[arg-type]
    [result] = aggregate([Point(*point) for point in points], [window], ALL, settings=chosen)
    return result.values, result.status


def test_a_value_holds_until_the_next() -> None:
    values, status = _one([(-10, 0, 4.0), (25, 0, 8.0), (75, 0, 2.0)])
    assert values == {
        Aggregate.COUNT: 2,
        Aggregate.MINIMUM: 2.0,
        Aggregate.MAXIMUM: 8.0,
        Aggregate.AVERAGE: 5.0,
        Aggregate.TIME_AVERAGE: 4.0 * 0.25 + 8.0 * 0.5 + 2.0 * 0.25,
        Aggregate.PERCENT_GOOD: 100.0,
        Aggregate.START: 4.0,
        Aggregate.END: 2.0,
    }
    assert status == CALCULATED


def test_the_start_belongs_to_the_window_and_the_end_to_the_next() -> None:
    values, _ = _one([(0, 0, 1.0), (100, 0, 9.0)])
    assert (values[Aggregate.COUNT], values[Aggregate.MAXIMUM], values[Aggregate.END]) == (1, 1.0, 9.0)


def test_without_samples_there_is_nothing() -> None:
    values, status = _one([])
    assert status == codes.BAD_NO_DATA | CALCULATED
    assert values[Aggregate.COUNT] == values[Aggregate.PERCENT_GOOD] == 0
    assert {values[name] for name in ALL if name not in (Aggregate.COUNT, Aggregate.PERCENT_GOOD)} == {None}


def test_before_the_first_sample_nothing_holds() -> None:
    values, status = _one([(40, 0, 5.0)])
    assert (values[Aggregate.PERCENT_GOOD], values[Aggregate.TIME_AVERAGE], values[Aggregate.START]) == (
        60.0,
        5.0,
        None,
    )
    assert status == codes.UNCERTAIN_DATA_SUB_NORMAL | CALCULATED


def test_percent_good_is_by_duration_and_a_gap_holds_no_stale_value() -> None:
    values, status = _one([(0, 0, 10.0), (20, BAD, None), (90, 0, 20.0)])
    assert values[Aggregate.PERCENT_GOOD] == 30.0
    assert values[Aggregate.TIME_AVERAGE] == pytest.approx((10 * 20 + 20 * 10) / 30)
    assert values[Aggregate.COUNT] == 2
    assert status == codes.UNCERTAIN_DATA_SUB_NORMAL | CALCULATED


def test_a_bad_bound_has_no_value() -> None:
    values, _ = _one([(-1, BAD, 7.0), (50, 0, 1.0), (60, BAD, None)])
    assert (values[Aggregate.START], values[Aggregate.END]) == (None, None)


def test_all_bad_is_bad() -> None:
    values, status = _one([(-1, BAD, 7.0), (50, BAD, 1.0)])
    assert status == codes.BAD_NO_DATA | CALCULATED
    assert values[Aggregate.TIME_AVERAGE] is None


def test_a_percentage_of_bad_makes_the_window_bad() -> None:
    _, status = _one([(0, 0, 1.0), (20, BAD, None)], percent_data_bad=80.0)
    assert status == codes.BAD | CALCULATED
    _, status = _one([(0, 0, 1.0), (80, BAD, None)], percent_data_good=80.0)
    assert status == CALCULATED


def test_uncertain_is_usable_but_not_good_unless_told_otherwise() -> None:
    points: list[tuple[int, int, float | None]] = [(0, UNSURE, 1.0), (50, 0, 3.0)]
    values, _ = _one(points)
    assert (values[Aggregate.COUNT], values[Aggregate.PERCENT_GOOD], values[Aggregate.AVERAGE]) == (2, 50.0, 2.0)
    values, _ = _one(points, treat_uncertain_as_bad=True)
    assert (values[Aggregate.COUNT], values[Aggregate.TIME_AVERAGE]) == (1, 3.0)


def test_nan_is_no_value() -> None:
    values, _ = _one([(0, 0, float("nan")), (50, 0, 3.0)])
    assert (values[Aggregate.COUNT], values[Aggregate.MAXIMUM], values[Aggregate.TIME_AVERAGE]) == (1, 3.0, 3.0)


def test_sloped_values_are_interpolated() -> None:
    values, _ = _one([(-100, 0, 0.0), (100, 0, 20.0), (300, 0, 0.0)], stepped=False)
    assert (values[Aggregate.START], values[Aggregate.END]) == (10.0, 20.0)
    assert values[Aggregate.TIME_AVERAGE] == 15.0


def test_a_slope_does_not_lead_into_bad_or_nothing() -> None:
    values, _ = _one([(0, 0, 4.0), (50, BAD, None), (60, 0, 6.0)], stepped=False)
    assert values[Aggregate.TIME_AVERAGE] == pytest.approx((4 * 50 + 6 * 40) / 90)
    assert values[Aggregate.END] == 6.0


def test_equal_times_the_later_one_holds() -> None:
    values, _ = _one([(0, 0, 1.0), (0, 0, 5.0)])
    assert (values[Aggregate.COUNT], values[Aggregate.TIME_AVERAGE], values[Aggregate.START]) == (2, 5.0, 5.0)


def test_a_cut_window_says_so() -> None:
    _, status = _one([(0, 0, 1.0)], Window(0, 50, partial=True))
    assert status == CALCULATED | 0x04


def test_points_must_be_in_time_order() -> None:
    with pytest.raises(AssertionError, match="time order"):
        _one([(5, 0, 1.0), (4, 0, 1.0)])
