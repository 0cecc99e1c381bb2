"""A machine in a plant has, in the platform, units, failure modes, and a tag behind each of their signs."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.core.device_file import DeviceFile
from penstock.core.dictionary import DictionaryEntry
from penstock.platform.registry.assets import AssetService, AssetView
from penstock.platform.registry.plant import PlantFolder
from penstock.platform.registry.service import TagDirectory
from penstock.simulators.main import commands
from tests.builders.platform_control import EPOCH, sqlite_store
from tests.builders.simulators import parse

pytestmark = pytest.mark.integration

MODELS = ("screw-compressor", "tank-level", "filling-line")
PATH = "penstock/riverside/utilities/machines"


def dictionary(device: DeviceFile) -> list[DictionaryEntry]:
    """Give what a gateway tells of the device."""
    return [
        DictionaryEntry(
            index=index,
            key=device.key(name),
            asset=device.asset,
            name=name,
            type=tag.type,
            unit=tag.unit,
            description=tag.description,
            device=device.device,
            file_hash=device.hash,
        )
        for index, (name, tag) in enumerate(device.tags.items())
    ]


def check(view: AssetView) -> None:
    assert view.type is not None
    fed = {each.name: each for each in view.properties if each.tag is not None}
    for mode in view.type.failure_modes.values():
        assert mode["part"]
        assert set(mode["signs"]) <= set(fed)
    assert {name for name, spec in view.type.properties.items() if spec["kind"] == "measurement"} == set(fed)
    assert [each.unit for each in fed.values() if each.name == "power"] == ["kW"]


@pytest.mark.parametrize("device_first", [True, False])
def test_the_asset_of_a_machine_is_of_its_type_and_its_signs_are_fed(tmp_path: Path, *, device_first: bool) -> None:
    """Whichever comes first: what the gateway tells, or the plant folder."""
    (tmp_path / "devices").mkdir()
    for model in MODELS:
        done = CliRunner().invoke(commands, ["machine", model, "--plant", str(tmp_path)])
        assert done.exit_code == 0, done.output
    db = sqlite_store(tmp_path / "store", "north")
    folder, directory = PlantFolder(db, tmp_path, {}), TagDirectory(db)
    folder.belongs_to("north")
    entries = [dictionary(parse((tmp_path / "devices" / f"{model}-1.yaml").read_text())) for model in MODELS]
    for step in ("device", "plant") if device_first else ("plant", "device"):
        if step == "plant":
            assert folder.read().errors == ()
        else:
            for number, told in enumerate(entries):
                directory.register("north", f"gtw_{number}", EPOCH, told)
    assets = AssetService(db, directory)
    for model in MODELS:
        view = assets.get("north", f"{PATH}/{model}-1")
        assert view.type is not None
        assert view.type.name == model
        check(view)
    db.close()
