"""A vibration sensor on a machine's bearing housing: it sees the hidden wear of the machine it sits on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.bearing import Bearing
from penstock.simulators.models.model import Drift, Json, ModelContext, toward

BROADBAND_m_s2 = 3.0
"""Acceleration of pump and water outside the bearing band, at rated speed."""
SENSOR_TAU_s = 60.0
"""The sensor's body follows the housing's temperature."""


class BearingVibration:
    """Measure velocity (ISO 20816-1: rms, 10 Hz to 1 kHz), acceleration features and temperature.

    Velocity grows with speed squared (unbalance force, seen as velocity it is nearer to linear; the exponent 1.5 lies
    between) and a little with load; the bearing band grows with speed squared (impact energy).
    """

    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "velocity_rms_mm_s": "mm/s",
        "acceleration_rms_m_s2": "m/s2",
        "acceleration_peak_m_s2": "m/s2",
        "bearing_band_m_s2": "m/s2",
        "kurtosis": "",
        "temperature_degC": "degC",
    }

    def __init__(self, context: ModelContext) -> None:
        take = context.parameters
        self._machine_name = take.word("machine")
        take.finish()
        self._world, self._random = context.world, context.random
        self._structure = Drift(context.random, 0.04, 30.0)
        self._temperature = 35.0

    def step(self, dt_s: float) -> None:
        """Follow the machine."""
        self._structure.step(dt_s)
        casing = self._world.machine(self._machine_name).casing_temperature_degC
        self._temperature = toward(self._temperature, casing - 2.0, dt_s, SENSOR_TAU_s)

    def outputs(self) -> Mapping[str, Value]:
        """Give the features of one measurement, each with the scatter of a finite record."""
        machine = self._world.machine(self._machine_name)
        bearing = machine.bearing or Bearing()
        speed, noise = machine.speed_fraction, self._random.gauss
        structure = 1.0 + self._structure.value
        velocity = bearing.velocity_mm_s * speed**1.5 * (0.85 + 0.15 * machine.load_fraction) * structure
        band = bearing.band_m_s2 * speed**2
        acceleration = ((BROADBAND_m_s2 * speed) ** 2 + band**2) ** 0.5
        kurtosis = 3.0 + (bearing.kurtosis - 3.0) * min(1.0, speed)
        peak = acceleration * (3.2 + 0.35 * (kurtosis - 3.0))
        return {
            "velocity_rms_mm_s": max(0.0, velocity * (1.0 + noise(0.0, 0.02)) + abs(noise(0.0, 0.01))),
            "acceleration_rms_m_s2": max(0.0, acceleration * (1.0 + noise(0.0, 0.02)) + abs(noise(0.0, 0.02))),
            "acceleration_peak_m_s2": max(0.0, peak * (1.0 + noise(0.0, 0.05)) + abs(noise(0.0, 0.04))),
            "bearing_band_m_s2": max(0.0, band * (1.0 + noise(0.0, 0.03)) + abs(noise(0.0, 0.01))),
            "kurtosis": max(1.0, kurtosis + noise(0.0, 0.12)),
            "temperature_degC": self._temperature + noise(0.0, 0.1),
        }

    def save(self) -> Json:
        """Keep nothing: all of it follows the machine."""
        return {}

    def load(self, state: Json) -> None:
        """Take up nothing."""
