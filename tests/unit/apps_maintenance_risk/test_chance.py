"""The chance to fail: led through the interval's ends where there is a life, else from the health and its trend."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from penstock.apps.maintenance.risk.chance import Life, Source, chance_of_health, chance_of_life, failed_by, urged
from penstock.apps.maintenance.risk.trend import HOUR_NS, KEPT, WIDTH_MIN_NS, Slope, Trend, width_of

LIFE = Life(100.0, 60.0, 180.0, 0.9)


def test_the_distribution_goes_through_both_ends_and_the_estimate() -> None:
    assert failed_by(LIFE, 60.0) == pytest.approx(0.05)
    assert failed_by(LIFE, 100.0) == pytest.approx(0.5)
    assert failed_by(LIFE, 180.0) == pytest.approx(0.95)
    other = Life(100.0, 60.0, 180.0, 0.5)
    assert failed_by(other, 60.0) == pytest.approx(0.25)
    assert failed_by(other, 180.0) == pytest.approx(0.75)


def test_it_rises_with_time_and_stays_a_probability() -> None:
    for life in (LIFE, Life(100.0, 60.0, None, 0.9), Life(0.0, 0.0, 10.0, 0.9), Life(50.0, 50.0, 50.0, 0.9)):
        told = [failed_by(life, hours) for hours in np.linspace(0, 400, 200)]
        assert all(0 <= a <= b <= 1 for a, b in pairwise(told))


def test_an_interval_that_is_open_above_knows_nothing_beyond_the_estimate() -> None:
    life = Life(100.0, 60.0, None, 0.9)
    assert failed_by(life, 60.0) == pytest.approx(0.1)
    assert failed_by(life, 100.0) == failed_by(life, 10_000.0) == 0.5


def test_drawn_lives_fail_as_often_as_said() -> None:
    """Machines whose life is what the interval says, from a form of another kind with the same ends: within 6 %."""
    random = np.random.default_rng(1)
    shape = 2.0
    lives = 100.0 * random.weibull(shape, 20_000)
    low, middle, high = (100.0 * (-np.log(1 - q)) ** (1 / shape) for q in (0.05, 0.5, 0.95))
    life = Life(float(middle), float(low), float(high), 0.9)
    for hours in (10.0, 30.0, 60.0, 90.0, 140.0, 200.0):
        assert failed_by(life, hours) == pytest.approx(float((lives <= hours).mean()), abs=0.06)


def test_twice_the_notice_is_no_less_likely() -> None:
    chance = chance_of_life(LIFE, 50.0)
    assert chance.source is Source.LIFE
    assert chance.within < chance.within_twice == pytest.approx(0.5)
    for health in (0.0, -5.0, 20.0, 100.0):
        told = chance_of_health(health, None, 24.0)
        assert told.within <= told.within_twice


def test_less_health_is_more_likely_to_fail_and_a_healthy_machine_next_to_never() -> None:
    told = [chance_of_health(health, None, 24.0).within for health in (100.0, 80.0, 60.0, 40.0, 20.0, 0.0)]
    assert all(a < b for a, b in pairwise(told))
    assert told[0] < 1e-4
    assert told[-1] == pytest.approx(0.5)
    assert chance_of_health(60.0, None, 24.0).source is Source.LEVEL


def test_a_health_that_falls_is_more_likely_to_fail_than_one_that_stays() -> None:
    falls = chance_of_health(60.0, Slope(-2.5, 0.1, 1.0, 20), 24.0)
    stays = chance_of_health(60.0, Slope(0.0, 0.1, 1.0, 20), 24.0)
    rises = chance_of_health(60.0, Slope(2.5, 0.1, 1.0, 20), 24.0)
    assert falls.source is Source.TREND
    assert falls.within == pytest.approx(0.5, abs=0.05)
    assert stays.within < 0.01
    assert rises.within == pytest.approx(stays.within, abs=1e-3)


def test_a_slope_that_is_as_good_as_unknown_says_what_no_slope_says() -> None:
    vague = chance_of_health(50.0, Slope(-5.0, 1e6, 1.0, 5), 24.0)
    assert vague.within == pytest.approx(chance_of_health(50.0, None, 24.0).within, rel=1e-3)


def test_the_windows_are_a_twelfth_of_the_notice_or_a_little_less() -> None:
    assert width_of(24.0) == 5120 * 10**9
    assert width_of(0.0001) == width_of(12 * 15 / 3600) == WIDTH_MIN_NS
    for notice_h in (0.5, 1, 24, 72, 1000):
        assert notice_h * HOUR_NS / 24 < width_of(notice_h) <= notice_h * HOUR_NS / 12


def filled(per_h: float, hours: float, *, noise: float = 0.0, trend: Trend | None = None) -> Trend:
    trend = trend or Trend(width_of(24.0))
    random = np.random.default_rng(3)
    for minute in range(int(hours * 60)):
        trend.on_health(minute * 60 * 10**9, 90.0 + per_h * minute / 60 + noise * float(random.normal()))
    return trend


def test_the_slope_is_read_off_the_windows() -> None:
    slope = filled(-1.5, 40.0, noise=4.0).slope(12.0)
    assert slope is not None
    assert slope.per_h == pytest.approx(-1.5, abs=3 * slope.error_per_h)
    assert slope.error_per_h < 0.1


def test_what_came_last_weighs_most() -> None:
    trend = filled(0.0, 48.0)
    for minute in range(48 * 60, 72 * 60):
        trend.on_health(minute * 60 * 10**9, 90.0 - 3.0 * (minute / 60 - 48))
    slope = trend.slope(12.0)
    assert slope is not None
    assert -3.2 < slope.per_h < -1.5


def test_too_few_windows_give_no_slope_and_an_open_one_does_not_count() -> None:
    assert filled(-1.0, 6.9).slope(12.0) is None
    assert filled(-1.0, 7.2).slope(12.0) is not None


def test_memory_is_bounded_and_survives_as_json() -> None:
    trend = filled(-0.1, 400.0)
    kept = trend.to_json()
    assert len(kept["windows"]) == KEPT
    other = Trend(width_of(24.0))
    other.restore(kept)
    assert other.slope(12.0) == trend.slope(12.0)
    wider = Trend(width_of(72.0))
    wider.restore(kept)
    assert wider.slope(36.0) is None
    wider.restore(None)


def test_history_read_again_takes_the_place_of_what_was_there() -> None:
    trend, begin = filled(-1.0, 40.0), 15 * width_of(24.0)
    again, right = trend.before(begin), trend.before(begin)
    for minute in range(begin // (60 * 10**9) + 1, 40 * 60):
        again.on_health(minute * 60 * 10**9, 70.0)
        right.on_health(minute * 60 * 10**9, 70.0)
    slope = again.slope(12.0)
    assert slope is not None
    assert slope == right.slope(12.0)
    assert slope.per_h > -0.7
    assert trend.slope(12.0) == filled(-1.0, 40.0).slope(12.0)


def test_values_may_come_in_any_order_and_ancient_ones_change_nothing() -> None:
    trend, other = filled(-1.0, 40.0), Trend(width_of(24.0))
    for minute in reversed(range(40 * 60)):
        other.on_health(minute * 60 * 10**9, 90.0 - minute / 60)
    one, two = trend.slope(12.0), other.slope(12.0)
    assert one is not None
    assert two is not None
    assert one.per_h == pytest.approx(two.per_h)
    other.on_health(-(10**15), 0.0)
    assert other.slope(12.0) == two


def test_an_urgent_part_makes_a_failure_as_probable_as_not() -> None:
    calm = chance_of_health(40.0, None, 24.0)
    assert calm.within < 0.1
    said = urged(calm)
    assert (said.within, said.within_twice, said.source) == (0.5, 0.75, Source.EVIDENCE)
    worse = chance_of_health(0.0, None, 24.0)
    assert urged(worse) == worse
    lives = chance_of_life(Life(100.0, 60.0, 140.0, 0.9), 24.0)
    assert urged(lives) == lives, "the prognosis knows better"
