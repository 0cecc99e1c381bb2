"""A tank whose level a PI controller holds: supply pump, control valve, tank, outlet pump.

Balance: A dh/dt = Q_in − Q_out − Q_leak. Valve: Q = Kv √p with p in bar (IEC 60534-2-1), equal percentage
Kv = Kvs R^(x−1), R = 30 (IEC 60534-2-4); the inlet is above the level. Supply pump: p = p0 − c Q²; both together give
Q = Kv √(p0 / (1 + c Kv²)). Leak through a hole: Q = 0.61 a √(2 g h) (Torricelli; contraction of a
sharp edge). Controller: x = x0 + Kp (e + ∫e dt / Ti), held where the valve is at its end. Heat: supply at 12 °C +
0.3 (air − 20 °C), walls U A = 60 W/K to the air.
What leaves follows `duty`. The controller has a transmitter of its own: a sensor fault of the tag does not mislead it.
A stiff valve moves only when the command is S away from it, then jumps to S/2 (Choudhury, Thornhill and Shah 2005,
Control Engineering Practice 13: stick band and slip jump); with the integrator this becomes a slow saw of the level.

| fault | what it does | channels |
|---|---|---|
| valve-sticking | stick band to 0.25 of travel | valve_deviation ↑, level_error ↑ both swinging; means stay |
| leak | hole to 25 cm²: 34 m³/h at 2 m | inflow, valve_command ↑, balance (inflow − outflow) ↑ |
| pump-wear | p0 and curve of the supply pump: − 55 % | supply_pressure ↓, valve_command ↑ |
| inlet-fouling | Kvs: − 65 % | valve_command ↑, supply_pressure as before |
| outlet-blocked | outlet strainer: the outlet pump gives less | outflow ↓ below outflow_wanted; inflow, command ↓ |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.duty import Duty
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.model import ModelContext, toward

AREA_m2, HEIGHT_m = 3.0, 4.0
SUPPLY_bar, SUPPLY_CURVE = 3.0, 1.0 / 30.0**2
KVS_m3h, RANGEABILITY = 32.0, 30.0
KP_per_m, TI_s = 2.0, 240.0
STROKE_TAU_s = 1.5
HOLE_m2, CONTRACTION, GRAVITY = 25e-4, 0.61, 9.81
SUPPLY_degC, SUPPLY_FOLLOWS, WALL_W_per_K, WATER_J_per_m3K = 12.0, 0.3, 60.0, 998.0 * 4186.0
PUMP_EFFICIENCY = 0.55
SUBSTEP_s = 0.5


class LevelTank(WearingMachine):
    """Simulate the tank and its loop; faults: see the table above."""

    STATE = ("level_m", "command_share", "position_share", "held_share", "integral_m", "water_degC", "total_m3")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "level_m": "m",
        "level_setpoint_m": "m",
        "level_error_m": "m",
        "valve_command_percent": "%",
        "valve_position_percent": "%",
        "valve_deviation_percent": "%",
        "inflow_m3h": "m3/h",
        "outflow_m3h": "m3/h",
        "outflow_wanted_m3h": "m3/h",
        "outflow_total_m3": "m3",
        "balance_m3h": "m3/h",
        "supply_pressure_bar": "bar",
        "power_kW": "kW",
        "temperature_degC": "degC",
        "running_h": "h",
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self.setpoint_m = take.number("setpoint_m", 2.0, low=0.2, high=HEIGHT_m - 0.2)
        self.rated_m3h = take.number("rated_flow_m3h", 20.0, low=1.0, high=28.0)
        self._hall = take.word("hall")
        self.duty = Duty(context, wander=0.0)
        take.finish()
        self._name_faults()
        self._demand = Wander(context.random, 0.04, 300.0)
        self._ripple = Wander(context.random, 0.004, 4.0)
        self.level_m, self.integral_m = self.setpoint_m, 0.0
        self.command_share = self.position_share = self._opening_for(self.rated_m3h)
        self._bias = self.command_share
        self.water_degC, self.total_m3 = SUPPLY_degC + 1.0, 0.0
        self.inflow_m3h = self.outflow_m3h = self.wanted_m3h = self.leak_m3h = 0.0
        self.supply_bar, self.power_kW, self.held_share = SUPPLY_bar, 0.0, self.position_share

    def _name_faults(self) -> None:
        add = self.book.fault
        self.sticking = add("valve-sticking", component="valve packing", trip="level deviation", life_h=14_000,
                            progress_h=1200)  # fmt: skip
        self.leak = add("leak", component="tank bottom", trip="mass balance", life_h=60_000, progress_h=700,
                        calendar=True)  # fmt: skip
        self.pump = add("pump-wear", component="supply pump", trip="supply pressure low", life_h=22_000,
                        progress_h=2500, shape=2.5)  # fmt: skip
        self.fouling = add("inlet-fouling", component="inlet pipe", trip="inflow low", life_h=16_000, progress_h=2000)
        self.blocked = add("outlet-blocked", component="outlet strainer", trip="outflow low", life_h=9_000,
                           progress_h=500)  # fmt: skip

    def _opening_for(self, flow_m3h: float) -> float:
        """Give the opening x at which a sound valve lets this flow pass."""
        kv = flow_m3h / math.sqrt(SUPPLY_bar - SUPPLY_CURVE * flow_m3h**2)
        return 1.0 + math.log(kv / KVS_m3h) / math.log(RANGEABILITY)

    def step(self, dt_s: float) -> None:
        """Go on: demand, controller, valve, flows, level, heat."""
        ripple = 1.0 + self._ripple.step(dt_s)
        share = self.duty.step(dt_s) * (1.0 + self._demand.step(dt_s))
        standing = self.book.standing
        self.wanted_m3h = 0.0 if standing else self.rated_m3h * share
        parts = math.ceil(dt_s / SUBSTEP_s - 1e-9)
        for _ in range(parts):
            self._control(dt_s / parts, standing)
            self._flow(dt_s / parts, ripple, standing)
        load = self.inflow_m3h / self.rated_m3h
        self.book.step(dt_s, load if load > 0.02 else 0.0)
        self.power_kW = self.inflow_m3h / 3600.0 * self.supply_bar * 100.0 / PUMP_EFFICIENCY
        self.machine.electric_power_kW = self.power_kW

    def _control(self, dt_s: float, standing: bool) -> None:
        if standing:
            self.command_share = self.held_share = 0.0
            self.position_share = toward(self.position_share, 0.0, dt_s, STROKE_TAU_s)
            return
        error = self.setpoint_m - self.level_m
        self.integral_m += error * dt_s / TI_s
        wanted = self._bias + KP_per_m * (error + self.integral_m)
        self.command_share = min(1.0, max(0.0, wanted))
        if wanted != self.command_share:
            self.integral_m -= error * dt_s / TI_s
        band = 0.25 * self.sticking.severity
        away = self.command_share - self.held_share
        if abs(away) > band:
            self.held_share = self.command_share - math.copysign(band / 2.0, away)
        self.position_share = toward(self.position_share, self.held_share, dt_s, STROKE_TAU_s)

    def _flow(self, dt_s: float, ripple: float, standing: bool) -> None:
        kvs = KVS_m3h * (1.0 - 0.65 * self.fouling.severity)
        kv = kvs * RANGEABILITY ** (self.position_share - 1.0) if self.position_share > 0.02 else 0.0
        shut_off_bar = 0.0 if standing else SUPPLY_bar * (1.0 - 0.55 * self.pump.severity)
        self.inflow_m3h = kv * math.sqrt(shut_off_bar / (1.0 + SUPPLY_CURVE * kv**2)) * ripple
        self.supply_bar = shut_off_bar - SUPPLY_CURVE * self.inflow_m3h**2
        able = min(1.0, self.level_m / 0.2)
        self.outflow_m3h = self.wanted_m3h * (1.0 - 0.9 * self.blocked.severity) * able
        self.total_m3 += self.outflow_m3h * dt_s / 3600.0
        hole_m2 = HOLE_m2 * self.leak.severity
        self.leak_m3h = 3600.0 * CONTRACTION * hole_m2 * math.sqrt(2.0 * GRAVITY * max(0.0, self.level_m))
        change_m3h = self.inflow_m3h - self.outflow_m3h - self.leak_m3h
        self.level_m = min(HEIGHT_m, max(0.0, self.level_m + change_m3h / 3600.0 * dt_s / AREA_m2))
        volume_m3 = max(0.1, AREA_m2 * self.level_m)
        fresh_W_per_K = self.inflow_m3h / 3600.0 * WATER_J_per_m3K
        air_degC = self.world.air(self._hall)
        supply_degC = SUPPLY_degC + SUPPLY_FOLLOWS * (air_degC - 20.0)
        mix = fresh_W_per_K * supply_degC + WALL_W_per_K * air_degC
        rate_W_per_K = fresh_W_per_K + WALL_W_per_K
        tau_s = volume_m3 * WATER_J_per_m3K / rate_W_per_K
        self.water_degC = toward(self.water_degC, mix / rate_W_per_K, dt_s, tau_s)

    def hidden_states(self) -> Mapping[str, float]:
        """Give what no transmitter measures."""
        return {"leak_m3h": self.leak_m3h}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the PLC, with the noise of its transmitters."""
        noise = self.random.gauss
        level_m = self.level_m + noise(0.0, 0.002)
        inflow = max(0.0, self.inflow_m3h + noise(0.0, 0.08)) if self.inflow_m3h else 0.0
        outflow = max(0.0, self.outflow_m3h + noise(0.0, 0.08)) if self.outflow_m3h else 0.0
        position = self.position_share + noise(0.0, 0.001)
        return {
            "running": not self.book.standing,
            "trip": self.book.trip,
            "level_m": level_m,
            "level_setpoint_m": self.setpoint_m,
            "level_error_m": abs(self.setpoint_m - level_m),
            "valve_command_percent": 100.0 * self.command_share,
            "valve_position_percent": 100.0 * min(1.0, max(0.0, position)),
            "valve_deviation_percent": 100.0 * abs(self.command_share - position),
            "inflow_m3h": inflow,
            "outflow_m3h": outflow,
            "outflow_wanted_m3h": self.wanted_m3h,
            "outflow_total_m3": self.total_m3,
            "balance_m3h": inflow - outflow,
            "supply_pressure_bar": max(0.0, self.supply_bar + noise(0.0, 0.005)),
            "power_kW": self.power_kW + noise(0.0, 0.005) if self.power_kW else 0.0,
            "temperature_degC": self.water_degC + noise(0.0, 0.05),
            "running_h": self.pump.running_h,
        }
