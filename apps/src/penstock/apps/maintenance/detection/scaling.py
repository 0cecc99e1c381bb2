"""Scales and levels of channels: what one unit of deviation is, and whether a channel stands still while healthy.

All of it follows an affine change of a channel, a negative factor included, and the order of channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAD_TO_SIGMA = 1.4826
FEW_VALUES = 10
"""Distinct values up to which a channel counts as quantised; one step of it is then no less than two scales."""


def robust_scale(rows: Floats) -> Floats:
    """Give one scale a channel of `rows` (n, c), NaN left out; 0 for a channel that never moves.

    The median absolute deviation, but no less than half the standard deviation, so that a channel that rests most of
    the time, or has two levels, keeps a scale.
    """
    return np.array([_scale(column[np.isfinite(column)]) for column in rows.T])


def _scale(values: Floats) -> float:
    if len(values) == 0 or values.max() == values.min():
        return 0.0
    mad = float(np.median(np.abs(values - np.median(values))))
    scale = max(MAD_TO_SIGMA * mad, 0.5 * float(values.std()))
    distinct = np.unique(values)
    if len(distinct) <= FEW_VALUES:
        scale = max(scale, 0.5 * float(np.diff(distinct).min()))
    rounding = 1e-12 * float(np.abs(values).max())
    return scale if scale > rounding else 0.0


def centre(rows: Floats) -> Floats:
    """Give the median of each channel of `rows` (n, c), NaN left out; 0 where there is nothing."""
    return np.array([np.median(kept) if len(kept := c[np.isfinite(c)]) else 0.0 for c in rows.T])


START_ROWS = 100
"""A long memory begins as one of so many rows, and lengthens with them."""


COUNTS_MIN, FEW_COUNTS = 50, 5
"""Steps by which a channel is known to count: with resets among them, and without any."""
AGAINST_SHARE = 0.01
"""Of a counter's steps, that may be resets."""


def counts(column: Floats) -> bool:
    """Say whether a channel only counts: hours run, parts made. It moves one way, but for resets, whatever happens.

    What it tells, its pace, other channels tell without its resets.
    """
    steps = np.diff(column[np.isfinite(column)])
    up, down = int((steps > 0).sum()), int((steps < 0).sum())
    against = min(up, down)
    return up + down >= (COUNTS_MIN if against else FEW_COUNTS) and against <= AGAINST_SHARE * (up + down)


def moving_deviation(column: Floats, memory: int) -> Floats:
    """Give a column's deviation from the moving average of its own earlier values; from nothing where memory is 0.

    A long memory begins as one of `START_ROWS` and lengthens with the rows.
    """
    if memory == 0:
        return column
    level, out = column[0], np.empty_like(column)
    for i, value in enumerate(column):
        out[i] = value - level
        level += out[i] / min(memory, START_ROWS + i)
    return out


def choose_memory(stretches: Sequence[Floats], memories: Sequence[int], wander_limit: float) -> int:
    """Give the longest memory with which the channel stands still in each stretch; the shortest if none does."""
    kept = [values for s in stretches if len(values := s[np.isfinite(s)]) >= MIN_ROWS]
    rows = max((len(values) for values in kept), default=0)
    for memory in memories[:-1]:
        if MEMORIES_SEEN * memory <= rows and all(
            stands(moving_deviation(values, memory), wander_limit) for values in kept
        ):
            return memory
    return memories[-1]


MIN_ROWS = 20
"""Rows of a stretch below which a test of stationarity says nothing."""
MEMORIES_SEEN = 4
"""Times that a memory must fit into the healthy rows for them to say whether it is long enough."""


SLOW_SHARE = 0.1
BLOCKS = 8
"""A channel whose means over so many parts of the record share less of its variance stands still for all that matters:
in a long record the smallest movement is evident."""


def stands(values: Floats, wander_limit: float) -> bool:
    """Say whether a series stands still, for all that matters."""
    return slow_share(values) < SLOW_SHARE or kpss(values) < wander_limit


def stays(stretches: Sequence[Floats]) -> bool:
    """Say whether a channel that wanders stays where it was: it has come back often, and other rows lie within.

    So does what follows the day. Its level stands then, with all of its wandering within the limits.
    """
    means = _parts(stretches)
    if _returns(means) < RETURNS_MIN:
        return False
    low, high = float(means[0].min()), float(means[0].max())
    margin = STAY_MARGIN * (high - low)
    return all(low - margin <= each.min() and each.max() <= high + margin for each in means[1:])


def turns(stretches: Sequence[Floats]) -> bool:
    """Say whether a channel that wanders turns back: one that only goes on, as what wears or fills, does not."""
    return _returns(_parts(stretches)) >= TURNS_MIN


def _parts(stretches: Sequence[Floats]) -> list[Floats]:
    return [np.array([part.mean() for part in np.array_split(v[np.isfinite(v)], STAY_PARTS)]) for v in stretches]


def _returns(means: Sequence[Floats]) -> int:
    """Count how often the means over parts of the record cross their median."""
    joined = np.concatenate(means)
    above = joined > np.median(joined)
    return int((above[1:] != above[:-1]).sum())


STAY_PARTS, RETURNS_MIN, STAY_MARGIN = 16, 3, 0.25
"""Of so many means it has crossed the median so often: away, back and away again, thus a day and a half of what follows
the day; and in the other rows it goes no further than by this part of its range."""
TURNS_MIN = 2
"""It went up and came back, or the other way round, at least once."""


def slow_share(values: Floats) -> float:
    """Give the share of the means over parts of the record in the variance."""
    means = np.array([part.mean() for part in np.array_split(values, BLOCKS)])
    variance = float(values.var())
    return float(means.var()) / variance if variance > 0 else 0.0


def kpss(values: Floats) -> float:
    """Give the statistic against a stationary level (Kwiatkowski, Phillips, Schmidt, Shin 1992), Bartlett window."""
    n = len(values)
    deviation = values - values.mean()
    window = int(np.ceil(12 * (n / 100) ** 0.25))
    long_run = float(deviation @ deviation) / n
    for lag in range(1, min(window, n - 1) + 1):
        weight = 1 - lag / (window + 1)
        long_run += 2 * weight * float(deviation[lag:] @ deviation[:-lag]) / n
    if long_run <= 0:
        return 0.0
    return float((np.cumsum(deviation) ** 2).sum()) / n**2 / long_run
