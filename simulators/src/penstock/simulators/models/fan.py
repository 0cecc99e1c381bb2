"""A centrifugal fan behind a filter, driven by a belt.

Fan: Δp = (Δp0 s² − k Q²) ρ / ρ0, s = n / n_rated (fan laws: Q ~ n, Δp ~ n² ρ, P ~ n³ ρ; Eck, *Fans*, 1973). Air:
ρ = 1.204 kg/m³ · 293 K / T. Duct and filter: Δp = (r_duct + r_filter) Q². Shaft power Q Δp / η. Belt: the fan turns
slower than the pulley by the slip; slip power and bending heat the belt (V-belts: 1 to 2 % slip when sound). The drive
asks for a speed that gives the wanted flow in a clean system. Load for wear: shaft power over rated shaft power.

| fault | what it does | channels |
|---|---|---|
| bearing | spalls, friction (`bearing`) | bearing_band, kurtosis, one of bpfo bpfi bsf ftf ↑, then velocity ↑, |
|  |  | last bearing_temperature ↑ |
| imbalance | deposits on blades: up to 9 mm/s more at 1× | velocity_1x ↑ |
| belt-wear | slip from 1.5 to 16 %, flutter | fan_speed, flow, fan_pressure, power ↓, belt_temperature, velocity ↑ |
| filter-clogging | filter's resistance × 6 | filter_dp ↑, flow ↓, power ↓ |

Dust stresses the filter in proportion to flow; imbalance spends the bearing's life × (1 + 2 severity).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.bearing import friction_kW
from penstock.simulators.models.duty import Duty
from penstock.simulators.models.model import Drift, ModelContext, toward
from penstock.simulators.models.rotating import RotatingMachine, current_A
from penstock.simulators.models.shaking import SHAKING_OUTPUTS

EFFICIENCY = 0.72
MOTOR_EFFICIENCY = 0.91
CURVE_SHARE = 0.3
"""Δp0 = (1 + this) · rated pressure: how much the curve falls up to rated flow."""
FILTER_SHARE = 0.25
"""Of the rated pressure that a clean filter takes."""
SOUND_SLIP, WORN_SLIP = 0.015, 0.145
SPEED_TAU_s = 6.0
BEARING_TAU_s, BEARING_RISE_K = 300.0, 18.0
BELT_TAU_s, BENDING_RISE_K, BELT_RISE_K_per_kW = 180.0, 8.0, 16.0


class Fan(RotatingMachine):
    """Simulate fan, belt, filter and duct; faults: see the table above."""

    STATE = ("motor_rpm", "bearing_degC", "belt_degC")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "motor_speed_rpm": "rpm",
        "fan_speed_rpm": "rpm",
        "flow_m3h": "m3/h",
        "fan_pressure_Pa": "Pa",
        "filter_dp_Pa": "Pa",
        "power_kW": "kW",
        "current_A": "A",
        "bearing_temperature_degC": "degC",
        "belt_temperature_degC": "degC",
        "running_h": "h",
        **SHAKING_OUTPUTS,
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self.rated_m3h = take.number("rated_flow_m3h", 20_000.0, low=10.0, high=1e7)
        self.rated_Pa = take.number("rated_pressure_Pa", 1200.0, low=10.0, high=1e5)
        self.rated_rpm = take.number("rated_speed_rpm", 1480.0, low=100.0, high=2e4)
        self._ratio = take.number("belt_ratio", 0.8, low=0.05, high=5.0)
        self._voltage = take.number("voltage_V", 400.0, low=100.0, high=2e4)
        self._hall = take.word("hall")
        self.duty = Duty(context)
        take.finish()
        add = self.book.fault
        self.bearing = self.add_bearing("drive-side fan bearing", l10_h=40_000)
        self.imbalance = add("imbalance", component="impeller", trip="vibration high", life_h=20_000, progress_h=1500)
        self.belt = add("belt-wear", component="belt", trip="belt slip high", life_h=18_000, shape=3, progress_h=2000)
        self.filter = add("filter-clogging", component="filter", trip="flow low", life_h=1500, shape=3, progress_h=2500)
        self._flutter = Drift(context.random, 0.008, 4.0)
        air = context.world.air(self._hall)
        self.motor_rpm = self.fan_rpm = self.flow_m3h = self.pressure_Pa = self.filter_Pa = self.shaft_kW = 0.0
        self.slip = SOUND_SLIP
        self.bearing_degC, self.belt_degC = air + 15.0, air + 15.0

    def step(self, dt_s: float) -> None:
        """Go on: drive, belt, air, heat, wear."""
        duty = self.duty.step(dt_s)
        wanted = 0.0 if self.book.standing or duty < 0.05 else self.rated_rpm * 0.95 * duty
        self.motor_rpm = toward(self.motor_rpm, wanted, dt_s, SPEED_TAU_s)
        self.slip = SOUND_SLIP + WORN_SLIP * math.pow(self.belt.severity, 1.5)
        self.fan_rpm = self.motor_rpm * self._ratio * (1.0 - self.slip)
        speed = self.fan_rpm / (self.rated_rpm * self._ratio)
        self._move_air(speed, self._flutter.step(dt_s))
        self._heat(dt_s, speed)
        self._wear(dt_s, speed)

    def _move_air(self, speed: float, flutter: float) -> None:
        density = 293.15 / (273.15 + self.world.air(self._hall))
        per_flow = self.rated_Pa / self.rated_m3h**2
        filter_r = FILTER_SHARE * per_flow * (1.0 + 5.0 * self.filter.severity)
        system_r = (1.0 - FILTER_SHARE) * per_flow + filter_r
        zero_flow_Pa = (1.0 + CURVE_SHARE) * self.rated_Pa * speed**2
        self.flow_m3h = math.sqrt(zero_flow_Pa / (CURVE_SHARE * per_flow + system_r)) * (1.0 + flutter)
        self.pressure_Pa = system_r * self.flow_m3h**2 * density
        self.filter_Pa = filter_r * self.flow_m3h**2 * density
        air_kW = self.flow_m3h / 3600.0 * self.pressure_Pa / 1000.0
        self.shaft_kW = air_kW / EFFICIENCY + friction_kW(self.bearing.severity) * speed

    def _heat(self, dt_s: float, speed: float) -> None:
        air = self.world.air(self._hall)
        slip_kW = self.shaft_kW * self.slip / (1.0 - self.slip)
        rise_K = BENDING_RISE_K * speed + BELT_RISE_K_per_kW * slip_kW
        self.belt_degC = toward(self.belt_degC, air + rise_K, dt_s, BELT_TAU_s)
        rise_K = BEARING_RISE_K * friction_kW(self.bearing.severity) / friction_kW(0.0) * speed
        self.bearing_degC = toward(self.bearing_degC, air + rise_K, dt_s, BEARING_TAU_s)

    def _wear(self, dt_s: float, speed: float) -> None:
        rated_kW = self.rated_m3h / 3600.0 * self.rated_Pa / 1000.0 / EFFICIENCY
        self.bearing.stress = 1.0 + 2.0 * self.imbalance.severity
        self.filter.stress = self.flow_m3h / self.rated_m3h
        self.book.step(dt_s, self.shaft_kW / rated_kW if speed > 0.05 else 0.0)
        self.machine.electric_power_kW = self._electric_kW()
        self.machine.casing_temperature_degC = self.bearing_degC
        self.shake(
            dt_s,
            speed=speed,
            shaft_rpm=self.fan_rpm,
            load=self.flow_m3h / self.rated_m3h,
            one_x_mm_s=9.0 * self.imbalance.severity,
            broad_mm_s=2.0 * self.belt.severity,
        )

    def _electric_kW(self) -> float:
        return self.shaft_kW / (1.0 - self.slip) / MOTOR_EFFICIENCY

    def hidden_states(self) -> Mapping[str, float]:
        """Give what nobody measures."""
        return {"slip_percent": 100.0 * self.slip, "shaft_power_kW": self.shaft_kW}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the PLC, with the noise of its transmitters."""
        noise = self.random.gauss
        electric_kW = self._electric_kW()
        return {
            "running": self.motor_rpm > 0.05 * self.rated_rpm,
            "trip": self.book.trip,
            "motor_speed_rpm": self.motor_rpm + noise(0.0, 0.4),
            "fan_speed_rpm": self.fan_rpm + noise(0.0, 0.5),
            "flow_m3h": max(0.0, self.flow_m3h + noise(0.0, 0.006 * self.rated_m3h)),
            "fan_pressure_Pa": self.pressure_Pa + noise(0.0, 0.004 * self.rated_Pa),
            "filter_dp_Pa": self.filter_Pa + noise(0.0, 0.002 * self.rated_Pa),
            "power_kW": max(0.0, electric_kW * (1.0 + noise(0.0, 0.004))),
            "current_A": current_A(electric_kW, self._voltage),
            "bearing_temperature_degC": self.bearing_degC + noise(0.0, 0.08),
            "belt_temperature_degC": self.belt_degC + noise(0.0, 0.3),
            "running_h": self.bearing.running_h,
            **self.vibration(),
        }
