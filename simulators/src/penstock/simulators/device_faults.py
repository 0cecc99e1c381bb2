"""Faults that any device has, whatever it simulates: of the sensors behind its tags, and of its wire.

Severity 0 to 1 scales each of them by the tag's span: its declared `range`, else the largest value seen so far. They go
on by the calendar, whether a machine runs or not.

| fault | what the tag says instead of its value v | for |
|---|---|---|
| `bias:TAG` | v + 0.2 · severity · span, at once; severity does not grow | numbers |
| `drift:TAG` | v + 0.5 · severity · span, more and more as severity grows | numbers |
| `noise:TAG` | v + Gauss(0, 0.1 · severity · span) | numbers |
| `spike:TAG` | now and then (5 % · severity of the readings) v ± 0.5 to 1 span | numbers |
| `stuck:TAG` | the last value, until v is 0.2 · severity · span away from it; wholly still at severity 1 | any |
| `dropout:TAG` | no value (Bad) in a share of the readings that is the severity | any |
| `communication-loss` | the device is silent for that share of every minute | whole device |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from random import Random
from typing import Final

from penstock.core.device_file import DeviceFile
from penstock.core.values import Value
from penstock.simulators.models.fault import FaultError, FaultKind, FaultRequest, FaultState
from penstock.simulators.models.faults.process import FaultProcess, FaultSpec
from penstock.simulators.models.model import Json, number_of

BIAS_SHARE: Final = 0.2
DRIFT_SHARE: Final = 0.5
NOISE_SHARE: Final = 0.1
SPIKE_CHANCE: Final = 0.05
STUCK_SHARE: Final = 0.2
CYCLE_s: Final = 60.0
"""A bad wire comes and goes in this rhythm."""
COMMUNICATION_LOSS: Final = "communication-loss"


class SensorFault(StrEnum):
    """Name the faults of a sensor; a fault is written `KIND:TAG`."""

    BIAS = "bias"
    DRIFT = "drift"
    NOISE = "noise"
    SPIKE = "spike"
    STUCK = "stuck"
    DROPOUT = "dropout"


ANY_TYPE: Final = frozenset({SensorFault.STUCK, SensorFault.DROPOUT})


class DeviceFaults:
    """Hold the faults of one device's sensors and wire; they are made when they are asked for."""

    def __init__(self, file: DeviceFile, *, seed: int) -> None:
        self._numeric = {name: tag.type.is_numeric for name, tag in file.tags.items()}
        self._spans = {name: tag.range.high - tag.range.low for name, tag in file.tags.items() if tag.range is not None}
        self._declared = frozenset(self._spans)
        self._key = f"{file.device}/{seed}/sensors"
        self._random = Random(self._key)  # noqa: S311  physics, not secrets
        self._processes: dict[str, FaultProcess] = {}
        self._held: dict[str, Value] = {}
        self._cycle_s = 0.0

    def knows(self, fault: str) -> bool:
        """Say whether a name is one of a sensor's or wire's fault, of whatever tag."""
        word, colon, _ = fault.partition(":")
        return fault == COMMUNICATION_LOSS or (bool(colon) and word in set(SensorFault))

    def step(self, dt_s: float) -> None:
        """Let the faults grow."""
        if self._processes:
            self._cycle_s = (self._cycle_s + dt_s) % CYCLE_s
            for process in self._processes.values():
                process.step(dt_s, 1.0)

    def possible(self, tag: str) -> tuple[SensorFault, ...]:
        """Give the faults that the sensor behind a tag can have: all for numbers, those of any type otherwise."""
        return tuple(kind for kind in SensorFault if self._numeric[tag] or kind in ANY_TYPE)

    @property
    def silent(self) -> bool:
        """Say whether the wire is dead at this moment."""
        process = self._processes.get(COMMUNICATION_LOSS)
        return process is not None and self._cycle_s < process.severity * CYCLE_s

    @property
    def sound(self) -> bool:
        """Say whether nothing was asked for: every tag says its value."""
        return not self._processes

    def learn(self, tag: str, value: Value) -> None:
        """Take a true value for the span of a tag that declares none; once a second and tag is enough."""
        if isinstance(value, int | float) and not isinstance(value, bool) and tag not in self._declared:
            self._spans[tag] = max(self._spans.get(tag, 1e-9), abs(value))

    def seen(self, tag: str, value: Value) -> Value:
        """Give what the tag says of a value; None: no value."""
        for kind in SensorFault:
            process = self._processes.get(f"{kind}:{tag}")
            if process is not None and process.severity > 0.0 and value is not None:
                value = self._broken(kind, tag, value, severity=process.severity)
        return value

    def _broken(self, kind: SensorFault, tag: str, value: Value, *, severity: float) -> Value:
        if kind is SensorFault.STUCK:
            return self._stuck(tag, value, severity)
        if kind is SensorFault.DROPOUT:
            return None if self._random.random() < severity else value
        if isinstance(value, bool | str) or value is None:
            return value
        return value + _ERROR[kind](self._random, severity) * self._spans.get(tag, 1.0)

    def _stuck(self, tag: str, value: Value, severity: float) -> Value:
        held = self._held.setdefault(tag, value)
        if severity >= 1.0 or isinstance(value, bool | str) or isinstance(held, bool | str):
            return held
        if value is None or held is None or abs(value - held) > STUCK_SHARE * severity * self._spans.get(tag, 1.0):
            self._held[tag] = held = value
        return held

    def inject(self, request: FaultRequest) -> None:
        """Start a fault; FaultError says which faults and tags there are."""
        kind, tag = self._judge(request.fault)
        if kind is SensorFault.BIAS:
            request = FaultRequest(request.fault, request.severity, 0.0, request.onset_s, request.law)
        process = self._processes.get(request.fault)
        if process is None:
            of = FaultKind.COMMUNICATION if kind is None else FaultKind.SENSOR
            spec = FaultSpec(request.fault, "wire" if kind is None else f"sensor of {tag}", of, calendar=True)
            process = FaultProcess(spec, key=f"{self._key}/{request.fault}", wear=0.0)
            self._processes[request.fault] = process
            self._cycle_s = 0.0 if kind is None else self._cycle_s
        process.inject(request)

    def check(self, fault: str) -> None:
        """Raise FaultError for a fault that these sensors and this wire cannot have."""
        self._judge(fault)

    def _judge(self, fault: str) -> tuple[SensorFault | None, str]:
        if fault == COMMUNICATION_LOSS:
            return None, ""
        word, _, tag = fault.partition(":")
        if tag not in self._numeric:
            message = f"no tag {tag!r} in this device to break with {word!r}; it has: {', '.join(self._numeric)}"
            raise FaultError(message, fault=fault)
        kind = SensorFault(word)
        if not self._numeric[tag] and kind not in ANY_TYPE:
            message = f"{word} needs a number; the tag {tag!r} can be: {', '.join(sorted(ANY_TYPE))}"
            raise FaultError(message, fault=fault)
        return kind, tag

    def end(self, fault: str) -> None:
        """Take a fault away, cleared or repaired: a new sensor, a mended wire."""
        _, tag = self._judge(fault)
        self._processes.pop(fault, None)
        self._held.pop(tag, None)

    def faults(self) -> list[FaultState]:
        """List the faults that were asked for."""
        return [process.state() for process in self._processes.values()]

    def save(self) -> Json:
        """Give the state as JSON; empty for a sound device."""
        if not self._processes:
            return {}
        return {
            "cycle_s": self._cycle_s,
            "spans": {tag: span for tag, span in self._spans.items() if tag not in self._declared},
            "held": dict(self._held),
            "processes": {name: process.save() for name, process in self._processes.items()},
        }

    def load(self, state: Mapping[str, object]) -> None:
        """Take up a saved state; faults of tags that are gone are dropped."""
        self._cycle_s = number_of(state, "cycle_s", 0.0)
        spans, held, processes = state.get("spans"), state.get("held"), state.get("processes")
        for tag in self._numeric:
            if isinstance(spans, dict) and tag not in self._declared:
                self._spans[tag] = number_of(spans, tag, self._spans.get(tag, 1e-9))
            if isinstance(held, dict) and tag in held:
                self._held[tag] = held[tag]
        for name, saved in processes.items() if isinstance(processes, dict) else ():
            try:
                self.inject(FaultRequest(name))
            except (FaultError, ValueError):
                continue
            self._processes[name].load(saved if isinstance(saved, dict) else {})


def _spike(random: Random, severity: float) -> float:
    if random.random() >= SPIKE_CHANCE * severity:
        return 0.0
    return random.choice((-1.0, 1.0)) * random.uniform(0.5, 1.0)


_ERROR: Final[Mapping[SensorFault, Callable[[Random, float], float]]] = {
    SensorFault.BIAS: lambda _, severity: BIAS_SHARE * severity,
    SensorFault.DRIFT: lambda _, severity: DRIFT_SHARE * severity,
    SensorFault.NOISE: lambda random, severity: random.gauss(0.0, NOISE_SHARE * severity),
    SensorFault.SPIKE: _spike,
}
"""What a numeric sensor adds, in spans."""
