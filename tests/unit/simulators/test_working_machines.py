"""Machines that work in cycles, in wind, under control or in a line: signs of faults, trips, equal runs, states."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any

import pytest

from penstock.simulators.models.cnc import CncSpindle
from penstock.simulators.models.energy import EnergyMeter
from penstock.simulators.models.fault import FaultRequest, Law
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.filling import FillingLine
from penstock.simulators.models.moulding import InjectionMoulding
from penstock.simulators.models.registry import find_model
from penstock.simulators.models.tank import LevelTank
from penstock.simulators.models.turbine import WindTurbine
from penstock.simulators.models.welding import WeldingRobot
from penstock.simulators.models.world import World
from tests.builders.machines import TESTED_AS_WORKING, Signs, machine, numbers, run
from tests.builders.shifts import Look, When, look, shifts

LINES = ("bpfo_m_s2", "bpfi_m_s2", "bsf_m_s2", "ftf_m_s2")
ACCELERATIONS = ("acceleration_rms_m_s2", "acceleration_peak_m_s2", "bearing_band_m_s2", "kurtosis")
VELOCITIES = ("velocity_rms_mm_s", "velocity_1x_mm_s", "velocity_2x_mm_s")
VALVE = ("valve_command_percent", "valve_position_percent")
PITCHES = ("pitch_demand_deg", "pitch_1_deg", "pitch_2_deg", "pitch_3_deg")
COUNTERS = frozenset({"part_count", "good_count", "reject_count", "batch", "energy_kWh", "outflow_total_m3"})
CLOCKS = frozenset({"running_h", "tool_cut_min", "tip_arc_h"})


def always(_: object) -> bool:
    return True


@dataclass(frozen=True)
class Case:
    """Say how a kind is looked at, and what each of its faults must show."""

    signs: Mapping[str, Signs]
    given: Mapping[str, Any] = field(default_factory=dict)
    settle_s: int = 1200
    look_s: int = 900
    when: When = always
    scales: Mapping[str, float] = field(default_factory=dict)


CASES: dict[type[WearingMachine], Case] = {
    CncSpindle: Case(
        {
            "tool-wear": Signs(
                up=("spindle_power_kW", "spindle_load_percent", "velocity_rms_mm_s", "probe_deviation_um")
            ),
            "spindle-bearing": Signs(
                up=(*ACCELERATIONS, "velocity_rms_mm_s", "bearing_temperature_degC"),
                down=("probe_deviation_um",),
                follows=(*LINES, "spindle_power_kW", "spindle_load_percent"),
            ),
            "holder-imbalance": Signs(up=("velocity_1x_mm_s", "velocity_rms_mm_s")),
            "coolant-clogging": Signs(up=("coolant_pressure_bar",), down=("coolant_flow_l_min",)),
            "drawbar": Signs(down=("clamp_force_kN",)),
        },
        {"tool_pace": 0, "tool_life_min": 1000},
        when=lambda outputs: outputs["cutting"],
        scales={"probe_deviation_um": 4.0},
    ),
    WeldingRobot: Case(
        {
            "contact-tip": Signs(
                up=("current_ripple_A", "arc_failures", "cycle_time_s"), down=("current_A",), follows=("power_kW",)
            ),
            "liner-clogging": Signs(
                up=("wire_motor_A",),
                down=("wire_feed_m_min", "current_A"),
                follows=("power_kW", "cooling_return_temperature_degC"),
            ),
            "joint-backlash": Signs(up=("following_error_mm", "torque_ripple_percent")),
            "cooling-clogging": Signs(up=("cooling_return_temperature_degC",), down=("cooling_flow_l_min",)),
        },
        {"tip_pace": 0, "tip_life_h": 100},
        settle_s=1500,
        look_s=1200,
        when=lambda outputs: outputs["arc"],
        scales={"arc_failures": 2.0, "cycle_time_s": 0.2},
    ),
    InjectionMoulding: Case(
        {
            "check-valve": Signs(up=("reject_count",), down=("cushion_mm", "part_weight_g")),
            "heater-band": Signs(
                up=("heater_2_percent", "injection_pressure_bar"),
                down=("zone_2_temperature_degC", "melt_temperature_degC"),
                follows=("heater_1_percent", "heater_3_percent", "ejection_temperature_degC"),
            ),
            "hydraulic-leak": Signs(
                up=("injection_time_s", "cycle_time_s", "oil_temperature_degC"),
                down=("injection_pressure_bar", "clamp_force_kN"),
                follows=("mould_temperature_degC", "ejection_temperature_degC", "power_kW"),
            ),
            "mould-scaling": Signs(
                up=("mould_temperature_degC", "ejection_temperature_degC"), down=("cooling_flow_l_min",)
            ),
        },
        settle_s=4800,
        when=lambda outputs: outputs["phase"] == "cooling",
        scales={"part_weight_g": 0.4, "reject_count": 3.0},
    ),
    LevelTank: Case(
        {
            "valve-sticking": Signs(up=("valve_deviation_percent", "level_error_m"), follows=("balance_m3h",)),
            "leak": Signs(
                up=("balance_m3h", "inflow_m3h", *VALVE),
                down=("supply_pressure_bar",),
                follows=("level_m", "level_error_m", "power_kW", "valve_deviation_percent", "outflow_m3h"),
            ),
            "pump-wear": Signs(up=VALVE, down=("supply_pressure_bar",), follows=("power_kW",)),
            "inlet-fouling": Signs(up=VALVE),
            "outlet-blocked": Signs(
                down=("outflow_m3h", "inflow_m3h", *VALVE),
                follows=("supply_pressure_bar", "power_kW", "valve_deviation_percent"),
            ),
        },
        settle_s=2400,
        look_s=2400,
        scales={"level_error_m": 0.02, "valve_deviation_percent": 2.0, "balance_m3h": 1.0},
    ),
    WindTurbine: Case(
        {
            "gearbox-bearing": Signs(
                up=(*ACCELERATIONS, "oil_particles_per_min", "velocity_rms_mm_s", "gearbox_bearing_temperature_degC"),
                follows=("oil_temperature_degC", *LINES),
            ),
            "main-bearing": Signs(up=("main_bearing_temperature_degC",)),
            "pitch-sticking": Signs(up=("pitch_deviation_deg",), follows=("tower_acceleration_m_s2", *PITCHES)),
            "winding-heat": Signs(up=("winding_temperature_degC",)),
            "icing": Signs(up=("tower_acceleration_m_s2",), down=("pitch_demand_deg",), follows=PITCHES),
        },
        {"wind_mean_m_s": 16, "wind_spread_m_s": 0},
        settle_s=1500,
        look_s=600,
        scales={"pitch_deviation_deg": 0.2},
    ),
    FillingLine: Case(
        {
            "nozzle-clogging": Signs(up=("reject_count",), down=("nozzle_low_ml",)),
            "sealer-heater": Signs(
                up=("sealer_heater_percent", "seal_leak_mbar", "reject_count"),
                down=("sealer_temperature_degC",),
                follows=("power_kW",),
            ),
            "jaw-wear": Signs(up=("seal_leak_mbar", "reject_count")),
        },
        settle_s=1800,
        look_s=1800,
        when=lambda outputs: outputs["state_name"] == "EXECUTE",
        scales={"nozzle_low_ml": 1.5, "reject_count": 40.0, "fill_volume_ml": 2.0},
    ),
    EnergyMeter: Case(
        {
            "phase-loss": Signs(up=(), down=("voltage_l2_V", "voltage_V", "power_kW")),
            "ct-fault": Signs(up=(), down=("current_l3_A", "current_A", "power_kW")),
        },
        {"base_load_kW": 40},
        settle_s=60,
        look_s=300,
    ),
}
KINDS = list(CASES)
FAULTS = [pytest.param(kind, fault, id=f"{kind.__name__}-{fault}") for kind in KINDS for fault in CASES[kind].signs]


@cache
def looked_at(kind: type[WearingMachine], fault: str, severity: float) -> Look:
    case = CASES[kind]
    model = machine(kind, **case.given)
    if fault:
        model.inject(FaultRequest(fault, severity, growth_per_h=0.0))
    run(model, case.settle_s)
    return look(model, case.look_s, when=case.when)


def moved(kind: type[WearingMachine], fault: str, severity: float) -> dict[str, float]:
    return shifts(looked_at(kind, "", 0.0), looked_at(kind, fault, severity), scales=CASES[kind].scales)


def test_every_machine_that_works_is_tested_here() -> None:
    assert {find_model(name) for name in TESTED_AS_WORKING} == set(KINDS)
    for kind in KINDS:
        assert [state.fault for state in machine(kind).faults()] == list(CASES[kind].signs)


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_fault_moves_the_channels_that_its_table_says_and_no_others(kind: type[WearingMachine], fault: str) -> None:
    signs, found = CASES[kind].signs[fault], moved(kind, fault, 0.85)
    assert {name: found[name] for name in signs.up if found[name] < 1.0} == {}
    assert {name: found[name] for name in signs.down if found[name] > -1.0} == {}
    allowed = {*signs.up, *signs.down, *signs.follows, *COUNTERS, *CLOCKS}
    assert {name: far for name, far in found.items() if abs(far) >= 1.0 and name not in allowed} == {}


@pytest.mark.parametrize(("kind", "fault"), FAULTS)
def test_fault_is_gradual(kind: type[WearingMachine], fault: str) -> None:
    """Of what it moves most there is less at 0.4; kurtosis falls again where damage has spread."""
    signs, early, late = CASES[kind].signs[fault], moved(kind, fault, 0.4), moved(kind, fault, 0.85)
    first = max((*signs.up, *signs.down), key=lambda name: abs(late[name]) * (name != "kurtosis"))
    assert abs(early[first]) < 0.95 * abs(late[first]), first
    assert any(0.05 * abs(late[name]) < abs(early[name]) for name in (*signs.up, *signs.down))


@pytest.mark.parametrize("kind", KINDS)
def test_no_two_faults_look_alike(kind: type[WearingMachine]) -> None:
    pictures = [(frozenset(signs.up), frozenset(signs.down)) for signs in CASES[kind].signs.values()]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_seeds_give_equal_values(kind: type[WearingMachine]) -> None:
    made = [machine(kind, random=Random(seed), wear=1000.0) for seed in (5, 5, 6)]
    for model in made:
        run(model, 600)
    one, two, other = (model.outputs() for model in made)
    assert one == two
    assert one != other
    assert made[0].hidden() == made[1].hidden()
    assert set(one) == set(kind.OUTPUTS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("coarse_s", [1.0, 5.0])
def test_steps_of_a_tenth_and_coarse_ones_agree(kind: type[WearingMachine], coarse_s: float) -> None:
    """Without noise, while faults grow by each law; parts and bottles are the same, one more or less at the end."""
    ends = []
    for dt_s in (0.1, coarse_s):
        model = machine(kind, wear=2000.0)
        for number, state in enumerate(model.faults()):
            law = list(Law)[number % 3]
            model.inject(FaultRequest(state.fault, 0.1, growth_per_h=0.3, onset_s=60.0 * number, law=law))
        run(model, 200, dt_s=dt_s)
        seen = look(model, 1000, when=always, dt_s=dt_s, every_s=5.0)
        ends.append((seen, {state.fault: state.severity for state in model.faults()}))
    (fine, fine_severity), (coarse, coarse_severity) = ends
    assert coarse_severity == pytest.approx(fine_severity, abs=0.02)
    for name, (mean, _) in fine.items():
        scale = CASES[kind].scales.get(name, 0.0)
        assert coarse[name][0] == pytest.approx(mean, rel=0.05, abs=max(0.1, scale / 2)), name


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not EnergyMeter])
def test_machine_that_failed_trips_stands_and_runs_after_its_repair(kind: type[WearingMachine]) -> None:
    model = machine(kind, **CASES[kind].given)
    run(model, 300)
    for fault in CASES[kind].signs:
        before = worked(model)
        model.inject(FaultRequest(fault, 1.0))
        run(model, 100)
        assert model.hidden().failed == fault
        assert model.outputs()["trip"]
        stood = worked(model)
        run(model, 600)
        assert worked(model) == stood
        model.repair(fault)
        run(model, 600)
        assert model.outputs()["trip"] == ""
        assert worked(model) > stood >= before


def worked(model: WearingMachine) -> float:
    """Give something that rises only while the machine works."""
    found = numbers(model.outputs())
    for name in ("part_count", "energy_kWh"):
        if name in found:
            return found[name]
    return found["good_count"] + found["reject_count"] if "good_count" in found else found["outflow_total_m3"]


def test_meter_that_lost_a_phase_counts_the_others_and_reads_nothing_while_it_is_replaced() -> None:
    meter = machine(EnergyMeter, base_load_kW=30)
    run(meter, 60)
    meter.inject(FaultRequest("phase-loss", 1.0))
    run(meter, 10)
    seen = meter.outputs()
    assert seen["trip"] == "phase L2 missing"
    assert numbers(seen)["power_kW"] == pytest.approx(meter.hidden().states["true_power_kW"] * 2 / 3, rel=0.01)
    meter.repair("phase-loss")
    run(meter, 10)
    assert set(meter.outputs().values()) == {None, ""}
    run(meter, 20)
    assert numbers(meter.outputs())["power_kW"] == pytest.approx(meter.hidden().states["true_power_kW"])


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_machine_does_not_wear_but_for_its_consumables(kind: type[WearingMachine]) -> None:
    sound = machine(kind)
    assert set(sound.outputs()) == set(kind.OUTPUTS)
    run(sound, 600)
    assert {state.fault for state in sound.faults() if state.severity > 0.0} <= {"tool-wear", "contact-tip"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not EnergyMeter])
def test_quick_machine_wears_fails_and_is_repaired_and_its_values_stay_finite(kind: type[WearingMachine]) -> None:
    quick = machine(kind, random=Random(4), wear=30_000.0, repair_after_h=0.05)
    actions = set()
    for second in range(4500):
        quick.step(1.0)
        actions |= {event.action for event in quick.take_events()}
        if second % 9 == 0:
            assert all(math.isfinite(value) for value in numbers(quick.outputs()).values())
    assert actions == {"onset", "failure", "repair"}


@pytest.mark.parametrize("kind", KINDS)
def test_state_is_json_and_is_taken_up(kind: type[WearingMachine]) -> None:
    model, again = (machine(kind, random=Random(3), wear=3000.0) for _ in range(2))
    run(model, 700)
    model.inject(FaultRequest(next(iter(CASES[kind].signs)), 0.3, law=Law.GAMMA))
    run(model, 60)
    again.load(json.loads(json.dumps(model.save())))
    assert again.save() == model.save()
    assert again.faults() == model.faults()
    for both in (model, again):
        run(both, 120)
    assert worked(again) == pytest.approx(worked(model), rel=0.05, abs=3.0)
    again.load({})


@pytest.mark.parametrize("kind", KINDS)
def test_no_tag_tells_the_truth(kind: type[WearingMachine]) -> None:
    model = machine(kind)
    run(model, 10)
    assert model.hidden().states
    assert all(isinstance(value, float) for value in model.hidden().states.values())
    names = {*model.outputs(), *CASES[kind].signs}
    assert not any(word in name for name in model.outputs() for word in ("severity", "fault", "wear", "hidden")), names


@pytest.mark.parametrize(
    ("kind", "channel"),
    [
        (CncSpindle, "bearing_temperature_degC"),
        (WeldingRobot, "joint_temperature_degC"),
        (InjectionMoulding, "oil_temperature_degC"),
        (LevelTank, "temperature_degC"),
        (WindTurbine, "oil_temperature_degC"),
    ],
)
def test_warm_air_is_felt(kind: type[WearingMachine], channel: str) -> None:
    hot, cool = machine(kind, world=World(air_degC={"hall": 38.0}), hall="hall"), machine(kind)
    for model in (hot, cool):
        run(model, 1800)
    assert numbers(hot.outputs())[channel] > numbers(cool.outputs())[channel] + 4.0


@pytest.mark.parametrize("kind", [CncSpindle, WeldingRobot, InjectionMoulding, FillingLine])
def test_less_is_made_at_night_and_nothing_on_sunday(kind: type[WearingMachine]) -> None:
    """2026-11-23 was a Monday."""
    monday_ns, hour_ns = 1_795_392_000 * 10**9, 3600 * 10**9
    made = []
    for hours in (10, 2, 6 * 24 + 10):
        model = machine(kind, world=World(now_ns=monday_ns + hours * hour_ns), duty="shifts")
        run(model, 1800)
        made.append(worked(model))
    day, night, sunday = made
    assert night == pytest.approx(0.4 * day, abs=max(2.0, 0.06 * day))
    assert sunday == 0.0
