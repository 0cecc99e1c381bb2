"""A hydraulic injection moulding machine: shots of polypropylene, barrel, mould, clamp, oil.

Filling: the screw's speed v goes with the pump's flow; pressure p = p0 (v / v0)^0.35 e^(−0.02 (T − 234)): power law and
shift with temperature (Osswald and Hernández-Ortiz 2006, *Polymer Processing*, 2.3). Screw: a stroke of 60 mm fills the
mould; the cushion is what is left of 8 mm when the check valve leaks. Cooling of a plate, s = 2.5 mm, a = 0.09 mm²/s:
T_e = T_w + 4/π (T_m − T_w) e^(−π² a t / s²) after t (Ballman and Shusman 1959). Barrel: three zones, each with a band
of 4.5 kW and a thermostat; losses 9 W/K to the air, 0.35 kW into the plastic at rated output, 20 W/K to a neighbour.
Oil: the pump's losses heat it, a cooler takes 0.12 kW/K above the air. Parts are weighed and judged: weight within 1 %,
ejection below 80 °C. What is wanted follows `duty`.

| fault | what it does | channels |
|---|---|---|
| check-valve | ring leaks: up to 8 mm of stroke run back | cushion, part_weight ↓, scatter of both ↑ |
| heater-band | strands of zone 2's band break: − 90 % | heater_2 ↑ to 100 %, then zone_2 and melt_temperature ↓, |
|  |  | injection_pressure ↑, heaters of the neighbours ↑ |
| hydraulic-leak | pump's inner leak: − 45 % of flow | injection_time, cycle_time, oil_temperature ↑, |
|  |  | injection_pressure, clamp_force ↓ |
| mould-scaling | scale in the cooling channels: R × 4 | cooling_flow ↓, mould_temperature, ejection_temperature ↑ |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

from penstock.core.values import Value
from penstock.simulators.models.cycle import WAITING, CyclicMachine
from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.model import Json, ModelContext, number_of, toward

ZONES_degC: Final = (200.0, 220.0, 230.0)
BAND_kW, ZONE_kJ_per_K, LOSS_kW_per_K, PULL_kW_per_K, PLASTIC_kW = 4.5, 12.0, 0.009, 0.020, 0.35
THERMOSTAT_per_K, THERMOSTAT_TI_s = 0.05, 400.0
SHEAR_K = 4.0
"""The screw's work warms the melt above the last zone."""
STROKE_mm, CUSHION_mm, SPEED_mm_s, WEIGHT_g = 60.0, 8.0, 50.0, 84.0
FILL_bar, FLOW_INDEX, SHIFT_per_K = 850.0, 0.35, 0.02
THICKNESS_mm, DIFFUSIVITY_mm2_s, COOLING_s = 2.5, 0.09, 12.0
CLAMP_kN, WATER_degC = 1500.0, 18.0
MOULD_K_per_kW, MOULD_TAU_s, HEAT_kJ_per_g = 7.0, 300.0, 0.45
EJECT_MAX_degC, WEIGHT_SHARE, COOLING_l_min = 80.0, 0.01, 12.0
PUMP_kW: Final[Mapping[str, float]] = {
    "closing": 9.0,
    "injecting": 26.0,
    "holding": 8.0,
    "cooling": 12.0,
    "ejecting": 7.0,
}
"""Power at the motor in each phase; the screw turns while the part cools."""
IDLE_kW, LOSS_SHARE, OIL_kJ_per_K, COOLER_kW_per_K = 3.0, 0.28, 380.0, 0.12
ROUND_s: Final = 22.6
RATED_HEAT_kW, RATED_WORK_kW = HEAT_kJ_per_g * WEIGHT_g / ROUND_s, 11.1
"""What a new machine does in a round without waiting, as means."""
WINDOW_s = 60.0
"""Motor power and heat into the mould are also needed as means of some cycles."""


class InjectionMoulding(CyclicMachine):
    """Simulate the machine and its mould; faults: see the table above."""

    PHASES = (WAITING, *PUMP_kW)
    STATE = ("zone_1_degC", "zone_2_degC", "zone_3_degC", "mould_degC", "oil_degC", "part_count", "reject_count",
             "cycle_time_s", "pressure_bar", "injection_s", "cushion_mm", "weight_g", "ejection_degC", "work_kW",
             "heat_kW")  # fmt: skip
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "phase": "",
        **{f"zone_{zone}_temperature_degC": "degC" for zone in (1, 2, 3)},
        **{f"heater_{zone}_percent": "%" for zone in (1, 2, 3)},
        "melt_temperature_degC": "degC",
        "mould_temperature_degC": "degC",
        "cooling_flow_l_min": "l/min",
        "oil_temperature_degC": "degC",
        "injection_pressure_bar": "bar",
        "injection_time_s": "s",
        "cushion_mm": "mm",
        "clamp_force_kN": "kN",
        "part_weight_g": "g",
        "ejection_temperature_degC": "degC",
        "cycle_time_s": "s",
        "good_count": "",
        "reject_count": "",
        "power_kW": "kW",
        "running_h": "h",
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self._hall = take.word("hall")
        take.finish()
        add = self.book.fault
        self.ring = add("check-valve", component="non-return valve", trip="cushion low", life_h=9_000, progress_h=900)
        self.band = add("heater-band", component="heater band of zone 2", trip="zone 2 temperature low",
                        life_h=20_000, progress_h=200, shape=1.5)  # fmt: skip
        self.hydraulic = add("hydraulic-leak", component="hydraulic pump", trip="oil temperature high",
                             life_h=25_000, progress_h=2000)  # fmt: skip
        self.scale = add("mould-scaling", component="cooling channels", trip="mould temperature high",
                         life_h=6_000, progress_h=1500, shape=3.0)  # fmt: skip
        self.zone_1_degC, self.zone_2_degC, self.zone_3_degC = ZONES_degC
        self._sum = [0.3, 0.3, 0.3]
        self.heater = [0.0, 0.0, 0.0]
        self.mould_degC, self.oil_degC = 37.0, context.world.air(self._hall) + 22.0
        self.part_count = self.reject_count = 0.0
        self.phase, self.motor_kW, self._done_s = WAITING, 0.0, 0.0
        self.work_kW, self.heat_kW = RATED_WORK_kW, RATED_HEAT_kW
        self._melt = Wander(context.random, 0.5, 120.0)
        self.pressure_bar, self.injection_s = FILL_bar, STROKE_mm / SPEED_mm_s
        self.cushion_mm, self.weight_g, self.ejection_degC, self.cycle_time_s = CUSHION_mm, WEIGHT_g, 75.0, 0.0

    @property
    def melt_degC(self) -> float:
        """Give the temperature of the melt before the screw."""
        return 0.25 * self.zone_2_degC + 0.75 * self.zone_3_degC + 2.5 + SHEAR_K + self._melt.value

    @property
    def flow_share(self) -> float:
        """Give what the pump delivers, as a share of new; warm oil leaks a little more."""
        return 1.0 - 0.45 * self.hydraulic.severity - 0.001 * (self.oil_degC - 42.0)

    def length_s(self, phase: str) -> float:
        """Give the length of a phase: what the oil moves takes longer when the pump leaks."""
        match phase:
            case "injecting":
                return STROKE_mm / (SPEED_mm_s * self.flow_share)
            case "holding":
                return 5.0
            case "cooling":
                return COOLING_s
            case _:
                return 2.2 / self.flow_share

    def begin_step(self, dt_s: float) -> None:
        """Heat the barrel and the oil."""
        self._melt.step(dt_s)
        self._done_s = 0.0
        air_degC = self.world.air(self._hall)
        zones = [self.zone_1_degC, self.zone_2_degC, self.zone_3_degC]
        plastic_kW = PLASTIC_kW * self.heat_kW / RATED_HEAT_kW
        for index, wanted_degC in enumerate(ZONES_degC):
            error_K = wanted_degC - zones[index]
            raw = THERMOSTAT_per_K * error_K + self._sum[index]
            self.heater[index] = min(1.0, max(0.0, raw))
            if raw == self.heater[index]:
                self._sum[index] += THERMOSTAT_per_K * error_K * dt_s / THERMOSTAT_TI_s
            power_kW = BAND_kW * self.heater[index] * (1.0 - 0.9 * self.band.severity * (index == 1))
            near = [zones[one] for one in (index - 1, index + 1) if 0 <= one < 3]
            gain_kW = power_kW - plastic_kW + LOSS_kW_per_K * air_degC + PULL_kW_per_K * sum(near)
            per_K = LOSS_kW_per_K + PULL_kW_per_K * len(near)
            zones[index] = toward(zones[index], gain_kW / per_K, dt_s, ZONE_kJ_per_K / per_K)
        self.zone_1_degC, self.zone_2_degC, self.zone_3_degC = zones
        leak_kW = 5.0 * self.hydraulic.severity * self.work_kW / RATED_WORK_kW
        rise_K = (LOSS_SHARE * self.work_kW + leak_kW) / COOLER_kW_per_K
        self.oil_degC = toward(self.oil_degC, air_degC + rise_K, dt_s, OIL_kJ_per_K / COOLER_kW_per_K)
        resistance = MOULD_K_per_kW * (1.0 + 3.0 * self.scale.severity)
        target_degC = WATER_degC + 0.1 * (air_degC - 20.0) + (8.0 + resistance) * self.heat_kW
        self.mould_degC = toward(self.mould_degC, target_degC, dt_s, MOULD_TAU_s)

    def pass_time(self, phase: str, spent_s: float) -> None:
        """Take the motor's power of this phase."""
        self.phase = phase
        self.motor_kW = PUMP_kW.get(phase, IDLE_kW)
        self.work_kW = toward(self.work_kW, self.motor_kW, spent_s, WINDOW_s)
        self.heat_kW = toward(self.heat_kW, 0.0, spent_s, WINDOW_s)
        self._done_s += spent_s if phase in PUMP_kW else 0.0

    def end_phase(self, phase: str) -> None:
        """Take the figures of the shot, judge the part."""
        match phase:
            case "injecting":
                self._fill()
            case "cooling":
                exponent = -(math.pi**2) * DIFFUSIVITY_mm2_s * (COOLING_s + 5.0) / THICKNESS_mm**2
                drop_K = 4.0 / math.pi * (self.melt_degC - self.mould_degC) * math.exp(exponent)
                self.ejection_degC = self.mould_degC + drop_K + self.parts.gauss(0.0, 0.3)
                self.heat_kW += HEAT_kJ_per_g * self.weight_g / WINDOW_s
            case "ejecting":
                self.part_count += 1.0
                light = abs(self.weight_g / WEIGHT_g - 1.0) > WEIGHT_SHARE
                self.reject_count += light or self.ejection_degC > EJECT_MAX_degC
                self.cycle_time_s = self.cycle.elapsed_s

    def _fill(self) -> None:
        luck = self.parts.gauss
        back_mm = max(0.0, 8.0 * self.ring.severity * (1.0 + luck(0.0, 0.2)))
        self.cushion_mm = max(0.0, CUSHION_mm - back_mm + luck(0.0, 0.08))
        self.weight_g = WEIGHT_g * (1.0 - 0.03 * back_mm / CUSHION_mm) + luck(0.0, 0.06)
        self.injection_s = self.length_s("injecting") + luck(0.0, 0.006)
        shift = math.exp(-SHIFT_per_K * (self.melt_degC - 234.0))
        self.pressure_bar = FILL_bar * self.flow_share**FLOW_INDEX * shift * (1.0 + luck(0.0, 0.004))

    def end_step(self, dt_s: float) -> None:
        """Let the parts wear, draw power."""
        self.book.step(dt_s, self._done_s / dt_s)
        heaters_kW = BAND_kW * (sum(self.heater) - 0.9 * self.band.severity * self.heater[1])
        self.machine.electric_power_kW = self.motor_kW + heaters_kW
        self.machine.casing_temperature_degC = self.oil_degC

    def save(self) -> Json:
        """Give faults, states, cycle and what the thermostats have summed up, as JSON."""
        return {**super().save(), "thermostats": list(self._sum)}

    def load(self, state: Json) -> None:
        """Take up a saved state."""
        super().load(state)
        given = state.get("thermostats")
        if isinstance(given, list) and len(given) == len(ZONES_degC):
            self._sum = [number_of({"sum": one}, "sum", 0.3) for one in given]

    def hidden_states(self) -> Mapping[str, float]:
        """Give what no sensor measures."""
        return {"pump_flow_share": self.flow_share}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the machine's control, with the noise of its sensors."""
        noise = self.random.gauss
        closed = self.phase in ("injecting", "holding", "cooling")
        clamp_kN = CLAMP_kN * (1.0 - 0.25 * self.hydraulic.severity) + noise(0.0, 4.0) if closed else 0.0
        zones = (self.zone_1_degC, self.zone_2_degC, self.zone_3_degC)
        return {
            "running": self.phase in PUMP_kW,
            "trip": self.book.trip,
            "phase": self.phase,
            **{f"zone_{at}_temperature_degC": zone + noise(0.0, 0.1) for at, zone in enumerate(zones, 1)},
            **{f"heater_{at}_percent": 100.0 * share for at, share in enumerate(self.heater, 1)},
            "melt_temperature_degC": self.melt_degC + noise(0.0, 0.3),
            "mould_temperature_degC": self.mould_degC + noise(0.0, 0.1),
            "cooling_flow_l_min": COOLING_l_min * (1.0 - 0.6 * self.scale.severity) + noise(0.0, 0.05),
            "oil_temperature_degC": self.oil_degC + noise(0.0, 0.1),
            "injection_pressure_bar": self.pressure_bar,
            "injection_time_s": self.injection_s,
            "cushion_mm": self.cushion_mm,
            "clamp_force_kN": clamp_kN,
            "part_weight_g": self.weight_g,
            "ejection_temperature_degC": self.ejection_degC,
            "cycle_time_s": self.cycle_time_s,
            "good_count": int(self.part_count - self.reject_count),
            "reject_count": int(self.reject_count),
            "power_kW": max(0.0, self.machine.electric_power_kW + noise(0.0, 0.05)),
            "running_h": self.ring.running_h,
        }
