"""How each channel behaves from row to row while healthy: what a sensor's own faults are told by.

Roughness is the trimmed mean of the absolute differences between neighbouring rows, in scales: a single jump, as of a
step, does not count; noise does. Everything is looked at over `WINDOW` rows, the span over which it is judged later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WINDOW = 16
"""Rows over which roughness is taken: its logarithm then varies by a quarter where the channel is white noise."""
TRIM = 0.125
"""Of the largest differences that do not count as roughness."""
SPIKE_STEPS = 8.0
"""A row that stands so many usual steps off both its neighbours, which agree, is a spike."""
TINY = 1e-9


@dataclass(frozen=True, slots=True)
class Habits:
    """Arrays (u,) over the used channels, of healthy rows.

    rough: roughness in scales; rough_spread: standard deviation of its logarithm from window to window; repeats: most
    rows in a window that repeat the one before; run: longest run of such; missing: share of rows without a value;
    spikes: share of rows that are spikes.
    """

    rough: Floats
    rough_spread: Floats
    repeats: Floats
    run: Floats
    missing: Floats
    spikes: Floats

    def to_json(self) -> dict[str, Any]:
        """Give the habits as JSON values."""
        return {name: getattr(self, name).tolist() for name in Habits.__slots__}

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> Habits:
        """Take what `to_json` gave."""
        return cls(**{name: np.array(kept[name], np.float64) for name in Habits.__slots__})


def habits_of(deviations: Floats) -> Habits:
    """Learn from healthy rows (n, u), each channel less its level and over its scale, NaN where nothing was read."""
    windows = [deviations[i : i + WINDOW + 1] for i in range(0, max(1, len(deviations) - WINDOW), WINDOW)]
    each = np.array([roughness(window) for window in windows])
    rough = np.array([_median(column) for column in each.T])
    logs = np.log(np.maximum(each, TINY)) - np.log(np.maximum(rough, TINY))
    return Habits(
        rough=rough,
        rough_spread=np.array([_spread(column, known) for column, known in zip(logs.T, each.T, strict=True)]),
        repeats=np.max([repeated(window).sum(axis=0) for window in windows], axis=0).astype(np.float64),
        run=np.array([_longest(column) for column in repeated(deviations).T]),
        missing=np.isnan(deviations).mean(axis=0),
        spikes=spiked(deviations, rough).mean(axis=0) if len(deviations) > 2 else np.zeros(deviations.shape[1]),
    )


def roughness(rows: Floats) -> Floats:
    """Give the trimmed mean step (u,) of rows (n, u); NaN where fewer than three steps are known."""
    steps = np.sort(np.abs(np.diff(rows, axis=0)), axis=0)  # NaN last
    known = np.isfinite(steps).sum(axis=0)
    kept = np.maximum(known - np.ceil(TRIM * known).astype(np.int64), 1)
    counted = np.arange(len(steps))[:, None] < kept
    total = np.where(counted, np.nan_to_num(steps), 0.0).sum(axis=0)
    return np.where(known >= 3, total / kept, np.nan)


def repeated(rows: Floats) -> NDArray[np.bool_]:
    """Say of rows 1 … (n − 1, u) whether they repeat the one before to the last bit."""
    return np.asarray(rows[1:] == rows[:-1])


def spiked(rows: Floats, rough: Floats) -> NDArray[np.bool_]:
    """Say of rows 1 … n − 2 (n − 2, u) whether they are spikes."""
    before, here, after = rows[:-2], rows[1:-1], rows[2:]
    step = SPIKE_STEPS * np.maximum(rough, TINY)
    away = np.minimum(np.abs(here - before), np.abs(here - after))
    agree = np.abs(after - before) < 0.5 * away
    return np.asarray((away > step) & agree)


def _median(column: Floats) -> float:
    known = column[np.isfinite(column)]
    return float(np.median(known)) if len(known) else 0.0


def _spread(logs: Floats, known: Floats) -> float:
    seen = logs[np.isfinite(known) & (known > 0)]
    return float(seen.std()) if len(seen) > 1 else 0.0


def _longest(column: NDArray[np.bool_]) -> float:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], column, [False])).astype(np.int8)))
    return float((edges[1::2] - edges[::2]).max()) if len(edges) else 0.0
