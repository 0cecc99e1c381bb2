"""Hypotheses weighed against each other on one pattern: a mode's first sign, a later one, the wrong way, spikes."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from penstock.apps.maintenance.advice.matching import Pattern, rank
from penstock.apps.maintenance.advice.modes import read_modes
from penstock.apps.maintenance.advice.sensors import Looks

CHANNELS = 12
NAMES = [f"ch{i:02d}" for i in range(CHANNELS)]
MODES = read_modes(
    {
        "cavitation": {
            "part": "strainer",
            "signs": {"ch00": "falls", "ch01": "falls", "ch02": "falls", "ch03": "rises"},
        },
        "clogging": {"part": "line", "signs": {"ch02": "rises", "ch01": "falls", "ch04": "falls"}},
        "leak": {"part": "seal", "signs": {"ch06": "rises"}},
        "heat": {"part": "motor fan", "signs": {"ch07": "rises"}},
        "imbalance": {"part": "impeller", "signs": {"ch08": "rises", "ch09": "rises"}},
        "misalignment": {"part": "coupling", "signs": {"ch10": "rises", "ch11": "rises"}},
    }
)


def suspected(channel: int, by: float, spiking: float = 0.0, *, sensorless: int = -1) -> str:
    """Give what one channel, displaced by so many spreads, is taken for: a part, or its sensor."""
    z, nothing, spikes = np.zeros(CHANNELS), np.zeros(CHANNELS), np.zeros(CHANNELS)
    z[channel], spikes[channel] = by, spiking
    looks = Looks(nothing, np.ones(CHANNELS), nothing, spikes, nothing, nothing, nothing)
    weights: dict[str, float] = defaultdict(float)
    for each in rank(Pattern(z, np.eye(CHANNELS), looks, np.arange(CHANNELS) != sensorless), MODES, NAMES):
        weights[each.mode.part if each.mode else f"{each.kind} {each.channel}"] += each.probability
    return max(weights, key=weights.__getitem__)


@pytest.mark.parametrize("by", [-5.0, -10.0, -25.0])
def test_the_first_sign_of_a_mode_alone_is_the_machine(by: float) -> None:
    assert suspected(0, by) == "strainer"


def test_a_later_sign_alone_is_its_sensor() -> None:
    assert suspected(1, -10.0) == "sensor 1"


def test_a_sign_that_goes_the_wrong_way_is_its_sensor() -> None:
    assert suspected(0, 10.0) == "sensor 0"


def test_a_sign_that_jumps_as_it_moves_is_the_machine() -> None:
    assert suspected(6, 8.0, spiking=12.0) == "seal"


def test_spikes_where_no_mode_has_a_sign_are_the_sensors() -> None:
    assert suspected(5, 3.0, spiking=12.0) == "sensor 5"


def test_what_no_sensor_gives_is_the_machine() -> None:
    assert suspected(5, 10.0) == "sensor 5"
    assert suspected(5, 10.0, sensorless=5) in {mode.part for mode in MODES} | {"machine -1"}
    assert suspected(5, 10.0, sensorless=4) == "sensor 5"


def test_a_machine_without_any_sensor_is_weighed_too() -> None:
    z, nothing = np.full(2, 8.0), np.zeros(2)
    looks = Looks(nothing, np.ones(2), nothing, nothing, nothing, nothing, nothing)
    ranked = rank(Pattern(z, np.eye(2), looks, np.zeros(2, np.bool_)), MODES, NAMES[:2])
    assert {each.kind for each in ranked} == {"machine"}


def test_where_nobody_looked_a_mode_known_by_roughness_is_not_ruled_out() -> None:
    loose = read_modes({"loose": {"part": "foot", "signs": {"ch00": "rises", "ch01": "unsteady", "ch02": "unsteady"}}})
    z, nothing = np.zeros(4), np.zeros(4)
    z[0] = 8.0
    smooth = Looks(nothing, np.ones(4), nothing, nothing, nothing, nothing, nothing)

    def believed(looks: Looks | None) -> float:
        ranked = rank(Pattern(z, np.eye(4), looks), loose, NAMES[:4])
        return sum(each.probability for each in ranked if each.mode is not None)

    assert believed(None) > 0.8 > believed(smooth)


def test_where_nobody_looked_a_sensor_has_only_left_its_level() -> None:
    z = np.zeros(4)
    z[1] = 8.0
    ranked = rank(Pattern(z, np.eye(4), None), MODES, NAMES[:4])
    assert {each.how for each in ranked if each.kind == "sensor"} == {"drift"}
