"""The air of a hall: a day's wave, weather, and the heat of the people in it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.model import Drift, Json, ModelContext, number_of

DAY_s = 86_400.0


class AmbientAir:
    """Simulate temperature and relative humidity of a hall.

    The moisture content of the air is nearly constant over hours, so relative humidity falls by about 6 % of its value
    per K (Magnus formula, WMO-No. 8, annex 4.B).
    """

    OUTPUTS: ClassVar[Mapping[str, str]] = {"temperature_degC": "degC", "humidity_percent": "%"}

    def __init__(self, context: ModelContext) -> None:
        take = context.parameters
        self._mean = take.number("mean_degC", 20.0, low=-40.0, high=60.0)
        self._swing = take.number("swing_K", 3.0, high=30.0)
        self._dew_point = take.number("dew_point_degC", 10.0, low=-40.0, high=40.0)
        take.finish()
        self._device, self._world, self._random = context.device, context.world, context.random
        self._weather = Drift(context.random, 0.8, 3600.0)
        self._day_s = context.random.uniform(0.0, DAY_s)
        self._temperature = self._mean
        self._settle()

    def step(self, dt_s: float) -> None:
        """Let the day go on."""
        self._day_s = (self._day_s + dt_s) % DAY_s
        self._weather.step(dt_s)
        self._settle()

    def _settle(self) -> None:
        wave = math.sin(2.0 * math.pi * self._day_s / DAY_s)
        self._temperature = self._mean + self._swing * wave + self._weather.value
        self._world.air_degC[self._device] = self._temperature

    def outputs(self) -> Mapping[str, Value]:
        """Give both readings with the sensor's noise."""
        humidity = 100.0 * _vapour_hPa(self._dew_point) / _vapour_hPa(self._temperature)
        return {
            "temperature_degC": self._temperature + self._random.gauss(0.0, 0.05),
            "humidity_percent": min(100.0, max(0.0, humidity + self._random.gauss(0.0, 0.3))),
        }

    def save(self) -> Json:
        """Give the time of the hall's day."""
        return {"day_s": self._day_s}

    def load(self, state: Json) -> None:
        """Take up the time of the hall's day."""
        self._day_s = number_of(state, "day_s", self._day_s) % DAY_s


def _vapour_hPa(temperature_degC: float) -> float:
    return 6.112 * math.exp(17.62 * temperature_degC / (243.12 + temperature_degC))
