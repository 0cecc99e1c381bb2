"""A vibration sensor on a machine's bearing housing: it sees the hidden wear of the machine it sits on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.model import Drift, Json, ModelContext, toward
from penstock.simulators.models.shaking import SHAKING_OUTPUTS

SENSOR_TAU_s = 60.0
"""The sensor's body follows the housing's temperature."""


class BearingVibration:
    """Measure velocity (ISO 20816-1: rms, 10 Hz to 1 kHz), acceleration and envelope features, and temperature.

    A smart sensor knows the shaft's speed and the bearing's geometry: it says at which frequencies it looks.
    """

    OUTPUTS: ClassVar[Mapping[str, str]] = {
        **SHAKING_OUTPUTS,
        "bpfo_Hz": "Hz",
        "bpfi_Hz": "Hz",
        "bsf_Hz": "Hz",
        "ftf_Hz": "Hz",
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
        """Give the features of one measurement."""
        shaking = self._world.machine(self._machine_name).shaking
        frequencies = shaking.geometry.frequencies_Hz(shaking.shaft_Hz)
        return {
            **shaking.features(self._random, 1.0 + self._structure.value),
            **{f"{part}_Hz": value for part, value in frequencies.items()},
            "temperature_degC": self._temperature + self._random.gauss(0.0, 0.1),
        }

    def save(self) -> Json:
        """Keep nothing: all of it follows the machine."""
        return {}

    def load(self, state: Json) -> None:
        """Take up nothing."""
