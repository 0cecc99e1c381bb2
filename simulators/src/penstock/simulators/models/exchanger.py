"""A heat exchanger, water to water, counter-flow.

Effectiveness: ε = (1 − e^(−NTU (1 − c))) / (1 − c e^(−NTU (1 − c))), c = C_min / C_max, NTU = U A / C_min; for c = 1
NTU / (1 + NTU) (Incropera, *Fundamentals of Heat and Mass Transfer*, 11.4). Heat Q = ε C_min (T_hot − T_cold), both at
their inlets. Fouling: 1 / U = 1 / U0 + R_f (TEMA). Film coefficients follow flow to the power of 0.8 (Dittus and
Boelter), half of the resistance on each side. Pressure drop ~ Q². Cooling water comes from a tower 4 K above the air.

| fault | what it does | channels |
|---|---|---|
| fouling | R_f up to 1.6 / U0, passages narrow: drop × 2.5 | hot_out ↑, cold_out ↓, cold_dp ↑ |
| tube-leak | up to 10 % of the hot flow goes over | cold_conductivity, cold_out_flow ↑, tank_level ↓ |
| pump-wear | cooling water pump: flow down to 55 % | cold_flow ↓, cold_dp ↓, cold_out ↑ and hot_out ↑ |

Fouling by salts that dissolve less in warm water is stressed by the wall: doubled for each 10 K above 40 °C.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.duty import Duty
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.model import Drift, ModelContext, toward

WATER_kJ_m3K = 4.18 * 992.0
OUTLET_TAU_s = 45.0
VALVE_TAU_s = 5.0
TOWER_K = 4.0
FOULED_SHARE = 1.6
LEAK_SHARE = 0.1
COLD_uS_cm, HOT_uS_cm = 900.0, 2600.0
"""Tower water; treated water of the hot circuit, which the leak brings in."""
LEVEL_TAU_s = 1800.0


class HeatExchanger(WearingMachine):
    """Simulate exchanger, cooling water and hot circuit; faults: see the table above."""

    STATE = ("hot_m3h", "cold_m3h", "hot_out_degC", "cold_out_degC", "level_percent")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "hot_in_degC": "degC",
        "hot_out_degC": "degC",
        "cold_in_degC": "degC",
        "cold_out_degC": "degC",
        "hot_flow_m3h": "m3/h",
        "cold_flow_m3h": "m3/h",
        "cold_out_flow_m3h": "m3/h",
        "hot_dp_bar": "bar",
        "cold_dp_bar": "bar",
        "cold_conductivity_uS_cm": "uS/cm",
        "tank_level_percent": "%",
        "running_h": "h",
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self.rated_hot_m3h = take.number("hot_flow_m3h", 30.0, low=0.01, high=1e5)
        self.rated_cold_m3h = take.number("cold_flow_m3h", 40.0, low=0.01, high=1e5)
        self._hot_in_degC = take.number("hot_in_degC", 70.0, low=0.0, high=180.0)
        self.clean_kW_K = take.number("ua_kW_K", 60.0, low=0.01, high=1e5)
        self._hall = take.word("hall")
        self.duty = Duty(context)
        take.finish()
        add = self.book.fault
        self.fouling = add(
            "fouling", component="plates, cold side", trip="hot outlet temperature high", life_h=1500, progress_h=4000
        )
        self.leak = add("tube-leak", component="tube", trip="expansion tank level low", life_h=60_000, progress_h=300)
        self.pump = add(
            "pump-wear", component="cooling water pump", trip="cold flow low", life_h=25_000, progress_h=3000
        )
        self._source = Drift(context.random, 0.8, 900.0)
        self.hot_m3h = self.cold_m3h = self.heat_kW = self.ua_kW_K = 0.0
        self.hot_out_degC, self.cold_out_degC, self.level_percent = 45.0, 35.0, 70.0
        self.hot_in_degC, self.cold_in_degC = self._hot_in_degC, context.world.air(self._hall) + TOWER_K

    def step(self, dt_s: float) -> None:
        """Go on: flows, heat, leak, wear."""
        duty = self.duty.step(dt_s)
        standing = self.book.standing or duty < 0.05
        hot, cold = (0.0, 0.0) if standing else (self.rated_hot_m3h * duty, self.rated_cold_m3h)
        self.hot_m3h = toward(self.hot_m3h, hot, dt_s, VALVE_TAU_s)
        self.cold_m3h = toward(self.cold_m3h, cold * (1.0 - 0.45 * self.pump.severity), dt_s, VALVE_TAU_s)
        self.hot_in_degC = self._hot_in_degC + self._source.step(dt_s)
        self.cold_in_degC = self.world.air(self._hall) + TOWER_K
        self._exchange(dt_s)
        filled = 70.0 - 55.0 * self.leak.severity**0.7
        self.level_percent = toward(self.level_percent, filled, dt_s, LEVEL_TAU_s)
        wall_degC = (self.hot_out_degC + self.cold_out_degC) / 2.0
        self.fouling.stress = math.exp2((wall_degC - 40.0) / 10.0)
        self.book.step(dt_s, self.hot_m3h / self.rated_hot_m3h if self.hot_m3h > 0.02 * self.rated_hot_m3h else 0.0)

    def _exchange(self, dt_s: float) -> None:
        hot_kW_K, cold_kW_K = (flow / 3600.0 * WATER_kJ_m3K for flow in (self.hot_m3h, self.cold_m3h))
        self.ua_kW_K = self._conductance()
        self.heat_kW = 0.0
        if min(hot_kW_K, cold_kW_K) > 1e-3:
            share = effectiveness(self.ua_kW_K, hot_kW_K, cold_kW_K)
            self.heat_kW = share * min(hot_kW_K, cold_kW_K) * (self.hot_in_degC - self.cold_in_degC)
            hot_out = self.hot_in_degC - self.heat_kW / hot_kW_K
            cold_out = self.cold_in_degC + self.heat_kW / cold_kW_K
        else:
            hot_out, cold_out = self.cold_in_degC, self.cold_in_degC
        leaked = LEAK_SHARE * self.leak.severity * self.hot_m3h
        if leaked:
            cold_out += leaked / (leaked + self.cold_m3h) * (self.hot_out_degC - cold_out)
        self.hot_out_degC = toward(self.hot_out_degC, hot_out, dt_s, OUTLET_TAU_s)
        self.cold_out_degC = toward(self.cold_out_degC, cold_out, dt_s, OUTLET_TAU_s)

    def _conductance(self) -> float:
        """Give U A: two films that follow their flows, and what has grown on the wall."""
        films = math.fsum(
            0.5 / math.pow(max(1e-3, flow / rated), 0.8)
            for flow, rated in ((self.hot_m3h, self.rated_hot_m3h), (self.cold_m3h, self.rated_cold_m3h))
        )
        return self.clean_kW_K / (films + FOULED_SHARE * self.fouling.severity)

    def hidden_states(self) -> Mapping[str, float]:
        """Give what nobody measures."""
        return {
            "heat_kW": self.heat_kW,
            "conductance_kW_K": self.ua_kW_K,
            "leak_m3h": LEAK_SHARE * self.leak.severity * self.hot_m3h,
        }

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the PLC, with the noise of its transmitters."""
        noise = self.random.gauss
        leaked = LEAK_SHARE * self.leak.severity * self.hot_m3h
        mixed = leaked / (leaked + self.cold_m3h) if leaked else 0.0
        hot, cold = self.hot_m3h / self.rated_hot_m3h, self.cold_m3h / self.rated_cold_m3h
        return {
            "running": hot > 0.02,
            "trip": self.book.trip,
            "hot_in_degC": self.hot_in_degC + noise(0.0, 0.05),
            "hot_out_degC": self.hot_out_degC + noise(0.0, 0.05),
            "cold_in_degC": self.cold_in_degC + noise(0.0, 0.05),
            "cold_out_degC": self.cold_out_degC + noise(0.0, 0.05),
            "hot_flow_m3h": max(0.0, self.hot_m3h + noise(0.0, 0.002 * self.rated_hot_m3h)),
            "cold_flow_m3h": max(0.0, self.cold_m3h + noise(0.0, 0.002 * self.rated_cold_m3h)),
            "cold_out_flow_m3h": max(0.0, self.cold_m3h + leaked + noise(0.0, 0.002 * self.rated_cold_m3h)),
            "hot_dp_bar": 0.45 * hot**2 + noise(0.0, 0.002),
            "cold_dp_bar": 0.5 * cold**2 * (1.0 + 1.5 * self.fouling.severity) + noise(0.0, 0.002),
            "cold_conductivity_uS_cm": COLD_uS_cm + (HOT_uS_cm - COLD_uS_cm) * mixed + noise(0.0, 1.5),
            "tank_level_percent": self.level_percent + noise(0.0, 0.1),
            "running_h": self.fouling.running_h,
        }


def effectiveness(ua_kW_K: float, hot_kW_K: float, cold_kW_K: float) -> float:
    """Give ε of a counter-flow exchanger for its conductance and the two capacity flows, all in kW/K."""
    least, most = sorted((hot_kW_K, cold_kW_K))
    ntu, c = ua_kW_K / least, least / most
    if 1.0 - c < 1e-6:
        return ntu / (1.0 + ntu)
    decay = math.exp(-ntu * (1.0 - c))
    return (1.0 - decay) / (1.0 - c * decay)
