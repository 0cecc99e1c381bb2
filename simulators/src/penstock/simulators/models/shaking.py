"""How a rotating machine shakes: sources inside it, features that a sensor on its housing makes of them.

Each source has an rms velocity at rated speed; independent sources add in squares. What turns once a revolution stands
at 1×, misalignment mostly at 2×, flow and friction are broad (ISO 13373-1, annex). Velocity grows with speed to the
power of 1.5: the force of imbalance with the square, its velocity in a stiff machine with less. Impacts of a damaged
bearing, and bubbles that collapse, are heard from 2 to 10 kHz; impacts are regular and raise kurtosis and the line of
the damaged part in the envelope, bubbles are noise and do not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Final

from penstock.core.values import Value
from penstock.simulators.models.bearing import (
    LOCI,
    BearingGeometry,
    ENVELOPE_NOISE_m_s2,
    band_m_s2,
    envelope_m_s2,
    kurtosis,
    worn_velocity_mm_s,
)

RESIDUAL_1X_mm_s: Final = 0.6
"""Residual imbalance of a healthy machine; with the other two 1.0: zone A of ISO 20816-3 (boundaries of group 2, rigid:
1.4, 2.8, 4.5 mm/s)."""
RESIDUAL_2X_mm_s: Final = 0.25
RESIDUAL_BROAD_mm_s: Final = 0.76
BROADBAND_m_s2: Final = 3.0
"""Acceleration of machine and flow outside the bearing band, at rated speed."""
SPEED_EXPONENT: Final = 1.5
SHAKING_OUTPUTS: Final[Mapping[str, str]] = {
    "velocity_rms_mm_s": "mm/s",
    "velocity_1x_mm_s": "mm/s",
    "velocity_2x_mm_s": "mm/s",
    "acceleration_rms_m_s2": "m/s2",
    "acceleration_peak_m_s2": "m/s2",
    "bearing_band_m_s2": "m/s2",
    "kurtosis": "",
    "bpfo_m_s2": "m/s2",
    "bpfi_m_s2": "m/s2",
    "bsf_m_s2": "m/s2",
    "ftf_m_s2": "m/s2",
}


@dataclass(slots=True)
class Shaking:
    """Hold the sources of one machine; the machine sets them in each step, `features` are what its sensors see.

    Sources are what a fault adds to the residuals: rms velocity at 1×, 2× and broad, noise in the bearing band.
    """

    speed: float = 0.0
    """As a fraction of the rated one."""
    shaft_Hz: float = 0.0
    load: float = 0.0
    one_x_mm_s: float = 0.0
    two_x_mm_s: float = 0.0
    broad_mm_s: float = 0.0
    hiss_m_s2: float = 0.0
    bearing: float = 0.0
    """Severity of the bearing's damage."""
    locus: str = "bpfo"
    geometry: BearingGeometry = field(default_factory=BearingGeometry)

    @property
    def velocity_mm_s(self) -> tuple[float, float, float]:
        """Give rms velocity without noise: overall (10 Hz to 1 kHz), at 1× and at 2×."""
        by_speed = self.speed**SPEED_EXPONENT * (0.85 + 0.15 * self.load)
        one = (RESIDUAL_1X_mm_s + self.one_x_mm_s) * by_speed
        two = (RESIDUAL_2X_mm_s + self.two_x_mm_s) * by_speed
        broad = (RESIDUAL_BROAD_mm_s + self.broad_mm_s) * by_speed
        worn = worn_velocity_mm_s(self.bearing) * by_speed
        return (one**2 + two**2 + broad**2 + worn**2) ** 0.5, one, two

    def features(self, random: Random, structure: float = 1.0) -> dict[str, Value]:
        """Give one measurement, each feature with the scatter of a finite record; names: SHAKING_OUTPUTS."""
        noise, squared = random.gauss, self.speed**2
        overall, one, two = self.velocity_mm_s
        band = (band_m_s2(self.bearing) ** 2 + self.hiss_m_s2**2) ** 0.5 * squared
        acceleration = ((BROADBAND_m_s2 * self.speed) ** 2 + band**2) ** 0.5
        bubbles = self.hiss_m_s2 / (self.hiss_m_s2 + band_m_s2(self.bearing))
        peakedness = 3.0 + (kurtosis(self.bearing) - 3.0) * min(1.0, self.speed) * (1.0 - bubbles)
        peak = acceleration * (3.2 + 0.35 * (peakedness - 3.0))

        def seen(value: float, scatter: float, floor: float) -> float:
            return max(0.0, value * (1.0 + noise(0.0, scatter)) + abs(noise(0.0, floor)))

        return {
            "velocity_rms_mm_s": seen(overall * structure, 0.02, 0.01),
            "velocity_1x_mm_s": seen(one * structure, 0.02, 0.01),
            "velocity_2x_mm_s": seen(two * structure, 0.02, 0.01),
            "acceleration_rms_m_s2": seen(acceleration, 0.02, 0.02),
            "acceleration_peak_m_s2": seen(peak, 0.05, 0.04),
            "bearing_band_m_s2": seen(band, 0.03, 0.01),
            "kurtosis": max(1.0, peakedness + noise(0.0, 0.12)),
            **{f"{part}_m_s2": seen(self._line(part) * squared, 0.05, 0.01) for part in LOCI},
        }

    def _line(self, part: str) -> float:
        own = envelope_m_s2(self.bearing) * (1.0 if part == self.locus else 0.08)
        if self.locus == "bsf" and part == "ftf":
            own = 0.4 * envelope_m_s2(self.bearing)  # a damaged ball passes the loaded zone once a turn of the cage
        return ENVELOPE_NOISE_m_s2 + own
