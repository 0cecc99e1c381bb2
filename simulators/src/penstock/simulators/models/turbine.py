"""A wind turbine of 2 MW: wind, rotor, pitch, gearbox, generator, and the heat of each.

Rotor: P = ½ ρ π R² Cp(λ, β) v³, λ = ω R / v; wind, Cp and ρ: `wind`. J dω/dt = (P / ω) − T. Generator: T = k ω² below
rated speed, rated power above; blades are turned by a PI controller of speed (Jonkman 2009, NREL/TP-500-38060, 7).
Gearbox: losses of 2.5 % and 8 kW heat the oil; winding: rise with the square of power; all above the nacelle's air.
Cut-in at a mean of 3.5 m/s, cut-out at 25. Vibration is that of the gearbox's quick shaft (ratio 84).

| fault | what it does | channels |
|---|---|---|
| gearbox-bearing | spalls (`bearing`), 25 kW of friction, debris | bearing_band, kurtosis, one defect line, |
|  |  | oil_particles ↑, then velocity, gearbox_bearing_temperature, oil_temperature ↑ |
| main-bearing | friction: 40 K | main_bearing_temperature ↑ |
| pitch-sticking | blade 1 sticks in a band of 7° | pitch_deviation ↑ above rated wind, tower_acceleration a little ↑ |
| winding-heat | filter of the cooling air: rise × 1.9 | winding_temperature ↑ |
| icing | Cp × 0.65, unequal mass | power ↓ for the wind, tower_acceleration ↑; pitch ↓ above rated wind |

Ice comes by itself (`wear` above 0) in air of −15 to 1 °C, not quicker for a `wear` above 1; de-icing is the repair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.bearing import LOCI, BearingGeometry
from penstock.simulators.models.fault import Law
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.faults.process import L10_TO_CHARACTERISTIC
from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.model import ModelContext, toward
from penstock.simulators.models.shaking import SHAKING_OUTPUTS
from penstock.simulators.models.wind import Wind, air_density_kg_m3, power_coefficient

RADIUS_m, INERTIA_kgm2, RATIO = 40.0, 8e6, 84.0
RATED_kW, RATED_rad_s, EFFICIENCY = 2000.0, 1.885, 0.93
BEST_CP, BEST_LAMBDA = 0.441, 6.91
AREA_m2 = math.pi * RADIUS_m**2
SYNCHRONISED = 0.4
"""Share of rated speed from which the generator is on the grid."""
CUT_IN_m_s, CUT_OUT_m_s = 3.5, 25.0
PITCH_KP, PITCH_KI, PITCH_TAU_s, PITCH_RATE_deg_s = 100.0, 12.0, 0.5, 8.0
"""Gains in deg per rad/s of rotor speed, and per second of that: this rotor's dP/dβ hardly changes with β."""
FEATHER_deg, STICK_deg = 88.0, 7.0
OIL_TAU_s, OIL_K_per_kW = 1200.0, 0.6
MAIN_TAU_s, WINDING_TAU_s, BEARING_TAU_s = 1500.0, 900.0, 300.0
SUBSTEP_s = 0.2
GEOMETRY = BearingGeometry(elements=16, diameter_ratio=0.14)
"""Cylindrical roller bearing of the quick shaft."""


class WindTurbine(WearingMachine):
    """Simulate wind and turbine; faults: see the table above."""

    STATE = ("omega_rad_s", "pitch_deg", "pitch_1_deg", "integral_deg", "oil_degC", "gear_bearing_degC", "main_degC",
             "winding_degC", "energy_kWh")  # fmt: skip
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "wind_speed_m_s": "m/s",
        "power_kW": "kW",
        "energy_kWh": "kWh",
        "rotor_speed_rpm": "rpm",
        "generator_speed_rpm": "rpm",
        "pitch_demand_deg": "deg",
        **{f"pitch_{blade}_deg": "deg" for blade in (1, 2, 3)},
        "pitch_deviation_deg": "deg",
        "tower_acceleration_m_s2": "m/s2",
        "oil_temperature_degC": "degC",
        "oil_particles_per_min": "1/min",
        "gearbox_bearing_temperature_degC": "degC",
        "main_bearing_temperature_degC": "degC",
        "winding_temperature_degC": "degC",
        "nacelle_temperature_degC": "degC",
        "outside_temperature_degC": "degC",
        "running_h": "h",
        **SHAKING_OUTPUTS,
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self.wind = Wind(context)
        self._hall = take.word("hall")
        ice = min(1.0, take.number("wear", 0.0, high=1e6))
        take.finish()
        self._structure = Wander(context.random, 0.04, 30.0)
        self._name_faults(ice)
        air = context.world.air(self._hall)
        self.omega_rad_s, self.power_kW, self.aero_kW, self.energy_kWh = 0.2 * RATED_rad_s, 0.0, 0.0, 0.0
        self.demand_deg = self.pitch_deg = self.pitch_1_deg = self.integral_deg = 0.0
        self.oil_degC, self.gear_bearing_degC = air + 25.0, air + 30.0
        self.main_degC, self.winding_degC = air + 15.0, air + 30.0

    def _name_faults(self, ice: float) -> None:
        add, l10_h = self.book.fault, 60_000.0 * L10_TO_CHARACTERISTIC
        self.gear = add("gearbox-bearing", component="quick shaft bearing", trip="gearbox oil temperature high",
                        life_h=l10_h, shape=1.5, progress_h=2500.0, duty=3.3)  # fmt: skip
        self.main = add("main-bearing", component="main bearing", trip="main bearing temperature high",
                        life_h=l10_h * 1.5, shape=1.5, progress_h=4000.0, duty=3.3)  # fmt: skip
        self.sticking = add("pitch-sticking", component="pitch drive of blade 1", trip="pitch deviation",
                            life_h=25_000, progress_h=1500)  # fmt: skip
        self.heat = add("winding-heat", component="generator cooling filter", trip="winding temperature high",
                        life_h=12_000, progress_h=1500)  # fmt: skip
        self.ice = add("icing", component="blades", trip="tower vibration high", life_h=20, progress_h=12, shape=1.0,
                       law=Law.LINEAR, calendar=True, wear=ice)  # fmt: skip

    def step(self, dt_s: float) -> None:
        """Go on: wind and rotor in parts of SUBSTEP_s at most, then heat, wear, vibration."""
        parts = math.ceil(dt_s / SUBSTEP_s - 1e-9)
        work_kJ = 0.0
        for _ in range(parts):
            self.wind.step(dt_s / parts)
            self._turn(dt_s / parts)
            work_kJ += self.power_kW * dt_s / parts
        self.energy_kWh += work_kJ / 3600.0
        self._heat(dt_s, work_kJ / dt_s / RATED_kW)
        self.ice.stress = 1.0 if -15.0 <= self.world.air(self._hall) <= 1.0 else 0.0
        self.book.step(dt_s, work_kJ / dt_s / RATED_kW)
        self._structure.step(dt_s)
        self._shake()

    def _turn(self, dt_s: float) -> None:
        calm_or_storm = not CUT_IN_m_s <= self.wind.mean_m_s <= CUT_OUT_m_s or self.wind.speed_m_s < 0.5
        idle = self.book.standing or calm_or_storm
        self._pitch(dt_s, idle)
        if idle:
            self.power_kW = self.aero_kW = 0.0
            slow_rad_s = 0.0 if self.book.standing else 0.2 * RATED_rad_s
            self.omega_rad_s = toward(self.omega_rad_s, slow_rad_s, dt_s, 20.0)
            return
        mean_deg = (self.pitch_1_deg + 2.0 * self.pitch_deg) / 3.0
        cp = power_coefficient(self.omega_rad_s * RADIUS_m / self.wind.speed_m_s, mean_deg)
        cp *= 1.0 - 0.35 * self.ice.severity
        density = air_density_kg_m3(self.world.air(self._hall))
        self.aero_kW = 0.5 * density * AREA_m2 * cp * self.wind.speed_m_s**3 / 1000.0
        brake_kW = self._generator_kW()
        self.power_kW = EFFICIENCY * brake_kW
        torque_kNm = (self.aero_kW - brake_kW) / max(0.3, self.omega_rad_s)
        self.omega_rad_s = max(0.05, self.omega_rad_s + 1000.0 * torque_kNm / INERTIA_kgm2 * dt_s)

    def _generator_kW(self) -> float:
        """Give the shaft power that the generator takes: k ω³, steep between 97 and 100 % of speed, then rated."""
        k_kW = 0.5e-3 * 1.225 * AREA_m2 * RADIUS_m**3 * BEST_CP / BEST_LAMBDA**3
        knee_rad_s, top_kW = 0.97 * RATED_rad_s, RATED_kW / EFFICIENCY
        if self.omega_rad_s < SYNCHRONISED * RATED_rad_s:
            return 0.0
        if self.omega_rad_s <= knee_rad_s:
            return k_kW * self.omega_rad_s**3
        share = min(1.0, (self.omega_rad_s - knee_rad_s) / (RATED_rad_s - knee_rad_s))
        return k_kW * knee_rad_s**3 + share * (top_kW - k_kW * knee_rad_s**3)

    def _pitch(self, dt_s: float, idle: bool) -> None:
        if idle:
            self.demand_deg, self.integral_deg = FEATHER_deg, 0.0
        else:
            error = self.omega_rad_s - RATED_rad_s
            self.integral_deg = min(30.0, max(0.0, self.integral_deg + PITCH_KI * error * dt_s))
            self.demand_deg = min(FEATHER_deg, max(0.0, self.integral_deg + PITCH_KP * error))
        reach_deg = PITCH_RATE_deg_s * dt_s
        self.pitch_deg += min(reach_deg, max(-reach_deg, _lag(self.pitch_deg, self.demand_deg, dt_s)))
        band_deg = STICK_deg * self.sticking.severity
        if abs(self.demand_deg - self.pitch_1_deg) > band_deg:
            wanted_deg = self.demand_deg - math.copysign(band_deg / 2.0, self.demand_deg - self.pitch_1_deg)
            self.pitch_1_deg += min(reach_deg, max(-reach_deg, _lag(self.pitch_1_deg, wanted_deg, dt_s)))

    def _heat(self, dt_s: float, load: float) -> None:
        speed = self.omega_rad_s / RATED_rad_s
        nacelle = self.nacelle_degC(load)
        loss_kW = 0.025 * RATED_kW * load + (8.0 + 25.0 * self.gear.severity**2) * speed
        self.oil_degC = toward(self.oil_degC, nacelle + OIL_K_per_kW * loss_kW, dt_s, OIL_TAU_s)
        warm_K = 8.0 * load + 25.0 * self.gear.severity**1.5 * speed
        self.gear_bearing_degC = toward(self.gear_bearing_degC, self.oil_degC + warm_K, dt_s, BEARING_TAU_s)
        main_K = (12.0 + 40.0 * self.main.severity**1.5) * speed
        self.main_degC = toward(self.main_degC, nacelle + main_K, dt_s, MAIN_TAU_s)
        winding_K = (6.0 * speed + 70.0 * load**2) * (1.0 + 0.9 * self.heat.severity)
        self.winding_degC = toward(self.winding_degC, nacelle + winding_K, dt_s, WINDING_TAU_s)

    def nacelle_degC(self, load: float) -> float:
        """Give the air around the machines."""
        return self.world.air(self._hall) + 5.0 + 8.0 * load

    def _shake(self) -> None:
        self.machine.electric_power_kW = -self.power_kW
        self.machine.casing_temperature_degC = self.gear_bearing_degC
        shaking = self.machine.shaking
        shaking.geometry, shaking.speed = GEOMETRY, self.omega_rad_s / RATED_rad_s
        shaking.shaft_Hz, shaking.load = self.omega_rad_s * RATIO / (2.0 * math.pi), self.power_kW / RATED_kW
        shaking.bearing, shaking.locus = self.gear.severity, self.gear.choice("locus", LOCI)

    @property
    def tower_m_s2(self) -> float:
        """Give the nacelle's acceleration at once a revolution: wind, unequal ice (m r ω²), one blade's other pitch."""
        turn = (self.omega_rad_s / RATED_rad_s) ** 2
        uneven = abs(self.pitch_1_deg - self.pitch_deg)
        return 0.02 + 0.03 * self.wind.speed_m_s / 12.0 + turn * (0.35 * self.ice.severity + 0.012 * uneven)

    def hidden_states(self) -> Mapping[str, float]:
        """Give what no sensor measures."""
        return {"aero_power_kW": self.aero_kW, "true_wind_m_s": self.wind.speed_m_s}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the turbine's control, with the noise of its sensors."""
        noise, rpm = self.random.gauss, self.omega_rad_s * 30.0 / math.pi
        particles = (1.5 + 60.0 * self.gear.severity**1.3) * self.omega_rad_s / RATED_rad_s
        air, load = self.world.air(self._hall), self.power_kW / RATED_kW
        pitches = (self.pitch_1_deg, self.pitch_deg, self.pitch_deg)
        return {
            "running": self.power_kW > 0.0,
            "trip": self.book.trip,
            "wind_speed_m_s": max(0.0, self.wind.speed_m_s * (1.0 + noise(0.0, 0.04))),
            "power_kW": self.power_kW + noise(0.0, 3.0) if self.power_kW else -4.0 + noise(0.0, 0.3),
            "energy_kWh": self.energy_kWh,
            "rotor_speed_rpm": max(0.0, rpm + noise(0.0, 0.01)),
            "generator_speed_rpm": max(0.0, rpm * RATIO + noise(0.0, 0.5)),
            "pitch_demand_deg": self.demand_deg,
            **{f"pitch_{blade}_deg": pitch + noise(0.0, 0.03) for blade, pitch in enumerate(pitches, 1)},
            "pitch_deviation_deg": abs(self.pitch_1_deg - self.pitch_deg) + abs(noise(0.0, 0.04)),
            "tower_acceleration_m_s2": self.tower_m_s2 * (1.0 + noise(0.0, 0.08)),
            "oil_temperature_degC": self.oil_degC + noise(0.0, 0.1),
            "oil_particles_per_min": max(0.0, particles + noise(0.0, 0.3) * math.sqrt(max(0.1, particles))),
            "gearbox_bearing_temperature_degC": self.gear_bearing_degC + noise(0.0, 0.1),
            "main_bearing_temperature_degC": self.main_degC + noise(0.0, 0.1),
            "winding_temperature_degC": self.winding_degC + noise(0.0, 0.1),
            "nacelle_temperature_degC": self.nacelle_degC(load) + noise(0.0, 0.1),
            "outside_temperature_degC": air + noise(0.0, 0.1),
            "running_h": self.gear.running_h,
            **self.machine.shaking.features(self.random, 1.0 + self._structure.value),
        }


def _lag(value: float, target: float, dt_s: float) -> float:
    return toward(value, target, dt_s, PITCH_TAU_s) - value
