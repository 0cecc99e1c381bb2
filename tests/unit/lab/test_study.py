"""A study comes back as it was written, and a broken one is told by its place."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.apps.maintenance.backtest import study as app
from penstock.lab.study import (
    STUDY,
    Stretch,
    Study,
    StudyAsset,
    StudyError,
    channel_name,
    read_rows,
    read_study,
    write_study,
)

ROWS = pa.table({"time": pa.array([1, 2, 3]), channel_name(0): [0.5, None, -1.5]})
ASSET = StudyAsset(
    "asset_7f3a", (Stretch("fit", 1, 2), Stretch("watch", 2, 4)), "failure", signals={channel_name(0): "demand"}
)


def test_a_study_comes_back_as_written(tmp_path: Path) -> None:
    study = Study("prognosis", (ASSET, StudyAsset("asset_0001", ())))
    write_study(tmp_path / "study", study, {"asset_7f3a": ROWS, "asset_0001": ROWS.slice(1)})
    assert read_study(tmp_path / "study") == study
    assert read_rows(tmp_path / "study", "asset_7f3a").equals(ROWS)
    assert app.read_study(tmp_path / "study").assets[0].known.sensorless == {channel_name(0)}


@pytest.mark.parametrize("read", [read_study, app.read_study], ids=["lab", "app"])
@pytest.mark.parametrize("key", ["failure_modes", "signals"])
def test_what_is_known_beforehand_is_a_mapping(key: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    asset = {"name": "m", "stretches": [], key: ["ch00"]}
    (tmp_path / STUDY).write_text(json.dumps({"version": 1, "family": "stream", "assets": [asset]}))
    with pytest.raises((StudyError, app.StudyError), match=f"m: {key}: a mapping"):
        read(tmp_path)


def test_a_folder_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StudyError, match="not empty"):
        write_study(tmp_path, Study("stream", ()), {})


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1}', '{"version": 9, "family": "stream", "assets": []}'])
def test_a_broken_study_is_told_by_its_place(text: str, tmp_path: Path) -> None:
    (tmp_path / STUDY).write_text(text)
    with pytest.raises(StudyError, match=STUDY):
        read_study(tmp_path)


@pytest.mark.parametrize("read", [read_study, app.read_study], ids=["lab", "app"])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", "its values have another form; a study holds"),
        ('{"version": 1, "family": "stream", "assets": [7]}', "its values have another form; a study holds"),
        ('{"version": 1}', "'family' is missing in it; a study holds"),
        ("", "it is no JSON: Expecting value: line 1 column 1 (char 0); a study holds"),
    ],
)
def test_what_is_no_study_is_told_in_words_with_what_one_holds_and_what_writes_it(
    text: str, says: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / STUDY).write_text(text)
    with pytest.raises((StudyError, app.StudyError)) as caught:
        read(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / STUDY}: no study: {says}")
    assert "`penstock lab detection study`" in str(caught.value)


@pytest.mark.parametrize("read", [read_study, app.read_study], ids=["lab", "app"])
@pytest.mark.parametrize("stretches", [{"use": "fit"}, [{"use": "fit", "start_ns": "soon", "end_ns": 1, "x": 1}], 7])
def test_stretches_of_another_form_are_told(stretches: object, read: Callable[[Path], object], tmp_path: Path) -> None:
    asset = {"name": "m", "stretches": stretches}
    (tmp_path / STUDY).write_text(json.dumps({"version": 1, "family": "stream", "assets": [asset]}))
    with pytest.raises((StudyError, app.StudyError)):
        read(tmp_path)


@pytest.mark.parametrize("read", [read_study, app.read_study], ids=["lab", "app"])
@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a\\b", "..", ""])
def test_a_name_that_leads_out_of_the_folder_is_refused(
    name: str, read: Callable[[Path], object], tmp_path: Path
) -> None:
    asset = {"name": name, "stretches": [], "ended": "running"}
    (tmp_path / STUDY).write_text(json.dumps({"version": 1, "family": "stream", "assets": [asset]}))
    with pytest.raises((StudyError, app.StudyError), match="no name of an asset"):
        read(tmp_path)
