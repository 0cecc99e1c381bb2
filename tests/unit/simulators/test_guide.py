"""The examples of docs/guide/add-a-device.md are device files that simulate."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from penstock.core.errors import ConfigError
from penstock.core.failure_modes import SignDirection
from penstock.core.plant import PropertyKind, parse_asset_type
from penstock.core.status import GOOD
from penstock.simulators.machine_file import tag_names
from penstock.simulators.models.fault import FaultRequest, Faulty
from penstock.simulators.models.model import ModelContext, Parameters
from penstock.simulators.models.registry import find_model, model_names
from penstock.simulators.models.shaking import SHAKING_OUTPUTS
from penstock.simulators.models.world import World
from penstock.simulators.payload import JsonMapping
from penstock.simulators.plant import SimulatedPlant
from tests.builders.simulators import parse, simulated

DOCS = Path(__file__).parents[3] / "docs"
GUIDE = (DOCS / "guide" / "add-a-device.md").read_text()
MACHINES = (DOCS / "reference" / "machines.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
EXAMPLES = [block for block in BLOCKS if block.startswith("version:")]
COMMON = {"hall", "duty", "regime_h", "utc_offset_h", "wear", "repair_after_h"}
T0 = 1_795_404_000 * 10**9


@pytest.mark.parametrize("text", EXAMPLES, ids=["tank", "pump-102", "weather"])
def test_example_simulates(text: str) -> None:
    plant = SimulatedPlant(T0)
    plant.add(simulated(text))
    emissions = plant.advance(T0 + 5 * 10**9)
    seen = {point.tag for emission in emissions for point in emission.points if point.status == GOOD}
    assert seen == set(parse(text).tags)


def test_weather_station_publishes_what_the_guide_shows() -> None:
    plant = SimulatedPlant(T0)
    plant.add(simulated(EXAMPLES[2]))
    (first, *_) = plant.advance(T0 + 10**9)
    ((topic, payload),) = JsonMapping(parse(EXAMPLES[2])).messages(first)
    shown = json.loads(re.search(r"publishes `(.*?)`", GUIDE).group(1))  # type: ignore[union-attr]
    assert topic == "plant/riverside/weather"
    got = json.loads(payload)
    assert {name: set(part) for name, part in got.items()} == {name: set(part) for name, part in shown.items()}
    assert got["air"]["temp_f"] == pytest.approx(59.2, abs=0.5)


def test_tags_that_are_thinned_are_read_in_a_whole_file() -> None:
    [thinned] = [block for block in BLOCKS if "deadband" in block]
    head, _, _ = EXAMPLES[2].partition("tags:\n")
    tags = parse(f"{head}tags:\n{thinned}").tags
    assert {name for name, tag in tags.items() if tag.deadband} == {"temperature", "level"}


class Asked(Parameters):
    """Note which parameters a model asks for."""

    def __init__(self) -> None:
        super().__init__({})
        self.names: set[str] = set()

    def number(self, name: str, default: float, *, low: float = 0.0, high: float = 1e9) -> float:
        self.names.add(name)
        return super().number(name, default, low=low, high=high)

    def word(self, name: str, default: str = "") -> str:
        self.names.add(name)
        return super().word(name, default)


@pytest.mark.parametrize("name", model_names())
def test_every_model_stands_in_the_reference_with_parameters_outputs_and_faults(name: str) -> None:
    row = next(line for line in MACHINES.splitlines() if line.startswith(f"| `{name}`"))
    _, _, parameters, outputs, faults, _ = (cell.strip() for cell in row.split("|"))
    asked = Asked()
    model: object = find_model(name)(ModelContext("dut", asked, Random(1), World()))
    written = set(re.findall(r"[A-Za-z0-9_]+", re.sub(r"\(.*?\)", "", parameters))) - {"common"}
    common = (
        {"hall", "duty", "regime_h", "utc_offset_h", "wear", "repair_after_h"} if "*common*" in parameters else set()
    )
    assert asked.names == written | common
    shaking = set(SHAKING_OUTPUTS) if "*vibration*" in outputs else set()
    assert set(outputs.split(", ")) - {"*vibration*"} | shaking == set(find_model(name).OUTPUTS)
    has = [state.fault for state in model.faults()] if isinstance(model, Faulty) else []
    assert [word for word in faults.split(", ") if word] == has
    assert f"`{name}`" in GUIDE


def test_vibration_features_stand_in_the_reference() -> None:
    assert set(SHAKING_OUTPUTS) <= set(re.findall(r"[a-z0-9_]+", MACHINES))


def test_machine_of_the_reference_wears_and_trips() -> None:
    """The file that a reader writes is run as it stands there."""
    [source] = re.findall(r"^```python\n(.*?)^```", MACHINES, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "heater"}
    exec(compile(source, "heater.py", "exec"), names)
    heater = names["Heater"](ModelContext("heater", Parameters({"wear": 1000.0}), Random(1), World()))
    rod = heater.outputs()["rod_degC"]
    hours = 0
    while not heater.outputs()["trip"] and hours < 24:
        for _ in range(3600):
            heater.step(1.0)
        hours += 1
    assert heater.outputs()["trip"] == "rod too hot"
    assert heater.hidden().failed == "scale"
    assert heater.outputs()["rod_degC"] > rod
    heater.repair("scale")
    for _ in range(3600):
        heater.step(1.0)
    assert heater.power_kW > 1.0


def test_type_of_the_reference_fits_the_machine_beside_it() -> None:
    """Units, tags and signs are those of the file above it, as test_machine_types.py asks of those that ship."""
    [source] = re.findall(r"^```python\n(.*?)^```", MACHINES, re.MULTILINE | re.DOTALL)
    [text] = re.findall(r"^```yaml\n(.*?)^```", MACHINES, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {"__name__": "heater"}
    exec(compile(source, "heater.py", "exec"), names)
    kind = parse_asset_type(text, file="heater.yaml", environ={})
    tags = {tag: names["Heater"].OUTPUTS[output] for output, tag in tag_names(names["Heater"].OUTPUTS).items()}
    measured = {name: spec.unit for name, spec in kind.properties.items() if spec.kind is PropertyKind.MEASUREMENT}
    assert measured == tags
    seen = []
    for severity in (0.0, 0.85):
        heater = names["Heater"](ModelContext("heater", Parameters({}), Random(1), World()))
        assert {state.fault: state.component for state in heater.faults()} == {
            name: mode.part for name, mode in kind.failure_modes.items()
        }
        heater.inject(FaultRequest("scale", severity, growth_per_h=0.0))
        for _ in range(3600):
            heater.step(1.0)
        seen.append(heater.outputs()["rod_degC"])
    assert kind.failure_modes["scale"].signs == {"rod": SignDirection.RISES}
    assert seen[1] > seen[0] + 10.0


def test_error_shown_is_the_error_made() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(EXAMPLES[0].replace("kind: sine", "kind: sinus"))
    shown = re.search(r"`devices/tank.yaml(:\d+: .*?)`", GUIDE).group(1)  # type: ignore[union-attr]
    assert str(caught.value).removeprefix("devices/test.yaml").startswith(shown)
