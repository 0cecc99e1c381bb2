"""The examples of docs/guide/add-a-device.md are device files that simulate."""

import json
import re
from pathlib import Path

import pytest

from penstock.core.errors import ConfigError
from penstock.core.status import GOOD
from penstock.simulators.models.registry import find_model, model_names
from penstock.simulators.payload import JsonMapping
from penstock.simulators.plant import SimulatedPlant
from tests.builders.simulators import parse, simulated

GUIDE = (Path(__file__).parents[3] / "docs" / "guide" / "add-a-device.md").read_text()
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
EXAMPLES = [block for block in BLOCKS if block.startswith("version:")]
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


def test_every_model_with_its_outputs_stands_in_the_guide() -> None:
    for name in model_names():
        row = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{name}`"))
        for output in find_model(name).OUTPUTS:
            assert output in row, (name, output)


def test_error_shown_is_the_error_made() -> None:
    with pytest.raises(ConfigError) as caught:
        parse(EXAMPLES[0].replace("kind: sine", "kind: sinus"))
    shown = re.search(r"`devices/tank.yaml(:\d+: .*?)`", GUIDE).group(1)  # type: ignore[union-attr]
    assert str(caught.value).removeprefix("devices/test.yaml").startswith(shown)
