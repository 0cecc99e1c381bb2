"""Fleets of machines that wear out, small and quick: known lives, faults, regimes, gaps and disguises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.prognosis.runs import Run

HOUR_NS = 3_600_000_000_000
CHANNELS = 8
NOISE_CHANNELS, CONSTANT = (5, 6), 7


@dataclass(frozen=True, slots=True)
class FleetWish:
    """What a fleet is like. `modes`: faults that move the channels differently; `regimes`: operating points visited."""

    runs: int = 24
    life: int = 120
    modes: int = 1
    regimes: int = 1
    noise: float = 0.4
    missing: float = 0.0
    period_ns: int = HOUR_NS
    rows_per_hour: int = 1
    seed: int = 1


def fleet(wish: FleetWish) -> list[Run]:
    """Make runs to failure with CHANNELS channels; with regimes, two more that tell the operating point.

    Channels 0 to 4 move with the wear, some up, some down; 5 and 6 are noise; 7 never moves.
    """
    random = np.random.default_rng(wish.seed)
    signs = random.choice([-1.0, 1.0], (wish.modes, 5)) * random.uniform(1.5, 4.0, (wish.modes, 5))
    points = random.uniform(-1, 1, (wish.regimes, CHANNELS)) * 40.0
    runs = []
    for i in range(wish.runs):
        life = int(wish.life * random.uniform(0.7, 1.4)) * wish.rows_per_hour
        left = np.arange(life)[::-1] / wish.rows_per_hour
        wear = np.exp(-left / (0.22 * wish.life))
        values = random.normal(0, wish.noise, (life, CHANNELS))
        values[:, :5] += wear[:, None] * signs[i % wish.modes]
        values[:, CONSTANT] = 0.0
        if wish.regimes > 1:
            regime = random.integers(0, wish.regimes, life)
            values += points[regime]
            settings = np.stack([regime // 2 * 10.0, regime % 2 * 0.5], axis=1)
            values = np.hstack([values, settings + random.normal(0, 0.002, settings.shape)])
        values[random.random(values.shape) < wish.missing] = np.nan
        runs.append(Run(f"m{i:02d}", wish.period_ns * np.arange(1, life + 1), values + 20.0, failed=True))
    return runs


def names(runs: Sequence[Run]) -> tuple[str, ...]:
    """Name the channels of a fleet."""
    return tuple(f"ch{j:02d}" for j in range(runs[0].values.shape[1]))


def cut(run: Run, rows: int) -> Run:
    """Give the first rows of a run, not yet failed."""
    return Run(run.name, run.times_ns[:rows], run.values[:rows])


def disguised(runs: Sequence[Run], seed: int) -> list[Run]:
    """Shuffle the channels and rescale each, some by negative factors."""
    random = np.random.default_rng(seed)
    wide = runs[0].values.shape[1]
    order = random.permutation(wide)
    factor = random.choice([-1.0, 1.0], wide) * 10.0 ** random.uniform(-2, 2, wide)
    offset = random.normal(0, 100, wide)
    return [Run(run.name, run.times_ns, run.values[:, order] * factor + offset, run.failed) for run in runs]


def left_hours(run: Run, times_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the life left at times of a run to failure."""
    left: NDArray[np.float64] = (int(run.times_ns[-1]) - times_ns) / HOUR_NS
    return left
