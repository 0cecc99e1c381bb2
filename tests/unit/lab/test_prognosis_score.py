"""The score of a prognosis, against figures worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.lab.public_scores.prognosis import score
from penstock.lab.study import StudyError
from penstock.lab.truth import AssetTruth, PrognosisTruth, read_truth, write_truth

UNIT = 1000


def found(place: Path, name: str, rows: list[tuple[int, float, float, float]]) -> None:
    columns = zip(*rows, strict=True)
    table = dict(
        zip(("time", "rul_ns", "low_ns", "high_ns"), (pa.array(c, from_pandas=True) for c in columns), strict=True)
    )
    pq.write_table(pa.table(table), place / f"{name}.parquet")


def truth_of(**left: int) -> PrognosisTruth:
    return PrognosisTruth("by hand", UNIT, 100 * UNIT, {n: AssetTruth(50 * UNIT, r * UNIT) for n, r in left.items()})


def test_figures_are_those_worked_out_by_hand(tmp_path: Path) -> None:
    found(tmp_path, "a", [(49 * UNIT, 90e3, 0.0, 1e9), (50 * UNIT, 20e3, 10e3, 29e3)])  # 10 early
    found(tmp_path, "b", [(50 * UNIT, 50e3, 41e3, 60e3)])  # 10 late, not covered
    found(tmp_path, "c", [(50 * UNIT, 97e3, 80e3, math.inf)])  # of 300, capped at 100: 3 early, covered
    got = score(tmp_path, truth_of(a=30, b=40, c=300))
    assert got.rmse == pytest.approx(math.sqrt((100 + 100 + 9) / 3))
    assert got.rmse_raw == pytest.approx(math.sqrt((100 + 100 + 203**2) / 3))
    assert got.nasa == pytest.approx(math.exp(10 / 13) + math.exp(1) + math.exp(3 / 13) - 3)
    assert got.coverage == pytest.approx(1 / 3)
    assert got.width == pytest.approx((19 + 19 + 20) / 3)
    assert got.bias == pytest.approx(-1.0)
    assert got.unanswered == 0


def test_the_newest_estimate_is_carried_on_to_the_last_row(tmp_path: Path) -> None:
    found(tmp_path, "a", [(46 * UNIT, 34e3, 30e3, 40e3), (50 * UNIT, math.nan, math.nan, math.nan)])
    got = score(tmp_path, truth_of(a=30))
    assert got.rmse == 0.0
    assert got.coverage == 1.0


def test_an_estimate_from_after_the_last_row_counts_nothing(tmp_path: Path) -> None:
    found(tmp_path, "a", [(50 * UNIT, 30e3, 20e3, 40e3), (51 * UNIT, 1e3, 0.0, 2e3)])
    assert score(tmp_path, truth_of(a=30)).rmse == 0.0


def test_an_asset_without_an_estimate_is_counted_and_costs_the_horizon(tmp_path: Path) -> None:
    found(tmp_path, "a", [(50 * UNIT, math.nan, math.nan, math.nan)])
    got = score(tmp_path, truth_of(a=30))
    assert got.unanswered == 1
    assert got.rmse == pytest.approx(70.0)


def test_missing_findings_are_named(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a\.parquet: no estimates"):
        score(tmp_path, truth_of(a=30))


def test_truth_is_read_back_and_a_broken_one_named(tmp_path: Path) -> None:
    truth = truth_of(a=1, b=2)
    write_truth(tmp_path / "truth.json", truth_of(a=1, b=2))
    assert read_truth(tmp_path / "truth.json") == truth
    (tmp_path / "truth.json").write_text("{}")
    with pytest.raises(StudyError, match="no truth of a prognosis"):
        read_truth(tmp_path / "truth.json")
