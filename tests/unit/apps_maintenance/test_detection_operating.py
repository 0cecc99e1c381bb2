"""A machine whose load changes by the shift: what follows the load is held against what the load lets expect."""

import json

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.detection.operating import Measures, Sought, find_operating_point

NAMES = ("load", "flow", "current", "winding", "counter")
MINUTE_NS = 60 * 10**9
SHIFT_ROWS = 480


def machine(rows: int, seed: int, *, heat_from: int | None = None) -> NDArray[np.float64]:
    """A load in shifts; flow with its square root, current with its square, a winding that follows after 30 rows."""
    random = np.random.default_rng(seed)
    levels = random.choice([0.4, 0.7, 1.0], rows // SHIFT_ROWS + 2)
    load = np.repeat(levels, SHIFT_ROWS)[:rows] + random.normal(0, 0.01, rows)
    winding = np.empty(rows)
    level = 20 + 60 * load[0] ** 2
    for i in range(rows):
        extra = 0.0 if heat_from is None or i < heat_from else 0.02 * (i - heat_from)
        level += (20 + 60 * load[i] ** 2 - level) / 30
        winding[i] = level + extra
    noise = random.normal(0, 1, (rows, 3)) * (0.2, 0.1, 0.3)
    flow, current = 50 * np.sqrt(load), 5 + 20 * load**2
    return np.column_stack([load, flow + noise[:, 0], current + noise[:, 1], winding + noise[:, 2], np.arange(rows)])


def rows_of(values: NDArray[np.float64]) -> Rows:
    return Rows(np.arange(len(values), dtype=np.int64) * MINUTE_NS, values)


@pytest.fixture(scope="module")
def model() -> Model:
    return fit(rows_of(machine(4000, 1)), rows_of(machine(3000, 2)), channels=NAMES, source="shifts")


def test_what_follows_the_load_is_modelled_and_a_counter_is_not_judged(model: Model) -> None:
    assert model.drivers
    assert set(model.drivers) | set(model.modelled) >= {"flow", "current", "winding"}
    assert "winding" in model.modelled
    assert model.unjudged == ("counter",)
    assert not set(model.modelled) & set(model.wandering)


def test_slow_heat_is_found_that_a_level_that_follows_would_follow(model: Model) -> None:
    judged = Detector(model).on_rows(np.arange(3000) * MINUTE_NS, machine(3000, 3, heat_from=1500))
    raised = [alarm for alarm in judged.alarms if alarm.raised]
    assert raised
    assert raised[0].time_ns >= 1500 * MINUTE_NS
    found = int(raised[0].time_ns // MINUTE_NS)
    assert found - 1500 < 400  # 8 K of 60
    assert NAMES[int(np.argmax(judged.shares[found]))] == "winding"


def test_what_tells_of_damage_does_not_stand_for_the_load() -> None:
    stretches = rows_of(machine(4000, 1)), rows_of(machine(3000, 2))
    free = fit(*stretches, channels=NAMES, source="shifts")
    bound = fit(*stretches, channels=NAMES, source="shifts", damage={*free.drivers, "winding"})
    assert bound.drivers
    assert not set(bound.drivers) & {*free.drivers, "winding"}


def at_rest(rows: int, seed: int) -> NDArray[np.float64]:
    """A load that changes every 20 rows; a straight line on it; windings that follow its square, quickly and slowly."""
    random = np.random.default_rng(seed)
    load = np.repeat(random.choice([0.4, 0.7, 1.0], rows // 20 + 1), 20)[:rows]
    late, level = np.empty((rows, 2)), np.zeros(2)
    for i in range(rows):
        level = level + (load[i] ** 2 - level) / (10.0, 100.0)
        late[i] = level
    return np.column_stack([load, load, late]) + random.normal(0, 0.002, (rows, 4))


def test_a_channel_at_rest_that_follows_late_is_held_against_what_the_load_lets_expect() -> None:
    stretches = [at_rest(4000, 1) - 0.5, at_rest(3000, 2) - 0.5]
    calm = Measures(lambda _: True, lambda _: True, lambda values: float(values.std()))
    found = find_operating_point(stretches, Sought(wandering=[3], fixed=[0, 1, 2], drivers=[0]), calm)
    assert found.drivers.tolist() == [0]
    assert found.modelled[1:3].tolist() == [0, 1], "the straight line is left to the directions"
    moving = find_operating_point(stretches, Sought(wandering=[3], fixed=[], drivers=[0]), calm)
    assert not moving.modelled[1:3].any()


def test_a_healthy_machine_raises_nothing_but_at_a_change_of_shift_that_was_never_seen(model: Model) -> None:
    judged = Detector(model).on_rows(np.arange(9000) * MINUTE_NS, machine(9000, 4))
    raised = [int(alarm.time_ns // MINUTE_NS) for alarm in judged.alarms if alarm.raised]
    assert all(place % SHIFT_ROWS < 60 for place in raised)
    assert float(np.quantile(judged.scores, 0.97)) < 1.0


def test_model_and_state_go_through_json_to_the_last_bit(model: Model) -> None:
    again = Model.of_json(json.loads(json.dumps(model.to_json())))
    times, values = np.arange(1200) * MINUTE_NS, machine(1200, 5, heat_from=600)
    whole = Detector(model).on_rows(times, values)
    first = Detector(again)
    parts = [first.on_rows(times[:500], values[:500])]
    second = Detector(again)
    second.restore(json.loads(json.dumps(first.to_json())))
    parts.append(second.on_rows(times[500:], values[500:]))
    np.testing.assert_array_equal(np.concatenate([part.scores for part in parts]), whole.scores)


def test_a_channel_that_the_limit_rows_lack_is_not_modelled() -> None:
    limits = machine(3000, 2)
    limits[:, NAMES.index("flow")] = np.nan
    made = fit(rows_of(machine(4000, 1)), rows_of(limits), channels=NAMES, source="shifts")
    assert "flow" not in made.modelled
    assert "winding" in made.modelled


def test_a_missing_driver_is_held_and_a_gap_begins_anew(model: Model) -> None:
    values = machine(1500, 6)
    driver = NAMES.index(model.drivers[0])
    values[700:720, driver] = np.nan
    times = np.arange(1500) * MINUTE_NS
    times[1000:] += 10**6 * MINUTE_NS
    judged = Detector(model).on_rows(times, values)
    assert np.isfinite(judged.scores).all()
    assert judged.alarms == ()
