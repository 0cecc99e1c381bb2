"""A centrifugal pump with its motor, drive, bearings and the pipe it pumps into.

Pump: head H = H0 s² − k Q², with s = n / n_rated (affinity laws: Q ~ n, H ~ n², P ~ n³; Gülich, *Centrifugal
Pumps*, 3.3 and 4.1). Pipe: H = H_static + r Q². The operating point is where both meet. Efficiency is a parabola
around the best point, which moves with speed. Suction: NPSHA = (p_atm + p_suction − p_vapour) / ρg; where it comes
near to NPSHR = 3 m · (0.4 + 0.6 (Q / Q_rated)²) vapour takes head away, 3 % where they are equal (ISO 9906, NPSH3).
Motor: losses heat the winding through one thermal resistance and capacity, bearing friction heats the bearing
likewise. Current from P = √3 U I cos φ. Load in [0, 1] for wear: shaft power over rated shaft power.

| fault | what it does | channels |
|---|---|---|
| bearing | spalls, friction (`bearing`) | bearing_band, kurtosis, one of bpfo bpfi bsf ftf ↑, then velocity ↑, |
|  |  | last bearing_temperature ↑ |
| imbalance | up to 8 mm/s more at 1× | velocity_1x ↑ |
| misalignment | up to 6 mm/s more at 2×, 1.5 at 1×, 0.25 kW | velocity_2x ↑, velocity_1x less, bearing_temperature ↑ |
| cavitation | suction strainer: 60 m at rated flow | suction_pressure, discharge_pressure, flow ↓, then band ↑ |
| clogging | resistance of the discharge pipe up to × 7 | flow ↓, discharge_pressure ↑, power ↓ |
| seal-leak | drops to a stream: 0.02 to 40 l/h | seal_leakage ↑ |
| winding-heat | motor's cooling blocked: resistance × 2.2 | winding_temperature ↑ |

Imbalance and misalignment also spend the bearing's life quicker: × (1 + 2 severity) each.
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

WATER_N_per_m3 = 998.0 * 9.81
ATMOSPHERE_bar, VAPOUR_bar = 1.013, 0.023
"""Water of 20 °C."""
SUCTION_bar = 0.8
BLOCKED_SUCTION_m = 60.0
"""Head that a blocked suction line takes at rated flow."""
VAPOUR_TAU_s = 1.0
NPSH_REQUIRED_m = 3.0
MOTOR_EFFICIENCY = 0.92
BEST_EFFICIENCY = 0.78
FLOW_SHARE = 0.916
"""Of rated flow, at a duty of 1: the drive leaves a reserve."""
SPEED_TAU_s = 2.0
WINDING_TAU_s = 900.0
WINDING_RISE_K_per_kW = 45.0
"""About 60 K at the losses of rated load: thermal class B use of a class F winding (IEC 60034-1)."""
BEARING_TAU_s = 240.0
BEARING_RISE_K_per_kW = 130.0
STATIC_SHARE, CURVE_SHARE = 0.35, 0.25


class CentrifugalPump(RotatingMachine):
    """Simulate pump, motor and pipe; faults: see the table above."""

    STATE = ("speed_rpm", "winding_degC", "bearing_degC")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "speed_rpm": "rpm",
        "flow_m3h": "m3/h",
        "suction_pressure_bar": "bar",
        "discharge_pressure_bar": "bar",
        "power_kW": "kW",
        "current_A": "A",
        "winding_temperature_degC": "degC",
        "bearing_temperature_degC": "degC",
        "seal_leakage_l_h": "l/h",
        "running_h": "h",
        **SHAKING_OUTPUTS,
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self.rated_m3h = take.number("rated_flow_m3h", 120.0, low=1.0, high=1e5)
        self.rated_m = take.number("rated_head_m", 32.0, low=1.0, high=1e4)
        self.rated_rpm = take.number("rated_speed_rpm", 1480.0, low=100.0, high=2e4)
        self._voltage = take.number("voltage_V", 400.0, low=100.0, high=2e4)
        self._hall = take.word("hall")
        self.duty = Duty(context, wander=0.04)
        take.finish()
        self._ripple = Drift(context.random, 0.006, 3.0)
        self._name_faults()
        self.speed_rpm = self.flow_m3h = self.head_m = self.shaft_kW = self.vapour_share = 0.0
        self.suction_bar, self.npsh_margin_m = SUCTION_bar, 10.0
        self.winding_degC = context.world.air(self._hall) + 55.0
        self.bearing_degC = context.world.air(self._hall) + 20.0

    def _name_faults(self) -> None:
        add = self.book.fault
        self.bearing = self.add_bearing("drive-end bearing", l10_h=25_000)
        self.imbalance = add("imbalance", component="impeller", trip="vibration high", life_h=60_000, progress_h=3000)
        self.misalignment = add(
            "misalignment", component="coupling", trip="vibration high", life_h=70_000, progress_h=4000
        )
        self.cavitation = add(
            "cavitation", component="suction strainer", trip="suction pressure low", life_h=12_000, progress_h=500
        )
        self.clogging = add("clogging", component="discharge line", trip="flow low", life_h=15_000, progress_h=800)
        self.leak = add("seal-leak", component="shaft seal", trip="seal leakage high", life_h=30_000, progress_h=400)
        self.heat = add(
            "winding-heat", component="motor fan", trip="winding temperature high", life_h=50_000, progress_h=1500
        )

    def step(self, dt_s: float) -> None:
        """Go on: drive, operating point, heat, wear."""
        duty = self.duty.step(dt_s)
        wanted = 0.0 if self.book.standing or duty < 0.05 else self.rated_rpm * self._speed_for(FLOW_SHARE * duty)
        self.speed_rpm = toward(self.speed_rpm, wanted, dt_s, SPEED_TAU_s)
        speed = self.speed_rpm / self.rated_rpm
        self.vapour_share = toward(self.vapour_share, self._vapour_loss(), dt_s, VAPOUR_TAU_s)
        self._pump_water(speed, self._ripple.step(dt_s))
        self._heat(dt_s, speed)
        self._wear(dt_s, speed)

    def _speed_for(self, share: float) -> float:
        """Give the speed at which a clean pipe takes this share of rated flow."""
        return math.sqrt((STATIC_SHARE + (1.0 - STATIC_SHARE + CURVE_SHARE) * share**2) / (1.0 + CURVE_SHARE))

    def _pump_water(self, speed: float, ripple: float) -> None:
        shut_off_m = (1.0 + CURVE_SHARE) * self.rated_m * speed**2 * (1.0 - self.vapour_share)
        pump_k = CURVE_SHARE * self.rated_m / self.rated_m3h**2
        static_m = STATIC_SHARE * self.rated_m
        clogged = 1.0 + 6.0 * self.clogging.severity**1.5
        pipe_r = (1.0 - STATIC_SHARE) * self.rated_m / self.rated_m3h**2 * clogged
        suction_r = BLOCKED_SUCTION_m * self.cavitation.severity**1.5 / self.rated_m3h**2
        drive_m = shut_off_m - static_m
        self.flow_m3h = math.sqrt(drive_m / (pump_k + pipe_r + suction_r)) * (1.0 + ripple) if drive_m > 0.0 else 0.0
        self.head_m = static_m + (pipe_r + suction_r) * self.flow_m3h**2 if self.flow_m3h else shut_off_m
        self._suck(suction_r * self.flow_m3h**2)
        best_m3h = self.rated_m3h * max(speed, 0.05)
        efficiency = max(0.1, BEST_EFFICIENCY * (1.0 - 0.9 * (self.flow_m3h / best_m3h - 1.0) ** 2))
        hydraulic_kW = WATER_N_per_m3 * self.flow_m3h / 3600.0 * self.head_m / 1000.0
        self.shaft_kW = hydraulic_kW / efficiency + self._friction_kW() * speed

    def _suck(self, loss_m: float) -> None:
        self.suction_bar = SUCTION_bar - loss_m * WATER_N_per_m3 / 1e5
        available_m = max(0.0, self.suction_bar + ATMOSPHERE_bar - VAPOUR_bar) * 1e5 / WATER_N_per_m3
        share = self.flow_m3h / self.rated_m3h
        self.npsh_margin_m = available_m - NPSH_REQUIRED_m * (0.4 + 0.6 * share**2)

    def _vapour_loss(self) -> float:
        """Give the share of head that vapour takes: 3 % at a margin of 0, nothing from 3 m on."""
        return min(0.3, 0.03 * math.exp(-self.npsh_margin_m / 0.75)) if self.npsh_margin_m < 3.0 else 0.0

    def _friction_kW(self) -> float:
        return friction_kW(self.bearing.severity) + 0.25 * self.misalignment.severity

    def _heat(self, dt_s: float, speed: float) -> None:
        air = self.world.air(self._hall)
        losses_kW = self.shaft_kW / MOTOR_EFFICIENCY - self.shaft_kW
        rise_K = WINDING_RISE_K_per_kW * (1.0 + 1.2 * self.heat.severity) * losses_kW
        self.winding_degC = toward(self.winding_degC, air + rise_K, dt_s, WINDING_TAU_s)
        rise_K = BEARING_RISE_K_per_kW * self._friction_kW() * speed
        self.bearing_degC = toward(self.bearing_degC, air + rise_K, dt_s, BEARING_TAU_s)

    def _wear(self, dt_s: float, speed: float) -> None:
        rated_kW = WATER_N_per_m3 * self.rated_m3h / 3600.0 * self.rated_m / 1000.0 / BEST_EFFICIENCY
        load = self.shaft_kW / rated_kW if speed > 0.05 else 0.0
        self.bearing.stress = (1.0 + 2.0 * self.imbalance.severity) * (1.0 + 2.0 * self.misalignment.severity)
        self.book.step(dt_s, load)
        self.machine.electric_power_kW = self.shaft_kW / MOTOR_EFFICIENCY
        self.machine.casing_temperature_degC = self.bearing_degC
        self.shake(
            dt_s,
            speed=speed,
            shaft_rpm=self.speed_rpm,
            load=self.flow_m3h / self.rated_m3h,
            one_x_mm_s=8.0 * self.imbalance.severity + 1.5 * self.misalignment.severity,
            two_x_mm_s=6.0 * self.misalignment.severity,
            hiss_m_s2=min(20.0, 6.0 * math.exp(-self.npsh_margin_m / 3.0)),
        )

    def hidden_states(self) -> Mapping[str, float]:
        """Give what no transmitter measures."""
        return {"head_m": self.head_m, "shaft_power_kW": self.shaft_kW, "npsh_margin_m": self.npsh_margin_m}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the PLC, with the noise of its transmitters."""
        noise = self.random.gauss
        electric_kW = self.shaft_kW / MOTOR_EFFICIENCY
        leak_l_h = 0.02 + 40.0 * self.leak.severity**2
        return {
            "running": self.speed_rpm > 0.05 * self.rated_rpm,
            "trip": self.book.trip,
            "speed_rpm": self.speed_rpm + noise(0.0, 0.4),
            "flow_m3h": max(0.0, self.flow_m3h + noise(0.0, 0.004 * self.rated_m3h)) if self.flow_m3h else 0.0,
            "suction_pressure_bar": self.suction_bar + noise(0.0, 0.004),
            "discharge_pressure_bar": self.suction_bar + WATER_N_per_m3 * self.head_m / 1e5 + noise(0.0, 0.008),
            "power_kW": max(0.0, electric_kW + noise(0.0, 0.02)),
            "current_A": current_A(electric_kW, self._voltage),
            "winding_temperature_degC": self.winding_degC + noise(0.0, 0.08),
            "bearing_temperature_degC": self.bearing_degC + noise(0.0, 0.08),
            "seal_leakage_l_h": max(0.0, leak_l_h * (1.0 + noise(0.0, 0.03))),
            "running_h": self.bearing.running_h,
            **self.vibration(),
        }
