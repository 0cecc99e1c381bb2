"""Score a prognosis at the last row of each watched asset: error, NASA's score, coverage and width of the intervals.

Beyond the horizon, labels and answers alike say "that long or longer": both are capped there (as with the piecewise
linear labels of the literature), and an interval that is open above reaches the horizon. The raw figures cap nothing.
NASA's score (Saxena et al. 2008) sums exp(−d/13) − 1 for early and exp(d/10) − 1 for late estimates, d in units.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from penstock.lab.study import StudyError
from penstock.lab.truth import AssetTruth, PrognosisTruth

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PrognosisScore:
    """In the truth's unit; `unanswered` assets got no estimate and are scored as if the answer were the horizon."""

    assets: int
    unanswered: int
    rmse: float
    nasa: float
    coverage: float
    width: float
    bias: float
    rmse_raw: float
    nasa_raw: float


def score(findings: Path, truth: PrognosisTruth) -> PrognosisScore:
    """Score a folder of findings; StudyError where an asset's estimates cannot be read."""
    last = np.array([_last(findings, name, asset) for name, asset in truth.assets.items()]) / truth.unit_ns
    unanswered = np.isnan(last[:, 0])
    horizon = truth.horizon_ns / truth.unit_ns
    last[unanswered] = (horizon, 0.0, np.inf)
    answer, low, high = last.T
    left = np.array([asset.rul_ns for asset in truth.assets.values()]) / truth.unit_ns
    capped = np.minimum(left, horizon)
    error = np.minimum(answer, horizon) - capped
    low, high = np.minimum(low, horizon), np.minimum(high, horizon)
    return PrognosisScore(
        assets=len(left),
        unanswered=int(unanswered.sum()),
        rmse=_rms(error),
        nasa=_nasa(error),
        coverage=float(((low <= capped) & (capped <= high)).mean()),
        width=float((high - low).mean()),
        bias=float(error.mean()),
        rmse_raw=_rms(answer - left),
        nasa_raw=_nasa(answer - left),
    )


def _last(findings: Path, name: str, asset: AssetTruth) -> tuple[float, float, float]:
    """Give the newest answer, low and high in ns, carried on to the last row's time; NaN where there is none."""
    place = findings / f"{name}.parquet"
    try:
        table = pq.read_table(place, columns=["time", "rul_ns", "low_ns", "high_ns"])
    except (OSError, pa.ArrowException) as error:
        message = f"{place}: no estimates: {error}"
        raise StudyError(message) from error
    time, rul, low, high = (table[name].to_numpy(zero_copy_only=False) for name in table.column_names)
    answered = np.flatnonzero(np.isfinite(rul.astype(np.float64)) & (time <= asset.end_ns))
    if not len(answered):
        return np.nan, np.nan, np.nan
    i = answered[-1]
    since = asset.end_ns - int(time[i])
    return max(rul[i] - since, 0.0), max(low[i] - since, 0.0), max(high[i] - since, 0.0)


def _rms(error: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(error))))


def _nasa(error: Floats) -> float:
    return float(np.where(error < 0, np.expm1(-error / 13), np.expm1(error / 10)).sum())
