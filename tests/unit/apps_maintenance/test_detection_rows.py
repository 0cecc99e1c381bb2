"""What recordings are like: missing values, dead and wandering channels, spikes, interruptions, clocks that jitter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from penstock.apps.maintenance.detection.detector import Detector, Judged
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.detection.scaling import choose_memory, kpss, robust_scale
from tests.builders.made_machines import Floats, as_rows, names, values

FIT, ALL = 400, 1500


def judged(made: Floats, times_ns: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None) -> tuple[Model, Judged]:
    times = as_rows(made).times_ns if times_ns is None else times_ns
    model = fit(Rows(times[:FIT], made[:FIT]), channels=names(made.shape[1]), source="m")
    return model, Detector(model).on_rows(times, made)


def test_missing_values_raise_no_alarm() -> None:
    made = values(ALL)
    made[np.random.default_rng(1).random(made.shape) < 0.2] = np.nan
    assert judged(made)[1].alarms == ()


def test_a_channel_that_is_read_no_more_is_made_of_the_others() -> None:
    made = values(ALL)
    made[800:, 2] = np.nan
    assert judged(made)[1].alarms == ()


def test_a_row_without_values_has_no_score_and_leaves_the_rest_as_it_was() -> None:
    made = values(ALL)
    gone = made.copy()
    gone[600] = np.nan
    said = judged(gone)[1]
    assert np.isnan(said.scores[600])
    assert np.isfinite(np.delete(said.scores, 600)).all()
    assert said.shares[600].sum() == 0


def test_channels_that_never_moved_are_not_judged() -> None:
    made = values(ALL)
    made[:, 1], made[:, 4] = 3.25, np.nan
    made[900:, 1] = 8.0
    model, said = judged(made)
    assert model.unjudged == ("ch01", "ch04")
    assert said.alarms == ()


def test_single_spikes_raise_no_alarm() -> None:
    made = values(ALL)
    random = np.random.default_rng(4)
    made[random.permutation(np.arange(450, ALL, 12))[:20], random.integers(0, 6, 20)] += 80.0
    said = judged(made)[1]
    assert said.alarms == ()


def test_a_step_that_stays_is_no_spike() -> None:
    made = values(ALL)
    made[900:, 0] += 80.0
    alarms = judged(made)[1].alarms
    assert [a.time_ns // 10**9 for a in alarms] == [905]


def test_a_channel_that_wanders_while_healthy_may_wander_on() -> None:
    made = values(ALL)
    made[:, 3] = np.linspace(0, 50, ALL) + 0.5 * np.random.default_rng(5).normal(size=ALL)
    model, said = judged(made)
    assert model.wandering == ("ch03",)
    assert said.alarms == ()
    made[1000:, 3] += 10.0
    raised = [a.time_ns // 10**9 for a in judged(made)[1].alarms if a.raised]
    assert len(raised) == 1
    assert 1000 <= raised[0] < 1020


def test_an_interruption_lets_levels_move_but_not_fixed_ones() -> None:
    made = values(ALL)
    made[:, 3] = np.linspace(0, 50, ALL) + 0.5 * np.random.default_rng(5).normal(size=ALL)
    made[1000:, 3] += 40.0
    times = as_rows(made).times_ns.copy()
    times[1000:] += 3600 * 10**9
    assert judged(made, times)[1].alarms == ()
    made[1000:, 0] += 10.0
    assert [a.raised for a in judged(made, times)[1].alarms] == [True]


def test_jitter_of_the_clock_is_no_interruption() -> None:
    made = values(ALL)
    times = np.cumsum(np.random.default_rng(2).exponential(1e9, ALL)).astype(np.int64)
    plain, jittered = judged(made)[1], judged(made, times)[1]
    np.testing.assert_allclose(jittered.scores, plain.scores, rtol=1e-12)


def test_pace_of_the_record_makes_no_difference() -> None:
    made = values(ALL)
    made[900:, 2] += 4.0
    slow = judged(made)[1]
    quick = judged(made, as_rows(made).times_ns // 200)[1]
    np.testing.assert_allclose(quick.scores, slow.scores, rtol=1e-12)


def test_scales_bear_outliers_rest_and_steps() -> None:
    noise = np.random.default_rng(0).normal(size=1000)
    outliers = noise.copy()
    outliers[::100] = 1000.0
    rest = np.where(np.arange(1000) % 10 == 0, 1.0, 0.0)
    scales = robust_scale(np.column_stack([noise, rest, np.full(1000, 2.0), np.full(1000, np.nan)]))
    assert scales[0] == pytest.approx(1, abs=0.1)
    assert scales[1] == pytest.approx(0.5)
    assert scales[2:].tolist() == [0.0, 0.0]
    assert robust_scale(noise[:, None] * -40)[0] == pytest.approx(40 * scales[0])


def test_kpss_tells_a_walk_from_noise() -> None:
    noise = np.random.default_rng(0).normal(size=500)
    assert kpss(noise) < 0.739 < kpss(np.cumsum(noise))
    assert choose_memory([noise], (0, 100, 10), 0.739) == 0
    assert choose_memory([np.linspace(0, 9, 500) + 0.01 * noise], (0, 100, 10), 0.739) == 10


def test_a_moving_level_does_not_go_with_a_fault_for_ever() -> None:
    random = np.random.default_rng(5)
    reach = np.where(np.arange(4000) < 960, 3.0, 5.0)  # further in the rows for the limits: so it does not stay
    wander = np.outer(np.sin(np.arange(4000) / 145.0) * reach, (1.0, 0.0, 0.0, 0.0))
    made = wander + random.normal(0, 0.3, (4000, 4)) * (1.0, 1.1, 0.9, 1.2)
    gone = made.copy()
    gone[1700:, 0] += np.linspace(0, 60.0, 2300)  # as slow as what the channel does while healthy
    rows = as_rows(made)
    model = fit(rows.part(0, 960), rows.part(960, 1600), channels=names(4), source="m")
    assert "ch00" in model.wandering
    assert Detector(model).on_rows(as_rows(made).times_ns, made).alarms == ()
    said = Detector(model).on_rows(as_rows(gone).times_ns, gone)
    assert said.active[-500:].all()
    free = replace(model, level_low=np.full(4, -np.inf), level_high=np.full(4, np.inf))
    assert Detector(free).on_rows(as_rows(gone).times_ns, gone).scores[-1] < 0.2 * said.scores[-1]
