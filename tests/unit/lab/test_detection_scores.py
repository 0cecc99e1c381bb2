"""Findings are scored by rows, events or windows as the set's rule says; what is missing is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.lab.detection_truth import AssetTruth, DetectionTruth, read_truth, write_truth
from penstock.lab.public_scores.detection import score
from penstock.lab.study import Stretch, Study, StudyAsset, StudyError

HOUR = 3600
ROWS = 2 * HOUR
STUDY = Study("detection", (StudyAsset("m000", (Stretch("fit", 0, 1000), Stretch("watch", 1000, ROWS * 10**9))),))
FAULT = (3000 * 10**9, 4000 * 10**9)


def findings(folder: Path, *, active: list[tuple[int, int]], above: list[tuple[int, int]] = []) -> Path:  # noqa: B006
    """Write findings of one asset at 1 Hz whose alarm stands, and whose score is above 1, in these rows."""
    folder.mkdir()
    rows = np.arange(ROWS)
    stands = np.any([(rows >= a) & (rows < b) for a, b in active] or [rows < 0], axis=0)
    high = np.any([(rows >= a) & (rows < b) for a, b in above] or [rows < 0], axis=0)
    pq.write_table(
        pa.table({"time": rows * 10**9, "score": np.where(high, 2.0, 0.5), "active": stands}), folder / "m000.parquet"
    )
    alarms = [{"time_ns": a * 10**9, "raised": True} for a, _ in active]
    alarms += [{"time_ns": b * 10**9, "raised": False} for _, b in active]
    (folder / "findings.json").write_text(json.dumps({"assets": [{"name": "m000", "alarms": alarms}]}))
    return folder


def truth(rule: str) -> DetectionTruth:
    return DetectionTruth("made", rule, {"m000": AssetTruth("a run", (FAULT,))})


def test_rows_are_pooled(tmp_path: Path) -> None:
    said = findings(tmp_path / "f", active=[(3500, 4000)], above=[(3000, 3900), (5000, 5062)])
    total, each = score(said, STUDY, truth("rows"))
    assert total["detected"] == pytest.approx(0.9)
    assert total["alarm_detected"] == pytest.approx(0.5)
    assert total["false"] == pytest.approx(62 / (ROWS - 1000), rel=0.01)
    assert total["alarm_false"] == 0
    assert each == [("a run", total)]


def test_an_event_is_caught_by_an_alarm_that_starts_inside_it(tmp_path: Path) -> None:
    total, _ = score(findings(tmp_path / "in", active=[(3500, 3600), (5000, 5010)]), STUDY, truth("events"))
    assert (total["faults"], total["caught"], total["early"], total["false"]) == (1, 1, 0, 1)
    assert total["false_per_h"] == pytest.approx(0.5, rel=0.01)
    assert total["false_per_healthy_h"] == pytest.approx(HOUR / (ROWS - 1000), rel=0.01)
    total, _ = score(findings(tmp_path / "before", active=[(2900, 3600)]), STUDY, truth("events"))
    assert (total["caught"], total["early"], total["false"]) == (0, 1, 1)


def test_points_stand_beside_the_events(tmp_path: Path) -> None:
    total, _ = score(findings(tmp_path / "f", active=[(3500, 4500)]), STUDY, truth("events"))
    assert total["F1"] == pytest.approx(0.5)
    assert total["MAR"] == pytest.approx(0.5)


def test_windows_count_raised_alarms(tmp_path: Path) -> None:
    total, _ = score(findings(tmp_path / "f", active=[(3000, 3010), (6000, 6010)]), STUDY, truth("windows"))
    assert (total["windows"], total["caught"], total["false"]) == (1, 1, 1)
    assert 90 < total["score"] < 100


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no findings of m000"):
        score(tmp_path, STUDY, truth("rows"))
    with pytest.raises(StudyError, match="no rule 'luck'"):
        score(findings(tmp_path / "f", active=[]), STUDY, truth("luck"))
    with pytest.raises(StudyError, match="no truth"):
        read_truth(tmp_path / "truth.json")


def test_a_truth_comes_back_as_written(tmp_path: Path) -> None:
    write_truth(tmp_path / "apart" / "truth.json", truth("events"))
    assert read_truth(tmp_path / "apart" / "truth.json") == truth("events")
