"""A three-phase energy meter: it sums what the machines of the plant draw."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.model import Drift, Json, ModelContext, number_of

POWER_FACTOR = 0.88


class EnergyMeter:
    """Measure active power (machines and a base load), energy since installation, voltage, current."""

    OUTPUTS: ClassVar[Mapping[str, str]] = {"power_kW": "kW", "energy_kWh": "kWh", "voltage_V": "V", "current_A": "A"}

    def __init__(self, context: ModelContext) -> None:
        take = context.parameters
        self._base_kW = take.number("base_load_kW", 4.0, high=1e6)
        self._nominal_V = take.number("voltage_V", 400.0, low=50.0, high=1e6)
        self._energy_kWh = take.number("energy_start_kWh", 0.0, high=1e12)
        take.finish()
        self._world, self._random = context.world, context.random
        self._base = Drift(context.random, 0.08, 120.0)
        self._grid = Drift(context.random, 0.006, 45.0)
        self._power_kW = 0.0

    def step(self, dt_s: float) -> None:
        """Integrate the power."""
        self._grid.step(dt_s)
        base_kW = self._base_kW * max(0.0, 1.0 + self._base.step(dt_s))
        self._power_kW = base_kW + self._world.load_kW()
        self._energy_kWh += self._power_kW * dt_s / 3600.0

    def outputs(self) -> Mapping[str, Value]:
        """Give the register values; voltage sags a little with load."""
        voltage = self._nominal_V * (1.0 + self._grid.value) - 0.02 * self._power_kW
        return {
            "power_kW": self._power_kW * (1.0 + self._random.gauss(0.0, 0.002)),
            "energy_kWh": self._energy_kWh,
            "voltage_V": voltage,
            "current_A": self._power_kW * 1000.0 / (math.sqrt(3.0) * voltage * POWER_FACTOR),
        }

    def save(self) -> Json:
        """Give the energy register."""
        return {"energy_kWh": self._energy_kWh}

    def load(self, state: Json) -> None:
        """Take up the energy register: it never runs backwards."""
        self._energy_kWh = max(self._energy_kWh, number_of(state, "energy_kWh", 0.0))
