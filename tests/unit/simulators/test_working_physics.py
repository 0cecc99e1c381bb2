"""Steady figures of machines in cycles, in wind and under control against hands; the formulas stand in their files."""

import math
import statistics

import pytest

from penstock.simulators.models.cnc import CncSpindle
from penstock.simulators.models.cutting import cutting_kW, flank_wear_mm, spindle_rpm, tool_life_min
from penstock.simulators.models.cycle import Cycle
from penstock.simulators.models.energy import EnergyMeter
from penstock.simulators.models.fault import FaultRequest
from penstock.simulators.models.filling import FillingLine
from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.moulding import InjectionMoulding
from penstock.simulators.models.tank import LevelTank
from penstock.simulators.models.turbine import WindTurbine
from penstock.simulators.models.welding import WeldingRobot, current_A
from penstock.simulators.models.wind import air_density_kg_m3, power_coefficient
from penstock.simulators.models.world import World
from tests.builders.machines import Quiet, machine, means, numbers, run
from tests.builders.shifts import look


def test_power_of_a_cut_by_kienzle() -> None:
    """180 m/min on 20 mm: 2865 rpm, 4 · 0.1 mm: 1146 mm/min; 2220 · 0.0707^−0.14 = 3217 N/mm² on 5 · 10 mm: 3.07 kW."""
    assert spindle_rpm(180.0) == pytest.approx(2864.8, abs=0.1)
    assert cutting_kW("housing", 1.0, flank_mm=0.0) == pytest.approx(5 * 10 * 1145.9 * 3217 / 6e7, rel=1e-3)
    assert cutting_kW("housing", 0.5, flank_mm=0.3) == pytest.approx(0.5 * 1.36 * 3.072, rel=1e-3)


def test_tool_life_by_taylor_and_flank_wear_at_its_end() -> None:
    """(350 / 180)^4 = 14.30 min, (350 / 200)^4 = 9.38 min; 0.3 mm of flank wear at the end (ISO 8688-2)."""
    assert tool_life_min(180.0) == pytest.approx(14.30, abs=0.01)
    assert tool_life_min(200.0) == pytest.approx(9.38, abs=0.01)
    assert flank_wear_mm(1.0) == pytest.approx(0.30, abs=1e-6)
    assert flank_wear_mm(0.0) == 0.0


def test_spindle_wears_its_tool_out_after_taylors_minutes_of_cut() -> None:
    spindle = machine(CncSpindle, tool_life_min=100)
    minutes = 0.0
    while not spindle.outputs()["trip"]:
        spindle.step(1.0)
        minutes = max(minutes, numbers(spindle.outputs())["tool_cut_min"])
    assert minutes == pytest.approx(14.3, abs=0.2)
    assert spindle.outputs()["trip"] == "spindle load high"


def test_control_changes_the_tool_by_its_plan_and_the_truth_notes_it() -> None:
    """11 min of cut at 65 s a part: after the eleventh part; 20 s of standstill each time."""
    spindle = machine(CncSpindle)
    run(spindle, 2.5 * 11 * 85)
    events = [(event.action, event.fault) for event in spindle.take_events()]
    assert events.count(("repair", "tool-wear")) == 2
    assert ("failure", "tool-wear") not in events
    assert spindle.outputs()["trip"] == ""
    assert numbers(spindle.outputs())["tool_cut_min"] < 7.0


def test_spindle_draws_cut_and_idle_power_in_its_phases() -> None:
    """Roughing: 3.072 / 0.85 + 0.45 + 0.15 kW; parts every 85 s."""
    spindle = machine(CncSpindle, tool_pace=0, tool_life_min=1e4)
    run(spindle, 8.5 * 85)
    roughing = look(spindle, 170, when=lambda outputs: numbers(outputs)["spindle_power_kW"] > 2.0, every_s=1.0)
    assert roughing["spindle_power_kW"][0] == pytest.approx(3.072 / 0.85 + 0.6, rel=0.04)
    assert numbers(spindle.outputs())["cycle_time_s"] == pytest.approx(85.0)
    assert numbers(spindle.outputs())["part_count"] == 10


def test_phases_end_between_steps() -> None:
    lengths = {"waiting": 0.0, "cut": 1.25, "unload": 0.5}
    cycle = Cycle(("waiting", "cut", "unload"), lengths.__getitem__)
    pieces = [piece for _ in range(7) for piece in cycle.step(1.0)]
    assert sum(spent for phase, spent, _ in pieces if phase == "cut") == pytest.approx(4 * 1.25)
    assert sum(ended for phase, _, ended in pieces if phase == "unload") == 4
    assert sum(spent for _, spent, _ in pieces) == pytest.approx(7.0)


def test_wander_keeps_its_spread_and_does_not_depend_on_steps() -> None:
    fine, coarse = Wander(Quiet(7), 0.0, 10.0), Wander(Quiet(7), 2.0, 10.0)
    assert fine.step(0.1) == 0.0
    one, two = Wander(Quiet(7), 2.0, 10.0), coarse
    for _ in range(500):
        for _ in range(10):
            one.step(0.1)
        two.step(1.0)
        assert one.value == pytest.approx(two.value, abs=1e-6)
    long = Wander(Quiet(3), 2.0, 10.0)
    assert statistics.stdev(long.step(1.0) for _ in range(40_000)) == pytest.approx(2.0, rel=0.1)


def test_current_melts_the_wire_as_quick_as_it_comes() -> None:
    """Lesnewich: 0.3 · 250 + 5e-5 · 15 · 250² = 121.9 mm/s = 7.31 m/min; 14 + 0.05 · 250 = 26.5 V."""
    assert current_A(121.875 * 0.06, 15.0) == pytest.approx(250.0)
    robot = machine(WeldingRobot, tip_pace=0, tip_life_h=1e3)
    run(robot, 300)
    arc = look(robot, 600, when=lambda outputs: outputs["arc"])
    assert arc["current_A"][0] == pytest.approx(250.0, rel=0.02)
    assert arc["voltage_V"][0] == pytest.approx(26.5, abs=0.1)


def test_torch_water_takes_a_share_of_the_arc() -> None:
    """0.08 · 250 A · 26.5 V = 0.53 kW into 2 l/min: 0.53 · 60 / (2 · 4.18) = 3.8 K; at 0.4 l/min (severity 1) 19 K."""
    robot = machine(WeldingRobot, tip_pace=0)
    assert isinstance(robot, WeldingRobot)
    rises = []
    for severity in (0.0, 0.999):
        if severity:
            robot.inject(FaultRequest("cooling-clogging", severity, growth_per_h=0.0))
        robot.step(1.0)
        robot.pass_time("seam_1", 3600.0)
        rises.append(robot.torch_K)
    assert rises == pytest.approx([3.8, 19.0], rel=0.03)


def test_worn_tip_takes_current_at_the_same_feed() -> None:
    """L = 21 mm: 0.3 I + 1.05e-3 I² = 121.9 → 226.8 A."""
    assert current_A(121.875 * 0.06, 21.0) == pytest.approx(226.7, abs=0.3)


def test_moulding_machine_fills_holds_and_cools() -> None:
    """60 mm at 50 mm/s: 1.2 s; 2.2 + 1.2 + 5 + 12 + 2.2 = 22.6 s; 850 bar; 84 g; cushion 8 mm."""
    press = machine(InjectionMoulding)
    run(press, 4800)
    seen = numbers(press.outputs())
    assert seen["injection_time_s"] == pytest.approx(1.2, rel=0.01)
    assert seen["cycle_time_s"] == pytest.approx(22.6, rel=0.01)
    assert seen["injection_pressure_bar"] == pytest.approx(850, rel=0.02)
    assert seen["part_weight_g"] == pytest.approx(84.0, abs=0.3)
    assert seen["cushion_mm"] == pytest.approx(8.0, abs=0.3)
    assert [seen[f"zone_{zone}_temperature_degC"] for zone in (1, 2, 3)] == pytest.approx([200, 220, 230], abs=0.2)


def test_plate_cools_by_ballman_and_shusman() -> None:
    """17 s, s = 2.5 mm, a = 0.09: e^(−2.416) = 0.0893; T_e = T_w + 1.273 · (234 − T_w) · 0.0893."""
    press = machine(InjectionMoulding)
    run(press, 4800)
    seen = numbers(press.outputs())
    wall = seen["mould_temperature_degC"]
    assert seen["ejection_temperature_degC"] == pytest.approx(wall + 1.273 * (234 - wall) * 0.0893, abs=1.2)


def test_middle_zone_of_the_barrel_holds_its_balance() -> None:
    """Zone 2: 0.35 + 0.009 · (220 − 20) + 0.02 · (440 − 430) = 2.35 kW of 4.5; half the band broken: of 2.475."""
    press = machine(InjectionMoulding)
    run(press, 4800)
    assert numbers(press.outputs())["heater_2_percent"] == pytest.approx(100 * 2.35 / 4.5, rel=0.02)
    press.inject(FaultRequest("heater-band", 0.5, growth_per_h=0.0))
    run(press, 4800)
    assert numbers(press.outputs())["heater_2_percent"] == pytest.approx(100 * 2.35 / 2.475, rel=0.02)


def test_tank_settles_at_its_setpoint_where_valve_and_pump_meet() -> None:
    """20 m³/h against 3 − (20 / 30)² = 2.556 bar: Kv = 12.51; x = 1 + ln(12.51 / 32) / ln 30 = 0.724."""
    tank = machine(LevelTank)
    assert isinstance(tank, LevelTank)
    assert tank._opening_for(20.0) == pytest.approx(0.7238, abs=1e-3)
    seen = {}
    run(tank, 2400)
    seen = means(tank, 3600)
    assert seen["level_m"] == pytest.approx(2.0, abs=0.01)
    assert seen["supply_pressure_bar"] == pytest.approx(3.0 - (seen["inflow_m3h"] / 30.0) ** 2, abs=0.01)
    assert seen["valve_command_percent"] == pytest.approx(100 * tank._opening_for(seen["inflow_m3h"]), abs=1.0)


def test_leak_by_torricelli_is_what_the_balance_shows() -> None:
    """Half of 25 cm² · 0.61 · √(2 g 2 m) = 4.776 l/s = 17.2 m³/h; less where the level has fallen."""
    tank = machine(LevelTank, rated_flow_m3h=10)
    tank.inject(FaultRequest("leak", 0.5, growth_per_h=0.0))
    run(tank, 2400)
    seen = means(tank, 1200)
    expected = 3600 * 0.61 * 12.5e-4 * math.sqrt(2 * 9.81 * seen["level_m"])
    assert expected == pytest.approx(17.2, abs=0.3)
    assert seen["balance_m3h"] == pytest.approx(expected, rel=0.01)


def test_valve_that_sticks_swings_the_level_in_a_saw() -> None:
    tank = machine(LevelTank)
    tank.inject(FaultRequest("valve-sticking", 0.5, growth_per_h=0.0))
    run(tank, 3600)
    crossings, above = 0, True
    for _ in range(3600):
        tank.step(1.0)
        now = numbers(tank.outputs())["level_m"] > 2.0
        crossings += now != above
        above = now
    assert 3 <= crossings <= 60


def test_rotor_by_slootweg_and_air_by_the_gas_law() -> None:
    """Best 0.441 at λ = 6.91; 101325 / (287.05 · 288.15) = 1.225 kg/m³; pitch takes power away."""
    best = max((power_coefficient(step / 100, 0.0), step / 100) for step in range(300, 1200))
    assert best == pytest.approx((0.441, 6.91), abs=0.01)
    assert air_density_kg_m3(15.0) == pytest.approx(1.225, abs=1e-3)
    assert power_coefficient(5.0, 10.0) < power_coefficient(5.0, 5.0) < power_coefficient(5.0, 0.0)


@pytest.mark.parametrize(("wind", "power_kW"), [(6.0, 0.430), (8.0, 1.018), (16.0, None)])
def test_turbine_follows_its_power_curve(wind: float, power_kW: float | None) -> None:
    """Below rated: 0.93 · 0.441 · ½ · 1.204 · π 40² · v³ = 0.268 MW at 6 m/s, 0.636 at 8; above: 2 MW and 18 rpm."""
    turbine = machine(WindTurbine, wind_mean_m_s=wind, wind_spread_m_s=0, turbulence=0)
    run(turbine, 1200)
    seen = means(turbine, 300)
    if power_kW is None:
        assert seen["power_kW"] == pytest.approx(2000, rel=0.002)
        assert seen["rotor_speed_rpm"] == pytest.approx(18.0, abs=0.05)
        assert seen["pitch_2_deg"] > 5.0
    else:
        expected = 0.93 * 0.441 * 0.5 * 1.204 * math.pi * 1600 * wind**3 / 1000
        assert seen["power_kW"] == pytest.approx(expected, rel=0.02)
        assert seen["rotor_speed_rpm"] == pytest.approx(6.91 * wind / 40 * 30 / math.pi, rel=0.02)
        assert seen["generator_speed_rpm"] == pytest.approx(84 * seen["rotor_speed_rpm"], rel=1e-6)


def test_turbine_heats_its_oil_and_winding_at_rated_power() -> None:
    """Nacelle 20 + 13 °C; oil 0.6 · (50 + 8) = 34.8 K above, winding 6 + 70 K above."""
    turbine = machine(WindTurbine, wind_mean_m_s=16, wind_spread_m_s=0, turbulence=0)
    run(turbine, 9000)
    seen = numbers(turbine.outputs())
    assert seen["oil_temperature_degC"] == pytest.approx(33 + 34.8, abs=0.3)
    assert seen["winding_temperature_degC"] == pytest.approx(33 + 76, abs=0.3)


def test_cold_air_is_heavy_and_brings_ice() -> None:
    cold = World(air_degC={"site": -8.0})
    frozen = machine(WindTurbine, world=cold, hall="site", wind_mean_m_s=8, wind_spread_m_s=0, turbulence=0, wear=1)
    mild = machine(WindTurbine, wind_mean_m_s=8, wind_spread_m_s=0, turbulence=0, wear=1)
    for turbine in (frozen, mild):
        run(turbine, 600)
    assert means(frozen, 60)["power_kW"] == pytest.approx(means(mild, 60)["power_kW"] * 293.15 / 265.15, rel=0.03)
    for turbine in (frozen, mild):
        assert isinstance(turbine, WindTurbine)
        turbine.book.step(72 * 3600.0, 0.5)
    severities = [{state.fault: state.severity for state in turbine.faults()}["icing"] for turbine in (frozen, mild)]
    assert severities[0] > 0.2
    assert severities[1] == 0.0


def test_calm_and_storm_stop_the_turbine() -> None:
    for wind in (2.0, 27.0):
        turbine = machine(WindTurbine, wind_mean_m_s=wind, wind_spread_m_s=0)
        run(turbine, 300)
        seen = turbine.outputs()
        assert not seen["running"]
        assert numbers(seen)["power_kW"] < 0.0
        assert numbers(seen)["pitch_2_deg"] == pytest.approx(88.0, abs=1.0)


def test_sealer_holds_its_temperature() -> None:
    """0.005 · (180 − 20) = 0.8 kW, and 0.15 kJ for each of 6000 bottles an hour 0.25 kW: 1.05 of 2 kW."""
    line = machine(FillingLine)
    run(line, 1800)
    seen = look(line, 3600, when=lambda outputs: outputs["state_name"] == "EXECUTE")
    assert seen["sealer_temperature_degC"][0] == pytest.approx(180.0, abs=0.5)
    assert seen["sealer_heater_percent"][0] == pytest.approx(52.5, abs=1.5)
    assert seen["speed_per_h"][0] == pytest.approx(6000, rel=0.02)


def test_one_nozzle_of_twelve_gives_too_little_and_its_bottles_are_rejected() -> None:
    """8 ml missing at two thirds: 500 − 8 is 3.3 σ below 496, so that every twelfth bottle is bad."""
    line = machine(FillingLine, reject_share=0)
    line.inject(FaultRequest("nozzle-clogging", 2 / 3, growth_per_h=0.0))
    run(line, 3600)
    seen = numbers(line.outputs())
    assert seen["reject_count"] / (seen["good_count"] + seen["reject_count"]) == pytest.approx(1 / 12, rel=0.05)
    assert seen["nozzle_low_ml"] == pytest.approx(492, abs=4)


def test_meter_adds_its_phases() -> None:
    """40 kW at 400 V, cos φ 0.88: 65.6 A; without L2 two line voltages are phase voltages: (400 + 2 · 231) / 3."""
    meter = machine(EnergyMeter, base_load_kW=40)
    run(meter, 10)
    seen, true = numbers(meter.outputs()), meter.hidden().states["true_power_kW"]
    assert seen["power_kW"] == pytest.approx(true, rel=1e-6)
    assert seen["current_A"] == pytest.approx(true * 1000 / (math.sqrt(3) * seen["voltage_V"] * 0.88), rel=1e-3)
    meter.inject(FaultRequest("phase-loss", 0.999, growth_per_h=0.0))
    run(meter, 2)
    lost = numbers(meter.outputs())
    assert lost["voltage_V"] / lost["voltage_l1_V"] == pytest.approx((math.sqrt(3) + 2) / 3, rel=0.01)
    assert lost["current_l2_A"] == pytest.approx(lost["current_l3_A"])
