"""Each signal kind has its parameters."""

import pytest
from pydantic import TypeAdapter, ValidationError

from penstock.core import signals

SIGNAL: TypeAdapter[signals.SignalSpec] = TypeAdapter(signals.SignalSpec)


@pytest.mark.parametrize(
    ("plain", "kind"),
    [
        ({"output": "flow"}, signals.OutputSignal),
        ({"kind": "constant", "value": "on"}, signals.ConstantSignal),
        ({"kind": "ramp", "end": 1, "period_s": 1}, signals.RampSignal),
        ({"kind": "sine", "amplitude": 1, "period_s": 1}, signals.SineSignal),
        ({"kind": "lag", "target": "other", "tau_s": 1}, signals.LagSignal),
        ({"kind": "noise", "std": 1}, signals.NoiseSignal),
        ({"kind": "states", "states": [{"name": "a", "duration_s": 1}]}, signals.StatesSignal),
        ({"kind": "counter"}, signals.CounterSignal),
        ({"kind": "formula", "expression": "a + t"}, signals.FormulaSignal),
        ({"kind": "recording", "file": "a.csv", "column": "x", "noise_std": 0.1}, signals.RecordingSignal),
    ],
)
def test_each_kind_is_read(plain: dict[str, object], kind: type) -> None:
    signal = SIGNAL.validate_python(plain)
    assert type(signal) is kind
    assert SIGNAL.validate_python(signal) is signal


@pytest.mark.parametrize(
    "plain",
    [
        {"kind": "states", "states": [{"duration_s": 1}]},
        {"kind": "states", "states": [{"name": "a", "value": 1, "duration_s": 1}]},
        {"kind": "states", "states": []},
        {"kind": "noise", "std": -1},
        {"kind": "constant", "value": [1]},
        {"kind": "ramp", "end": float("nan"), "period_s": 1},
        {"kind": "other"},
        "sine",
    ],
)
def test_wrong_parameters_are_refused(plain: object) -> None:
    with pytest.raises(ValidationError):
        SIGNAL.validate_python(plain)


def test_all_kinds_are_listed() -> None:
    assert len(signals.SIGNAL_KINDS) == 9
