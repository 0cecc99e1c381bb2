"""The score of the Numenta Anomaly Benchmark, standard profile (Lavin and Ahmad 2015), from its published definition.

A detection counts by its place: σ(y) = 2 / (1 + e^5y) − 1, y from −1 at the left end of a window to 0 at its right end,
and on beyond it. The first detection in a window earns σ(y) / σ(−1), those after it nothing. One outside costs 0.11 by
its distance behind the last window in lengths of that window, all of it beyond three lengths or before any window. A
missed window costs 1. Rows of the probation, 15 % of the series and at most 750, do not count. The sum is normalised so
that saying nothing gives 0 and a first-row detection in each window 100.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

PROBATION: Final = 0.15
PROBATION_OF_ROWS: Final = 5000
FALSE_WEIGHT: Final = 0.11
FAR_BEHIND: Final = 3.0


@dataclass(frozen=True, slots=True)
class Windowed:
    """The raw score of one series, its windows, those caught, and detections outside of any."""

    raw: float
    windows: int
    caught: int
    false: int

    def figures(self) -> dict[str, float]:
        """Give all of it as figures."""
        return {key: float(value) for key, value in asdict(self).items()}


def window_score(rows: int, windows: Sequence[tuple[int, int]], detections: Sequence[int]) -> Windowed:
    """Score detections (row numbers) on one series with windows of first and last row, both inclusive."""
    probation = int(min(PROBATION * rows, PROBATION * PROBATION_OF_ROWS))
    best: dict[int, float] = {}
    cost, false = 0.0, 0
    for row in sorted(d for d in detections if d >= probation):
        inside = next((k for k, (left, right) in enumerate(windows) if left <= row <= right), None)
        if inside is None:
            false += 1
            cost += FALSE_WEIGHT * _outside(row, windows)
        else:
            left, right = windows[inside]
            earned = sigmoid(-(right - row + 1) / (right - left + 1)) / sigmoid(-1.0)
            best[inside] = max(best.get(inside, 0.0), earned)
    raw = sum(best.values()) + cost - (len(windows) - len(best))
    return Windowed(raw, len(windows), len(best), false)


def _outside(row: int, windows: Sequence[tuple[int, int]]) -> float:
    """Give what a detection outside of every window costs, −1 to 0."""
    behind = [window for window in windows if window[1] < row]
    if not behind:
        return -1.0
    left, right = max(behind, key=lambda window: window[1])
    return sigmoid((row - right) / max(right - left, 1))


def sigmoid(place: float) -> float:
    """Give the worth of a place relative to a window: nearly 1 at its left end, 0 at its right, −1 far behind."""
    return -1.0 if place > FAR_BEHIND else 2.0 / (1.0 + math.exp(5.0 * place)) - 1.0


def normalised(series: Sequence[Windowed]) -> float:
    """Give the score of all series: 0 is a silent detector, 100 a perfect one; 0 where there is no window."""
    windows = sum(one.windows for one in series)
    return 100.0 * (sum(one.raw for one in series) + windows) / (2.0 * windows) if windows else 0.0
