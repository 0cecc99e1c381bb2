"""From the signal of a device file to the signal that gives values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import assert_never

from penstock.core.signals import (
    ConstantSignal,
    CounterSignal,
    FormulaSignal,
    LagSignal,
    NoiseSignal,
    OutputSignal,
    RampSignal,
    RecordingSignal,
    SignalSpec,
    SineSignal,
    StatesSignal,
)
from penstock.core.times import NS_PER_S
from penstock.simulators.recording import Recording, RecordingError, read_recording
from penstock.simulators.signals.formula import Formula
from penstock.simulators.signals.kinds import (
    Constant,
    Counter,
    Expression,
    Lag,
    Noise,
    Noisy,
    Output,
    Ramp,
    Recorded,
    Signal,
    Sine,
    States,
)


class SignalError(ValueError):
    """Name the key below `signal` and what is wrong with it."""

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


RecordingReader = Callable[[str], Recording]


def make_signal(spec: SignalSpec, *, random: Random, read: RecordingReader) -> Signal:
    """Make the signal; SignalError for what only this room can judge: formulas and recordings."""
    signal = _bare(spec, random, read)
    return Noisy(signal, spec.noise_std, random) if spec.noise_std > 0.0 else signal


def _bare(spec: SignalSpec, random: Random, read: RecordingReader) -> Signal:  # noqa: C901  one line a kind
    match spec:
        case OutputSignal():
            return Output(spec.output)
        case ConstantSignal():
            return Constant(spec.value)
        case RampSignal():
            return Ramp(spec.start, spec.end, spec.period_s)
        case SineSignal():
            return Sine(spec.mean, spec.amplitude, spec.period_s, spec.phase_rad)
        case LagSignal():
            return Lag(spec.target, spec.tau_s)
        case NoiseSignal():
            return Noise(spec.mean, spec.std, random)
        case StatesSignal():
            values = [state.name if state.value is None else state.value for state in spec.states]
            return States(values, [state.duration_s for state in spec.states])
        case CounterSignal():
            return Counter(spec.start, spec.step, spec.period_s)
        case FormulaSignal():
            return _expression(spec)
        case RecordingSignal():
            return _recorded(spec, read)
        case _:
            assert_never(spec)


def _expression(spec: FormulaSignal) -> Signal:
    try:
        return Expression(Formula(spec.expression))
    except ValueError as error:
        raise SignalError(str(error), key="expression") from None


def _recorded(spec: RecordingSignal, read: RecordingReader) -> Signal:
    try:
        recording = read(spec.file)
    except RecordingError as error:
        raise SignalError(error.message, key="file") from error
    try:
        column = recording.column(spec.column)
    except RecordingError as error:
        raise SignalError(error.message, key="column") from error
    start = recording.times_ns[0]
    return Recorded([(time - start) / NS_PER_S for time in recording.times_ns], column.values, spec.speed)


def reader_below(plant: Path, shipped: Path) -> RecordingReader:
    """Give a reader of files inside the plant folder, and of those that ship (`demo:` and a name); nothing outside."""

    def read(name: str) -> Recording:
        base, inner = (shipped, name.removeprefix("demo:")) if name.startswith("demo:") else (plant, name)
        path = (base / inner).resolve()
        if not path.is_relative_to(base.resolve()):
            message = f"{name!r} leads out of the plant folder {base}"
            raise RecordingError(message, file=name)
        return read_recording(path)

    return read
