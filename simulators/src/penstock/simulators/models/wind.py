"""The wind of one place, and what a rotor can take of it.

Mean: a slow wander around its own mean. Turbulence: σ = 0.6 I (0.75 v + 5.6) with a time constant of 20 s (IEC 61400-1,
6.3.1.3; 0.6: a rotor averages over its disc). Cp after Slootweg et al. 2003 (IEEE Trans. Power Systems 18, 1): 0.441 at
λ = 6.91, β = 0. Density of dry air: ρ = p / (R T), so that cold air is heavy.
"""

from __future__ import annotations

import math
from typing import Final

from penstock.simulators.models.gridded import Wander
from penstock.simulators.models.model import ModelContext

TURBULENCE_TAU_s, ROTOR_AVERAGES = 20.0, 0.6
MEAN_TAU_s: Final = 7200.0
FIT_FROM: Final = 4.5
"""Below this tip-speed ratio the fit knows no torque that starts a rotor; 0.012 λ² − 0.02 β is this model's own."""


class Wind:
    """Blow; takes the parameters `wind_mean_m_s`, `wind_spread_m_s` and `turbulence` of the device file."""

    def __init__(self, context: ModelContext) -> None:
        take = context.parameters
        self._centre_m_s = take.number("wind_mean_m_s", 8.0, high=40.0)
        spread_m_s = take.number("wind_spread_m_s", 2.5, high=15.0)
        self._turbulence = take.number("turbulence", 0.14, high=0.5)
        self._slow = Wander(context.random, spread_m_s, MEAN_TAU_s, grid_s=60.0)
        self._gust = Wander(context.random, 1.0, TURBULENCE_TAU_s)
        self.mean_m_s = self.speed_m_s = self._centre_m_s

    def step(self, dt_s: float) -> None:
        """Go on."""
        self.mean_m_s = max(0.0, self._centre_m_s + self._slow.step(dt_s))
        std_m_s = ROTOR_AVERAGES * self._turbulence * (0.75 * self.mean_m_s + 5.6)
        self.speed_m_s = max(0.0, self.mean_m_s + std_m_s * self._gust.step(dt_s))


def power_coefficient(tip_speed_ratio: float, pitch_deg: float) -> float:
    """Give Cp(λ, β) of a turbine of variable speed; where that fit ends, a slow rotor still starts."""
    inverse = 1.0 / max(0.5, tip_speed_ratio - 0.02 * pitch_deg) - 0.003 / (pitch_deg**3 + 1.0)
    lift = 151.0 * inverse - 0.58 * pitch_deg - 0.002 * pitch_deg**2.14 - 13.2
    least = max(0.0, 0.012 * tip_speed_ratio**2 - 0.02 * pitch_deg) if tip_speed_ratio < FIT_FROM else 0.0
    return float(max(least, 0.73 * lift * math.exp(-18.4 * inverse)))


def air_density_kg_m3(air_degC: float) -> float:
    """Give the density of dry air at sea level."""
    return 101_325.0 / (287.05 * (air_degC + 273.15))
