"""From a labelled set to its scores, through files and the app's own command; on the public sets where they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.apps.maintenance.backtest.command import commands as maintenance
from penstock.lab.detection_cli import run
from penstock.lab.main import commands as lab
from tests.builders.lab_sets import make_nab, make_skab, make_tep

pytestmark = pytest.mark.integration
DATA = "PENSTOCK_LAB_DATA"


def invoke(commands: object, *words: str) -> str:
    done = CliRunner().invoke(commands, list(words))  # type: ignore[arg-type]
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(
    ("name", "make", "expected"),
    [("tep", make_tep, "detected 0.9"), ("skab", make_skab, "caught 2"), ("nab", make_nab, "windows 1  caught 1")],
)
def test_a_made_set_is_scored_by_files_alone(
    name: str, make: Callable[[Path], None], expected: str, tmp_path: Path
) -> None:
    make(tmp_path / name)
    study, truth, findings = tmp_path / "study", tmp_path / "truth.json", tmp_path / "findings"
    invoke(lab, "detection", "study", name, str(tmp_path / name), str(study), "--truth", str(truth), "--disguise", "5")
    assert "assets watched" in invoke(maintenance, "backtest", str(study), "--out", str(findings))
    said = json.loads((findings / "findings.json").read_text())
    assert len(said["assets"]) == len(json.loads(truth.read_text())["assets"])
    for asset in said["assets"]:
        assert all(sum(alarm["shares"].values()) == pytest.approx(1) for alarm in asset["alarms"])
    last = invoke(lab, "detection", "score", str(study), str(findings), str(truth)).splitlines()[-1]
    assert last.startswith("all")
    assert expected in last


def test_what_the_app_cannot_do_is_said(tmp_path: Path) -> None:
    def fails(*words: str) -> str:
        done = CliRunner().invoke(maintenance, list(words))
        assert done.exit_code == 1
        return done.output

    study = tmp_path / "study"
    assert "no study" in fails("backtest", str(study), "--out", str(tmp_path / "a"))
    study.mkdir()
    (study / "study.json").write_text('{"version": 1, "family": "fortune", "assets": []}')
    assert "fortune" in fails("backtest", str(study), "--out", str(tmp_path / "b"))
    asset = {"name": "m000", "stretches": [{"use": "watch", "start_ns": 0, "end_ns": 1}]}
    (study / "study.json").write_text(json.dumps({"version": 1, "family": "detection", "assets": [asset]}))
    assert "m000.parquet" in fails("backtest", str(study), "--out", str(tmp_path / "c"))
    assert "not empty" in fails("backtest", str(study), "--out", str(tmp_path))


@pytest.fixture
def data() -> Path:
    if DATA not in os.environ:
        pytest.skip(f"{DATA} names no folder with the public sets tep, skab and nab: their scores are left out")
    return Path(os.environ[DATA])


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [None, 11])
def test_tennessee_eastman_reaches_its_goals(data: Path, seed: int | None) -> None:
    got = run("tep", data / "tep", seed=seed)
    assert got["detected"] >= 0.92
    assert got["false"] <= 0.005
    assert got["alarm_detected"] >= 0.92
    assert got["alarm_false"] <= 0.005


@pytest.mark.full
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", [None, 11])
def test_skab_reaches_its_goals(data: Path, seed: int | None) -> None:
    got = run("skab", data / "skab", seed=seed)
    assert got["faults"] == 12
    assert got["caught"] >= 10
    assert got["early"] <= 1
    assert got["false_per_healthy_h"] <= 6


@pytest.mark.full
@pytest.mark.timeout(600)
def test_numenta_series_score_well_above_silence(data: Path) -> None:
    assert run("nab", data / "nab", seed=None)["score"] >= 50
