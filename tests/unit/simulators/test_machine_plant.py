"""A machine in a plant folder: its type where it is missing, one line in plant.yaml, and nothing of people's undone."""

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.core.errors import ConfigError
from penstock.core.plant import PlantFile, check_plant, parse_asset_type, parse_plant_file
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.machine_plant import with_asset
from penstock.simulators.machine_types import machine_type_text
from penstock.simulators.main import commands
from tests.builders.simulators import parse

ASSET = "penstock/riverside/utilities/machines/fan-1"
LINE = f"{ASSET}: {{type: fan}}"
AIR = """\
version: 1
type: ambient-air
revision: 1
properties: {temperature: {kind: measurement, type: float64, unit: degC}}
failure_modes: {heat: {part: roof, signs: {temperature: rises}}}
"""
HEAD = "version: 1\nenterprise: penstock\n"


def place(plant: Path, model: str, *more: str) -> str:
    done = CliRunner().invoke(commands, ["machine", model, "--plant", str(plant), *more])
    assert done.exit_code == 0, done.output
    return done.output


def fits(plant: Path) -> list[str]:
    """Give what does not fit between the plant's files."""
    types = [parse_asset_type(path.read_text(), file=path.name, environ={}) for path in (plant / "types").glob("*")]
    devices = [parse(path.read_text()) for path in (plant / "devices").glob("*")]
    return [str(error) for error in check_plant(read(plant), types, devices=devices)]


def read(plant: Path) -> PlantFile:
    return parse_plant_file((plant / "plant.yaml").read_text(), file="plant.yaml", environ={})


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """Give the demo plant as a user has it."""
    ignored = shutil.ignore_patterns("__*")
    return shutil.copytree(DEMO_PLANT, tmp_path / "plant", ignore=ignored)


def test_a_machine_comes_with_its_type_and_its_asset(demo: Path) -> None:
    before = (demo / "plant.yaml").read_text()
    told = place(demo, "fan")
    assert [line.partition(": ")[2] for line in told.splitlines()] == [
        "asset type fan", f"{ASSET} is a fan", "fan"
    ]  # fmt: skip
    assert (demo / "types" / "fan.yaml").read_text() == machine_type_text("fan")
    assert (demo / "plant.yaml").read_text() == f"{before}  {LINE}\n"
    assert read(demo).assets[ASSET].type == "fan"
    assert fits(demo) == []


def test_a_second_one_takes_the_type_as_the_plant_has_it(demo: Path) -> None:
    place(demo, "fan")
    edited = (demo / "types" / "fan.yaml").read_text().replace("revision: 1", "revision: 7  # ours")
    (demo / "types" / "fan.yaml").write_text(edited)
    named = (demo / "plant.yaml").read_text().replace("{type: fan}", "{type: fan, name: Our fan}")
    (demo / "plant.yaml").write_text(named)
    place(demo, "fan", "--device", "fan-2")
    assert "fan-1" in place(demo, "fan")
    assert (demo / "types" / "fan.yaml").read_text() == edited
    assets = read(demo).assets
    assert (assets[ASSET].name, assets[ASSET.replace("-1", "-2")].type) == ("Our fan", "fan")
    assert len(list((demo / "types").iterdir())) == 5
    assert fits(demo) == []


def test_a_type_of_other_signs_under_the_models_name_is_left_alone(demo: Path) -> None:
    before = (demo / "types" / "centrifugal-pump.yaml").read_text()
    place(demo, "centrifugal-pump")
    place(demo, "centrifugal-pump", "--device", "pump-9")
    assert (demo / "types" / "centrifugal-pump.yaml").read_text() == before
    own = parse_asset_type((demo / "types" / "simulated-centrifugal-pump.yaml").read_text(), file="t", environ={})
    shipped = parse_asset_type(machine_type_text("centrifugal-pump") or "", file="t", environ={})
    assert own.type == "simulated-centrifugal-pump"
    assert own.failure_modes == shipped.failure_modes
    assert [asset.type for asset in read(demo).assets.values()][-2:] == [own.type, own.type]
    assert fits(demo) == []


def test_a_model_without_a_type_of_its_own_stays_untyped_or_takes_the_plants(demo: Path) -> None:
    before = (demo / "plant.yaml").read_text()
    assert len(place(demo, "ambient-air").splitlines()) == 1
    assert (demo / "plant.yaml").read_text() == before
    (demo / "types" / "ours.yaml").write_text(AIR)
    place(demo, "ambient-air", "--device", "air-2")
    assert read(demo).assets["penstock/riverside/utilities/machines/air-2"].type == "ambient-air"
    assert fits(demo) == []


def test_a_folder_without_a_plant_file_gets_one(tmp_path: Path) -> None:
    (tmp_path / "devices").mkdir()
    place(tmp_path, "fan")
    assert (tmp_path / "plant.yaml").read_text() == f"{HEAD}assets:\n  {LINE}\n"
    assert fits(tmp_path) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HEAD, f"{HEAD}assets:\n  {LINE}\n"),
        (f"assets: {{}}  # none\n{HEAD}", f"assets:\n  {LINE}  # none\n{HEAD}"),
        (f"{HEAD}assets:\n    penstock/a: {{}}  # one\n", f"{HEAD}assets:\n    penstock/a: {{}}  # one\n    {LINE}\n"),
        (f"{HEAD}assets:\n  penstock/a: {{}}", f"{HEAD}assets:\n  penstock/a: {{}}\n  {LINE}\n"),
        (
            f"# ours\nassets:\n  penstock/a:\n    bind:\n      flow: plc/flow\n# end\n{HEAD}",
            f"# ours\nassets:\n  penstock/a:\n    bind:\n      flow: plc/flow\n  {LINE}\n# end\n{HEAD}",
        ),
        (
            f"assets:\n  penstock/a:\n    description: |\n      long\n      text\n\n{HEAD}",
            f"assets:\n  penstock/a:\n    description: |\n      long\n      text\n\n  {LINE}\n{HEAD}",
        ),
    ],
    ids=["none", "empty", "indent", "open-end", "between", "block-text"],
)
def test_the_line_goes_behind_the_last_asset_and_the_rest_stays(before: str, after: str) -> None:
    assert with_asset(before, ASSET, "fan") == after
    assert with_asset(after, ASSET, "fan") == after


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{HEAD}assets: {{penstock/a: {{}}}}\n", f"plant.yaml:3: assets: .*add `{ASSET}: .type: fan.` by hand"),
        ("version: 1\nenterprise: acme\n", "plant.yaml:2: enterprise: .*give --asset acme/"),
        (f"{HEAD}asets: {{}}\n", "plant.yaml:3: asets: .*did you mean 'assets'"),
    ],
    ids=["braces", "enterprise", "wrong"],
)
def test_what_cannot_be_added_to_is_told(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        with_asset(text, ASSET, "fan")


@pytest.mark.parametrize(("name", "text"), [("plant.yaml", "version: 2\n"), ("types/fan.yaml", "type: fan\n")])
def test_nothing_is_written_where_a_file_of_the_plant_is_wrong(demo: Path, name: str, text: str) -> None:
    (demo / name).write_text(text)
    before = {path: path.read_text() for path in demo.rglob("*.yaml")}
    done = CliRunner().invoke(commands, ["machine", "fan", "--plant", str(demo)])
    assert done.exit_code == 1
    assert Path(name).name in done.output
    assert {path: path.read_text() for path in demo.rglob("*.yaml")} == before
