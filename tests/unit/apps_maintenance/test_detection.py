"""The state detection: finds departures, names the channel, keeps quiet otherwise, whatever units and order."""

from __future__ import annotations

import json

import numpy as np
import pytest

from penstock.apps.maintenance.detection.detector import Detector, Judged
from penstock.apps.maintenance.detection.fitting import FitError, Rows, fit
from penstock.apps.maintenance.detection.model import Model, ModelError
from tests.builders.made_machines import Floats, as_rows, names, values

FIT, ALL, ONSET = 400, 1000, 700


def model_of(made: Floats, rows: int = FIT) -> Model:
    return fit(as_rows(made[:rows]), channels=names(made.shape[1]), source="a machine")


def judged(made: Floats, model: Model | None = None) -> Judged:
    rows = as_rows(made)
    return Detector(model or model_of(made)).on_rows(rows.times_ns, rows.values)


def test_a_healthy_machine_raises_no_alarm() -> None:
    for seed in range(4):
        said = judged(values(ALL, seed=seed))
        assert said.alarms == (), seed
        assert np.mean(said.scores[FIT:] > 1) < 0.005


@pytest.mark.parametrize("channel", [0, 3, 5])
def test_a_shifted_channel_raises_an_alarm_and_is_named(channel: int) -> None:
    made = values(ALL)
    made[ONSET:, channel] += 4.0 * made[:FIT, channel].std()
    said = judged(made)
    assert [alarm.raised for alarm in said.alarms] == [True]
    assert ONSET <= said.alarms[0].time_ns // 10**9 < ONSET + 30
    assert int(np.argmax(said.alarms[0].shares)) == channel
    assert sum(said.alarms[0].shares) == pytest.approx(1)


def test_a_broken_relation_is_found_though_every_channel_stays_in_its_range() -> None:
    made = values(ALL, noise=0.1)
    made[ONSET:, 2] = -made[ONSET:, 2]
    said = judged(made)
    assert said.active[ONSET + 50 :].mean() > 0.9
    assert int(np.argmax(said.shares[ONSET + 50 :].mean(axis=0))) == 2


def test_the_alarm_clears_when_the_machine_is_healthy_again() -> None:
    made = values(ALL)
    made[500:600, 1] += 6.0
    said = judged(made)
    assert [alarm.raised for alarm in said.alarms] == [True, False]
    assert 600 < said.alarms[1].time_ns // 10**9 < 750


def test_order_units_and_signs_of_channels_make_no_difference() -> None:
    made = values(ALL)
    made[ONSET:, 4] += 2.0
    random = np.random.default_rng(3)
    order = random.permutation(6)
    factor = random.choice([-1.0, 1.0], 6) * 10.0 ** random.uniform(-4, 4, 6)
    one, other = judged(made), judged(made[:, order] * factor + random.normal(0, 1000, 6) * factor)
    np.testing.assert_allclose(other.scores, one.scores, rtol=1e-6)
    assert [a.time_ns for a in other.alarms] == [a.time_ns for a in one.alarms]
    np.testing.assert_allclose(other.shares, one.shares[:, order], atol=1e-5)


@pytest.mark.parametrize("block", [1, 7, 333])
def test_blocks_make_no_difference(block: int) -> None:
    made = values(ALL)
    made[np.random.default_rng(1).random(made.shape) < 0.05] = np.nan
    made[ONSET:, 4] += 3.0
    whole = judged(made)
    detector, rows = Detector(model_of(made)), as_rows(made)
    parts = [detector.on_rows(rows.times_ns[a : a + block], rows.values[a : a + block]) for a in range(0, ALL, block)]
    assert np.array_equal(np.concatenate([p.scores for p in parts]), whole.scores, equal_nan=True)
    assert np.array_equal(np.concatenate([p.shares for p in parts]), whole.shares)
    assert tuple(alarm for p in parts for alarm in p.alarms) == whole.alarms


def test_the_state_goes_through_json_and_nothing_changes() -> None:
    made = values(ALL)
    made[:, 1] = np.cumsum(np.random.default_rng(2).normal(size=ALL))  # a level that moves
    made[ONSET:, 4] += 3.0
    made[680:695, 2] = np.nan
    model, rows = model_of(made), as_rows(made)
    whole = Detector(model).on_rows(rows.times_ns, rows.values)
    first = Detector(model)
    first.on_rows(rows.times_ns[:690], rows.values[:690])
    kept = json.loads(json.dumps({"model": model.to_json(), "state": first.to_json()}, allow_nan=False))
    second = Detector(Model.of_json(kept["model"]))
    second.restore(kept["state"])
    rest = second.on_rows(rows.times_ns[690:], rows.values[690:])
    assert np.array_equal(rest.scores, whole.scores[690:])
    assert rest.alarms == tuple(a for a in whole.alarms if a.time_ns >= rows.times_ns[690])


def test_the_state_of_another_model_is_refused() -> None:
    detector = Detector(model_of(values(ALL, seed=1)))
    with pytest.raises(ModelError, match="another model"):
        Detector(model_of(values(ALL))).restore(detector.to_json())
    with pytest.raises(ModelError, match="version"):
        Model.of_json({"version": 99})


def test_a_model_says_what_it_was_fitted_on() -> None:
    made = values(ALL)
    made[:, 2] = 4.5
    model = model_of(made)
    on = model.fitted_on
    assert (on.source, on.fit_rows, on.limit_rows) == ("a machine", 240, 160)
    assert (on.fit_to_ns, on.limit_from_ns) == (239 * 10**9, 240 * 10**9)
    assert model.unjudged == ("ch02",)
    assert model_of(made * 1.0).fitted_on.digest == on.digest != model_of(made + 1).fitted_on.digest


def test_limits_come_from_the_rows_that_are_given_for_them() -> None:
    made = values(ALL)
    calm = fit(as_rows(made[:300]), as_rows(made[300:600], start_s=300), channels=names(6), source="m")
    rough = fit(as_rows(made[:300]), as_rows(2 * made[300:600], start_s=300), channels=names(6), source="m")
    rows = as_rows(made[600:], start_s=600)
    scores = [Detector(m).on_rows(rows.times_ns, rows.values).scores for m in (calm, rough)]
    assert scores[1].mean() < 0.8 * scores[0].mean()


def test_too_little_to_fit_on_is_said() -> None:
    with pytest.raises(FitError, match="at least 30 and 20"):
        model_of(values(40), rows=40)
    with pytest.raises(FitError, match="no channel moves"):
        model_of(np.ones((400, 3)))
    with pytest.raises(FitError, match="15 healthy rows with values"):
        model_of(np.where(np.arange(FIT)[:, None] < 225, np.nan, values(FIT)))
    gone = values(FIT)
    gone[:, 3] = 1.0
    gone[250:, [0, 1, 2, 4, 5]] = np.nan
    with pytest.raises(FitError, match="10 for the limits"):
        model_of(gone)
    with pytest.raises(FitError, match="shape"):
        fit(Rows(np.arange(9), np.ones((9, 2))), channels=["a"], source="m")


@pytest.mark.parametrize("channels", [1, 2, 40])
def test_any_number_of_channels_is_watched(channels: int) -> None:
    made = values(ALL, channels)
    assert judged(made).alarms == ()
    made[ONSET:, 0] += 5.0 * made[:FIT, 0].std()
    assert [a.time_ns // 10**9 >= ONSET for a in judged(made).alarms if a.raised] == [True]


def test_regimes_of_the_healthy_rows_are_healthy_and_a_fault_within_them_is_found() -> None:
    places = np.random.default_rng(5).normal(0, 10, (3, 6))
    of_row = np.repeat(np.random.default_rng(6).permutation(120) % 3, 25)
    made = values(3000) + places[of_row]
    said = judged(made, model_of(made, 1500))
    assert said.alarms == ()
    made[2000:, 3] += 6.0
    said = judged(made, model_of(made, 1500))
    assert said.active[2000:].mean() > 0.5
