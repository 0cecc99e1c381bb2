"""A rolling bearing: where its damage is heard, and what each severity does to vibration and friction.

Frequencies (n shaft Hz, N rolling elements, γ = d/D · cos φ; Randall and Antoni 2011, Mech. Syst. Signal Process. 25):
FTF = n/2 (1 − γ), BPFO = N · FTF, BPFI = N n/2 (1 + γ), BSF = n D/(2d) (1 − γ²).

What the sensors make of severity is not linear: the bearing band of acceleration speaks first, velocity follows, heat
comes last (ISO 13373-3, table 1: the order in which methods see a rolling bearing's damage).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BASE_BAND_m_s2: Final = 1.5
WORN_BAND_m_s2: Final = 26.0
WORN_VELOCITY_mm_s: Final = 7.4
"""What damage adds at severity 1: far in zone D of ISO 20816-3."""
BASE_FRICTION_kW: Final = 0.15
"""A healthy bearing pair of a 15 kW machine."""
WORN_FRICTION_kW: Final = 0.9
ENVELOPE_m_s2: Final = 8.0
"""Envelope amplitude at the defect frequency of a damaged race."""
ENVELOPE_NOISE_m_s2: Final = 0.05
LOCI: Final[Mapping[str, float]] = {"bpfo": 0.5, "bpfi": 0.3, "bsf": 0.15, "ftf": 0.05}
"""Where damage begins: the loaded zone of a standing outer race most often, a cage seldom (shares of this model)."""


@dataclass(frozen=True, slots=True)
class BearingGeometry:
    """Describe a bearing; the default is near a deep groove ball bearing of 45 mm bore, series 3."""

    elements: int = 8
    diameter_ratio: float = 0.2408
    """Rolling element / pitch circle, times the cosine of the contact angle."""

    def frequencies_Hz(self, shaft_Hz: float) -> dict[str, float]:
        """Give the defect frequencies of a shaft speed."""
        cage = shaft_Hz / 2.0 * (1.0 - self.diameter_ratio)
        return {
            "bpfo": self.elements * cage,
            "bpfi": self.elements * shaft_Hz / 2.0 * (1.0 + self.diameter_ratio),
            "bsf": shaft_Hz / (2.0 * self.diameter_ratio) * (1.0 - self.diameter_ratio**2),
            "ftf": cage,
        }


def worn_velocity_mm_s(severity: float) -> float:
    """Give the rms velocity, 10 Hz to 1 kHz, that damage adds at rated speed."""
    return float(WORN_VELOCITY_mm_s * severity**1.5)


def band_m_s2(severity: float) -> float:
    """Give the rms acceleration of the bearing band, 2 to 10 kHz, at rated speed."""
    return float(BASE_BAND_m_s2 + WORN_BAND_m_s2 * severity**0.8)


def kurtosis(severity: float) -> float:
    """Give the kurtosis of acceleration: 3 is noise; single impacts raise it, spread damage lets it fall again."""
    return 3.0 + 14.0 * severity * (1.0 - 0.75 * severity)


def envelope_m_s2(severity: float) -> float:
    """Give the envelope amplitude at the damaged part's frequency; spread damage smears the line."""
    return float(ENVELOPE_m_s2 * severity**0.8 * (1.0 - 0.4 * severity))


def friction_kW(severity: float) -> float:
    """Give the friction heat of a bearing pair at rated speed."""
    return BASE_FRICTION_kW + WORN_FRICTION_kW * severity**2
