"""Windows, regimes, health indices, steps and margins, each on its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penstock.apps.maintenance.prognosis.indices import fit_indices
from penstock.apps.maintenance.prognosis.intervals import fit_margins
from penstock.apps.maintenance.prognosis.regimes import ONE, find_regimes
from penstock.apps.maintenance.prognosis.runs import Pace, pace_of
from penstock.apps.maintenance.prognosis.scaling import Scaling
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings
from penstock.apps.maintenance.prognosis.stepping import Stepper
from penstock.apps.maintenance.prognosis.windows import PARTS, features_of
from tests.builders.fleets import FleetWish, fleet

SETTINGS = PrognosisSettings()


def test_features_are_means_and_slopes_of_the_last_steps() -> None:
    steps = np.stack([np.arange(50.0) * 2, np.full(50, 3.0)], axis=1)
    (shown,) = features_of(steps, (8,))
    assert shown.shape == (43, len(PARTS) * 2)
    means, slopes = shown[0, :6].reshape(3, 2), shown[0, 6:].reshape(2, 2)
    np.testing.assert_allclose(means[:, 0], [13.0, 11.0, 7.0])  # of the last 2, 4, 8 of 0, 2, …, 14
    np.testing.assert_allclose(slopes[:, 0], [2.0 * 4, 2.0 * 8])
    assert (means[:, 1] == 3.0).all()
    assert (slopes[:, 1] == 0.0).all()


def test_features_do_not_know_how_long_the_history_is() -> None:
    random = np.random.default_rng(0)
    window = random.normal(size=(20, 3))
    lone = features_of(window, (20,))[0][-1]
    for before in (1, 500, 5000):
        history = np.vstack([random.normal(1e3, 50, (before, 3)), window])
        assert np.array_equal(features_of(history, (20,))[0][-1], lone)


def test_a_window_of_which_too_little_was_read_has_no_feature() -> None:
    steps = np.ones((8, 1))
    steps[:5] = np.nan
    (shown,) = features_of(steps, (8,))
    assert np.isnan(shown[0, [2, 4]]).all()  # three of eight
    assert np.isfinite(shown[0, [0, 1, 3]]).all()


def test_a_window_longer_than_the_history_has_no_rows() -> None:
    shown = features_of(np.zeros((5, 2)), (4, 9))
    assert [len(each) for each in shown] == [2, 0]


@pytest.mark.parametrize("count", [2, 3, 6])
def test_regimes_are_found(count: int) -> None:
    runs = [run.values for run in fleet(FleetWish(regimes=count, runs=10))]
    regimes = find_regimes(runs, SETTINGS.regime_share)
    assert len(regimes) == count
    of = regimes.of_rows(runs[0])
    assert (of >= 0).all()
    by_settings = {(round(a), round(2 * b)) for a, b in runs[0][:, -2:]}
    assert len({(r, round(a), round(2 * b)) for r, (a, b) in zip(of, runs[0][:, -2:], strict=True)}) == len(by_settings)


def test_wear_and_counters_and_flickering_digits_are_no_regimes() -> None:
    runs = []
    random = np.random.default_rng(1)
    for run in fleet(FleetWish(runs=10)):
        counter = np.floor(6 * np.linspace(0, 1, len(run)) ** 2)  # whole numbers that creep up with wear
        flicker = (random.random(len(run)) < 0.3).astype(float)
        runs.append(np.hstack([run.values, counter[:, None], flicker[:, None]]))
    assert find_regimes(runs, SETTINGS.regime_share) is ONE


def test_wear_does_not_drive_rows_out_of_their_regime() -> None:
    runs = [run.values.copy() for run in fleet(FleetWish(regimes=4, runs=12))]
    for values in runs:  # as far as half the way between regimes
        values[:, :5] += 20.0 * np.exp(-np.arange(len(values))[::-1] / 25.0)[:, None]
    regimes = find_regimes(runs, SETTINGS.regime_share)
    assert len(regimes) == 4
    assert min(regimes.of_rows(values[-10:]).min() for values in runs) >= 0


def test_an_operating_point_that_was_never_seen_belongs_to_no_regime() -> None:
    runs = [run.values for run in fleet(FleetWish(regimes=3, runs=10))]
    regimes = find_regimes(runs, SETTINGS.regime_share)
    elsewhere = np.tile(runs[0].max(axis=0) * 5, (2, 1))
    assert (regimes.of_rows(elsewhere) == -1).all()


def test_an_index_of_some_features_is_a_line_and_its_shares_add_up() -> None:
    random = np.random.default_rng(3)
    features = random.normal(size=(400, 4))
    left = 50 + 10 * features[:, 0] - 5 * features[:, 2]
    indices = fit_indices(features, left, horizon=1000.0, parts=(1.0,), ridge=1e-6, components=0)
    np.testing.assert_allclose(indices.of(features)[:, 0], left, atol=0.01)
    shares = indices.shares(features)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert shares[:, [0, 2]].sum(axis=1).min() > 0.99
    features[0] = np.nan
    assert np.isfinite(indices.of(features)).all()


def test_bins_of_time_close_when_a_later_row_comes_and_empty_ones_are_missing() -> None:
    scaling = Scaling(ONE, np.array([0]), np.ones(1), np.zeros((1, 1)), np.ones((1, 1)))
    stepper = Stepper(Pace(1, 10, 200.0), scaling, gap_max=50)
    times, steps = stepper.on_rows(np.array([1, 5, 12, 33]), np.array([[1.0], [3.0], [7.0], [9.0]]))
    assert times.tolist() == [10, 20, 30]
    assert steps[:2, 0].tolist() == [2.0, 7.0]
    assert np.isnan(steps[2, 0])


def test_pace_is_read_off_runs_and_a_long_life_is_counted_in_steps() -> None:
    runs = fleet(FleetWish(life=900, runs=5, rows_per_hour=1))
    pace = pace_of(runs, 200)
    assert pace.rows == int(np.median([len(run) for run in runs]) // 200)
    assert 200 <= pace.life_steps < 400


def test_margins_cover_and_an_estimate_near_the_horizon_is_open_above() -> None:
    random = np.random.default_rng(7)
    run = np.repeat(np.arange(60), 50)
    truth = np.tile(np.arange(50.0)[::-1] * 4, 60)
    estimate = np.clip(np.minimum(truth, 100) + random.normal(0, 6, len(truth)), 0, 100)
    margins = fit_margins(estimate, truth, run=run, horizon=100.0, settings=replace(SETTINGS, bins=5))
    low, high = margins.of(np.array([5.0, 50.0, 99.9]))
    assert np.isfinite(high[:2]).all()
    assert np.isinf(high[2])
    assert high[1] - low[1] == pytest.approx(2 * 1.645 * 6, rel=0.3)
    low, high = margins.of(estimate)
    assert 0.88 <= ((low <= truth) & (truth <= high)).mean() <= 0.96
