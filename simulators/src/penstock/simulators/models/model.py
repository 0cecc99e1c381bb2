"""The shape that every model has, and what it is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar, Protocol

from penstock.core.values import Value
from penstock.simulators.models.world import World

Json = dict[str, object]


class ParameterError(ValueError):
    """Say which parameter of a model is wrong, and what it takes; `key` is the name below `simulate.parameters`."""

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class Parameters:
    """Read a model's parameters: numbers within bounds, words; what was never asked for is an error."""

    def __init__(self, given: Mapping[str, object]) -> None:
        self._given = given
        self._known: set[str] = set()

    def number(self, name: str, default: float, *, low: float = 0.0, high: float = 1e9) -> float:
        """Give a finite number within [low, high]."""
        self._known.add(name)
        value = self._given.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            message = f"must be a number, not {value!r}"
            raise ParameterError(message, key=name)
        if not low <= value <= high:
            message = f"{value} is outside {low:g} to {high:g}"
            raise ParameterError(message, key=name)
        return float(value)

    def word(self, name: str, default: str = "") -> str:
        """Give a text."""
        self._known.add(name)
        value = self._given.get(name, default)
        if not isinstance(value, str):
            message = f"must be a text, not {value!r}"
            raise ParameterError(message, key=name)
        return value

    def finish(self) -> None:
        """Raise for a parameter that the model does not have."""
        for name in self._given:
            if name not in self._known:
                message = f"no such parameter; this model has: {', '.join(sorted(self._known))}"
                raise ParameterError(message, key=name)


@dataclass(frozen=True, slots=True)
class ModelContext:
    """Give a model its device's name, its parameters, its randomness and the world it stands in."""

    device: str
    parameters: Parameters
    random: Random
    world: World


class Model(Protocol):
    """Compute a machine in steps; no I/O, no clock: equal seeds and steps give equal outputs."""

    OUTPUTS: ClassVar[Mapping[str, str]]
    """Name of each output → its unit, empty for none."""

    def __init__(self, context: ModelContext) -> None:
        """Take the parameters; ParameterError for a wrong one."""

    def step(self, dt_s: float) -> None:
        """Go dt_s seconds on (0 < dt_s ≤ 1)."""

    def outputs(self) -> Mapping[str, Value]:
        """Give the present value of every output, in the unit of OUTPUTS; None: the sensor gives no value (Bad)."""

    def save(self) -> Json:
        """Give the hidden state that must survive a restart, as JSON."""

    def load(self, state: Json) -> None:
        """Take up a state that `save` gave; what is missing in it keeps its start value."""


def number_of(state: Mapping[str, object], name: str, default: float) -> float:
    """Read a finite number of a saved state."""
    value = state.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return default
    return float(value)


def toward(value: float, target: float, dt_s: float, tau_s: float) -> float:
    """Follow a first-order lag for dt_s; exact for any dt_s, so that steps of different size agree."""
    return target + (value - target) * math.exp(-dt_s / tau_s)


class Drift:
    """Wander around zero: an Ornstein-Uhlenbeck process with the given standard deviation and time constant.

    Exact discretisation (Gillespie 1996, Phys. Rev. E 54, 2084), so that its spread does not depend on dt_s.
    """

    def __init__(self, random: Random, std: float, tau_s: float) -> None:
        self._random = random
        self._std = std
        self._tau_s = tau_s
        self.value = random.gauss(0.0, std)

    def step(self, dt_s: float) -> float:
        """Go on and give the new value."""
        keep = math.exp(-dt_s / self._tau_s)
        self.value = self.value * keep + self._random.gauss(0.0, self._std * math.sqrt(1.0 - keep * keep))
        return self.value
