"""`penstock sim machine`: a device file for every model, that parses, simulates and reads well."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.core.status import GOOD
from penstock.core.values import ValueType
from penstock.simulators.machine_file import machine_device_file
from penstock.simulators.main import commands
from penstock.simulators.models.model import ParameterError
from penstock.simulators.models.registry import find_model, model_names
from penstock.simulators.plant import SimulatedPlant
from tests.builders.simulators import parse, simulated

S = 10**9
T0 = 1_795_404_000 * S
ASSET = "penstock/riverside/utilities/machines/dut"


@pytest.mark.parametrize("driver", ["mqtt", "opcua"])
@pytest.mark.parametrize("model", model_names())
def test_file_of_every_model_simulates_every_output(model: str, driver: str) -> None:
    text = machine_device_file(model, device="dut", driver=driver, asset=ASSET)
    plant = SimulatedPlant(T0)
    plant.add(simulated(text))
    points = [point for emission in plant.advance(T0 + 3 * S) for point in emission.points]
    assert all(point.status == GOOD for point in points)
    file = parse(text)
    assert {point.tag for point in points} == set(file.tags)
    assert len(file.tags) == len(find_model(model).OUTPUTS)
    assert file.asset == ASSET


def test_names_are_without_units_and_types_are_those_of_the_values() -> None:
    tags = parse(machine_device_file("heat-exchanger", device="dut", driver="mqtt", asset=ASSET)).tags
    assert {"hot_out", "cold_out_flow", "cold_conductivity", "running", "trip"} <= set(tags)
    assert (tags["running"].type, tags["trip"].type) == (ValueType.BOOL, ValueType.STRING)
    assert (tags["hot_out"].type, tags["hot_out"].unit) == (ValueType.FLOAT64, "degC")


def test_wear_reaches_the_machine_and_a_model_without_it_says_so() -> None:
    text = machine_device_file("fan", device="dut", driver="mqtt", asset=ASSET, parameters={"wear": 50_000.0})
    plant = SimulatedPlant(T0, step_s=1.0)
    plant.add(simulated(text))
    for second in range(10, 3600, 10):
        plant.advance(T0 + second * S)
    assert any(state.severity > 0 for state in plant.faults()["dut"])
    with pytest.raises(ParameterError, match="no such parameter"):
        machine_device_file("ambient-air", device="dut", driver="mqtt", asset=ASSET, parameters={"wear": 1.0})


def test_command_writes_into_a_plant_or_prints(tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    done = CliRunner().invoke(commands, ["machine", "fan", "--plant", str(tmp_path), "--wear", "10"])
    assert done.exit_code == 0, done.output
    written = (tmp_path / "devices" / "fan-1.yaml").read_text()
    printed = CliRunner().invoke(commands, ["machine", "fan", "--wear", "10"]).output
    assert printed == written
    wrong = CliRunner().invoke(commands, ["machine", "fann"])
    assert wrong.exit_code == 2
    assert "installed models: ambient-air" in wrong.output
    nowhere = CliRunner().invoke(commands, ["machine", "fan", "--plant", str(tmp_path / "none")])
    assert nowhere.exit_code == 1
