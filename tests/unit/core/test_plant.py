"""Plant and asset types fit together, or the error says where they do not."""

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from penstock.core.errors import ConfigError
from penstock.core.plant import (
    Signal,
    asset_type_json_schema,
    check_plant,
    is_of_type,
    parse_asset_type,
    parse_plant_file,
    plant_json_schema,
)
from penstock.core.values import ValueType
from tests.builders.core import make_device

TYPE = """\
version: 1
type: centrifugal-pump
revision: 1
properties:
  flow: {kind: measurement, type: float64, unit: m3/h}
  rated_power: {kind: attribute, type: float64, unit: kW, default: 15}
  health: {kind: metric, type: float64}
  energy: {kind: transform, type: float64, expression: power / flow}
"""
PLANT = """\
version: 1
enterprise: penstock
hierarchy: {penstock: Works}
assets:
  penstock/pump-101:
    name: Pump
    type: centrifugal-pump
    attributes: {rated_power: 15}
    bind: {flow: pump-plc/flow}
"""


def _findings(plant: str) -> list[str]:
    parsed = parse_plant_file(plant, file="plant.yaml", environ={})
    return [
        str(e) for e in check_plant(parsed, [parse_asset_type(TYPE, file="t", environ={})], devices=[make_device()])
    ]


def test_the_reference_example_fits() -> None:
    assert _findings(PLANT) == []
    asset_type = parse_asset_type(TYPE, file="t.yaml", environ={})
    assert (asset_type.file, len(asset_type.hash)) == ("t.yaml", 64)
    assert str(asset_type.error("x", "properties", "flow")) == "t.yaml:5: properties.flow: x"
    plant = parse_plant_file(PLANT, file="p.yaml", environ={})
    assert (plant.file, len(plant.hash)) == ("p.yaml", 64)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "type: centrifugal-pump",
            "type: centrifugal-pmp",
            "plant.yaml:7: assets.penstock/pump-101.type: .*did you mean",
        ),
        ("rated_power: 15", "rated_powr: 15", r"attributes.rated_powr: .*did you mean 'rated_power'"),
        ("rated_power: 15", "rated_power: high", "'high' is no float64"),
        ("{flow: pump-plc/flow}", "{energy: pump-plc/flow}", "'energy' is no measurement"),
        ("pump-plc/flow", "pump-plc/flw", "no tag 'flw'; did you mean 'flow'"),
        ("pump-plc/flow", "pump-plc/counter", "tag is int64 in ''"),
    ],
)
def test_what_does_not_fit_is_named(old: str, new: str, says: str) -> None:
    import re

    [finding] = _findings(PLANT.replace(old, new))
    assert re.search(says, finding)


def test_tags_of_devices_not_there_yet_are_not_judged() -> None:
    assert _findings(PLANT.replace("pump-plc/flow", "other/flow")) == []


def test_an_untyped_asset_has_free_attributes() -> None:
    assert _findings(PLANT.replace("    type: centrifugal-pump\n", "")) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("unit: kW, default: 15", "unit: kW, default: x", 6),
        ("{kind: metric,", "{kind: metric, default: 1,", 7),
        ("{kind: metric,", "{kind: metric, signal: computed,", 7),
        ("unit: m3/h", "unit: m3/h, signal: guess", 5),
        ("kind: transform", "kind: metric", 8),
        ("revision: 1", "revision: 0", 3),
    ],
)
def test_wrong_types_name_their_line(old: str, new: str, line: int) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_asset_type(TYPE.replace(old, new), file="t.yaml", environ={})
    assert caught.value.line == line


def test_a_measurement_is_a_sensors_unless_it_is_said_otherwise() -> None:
    said = parse_asset_type(TYPE.replace("unit: m3/h", "unit: m3/h, signal: demand"), file="t.yaml", environ={})
    usual = parse_asset_type(TYPE, file="t.yaml", environ={})
    assert (said.properties["flow"].signal, usual.properties["flow"].signal) == (Signal.DEMAND, Signal.SENSOR)


@pytest.mark.parametrize(
    ("old", "new"),
    [("enterprise: penstock", "enterprise: other"), ("penstock/pump-101", "penstock//x"), ("pump-plc/flow", "nokey")],
)
def test_wrong_plants_are_refused(old: str, new: str) -> None:
    with pytest.raises(ConfigError, match=r"plant.yaml:\d"):
        parse_plant_file(PLANT.replace(old, new), file="plant.yaml", environ={})


@pytest.mark.parametrize(
    ("value", "fits"), [(1, {"float64", "int64"}), (1.5, {"float64"}), (True, {"bool"}), ("x", {"string"})]
)
def test_values_fit_their_types(value: object, fits: set[str]) -> None:
    assert {value_type.value for value_type in ValueType if is_of_type(value, value_type)} == fits


def test_schemas_are_schemas() -> None:
    Draft202012Validator.check_schema(plant_json_schema())
    Draft202012Validator.check_schema(asset_type_json_schema())
