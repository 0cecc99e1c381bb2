"""What every machine with a shaft has in common: a bearing that wears, and a housing that shakes."""

from __future__ import annotations

import math

from penstock.core.values import Value
from penstock.simulators.models.bearing import LOCI
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.faults.process import L10_TO_CHARACTERISTIC, FaultProcess
from penstock.simulators.models.model import Drift, ModelContext

BEARING_SLOPE = 1.5
"""Weibull slope of rolling bearings (ISO 281)."""


class RotatingMachine(WearingMachine):
    """Add a bearing to the machine's book, say how it shakes in each step, give the features for `outputs`."""

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self._structure = Drift(context.random, 0.04, 30.0)
        self._bearing: FaultProcess | None = None

    def add_bearing(
        self, component: str, *, l10_h: float, exponent: float = 3.0, progress_h: float = 1000.0
    ) -> FaultProcess:
        """Add the fault `bearing`: basic rating life l10_h at rated load (ISO 281; exponent 3 balls, 10/3 rollers)."""
        self._bearing = self.book.fault(
            "bearing",
            component=component,
            trip="bearing temperature high",
            life_h=l10_h * L10_TO_CHARACTERISTIC,
            shape=BEARING_SLOPE,
            progress_h=progress_h,
            duty=exponent,
        )
        return self._bearing

    def shake(
        self,
        dt_s: float,
        *,
        speed: float,
        shaft_rpm: float,
        load: float,
        one_x_mm_s: float = 0.0,
        two_x_mm_s: float = 0.0,
        broad_mm_s: float = 0.0,
        hiss_m_s2: float = 0.0,
    ) -> None:
        """Set the sources of this step; speed and load as fractions of the rated ones, the rest see `Shaking`."""
        self._structure.step(dt_s)
        shaking = self.machine.shaking
        shaking.speed, shaking.shaft_Hz, shaking.load = speed, shaft_rpm / 60.0, min(1.5, load)
        shaking.one_x_mm_s, shaking.two_x_mm_s, shaking.broad_mm_s = one_x_mm_s, two_x_mm_s, broad_mm_s
        shaking.hiss_m_s2 = hiss_m_s2
        if self._bearing is not None:
            shaking.bearing, shaking.locus = self._bearing.severity, self._bearing.choice("locus", LOCI)

    def vibration(self) -> dict[str, Value]:
        """Measure the features of SHAKING_OUTPUTS."""
        return self.machine.shaking.features(self.random, 1.0 + self._structure.value)


def current_A(electric_kW: float, voltage_V: float, power_factor: float = 0.86) -> float:
    """Give the current of a three-phase motor: I = P / (√3 U cos φ)."""
    return electric_kW * 1000.0 / (math.sqrt(3.0) * voltage_V * power_factor)
