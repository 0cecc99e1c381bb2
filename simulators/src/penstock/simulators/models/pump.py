"""A centrifugal pump with its motor, drive, bearings and the pipe it pumps into.

Pump: head H = H0 s² − k Q², with s = n / n_rated (affinity laws: Q ~ n, H ~ n², P ~ n³; Gülich, *Centrifugal
Pumps*, 3.3 and 4.1). Pipe: H = H_static + r Q². The operating point is where both meet. Efficiency is a parabola
around the best point, which moves with speed. Motor: losses heat the winding through one thermal resistance and
capacity, bearing friction heats the bearing likewise. Current from P = √3 U I cos φ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.bearing import Bearing
from penstock.simulators.models.fault import FaultError, FaultRequest, FaultState
from penstock.simulators.models.model import Drift, Json, ModelContext, number_of, toward
from penstock.simulators.models.world import Machine

WATER_N_per_m3 = 998.0 * 9.81
MOTOR_EFFICIENCY = 0.92
POWER_FACTOR = 0.86
SPEED_TAU_s = 2.0
WINDING_TAU_s = 900.0
WINDING_RISE_K_per_kW = 45.0
"""About 60 K at the losses of rated load: thermal class B use of a class F winding (IEC 60034-1)."""
BEARING_TAU_s = 240.0
BEARING_RISE_K_per_kW = 130.0
REPAIR_s = 20.0
"""A fitter needs hours; an experiment does not."""


class CentrifugalPump:
    """Simulate pump and motor; faults: bearing."""

    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "speed_rpm": "rpm",
        "flow_m3h": "m3/h",
        "suction_pressure_bar": "bar",
        "discharge_pressure_bar": "bar",
        "power_kW": "kW",
        "current_A": "A",
        "winding_temperature_degC": "degC",
        "bearing_temperature_degC": "degC",
        "running_h": "h",
    }

    def __init__(self, context: ModelContext) -> None:
        take = context.parameters
        self._rated_flow = take.number("rated_flow_m3h", 120.0, low=1.0, high=1e5)
        self._rated_head = take.number("rated_head_m", 32.0, low=1.0, high=1e4)
        self._rated_rpm = take.number("rated_speed_rpm", 1480.0, low=100.0, high=2e4)
        self._voltage = take.number("voltage_V", 400.0, low=100.0, high=2e4)
        self._hall = take.word("hall")
        take.finish()
        self._world, self._random = context.world, context.random
        self._demand = Drift(context.random, 0.04, 600.0)
        self._ripple = Drift(context.random, 0.006, 3.0)
        self.bearing = Bearing()
        self._machine = Machine(rated_speed_rpm=self._rated_rpm, bearing=self.bearing)
        context.world.machines[context.device] = self._machine
        self._speed_rpm = 0.0
        self._flow = self._head = self._shaft_kW = 0.0
        air = context.world.air(self._hall)
        self._winding = air + 55.0
        self._bearing_degC = air + 20.0
        self._repair_left_s = 0.0

    def step(self, dt_s: float) -> None:
        """Go on: drive, operating point, heat, wear."""
        self._repair_left_s = max(0.0, self._repair_left_s - dt_s)
        wanted = 0.0 if self._repair_left_s > 0.0 else self._rated_rpm * (0.94 + self._demand.step(dt_s))
        self._speed_rpm = toward(self._speed_rpm, wanted, dt_s, SPEED_TAU_s)
        speed = self._speed_rpm / self._rated_rpm
        self._pump_water(speed, self._ripple.step(dt_s))
        self._heat(dt_s, speed)
        self.bearing.step(dt_s, speed)
        self._machine.speed_rpm = self._speed_rpm
        self._machine.load_fraction = min(1.5, self._flow / self._rated_flow)
        self._machine.electric_power_kW = self._shaft_kW / MOTOR_EFFICIENCY
        self._machine.casing_temperature_degC = self._bearing_degC

    def _pump_water(self, speed: float, ripple: float) -> None:
        shut_off_head = 1.25 * self._rated_head
        pump_k = 0.25 * self._rated_head / self._rated_flow**2
        static_head = 0.35 * self._rated_head
        pipe_r = 0.65 * self._rated_head / self._rated_flow**2
        drive = shut_off_head * speed**2 - static_head
        self._flow = math.sqrt(drive / (pump_k + pipe_r)) * (1.0 + ripple) if drive > 0.0 else 0.0
        self._head = static_head + pipe_r * self._flow**2 if self._flow else shut_off_head * speed**2
        best_flow = self._rated_flow * max(speed, 0.05)
        efficiency = max(0.1, 0.78 * (1.0 - 0.9 * (self._flow / best_flow - 1.0) ** 2))
        hydraulic_kW = WATER_N_per_m3 * self._flow / 3600.0 * self._head / 1000.0
        self._shaft_kW = hydraulic_kW / efficiency + self.bearing.friction_kW * speed

    def _heat(self, dt_s: float, speed: float) -> None:
        air = self._world.air(self._hall)
        losses_kW = self._shaft_kW / MOTOR_EFFICIENCY - self._shaft_kW
        self._winding = toward(self._winding, air + WINDING_RISE_K_per_kW * losses_kW, dt_s, WINDING_TAU_s)
        friction_kW = self.bearing.friction_kW * speed
        self._bearing_degC = toward(self._bearing_degC, air + BEARING_RISE_K_per_kW * friction_kW, dt_s, BEARING_TAU_s)

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the PLC, with the noise of its transmitters."""
        noise = self._random.gauss
        electric_kW = self._shaft_kW / MOTOR_EFFICIENCY
        return {
            "running": self._speed_rpm > 0.05 * self._rated_rpm,
            "speed_rpm": self._speed_rpm + noise(0.0, 0.4),
            "flow_m3h": max(0.0, self._flow + noise(0.0, 0.004 * self._rated_flow)) if self._flow else 0.0,
            "suction_pressure_bar": 0.8 + noise(0.0, 0.004),
            "discharge_pressure_bar": 0.8 + WATER_N_per_m3 * self._head / 1e5 + noise(0.0, 0.008),
            "power_kW": max(0.0, electric_kW + noise(0.0, 0.02)),
            "current_A": max(0.0, electric_kW * 1000.0 / (math.sqrt(3.0) * self._voltage * POWER_FACTOR)),
            "winding_temperature_degC": self._winding + noise(0.0, 0.08),
            "bearing_temperature_degC": self._bearing_degC + noise(0.0, 0.08),
            "running_h": self.bearing.running_h,
        }

    def faults(self) -> list[FaultState]:
        """List the bearing fault."""
        fault = self.bearing.fault
        growth, onset = (fault.growth_per_h, fault.onset_s) if fault else (0.0, 0.0)
        return [FaultState("bearing", fault is not None, self.bearing.severity, growth, onset)]

    def inject(self, request: FaultRequest) -> None:
        """Damage the bearing."""
        self._known(request.fault)
        self.bearing.inject(severity=request.severity, growth_per_h=request.growth_per_h, onset_s=request.onset_s)

    def clear(self, fault: str) -> None:
        """Take the damage back."""
        self._known(fault)
        self.bearing.clear()

    def repair(self, fault: str) -> None:
        """Stop, put in a new bearing, start again."""
        self._known(fault)
        self.bearing.repair()
        self._repair_left_s = REPAIR_s

    def _known(self, fault: str) -> None:
        if fault != "bearing":
            message = f"a centrifugal pump has no fault {fault!r}; it has: bearing"
            raise FaultError(message, fault=fault)

    def save(self) -> Json:
        """Give wear and temperatures."""
        return {
            "bearing": self.bearing.save(),
            "speed_rpm": self._speed_rpm,
            "winding_degC": self._winding,
            "bearing_degC": self._bearing_degC,
            "repair_left_s": self._repair_left_s,
        }

    def load(self, state: Json) -> None:
        """Take up wear and temperatures."""
        bearing = state.get("bearing")
        if isinstance(bearing, dict):
            self.bearing.load(bearing)
        self._speed_rpm = number_of(state, "speed_rpm", self._speed_rpm)
        self._winding = number_of(state, "winding_degC", self._winding)
        self._bearing_degC = number_of(state, "bearing_degC", self._bearing_degC)
        self._repair_left_s = number_of(state, "repair_left_s", 0.0)
