"""A three-phase energy meter: it sums what the machines of the plant draw, phase by phase.

P = Σ U_i I_i cos φ over the voltages to neutral U_i; two phases 120° apart give the line voltage U_12² = U_1² + U_2² +
U_1 U_2, `voltage` is the mean of the three, `current` that of the phases. Energy is what the meter measured, imported
energy alone: a broken meter counts too little (a sound one of class 1 errs by less than 1 %, IEC 62053-21).

| fault | what it does | channels |
|---|---|---|
| phase-loss | contact of L2's measuring fuse burns off | voltage_l2, voltage ↓, power ↓ to two thirds; currents stay |
| ct-fault | shorted turns in L3's current transformer | current_l3, current ↓, power ↓ to two thirds; voltages stay |

The plant goes on when its meter fails: complete, that phase is gone until the repair, during which nothing is read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

from penstock.core.values import Value
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.model import Json, ModelContext, number_of

POWER_FACTOR: Final = 0.88
UNEQUAL: Final = (1.01, 0.995, 0.995)
"""What each phase carries of the mean; the sum is 3."""
PHASES: Final = ("l1", "l2", "l3")
SAG_V_per_kW: Final = 0.02


class EnergyMeter(WearingMachine):
    """Measure active power (machines and a base load), energy since installation, voltages, currents."""

    STATE = ("energy_kWh",)
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "power_kW": "kW",
        "energy_kWh": "kWh",
        "voltage_V": "V",
        "current_A": "A",
        **{f"voltage_{phase}_V": "V" for phase in PHASES},
        **{f"current_{phase}_A": "A" for phase in PHASES},
        "trip": "",
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self._base_kW = take.number("base_load_kW", 4.0, high=1e6)
        self._nominal_V = take.number("voltage_V", 400.0, low=50.0, high=1e6)
        self.energy_kWh = take.number("energy_start_kWh", 0.0, high=1e12)
        take.finish()
        self.fuse = self.book.fault("phase-loss", component="measuring fuse of L2", trip="phase L2 missing",
                                    life_h=150_000, progress_h=300, calendar=True)  # fmt: skip
        self.transformer = self.book.fault("ct-fault", component="current transformer of L3", trip="current L3 missing",
                                           life_h=200_000, progress_h=2000, calendar=True)  # fmt: skip
        self._base = Wander(context.random, 0.08, 120.0)
        self._grid = Wander(context.random, 0.006, 45.0)
        self._voltages = [self._nominal_V / math.sqrt(3.0)] * 3
        self._currents = [0.0] * 3
        self.power_kW = self.true_kW = 0.0

    def step(self, dt_s: float) -> None:
        """Integrate the power."""
        self._grid.step(dt_s)
        base_kW = self._base_kW * max(0.0, 1.0 + self._base.step(dt_s))
        self.true_kW = base_kW + self.world.load_kW()
        line_V = max(1.0, self._nominal_V * (1.0 + self._grid.value) - SAG_V_per_kW * self.true_kW)
        mean_A = self.true_kW * 1000.0 / (math.sqrt(3.0) * line_V * POWER_FACTOR)
        self._voltages = [line_V / math.sqrt(3.0)] * 3
        self._currents = [mean_A * share for share in UNEQUAL]
        self._voltages[1] *= 1.0 - self.fuse.severity
        self._currents[2] *= 1.0 - self.transformer.severity
        pairs = zip(self._voltages, self._currents, strict=True)
        self.power_kW = sum(volt * ampere for volt, ampere in pairs) * POWER_FACTOR / 1000.0
        if not self._replaced:
            self.energy_kWh += max(0.0, self.power_kW) * dt_s / 3600.0
        self.book.step(dt_s, 1.0)

    @property
    def _replaced(self) -> bool:
        """Say whether a fitter is at the meter."""
        return self.book.standing and not self.book.failed

    def hidden_states(self) -> Mapping[str, float]:
        """Give what is really drawn."""
        return {"true_power_kW": self.true_kW}

    def outputs(self) -> Mapping[str, Value]:
        """Give the register values; voltage sags a little with load."""
        factor = 1.0 + self.random.gauss(0.0, 0.002)
        if self._replaced:
            return {**dict.fromkeys(self.OUTPUTS), "trip": ""}
        one, two, three = self._voltages
        lines = (_line_V(one, two), _line_V(two, three), _line_V(three, one))
        return {
            "power_kW": self.power_kW * factor,
            "energy_kWh": self.energy_kWh,
            "voltage_V": sum(lines) / 3.0,
            "current_A": sum(self._currents) / 3.0,
            **{f"voltage_{phase}_V": value for phase, value in zip(PHASES, self._voltages, strict=True)},
            **{f"current_{phase}_A": value for phase, value in zip(PHASES, self._currents, strict=True)},
            "trip": self.book.trip,
        }

    def load(self, state: Json) -> None:
        """Take up a saved state: the register never runs backwards."""
        energy_kWh = self.energy_kWh
        super().load(state)
        self.energy_kWh = max(energy_kWh, number_of(state, "energy_kWh", 0.0))


def _line_V(one_V: float, two_V: float) -> float:
    return math.sqrt(one_V**2 + two_V**2 + one_V * two_V)
