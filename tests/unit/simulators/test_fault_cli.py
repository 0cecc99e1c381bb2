"""`penstock fault` finds the running simulators in the folder that it is told, as its siblings do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.simulators.fault_cli import commands

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


def test_without_a_control_file_it_says_where_it_looked_and_what_to_name(tmp_path: Path) -> None:
    told = said("list", "--data", str(tmp_path))
    assert "no running simulators found" in told
    assert "--data" in told
