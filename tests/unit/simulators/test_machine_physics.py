"""Steady figures of the machines against hands and a pocket calculator; the formulas stand in each machine's file."""

import math

import pytest

from penstock.simulators.models.bearing import BearingGeometry
from penstock.simulators.models.compressor import ATMOSPHERE_bar, ScrewCompressor
from penstock.simulators.models.conveyor import Conveyor
from penstock.simulators.models.exchanger import HeatExchanger, effectiveness
from penstock.simulators.models.fan import Fan
from penstock.simulators.models.fault import FaultRequest
from penstock.simulators.models.pump import CentrifugalPump
from penstock.simulators.models.shaking import Shaking
from penstock.simulators.models.world import World
from tests.builders.machines import Quiet, machine, means, numbers, run


def test_pump_at_its_rated_point() -> None:
    """120 m³/h · 32 m: ρ g Q H = 10.44 kW, / 0.78 + 0.15 kW friction; NPSHA = (0.8 + 1.013 − 0.023) bar = 18.28 m."""
    pump = machine(CentrifugalPump)
    assert isinstance(pump, CentrifugalPump)
    pump._pump_water(1.0, 0.0)
    assert pump.flow_m3h == pytest.approx(120.0)
    assert pump.head_m == pytest.approx(32.0)
    assert pump.shaft_kW == pytest.approx(10.443 / 0.78 + 0.15, rel=1e-3)
    assert pump.npsh_margin_m == pytest.approx(18.283 - 3.0, abs=0.01)


def test_pump_settles_where_pump_and_pipe_meet() -> None:
    """At 91.6 % of rated flow: n = √((0.35 + 0.9 · 0.916²) / 1.25) = 0.940 of rated, H = 32 (0.35 + 0.65 · 0.916²)."""
    pump = machine(CentrifugalPump)
    run(pump, 7200)
    seen = numbers(pump.outputs())
    assert seen["speed_rpm"] == pytest.approx(0.940 * 1480, rel=1e-3)
    assert seen["flow_m3h"] == pytest.approx(109.9, rel=1e-3)
    head_bar = 32 * (0.35 + 0.65 * 0.916**2) * 998 * 9.81 / 1e5
    assert seen["discharge_pressure_bar"] == pytest.approx(0.8 + head_bar, abs=0.003)
    losses_kW = seen["power_kW"] * 0.08
    assert seen["winding_temperature_degC"] == pytest.approx(20 + 45 * losses_kW, abs=0.5)
    assert seen["bearing_temperature_degC"] == pytest.approx(20 + 130 * 0.15 * 0.940, abs=0.1)


def test_blocked_suction_takes_head_by_vapour_where_npsh_is_short() -> None:
    """3 % of head where NPSHA equals NPSHR (ISO 9906: NPSH3)."""
    pump = machine(CentrifugalPump)
    assert isinstance(pump, CentrifugalPump)
    pump.npsh_margin_m = 0.0
    assert pump._vapour_loss() == pytest.approx(0.03)
    pump.npsh_margin_m = 3.0
    assert pump._vapour_loss() == 0.0


def test_fan_at_its_rated_point_and_by_the_fan_laws() -> None:
    """20,000 m³/h · 1200 Pa = 6.667 kW of air, / 0.72 + 0.15 kW; half the speed: Q / 2, Δp / 4, P / 8."""
    fan = machine(Fan)
    assert isinstance(fan, Fan)
    fan._move_air(1.0, 0.0)
    assert fan.flow_m3h == pytest.approx(20_000.0)
    assert fan.pressure_Pa == pytest.approx(1200.0, rel=1e-3)
    assert fan.filter_Pa == pytest.approx(300.0, rel=1e-3)
    assert fan.shaft_kW == pytest.approx(6.667 / 0.72 + 0.15, rel=1e-3)
    full_kW = fan.shaft_kW - 0.15
    fan._move_air(0.5, 0.0)
    assert (fan.flow_m3h, fan.pressure_Pa) == pytest.approx((10_000.0, 300.0), rel=1e-3)
    assert fan.shaft_kW - 0.075 == pytest.approx(full_kW / 8, rel=1e-3)


def test_fan_in_warm_air_moves_as_much_and_presses_less() -> None:
    warm = machine(Fan, world=World(air_degC={"hall": 60.0}), hall="hall")
    cool = machine(Fan)
    for fan in (warm, cool):
        run(fan, 600)
    one, two = numbers(warm.outputs()), numbers(cool.outputs())
    assert one["flow_m3h"] == pytest.approx(two["flow_m3h"])
    assert one["fan_pressure_Pa"] == pytest.approx(two["fan_pressure_Pa"] * 293.15 / 333.15, rel=1e-3)


def test_compressor_takes_the_power_of_polytropic_compression() -> None:
    """p1 = 0.993 bar, ratio 8.573, n = 1.2: 99.3 kPa · 0.1 m³/s · 6 · (8.573^(1/6) − 1) = 25.66 kW, / 0.66."""
    compressor = machine(ScrewCompressor)
    assert isinstance(compressor, ScrewCompressor)
    assert compressor.rated_kW == pytest.approx(25.66 / 0.66, rel=2e-3)
    assert 6.0 < compressor.rated_kW / 6.0 < 7.0, "kW for a m³/min, as data sheets have it"


def test_compressor_loads_for_the_share_that_is_asked_for() -> None:
    """Demand 60 % of rated, inlet at 0.993 / 1.013 bar when loaded: 61.2 % of the time."""
    compressor = machine(ScrewCompressor)
    run(compressor, 3600)
    seen = means(compressor, 7200)
    assert seen["load_share_percent"] == pytest.approx(60 * ATMOSPHERE_bar / 0.993, abs=1.5)
    assert 6.75 < seen["line_pressure_bar"] < 7.55
    loaded_kW, idle_kW = 38.0, 38.0 * 0.3
    assert seen["power_kW"] == pytest.approx(0.612 * loaded_kW + 0.388 * idle_kW, rel=0.04)


def test_conveyor_pulls_by_din_22101() -> None:
    """200 t/h at 1.6 m/s: 34.7 kg/m; 1.6 · 0.02 · 40 (22 + 24 + 34.7) g = 1014 N, 4 m lift 1362 N; · 1.6 / 0.85."""
    conveyor = machine(Conveyor)
    assert isinstance(conveyor, Conveyor)
    assert conveyor.rated_N == pytest.approx(2376, rel=1e-3)
    assert conveyor.rated_kW == pytest.approx(4.473, rel=1e-3)
    run(conveyor, 600)
    seen = numbers(conveyor.outputs())
    assert seen["load_t_h"] == pytest.approx(180.0)
    assert seen["belt_speed_m_s"] == pytest.approx(1.6 * 0.995, rel=1e-3)
    slack_N = conveyor.hidden_states()["slack_tension_N"]
    assert slack_N * (math.exp(0.35 * math.radians(200)) - 1) == pytest.approx(1.8 * 2376, rel=1e-3)


def test_exchanger_by_effectiveness_and_heat_balance() -> None:
    """34.56 and 46.07 kW/K, NTU 1.736, c 0.75: ε = 0.685; 24 to 70 degC: 1089 kW; 38.5 and 47.6 degC out."""
    assert effectiveness(60.0, 34.56, 46.07) == pytest.approx(0.685, abs=1e-3)
    assert effectiveness(60.0, 40.0, 40.0) == pytest.approx(1.5 / 2.5)
    exchanger = machine(HeatExchanger)
    assert isinstance(exchanger, HeatExchanger)
    run(exchanger, 1200)
    seen = numbers(exchanger.outputs())
    assert exchanger.heat_kW == pytest.approx(1089, rel=2e-3)
    assert (seen["hot_out_degC"], seen["cold_out_degC"]) == pytest.approx((38.5, 47.6), abs=0.1)


def test_fouling_adds_its_resistance() -> None:
    """Severity 0.5: 1/U = (1 + 0.8) / U0, so that U A = 33.3 kW/K."""
    exchanger = machine(HeatExchanger)
    assert isinstance(exchanger, HeatExchanger)
    exchanger.inject(FaultRequest("fouling", 0.5, growth_per_h=0.0))
    run(exchanger, 1200)
    assert exchanger.ua_kW_K == pytest.approx(60 / 1.8, rel=1e-3)


def test_defect_frequencies_of_a_bearing() -> None:
    """8 balls, d/D = 0.2408, 1480 rpm: FTF 0.380, BPFO 3.037, BPFI 4.963, BSF 1.956 orders of 24.67 Hz."""
    found = BearingGeometry().frequencies_Hz(1480 / 60)
    assert {name: value / (1480 / 60) for name, value in found.items()} == pytest.approx(
        {"ftf": 0.3796, "bpfo": 3.0368, "bpfi": 4.9632, "bsf": 1.9560}, abs=2e-4
    )


def test_sound_machine_shakes_in_zone_a_and_an_imbalanced_one_at_once_a_turn() -> None:
    """ISO 20816-3, group 2, rigid: zone A up to 1.4 mm/s; sources add in squares."""
    sound = Shaking(speed=1.0, shaft_Hz=25.0, load=1.0)
    assert sound.velocity_mm_s[0] == pytest.approx(math.sqrt(0.6**2 + 0.25**2 + 0.76**2))
    shaken = Shaking(speed=1.0, shaft_Hz=25.0, load=1.0, one_x_mm_s=4.0)
    overall, one, two = shaken.velocity_mm_s
    assert (one, two) == pytest.approx((4.6, 0.25))
    assert overall == pytest.approx(math.sqrt(4.6**2 + 0.25**2 + 0.76**2))


def test_damaged_part_is_the_line_that_stands_out() -> None:
    for part in ("bpfo", "bpfi", "bsf", "ftf"):
        seen = Shaking(speed=1.0, load=1.0, bearing=0.3, locus=part).features(Quiet(1))
        lines = {name: float(seen[f"{name}_m_s2"] or 0) for name in ("bpfo", "bpfi", "bsf", "ftf")}
        others = [value for name, value in lines.items() if name not in (part, "ftf")]
        assert lines[part] > 2 * max(others)
    bubbles = Shaking(speed=1.0, load=1.0, hiss_m_s2=10.0).features(Quiet(1))
    assert float(bubbles["bearing_band_m_s2"] or 0) > 9
    assert float(bubbles["kurtosis"] or 0) == pytest.approx(3.0)
