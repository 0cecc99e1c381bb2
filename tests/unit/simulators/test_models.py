"""The physical models: plausible figures, equal runs, coupling, faults."""

import math
from random import Random

import pytest

from penstock.simulators.models.ambient import AmbientAir
from penstock.simulators.models.bearing import band_m_s2, friction_kW, worn_velocity_mm_s
from penstock.simulators.models.energy import EnergyMeter
from penstock.simulators.models.fault import FaultError, FaultRequest, Faulty
from penstock.simulators.models.filling import FillingLine
from penstock.simulators.models.model import Drift, Model, ParameterError
from penstock.simulators.models.packml import COMMANDS, DONE, PackCommandError, PackState, command
from penstock.simulators.models.pump import CentrifugalPump
from penstock.simulators.models.registry import UnknownModelError, find_model, model_names
from penstock.simulators.models.shaking import Shaking
from penstock.simulators.models.vibration import BearingVibration
from penstock.simulators.models.world import World
from tests.builders.simulators import context

ALL = (AmbientAir, BearingVibration, CentrifugalPump, EnergyMeter, FillingLine)


def run(model: Model, seconds: float, dt_s: float = 0.5) -> None:
    for _ in range(round(seconds / dt_s)):
        model.step(dt_s)


def value(model: Model, name: str) -> float:
    found = model.outputs()[name]
    assert isinstance(found, int | float)
    return float(found)


@pytest.mark.parametrize("kind", ALL)
def test_equal_seeds_and_steps_give_equal_outputs(kind: type[Model]) -> None:
    one, two, other = kind(context(seed=5)), kind(context(seed=5)), kind(context(seed=6))
    for model in (one, two, other):
        run(model, 30)
    first = one.outputs()
    assert first == two.outputs()
    assert first != other.outputs()
    assert set(first) == set(kind.OUTPUTS)


@pytest.mark.parametrize("kind", ALL)
def test_state_is_json_and_is_taken_up(kind: type[Model]) -> None:
    import json

    model, again = kind(context(seed=1)), kind(context(seed=1))
    run(model, 120)
    again.load(json.loads(json.dumps(model.save())))
    assert again.save() == model.save()


def test_every_model_of_the_entry_points_is_found() -> None:
    assert {"centrifugal-pump", "filling-line", "bearing-vibration", "ambient-air", "energy-meter", "load"} <= set(
        model_names()
    )
    assert find_model("centrifugal-pump") is CentrifugalPump
    with pytest.raises(UnknownModelError, match="installed models: ambient-air"):
        find_model("perpetuum-mobile")


def test_unknown_parameter_names_those_there_are() -> None:
    with pytest.raises(ParameterError, match="rated_flow_m3h") as caught:
        CentrifugalPump(context(rated_flow=3))
    assert caught.value.key == "rated_flow"
    with pytest.raises(ParameterError, match="outside"):
        CentrifugalPump(context(rated_flow_m3h=-3))


def test_pump_settles_near_its_rated_point() -> None:
    pump = CentrifugalPump(context(rated_flow_m3h=120, rated_head_m=32))
    run(pump, 120)
    assert 80 < value(pump, "flow_m3h") < 135
    assert 2.5 < value(pump, "discharge_pressure_bar") < 4.5
    assert 7 < value(pump, "power_kW") < 20
    electric_VA = math.sqrt(3) * 400 * value(pump, "current_A") / 1000
    assert electric_VA > value(pump, "power_kW") * 0.95


def test_affinity_laws_hold_between_two_sizes_of_speed() -> None:
    """Head at standstill of flow goes with n²: half the speed gives a quarter of the shut-off head."""
    pump = CentrifugalPump(context())
    pump._pump_water(0.5, 0.0)
    quarter = pump.head_m
    assert pump.flow_m3h == 0.0
    assert quarter == pytest.approx(0.25 * 1.25 * 32.0)


def test_temperatures_rise_to_a_bounded_value() -> None:
    pump = CentrifugalPump(context())
    run(pump, 3600, 1.0)
    assert 50 < value(pump, "winding_temperature_degC") < 120
    assert 30 < value(pump, "bearing_temperature_degC") < 60


def test_features_rise_with_severity_and_the_bearing_band_speaks_first() -> None:
    severities = [step / 20 for step in range(21)]
    for feature in (worn_velocity_mm_s, band_m_s2, friction_kW):
        values = [feature(severity) for severity in severities]
        assert values == sorted(values), feature
    assert band_m_s2(0.1) / band_m_s2(0.0) > 3
    early, new = Shaking(speed=1.0, load=1.0, bearing=0.1), Shaking(speed=1.0, load=1.0)
    assert early.velocity_mm_s[0] / new.velocity_mm_s[0] < 1.1
    assert new.velocity_mm_s[0] == pytest.approx(1.0, abs=0.01)


def test_fault_of_the_pump_reaches_sensor_heat_and_meter() -> None:
    world = World()
    pump = CentrifugalPump(context("pump", world=world))
    sensor = BearingVibration(context("sensor", world=world, machine="pump"))
    meter = EnergyMeter(context("meter", world=world))
    models: list[Model] = [pump, sensor, meter]

    def settle() -> dict[str, float]:
        sums: dict[str, float] = {}
        for _ in range(1200):
            for model in models:
                model.step(1.0)
            readings = {**pump.outputs(), **sensor.outputs(), **meter.outputs()}
            for name, reading in readings.items():
                if isinstance(reading, float):
                    sums[name] = sums.get(name, 0.0) + reading / 1200
        return sums

    healthy = settle()
    pump.inject(FaultRequest("bearing", severity=0.6, growth_per_h=0.0))
    settle()
    worn = settle()
    assert healthy["velocity_rms_mm_s"] < 1.4 < 2.8 < worn["velocity_rms_mm_s"]
    assert worn["bearing_band_m_s2"] > 5 * healthy["bearing_band_m_s2"]
    assert worn["bearing_temperature_degC"] > healthy["bearing_temperature_degC"] + 20
    assert worn["power_kW"] > healthy["power_kW"] > 4


def test_clear_goes_back_and_repair_renews() -> None:
    pump = CentrifugalPump(context())
    assert isinstance(pump, Faulty)
    pump.inject(FaultRequest("bearing", severity=0.5))
    run(pump, 10)
    pump.inject(FaultRequest("bearing", severity=0.7))
    run(pump, 10)
    assert pump.faults()[0].severity >= 0.7
    pump.clear("bearing")
    assert pump.faults()[0].severity == 0.0
    pump.inject(FaultRequest("bearing", severity=0.5))
    run(pump, 30)
    pump.repair("bearing")
    run(pump, 15)
    assert value(pump, "speed_rpm") < 100
    run(pump, 60)
    assert value(pump, "speed_rpm") > 1000
    assert pump.bearing.severity == 0.0
    assert not pump.faults()[0].active
    with pytest.raises(FaultError, match="it has: bearing"):
        pump.repair("rotor")


def test_fault_request_is_bounded() -> None:
    with pytest.raises(FaultError, match="severity"):
        FaultRequest("bearing", severity=1.5)
    with pytest.raises(FaultError, match="growth"):
        FaultRequest("bearing", growth_per_h=-1)


def test_packml_allows_what_the_standard_allows_and_nothing_else() -> None:
    for (name, state), following in COMMANDS.items():
        assert command(name, state) is following
    for name in ("reset", "start", "hold", "unhold", "suspend", "unsuspend", "clear"):
        for state in PackState:
            if (name, state) not in COMMANDS:
                with pytest.raises(PackCommandError):
                    command(name, state)
    assert command("stop", PackState.EXECUTE) is PackState.STOPPING
    assert command("abort", PackState.HELD) is PackState.ABORTING
    with pytest.raises(PackCommandError):
        command("stop", PackState.ABORTED)


def test_every_transition_of_a_running_line_is_in_the_tables() -> None:
    line = FillingLine(context(seed=3, batch_size=800))
    seen, before = set(), line.state
    for _ in range(40_000):
        line.step(0.5)
        if line.state is not before:
            seen.add((before, line.state))
            before = line.state
    commands = {(state, following) for (_, state), following in COMMANDS.items()}
    aborts = {(state, PackState.ABORTING) for state in PackState}
    assert seen <= commands | set(DONE.items()) | aborts
    assert (PackState.EXECUTE, PackState.HOLDING) in seen
    assert (PackState.EXECUTE, PackState.COMPLETING) in seen


def test_line_counts_good_and_rejected_bottles_up_and_by_speed() -> None:
    line = FillingLine(context(seed=3, rated_speed_per_h=7200, reject_share=0.05))
    good = rejected = executing = 0
    for _ in range(7200):
        before = line.outputs()
        line.step(0.5)
        after = line.outputs()
        assert after["good_count"] >= before["good_count"]  # type: ignore[operator]
        executing += line.state is PackState.EXECUTE
        good, rejected = int(after["good_count"] or 0), int(after["reject_count"] or 0)
    assert good + rejected == pytest.approx(executing * 0.5 * 2, rel=0.05)
    assert rejected / (good + rejected) == pytest.approx(0.05, abs=0.02)


def test_meter_integrates_power_and_never_runs_back() -> None:
    world = World()
    world.machine("x").electric_power_kW = 10.0
    meter = EnergyMeter(context(world=world, base_load_kW=0))
    run(meter, 3600, 1.0)
    assert value(meter, "energy_kWh") == pytest.approx(10.0, rel=1e-6)
    meter.load({"energy_kWh": 3.0})
    assert value(meter, "energy_kWh") == pytest.approx(10.0, rel=1e-6)


def test_humidity_falls_when_the_air_warms() -> None:
    cold, warm = AmbientAir(context(mean_degC=15, swing_K=0)), AmbientAir(context(mean_degC=30, swing_K=0))
    assert value(cold, "humidity_percent") > value(warm, "humidity_percent") + 20


def test_drift_keeps_its_spread_whatever_the_step() -> None:
    for dt_s in (0.1, 10.0):
        drift = Drift(Random(1), 2.0, 5.0)
        values = [drift.step(dt_s) for _ in range(20_000)]
        mean = sum(values) / len(values)
        assert math.sqrt(sum((x - mean) ** 2 for x in values) / len(values)) == pytest.approx(2.0, rel=0.15)
