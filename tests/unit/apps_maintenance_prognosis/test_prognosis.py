"""What must hold of a prognosis as a whole: blind to age, names and scales, the same in any blocks, honest, kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock.apps.maintenance.prognosis.fitting import fit
from penstock.apps.maintenance.prognosis.model import ARRAYS, MANIFEST, Model, ModelError, load, save
from penstock.apps.maintenance.prognosis.predicting import Estimates, Prognoser, predict
from penstock.apps.maintenance.prognosis.runs import Run, RunError
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings
from tests.builders.fleets import CONSTANT, HOUR_NS, FleetWish, cut, disguised, fleet, left_hours, names

SMALL = PrognosisSettings(trees=24, learning_rate=0.25, rows_max=1200, folds=2, leaf_rows=15, rungs_lives=(0.06, 0.2))
WISH = FleetWish()


def fitted(runs: list[Run], settings: PrognosisSettings = SMALL) -> Model:
    return fit(runs, channels=names(runs), source="a fleet", settings=settings)


def error_hours(model: Model, runs: list[Run]) -> float:
    """Give the root mean square error over all rows of runs to failure, both sides capped at the horizon."""
    wrong = []
    for run in runs:
        estimates = predict(model, run)
        left = np.minimum(left_hours(run, estimates.times_ns), model.horizon_ns / HOUR_NS)
        wrong.append((estimates.rul_ns / HOUR_NS - left)[np.isfinite(estimates.rul_ns)])
    return float(np.sqrt(np.mean(np.square(np.concatenate(wrong)))))


def same(one: Estimates, other: Estimates) -> bool:
    return all(np.array_equal(getattr(one, n), getattr(other, n), equal_nan=True) for n in Estimates.__slots__)


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return fleet(WISH)


@pytest.fixture(scope="module")
def model(runs: list[Run]) -> Model:
    return fitted(runs)


@pytest.fixture(scope="module")
def strangers() -> list[Run]:
    """More machines of the same kind, which the fit has not seen."""
    return fleet(replace(WISH, runs=44))[24:]


def test_strangers_are_estimated_far_better_than_by_the_fleets_average(model: Model, strangers: list[Run]) -> None:
    horizon = model.horizon_ns / HOUR_NS
    left = np.concatenate([np.minimum(left_hours(run, run.times_ns), horizon) for run in strangers])
    assert error_hours(model, strangers) < 0.5 * left.std()


def test_equal_last_windows_give_equal_estimates_whatever_came_before(model: Model, runs: list[Run]) -> None:
    longest = model.rungs[-1].window
    recent = runs[3].values[-longest - 20 : -20]
    noise = np.random.default_rng(5).normal(25.0, 3.0, (400, recent.shape[1]))
    histories = [recent, np.vstack([runs[7].values[:30], recent]), np.vstack([noise, recent])]
    last = []
    for i, values in enumerate(histories):
        times = HOUR_NS * (1000 * i + np.arange(len(values)))
        estimates = predict(model, Run("any", times, values))
        last.append(
            (estimates.rul_ns[-1], estimates.low_ns[-1], estimates.high_ns[-1], *estimates.contributions_ns[-1])
        )
    assert last[0] == last[1] == last[2]


def test_nothing_is_remembered_beyond_the_longest_window(model: Model, runs: list[Run]) -> None:
    prognoser = Prognoser(model)
    prognoser.on_rows(runs[0].times_ns, runs[0].values)
    kept = prognoser.to_json()
    assert len(kept["kept"]) == model.rungs[-1].window - 1
    assert set(kept) == {"stepper", "kept"}


def test_a_machine_that_never_ages_is_never_written_off(model: Model, runs: list[Run]) -> None:
    healthy = np.vstack([run.values[:20] for run in runs])
    estimates = predict(model, Run("young for ever", HOUR_NS * np.arange(len(healthy)), healthy))
    late = estimates.rul_ns[-100:] / model.horizon_ns
    assert np.median(late) > 0.85


@pytest.mark.parametrize("size", [1, 7, 50])
def test_blocks_of_any_size_give_the_same_to_the_last_bit(model: Model, runs: list[Run], size: int) -> None:
    run = cut(runs[5], 90)
    whole, prognoser, parts = predict(model, run), Prognoser(model), []
    for at in range(0, len(run), size):
        kept = json.loads(json.dumps(prognoser.to_json()))
        prognoser = Prognoser(model)
        prognoser.restore(kept)
        parts.append(prognoser.on_rows(run.times_ns[at : at + size], run.values[at : at + size]))
    joined = Estimates(*(np.concatenate([getattr(part, n) for part in parts]) for n in Estimates.__slots__))
    assert same(whole, joined)


@pytest.mark.parametrize("seed", [3, 4])
def test_order_scale_and_sign_of_channels_mean_nothing(
    model: Model, runs: list[Run], strangers: list[Run], seed: int
) -> None:
    hidden = fitted(disguised(runs, seed))
    plain, other = error_hours(model, strangers), error_hours(hidden, disguised(strangers, seed))
    assert other == pytest.approx(plain, rel=0.01)


def test_contributions_add_up_to_the_estimate_and_name_the_channels_that_wear(model: Model, runs: list[Run]) -> None:
    estimates = predict(model, runs[2])
    told = estimates.start_ns + estimates.contributions_ns.sum(axis=1)
    held = np.clip(told, 0, model.horizon_ns)
    answered = np.isfinite(estimates.rul_ns)
    np.testing.assert_allclose(held[answered], estimates.rul_ns[answered], rtol=1e-9, atol=1e-3 * HOUR_NS)
    last = np.abs(estimates.contributions_ns[-1])
    assert last[:5].sum() > 0.9 * last.sum()
    assert last[CONSTANT] == 0.0


def test_a_channel_that_never_moves_is_not_used(model: Model) -> None:
    assert "ch07" not in model.used
    assert {"ch00", "ch01", "ch02", "ch03", "ch04"} <= set(model.used)


def test_no_estimate_before_the_shortest_window_is_filled(model: Model, runs: list[Run]) -> None:
    estimates = predict(model, cut(runs[0], 30))
    first = model.rungs[0].window - 1
    assert np.isnan(estimates.rul_ns[:first]).all()
    assert np.isfinite(estimates.rul_ns[first:]).all()


def test_intervals_cover_strangers_and_are_open_where_the_life_left_may_lie_beyond_the_horizon(
    model: Model, strangers: list[Run]
) -> None:
    covered, healthy_high, near_width = [], [], []
    for run in strangers:
        estimates = predict(model, run)
        left = left_hours(run, estimates.times_ns)
        low, high = estimates.low_ns / HOUR_NS, estimates.high_ns / HOUR_NS
        answered = np.isfinite(low)
        covered.append(((low <= np.minimum(left, model.horizon_ns / HOUR_NS)) & (left <= high))[answered].mean())
        healthy_high.append(np.isinf(high[answered & (left > 1.2 * model.horizon_ns / HOUR_NS)]))
        near_width.append((high - low)[left < 5])
    assert 0.85 <= np.mean(covered) <= 0.98  # raised for the few machines that were seen
    assert np.concatenate(healthy_high).mean() > 0.9
    assert np.concatenate(near_width).mean() < 0.5 * model.horizon_ns / HOUR_NS


def test_two_ways_to_fail_are_told_by_one_model(strangers: list[Run]) -> None:
    both = fleet(replace(WISH, modes=2, runs=44))
    model = fitted(both[:24])
    assert error_hours(model, both[24:]) < 0.25 * model.horizon_ns / HOUR_NS


def test_six_regimes_are_found_and_cost_little(model: Model, strangers: list[Run]) -> None:
    mixed = fleet(replace(WISH, regimes=6, runs=44))
    hidden = disguised(mixed, 9)
    of_regimes = fitted(hidden[:24])
    assert len(of_regimes.scaling.regimes) == 6
    assert error_hours(of_regimes, hidden[24:]) < 1.3 * error_hours(model, strangers)


def test_missing_values_are_borne(model: Model, strangers: list[Run]) -> None:
    holes = fleet(replace(WISH, missing=0.15, runs=44))
    assert error_hours(fitted(holes[:24]), holes[24:]) < 1.4 * error_hours(model, strangers)


def test_rows_of_which_nothing_was_read_get_no_estimate(model: Model, runs: list[Run]) -> None:
    values = runs[0].values.copy()
    values[60:] = np.nan
    estimates = predict(model, Run("dead sensors", runs[0].times_ns, values))
    assert np.isnan(estimates.rul_ns[-5:]).all()


def test_machines_sampled_in_time_are_counted_in_steps_of_their_life(strangers: list[Run]) -> None:
    fast = fleet(replace(WISH, rows_per_hour=10, period_ns=HOUR_NS // 10, runs=32))
    model = fitted(fast[:24])
    assert model.pace.rows > 1
    assert 200 <= model.pace.life_steps <= 400
    assert error_hours(model, fast[24:]) < 0.25 * model.horizon_ns / HOUR_NS
    run = cut(fast[30], 700)
    prognoser = Prognoser(model)
    parts = [prognoser.on_rows(run.times_ns[a : a + 33], run.values[a : a + 33]) for a in range(0, 700, 33)]
    joined = Estimates(*(np.concatenate([getattr(part, n) for part in parts]) for n in Estimates.__slots__))
    assert same(predict(model, run), joined)


def test_few_units_are_enough_and_fewer_are_refused(runs: list[Run]) -> None:
    few = fitted(runs[:4])
    assert error_hours(few, runs[10:]) < 0.35 * few.horizon_ns / HOUR_NS
    with pytest.raises(RunError, match="2 runs to failure; a prognosis needs at least 3"):
        fitted([*runs[:2], cut(runs[3], 80)])


def test_channels_that_do_not_move_are_nothing_to_read_a_life_from(runs: list[Run]) -> None:
    still = [Run(run.name, run.times_ns, np.full((len(run), 2), 7.0), failed=True) for run in runs]
    with pytest.raises(RunError, match="no channel moves"):
        fitted(still)


def test_times_that_fall_are_refused(runs: list[Run]) -> None:
    wrong = Run("m99", runs[0].times_ns[::-1], runs[0].values, failed=True)
    with pytest.raises(RunError, match="m99"):
        fitted([*runs, wrong])


def test_the_same_runs_and_seed_give_the_same_bytes_in_any_order(runs: list[Run], model: Model, tmp_path: Path) -> None:
    again = fitted(runs[::-1])
    other = fitted(runs, replace(SMALL, seed=1))
    digests = [save(each, tmp_path / str(i)) for i, each in enumerate((model, again, other))]
    assert digests[0] == digests[1] != digests[2]


def test_what_runs_are_called_makes_no_difference_to_the_last_bit(runs: list[Run], model: Model) -> None:
    names_of_others = np.random.default_rng(3).permutation(len(runs))
    called = [Run(f"ast_{n:03d}", r.times_ns, r.values, r.failed) for n, r in zip(names_of_others, runs, strict=True)]
    again = fitted(called)
    assert np.array_equal(again.scaling.centre, model.scaling.centre)
    assert same(predict(again, runs[1]), predict(model, runs[1]))


def test_a_kept_model_says_the_same_and_what_it_was_fitted_on(model: Model, runs: list[Run], tmp_path: Path) -> None:
    save(model, tmp_path)
    back = load(tmp_path)
    assert same(predict(back, runs[1]), predict(model, runs[1]))
    assert back.fitted_on.runs == tuple(run.name for run in runs)
    assert back.fitted_on == model.fitted_on
    assert back.settings == SMALL


@pytest.mark.parametrize("regimes", [1, 6])
def test_regimes_are_kept(regimes: int, tmp_path: Path) -> None:
    some = fleet(replace(WISH, regimes=regimes, runs=12))
    model = fitted(some, replace(SMALL, trees=5))
    save(model, tmp_path)
    assert same(predict(load(tmp_path), some[0]), predict(model, some[0]))


def test_a_model_that_was_changed_or_is_of_another_version_is_refused(model: Model, tmp_path: Path) -> None:
    save(model, tmp_path)
    whole = (tmp_path / ARRAYS).read_bytes()
    (tmp_path / ARRAYS).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ModelError, match="SHA-256"):
        load(tmp_path)
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    (tmp_path / MANIFEST).write_text(json.dumps(manifest | {"version": 99}))
    with pytest.raises(ModelError, match="version 99"):
        load(tmp_path)
    with pytest.raises(ModelError, match="no model"):
        load(tmp_path / "nowhere")


def test_no_rows_give_no_estimates(model: Model, runs: list[Run]) -> None:
    prognoser = Prognoser(model)
    assert len(prognoser.on_rows(runs[0].times_ns[:0], runs[0].values[:0])) == 0
    prognoser.on_rows(runs[0].times_ns[:50], runs[0].values[:50])
    assert len(prognoser.on_rows(runs[0].times_ns[:0], runs[0].values[:0])) == 0
