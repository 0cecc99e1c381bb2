"""The asset types of the machines: each fault has its failure mode, and its signs are what the model does."""

from collections.abc import Mapping

import pytest
import yaml

from penstock.core.failure_modes import SignDirection
from penstock.core.plant import AssetTypeFile, PropertyKind, parse_asset_type, parse_plant_file
from penstock.core.signals import OutputSignal
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.machine_file import machine_device_file, tag_names
from penstock.simulators.machine_types import MACHINE_TYPES, machine_type_text
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.registry import find_model, model_names
from tests.builders.machines import machine
from tests.builders.simulators import parse
from tests.unit.simulators.test_machines import SEEN, SIGNS, change
from tests.unit.simulators.test_working_machines import looked_at, moved

WEARING = [name for name in model_names() if issubclass(find_model(name), WearingMachine)]

BELOW_RATED_WIND = {("wind-turbine", "icing", "power")}
"""Looked at is a turbine in strong wind, where pitch makes good the power that ice takes."""


def wearing(model: str) -> type[WearingMachine]:
    kind: type = find_model(model)
    assert issubclass(kind, WearingMachine)
    return kind


def shipped(model: str) -> AssetTypeFile:
    text = machine_type_text(model)
    assert text is not None, f"machine_types/{model}.yaml is missing"
    return parse_asset_type(text, file=f"{model}.yaml", environ={})


DEMO_FILE = parse_plant_file((DEMO_PLANT / "plant.yaml").read_text(), file="plant.yaml", environ={})


def demo_type(kind: str) -> AssetTypeFile:
    return parse_asset_type((DEMO_PLANT / "types" / f"{kind}.yaml").read_text(), file=kind, environ={})


def demo_output(key: str) -> str:
    """Give the model's output behind a tag of the demo plant."""
    device, _, tag = key.partition("/")
    signal = parse((DEMO_PLANT / "devices" / f"{device}.yaml").read_text()).tags[tag].signal
    assert isinstance(signal, OutputSignal)
    return signal.output


def test_every_machine_that_wears_has_a_type_and_nothing_else_has() -> None:
    assert sorted(path.stem for path in MACHINE_TYPES.glob("*.yaml")) == sorted(WEARING)
    assert machine_type_text("load") is None


@pytest.mark.parametrize("model", WEARING)
def test_measurements_are_the_tags_that_the_command_makes(model: str) -> None:
    tags = yaml.safe_load(machine_device_file(model, device="dut", driver="mqtt", asset="penstock/dut"))["tags"]
    measured = {
        name: (str(spec.type), spec.unit)
        for name, spec in shipped(model).properties.items()
        if spec.kind is PropertyKind.MEASUREMENT
    }
    assert measured == {name: (tag["type"], tag.get("unit", "")) for name, tag in tags.items()}
    assert shipped(model).type == model


@pytest.mark.parametrize("model", WEARING)
def test_every_fault_has_exactly_one_failure_mode_with_its_part(model: str) -> None:
    faults = {state.fault: state.component for state in machine(wearing(model)).faults()}
    modes = shipped(model).failure_modes
    assert {name: mode.part for name, mode in modes.items()} == faults
    assert all(mode.description and mode.action.endswith(".") for mode in modes.values())


@pytest.mark.parametrize("model", WEARING)
def test_no_two_failure_modes_have_the_same_signs(model: str) -> None:
    pictures = [tuple(mode.signs.items()) for mode in shipped(model).failure_modes.values()]
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize(
    ("model", "fault"), [(model, fault) for model in WEARING for fault in shipped(model).failure_modes]
)
def test_every_sign_is_what_the_running_machine_shows(model: str, fault: str) -> None:
    outputs = {tag: output for output, tag in tag_names(find_model(model).OUTPUTS).items()}
    signs = shipped(model).failure_modes[fault].signs
    seen = {outputs[name]: way for name, way in signs.items() if (model, fault, name) not in BELOW_RATED_WIND}
    assert not_shown(model, fault, seen) == []


DEMO = {"centrifugal-pump": "centrifugal-pump", "packml-line": "filling-line", "energy-meter": "energy-meter"}
"""Type of the demo plant → the model behind its assets."""
DEMO_MODES = [(kind, fault) for kind in DEMO for fault in demo_type(kind).failure_modes]


@pytest.mark.parametrize(("kind", "fault"), DEMO_MODES)
def test_signs_of_the_demo_plant_are_bound_and_are_what_its_machines_show(kind: str, fault: str) -> None:
    (asset,) = [each for each in DEMO_FILE.assets.values() if each.type == kind]
    mode = demo_type(kind).failure_modes[fault]
    assert mode.part == shipped(DEMO[kind]).failure_modes[fault].part
    outputs = {name: demo_output(key) for name, key in asset.bind.items()}
    assert not_shown(DEMO[kind], fault, {outputs[name]: way for name, way in mode.signs.items()}) == []


def test_the_demo_s_pump_is_known_as_the_library_s() -> None:
    (asset,) = [each for each in DEMO_FILE.assets.values() if each.type == "centrifugal-pump"]
    library, demo = shipped("centrifugal-pump").failure_modes, demo_type("centrifugal-pump").failure_modes
    assert list(demo) == list(library)
    for name, mode in demo.items():
        tags = [asset.bind[sign].partition("/")[2] for sign in mode.signs]
        assert [tag for tag in tags if tag != "acceleration_peak"] == list(library[name].signs), name
        assert (mode.part, mode.action) == (library[name].part, library[name].action)


def not_shown(model: str, fault: str, signs: Mapping[str, SignDirection]) -> list[str]:
    """Give the outputs that do not go the way that is said when the fault is injected into the running machine.

    The first sign must be plain; the others may be weaker, as the power of a line is beside its heater's.
    """
    kind = wearing(model)
    shifts, far = (change(kind, fault, 0.85), SEEN) if kind in SIGNS else (moved(kind, fault, 0.85), 1.0)
    wrong = []
    for output, way in signs.items():
        if way is SignDirection.UNSTEADY:
            sound, broken = (looked_at(kind, one, 0.85 if one else 0.0)[output][1] for one in ("", fault))
            shown = broken > 2.0 * sound
        else:
            least = far if output == next(iter(signs)) else far / 4.0
            shown = shifts[output] > least if way is SignDirection.RISES else shifts[output] < -least
        wrong += [] if shown else [output]
    return wrong
