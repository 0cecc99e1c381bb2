"""An oil-injected screw compressor that loads and unloads to keep a receiver under pressure.

Power loaded: P = n / (n − 1) · p1 V̇1 · ((p2 / p1)^((n − 1) / n) − 1) / η, with n = 1.2 (oil takes most of the heat) and
η of screw and motor; unloaded it takes 30 % of that (VDMA 4363 names 25 to 35 %). Receiver, isothermal: dp/dt =
p_atm (V̇1 − demand) / V. Loads at 6.8 bar, unloads at 7.5 bar. Heat: the cooler carries nearly all of the power to the
air; discharge temperature = air + power · resistance. Load for wear: power over rated power.

| fault | what it does | channels |
|---|---|---|
| bearing | spalls, friction (`bearing`) | bearing_band, kurtosis, one of bpfo bpfi bsf ftf ↑, then velocity ↑ |
| filter-clogging | inlet filter: 20 to 220 mbar | inlet_pressure ↓, load_share ↑ |
| air-leak | leak behind the receiver, up to 40 % of rated flow | load_share, power ↑, loaded inlet_pressure as before |
| cooler-fouling | cooler's resistance × 2 | discharge_temperature ↑ |
| oil-degradation | oil oxidises, clogs the separator | oil_permittivity ↑, separator_dp ↑ |
| valve-leak | minimum pressure valve does not close: unloaded power up to + 60 % | power (unloaded) ↑ |

Heat ages oil: its stress doubles every 10 K above 90 °C (rule of Arrhenius); bad oil spends the bearing's life.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.bearing import friction_kW
from penstock.simulators.models.duty import Duty
from penstock.simulators.models.model import ModelContext, toward
from penstock.simulators.models.rotating import RotatingMachine, current_A
from penstock.simulators.models.shaking import SHAKING_OUTPUTS

ATMOSPHERE_bar = 1.013
POLYTROPIC = 1.2
EFFICIENCY = 0.66
UNLOADED_SHARE = 0.3
LOAD_AT_bar, UNLOAD_AT_bar = 6.8, 7.5
CLEAN_FILTER_bar, CLOGGED_FILTER_bar = 0.02, 0.2
RISE_K = 70.0
"""Of the discharge above the air at rated power, cooler clean."""
HEAT_TAU_s = 240.0
SHARE_TAU_s = 600.0
SPEED_TAU_s = 3.0


class ScrewCompressor(RotatingMachine):
    """Simulate compressor, receiver and control; faults: see the table above."""

    STATE = ("speed_rpm", "line_bar", "discharge_degC", "load_share_percent")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "loaded": "",
        "load_share_percent": "%",
        "line_pressure_bar": "bar",
        "inlet_pressure_mbar": "mbar",
        "separator_dp_bar": "bar",
        "discharge_temperature_degC": "degC",
        "oil_permittivity": "",
        "power_kW": "kW",
        "current_A": "A",
        "running_h": "h",
        **SHAKING_OUTPUTS,
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self.rated_m3_min = take.number("rated_flow_m3_min", 6.0, low=0.1, high=1e4)
        self._receiver_m3 = take.number("receiver_m3", 2.0, low=0.05, high=1e4)
        self._demand_share = take.number("demand_share", 0.6, high=1.5)
        self.rated_rpm = take.number("rated_speed_rpm", 2950.0, low=100.0, high=2e4)
        self._voltage = take.number("voltage_V", 400.0, low=100.0, high=2e4)
        self._hall = take.word("hall")
        self.duty = Duty(context)
        take.finish()
        self._name_faults()
        self.rated_kW = self._compression_kW(ATMOSPHERE_bar - CLEAN_FILTER_bar, UNLOAD_AT_bar)
        self.speed_rpm = self.shaft_kW = 0.0
        self.line_bar, self.load_share_percent = LOAD_AT_bar, 100.0 * self._demand_share
        self.loaded, self.inlet_bar = False, ATMOSPHERE_bar
        self.discharge_degC = context.world.air(self._hall) + 45.0

    def _name_faults(self) -> None:
        add = self.book.fault
        self.bearing = self.add_bearing("male rotor bearing", l10_h=40_000, exponent=10.0 / 3.0)
        self.filter = add(
            "filter-clogging",
            component="inlet filter",
            trip="inlet pressure low",
            life_h=2500,
            shape=3,
            progress_h=1500,
        )
        self.leak = add("air-leak", component="air network", trip="line pressure low", life_h=10_000, progress_h=4000)
        self.cooler = add(
            "cooler-fouling", component="oil cooler", trip="discharge temperature high", life_h=6000, progress_h=3000
        )
        self.oil = add(
            "oil-degradation", component="oil", trip="separator pressure high", life_h=5000, shape=4, progress_h=3000
        )
        self.valve = add(
            "valve-leak", component="minimum pressure valve", trip="motor overload", life_h=25_000, progress_h=2000
        )

    def step(self, dt_s: float) -> None:
        """Go on: control, compression, receiver, heat, wear."""
        wanted = 0.0 if self.book.standing else self.rated_rpm
        self.speed_rpm = toward(self.speed_rpm, wanted, dt_s, SPEED_TAU_s)
        speed = self.speed_rpm / self.rated_rpm
        self._control(speed)
        delivered = self._compress(speed)
        leak = 0.4 * self.leak.severity * self.rated_m3_min * self.line_bar / UNLOAD_AT_bar
        demand = self._demand_share * self.duty.step(dt_s) * self.rated_m3_min if self.line_bar > 1.0 else 0.0
        flow_m3_s = (delivered - demand - leak) / 60.0
        self.line_bar = max(0.0, self.line_bar + ATMOSPHERE_bar * flow_m3_s / self._receiver_m3 * dt_s)
        share = 100.0 * self.loaded * speed
        self.load_share_percent = toward(self.load_share_percent, share, dt_s, SHARE_TAU_s)
        hot_K = RISE_K * (1.0 + self.cooler.severity) * self.shaft_kW / self.rated_kW
        self.discharge_degC = toward(self.discharge_degC, self.world.air(self._hall) + hot_K, dt_s, HEAT_TAU_s)
        self._wear(dt_s, speed)

    def _control(self, speed: float) -> None:
        if self.line_bar <= LOAD_AT_bar:
            self.loaded = True
        elif self.line_bar >= UNLOAD_AT_bar:
            self.loaded = False
        if speed < 0.5:
            self.loaded = False

    def _compress(self, speed: float) -> float:
        """Set inlet pressure and shaft power; give the delivered free air in m³/min."""
        drop_bar = (CLEAN_FILTER_bar + CLOGGED_FILTER_bar * self.filter.severity) * (1.0 if self.loaded else 0.05)
        self.inlet_bar = ATMOSPHERE_bar - drop_bar * speed**2
        loaded_kW = self._compression_kW(self.inlet_bar, max(LOAD_AT_bar, self.line_bar)) * speed
        idle = UNLOADED_SHARE * (1.0 + 0.6 * self.valve.severity)
        friction = friction_kW(self.bearing.severity) - friction_kW(0.0)
        self.shaft_kW = loaded_kW * (1.0 if self.loaded else idle) + friction * speed
        return self.rated_m3_min * speed * self.inlet_bar / ATMOSPHERE_bar if self.loaded else 0.0

    def _compression_kW(self, inlet_bar: float, line_bar: float) -> float:
        power = (POLYTROPIC - 1.0) / POLYTROPIC
        ratio = (line_bar + ATMOSPHERE_bar) / inlet_bar
        work_kW = inlet_bar * 100.0 * self.rated_m3_min / 60.0 / power * (ratio**power - 1.0)
        return float(work_kW / EFFICIENCY)

    def _wear(self, dt_s: float, speed: float) -> None:
        self.oil.stress = math.exp2((self.discharge_degC - 90.0) / 10.0)
        self.bearing.stress = 1.0 + 2.0 * self.oil.severity
        load = self.shaft_kW / self.rated_kW
        self.book.step(dt_s, load if speed > 0.05 else 0.0)
        self.machine.electric_power_kW = self.shaft_kW
        self.machine.casing_temperature_degC = self.discharge_degC - 10.0
        self.shake(dt_s, speed=speed, shaft_rpm=self.speed_rpm, load=load)

    def hidden_states(self) -> Mapping[str, float]:
        """Give what nobody measures."""
        return {"leak_m3_min": 0.4 * self.leak.severity * self.rated_m3_min, "inlet_bar": self.inlet_bar}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the controller, with the noise of its transmitters."""
        noise, oil = self.random.gauss, self.oil.severity
        return {
            "running": self.speed_rpm > 0.05 * self.rated_rpm,
            "trip": self.book.trip,
            "loaded": self.loaded,
            "load_share_percent": self.load_share_percent,
            "line_pressure_bar": self.line_bar + noise(0.0, 0.006),
            "inlet_pressure_mbar": (self.inlet_bar - ATMOSPHERE_bar) * 1000.0 + noise(0.0, 1.0),
            "separator_dp_bar": (0.15 + 0.85 * oil**1.5) * (1.0 if self.loaded else 0.4) + noise(0.0, 0.005),
            "discharge_temperature_degC": self.discharge_degC + noise(0.0, 0.1),
            "oil_permittivity": 2.3 + 0.9 * oil + noise(0.0, 0.005),
            "power_kW": max(0.0, self.shaft_kW * (1.0 + noise(0.0, 0.004))),
            "current_A": current_A(self.shaft_kW, self._voltage),
            "running_h": self.bearing.running_h,
            **self.vibration(),
        }
