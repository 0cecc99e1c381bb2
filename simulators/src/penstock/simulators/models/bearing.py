"""Wear of a rolling bearing: the one hidden truth behind vibration, heat and friction.

Severity 0 is new, 1 is the end of life. Without a fault it stays where it is. A fault sets in after its onset with a
start severity and grows linearly while the shaft turns, so that an experiment has a known answer at each moment. What
the sensors make of severity is not linear: the bearing band of acceleration speaks first, velocity follows, heat
comes last (ISO 13373-3, table 1: the order in which methods see a rolling bearing's damage).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from penstock.simulators.models.model import Json, number_of

BASE_VELOCITY_mm_s = 1.0
"""Velocity of a healthy pump: zone A of ISO 20816-3, group 2, rigid (boundaries 1.4, 2.8, 4.5 mm/s)."""
WORN_VELOCITY_mm_s = 7.4
"""What damage adds at severity 1: far in zone D."""
BASE_BAND_m_s2 = 1.5
WORN_BAND_m_s2 = 26.0
WORN_FRICTION_kW = 0.9
"""Friction heat at severity 1, on top of the 0.15 kW of a healthy bearing pair of a 15 kW pump."""


@dataclass(slots=True)
class BearingFault:
    """Describe a fault that was injected: growth in severity per hour of running, onset still to wait for."""

    severity: float
    growth_per_h: float
    onset_s: float
    before: float
    """Severity at the moment of injection: what *clear* goes back to."""


@dataclass(slots=True)
class Bearing:
    """Hold severity and let it grow."""

    severity: float = 0.0
    running_h: float = 0.0
    """Hours since the bearing was new."""
    fault: BearingFault | None = field(default=None)

    def inject(self, *, severity: float, growth_per_h: float, onset_s: float) -> None:
        """Start a fault; a second one replaces the first, *clear* still goes back to before the first."""
        before = self.fault.before if self.fault else self.severity
        self.fault = BearingFault(severity, growth_per_h, onset_s, before)

    def clear(self) -> None:
        """Take the fault back as if it had never been."""
        if self.fault is not None:
            self.severity, self.fault = self.fault.before, None

    def repair(self) -> None:
        """Put a new bearing in."""
        self.severity, self.running_h, self.fault = 0.0, 0.0, None

    def step(self, dt_s: float, speed_fraction: float) -> None:
        """Wear for dt_s of wall time at a speed; a shaft at rest does not wear."""
        self.running_h += dt_s / 3600.0 if speed_fraction > 0.05 else 0.0
        fault = self.fault
        if fault is None:
            return
        if fault.onset_s > 0.0:
            fault.onset_s -= dt_s
            if fault.onset_s > 0.0:
                return
        if self.severity < fault.severity:
            self.severity = fault.severity
        self.severity = min(1.0, self.severity + fault.growth_per_h * min(speed_fraction, 1.2) * dt_s / 3600.0)

    @property
    def velocity_mm_s(self) -> float:
        """Give the rms velocity at rated speed and load, 10 Hz to 1 kHz; independent sources add in squares."""
        return float((BASE_VELOCITY_mm_s**2 + (WORN_VELOCITY_mm_s * self.severity**1.5) ** 2) ** 0.5)

    @property
    def band_m_s2(self) -> float:
        """Give the rms acceleration of the bearing band, 2 to 10 kHz, at rated speed."""
        return float(BASE_BAND_m_s2 + WORN_BAND_m_s2 * self.severity**0.8)

    @property
    def kurtosis(self) -> float:
        """Give the kurtosis of acceleration: 3 is noise; single impacts raise it, spread damage lets it fall again."""
        return 3.0 + 14.0 * self.severity * (1.0 - 0.75 * self.severity)

    @property
    def friction_kW(self) -> float:
        """Give the friction heat at rated speed."""
        return float(0.15 + WORN_FRICTION_kW * self.severity**2)

    def save(self) -> Json:
        """Give the hidden state as JSON."""
        fault = self.fault
        return {
            "severity": self.severity,
            "running_h": self.running_h,
            "fault": None
            if fault is None
            else {
                "severity": fault.severity,
                "growth_per_h": fault.growth_per_h,
                "onset_s": fault.onset_s,
                "before": fault.before,
            },
        }

    def load(self, state: Json) -> None:
        """Take up a saved state."""
        self.severity = min(1.0, max(0.0, number_of(state, "severity", 0.0)))
        self.running_h = number_of(state, "running_h", 0.0)
        fault = state.get("fault")
        if isinstance(fault, dict):
            self.fault = BearingFault(
                number_of(fault, "severity", 0.0),
                number_of(fault, "growth_per_h", 0.0),
                number_of(fault, "onset_s", 0.0),
                number_of(fault, "before", 0.0),
            )
