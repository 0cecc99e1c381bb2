"""A small experiment from end to end: drawn, simulated by the simulators, judged by the app, scored."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from penstock.lab.experiment.machines import SHIPPED, read_kinds
from penstock.lab.experiment.plan import Draw
from penstock.lab.experiment.run import draw_experiment, judge_all, read_experiment, simulate_all
from penstock.lab.main import commands
from penstock.lab.scoring.detection import match
from penstock.lab.study import StudyError

pytestmark = pytest.mark.integration
QUICK = Draw(
    commissioned_h=8.0,
    weekend_h=8.0,
    first_h=(1.0, 1.5),
    gap_h=(1.0, 1.5),
    life_h=(1.5, 2.0),
    sensors=(1, 1),
    sensor_h=(0.5, 1.0),
)


def test_a_small_experiment_finds_what_was_injected_and_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    place = tmp_path / "experiment"
    kinds = read_kinds(SHIPPED, ["fan"])
    assert set(kinds[0].failure_modes) == set(kinds[0].faults)
    drawn = draw_experiment(place, kinds, machines=1, seed=11, by=QUICK)
    said: list[str] = []
    simulate_all(place, drawn, jobs=1, say=said.append)
    assert said == ["simulated 1 of 1 machines"]
    rows = pq.read_table(place / "fan" / "m00.parquet")
    assert "filter_dp" in rows.column_names
    assert "trip" not in rows.column_names

    (case,) = judge_all(place, drawn, jobs=1, parts={})
    machine = [each for each in case.episodes if each.kind == "machine"]
    assert {each.fault for each in machine} == set(kinds[0].faults)
    assert all(each.failed_ns is not None for each in machine)
    found = [each for each in match(case).findings if each.detected and each.episode.kind == "machine"]
    assert len(found) >= 2
    assert any(each.first is not None and each.first.part for each in found)

    again = read_experiment(place, SHIPPED)
    assert (again.seed, again.plans) == (drawn.seed, drawn.plans)
    before = (place / "fan" / "m00.parquet").stat().st_mtime_ns
    simulate_all(place, again, jobs=1, say=said.append)
    assert (place / "fan" / "m00.parquet").stat().st_mtime_ns == before


def test_a_folder_holds_one_experiment(tmp_path: Path) -> None:
    (tmp_path / "experiment.json").write_text(json.dumps({"version": 1}))
    kinds = read_kinds(SHIPPED, ["fan"])
    with pytest.raises(StudyError, match="an experiment is here already"):
        draw_experiment(tmp_path, kinds, machines=1, seed=1, by=QUICK)
    with pytest.raises(StudyError, match="no experiment"):
        read_experiment(tmp_path, SHIPPED)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "cat.png").touch()
    with pytest.raises(StudyError, match="holds other things"):
        draw_experiment(tmp_path / "pictures", kinds, machines=1, seed=1, by=QUICK)


def test_wrong_words_are_answered(tmp_path: Path) -> None:
    done = CliRunner().invoke(commands, ["experiment", str(tmp_path / "new"), "--kind", "steam-engine"])
    assert done.exit_code == 1
    assert "no kind of machine is called steam-engine; there are" in done.output
    kinds = tmp_path / "kinds.yaml"
    kinds.write_text("machines: {steam-engine: {}}\n")
    done = CliRunner().invoke(commands, ["experiment", str(tmp_path / "new"), "--kinds-file", str(kinds)])
    assert done.exit_code == 1
    assert "steam-engine" in done.output
