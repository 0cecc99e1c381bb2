"""Where a machine works, against where its model has learned."""

import numpy as np
import pytest

from penstock.apps.maintenance.assessment import Assessment, Finding
from penstock.apps.maintenance.channels import Channel, Role
from penstock.apps.maintenance.condition.operating import Operating, Point, Regime, of_life
from penstock.apps.maintenance.condition.operating_card import (
    NOTHING_STANDS,
    STILL_LEARNS,
    note_text,
    range_text,
    regime_text,
)
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.health import HealthModel, ModelSettings
from penstock.apps.maintenance.prognosis.regimes import ONE, Regimes
from penstock.apps.maintenance.rowjudge import RowJudge, State
from tests.builders.apps import PUMP, pump_samples
from tests.unit.apps_maintenance.test_detection_operating import MINUTE_NS, NAMES, machine

CHANNELS = tuple(Channel(name, tag, "", Role.OTHER) for tag, name in enumerate(NAMES))


def newest_of(assessed: list[Assessment]) -> Assessment:
    assert assessed
    return assessed[-1]


def test_a_load_beyond_what_was_learned_is_said() -> None:
    model = HealthModel(PUMP, ModelSettings())
    within = newest_of(model.on_samples(pump_samples(600)))
    (point,) = model.operating(within).points
    assert point.channel.name == "power"
    assert point.low <= (point.value or 0.0) <= point.high
    assert not point.is_beyond
    model.on_samples(pump_samples(900, start_s=600, wear=0.8))
    beyond = newest_of(model.on_samples(pump_samples(120, start_s=1500, wear=0.8, load=1.6)))
    said = model.operating(beyond)
    assert said.points[0].is_beyond
    assert set(said.follows) == {"vibration_rms", "bearing_band", "bearing_temperature"}


def test_nothing_is_said_before_anything_is_learned() -> None:
    model = HealthModel(PUMP, ModelSettings())
    found = newest_of(model.on_samples(pump_samples(60, wear=1.0)))
    assert model.operating(found) == Operating(learned=False)


def test_the_drivers_of_a_state_model_stand_in_the_range_of_its_healthy_rows() -> None:
    healthy = machine(4000, 1)
    times = np.arange(len(healthy), dtype=np.int64) * MINUTE_NS
    more = machine(3000, 2)
    model = fit(Rows(times, healthy), Rows(times[:3000], more), channels=NAMES, source="shifts")
    judge = RowJudge(CHANNELS, State(model, 0, 0, MINUTE_NS), None)
    findings = [Finding(c, float(v), None, 0.0, 0.0, None) for c, v in zip(CHANNELS, healthy[0], strict=True)]
    now = Assessment(0, 100.0, 0, None, judge.phase, 1.0, None, tuple(findings))
    said = judge.operating(now)
    assert [point.channel.name for point in said.points] == list(model.drivers)
    for point in said.points:
        column = healthy[:, NAMES.index(point.channel.name)]
        assert point.low == pytest.approx(column.min(), rel=0.02)
        assert point.high == pytest.approx(column.max(), rel=0.02)
        assert point.value == findings[NAMES.index(point.channel.name)].value
    assert said.follows == model.modelled
    assert said.regime is None


def test_a_regime_is_counted_from_one_and_a_strange_one_is_named_so() -> None:
    regimes = Regimes(np.array([1]), np.array([10.0]), np.array([[0.1], [1.1]]), 0.2)
    channels = CHANNELS[:3]

    def said(value: float) -> Regime | None:
        return of_life(regimes, channels, [Finding(channels[1], value, None, 0.0, 0.0, None)])

    assert said(11.2) == Regime(2, 2, ("flow",))
    assert said(6.0) == Regime(None, 2, ("flow",))
    assert of_life(regimes, channels, []) is None
    assert of_life(ONE, channels, [Finding(channels[1], 1.0, None, 0.0, 0.0, None)]) is None


def test_the_card_says_what_to_think_of_it() -> None:
    channel = Channel("power", 1, "kW", Role.LOAD)
    within, beyond = Point(channel, 12.0, 8.0, 16.0), Point(channel, 17.0, 8.0, 16.0)
    assert (within.share, beyond.share, Point(channel, None, 8.0, 16.0).share) == (0.5, 1.0, 0.0)
    assert range_text(within) == "Learned from 8.00 to 16.0 kW"
    assert "nearest end" in range_text(beyond)
    assert note_text(Operating()) == NOTHING_STANDS
    assert note_text(Operating(learned=False)) == STILL_LEARNS
    assert note_text(Operating((within,), ("winding_temperature",))).endswith("Winding temperature")
    assert regime_text(Regime(2, 6, ("speed",))) == "Regime 2 of the 6 that its fleet ran in, told by Speed"
    assert "no remaining life" in regime_text(Regime(None, 6, ("speed",)))
    assert regime_text(None) == ""
