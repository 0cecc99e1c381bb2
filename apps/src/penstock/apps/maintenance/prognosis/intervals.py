"""Prediction intervals: cross-conformal over machines, by size of the estimate.

Each member of the ensemble is judged on the machines that it was not fitted on, so the errors are those on strangers
(CV+, Barber et al. 2021; grouped, since the rows of one machine are no independent witnesses). They are collected by
size of the estimate (Mondrian, Vovk et al. 2003), below and above separately, so an interval is narrow near the
failure and open early in life, where only its lower end can fail. Each machine
weighs the same. Unlike CV+ proper, the interval stands around the mean
of all members, which is the better estimate; so coverage is measured, not proved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from penstock.apps.maintenance.prognosis.runs import Floats, Ints
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings


@dataclass(frozen=True, slots=True)
class Margins:
    """cuts (b − 1,): between bins of the estimate; below, above (b,): what is added for the ends, in steps.

    above is infinite where the life left may lie beyond the horizon.
    """

    cuts: Floats
    below: Floats
    above: Floats

    def of(self, estimate: Floats) -> tuple[Floats, Floats]:
        """Give low and high (n,) around estimates in steps."""
        which = np.searchsorted(self.cuts, estimate, side="right")
        return np.maximum(estimate + self.below[which], 0.0), np.maximum(estimate + self.above[which], 0.0)


def fit_margins(estimate: Floats, truth: Floats, *, run: Ints, horizon: float, settings: PrognosisSettings) -> Margins:
    """Fit on estimates (n,) of rows of machines that the estimator did not know; truth is the life left, uncut."""
    runs = len(np.unique(run))
    bins = int(np.clip(runs // settings.bin_runs, 1, settings.bins))
    weight = 1.0 / np.bincount(run)[run]
    cuts = np.unique([_quantile(estimate, weight, i / bins) for i in range(1, bins)])
    which = np.searchsorted(cuts, estimate, side="right")
    beyond = truth >= horizon
    up = np.where(beyond, np.inf, truth - estimate)
    down = np.minimum(truth, horizon) - estimate
    of_bin = [which == b for b in range(len(cuts) + 1)]
    ends = [
        _ends(down[of], up[of], weight[of], runs=len(np.unique(run[of])), out=1 - settings.coverage) for of in of_bin
    ]
    low, high = np.array(ends).T
    return Margins(cuts, low, high)


def _ends(down: Floats, up: Floats, weight: Floats, *, runs: int, out: float) -> tuple[float, float]:
    """Give the margins of one bin; where the upper one is open, nothing is lost above and the lower one may lose all.

    Levels are raised for the number of machines that were seen, as in split conformal prediction.
    """
    raised = 1 + 1 / runs
    high = _quantile(up, weight, min((1 - out / 2) * raised, 1.0))
    low = _quantile(-down, weight, min((1 - (out / 2 if np.isfinite(high) else out)) * raised, 1.0))
    return -low, high


def _quantile(values: Floats, weight: Floats, level: float) -> float:
    """Give the smallest value up to which the share `level` of the weight lies."""
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(int(np.searchsorted(share, level - 1e-12)), len(order) - 1)])
