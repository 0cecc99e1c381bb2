"""Following the device folder: added, changed, removed, broken, doubled."""

import os
from pathlib import Path

import pytest

from penstock.core.device_file import DEVICE_FILE_MAX_BYTES
from penstock.gateway.folder import Changes, DeviceFolder

TEXT = """version: 1
device: {name}
connection: {{driver: mqtt, broker: 'mqtt://h:1', topic: t}}
tags:
  a: {{type: {type}}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> DeviceFolder:
    return DeviceFolder(tmp_path, {})


def settle(folder: DeviceFolder) -> Changes:
    """Look until what was written has stood still for one look."""
    folder._looked = True  # as in a running gateway: the age of a file does not count
    folder.look()
    return folder.look()


def put(folder: DeviceFolder, file: str, name: str = "pump", kind: str = "bool") -> None:
    (folder.path / file).write_text(TEXT.format(name=name, type=kind), encoding="utf-8")


def test_file_is_started_once(folder: DeviceFolder) -> None:
    put(folder, "pump.yaml")
    assert [device.device for device in settle(folder).started] == ["pump"]
    assert settle(folder).started == ()


def test_changed_file_is_started_again_and_a_touched_one_is_not(folder: DeviceFolder) -> None:
    put(folder, "pump.yaml")
    settle(folder)
    (folder.path / "pump.yaml").touch()
    assert settle(folder).started == ()
    put(folder, "pump.yaml", kind="int64")
    assert [device.tags["a"].type for device in settle(folder).started] == ["int64"]


def test_removed_and_disabled_files_stop_their_device(folder: DeviceFolder) -> None:
    put(folder, "pump.yaml")
    put(folder, "fan.yaml", "fan")
    settle(folder)
    (folder.path / "pump.yaml").unlink()
    (folder.path / "fan.yaml").write_text(TEXT.format(name="fan", type="bool") + "enabled: false\n", encoding="utf-8")
    assert folder.look().stopped == ("pump",)
    assert folder.look().stopped == ("fan",)


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
    settle(folder)
    path = folder.path / "pump.yaml"
    path.write_text(path.read_text(encoding="utf-8") + wrong, encoding="utf-8")
    changes = settle(folder)
    assert (changes.started, changes.stopped) == ((), ())
    assert wanted in changes.errors["pump.yaml"]
    put(folder, "pump.yaml")
    assert settle(folder).errors == {}


def test_name_that_is_taken_is_refused_until_it_is_free(folder: DeviceFolder) -> None:
    put(folder, "a.yaml")
    settle(folder)
    put(folder, "b.yaml")
    changes = settle(folder)
    assert "already the name in a.yaml" in changes.errors["b.yaml"]
    assert changes.started == ()
    (folder.path / "a.yaml").unlink()
    changes = folder.look()
    assert (changes.stopped, changes.errors) == ((), {})


def test_running_device_keeps_its_name_against_a_file_that_sorts_before(folder: DeviceFolder) -> None:
    put(folder, "z.yaml")
    settle(folder)
    put(folder, "a.yaml", kind="int64")
    changes = settle(folder)
    assert (changes.started, changes.stopped, list(changes.errors)) == ((), (), ["a.yaml"])


def test_double_that_is_mended_is_taken_and_one_that_is_removed_is_forgotten(folder: DeviceFolder) -> None:
    put(folder, "a.yaml")
    put(folder, "b.yaml")
    put(folder, "c.yaml")
    assert sorted(settle(folder).errors) == ["b.yaml", "c.yaml"]
    (folder.path / "b.yaml").unlink()
    put(folder, "c.yaml", "fan")
    changes = settle(folder)
    assert [device.device for device in changes.started] == ["fan"]
    assert changes.errors == {}


def test_double_that_breaks_says_what_is_wrong_now(folder: DeviceFolder) -> None:
    put(folder, "a.yaml")
    put(folder, "b.yaml")
    settle(folder)
    put(folder, "b.yaml", kind="float46")
    assert "float46" in settle(folder).errors["b.yaml"]
    (folder.path / "a.yaml").unlink()
    changes = folder.look()
    assert (changes.started, changes.stopped) == ((), ("pump",))


def test_folder_named_like_a_file_is_forgotten_once_it_is_gone(folder: DeviceFolder) -> None:
    (folder.path / "dir.yaml").mkdir()
    assert "not a regular file" in settle(folder).errors["dir.yaml"]
    (folder.path / "dir.yaml").rmdir()
    assert folder.look().errors == {}


def test_file_that_grows_is_read_once_it_stands_still(folder: DeviceFolder) -> None:
    folder._looked = True
    put(folder, "pump.yaml")
    assert folder.look().started == ()
    path = folder.path / "pump.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "  b: {type: bool}\n", encoding="utf-8")
    assert folder.look().started == ()
    assert [list(device.tags) for device in folder.look().started] == [["a", "b"]]


def test_first_look_takes_an_old_file_at_once_and_a_fresh_one_later(folder: DeviceFolder) -> None:
    put(folder, "old.yaml", "old")
    os.utime(folder.path / "old.yaml", (1e9, 1e9))
    put(folder, "new.yaml", "new")
    os.utime(folder.path / "new.yaml", (4e9, 4e9))
    assert [device.device for device in folder.look().started] == ["old"]
    assert [device.device for device in folder.look().started] == ["new"]


def test_unchanged_file_is_not_read_again(folder: DeviceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    put(folder, "a.yaml")
    put(folder, "b.yaml", kind="float46")
    settle(folder)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read again"))
    assert list(settle(folder).errors) == ["b.yaml"]


def test_large_file_is_refused_unread(folder: DeviceFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder.path / "pump.yaml").write_text("#" * (DEVICE_FILE_MAX_BYTES + 1), encoding="utf-8")
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read"))
    assert "split the device" in settle(folder).errors["pump.yaml"]


def test_file_that_is_no_text_is_named(folder: DeviceFolder) -> None:
    (folder.path / "pump.yaml").write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in settle(folder).errors["pump.yaml"]


def test_absent_folder_is_empty(tmp_path: Path) -> None:
    assert DeviceFolder(tmp_path / "none", {}).look().started == ()
