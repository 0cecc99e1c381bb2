"""`penstock fault` finds the running simulators in the folder that it is told, as its siblings do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.simulators.fault_cli import commands
from penstock.simulators.main import commands as sim_commands
from penstock.simulators.truth.store import TruthStore

CONTROL = {"url": "http://127.0.0.1:9", "token": "t"}


def said(*words: str) -> str:
    result = CliRunner().invoke(commands, list(words))
    assert result.exit_code != 0
    return " ".join(result.output.split())


@pytest.mark.parametrize("inside", ["simulators", "."])
@pytest.mark.parametrize("words", [["list"], ["inject", "bearing"], ["clear", "bearing"], ["repair", "bearing"]])
def test_the_data_folder_of_the_demo_or_of_the_simulators_is_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, words: list[str]
) -> None:
    monkeypatch.setenv("PENSTOCK_SIM_DATA", str(tmp_path / "elsewhere"))
    place = tmp_path / "data" / inside
    place.mkdir(parents=True)
    (place / "sim-control.json").write_text(json.dumps(CONTROL))
    assert "no simulators answer at http://127.0.0.1:9" in said(*words, "--data", str(tmp_path / "data"))


@pytest.mark.parametrize("inside", ["simulators", "."])
def test_laboratory_link_and_truth_take_the_same_folders(tmp_path: Path, inside: str) -> None:
    truth = tmp_path / "data" / inside / "truth"
    truth.mkdir(parents=True)
    (truth / "laboratory.json").write_text(json.dumps(CONTROL))
    TruthStore(truth / "truth.sqlite").close()
    data = ["--data", str(tmp_path / "data")]
    told = CliRunner().invoke(sim_commands, ["laboratory-link", *data])
    assert "the fault laboratory at http://127.0.0.1:9 gives no link" in told.output
    assert CliRunner().invoke(sim_commands, ["truth", str(tmp_path / "copy"), *data]).exit_code == 0


def test_laboratory_link_says_where_it_looked(tmp_path: Path) -> None:
    told = CliRunner().invoke(sim_commands, ["laboratory-link", "--data", str(tmp_path)])
    assert told.exit_code == 1
    for folder in (tmp_path / "simulators", tmp_path):
        assert str(folder / "truth" / "laboratory.json") in told.output


def test_without_a_control_file_it_says_where_it_looked_and_what_to_name(tmp_path: Path) -> None:
    told = said("list", "--data", str(tmp_path))
    assert "no running simulators found" in told
    assert "--data" in told
