"""A machining centre's milling spindle: it cuts parts by one of three programs, and its tool wears.

Force, power, tool life and flank wear VB: `cutting`. The probe finds parts too large by VB tan 7°, and smaller by 0.5
µm/K of the spindle's growth. The tool is a consumable: it wears at Taylor's pace, whatever `wear` is, times `tool_pace`
(0: never blunt). The control changes it after `tool_life_min` minutes of cut, 20 s each time, and any fault of the tool
goes with it; a repair of tool-wear is such a change.

| fault | what it does | channels |
|---|---|---|
| tool-wear | flank wear to 0.3 mm; force × 1.36 | spindle_power in cut ↑, velocity_rms in cut ↑, probe_deviation ↑ |
| spindle-bearing | spalls, friction (`bearing`) | bearing_band, kurtosis, one defect line ↑, then velocity, |
|  |  | bearing_temperature ↑, probe_deviation ↓ |
| holder-imbalance | chips in the taper: 6 mm/s (ISO 21940-11: G) | velocity_1x ↑ |
| coolant-clogging | filter: flow × 0.3; tool wears up to × 3 | coolant_flow ↓, coolant_pressure ↑, then as tool-wear |
| drawbar | disc springs tire: 18 → 8 kN (HSK-A 63) | clamp_force ↓ |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

from penstock.core.values import Value
from penstock.simulators.models.bearing import LOCI, BearingGeometry, friction_kW
from penstock.simulators.models.cutting import (
    PROGRAMS,
    TEETH,
    RATED_m_min,
    cutting_kW,
    flank_wear_mm,
    spindle_rpm,
    tool_life_min,
)
from penstock.simulators.models.cycle import WAITING, CyclicMachine
from penstock.simulators.models.fault import Law
from penstock.simulators.models.faults.process import L10_TO_CHARACTERISTIC
from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.model import Json, ModelContext, toward
from penstock.simulators.models.shaking import SHAKING_OUTPUTS

PHASES_s: Final[Mapping[str, float]] = {"loading": 12.0, "roughing": 45.0, "finishing": 20.0, "probing": 8.0}
DEPTH: Final[Mapping[str, float]] = {"roughing": 1.0, "finishing": 0.12}
"""Depth of cut as a share of the program's ap."""
DRIVE_EFFICIENCY, IDLE_kW, STANDBY_kW = 0.85, 0.45, 0.4
SPEED_TAU_s = 0.8
BEARING_TAU_s, BEARING_RISE_K_per_kW = 420.0, 90.0
GEOMETRY: Final = BearingGeometry(elements=19, diameter_ratio=0.102)
"""Angular contact, 70 mm bore: d 9.5 mm, D 90 mm, 15°."""


class CncSpindle(CyclicMachine):
    """Simulate the spindle and its parts; faults: see the table above."""

    PHASES = (WAITING, *PHASES_s)
    STATE = ("speed_rpm", "bearing_degC", "tool_min", "part_count", "cycle_time_s", "probe_um", "power_kW")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "program": "",
        "cutting": "",
        "speed_rpm": "rpm",
        "feed_mm_min": "mm/min",
        "spindle_power_kW": "kW",
        "spindle_load_percent": "%",
        "bearing_temperature_degC": "degC",
        "coolant_flow_l_min": "l/min",
        "coolant_pressure_bar": "bar",
        "clamp_force_kN": "kN",
        "probe_deviation_um": "um",
        "part_count": "",
        "cycle_time_s": "s",
        "tool_cut_min": "min",
        "running_h": "h",
        **SHAKING_OUTPUTS,
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self.rated_kW = take.number("rated_power_kW", 7.5, low=0.5, high=500.0)
        self._plan_min = take.number("tool_life_min", 11.0, low=0.1, high=1e6)
        self._pace = take.number("tool_pace", 1.0, high=1e4)
        self._lot = take.number("lot_size", 40.0, low=1.0, high=1e6)
        self._hall = take.word("hall")
        take.finish()
        self._name_faults()
        self._ripple, self._structure = Wander(context.random, 0.01, 5.0), Wander(context.random, 0.03, 30.0)
        self.speed_rpm = self.power_kW = self.tool_min = self.part_count = self.cycle_time_s = self.probe_um = 0.0
        self.bearing_degC = context.world.air(self._hall) + 12.0
        self._cut_s = self._work_kJ = self._tool_seen_h = 0.0
        self.depth = 0.0
        self.program = "housing"

    def _name_faults(self) -> None:
        add = self.book.fault
        self.tool = add(
            "tool-wear", component="milling cutter", trip="spindle load high", life_h=1e-9, shape=1.0, duty=0.0,
            progress_h=tool_life_min(RATED_m_min) / 60.0, law=Law.LINEAR, wear=self._pace,
        )  # fmt: skip
        l10_h = 18_000.0 * L10_TO_CHARACTERISTIC
        self.bearing = add(
            "spindle-bearing", component="front bearing", trip="spindle temperature high", life_h=l10_h, shape=1.5,
            progress_h=600.0, duty=3.0,
        )  # fmt: skip
        self.imbalance = add(
            "holder-imbalance", component="tool holder", trip="vibration high", life_h=20_000, progress_h=800
        )
        self.coolant = add(
            "coolant-clogging", component="coolant filter", trip="coolant flow low", life_h=4_000, progress_h=300
        )
        self.drawbar = add(
            "drawbar", component="disc springs", trip="tool clamp force low", life_h=25_000, progress_h=2500, shape=3.0
        )

    def length_s(self, phase: str) -> float:
        """Give the length of a phase: the faster program cuts in less time."""
        return PHASES_s[phase] * (RATED_m_min / PROGRAMS[self.program].cutting_m_min if phase in DEPTH else 1.0)

    def begin_step(self, dt_s: float) -> None:
        """Let force and structure wander."""
        self._ripple.step(dt_s)
        self._structure.step(dt_s)
        self._cut_s = self._work_kJ = 0.0

    def pass_time(self, phase: str, spent_s: float) -> None:
        """Turn, cut, warm up."""
        cutting_m_min = PROGRAMS[self.program].cutting_m_min
        rated_rpm = spindle_rpm(cutting_m_min)
        self.depth = DEPTH.get(phase, 0.0)
        self.speed_rpm = toward(self.speed_rpm, rated_rpm if self.depth else 0.0, spent_s, SPEED_TAU_s)
        turn = self.speed_rpm / rated_rpm
        friction = friction_kW(self.bearing.severity)
        idle_kW = (IDLE_kW + friction) * turn
        cut_kW = cutting_kW(self.program, self.depth, flank_mm=flank_wear_mm(self.tool.severity)) * turn
        self.power_kW = idle_kW + cut_kW * (1.0 + self._ripple.value) / DRIVE_EFFICIENCY
        self._cut_s += spent_s if self.depth else 0.0
        self._work_kJ += self.power_kW * spent_s
        target = self.world.air(self._hall) + BEARING_RISE_K_per_kW * friction * turn
        self.bearing_degC = toward(self.bearing_degC, target, spent_s, BEARING_TAU_s)

    def end_phase(self, phase: str) -> None:
        """Measure and count the part, change the tool when its time is up, take up the next lot's program."""
        if phase != "probing":
            return
        growth_um = 0.5 * (self.bearing_degC - 33.0)
        worn_um = 1000.0 * flank_wear_mm(self.tool.severity) * math.tan(math.radians(7.0))
        self.probe_um = worn_um - growth_um + self.parts.gauss(0.0, 1.5)
        self.part_count += 1.0
        self.cycle_time_s = self.cycle.elapsed_s
        if self.part_count % self._lot == 0.0:
            self.program = self.parts.choice([name for name in PROGRAMS if name != self.program])
        if self.tool_min >= self._plan_min:
            self.book.renew(self.tool.name)

    def end_step(self, dt_s: float) -> None:
        """Let tool and machine wear; shake."""
        cut, load = self._cut_s / dt_s, self._work_kJ / dt_s / self.rated_kW
        taylor = tool_life_min(RATED_m_min) / tool_life_min(PROGRAMS[self.program].cutting_m_min)
        self.tool.stress = taylor * cut * (1.0 + 2.0 * self.coolant.severity)
        self.bearing.stress = 1.0 + 2.0 * self.imbalance.severity
        self.book.step(dt_s, load if cut else 0.0)
        new_tool = self.tool.running_h < self._tool_seen_h
        self.tool_min = 0.0 if new_tool else self.tool_min + self._cut_s / 60.0
        self._tool_seen_h = self.tool.running_h
        self.machine.electric_power_kW = STANDBY_kW + self.power_kW
        self.machine.casing_temperature_degC = self.bearing_degC
        shaking = self.machine.shaking
        shaking.geometry, shaking.load = GEOMETRY, min(1.5, self.power_kW / self.rated_kW)
        shaking.speed = self.speed_rpm / spindle_rpm(RATED_m_min)
        shaking.shaft_Hz = self.speed_rpm / 60.0
        shaking.one_x_mm_s = 6.0 * self.imbalance.severity
        shaking.broad_mm_s = self.depth * (0.5 + 8.0 * flank_wear_mm(self.tool.severity))
        shaking.bearing, shaking.locus = self.bearing.severity, self.bearing.choice("locus", LOCI)

    def save(self) -> Json:
        """Give faults, states, cycle and program as JSON."""
        return {**super().save(), "program": self.program}

    def load(self, state: Json) -> None:
        """Take up a saved state; a program that is not there any more becomes the first."""
        super().load(state)
        program = state.get("program")
        self.program = program if isinstance(program, str) and program in PROGRAMS else "housing"

    def hidden_states(self) -> Mapping[str, float]:
        """Give what no sensor measures."""
        return {"flank_wear_mm": flank_wear_mm(self.tool.severity)}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of the control and of the sensors, with their noise."""
        noise, on = self.random.gauss, self.speed_rpm > 50.0
        feed = PROGRAMS[self.program].tooth_mm * TEETH * self.speed_rpm if self.depth else 0.0
        flow_share = (1.0 - 0.7 * self.coolant.severity**1.3) if on else 0.0
        return {
            "running": on,
            "trip": self.book.trip,
            "program": self.program,
            "cutting": self.depth > 0.0,
            "speed_rpm": max(0.0, self.speed_rpm + noise(0.0, 0.5)),
            "feed_mm_min": feed,
            "spindle_power_kW": max(0.0, self.power_kW + noise(0.0, 0.02)),
            "spindle_load_percent": 100.0 * max(0.0, self.power_kW + noise(0.0, 0.02)) / self.rated_kW,
            "bearing_temperature_degC": self.bearing_degC + noise(0.0, 0.08),
            "coolant_flow_l_min": max(0.0, 30.0 * flow_share + (noise(0.0, 0.15) if on else 0.0)),
            "coolant_pressure_bar": max(0.0, (9.0 - 3.0 * flow_share**2 if on else 0.0) + noise(0.0, 0.02)),
            "clamp_force_kN": 18.0 - 10.0 * self.drawbar.severity + noise(0.0, 0.1),
            "probe_deviation_um": self.probe_um,
            "part_count": int(self.part_count),
            "cycle_time_s": self.cycle_time_s,
            "tool_cut_min": self.tool_min,
            "running_h": self.bearing.running_h,
            **self.machine.shaking.features(self.random, 1.0 + self._structure.value),
        }
