"""How a simulated device makes the values of a tag: the signal kinds of the device file."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from penstock.core.config_file import FileModel, Scalar

Seconds = Annotated[float, Field(gt=0)]


class _Signal(FileModel):
    noise_std: float = Field(default=0.0, ge=0, description="standard deviation of added white noise")


class OutputSignal(_Signal):
    """Take an output of the device's model."""

    output: str = Field(min_length=1, max_length=128)


class ConstantSignal(_Signal):
    """Hold one value."""

    kind: Literal["constant"]
    value: Scalar


class RampSignal(_Signal):
    """Go from start to end in period_s, then begin again."""

    kind: Literal["ramp"]
    start: float = 0.0
    end: float
    period_s: Seconds


class SineSignal(_Signal):
    """Swing about mean."""

    kind: Literal["sine"]
    mean: float = 0.0
    amplitude: float
    period_s: Seconds
    phase_rad: float = 0.0


class LagSignal(_Signal):
    """Follow a number, or another tag of the device, as a first-order lag."""

    kind: Literal["lag"]
    target: float | str
    tau_s: Seconds


class NoiseSignal(_Signal):
    """Draw from a normal distribution."""

    kind: Literal["noise"]
    mean: float = 0.0
    std: float = Field(ge=0)


class SignalState(FileModel):
    """Stay in one state for duration_s."""

    name: str | None = Field(default=None, max_length=128)
    value: Scalar | None = None
    duration_s: Seconds

    @model_validator(mode="after")
    def _one(self) -> SignalState:
        if (self.name is None) == (self.value is None):
            message = "a state has either a name or a value"
            raise ValueError(message)
        return self


class StatesSignal(_Signal):
    """Go through states in turn; the value is each state's name or value."""

    kind: Literal["states"]
    states: list[SignalState] = Field(min_length=1, max_length=1000)


class CounterSignal(_Signal):
    """Count up by step each period_s."""

    kind: Literal["counter"]
    start: int = 0
    step: int = 1
    period_s: Seconds = 1.0


class FormulaSignal(_Signal):
    """Compute from the device's other tags and t (s)."""

    kind: Literal["formula"]
    expression: str = Field(min_length=1, max_length=1024)


class RecordingSignal(_Signal):
    """Play a column of a recorded file."""

    kind: Literal["recording"]
    file: str = Field(min_length=1, max_length=1024)
    column: str = Field(min_length=1, max_length=256)
    speed: float = Field(default=1.0, gt=0, le=500)


def _which(values: Any) -> str | None:
    if isinstance(values, dict):
        return "output" if "output" in values else values.get("kind")
    return getattr(values, "kind", "output")


SignalSpec = Annotated[
    Annotated[OutputSignal, Tag("output")]
    | Annotated[ConstantSignal, Tag("constant")]
    | Annotated[RampSignal, Tag("ramp")]
    | Annotated[SineSignal, Tag("sine")]
    | Annotated[LagSignal, Tag("lag")]
    | Annotated[NoiseSignal, Tag("noise")]
    | Annotated[StatesSignal, Tag("states")]
    | Annotated[CounterSignal, Tag("counter")]
    | Annotated[FormulaSignal, Tag("formula")]
    | Annotated[RecordingSignal, Tag("recording")],
    Discriminator(_which),
]
"""One of the signal classes; `match` on the class."""

SIGNAL_KINDS = ("constant", "ramp", "sine", "lag", "noise", "states", "counter", "formula", "recording")
