"""A simulated device: signals, grids, units, types, restarts; and what a wrong file is told."""

from pathlib import Path

import pytest

from penstock.core.errors import ConfigError
from penstock.core.normalise import Normaliser
from penstock.core.reading import Reading
from penstock.core.status import BAD_NO_DATA, BAD_OUT_OF_RANGE, GOOD
from penstock.simulators.device import SimulatedDevice
from penstock.simulators.emission import Emission
from penstock.simulators.plant import SimulatedPlant
from penstock.simulators.recordings import SHIPPED
from tests.builders.simulators import SIGNALS_ONLY, parse, simulated

S = 1_000_000_000
T0 = 1_700_000_000 * S
HEAD = 'version: 1\ndevice: d\nconnection: {driver: opcua, endpoint: "opc.tcp://127.0.0.1:1", namespace: "urn:d"}\n'


def tags(*lines: str, simulate: str = "") -> str:
    return HEAD + (f"simulate: {simulate}\n" if simulate else "") + "tags:\n" + "".join(f"  {line}\n" for line in lines)


def emitted(device: SimulatedDevice, seconds: float, step_s: float = 0.5) -> list[Emission]:
    plant = SimulatedPlant(T0, step_s=step_s)
    plant.add(device)
    out: list[Emission] = []
    for tick in range(1, round(seconds / step_s) + 1):
        out += plant.advance(T0 + round(tick * step_s * S))
    return out


def values(text: str, tag: str, seconds: float, plant: Path | None = None) -> list[object]:
    found = emitted(simulated(text, plant=plant), seconds)
    return [point.value for emission in found for point in emission.points if point.tag == tag]


TWO_STATES = "{kind: states, states: [{name: Idle, duration_s: 1}, {name: Run, duration_s: 1}]}}"
SIGNALS = {
    "{kind: constant, value: 4.5}": [4.5, 4.5, 4.5, 4.5],
    "{kind: ramp, start: 0, end: 4, period_s: 4}": [1.0, 2.0, 3.0, 0.0],
    "{kind: sine, mean: 1, amplitude: 2, period_s: 4}": [3.0, 1.0, -1.0, 1.0],
    "{kind: lag, target: 8, tau_s: 1}": [8.0, 8.0, 8.0, 8.0],
    "{kind: states, states: [{value: 1, duration_s: 2}, {value: 9, duration_s: 1}]}": [1.0, 9.0, 1.0, 1.0],
    "{kind: counter, start: 10, step: 5, period_s: 2}": [10.0, 15.0, 15.0, 20.0],
    '{kind: formula, expression: "t * 2 if t < 3 else -1"}': [2.0, 4.0, -1.0, -1.0],
}


@pytest.mark.parametrize("signal", SIGNALS)
def test_signal_gives_what_its_kind_says(signal: str) -> None:
    got = values(tags(f"x: {{type: float64, source: {{node: X}}, signal: {signal}}}"), "x", 4)
    assert got == pytest.approx(SIGNALS[signal])


def test_noise_has_its_mean_and_spread_and_every_numeric_kind_takes_it() -> None:
    text = tags(
        "n: {type: float64, source: {node: N}, rate_hz: 100, signal: {kind: noise, mean: 3, std: 0.5}}",
        "c: {type: float64, source: {node: C}, rate_hz: 100, signal: {kind: constant, value: 3, noise_std: 0.5}}",
    )
    for tag in ("n", "c"):
        got = [float(value) for value in values(text, tag, 20) if isinstance(value, float)]
        mean = sum(got) / len(got)
        assert mean == pytest.approx(3, abs=0.06)
        assert (sum((x - mean) ** 2 for x in got) / len(got)) ** 0.5 == pytest.approx(0.5, rel=0.1)


def test_lag_and_formula_follow_other_tags_whatever_the_order_in_the_file() -> None:
    text = tags(
        "double: {type: float64, source: {node: D}, signal: {kind: formula, expression: base * 2}}",
        "slow: {type: float64, source: {node: S}, signal: {kind: lag, target: base, tau_s: 2}}",
        "base: {type: float64, source: {node: B}, signal: {kind: counter, period_s: 1}}",
    )
    assert values(text, "double", 3) == [2.0, 4.0, 6.0]
    slow = values(text, "slow", 3)
    assert slow[0] == 1.0
    assert slow == sorted(slow, key=float)  # type: ignore[arg-type]
    assert float(str(slow[2])) < 3.0


def test_states_may_be_words_and_bools() -> None:
    text = tags(
        "s: {type: string, source: {node: S}, signal: " + TWO_STATES,
        'b: {type: bool, source: {node: B}, signal: {kind: formula, expression: "t > 2"}}',
    )
    assert values(text, "s", 2) == ["Run", "Idle"]
    assert values(text, "b", 3) == [False, False, True]


def test_formula_without_a_value_is_bad_not_an_end() -> None:
    text = tags('x: {type: float64, source: {node: X}, signal: {kind: formula, expression: "1 / (t - 2)"}}')
    points = [emission.points[0] for emission in emitted(simulated(text), 3)]
    assert [(point.value, point.status) for point in points] == [(-1.0, GOOD), (None, BAD_NO_DATA), (1.0, GOOD)]


def test_a_formula_that_goes_on_without_a_value_is_named_with_the_reason() -> None:
    text = tags(
        'x: {type: float64, source: {node: X}, signal: {kind: formula, expression: "1 / max(0, t - 12)"}}',
        "y: {type: float64, source: {node: Y}, signal: {kind: formula, expression: x * 2}}",
        'big: {type: int64, source: {node: B}, signal: {kind: formula, expression: "10.0 ** (30 - t)"}}',
    )
    plant, device = SimulatedPlant(T0, step_s=1.0), simulated(text)
    plant.add(device)
    plant.advance(T0 + 9 * S)
    assert list(device.problems()) == [], "nine readings may lack a value"
    plant.advance(T0 + 10 * S)
    x, y, big = device.problems()
    assert x.startswith("devices/test.yaml:5: tags.x.signal.expression: has no value: ")
    assert "zero" in x
    assert y.endswith("without a value: x")
    assert big.endswith("does not fit int64")
    for second in (15, 24):
        plant.advance(T0 + second * S)
    assert list(device.problems()) == []


def test_value_out_of_its_type_is_bad() -> None:
    text = tags('x: {type: int64, source: {node: X}, signal: {kind: formula, expression: "10.0 ** 30"}}')
    (emission,) = emitted(simulated(text), 1)
    assert emission.points[0].status == BAD_OUT_OF_RANGE


def test_recording_plays_from_the_plant_folder_and_over_again(tmp_path: Path) -> None:
    (tmp_path / "rec.csv").write_text("time,a\n2020-01-01 00:00:00,5\n2020-01-01 00:00:01,6\n2020-01-01 00:00:02,7\n")
    text = tags("x: {type: int64, source: {node: X}, signal: {kind: recording, file: rec.csv, column: a}}")
    assert values(text, "x", 5, tmp_path) == [6, 7, 5, 6, 7]
    fast = text.replace("column: a", "column: a, speed: 2")
    assert values(fast, "x", 3, tmp_path) == [7, 6, 5]
    shipped = (
        text.replace("rec.csv", '"demo:pump-bearing.csv"')
        .replace("column: a", "column: Flow")
        .replace("int64", "float64")
    )
    assert values(shipped, "x", 2, tmp_path)[0] == pytest.approx(102.8)
    assert (SHIPPED / "pump-bearing.csv").stat().st_size <= 200_000


def test_rates_are_kept_on_a_grid_of_whole_periods() -> None:
    found = emitted(simulated(SIGNALS_ONLY), 4)
    assert [emission.time_ns - T0 for emission in found] == [S // 2 * i for i in range(1, 9)]
    assert {point.tag for emission in found for point in emission.points} == {"level", "fills"}


def test_stamps_are_whole_units_of_the_devices_clock() -> None:
    text = SIGNALS_ONLY.replace("time_field: time", "time_field: time, time_unit: ms").replace(
        "rate_hz: 2", "rate_hz: 3"
    )
    assert all(emission.time_ns % 1_000_000 == 0 for emission in emitted(simulated(text), 3))


def test_device_speaks_its_own_unit_and_the_ledger_knows_what_is_stored() -> None:
    text = tags(
        "flow: {type: float64, unit: m3/h, source: {node: F, unit: l/min, scale: 0.1, offset: 3},"
        " signal: {kind: constant, value: 6}}",
        "n: {type: int64, source: {node: N, scale: 10, offset: 5}, signal: {kind: constant, value: 25}}",
    )
    device = simulated(text)
    (emission,) = emitted(device, 1)
    raw = {point.tag: point.value for point in emission.points}
    assert raw["flow"] == pytest.approx((100 - 3) / 0.1)
    assert raw["n"] == 2
    readings = [Reading(point.tag, emission.time_ns, point.status, point.value) for point in emission.points]
    columns = Normaliser(parse(text)).apply(readings, T0).columns
    stored = {point.tag: point.value for point in device.as_stored(emission).points}
    by_tag = {list(parse(text).tags)[tag]: i for i, tag in enumerate(columns.tag)}
    assert stored == {"flow": columns.vf[by_tag["flow"]], "n": columns.vi[by_tag["n"]]}


def test_model_output_comes_in_the_tags_unit() -> None:
    text = tags(
        "rpm: {type: float64, unit: rpm, source: {node: A}, signal: {output: speed_rpm}}",
        "p: {type: float64, unit: kPa, source: {node: B}, signal: {output: suction_pressure_bar}}",
        simulate="{model: centrifugal-pump}",
    )
    assert float(str(values(text, "p", 2)[-1])) == pytest.approx(80, abs=3)


def test_counters_go_on_after_a_restart() -> None:
    text = tags("c: {type: int64, source: {node: C}, signal: {kind: counter, period_s: 1}}")
    plant = SimulatedPlant(T0)
    plant.add(simulated(text))
    plant.advance(T0 + 5 * S)
    state = plant.save()
    later = SimulatedPlant(T0 + 9 * S)
    later.add(simulated(text), state["d"])  # type: ignore[arg-type]
    (emission,) = later.advance(T0 + 10 * S)
    assert (emission.points[0].value, emission.time_ns) == (10, T0 + 10 * S)


def test_no_stamp_comes_twice_when_the_clock_goes_back() -> None:
    text = tags("c: {type: int64, source: {node: C}, signal: {kind: counter, period_s: 1}}")
    plant = SimulatedPlant(T0)
    plant.add(simulated(text))
    plant.advance(T0 + 5 * S)
    earlier = SimulatedPlant(T0)
    earlier.add(simulated(text), plant.save()["d"])  # type: ignore[arg-type]
    assert [emission.time_ns for emission in earlier.advance(T0 + 7 * S)] == [T0 + 6 * S, T0 + 7 * S]


def test_process_that_slept_does_not_invent_the_time_between() -> None:
    plant = SimulatedPlant(T0)
    plant.add(simulated(SIGNALS_ONLY))
    assert plant.advance(T0 + 3600 * S) == []
    assert plant.skipped_s == 3600
    assert len(plant.advance(T0 + 3601 * S)) == 2


WRONG = {
    "no signal": ("x: {type: float64, source: {node: X}}", "tags.x: a simulated tag needs a signal"),
    "no such output": (
        "x: {type: float64, source: {node: X}, signal: {output: colour}}",
        "tags.x.signal.output: the model has no output 'colour'; it has: running",
    ),
    "unit of an output": (
        "x: {type: float64, unit: degC, source: {node: X}, signal: {output: flow_m3h}}",
        "tags.x.signal.output: unit 'm3/h' does not convert to 'degC'",
    ),
    "formula with an attribute": (
        'x: {type: float64, source: {node: X}, signal: {kind: formula, expression: "t.__class__"}}',
        "tags.x.signal.expression: a formula has no Attribute",
    ),
    "formula with a call": (
        'x: {type: float64, source: {node: X}, signal: {kind: formula, expression: "open(1)"}}',
        "tags.x.signal.expression: no such function",
    ),
    "formula that never has a value": (
        'x: {type: float64, source: {node: X}, signal: {kind: formula, expression: "t + 1 / 0"}}',
        "tags.x.signal.expression: 1 / 0 never has a value",
    ),
    "formula of an unknown tag": (
        "x: {type: float64, source: {node: X}, signal: {kind: formula, expression: y + 1}}",
        "tags.x.signal: no such tag in this device: y",
    ),
    "circle": (
        "x: {type: float64, source: {node: X}, signal: {kind: formula, expression: x + 1}}",
        "tags.x.signal: tags read one another in a circle: x → x",
    ),
    "recording outside": (
        "x: {type: float64, source: {node: X}, signal: {kind: recording, file: ../../etc/passwd, column: a}}",
        "tags.x.signal.file: '../../etc/passwd' leads out of the plant folder",
    ),
    "too quick": (
        "x: {type: float64, source: {node: X}, signal: {kind: constant, value: 1}, rate_hz: 5000}",
        "tags.x.rate_hz: 5000 Hz is more than",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_file_is_told_with_line_and_key(case: str, tmp_path: Path) -> None:
    line, says = WRONG[case]
    with pytest.raises(ConfigError) as caught:
        simulated(tags(line, simulate="{model: centrifugal-pump}"), plant=tmp_path)
    assert str(caught.value).startswith(f"devices/test.yaml:6: {says}")


def test_wrong_model_and_parameter_are_told() -> None:
    line = "x: {type: float64, source: {node: X}, signal: {kind: constant, value: 1}}"
    with pytest.raises(
        ConfigError, match=r"test.yaml:4: simulate.model: unknown model 'pump'; installed models: ambient-air"
    ):
        simulated(tags(line, simulate="{model: pump}"))
    with pytest.raises(ConfigError, match=r"simulate.parameters.flow: no such parameter; this model has"):
        simulated(tags(line, simulate="{model: centrifugal-pump, parameters: {flow: 3}}"))


@pytest.mark.parametrize(
    "expression", ["2 ** 99999999", "'a' * 99999999", "1 and (" * 200, "[x for x in (1,)]", "x" * 600]
)
def test_formula_is_bounded(expression: str) -> None:
    text = tags(f'y: {{type: float64, source: {{node: X}}, signal: {{kind: formula, expression: "{expression}"}}}}')
    assert _refused_or_without_value(text)


def _refused_or_without_value(text: str) -> bool:
    try:
        (emission,) = emitted(simulated(text), 1)
    except ConfigError as error:
        return "tags.y.signal" in str(error)
    return emission.points[0].value is None
