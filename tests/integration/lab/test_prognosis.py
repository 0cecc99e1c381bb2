"""From a turbofan set's files to the table of scores: the lab writes a study, the app reads files alone."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from penstock.apps.maintenance.backtest.command import commands as maintenance
from penstock.lab.main import commands as lab
from penstock.lab.prognosis_cli import run
from penstock.lab.public_scores.prognosis import score
from penstock.lab.truth import read_truth
from tests.builders.fleets import FleetWish, fleet

TRAIN, TEST = 12, 8
DATA = "PENSTOCK_LAB_DATA"


def write_set(folder: Path, *, zipped: bool) -> NDArray[np.int64]:
    """Write a small set in the files' form, 3 settings and 21 sensors; give the cycles left of the test engines."""
    runs = fleet(FleetWish(runs=TRAIN + TEST, life=110, noise=0.3))
    random = np.random.default_rng(11)
    shown = [len(r) if i < TRAIN else int(random.uniform(0.5, 0.95) * len(r)) for i, r in enumerate(runs)]
    rows: dict[str, list[str]] = {"train": [], "test": []}
    for i, (each, count) in enumerate(zip(runs, shown, strict=True)):
        unit = i + 1 if i < TRAIN else i + 1 - TRAIN
        wide = np.hstack([each.values[:count], np.full((count, 24 - each.values.shape[1]), 5.0)])
        rows["train" if i < TRAIN else "test"] += [
            " ".join([str(unit), str(n + 1), *(f"{v:.4f}" for v in row)]) for n, row in enumerate(wide)
        ]
    left = np.array([len(r) - n for r, n in zip(runs, shown, strict=True)][TRAIN:], np.int64)
    texts = {f"{kind}_FD001": "\n".join(lines) for kind, lines in rows.items()}
    texts["RUL_FD001"] = "\n".join(str(n) for n in left)
    for name, text in texts.items():
        raw = (text + "\n").encode()
        (folder / f"{name}.txt{'.gz' if zipped else ''}").write_bytes(gzip.compress(raw) if zipped else raw)
    return left


def called(app: object, *words: str | Path, code: int = 0) -> str:
    done = CliRunner().invoke(app, [str(w) for w in words])  # type: ignore[arg-type]
    assert done.exit_code == code, done.output
    return str(done.output)


@pytest.mark.integration
def test_a_study_holds_no_truth_and_no_names(tmp_path: Path) -> None:
    (files := tmp_path / "set").mkdir()
    left = write_set(files, zipped=True)
    called(lab, "prognosis", "study", files, tmp_path / "s", "--truth", tmp_path / "truth.json", "--disguise", "3")
    study = json.loads((tmp_path / "s/study.json").read_text())
    assert {each["ended"] for each in study["assets"]} == {"failure", "running"}
    assert sorted(p.name for p in (tmp_path / "s").iterdir() if p.suffix != ".parquet") == ["study.json"]
    truth = read_truth(tmp_path / "truth.json")
    assert sorted(each.rul_ns // truth.unit_ns for each in truth.assets.values()) == sorted(left.tolist())
    assert "rul" not in (tmp_path / "s/study.json").read_text()
    table = pq.read_table(tmp_path / f"s/{study['assets'][0]['name']}.parquet")
    assert table.column_names == ["time", *(f"ch{j:02d}" for j in range(24))]
    assert f"{TRAIN + TEST} assets" in called(lab, "show", tmp_path / "s")


@pytest.mark.integration
@pytest.mark.timeout(400)  # a fit of the one configuration, on a machine that is shared
def test_a_disguised_set_is_scored_from_its_findings_which_add_up(tmp_path: Path) -> None:
    (files := tmp_path / "set").mkdir()
    write_set(files, zipped=False)
    study, truth, findings = tmp_path / "s", tmp_path / "truth.json", tmp_path / "f"
    called(lab, "prognosis", "study", files, study, "--truth", truth, "--disguise", "5")
    said = called(maintenance, "backtest", study, "--out", findings)
    assert f"{TRAIN} runs to failure, {TEST} assets watched" in said
    got = score(findings, read_truth(truth))
    assert got.unanswered == 0
    assert got.rmse < 15
    assert f"RMSE {got.rmse:.2f}" in called(lab, "prognosis", "score", findings, truth)
    summary = json.loads((findings / "findings.json").read_text())
    assert summary["family"] == "prognosis"
    assert len(summary["used_channels"]) >= 5
    found = pq.read_table(findings / f"{summary['assets'][0]}.parquet")
    rows = {n: found[n].to_numpy(zero_copy_only=False) for n in found.column_names}
    told = rows["start_ns"] + sum(rows[f"ch{j:02d}"] for j in range(24))
    answered = np.isfinite(rows["rul_ns"])
    held = np.clip(told, 0, summary["horizon_ns"])
    np.testing.assert_allclose(held[answered], rows["rul_ns"][answered], rtol=1e-9, atol=1e9)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("broken", "said"),
    [("RUL_FD001.txt", "there is no RUL_FD001.txt"), ("train_FD001.txt", "there is no train_FD001.txt")],
)
def test_a_set_that_lacks_a_file_is_named(tmp_path: Path, broken: str, said: str) -> None:
    (files := tmp_path / "set").mkdir()
    write_set(files, zipped=False)
    (files / broken).unlink()
    output = called(lab, "prognosis", "study", files, tmp_path / "s", "--truth", tmp_path / "t", code=1)
    assert said in output


@pytest.mark.integration
def test_findings_are_not_written_over(tmp_path: Path) -> None:
    (files := tmp_path / "set").mkdir()
    write_set(files, zipped=False)
    called(lab, "prognosis", "study", files, tmp_path / "s", "--truth", tmp_path / "t.json")
    (tmp_path / "f").mkdir()
    (tmp_path / "f/old").touch()
    assert "not empty" in called(maintenance, "backtest", tmp_path / "s", "--out", tmp_path / "f", code=1)
    (tmp_path / "file").touch()
    assert "is a file" in called(maintenance, "backtest", tmp_path / "s", "--out", tmp_path / "file", code=1)
    assert "no study" in called(maintenance, "backtest", files, "--out", tmp_path / "g", code=1)


@pytest.mark.full
@pytest.mark.timeout(900)
def test_turbofan_engines_are_estimated_without_their_age() -> None:
    subset, rmse_max = "FD003", 11.0  # the nearer to its goal of the two sets; `lab prognosis table` has both
    folder = Path(os.environ.get(DATA, "")) / "cmapss"
    if DATA not in os.environ or not folder.is_dir():
        pytest.skip(f"{DATA} names no folder with cmapss/train_{subset}.txt.gz and so on: {folder}")
    got, _ = run(folder, subset, hide=1, seed=0, age=False)
    assert got.unanswered == 0
    assert got.rmse <= rmse_max
    assert 0.85 <= got.coverage <= 0.95
