"""What a window of the last steps shows of each channel: mean levels and slopes, and nothing of what came before.

Sums run over lags, newest first, element by element: a row's features depend on the steps of its window alone, to the
last bit, however the rows come in blocks and however long the history is. (Differences of running sums would not do:
their rounding grows with the row number, and trees find it.)
"""

from __future__ import annotations

from typing import Final

import numpy as np

from penstock.apps.maintenance.prognosis.runs import Floats

READ_SHARE: Final = 0.5
"""Of a window that must have been read; below it the feature is missing."""
DIGITS: Final = 5
PARTS: Final = ((4, False), (2, False), (1, False), (2, True), (1, True))
"""(divisor of the window, slope or mean)."""


def features_of(steps: Floats, windows: tuple[int, ...]) -> list[Floats]:
    """Give, per window of w steps, features (n − w + 1, parts × u) of all rows of `steps` (n, u) that it precedes.

    NaN where less than half was read. Channels are together per part: feature f is of channel f % u.
    """
    lengths = sorted({max(2, w // divisor) for w in windows for divisor, _ in PARTS if w <= len(steps)})
    shown = _running(steps, lengths)
    made = []
    for w in windows:
        if w > len(steps):
            made.append(np.empty((0, len(PARTS) * steps.shape[1])))
            continue
        parts = [shown[max(2, w // divisor)][slope][w - 1 :] for divisor, slope in PARTS]
        made.append(np.round(np.hstack(parts), DIGITS))
    return made


def _running(steps: Floats, lengths: list[int]) -> dict[int, tuple[Floats, Floats]]:
    """Give mean and slope (times the length) of the last `length` steps, per length; rows before it mean nothing."""
    read = np.isfinite(steps)
    value, weight = np.where(read, steps, 0.0), read.astype(np.float64)
    n = len(steps)
    sums = [np.zeros_like(value) for _ in range(5)]
    shown = {}
    for lag in range(lengths[-1] if lengths else 0):
        v, m = value[: n - lag], weight[: n - lag]
        for total, term in zip(sums, (m, lag * m, lag * lag * m, v, lag * v), strict=True):
            total[lag:] += term
        if lag + 1 in lengths:
            shown[lag + 1] = _mean_and_slope(sums, lag + 1)
    return shown


def _mean_and_slope(sums: list[Floats], length: int) -> tuple[Floats, Floats]:
    count, lags, squares, values, crossed = sums
    enough = count >= READ_SHARE * length
    n = np.maximum(count, 1.0)
    mean = np.where(enough, values / n, np.nan)
    spread = squares - lags * lags / n
    steep = -(crossed - lags * values / n) / np.maximum(spread, 0.5)
    return mean, np.where(enough & (count >= 2), steep * length, np.nan)
