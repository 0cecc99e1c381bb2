"""A series judged from its first row on: news is an alarm, what comes again is none, state goes through JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest

from penstock.apps.maintenance.detection.detector import Judged
from penstock.apps.maintenance.detection.model import ModelError
from penstock.apps.maintenance.detection.stream import FEATURES, Stream
from penstock.apps.maintenance.detection.tails import Tail, TailSettings
from tests.builders.made_machines import Floats, as_rows

ALL = 2000


def noise(seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=(ALL, 1))


def judged(made: Floats) -> Judged:
    return Stream(made.shape[1]).on_rows(as_rows(made).times_ns, made)


def raised(said: Judged) -> list[int]:
    return [a.time_ns // 10**9 for a in said.alarms if a.raised]


def test_noise_raises_next_to_no_alarm() -> None:
    assert sum(len(raised(judged(noise(seed)))) for seed in range(4)) <= 4


def test_a_jump_and_a_rougher_series_are_news() -> None:
    made = noise(1)
    made[1000:] += 8.0
    said = judged(made)
    assert 1000 in raised(said)
    assert FEATURES[said.reasons[1000, 1]] == "jump up"
    made = noise(1)
    made[1000:] *= 5
    assert any(1000 <= row < 1100 for row in raised(judged(made)))


def test_what_comes_every_day_is_no_news() -> None:
    made = np.where(np.arange(ALL) % 200 < 20, 5.0, 0.0)[:, None]
    assert [row for row in raised(judged(made)) if row > 600] == []


def test_a_flat_series_is_quiet_until_it_moves() -> None:
    made = np.zeros((ALL, 1))
    assert raised(judged(made)) == []
    made[1500] = 1.0
    assert raised(judged(made))[0] == 1500


def test_the_score_of_a_series_that_moves_for_the_first_time_is_a_number() -> None:
    made = np.zeros((ALL, 2))
    made[1000:, 0] = [5e-324, *[1e300] * (ALL - 1001)]
    said = judged(made)
    assert np.isfinite(said.scores).all()
    assert said.scores[1000] > 1
    assert raised(said)[0] == 1000
    assert np.isfinite(said.shares).all()


def test_units_and_sign_make_no_difference() -> None:
    made = noise()
    made[1000:] += 8.0
    one, other = judged(made), judged(-250.0 * made + 10.0)
    np.testing.assert_allclose(other.scores, one.scores, rtol=1e-6, atol=1e-9)


def test_a_row_is_judged_by_what_came_before() -> None:
    made = noise()
    other = made.copy()
    other[1200:] += 50.0
    assert np.array_equal(judged(made).scores[:1200], judged(other).scores[:1200])


def test_channels_stand_alone_and_the_worst_speaks() -> None:
    made = np.hstack([noise(), noise(1), noise(2)])
    made[1000:, 2] += 20.0
    made[500:600, 1] = np.nan
    said = judged(made)
    assert said.reasons[1000, 0] == 2
    assert said.shares[1000].argmax() == 2
    assert said.shares[1000].sum() == pytest.approx(1)


@pytest.mark.parametrize("cut", [100, 1001])
def test_the_state_goes_through_json_and_nothing_changes(cut: int) -> None:
    made = noise()
    made[1000:] += 8.0
    whole, times = judged(made), as_rows(made).times_ns
    first, second = Stream(1), Stream(1)
    first.on_rows(times[:cut], made[:cut])
    second.restore(json.loads(json.dumps(first.to_json(), allow_nan=False)))
    assert np.array_equal(second.on_rows(times[cut:], made[cut:]).scores, whole.scores[cut:])
    with pytest.raises(ModelError):
        Stream(2).restore(first.to_json())


def test_memory_is_bounded() -> None:
    tail = Tail(TailSettings())
    for value in np.random.default_rng(0).exponential(size=5000):
        tail.on_value(float(value))
    kept = tail.to_json()
    assert len(kept["peaks"]) == 64
    assert kept["first"] == []
