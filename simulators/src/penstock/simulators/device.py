"""One simulated device: a device file made alive. Pure: time goes in, emissions come out.

Each tag is read at its own rate (`rate_hz`, else 1 Hz) on a grid of whole periods since 1970; the tags of one MQTT
topic go together, at the rate of the quickest. A value is made in the tag's unit and then turned into what the device
speaks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from random import Random
from typing import Any, Final

from penstock.core.device_file import DeviceFile
from penstock.core.signals import OutputSignal
from penstock.core.status import BAD_NO_DATA, BAD_OUT_OF_RANGE, GOOD
from penstock.core.times import EPOCH_UNITS_NS, NS_PER_S
from penstock.core.units import IDENTITY, Conversion, conversion
from penstock.core.values import INT64_MAX, INT64_MIN, Value, ValueType
from penstock.simulators.device_faults import DeviceFaults
from penstock.simulators.emission import Emission, Point
from penstock.simulators.models.fault import (
    FaultError,
    FaultRequest,
    FaultState,
    Faulty,
    Hidden,
    Hiding,
    NotBrokenError,
)
from penstock.simulators.models.model import Json, Model, ModelContext, ParameterError, Parameters
from penstock.simulators.models.registry import UnknownModelError, find_model
from penstock.simulators.models.world import World
from penstock.simulators.signals.kinds import Expression, Signal
from penstock.simulators.signals.spec import RecordingReader, SignalError, make_signal

RATE_DEFAULT_Hz: Final = 1.0
RATE_MAX_Hz: Final = 1000.0
GRID_ns: Final = 1000
"""Source times are whole microseconds, which every protocol here carries, or whole `time_unit`s of the device file."""
STEP_MAX_s: Final = 5.0
WITHOUT_MAX: Final = 10
"""Readings of a formula without a value, one after another, that are a problem to be told."""


@dataclass(frozen=True, slots=True)
class Channel:
    """Hold how one tag is made: its signal, its type, and the mapping raw → value that the gateway will apply."""

    tag: str
    type: ValueType
    signal: Signal
    from_model: bool
    mapping: Conversion


@dataclass(slots=True)
class Group:
    """Hold the channels that are read together."""

    period_ns: int
    channels: list[Channel]
    due_ns: int = 0


class SimulatedDevice:
    """Simulate one device; ConfigError with file, line and key for what its file says wrongly."""

    def __init__(self, file: DeviceFile, *, world: World, read: RecordingReader) -> None:
        self.file, self.name = file, file.device
        simulate = file.simulate
        seed = simulate.seed if simulate is not None else 0
        self._random = Random(f"{self.name}/{seed}")  # noqa: S311  physics, not secrets
        self.model = _model(file, self._random, world)
        self.broken = DeviceFaults(file, seed=seed)
        self.keeps_while_silent = False
        """Whether values go on while the wire is dead: a PLC with a history of its own."""
        self._units: Mapping[str, str] = type(self.model).OUTPUTS if self.model is not None else {}
        self._convert = self._conversions(file)
        channels = {name: self._channel(name, read) for name in file.tags}
        order = _order(file, channels)
        found = {name: channel.signal for name, channel in channels.items()}
        self._formulas = {name: signal for name, signal in found.items() if isinstance(signal, Expression)}
        self._mapped = {name: one.mapping for name, one in channels.items() if not one.mapping.is_identity}
        self._groups = _groups(file, [channels[name] for name in order])
        self._values: dict[str, Value] = {}
        self._without: dict[str, int] = {}
        self._first_ns: int | None = None
        self._newest_ns = -1

    def _channel(self, name: str, read: RecordingReader) -> Channel:
        tag = self.file.tags[name]
        where = ("tags", name, "signal")
        if tag.signal is None:
            message = "a simulated tag needs a signal: `output: NAME` of the model, or a `kind:`"
            raise self.file.error(message, "tags", name)
        try:
            signal = make_signal(tag.signal, random=self._random, read=read)
        except SignalError as error:
            raise self.file.error(str(error), *where, error.key) from error
        missing = signal.reads - set(self.file.tags)
        if missing:
            message = f"no such tag in this device: {', '.join(sorted(missing))}"
            raise self.file.error(message, *where)
        return Channel(name, tag.type, signal, isinstance(tag.signal, OutputSignal), tag.conversion)

    def _conversions(self, file: DeviceFile) -> dict[str, Conversion]:
        """Give per tag that takes an output: the conversion from the model's unit into the tag's."""
        found = {}
        for name, tag in file.tags.items():
            if not isinstance(tag.signal, OutputSignal):
                continue
            output, where = tag.signal.output, ("tags", name, "signal", "output")
            if output not in self._units:
                known = ", ".join(self._units) or "none: simulate.model is missing"
                message = f"the model has no output {output!r}; it has: {known}"
                raise file.error(message, *where)
            try:
                same = not self._units[output] or not tag.unit
                found[name] = IDENTITY if same else conversion(self._units[output], tag.unit)
            except ValueError as error:
                raise file.error(str(error), *where) from error
        return found

    def start(self, now_ns: int) -> None:
        """Set the first due times after now_ns; what was emitted before is not emitted again."""
        begin = max(now_ns, self._newest_ns)
        if self._first_ns is None:
            self._first_ns = now_ns
        for group in self._groups:
            group.due_ns = (begin // group.period_ns + 1) * group.period_ns

    def step(self, dt_s: float) -> None:
        """Let the model go on."""
        if self.model is not None:
            self.model.step(dt_s)
        self.broken.step(dt_s)

    def emit(self, until_ns: int) -> Iterator[Emission]:
        """Read every group that is due at or before until_ns, in the order of time."""
        while True:
            group = min(self._groups, key=lambda one: one.due_ns, default=None)
            if group is None or group.due_ns > until_ns:
                return
            time_ns, group.due_ns = group.due_ns, group.due_ns + group.period_ns
            if self.broken.silent and not self.keeps_while_silent:
                continue
            yield self._read(group, time_ns)

    def _read(self, group: Group, time_ns: int) -> Emission:
        assert self._first_ns is not None, "start comes before emit"
        t_s = (time_ns - self._first_ns) / NS_PER_S
        if self.model is not None and any(channel.from_model for channel in group.channels):
            self._values.update({f"={name}": value for name, value in self.model.outputs().items()})
        points = tuple(self._point(channel, t_s) for channel in group.channels)
        self._learn(group, time_ns)
        self._newest_ns = time_ns
        return Emission(self.name, time_ns, points)

    def _learn(self, group: Group, time_ns: int) -> None:
        """Let the spans of tags be known, should their sensors break; once a second is enough."""
        if self.broken.sound and time_ns // NS_PER_S != (time_ns - group.period_ns) // NS_PER_S:
            for channel in group.channels:
                self.broken.learn(channel.tag, self._values[channel.tag])

    def _point(self, channel: Channel, t_s: float) -> Point:
        value = channel.signal.at(t_s, self._values)
        if channel.from_model:
            value = _convert(value, self._convert[channel.tag])
        if not self.broken.sound:
            self.broken.learn(channel.tag, value)
            value = self.broken.seen(channel.tag, value)
        self._values[channel.tag] = value
        raw = _typed(_back(value, channel.mapping), channel.type)
        self._without[channel.tag] = 0 if raw is not None else self._without.get(channel.tag, 0) + 1
        if raw is None:
            return Point(channel.tag, None, BAD_NO_DATA if value is None else BAD_OUT_OF_RANGE)
        return Point(channel.tag, raw, GOOD)

    def as_stored(self, emission: Emission) -> Emission:
        """Give the emission with values as the historian should hold them: mapped by the device file."""
        if not self._mapped:
            return emission
        points = tuple(
            Point(point.tag, _forward(point.value, self._mapped.get(point.tag)), point.status)
            for point in emission.points
        )
        return Emission(emission.device, emission.time_ns, points)

    def said(self, output: str) -> Value:
        """Give what the model last put out under a name, such as `running`; None where it has no such, or not yet."""
        return self._values.get(f"={output}")

    def faults(self) -> list[FaultState]:
        """List every fault of the machine, and those of sensors and wire that were asked for."""
        model: object = self.model
        return [*(model.faults() if isinstance(model, Faulty) else ()), *self.broken.faults()]

    def inject(self, request: FaultRequest) -> None:
        """Start a fault of machine, sensor or wire; FaultError names those there are."""
        if self.broken.knows(request.fault):
            self.broken.inject(request)
        else:
            self._machine(request.fault).inject(request)

    def clear(self, fault: str) -> None:
        """Take a fault back as if it had never been."""
        if self.broken.knows(fault):
            self.broken.end(fault)
        else:
            self._machine(fault).clear(fault)

    def repair(self, fault: str) -> None:
        """Repair: a machine stands still for it, a sensor is changed as it runs; NotBrokenError for a sound sensor.

        A sound part of a machine is changed all the same: its wear begins anew.
        """
        if self.broken.knows(fault):
            self._check_broken(fault)
            self.broken.end(fault)
        else:
            self._machine(fault).repair(fault)

    def _check_broken(self, fault: str) -> None:
        self.broken.check(fault)
        active = [one.fault for one in self.faults() if one.active]
        if fault not in active:
            others = f"broken there: {', '.join(active)}" if active else "nothing is broken there"
            message = f"{fault} of device {self.name!r} is not broken; {others}"
            raise NotBrokenError(message, device=self.name, fault=fault)

    @property
    def has_machine_faults(self) -> bool:
        """Say whether the device's model is a machine that can break."""
        model: object = self.model
        return isinstance(model, Faulty)

    def _machine(self, fault: str) -> Faulty:
        model: object = self.model
        if not isinstance(model, Faulty):
            message = f"device {self.name!r} has no fault {fault!r}"
            raise FaultError(message, device=self.name)
        return model

    def hidden(self) -> Hidden:
        """Give the truth of this moment: hidden states and all faults; for the truth store alone."""
        model: object = self.model
        own = model.hidden() if isinstance(model, Hiding) else Hidden()
        return Hidden(own.states, (*own.faults, *self.broken.faults()), own.failed)

    def problems(self) -> Iterator[str]:
        """Name the formulas without a value WITHOUT_MAX readings in a row, and why; one reading may lack it."""
        for tag, signal in self._formulas.items():
            if self._without.get(tag, 0) >= WITHOUT_MAX:
                why = signal.why or f"its value does not fit {self.file.tags[tag].type}"
                yield str(self.file.error(f"has no value: {why}", "tags", tag, "signal", "expression"))

    def save(self) -> Json:
        """Give what must survive a restart: first start, newest time, the model's state."""
        model = self.model.save() if self.model is not None else {}
        return {
            "first_ns": self._first_ns,
            "newest_ns": self._newest_ns,
            "model": model,
            "broken": self.broken.save(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up a saved state."""
        first, newest, model = state.get("first_ns"), state.get("newest_ns"), state.get("model")
        self._first_ns = first if isinstance(first, int) else None
        self._newest_ns = newest if isinstance(newest, int) else -1
        if self.model is not None and isinstance(model, dict):
            self.model.load(model)
        broken = state.get("broken")
        if isinstance(broken, dict):
            self.broken.load(broken)


def _model(file: DeviceFile, random: Random, world: World) -> Model | None:
    simulate = file.simulate
    if simulate is None or simulate.model is None:
        return None
    try:
        kind = find_model(simulate.model)
        return kind(ModelContext(file.device, Parameters(simulate.parameters), random, world))
    except UnknownModelError as error:
        raise file.error(str(error), "simulate", "model") from error
    except ParameterError as error:
        raise file.error(str(error), "simulate", "parameters", error.key) from error


def _order(file: DeviceFile, channels: Mapping[str, Channel]) -> list[str]:
    graph = {name: channel.signal.reads for name, channel in channels.items()}
    try:
        return list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        message = f"tags read one another in a circle: {' → '.join(error.args[1])}"
        raise file.error(message, "tags", error.args[1][0], "signal") from error


def _groups(file: DeviceFile, ordered: list[Channel]) -> list[Group]:
    rates = {name: _rate(file, name) for name in file.tags}
    whole_device_topic = file.connection.settings.get("topic")
    together: dict[object, list[Channel]] = {}
    for channel in ordered:
        topic = file.tags[channel.tag].source.topic or whole_device_topic
        together.setdefault(topic or rates[channel.tag], []).append(channel)
    grid_ns = max(GRID_ns, EPOCH_UNITS_NS.get(str(file.connection.settings.get("time_unit")), GRID_ns))
    return [
        Group(_period_ns(max(rates[one.tag] for one in channels), grid_ns), channels) for channels in together.values()
    ]


def _rate(file: DeviceFile, name: str) -> float:
    rate = file.tags[name].rate_hz
    if rate is not None and rate > RATE_MAX_Hz:
        message = f"{rate:g} Hz is more than a simulated tag gives; at most {RATE_MAX_Hz:g}"
        raise file.error(message, "tags", name, "rate_hz")
    return RATE_DEFAULT_Hz if rate is None else rate


def _period_ns(rate_hz: float, grid_ns: int) -> int:
    return max(grid_ns, round(NS_PER_S / rate_hz / grid_ns) * grid_ns)


def _convert(value: Value, by: Conversion) -> Value:
    if by.is_identity or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return value * by.scale + by.offset


def _back(value: Value, mapping: Conversion) -> Value:
    if mapping.is_identity or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return (value - mapping.offset) / mapping.scale


def _forward(value: Value, mapping: Conversion | None) -> Value:
    """Apply the mapping as core's normaliser does: one multiplication and one addition, integers in integers."""
    if mapping is None or isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if isinstance(value, int):
        return value * int(mapping.scale) + int(mapping.offset)
    return value * mapping.scale + mapping.offset


def _typed(value: Value, kind: ValueType) -> Value:
    match kind, value:
        case _, None:
            return None
        case ValueType.STRING, _:
            return value if isinstance(value, str) else str(value)
        case ValueType.BOOL, bool():
            return value
        case ValueType.BOOL, int() | float():
            return bool(value)
        case ValueType.FLOAT64, int() | float():
            return float(value)
        case ValueType.INT64, int() | float() if math.isfinite(value) and INT64_MIN <= value <= INT64_MAX:
            return round(value)
        case _:
            return None
