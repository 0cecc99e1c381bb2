"""The advisory block: a sensor's fault is told from a machine's, and the failure mode is named."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest

from penstock.apps.maintenance.advice.advisor import Advisor
from penstock.apps.maintenance.advice.diagnosis import Diagnosis, Kind
from penstock.apps.maintenance.advice.modes import (
    FailureMode,
    Known,
    ModesError,
    known_of_types,
    read_known,
    read_modes,
)
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import fit
from penstock.apps.maintenance.detection.model import Model
from penstock.sdk.models import AssetType
from tests.builders.made_machines import Floats, as_rows, names, values

FIT, ALL, ONSET, CHANNELS = 800, 1200, 1000, 8
BEHIND = ALL - ONSET
MODES = read_modes(
    {
        "bearing": {"part": "drive-end bearing", "signs": {"ch00": "rises", "ch01": "rises", "ch02": "falls"}},
        "clogging": {"part": "filter", "signs": {"ch03": "falls", "ch04": "rises"}, "action": "Change it"},
        "leak": {"part": "seal", "signs": {"ch06": "rises"}},
        "loose-foot": {"part": "foot", "signs": {"ch05": "unsteady", "ch04": "unsteady"}},
    }
)


@cache
def healthy() -> tuple[Floats, Floats, Model]:
    """Give rows of a healthy machine, each channel's spread, and the model fitted on the first of them."""
    made = values(ALL, CHANNELS)
    return made, made[:FIT].std(axis=0), fit(as_rows(made[:FIT]), channels=names(CHANNELS), source="a machine")


def advised(made: Floats, modes: tuple[FailureMode, ...] = MODES) -> list[Diagnosis | None]:
    """Give what is said behind the onset."""
    rows, model = as_rows(made), healthy()[2]
    advisor = Advisor(model, Known(modes), ["m/s2"] * CHANNELS)
    Detector(model, advisor).on_rows(rows.times_ns, rows.values)
    return [each.diagnosis for each in advisor.take() if each.time_ns >= ONSET * 10**9]


def first(made: Floats, modes: tuple[FailureMode, ...] = MODES) -> Diagnosis:
    said = advised(made, modes)
    assert said
    assert said[0] is not None
    return said[0]


def moved(*by: tuple[int, float], grow: int = 30) -> Floats:
    """Let channels leave by so many healthy spreads, within `grow` rows."""
    made, scale = healthy()[0].copy(), healthy()[1]
    for channel, spreads in by:
        made[ONSET:, channel] += spreads * scale[channel] * np.minimum((1 + np.arange(BEHIND)) / grow, 1)
    return made


def test_a_healthy_machine_is_suspected_of_nothing() -> None:
    assert advised(healthy()[0]) == []


def test_channels_that_move_as_a_mode_says_name_its_part() -> None:
    said = first(moved((0, 4.0), (1, 3.0), (2, -3.0)))
    assert (said.kind, said.part, said.mode) == (Kind.MACHINE, "drive-end bearing", "bearing")
    assert said.certainty > 0.8
    assert said.evidence[-1].startswith("fits bearing (")


def test_the_action_of_the_mode_is_what_to_do() -> None:
    said = first(moved((3, -4.0), (4, 4.0)))
    assert (said.part, said.action) == ("filter", "Change it")


def test_signs_in_the_other_direction_fit_no_mode() -> None:
    said = first(moved((3, 5.0), (4, -5.0), (7, 5.0)))
    assert (said.kind, said.part) == (Kind.MACHINE, "unknown")


def test_without_failure_modes_many_channels_are_a_machine_of_unknown_trouble() -> None:
    said = first(moved((0, 4.0), (1, 4.0), (3, -4.0), (4, 4.0)), ())
    assert (said.kind, said.part) == (Kind.MACHINE, "unknown")


@pytest.mark.parametrize(("channel", "by"), [(1, 10.0), (3, 10.0), (7, -8.0)])
def test_one_channel_that_alone_is_off_is_its_sensor(channel: int, by: float) -> None:
    told = advised(moved((channel, by), grow=1))
    assert {(said.kind, said.part) for said in told if said} == {(Kind.SENSOR, f"sensor:ch{channel:02d}")}
    assert told[-1] is not None
    assert told[-1].mode in ("bias", "drift")


def test_a_slow_drift_of_one_of_several_signs_is_its_sensor() -> None:
    said = first(moved((1, 12.0), grow=150))
    assert (said.kind, said.part) == (Kind.SENSOR, "sensor:ch01")


def test_the_only_sign_of_a_mode_is_the_machine_where_the_direction_fits() -> None:
    assert first(moved((6, 8.0))).part == "seal"
    assert first(moved((6, -8.0))).part == "sensor:ch06"


def test_a_channel_that_stands_still_is_a_stuck_sensor() -> None:
    made = healthy()[0].copy()
    made[ONSET:, 3] = made[ONSET, 3]
    said = first(made)
    assert (said.kind, said.part, said.mode) == (Kind.SENSOR, "sensor:ch03", "stuck")


def test_a_machine_that_stands_still_is_no_stuck_sensor() -> None:
    made = healthy()[0].copy()
    made[ONSET:] = made[ONSET]
    assert all(said is None or said.mode != "stuck" for said in advised(made))


def test_a_channel_that_grows_rough_alone_is_a_noisy_sensor() -> None:
    made, scale = healthy()[0].copy(), healthy()[1]
    made[ONSET:, 7] += 8 * scale[7] * np.random.default_rng(3).normal(size=BEHIND)
    said = first(made)
    assert (said.kind, said.part, said.mode) == (Kind.SENSOR, "sensor:ch07", "noise")


def test_channels_that_grow_rough_together_are_the_mode_that_says_so() -> None:
    made, scale = healthy()[0].copy(), healthy()[1]
    made[ONSET:, 4:6] += 8 * scale[4:6] * np.random.default_rng(3).normal(size=(BEHIND, 2))
    assert first(made).part == "foot"


def test_single_rows_that_jump_are_a_spiking_sensor_though_the_state_stays_normal() -> None:
    made, scale = healthy()[0].copy(), healthy()[1]
    made[ONSET::7, 2] += 40 * scale[2]
    said = first(made)
    assert (said.kind, said.part, said.mode) == (Kind.SENSOR, "sensor:ch02", "spike")


def test_a_channel_without_values_is_a_sensor_that_drops_out() -> None:
    made = healthy()[0].copy()
    made[ONSET::2, 5] = np.nan
    said = first(made)
    assert (said.kind, said.part, said.mode) == (Kind.SENSOR, "sensor:ch05", "dropout")


def test_what_comes_back_is_suspected_no_more() -> None:
    made = healthy()[0].copy()
    made[ONSET : ONSET + 80, 5] = np.nan
    assert advised(made)[-1] is None


def test_channels_that_fall_silent_together_are_the_wire() -> None:
    made = healthy()[0].copy()
    made[ONSET:, :4] = np.nan
    said = first(made)
    assert (said.kind, said.part) == (Kind.COMMUNICATION, "communication")
    assert "ch00, ch01, ch02 and ch03" in said.evidence[0]


def test_rows_that_come_and_go_are_the_wire() -> None:
    rows, model = as_rows(healthy()[0]), healthy()[2]
    come = (np.arange(ALL) < ONSET) | (np.arange(ALL) % 10 < 4)
    advisor = Advisor(model, Known(MODES))
    Detector(model, advisor).on_rows(rows.times_ns[come], rows.values[come])
    told = [each.diagnosis for each in advisor.take() if each.time_ns >= ONSET * 10**9]
    assert [each.part for each in told if each] == ["communication"]


def test_modes_that_cannot_be_read_say_where() -> None:
    with pytest.raises(ModesError, match=r"bearing\.signs\.ch00: 'grows' is none of rises"):
        read_modes({"bearing": {"part": "bearing", "signs": {"ch00": "grows"}}})
    with pytest.raises(ModesError, match=r"bearing: a mapping with `part` and `signs`"):
        read_modes({"bearing": {"part": "bearing"}})
    with pytest.raises(ModesError, match=r"bearing\.notice_h: 'soon' is no number of hours"):
        read_modes({"bearing": {"part": "bearing", "signs": {}, "notice_h": "soon"}})


def test_a_command_that_stands_still_is_no_broken_sensor() -> None:
    rows, model = as_rows(healthy()[0].copy()), healthy()[2]
    rows.values[ONSET:, 6] = np.median(rows.values[:, 6])
    said = {}
    for asked in (frozenset[str](), frozenset({"ch06"})):
        advisor = Advisor(model, Known(MODES, asked))
        Detector(model, advisor).on_rows(rows.times_ns, rows.values)
        said[asked] = {each.diagnosis.part for each in advisor.take() if each.diagnosis}
    assert "sensor:ch06" in said[frozenset()]
    assert not any(part.startswith("sensor:") for part in said[frozenset({"ch06"})])


def test_what_a_study_knows_beforehand_is_read_or_refused_by_its_place() -> None:
    known = read_known({"leak": {"part": "seal", "signs": {"ch06": "rises"}}}, {"ch01": "demand", "ch02": "sensor"})
    assert known.signs == {"ch06"}
    assert known.sensorless == {"ch01"}
    assert read_known(None, None) == Known()
    with pytest.raises(ModesError, match=r"signals\.ch01: 'asked' is none of sensor, demand, computed"):
        read_known({}, {"ch01": "asked"})
    with pytest.raises(ModesError, match="signals: a mapping of channel to signal is needed, not list"):
        read_known({}, ["ch01"])


def test_what_types_know_is_theirs_and_a_signal_of_tomorrow_is_a_sensors() -> None:
    spec = {"kind": "measurement", "type": "float64"}
    properties = {"speed": spec | {"signal": "demand"}, "flow": spec, "sum": spec | {"signal": "guessed"}}
    known = known_of_types([AssetType("pump", 3, properties=properties)])
    assert known == {("pump", 3): Known((), frozenset({"speed"}))}


@pytest.mark.parametrize("cut", [ONSET - 300, ONSET + 10, ONSET + 100])
def test_the_state_goes_through_json_and_says_the_same(cut: int) -> None:
    rows, model = as_rows(moved((3, -6.0), (4, 6.0))), healthy()[2]
    whole, before, behind = (Advisor(model, Known(MODES)) for _ in range(3))
    Detector(model, whole).on_rows(rows.times_ns, rows.values)
    detector, other = Detector(model, before), Detector(model, behind)
    detector.on_rows(rows.times_ns[:cut], rows.values[:cut])
    behind.restore(json.loads(json.dumps(before.to_json())))
    other.restore(detector.to_json())
    other.on_rows(rows.times_ns[cut:], rows.values[cut:])
    assert before.take() + behind.take() == whole.take()
    assert behind.to_json() == whole.to_json()


def test_an_older_model_without_habits_is_advised_on_too() -> None:
    model = healthy()[2]
    kept = model.to_json()
    del kept["habits"]
    older = Model.of_json(json.loads(json.dumps(kept)))
    rows = as_rows(moved((0, 4.0), (1, 3.0), (2, -3.0)))
    advisor = Advisor(older, Known(MODES))
    Detector(older, advisor).on_rows(rows.times_ns, rows.values)
    assert "drive-end bearing" in [each.diagnosis.part for each in advisor.take() if each.diagnosis]
