"""Limits of a statistic from healthy rows that were not fitted on, wide where those rows are few or alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
INDEPENDENT_MIN = 4.0
"""However alike rows are, they count as so many: fewer would make the limit endless."""
TAIL_SHARE = 0.1
"""Of the rows, that are peaks over the threshold: the usual tenth (Siffer et al. 2017 take 2 %, of longer series)."""
CLUSTERS_MIN = 10
"""Below, two parameters of a tail are a guess, and it is left out."""
SHAPE_BOUNDS = (-0.3, 0.5)
"""Of the Pareto distribution: moments exist up to 0.5 (Hosking and Wallis 1987); below −0.3 it would end too soon."""


def limit_of(values: Floats, *, sigmas: float, tail: float) -> float:
    """Give the largest of tolerance limit, extreme-value quantile and the highest value seen; `values` in time order.

    A statistic whose spread is next to normal is expected: cube roots of mean squares (Wilson and Hilferty 1931).
    """
    return max(tolerance_limit(values, sigmas), tail_quantile(values, tail), float(values.max()))


MOMENT = 1.5
"""So many times what lasts: as much as a moment may add to a limit."""
MOMENT_SHARE = 0.05
"""Of the rows: what comes more often is no moment, such as each second row where two devices deliver in turns."""


def without_moments(values: Floats, rows: int) -> Floats:
    """Bound values by `MOMENT` times the highest that so many rows in sequence reach.

    What lasts less raises no alarm, such as the row at which a machine changes its regime, and shall not set the limit,
    unless it is more than `MOMENT_SHARE` of the rows.
    """
    lasting = np.lib.stride_tricks.sliding_window_view(values, min(rows, len(values))).min(axis=1)
    usual = float(np.quantile(values, 1 - MOMENT_SHARE))
    return np.minimum(values, max(MOMENT * float(lasting.max()), usual))


def tolerance_limit(values: Floats, sigmas: float) -> float:
    """Give mean + k standard deviations, k widened for the number of independent values.

    The widening is the first term of the quantile of Student's t with n degrees of freedom, and of the mean's error.
    """
    n = independent(values)
    wider = sigmas * (1 + (1 + sigmas**2 / 4) / n)
    return float(values.mean() + wider * values.std() * np.sqrt(1 + 1 / n))


def independent(values: Floats) -> float:
    """Give how many independent values a series of the first order with this autocorrelation is worth."""
    deviation = values - values.mean()
    power = float(deviation @ deviation)
    if power <= 0:
        return INDEPENDENT_MIN
    r = min(max(float(deviation[1:] @ deviation[:-1]) / power, 0.0), 0.99)
    return max(len(values) * (1 - r) / (1 + r), INDEPENDENT_MIN)


def tail_quantile(values: Floats, tail: float) -> float:
    """Give the value exceeded with probability `tail` a row, from the maxima of clusters; −inf where they are few.

    Peaks over threshold (Siffer et al. 2017), in clusters as far apart as independent values.
    """
    threshold = float(np.quantile(values, 1 - TAIL_SHARE))
    where = np.flatnonzero(values > threshold)
    if len(where) < CLUSTERS_MIN:
        return -np.inf
    apart = int(np.ceil(len(values) / independent(values)))
    starts = np.flatnonzero(np.diff(where, prepend=where[0] - apart - 1) > apart)
    peaks = np.sort(np.maximum.reduceat(values[where], starts)) - threshold
    n = len(peaks)
    if n < CLUSTERS_MIN:
        return -np.inf
    return threshold + pareto_quantile(peaks, n / len(values) / tail)


def pareto_quantile(excesses: Floats, ratio: float) -> float:
    """Give the excess that is `ratio` times as rare as an excess at all; `excesses` ascending, at least two.

    Generalised Pareto by probability weighted moments (Hosking and Wallis 1987), the shape held in bounds.
    """
    n = len(excesses)
    mean = float(excesses.mean())
    weighted = float((excesses * np.arange(n)[::-1]).mean()) / (n - 1)
    if mean <= 0 or mean == 2 * weighted:
        return max(mean, 0.0)
    shape = min(max(2 - mean / (mean - 2 * weighted), SHAPE_BOUNDS[0]), SHAPE_BOUNDS[1])
    scale = (1 - shape) * mean
    return scale * (float(np.log(ratio)) if abs(shape) < 1e-6 else (ratio**shape - 1) / shape)
