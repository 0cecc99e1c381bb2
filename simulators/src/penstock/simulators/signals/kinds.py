"""The kinds of signals: each gives a value at a time, from itself and the device's other tags."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from random import Random
from typing import Protocol

from penstock.core.values import Value
from penstock.simulators.models.model import toward
from penstock.simulators.signals.formula import Formula


class Signal(Protocol):
    """Give a tag's value; `reads` names the tags of the same device that it needs first."""

    @property
    def reads(self) -> frozenset[str]:
        """Name the other tags."""

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give the value t_s seconds after the device's first start; None: no value."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Always the same."""

    value: Value
    reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give it."""
        return self.value


@dataclass(frozen=True, slots=True)
class Output:
    """Take the model's output, which the device puts among the others under `=name`."""

    name: str
    reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give it."""
        return others.get(f"={self.name}")


@dataclass(frozen=True, slots=True)
class Ramp:
    """Rise from start to end in a period, then begin again."""

    start: float
    end: float
    period_s: float
    reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give the height of the saw tooth."""
        return self.start + (self.end - self.start) * (t_s % self.period_s) / self.period_s


@dataclass(frozen=True, slots=True)
class Sine:
    """Swing around a mean."""

    mean: float
    amplitude: float
    period_s: float
    phase_rad: float
    reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give mean + amplitude · sin(2π t / period + phase)."""
        return self.mean + self.amplitude * math.sin(2.0 * math.pi * t_s / self.period_s + self.phase_rad)


class Lag:
    """Follow a number or another tag with a first-order lag; the first value is the target itself."""

    def __init__(self, target: float | str, tau_s: float) -> None:
        self._target = target
        self._tau_s = tau_s
        self._value: float | None = None
        self._at_s = 0.0
        self.reads = frozenset({target}) if isinstance(target, str) else frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Go on to t_s; hold while the target has no number."""
        target = others.get(self._target) if isinstance(self._target, str) else self._target
        if isinstance(target, int | float) and math.isfinite(target):
            if self._value is None:
                self._value = float(target)
            else:
                self._value = toward(self._value, float(target), max(0.0, t_s - self._at_s), self._tau_s)
        self._at_s = t_s
        return self._value


@dataclass(frozen=True, slots=True)
class Noise:
    """White, Gaussian."""

    mean: float
    std: float
    random: Random
    reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Draw."""
        return self.random.gauss(self.mean, self.std)


class States:
    """Go through states in turn, each for its duration, for ever."""

    def __init__(self, values: Sequence[Value], durations_s: Sequence[float]) -> None:
        self._values = list(values)
        self._ends_s = list(accumulate(durations_s))
        self.reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give the state at t_s."""
        return self._values[min(bisect_right(self._ends_s, t_s % self._ends_s[-1]), len(self._values) - 1)]


@dataclass(frozen=True, slots=True)
class Counter:
    """Count up by a step each period; never starts again, whatever restarts."""

    start: int
    step: int
    period_s: float
    reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give start + step · number of full periods; the tolerance keeps the grid's own rounding out."""
        return self.start + self.step * math.floor(t_s / self.period_s + 1e-6)


@dataclass(slots=True)
class Expression:
    """Compute from the device's other tags and t; `why` says what the last reading lacked, if it has no value."""

    formula: Formula
    why: str = ""

    @property
    def reads(self) -> frozenset[str]:
        """Name the tags in it."""
        return self.formula.names

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Evaluate."""
        value, self.why = self.formula.evaluate(t_s, others)
        return value


class Recorded:
    """Play a column of a recording, holding each value until the next, over and over; its time may run faster."""

    def __init__(self, times_s: Sequence[float], values: Sequence[Value], speed: float) -> None:
        self._times_s = list(times_s)
        self._values = list(values)
        self._speed = speed
        step_s = self._times_s[-1] / (len(self._times_s) - 1) if len(self._times_s) > 1 else 1.0
        self._length_s = self._times_s[-1] + (step_s or 1.0)
        self.reads: frozenset[str] = frozenset()

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give the row that is valid at t_s."""
        at_s = (t_s * self._speed + 1e-6) % self._length_s
        return self._values[max(0, bisect_right(self._times_s, at_s) - 1)]


@dataclass(frozen=True, slots=True)
class Noisy:
    """Add white noise to another signal."""

    signal: Signal
    std: float
    random: Random

    @property
    def reads(self) -> frozenset[str]:
        """Name what the signal below needs."""
        return self.signal.reads

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Give value + noise; what is no number stays as it is."""
        value = self.signal.at(t_s, others)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return value + self.random.gauss(0.0, self.std)
