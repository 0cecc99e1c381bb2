"""Limits are wide where the rows are few or alike, and follow the tail; alarms have delays."""

from __future__ import annotations

import numpy as np
import pytest

from penstock.apps.maintenance.detection.alarms import Delay
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.limits import (
    independent,
    limit_of,
    tail_quantile,
    tolerance_limit,
    without_moments,
)


def test_the_limit_widens_for_few_rows() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    many, few = tolerance_limit(values, 5.0), tolerance_limit(values[:50], 5.0)
    assert many == pytest.approx(5, abs=0.2)
    assert few > many


def test_rows_that_are_alike_are_worth_fewer() -> None:
    noise = np.random.default_rng(0).normal(size=2000)
    alike = np.convolve(noise, np.ones(20) / 20, mode="valid")
    assert independent(noise) > 1500
    assert independent(alike) < 150
    assert independent(np.ones(100)) == 4


@pytest.mark.parametrize("tail", [1e-4, 1e-5])
def test_the_tail_of_an_exponential_is_read_right(tail: float) -> None:
    values = np.random.default_rng(1).exponential(size=20_000)
    assert tail_quantile(values, tail) == pytest.approx(-np.log(tail), rel=0.25)


def test_few_peaks_say_nothing_of_the_tail() -> None:
    assert tail_quantile(np.random.default_rng(1).exponential(size=60), 1e-4) == -np.inf


def test_no_limit_lies_below_what_was_seen() -> None:
    values = np.r_[np.zeros(500), 100.0]
    assert limit_of(values, sigmas=1.0, tail=1e-3) >= 100


def test_a_moment_does_not_set_the_limit_but_what_lasts_does() -> None:
    values = np.ones(100)
    values[50:52] = 60.0
    assert without_moments(values, 5).max() == 1.5
    values[50:55] = 60.0
    assert without_moments(values, 5).max() == 60


def test_what_comes_often_is_no_moment() -> None:
    assert without_moments(np.tile([1.0, 3.0], 50), 5).max() == 3


def test_two_devices_that_deliver_in_turns_are_healthy_while_nothing_changes() -> None:
    values, chance = np.full((3000, 4), np.nan), np.random.default_rng(2)
    values[0::2, :2], values[1::2, 2:] = chance.normal(size=(1500, 2)), chance.normal(size=(1500, 2))
    rows = Rows(np.arange(3000), values)
    judged = Detector(fit(rows.part(0, 1500), channels=list("abcd"), source="x")).on_rows(rows.times_ns, values)
    assert (judged.scores > 1).mean() < 0.01


def test_an_alarm_waits_for_its_rows_and_clears_after_others() -> None:
    delay = Delay(3, 2)
    scores = [2, 2, 0.5, 2, 2, 2, 0.5, 2, 0.5, float("nan"), 0.5, 0.5]
    assert [i for i, score in enumerate(scores) if delay.on_score(score)] == [5, 10]
    assert not delay.active
    copy = Delay(3, 2)
    delay.on_score(2.0)
    copy.restore(delay.to_json())
    assert copy == delay
