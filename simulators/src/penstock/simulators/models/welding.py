"""An arc welding robot: gas metal arc, wire 1.2 mm, two seams a part, torch cooled by water, one joint watched.

Wire: v = α I + β L I² (Lesnewich 1958, Welding Journal 37; steel: α = 0.3 mm/(A s), β = 5e-5 1/(A² s), L = 15 mm free);
the source holds the voltage U = 14 + 0.05 I of the feed it was set for (IEC 60974-1, conventional load voltage), and
current follows from feed and stick-out. A worn contact tip passes current further back: L + 6 mm, and lets it flicker
(Villafuerte 1999, Welding Journal 78); arcs fail to start and are tried again, 1.5 s each. Liner: the feed motor works
against its friction and slips in the end. Joint: torque = gravity + acceleration + friction, which falls by 2 %/K of
the gear's heat; path error of the tool as in ISO 9283, 8. Cooling: 8 % of the arc's power goes into the torch; rise =
P / (ρ c flow). Jobs (feeds) change by the lot. The tip is a consumable: it wears at `tip_pace` whatever `wear`, is
complete after 6 h of arc at 250 A (with the square of current), and is changed after `tip_life_h`, 20 s each time.

| fault | what it does | channels |
|---|---|---|
| contact-tip | stick-out + 6 mm, flicker, failed starts | current ↓, current_ripple ↑, arc_failures, cycle_time ↑; |
|  |  | wire_feed as before |
| liner-clogging | friction × 3.5; slip to 30 % from 0.4 on | wire_motor ↑, then wire_feed, current ↓ |
| joint-backlash | play of the gear: 0.8 mm | following_error, torque_ripple ↑, joint_torque a little ↑ |
| cooling-clogging | flow × 0.2; the hot tip wears to × 3 | cooling_flow ↓, cooling_return_temperature ↑ |
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

from penstock.core.values import Value
from penstock.simulators.models.cycle import WAITING, CyclicMachine
from penstock.simulators.models.fault import Law
from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.model import Json, ModelContext, toward

JOBS_m_min: Final[Mapping[str, float]] = {"bracket": 7.3, "frame": 8.5, "panel": 5.6}
MELT_ALPHA, MELT_BETA, STICKOUT_mm = 0.3, 5e-5, 15.0
RATED_A = 250.0
PHASES_s: Final[Mapping[str, float]] = {
    "loading": 14.0, "approach": 2.5, "seam_1": 14.0, "transfer": 2.0, "seam_2": 18.0, "return": 3.0,
}  # fmt: skip
SEAMS: Final = frozenset({"seam_1", "seam_2"})
MOVES: Final[Mapping[str, float]] = {"approach": 22.0, "seam_1": 4.0, "transfer": 16.0, "seam_2": 4.0, "return": 22.0}
"""Torque of acceleration in % of rated, rms over the phase."""
GRAVITY_percent, FRICTION_percent = 24.0, 12.0
RETRY_s, START_FAILS = 1.5, 0.004
TIP_h = 6.0
TORCH_SHARE, FLOW_l_min, WATER_kJ_per_lK = 0.08, 2.0, 4.18
TORCH_TAU_s, COOLER_TAU_s, COOLER_K_per_kW = 8.0, 600.0, 14.0
GEAR_TAU_s, GEAR_K_per_percent = 1800.0, 1.1
SOURCE_EFFICIENCY, STANDBY_kW, MOTION_kW = 0.85, 0.5, 1.1


def current_A(feed_m_min: float, stickout_mm: float) -> float:
    """Give the current that melts the wire as quick as it comes."""
    feed_mm_s, b = feed_m_min * 1000.0 / 60.0, MELT_BETA * stickout_mm
    return (-MELT_ALPHA + math.sqrt(MELT_ALPHA**2 + 4.0 * b * feed_mm_s)) / (2.0 * b)


class WeldingRobot(CyclicMachine):
    """Simulate robot, torch and source; faults: see the table above."""

    PHASES = (WAITING, *PHASES_s)
    STATE = ("part_count", "arc_failures", "cycle_time_s", "tip_h", "gear_degC", "cooler_degC", "torch_K")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "running": "",
        "trip": "",
        "job": "",
        "arc": "",
        "current_A": "A",
        "current_ripple_A": "A",
        "voltage_V": "V",
        "wire_feed_m_min": "m/min",
        "wire_motor_A": "A",
        "joint_torque_percent": "%",
        "torque_ripple_percent": "%",
        "following_error_mm": "mm",
        "joint_temperature_degC": "degC",
        "cooling_flow_l_min": "l/min",
        "cooling_return_temperature_degC": "degC",
        "part_count": "",
        "arc_failures": "",
        "tip_arc_h": "h",
        "cycle_time_s": "s",
        "power_kW": "kW",
        "running_h": "h",
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self._pace = take.number("tip_pace", 1.0, high=1e4)
        self._plan_h = take.number("tip_life_h", 4.5, low=0.01, high=1e6)
        self._lot = take.number("lot_size", 60.0, low=1.0, high=1e6)
        self._hall = take.word("hall")
        take.finish()
        add = self.book.fault
        self.tip = add("contact-tip", component="contact tip", trip="arc start failed", life_h=1e-9, shape=1.0,
                       duty=0.0, progress_h=TIP_h, law=Law.LINEAR, wear=self._pace)  # fmt: skip
        self.liner = add("liner-clogging", component="wire liner", trip="wire feed motor overload", life_h=1_500,
                         progress_h=150)  # fmt: skip
        self.backlash = add("joint-backlash", component="gear of axis 2", trip="following error", life_h=30_000,
                            progress_h=4000, shape=3.0)  # fmt: skip
        self.clogging = add("cooling-clogging", component="cooling circuit", trip="cooling flow low", life_h=5_000,
                            progress_h=400)  # fmt: skip
        self.part_count = self.arc_failures = self.cycle_time_s = self.tip_h = self.torch_K = 0.0
        air_degC = context.world.air(self._hall)
        self.gear_degC, self.cooler_degC = air_degC + 20.0, air_degC + 4.0
        self.job, self.phase = "bracket", WAITING
        self._gap, self._friction = Wander(context.random, 0.4, 4.0), Wander(context.random, 0.02, 60.0)
        self._retries = self._arc_s = self._move_s = self._tip_seen_h = self._energy_kJ = 0.0

    @property
    def arc(self) -> bool:
        """Say whether the arc burns."""
        return self.phase in SEAMS

    @property
    def feed_m_min(self) -> float:
        """Give the wire's real feed while the arc burns."""
        slip = 0.3 * max(0.0, self.liner.severity - 0.4) / 0.6
        return JOBS_m_min[self.job] * (1.0 - slip)

    @property
    def weld_A(self) -> float:
        """Give the mean current of the arc."""
        return current_A(self.feed_m_min, STICKOUT_mm + 6.0 * self.tip.severity + self._gap.value)

    @property
    def set_V(self) -> float:
        """Give the voltage that belongs to the job's feed."""
        return 14.0 + 0.05 * current_A(JOBS_m_min[self.job], STICKOUT_mm)

    @property
    def flow_l_min(self) -> float:
        """Give the flow of the torch's cooling water; its pump runs with the robot."""
        return FLOW_l_min * (1.0 - 0.8 * self.clogging.severity)

    def length_s(self, phase: str) -> float:
        """Give the length of a phase; a seam also takes the starts that failed."""
        return PHASES_s[phase] + (RETRY_s * self._retries if phase in SEAMS else 0.0)

    def begin_step(self, dt_s: float) -> None:
        """Let gap and friction wander."""
        self._gap.step(dt_s)
        self._friction.step(dt_s)
        self._arc_s = self._move_s = self._energy_kJ = 0.0

    def pass_time(self, phase: str, spent_s: float) -> None:
        """Burn, heat the water and the gear."""
        self.phase = phase
        air_degC = self.world.air(self._hall)
        arc_kW = self.weld_A * self.set_V / 1000.0 if self.arc else 0.0
        torch_kW = TORCH_SHARE * arc_kW
        rise_K = torch_kW * 60.0 / (self.flow_l_min * WATER_kJ_per_lK)
        self.torch_K = toward(self.torch_K, rise_K, spent_s, TORCH_TAU_s)
        self.cooler_degC = toward(self.cooler_degC, air_degC + COOLER_K_per_kW * torch_kW, spent_s, COOLER_TAU_s)
        work_percent = self.friction_percent + 0.5 * MOVES[phase] if phase in MOVES else 0.0
        self.gear_degC = toward(self.gear_degC, air_degC + GEAR_K_per_percent * work_percent, spent_s, GEAR_TAU_s)
        self._arc_s += spent_s if self.arc else 0.0
        self._move_s += spent_s if phase in MOVES else 0.0
        moving_kW = MOTION_kW if phase in MOVES else 0.0
        self._energy_kJ += (STANDBY_kW + moving_kW + arc_kW / SOURCE_EFFICIENCY) * spent_s

    @property
    def friction_percent(self) -> float:
        """Give the friction of the joint in % of rated torque: warm grease is thin."""
        warm = math.exp(-0.02 * (self.gear_degC - 40.0))
        return FRICTION_percent * warm * (1.0 + 0.15 * self.backlash.severity + self._friction.value)

    def end_phase(self, phase: str) -> None:
        """Start the arc, count the part, change the tip when its time is up, take the next lot's job."""
        if phase in ("approach", "transfer"):
            fails = START_FAILS + 0.4 * self.tip.severity**2
            self._retries = float(sum(self.parts.random() < fails for _ in range(3)))
            self.arc_failures += self._retries
        elif phase in SEAMS:
            self._retries = 0.0
        elif phase == "return":
            self.part_count += 1.0
            self.cycle_time_s = self.cycle.elapsed_s
            if self.part_count % self._lot == 0.0:
                self.job = self.parts.choice([name for name in JOBS_m_min if name != self.job])
            if self.tip_h >= self._plan_h:
                self.book.renew(self.tip.name)

    def end_step(self, dt_s: float) -> None:
        """Let tip and machine wear; draw power."""
        arc = self._arc_s / dt_s
        self.tip.stress = arc * (self.weld_A / RATED_A) ** 2 * (1.0 + 2.0 * self.clogging.severity)
        self.book.step(dt_s, self._move_s / dt_s)
        new_tip = self.tip.running_h < self._tip_seen_h
        self.tip_h = 0.0 if new_tip else self.tip_h + self._arc_s / 3600.0
        self._tip_seen_h = self.tip.running_h
        self.machine.electric_power_kW = self._energy_kJ / dt_s
        self.machine.casing_temperature_degC = self.gear_degC

    def save(self) -> Json:
        """Give faults, states, cycle and job as JSON."""
        return {**super().save(), "job": self.job}

    def load(self, state: Json) -> None:
        """Take up a saved state; a job that is not there any more becomes the first."""
        super().load(state)
        job = state.get("job")
        self.job = job if isinstance(job, str) and job in JOBS_m_min else "bracket"

    def hidden_states(self) -> Mapping[str, float]:
        """Give what no sensor measures."""
        return {"stickout_mm": STICKOUT_mm + 6.0 * self.tip.severity, "torch_rise_K": self.torch_K}

    def outputs(self) -> Mapping[str, Value]:
        """Give the readings of source and robot control, with their noise."""
        noise, moving = self.random.gauss, self.phase in MOVES
        worn, play = self.tip.severity, self.backlash.severity
        ripple_A = 6.0 + 30.0 * worn**1.5 if self.arc else 0.0
        torque = GRAVITY_percent + (MOVES[self.phase] + self.friction_percent if moving else 0.0)
        motor_A = 1.2 * (1.0 + 2.5 * self.liner.severity) * (0.6 + 0.4 * JOBS_m_min[self.job] / 7.3)
        return {
            "running": moving,
            "trip": self.book.trip,
            "job": self.job,
            "arc": self.arc,
            "current_A": self.weld_A + noise(0.0, ripple_A / 3.0) if self.arc else 0.0,
            "current_ripple_A": ripple_A * (1.0 + noise(0.0, 0.08)),
            "voltage_V": self.set_V + noise(0.0, 0.15 + 0.4 * worn) if self.arc else 0.0,
            "wire_feed_m_min": self.feed_m_min + noise(0.0, 0.03) if self.arc else 0.0,
            "wire_motor_A": motor_A * (1.0 + noise(0.0, 0.03)) if self.arc else 0.0,
            "joint_torque_percent": torque + noise(0.0, 0.6),
            "torque_ripple_percent": abs((1.5 + 9.0 * play if moving else 0.3) + noise(0.0, 0.15)),
            "following_error_mm": abs((0.06 + 0.8 * play**1.2 if moving else 0.005) + noise(0.0, 0.006)),
            "joint_temperature_degC": self.gear_degC + noise(0.0, 0.1),
            "cooling_flow_l_min": self.flow_l_min + noise(0.0, 0.02),
            "cooling_return_temperature_degC": self.cooler_degC + self.torch_K + noise(0.0, 0.1),
            "part_count": int(self.part_count),
            "arc_failures": int(self.arc_failures),
            "tip_arc_h": self.tip_h,
            "cycle_time_s": self.cycle_time_s,
            "power_kW": max(0.0, self.machine.electric_power_kW + noise(0.0, 0.03)),
            "running_h": self.backlash.running_h,
        }
