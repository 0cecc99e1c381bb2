"""Following the device folder: added, changed, removed, broken, doubled."""

from pathlib import Path

import pytest

from penstock.gateway.folder import DeviceFolder

TEXT = """version: 1
device: {name}
connection: {{driver: mqtt, broker: 'mqtt://h:1', topic: t}}
tags:
  a: {{type: {type}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> DeviceFolder:
    return DeviceFolder(tmp_path, {})


def put(folder: DeviceFolder, file: str, name: str = "pump", kind: str = "bool") -> None:
    (folder.path / file).write_text(TEXT.format(name=name, type=kind), encoding="utf-8")


def test_file_is_started_once(folder: DeviceFolder) -> None:
    put(folder, "pump.yaml")
    assert [device.device for device in folder.look().started] == ["pump"]
    assert folder.look().started == ()


def test_changed_file_is_started_again_and_a_touched_one_is_not(folder: DeviceFolder) -> None:
    put(folder, "pump.yaml")
    folder.look()
    (folder.path / "pump.yaml").touch()
    assert folder.look().started == ()
    put(folder, "pump.yaml", kind="int64")
    assert [device.tags["a"].type for device in folder.look().started] == ["int64"]


def test_removed_and_disabled_files_stop_their_device(folder: DeviceFolder) -> None:
    put(folder, "pump.yaml")
    put(folder, "fan.yaml", "fan")
    folder.look()
    (folder.path / "pump.yaml").unlink()
    (folder.path / "fan.yaml").write_text(TEXT.format(name="fan", type="bool") + "enabled: false\n", encoding="utf-8")
    assert sorted(folder.look().stopped) == ["fan", "pump"]


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ("tagz: {}\n", "did you mean 'tags'"),
        ("  b: {type: float46}\n", "float46"),
        ("  a: {type: bool}\n", "pump.yaml:"),
        ("  b: {type: float64, unit: degC, source: {unit: bar}}\n", "degC"),
        ("  b: {type: bool, description: '${UNSET}'}\n", "UNSET"),
        ("\t- [", "pump.yaml:"),
    ],
)
def test_broken_file_is_named_and_its_former_version_runs_on(folder: DeviceFolder, wrong: str, wanted: str) -> None:
    put(folder, "pump.yaml")
    folder.look()
    path = folder.path / "pump.yaml"
    path.write_text(path.read_text(encoding="utf-8") + wrong, encoding="utf-8")
    changes = folder.look()
    assert (changes.started, changes.stopped) == ((), ())
    assert wanted in changes.errors["pump.yaml"]
    put(folder, "pump.yaml")
    assert folder.look().errors == {}


def test_name_that_is_taken_is_refused_until_it_is_free(folder: DeviceFolder) -> None:
    put(folder, "a.yaml")
    folder.look()
    put(folder, "b.yaml")
    changes = folder.look()
    assert "already the name in a.yaml" in changes.errors["b.yaml"]
    assert changes.started == ()
    (folder.path / "a.yaml").unlink()
    assert folder.look().stopped == ()
    assert folder.look().errors == {}


def test_file_that_is_no_text_is_named(folder: DeviceFolder) -> None:
    (folder.path / "pump.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in folder.look().errors["pump.yaml"]


def test_absent_folder_is_empty(tmp_path: Path) -> None:
    assert DeviceFolder(tmp_path / "none", {}).look().started == ()
