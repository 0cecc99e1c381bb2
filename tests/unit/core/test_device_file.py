"""A device file is read whole, or its error names file, line and key."""

import hashlib

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from penstock.core.config_file import FileModel
from penstock.core.deadband import Rule
from penstock.core.device_file import (
    DEVICE_FILE_MAX_BYTES,
    TAGS_MAX,
    DeviceFile,
    check_devices,
    check_driver_known,
    json_schema,
    parse_device_file,
)
from penstock.core.errors import ConfigError
from penstock.core.signals import CounterSignal, OutputSignal
from penstock.core.units import Conversion
from tests.builders.core import PUMP, make_device


def test_the_reference_example_is_read() -> None:
    device = make_device()
    assert device.connection.settings == {"endpoint": "opc.tcp://127.0.0.1:4840", "publishing_ms": 500}
    assert device.tags["flow"].conversion == Conversion(0.06, 0.0)
    assert device.tags["flow"].late_after_ns == 10_000_000_000
    assert device.tags["counter"].late_after_ns is None
    assert device.tags["flow"].signal == OutputSignal(output="flow_m3h")
    assert isinstance(device.tags["counter"].signal, CounterSignal)
    assert device.key("flow") == "pump-plc/flow"
    assert (device.file, device.hash) == ("devices/pump.yaml", hashlib.sha256(PUMP.encode()).hexdigest())


def test_environment_wins_over_the_default_but_leaves_the_hash() -> None:
    other = make_device(environ={"PENSTOCK_OPCUA_PUMP": "opc.tcp://plc:4840"})
    assert other.connection.settings["endpoint"] == "opc.tcp://plc:4840"
    assert other.hash == make_device().hash


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "says"),
    [
        ("    unit: m3/h", "    unti: m3/h", 14, "tags.flow.unti", "did you mean 'unit'"),
        ("unit: l/min", "unit: kg", 15, "tags.flow.source.unit", "'kg' does not convert to 'm3/h'"),
        ("kind: counter", "kind: conter", 21, "tags.counter.signal", "did you mean 'counter'"),
        ("kind: counter, ", "", 21, "tags.counter.signal", "needs `kind"),
        ("period_s: 1", "period: 1", 21, "tags.counter.signal.period", "did you mean 'period_s'"),
        ("period_s: 1", "period_s: 0", 21, "tags.counter.signal.period_s", "greater than 0"),
        ("  counter:", "  flow:", 18, "tags.flow", "tag 'flow' stands twice, first in line 12"),
        ("version: 1", "version: 2", 1, "version", "should be 1"),
        ("device: pump-plc\n", "", 1, "device", "is missing"),
        ("device: pump-plc", "device: Pump PLC", 2, "device", "pattern"),
        ("type: float64", "type: flot64", 13, "tags.flow.type", "did you mean 'float64'"),
        ("{node: Counter}", "{nod: Counter}", 20, "tags.counter.source.nod", "did you mean 'node'"),
        ("{node: Counter}", "{node: Counter, scale: 0.1}", 20, "tags.counter.source.scale", "declare it float64"),
        ("{node: Running}", "{node: Running, scale: 2}", 24, "tags.running.source.scale", "does not apply"),
        ("late_after_s: 10", "late_after_s: soon", 17, "tags.flow.late_after_s", "valid number"),
        ("  model: centrifugal-pump\n", "", 15, "tags.flow.signal.output", "simulate.model names none"),
        ("penstock/river", "Penstock/river", 3, "asset", "segment 'Penstock'"),
        (
            "{rated_flow_m3h: 120}",
            "{rated_flow_m3h: [1]}",
            10,
            "simulate.parameters.rated_flow_m3h",
            "must be a number",
        ),
        ("connection:\n", "conection:\n", 4, "conection", "did you mean 'connection'"),
        ("${PENSTOCK_OPCUA_PUMP:-opc.tcp://127.0.0.1:4840}", "${NOPE}", 6, "connection.endpoint", "NOPE is not set"),
        ("${PENSTOCK_OPCUA_PUMP:-opc.tcp://127.0.0.1:4840}", "${1x}", 6, "connection.endpoint", "no name of the env"),
        ("publishing_ms: 500", "publishing_ms: !!python/name:os.system x", 7, "connection.publishing_ms", "YAML tag"),
        ("publishing_ms: 500", f"publishing_ms: {'9' * 5000}", 7, "connection.publishing_ms", "too long a number"),
        ("tags:", "tags: [}", 11, "", "not YAML"),
    ],
)
def test_an_error_names_file_line_and_key(old: str, new: str, line: int, key: str, says: str) -> None:
    assert old in PUMP
    with pytest.raises(ConfigError) as caught:
        make_device(PUMP.replace(old, new, 1))
    error = caught.value
    assert (error.file, error.line, error.key) == ("devices/pump.yaml", line, key)
    assert says in error.message


FLOW = "    late_after_s: 10\n"


@pytest.mark.parametrize(
    ("keys", "key", "says"),
    [
        ("deadband: {absolute: -0.1}", "tags.flow.deadband.absolute", "greater than or equal to 0"),
        ("deadband: {absolute: .nan}", "tags.flow.deadband.absolute", "finite"),
        ("deadband: {percent: 101}", "tags.flow.deadband.percent", "less than or equal to 100"),
        ("deadband: {percent: 1}", "tags.flow.deadband.percent", "add `range: {low: 0, high: 100}` to the tag"),
        ("deadband: {}", "tags.flow.deadband", "exactly one of absolute"),
        ("deadband: {absolute: 1, percent: 1}", "tags.flow.deadband", "exactly one of absolute"),
        ("deadband: {absolute: 1, max_interval_s: 0}", "tags.flow.deadband.max_interval_s", "greater than 0"),
        ("deadband: {absolut: 1}", "tags.flow.deadband.absolut", "did you mean 'absolute'"),
        ("range: {low: 5, high: 5}", "tags.flow.range", "low 5 must be below high 5"),
        ("range: {low: -1.7e+308, high: 1.7e+308}", "tags.flow.range", "must be below"),
    ],
)
def test_a_deadband_that_means_nothing_is_named_with_what_to_do(keys: str, key: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_device(PUMP.replace(FLOW, f"{FLOW}    {keys}\n", 1))
    assert (caught.value.key, caught.value.line) == (key, 18)
    assert says in caught.value.message


@pytest.mark.parametrize("node", ["Running", "Mode"])
@pytest.mark.parametrize("keys", ["deadband: {absolute: 1}", "range: {low: 0, high: 1}"])
def test_a_deadband_is_for_numbers(node: str, keys: str) -> None:
    old = f"    source: {{node: {node}}}\n"
    with pytest.raises(ConfigError, match="does not apply to a tag of type"):
        make_device(PUMP.replace(old, f"{old}    {keys}\n", 1))


def test_percent_is_of_the_range_and_a_constant_is_sent_once_a_minute() -> None:
    keys = "    range: {low: -50, high: 150}\n    deadband: {percent: 0.5}\n"
    tags = make_device(PUMP.replace(FLOW, FLOW + keys, 1)).tags
    assert tags["flow"].thinning == Rule(1.0, 60_000_000_000)
    assert tags["counter"].thinning is None


def test_further_errors_follow_the_first() -> None:
    wrong = PUMP.replace("unit: l/min", "unit: kg").replace("{node: Mode}", "{nod: Mode}")
    with pytest.raises(ConfigError) as caught:
        make_device(wrong)
    assert [error.line for error in (caught.value, *caught.value.others)] == [15, 27]


@pytest.mark.parametrize("text", ["", "- a", "just text", "a: &x {b: 1}\nc: *x", "{[1]: 2}", "? {a: 1}\n: 2"])
def test_what_is_no_mapping_of_plain_values_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        make_device(text)


def test_a_bomb_of_aliases_is_refused_quickly() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(ConfigError, match="aliases"):
        make_device("\n".join(lines))


def test_depth_and_size_are_bounded() -> None:
    with pytest.raises(ConfigError, match="nested deeper"):
        make_device("a: " + "{a: " * 40 + "1" + "}" * 40)
    with pytest.raises(ConfigError, match="at most"):
        make_device("#" * (4 * 1024 * 1024 + 1))


def test_scalars_follow_yaml_1_2() -> None:
    lines = ["a: off", "b: 12:30", "c: 2026-01-01", "d: 0x10", "e: 1e3", "f: ~", "g: .inf", "h: true", "i: [1, '2']"]
    text = PUMP.replace("publishing_ms: 500", "\n  ".join(lines))
    settings = make_device(text).connection.settings
    del settings["endpoint"]
    assert list(settings.values()) == ["off", "12:30", "2026-01-01", 16, 1000.0, None, float("inf"), True, [1, "2"]]


class _Settings(FileModel):
    endpoint: str
    publishing_ms: int = 100


def test_a_driver_judges_its_settings_at_their_lines() -> None:
    assert make_device().connection_as(_Settings).publishing_ms == 500
    with pytest.raises(ConfigError) as caught:
        make_device(PUMP.replace("publishing_ms: 500", "publishing_ms: often")).connection_as(_Settings)
    assert (caught.value.line, caught.value.key) == (7, "connection.publishing_ms")
    with pytest.raises(ConfigError) as caught:
        make_device(PUMP.replace("publishing_ms", "publishin_ms")).connection_as(_Settings)
    assert (caught.value.line, caught.value.key) == (7, "connection.publishin_ms")


def test_unknown_driver_is_named_with_the_near_one() -> None:
    check_driver_known(make_device(), ["opcua", "mqtt"])
    with pytest.raises(ConfigError, match=r"pump.yaml:5: connection.driver: .*did you mean 'opcua2'"):
        check_driver_known(make_device(), ["opcua2", "mqtt"])


def test_other_drivers_keep_their_source_keys() -> None:
    text = PUMP.replace("driver: opcua", "driver: modbus").replace("{node: Counter}", "{register: 40001}")
    assert make_device(text).tags["counter"].source.settings == {"register": 40001}


def test_a_device_in_two_files_is_found() -> None:
    [error] = check_devices([make_device(), make_device()])
    assert "already described" in str(error)
    assert check_devices([make_device()]) == []


@pytest.mark.parametrize("unit", ["bottles", '"{trays}"'])
def test_unit_that_converts_into_no_other_may_stand_if_the_device_speaks_it_too(unit: str) -> None:
    text = PUMP.replace("unit: m3/h", f"unit: {unit}").replace("unit: l/min", f"unit: {unit}")
    assert make_device(text).tags["flow"].conversion.is_identity


def test_a_misspelt_unit_is_an_error_at_its_line() -> None:
    text = PUMP.replace("unit: m3/h", "unit: m3/hourz").replace(", unit: l/min", "")
    line = text[: text.index("m3/hourz")].count("\n") + 1
    with pytest.raises(ConfigError, match=rf"pump.yaml:{line}: tags.flow.unit: .*did you mean 'm3/hour'"):
        make_device(text)


def test_int64_may_be_converted_by_whole_numbers_only() -> None:
    text = PUMP.replace("{node: Counter}", "{node: Counter, unit: km}").replace("int64", "int64\n    unit: m")
    assert make_device(text).tags["counter"].conversion.scale == 1000.0
    with pytest.raises(ConfigError, match=r"source.unit: makes fractions"):
        make_device(text.replace("unit: km", "unit: mm"))


def test_a_device_made_in_code_has_no_file() -> None:
    plain = {"version": 1, "device": "d", "connection": {"driver": "x"}, "tags": {"a": {"type": "bool"}}}
    assert DeviceFile.model_validate(plain).error("x", "tags").line is None


def test_schema_accepts_the_example_and_refuses_a_wrong_key() -> None:
    import yaml

    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    judge = Draft202012Validator(schema)
    example = yaml.safe_load(PUMP)
    assert judge.is_valid(example)
    assert not judge.is_valid({**example, "tgas": {}})


def test_bounds_name_the_file_and_say_what_to_do() -> None:
    head = "version: 1\ndevice: pump\nconnection: {driver: mqtt}\ntags:\n"
    tags = [f"  t{number}: {{type: bool}}\n" for number in range(TAGS_MAX + 1)]
    assert len(parse_device_file(head + "".join(tags[:-1]), file="x.yaml", environ={}).tags) == TAGS_MAX
    with pytest.raises(ConfigError, match=r"x\.yaml:4: tags: 2001 tags; at most 2000 in one device: split"):
        parse_device_file(head + "".join(tags), file="x.yaml", environ={})
    with pytest.raises(ConfigError, match=r"x\.yaml: 524289 bytes; at most 524288 are read: split"):
        parse_device_file("#" * (DEVICE_FILE_MAX_BYTES + 1), file="x.yaml", environ={})
