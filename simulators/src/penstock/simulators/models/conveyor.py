"""A belt conveyor with its gear motor.

Resistance: F = C f L g (m_roll + 2 m_belt + m_load) + H g m_load, with m_load = Q / (3.6 v) in kg/m (DIN 22101; ISO
5048: f = 0.02, C = 1.6 at 40 m). Power F v / η. The drum holds the belt by friction: F_max = T2 (e^(μ α) − 1) (Euler
and Eytelwein), μ = 0.35, α = 200°. Creep is 0.5 %; near F_max the belt slips. The gear motor's bearing is the one that
is watched. Load for wear: power over rated power.

| fault | what it does | channels |
|---|---|---|
| bearing | spalls, friction (`bearing`) | bearing_band, kurtosis, one of bpfo bpfi bsf ftf ↑, then velocity ↑, |
|  |  | last bearing_temperature ↑ |
| belt-slip | belt worn and long: tension to 35 %, take-up at its end | takeup ↑, belt_speed ↓, drum_temperature ↑ |
| misalignment | belt runs off centre: up to 90 mm, rubs | tracking ↑, power ↑ |
| idler-seizure | idlers stand: friction f × 2.2 | power, current ↑, velocity ↑ (broad), with the same tracking |
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

GRAVITY_m_s2 = 9.81
FRICTION, LENGTH_FACTOR = 0.02, 1.6
ROLL_kg_m, BELT_kg_m = 22.0, 12.0
WRAP = math.exp(0.35 * math.radians(200.0)) - 1.0
"""e^(μ α) − 1: what the drum can pull per slack-side tension."""
RESERVE = 1.8
"""F_max of a sound belt over the rated pull."""
CREEP = 0.005
DRIVE_EFFICIENCY = 0.85
MOTOR_rpm = 1470.0
SPEED_TAU_s = 4.0
DRUM_TAU_s, DRUM_RISE_K_per_kW = 600.0, 60.0
BEARING_TAU_s, BEARING_RISE_K = 300.0, 22.0


class Conveyor(RotatingMachine):
    """Simulate belt, drum, gear motor and what lies on the belt; faults: see the table above."""

    STATE = ("drum_m_s", "drum_degC", "bearing_degC")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "drum_speed_m_s": "m/s",
        "belt_speed_m_s": "m/s",
        "load_t_h": "t/h",
        "power_kW": "kW",
        "current_A": "A",
        "tracking_mm": "mm",
        "takeup_mm": "mm",
        "drum_temperature_degC": "degC",
        "bearing_temperature_degC": "degC",
        "running_h": "h",
        **SHAKING_OUTPUTS,
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self._length_m = take.number("length_m", 40.0, low=1.0, high=1e4)
        self._lift_m = take.number("lift_m", 4.0, high=500.0)
        self.rated_t_h = take.number("rated_load_t_h", 200.0, low=0.1, high=1e5)
        self.rated_m_s = take.number("rated_speed_m_s", 1.6, low=0.05, high=10.0)
        self._voltage = take.number("voltage_V", 400.0, low=100.0, high=2e4)
        self._hall = take.word("hall")
        self.duty = Duty(context)
        take.finish()
        self._name_faults()
        self._pour, self._wobble = Drift(context.random, 0.08, 8.0), Drift(context.random, 4.0, 20.0)
        air = context.world.air(self._hall)
        self.rated_N = self._pull_N(self.rated_t_h, clean=True)
        self.rated_kW = self.rated_N * self.rated_m_s / 1000.0 / DRIVE_EFFICIENCY
        self.drum_m_s = self.belt_m_s = self.load_t_h = self.pull_N = self.shaft_kW = 0.0
        self.slip_share = CREEP
        self.drum_degC, self.bearing_degC = air + 5.0, air + 20.0

    def _name_faults(self) -> None:
        add = self.book.fault
        self.bearing = self.add_bearing("gear motor bearing", l10_h=30_000)
        self.belt = add("belt-slip", component="belt", trip="belt speed low", life_h=15_000, shape=3, progress_h=3000)
        self.tracking = add(
            "misalignment", component="belt tracking", trip="belt off centre", life_h=9000, progress_h=600
        )
        self.idlers = add("idler-seizure", component="idlers", trip="motor overload", life_h=20_000, progress_h=4000)

    def step(self, dt_s: float) -> None:
        """Go on: drive, load, pull, slip, heat, wear."""
        duty = self.duty.step(dt_s)
        standing = self.book.standing or duty < 0.05
        self.drum_m_s = toward(self.drum_m_s, 0.0 if standing else self.rated_m_s, dt_s, SPEED_TAU_s)
        speed = self.drum_m_s / self.rated_m_s
        poured = 0.9 * self.rated_t_h * duty * (1.0 + self._pour.step(dt_s))
        carried = max(0.0, poured) if speed > 0.5 else 0.0
        self.load_t_h = toward(self.load_t_h, carried, dt_s, self._length_m / self.rated_m_s)
        self.pull_N = self._pull_N(self.load_t_h, clean=False) if speed > 0.02 else 0.0
        self._slip(speed)
        self._wobble.step(dt_s)
        self._heat(dt_s, speed)
        self._wear(dt_s, speed)

    def _pull_N(self, load_t_h: float, *, clean: bool) -> float:
        friction = FRICTION
        if not clean:
            friction *= 1.0 + 1.2 * self.idlers.severity + 0.35 * self.tracking.severity**2
        load_kg_m = load_t_h / 3.6 / self.rated_m_s
        rolling_N = LENGTH_FACTOR * friction * self._length_m * (ROLL_kg_m + 2.0 * BELT_kg_m + load_kg_m) * GRAVITY_m_s2
        return rolling_N + self._lift_m * GRAVITY_m_s2 * load_kg_m

    def _slip(self, speed: float) -> None:
        """Creep grows as the pull comes near to what the drum can hold (quadratic from 60 % of it on)."""
        holds_N = RESERVE * self.rated_N * (1.0 - 0.65 * self.belt.severity)
        use = self.pull_N / holds_N
        self.slip_share = min(0.6, CREEP + 0.8 * max(0.0, use - 0.6) ** 2)
        self.belt_m_s = self.drum_m_s * (1.0 - self.slip_share)
        pulled_kW = self.pull_N * self.drum_m_s / 1000.0
        self.shaft_kW = pulled_kW / DRIVE_EFFICIENCY + friction_kW(self.bearing.severity) * speed

    def _heat(self, dt_s: float, speed: float) -> None:
        air = self.world.air(self._hall)
        slip_kW = self.pull_N * self.drum_m_s * self.slip_share / 1000.0
        self.drum_degC = toward(self.drum_degC, air + DRUM_RISE_K_per_kW * slip_kW, dt_s, DRUM_TAU_s)
        rise_K = BEARING_RISE_K * friction_kW(self.bearing.severity) / friction_kW(0.0) * speed
        self.bearing_degC = toward(self.bearing_degC, air + rise_K, dt_s, BEARING_TAU_s)

    def _wear(self, dt_s: float, speed: float) -> None:
        load = self.shaft_kW / self.rated_kW
        self.belt.stress = 1.0 + 3.0 * self.tracking.severity
        self.book.step(dt_s, load if speed > 0.05 else 0.0)
        self.machine.electric_power_kW = self.shaft_kW
        self.machine.casing_temperature_degC = self.bearing_degC
        self.shake(dt_s, speed=speed, shaft_rpm=MOTOR_rpm * speed, load=load, broad_mm_s=2.5 * self.idlers.severity)

    def hidden_states(self) -> Mapping[str, float]:
        """Give what nobody measures."""
        return {
            "pull_N": self.pull_N,
            "slack_tension_N": RESERVE * self.rated_N / WRAP * (1.0 - 0.65 * self.belt.severity),
            "slip_percent": 100.0 * self.slip_share,
        }

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the PLC, with the noise of its transmitters."""
        noise, moving = self.random.gauss, min(1.0, self.drum_m_s / self.rated_m_s)
        return {
            "running": self.drum_m_s > 0.05 * self.rated_m_s,
            "trip": self.book.trip,
            "drum_speed_m_s": self.drum_m_s + noise(0.0, 0.001),
            "belt_speed_m_s": self.belt_m_s + noise(0.0, 0.003),
            "load_t_h": max(0.0, self.load_t_h + noise(0.0, 0.005 * self.rated_t_h)),
            "power_kW": max(0.0, self.shaft_kW * (1.0 + noise(0.0, 0.004))),
            "current_A": current_A(self.shaft_kW, self._voltage),
            "tracking_mm": 90.0 * self.tracking.severity + self._wobble.value * moving + noise(0.0, 0.3),
            "takeup_mm": 60.0 + 340.0 * self.belt.severity + noise(0.0, 0.5),
            "drum_temperature_degC": self.drum_degC + noise(0.0, 0.2),
            "bearing_temperature_degC": self.bearing_degC + noise(0.0, 0.08),
            "running_h": self.bearing.running_h,
            **self.vibration(),
        }
