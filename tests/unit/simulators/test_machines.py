"""Every machine that wears: equal runs, equal steps, gradual faults with signs of their own, trips, states."""

import itertools
import json
from functools import cache
from random import Random

import pytest

from penstock.simulators.models.compressor import ScrewCompressor
from penstock.simulators.models.conveyor import Conveyor
from penstock.simulators.models.duty import Duty
from penstock.simulators.models.exchanger import HeatExchanger
from penstock.simulators.models.fan import Fan
from penstock.simulators.models.fault import FaultRequest, Law
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.model import ParameterError
from penstock.simulators.models.pump import CentrifugalPump
from penstock.simulators.models.registry import find_model, model_names
from penstock.simulators.models.world import World
from tests.builders.machines import TESTED_AS_WORKING, Quiet, Signs, machine, means, numbers, run
from tests.builders.simulators import context

SETTLE_s, LOOK_s = 2400, 1200
VELOCITIES = ("velocity_rms_mm_s", "velocity_1x_mm_s", "velocity_2x_mm_s")
ACCELERATIONS = ("acceleration_rms_m_s2", "acceleration_peak_m_s2", "bearing_band_m_s2")
LINES = ("bpfo_m_s2", "bpfi_m_s2", "bsf_m_s2", "ftf_m_s2")
SHAKING = (*VELOCITIES, *ACCELERATIONS, *LINES)
ELECTRIC = ("power_kW", "current_A")
BEARING = Signs(
    up=(*ACCELERATIONS, *LINES, "velocity_rms_mm_s"), follows=("kurtosis", "bearing_temperature_degC", *ELECTRIC)
)
IMBALANCE = Signs(up=("velocity_1x_mm_s", "velocity_rms_mm_s"))

SIGNS: dict[type[WearingMachine], dict[str, Signs]] = {
    CentrifugalPump: {
        "bearing": BEARING,
        "imbalance": IMBALANCE,
        "misalignment": Signs(
            up=("velocity_2x_mm_s", "velocity_rms_mm_s", "velocity_1x_mm_s", "bearing_temperature_degC")
        ),
        "cavitation": Signs(
            up=("bearing_band_m_s2",),
            down=("suction_pressure_bar", "discharge_pressure_bar", "flow_m3h"),
            follows=(*ELECTRIC, "winding_temperature_degC", *SHAKING),
        ),
        "clogging": Signs(
            up=("discharge_pressure_bar",),
            down=("flow_m3h", *ELECTRIC),
            follows=("winding_temperature_degC", *VELOCITIES),
        ),
        "seal-leak": Signs(up=("seal_leakage_l_h",)),
        "winding-heat": Signs(up=("winding_temperature_degC",)),
    },
    Fan: {
        "bearing": BEARING,
        "imbalance": IMBALANCE,
        "belt-wear": Signs(
            up=("belt_temperature_degC", "velocity_rms_mm_s"),
            down=("fan_speed_rpm", "flow_m3h", "fan_pressure_Pa", "power_kW"),
            follows=("filter_dp_Pa", "current_A", "bearing_temperature_degC", *SHAKING),
        ),
        "filter-clogging": Signs(
            up=("filter_dp_Pa", "fan_pressure_Pa"),
            down=("flow_m3h", "power_kW"),
            follows=("current_A", *VELOCITIES),
        ),
    },
    ScrewCompressor: {
        "bearing": BEARING,
        "filter-clogging": Signs(
            up=("load_share_percent",),
            down=("inlet_pressure_mbar",),
            follows=("loaded", "separator_dp_bar", *ELECTRIC),
        ),
        "air-leak": Signs(
            up=("load_share_percent", "power_kW"),
            follows=("loaded", "separator_dp_bar", "inlet_pressure_mbar", "discharge_temperature_degC", "current_A"),
        ),
        "cooler-fouling": Signs(up=("discharge_temperature_degC",)),
        "oil-degradation": Signs(up=("oil_permittivity", "separator_dp_bar")),
        "valve-leak": Signs(up=("power_kW",), follows=("current_A", "discharge_temperature_degC")),
    },
    Conveyor: {
        "bearing": BEARING,
        "belt-slip": Signs(up=("takeup_mm", "drum_temperature_degC"), down=("belt_speed_m_s",)),
        "misalignment": Signs(up=("tracking_mm", "power_kW"), follows=("current_A",)),
        "idler-seizure": Signs(
            up=("power_kW", "current_A", "velocity_rms_mm_s"), follows=("drum_temperature_degC", *VELOCITIES)
        ),
    },
    HeatExchanger: {
        "fouling": Signs(up=("hot_out_degC", "cold_dp_bar"), down=("cold_out_degC",)),
        "tube-leak": Signs(up=("cold_conductivity_uS_cm", "cold_out_flow_m3h"), down=("tank_level_percent",)),
        "pump-wear": Signs(
            up=("hot_out_degC", "cold_out_degC"), down=("cold_flow_m3h", "cold_dp_bar"), follows=("cold_out_flow_m3h",)
        ),
    },
}
KINDS = list(SIGNS)
CASES = [pytest.param(kind, fault, id=f"{kind.__name__}-{fault}") for kind in KINDS for fault in SIGNS[kind]]
SCALES = {"tracking_mm": 20.0, "inlet_pressure_mbar": 10.0, "suction_pressure_bar": 1.0, "loaded": 1.0}
"""What a change is compared with where a sound machine's reading is near zero."""
SEEN, UNSEEN = 0.02, 0.04
"""Shares: a sign moves by more at severity 0.85, everything else by less."""


@cache
def looked_at(kind: type[WearingMachine], fault: str, severity: float) -> dict[str, float]:
    model = machine(kind)
    if fault:
        model.inject(FaultRequest(fault, severity, growth_per_h=0.0))
    run(model, SETTLE_s)
    return means(model, LOOK_s)


def change(kind: type[WearingMachine], fault: str, severity: float) -> dict[str, float]:
    sound, broken = looked_at(kind, "", 0.0), looked_at(kind, fault, severity)
    return {
        name: (broken[name] - sound[name]) / max(abs(sound[name]), SCALES.get(name, 1e-9))
        for name in sound
        if name not in ("running_h",)
    }


def test_every_machine_that_wears_is_tested_here() -> None:
    wearing = {model for name in model_names() if issubclass(model := find_model(name), WearingMachine)}
    assert wearing == set(KINDS) | {find_model(name) for name in TESTED_AS_WORKING}
    for kind in KINDS:
        assert [state.fault for state in machine(kind).faults()] == list(SIGNS[kind])


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_fault_moves_the_channels_that_its_table_says_and_no_others(kind: type[WearingMachine], fault: str) -> None:
    signs, moved = SIGNS[kind][fault], change(kind, fault, 0.85)
    for name in signs.up:
        assert moved[name] > SEEN, name
    for name in signs.down:
        assert moved[name] < -SEEN, name
    strong = {name for name, share in moved.items() if abs(share) > UNSEEN}
    assert strong <= {*signs.up, *signs.down, *signs.follows}


@pytest.mark.parametrize(("kind", "fault"), CASES)
def test_fault_is_gradual(kind: type[WearingMachine], fault: str) -> None:
    signs, early, late = SIGNS[kind][fault], change(kind, fault, 0.4), change(kind, fault, 0.85)
    for name in (*signs.up, *signs.down):
        if name == "kurtosis":
            continue  # single impacts raise it, spread damage lets it fall again
        assert abs(early[name]) < abs(late[name]) or early[name] == pytest.approx(late[name], rel=0.05), name
        assert abs(early[name]) < 0.9 * abs(late[name]) or name in (*ACCELERATIONS, *LINES), name


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_faults_look_alike(kind: type[WearingMachine]) -> None:
    """The direction of what a fault moves most tells it from every other one of the machine."""
    pictures = {}
    for fault, signs in SIGNS[kind].items():
        pictures[fault] = (frozenset(signs.up), frozenset(signs.down))
    assert len(set(pictures.values())) == len(pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_values(kind: type[WearingMachine]) -> None:
    made = [machine(kind, random=Random(seed), wear=1000.0, duty="regimes") for seed in (5, 5, 6)]
    for model in made:
        run(model, 900)
    one, two, other = (model.outputs() for model in made)
    assert one == two
    assert one != other
    assert made[0].hidden() == made[1].hidden()
    assert set(one) == set(kind.OUTPUTS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("coarse_s", [1.0, 5.0])
def test_steps_of_a_tenth_and_coarse_ones_agree(kind: type[WearingMachine], coarse_s: float) -> None:
    """Without noise; while faults grow by each law."""
    ends = []
    for dt_s in (0.1, coarse_s):
        model = machine(kind, wear=2000.0)
        for number, state in enumerate(model.faults()):
            law = list(Law)[number % 3]
            model.inject(FaultRequest(state.fault, 0.1, growth_per_h=0.4, onset_s=100.0 * number, law=law))
        run(model, 600, dt_s=dt_s)
        ends.append((means(model, 1200, dt_s=dt_s), {state.fault: state.severity for state in model.faults()}))
    (fine, fine_severity), (coarse, coarse_severity) = ends
    assert coarse_severity == pytest.approx(fine_severity, abs=0.01)
    for name, value in fine.items():
        assert coarse[name] == pytest.approx(value, rel=0.04, abs=0.04 * SCALES.get(name, 0.0)), name


@pytest.mark.parametrize("kind", KINDS)
def test_machine_that_failed_trips_stands_and_runs_after_its_repair(kind: type[WearingMachine]) -> None:
    model = machine(kind)
    run(model, 300)
    assert model.outputs()["running"]
    for fault in SIGNS[kind]:
        model.inject(FaultRequest(fault, 1.0))
        run(model, 120)
        assert model.hidden().failed == fault
        assert model.outputs()["trip"]
        assert not model.outputs()["running"]
        model.repair(fault)
        run(model, 120)
        assert model.outputs()["trip"] == ""
        assert model.outputs()["running"]


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_machine_does_not_wear_and_a_quick_one_fails_and_is_repaired(kind: type[WearingMachine]) -> None:
    sound = machine(kind)
    run(sound, 1200)
    assert all(state.severity == 0.0 for state in sound.faults())
    quick = machine(kind, wear=30_000.0, repair_after_h=0.05)
    actions = set()
    for _ in range(3600):
        quick.step(1.0)
        actions |= {event.action for event in quick.take_events()}
    assert actions == {"onset", "failure", "repair"}


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_json_and_is_taken_up(kind: type[WearingMachine]) -> None:
    model, again = (machine(kind, random=Random(3), wear=3000.0) for _ in range(2))
    run(model, 900)
    model.inject(FaultRequest(next(iter(SIGNS[kind])), 0.3, law=Law.GAMMA))
    run(model, 60)
    again.load(json.loads(json.dumps(model.save())))
    assert again.save() == model.save()
    assert again.faults() == model.faults()
    for both in (model, again):
        run(both, 300)
    assert [one.severity for one in again.faults()] == pytest.approx([one.severity for one in model.faults()], abs=0.05)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_name_their_units_and_no_tag_has_a_severity(kind: type[WearingMachine]) -> None:
    units = ("degC", "rpm", "kW", "m", "bar", "percent", "N", "m_s", "m3h", "m3_min", "kW_K", "mm", "l_h", "h")
    model = machine(kind)
    run(model, 10)
    hidden = model.hidden()
    assert hidden.states
    assert all(name.endswith(tuple(f"_{unit}" for unit in units)) for name in hidden.states), hidden.states
    assert all(isinstance(value, float) for value in hidden.states.values())
    assert not any(word in name for name in numbers(model.outputs()) for word in ("severity", "fault", "wear"))


@pytest.mark.parametrize("kind", KINDS)
def test_machine_speaks_before_its_first_step(kind: type[WearingMachine]) -> None:
    model = machine(kind)
    assert not model.outputs()["running"]
    assert set(model.outputs()) == set(kind.OUTPUTS)
    assert model.hidden().failed == ""


@pytest.mark.parametrize("kind", KINDS)
def test_warm_air_is_felt(kind: type[WearingMachine]) -> None:
    warm = World(air_degC={"hall": 38.0})
    hot, cool = machine(kind, world=warm, hall="hall"), machine(kind)
    differs = set()
    for model in (hot, cool):
        run(model, 3600)
    one, two = numbers(hot.outputs()), numbers(cool.outputs())
    differs = {name for name in one if name.endswith("_degC") and one[name] > two[name] + 5}
    assert differs


def test_duty_follows_the_hours_of_a_week() -> None:
    """2026-11-23 was a Monday."""
    monday_ns, hour_ns = 1_795_392_000 * 10**9, 3600 * 10**9
    world = World()
    ask = context("dut", world=world, duty="shifts")
    duty = Duty(type(ask)(ask.device, ask.parameters, Quiet(1), world))

    def at(day: int, hour: int) -> float:
        world.now_ns = monday_ns + (24 * day + hour) * hour_ns
        return duty.step(1.0)

    assert [at(0, hour) for hour in (0, 5, 6, 13, 14, 21, 22)] == [0.4, 0.4, 1.0, 1.0, 0.9, 0.9, 0.4]
    assert at(4, 10) == 1.0
    assert [at(5, 10), at(5, 23)] == [0.5, 0.2]
    assert at(6, 10) == 0.0
    assert at(7, 10) == 1.0


def test_regimes_come_by_chance_and_hold_for_their_mean() -> None:
    ask = context("dut", duty="regimes", regime_h=0.5)
    duty = Duty(type(ask)(ask.device, ask.parameters, Quiet(7), World()))
    levels = [duty.step(10.0) for _ in range(360 * 200)]
    changes = sum(a != b for a, b in itertools.pairwise(levels))
    assert set(levels) == {1.0, 0.8, 0.6, 0.35}
    assert changes == pytest.approx(400, rel=0.2)
    with pytest.raises(ParameterError, match="one of: steady, shifts, regimes"):
        Duty(context("dut", duty="always"))


def test_machine_rests_on_sunday_and_does_not_wear_then() -> None:
    sunday = World(now_ns=(1_795_392_000 + 6 * 86_400 + 36_000) * 10**9)
    fan = machine(Fan, world=sunday, duty="shifts", wear=1000.0)
    run(fan, 1800)
    assert not fan.outputs()["running"]
    assert all(state.severity == 0.0 for state in fan.faults())
    assert numbers(fan.outputs())["running_h"] < 0.05
