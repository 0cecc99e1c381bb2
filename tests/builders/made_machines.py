"""Rows of made machines: a few hidden causes behind all channels, with memory, and noise of each channel's own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.fitting import Rows

Floats = NDArray[np.float64]
SECOND_NS = 1_000_000_000
CAUSES = 3


def values(rows: int, channels: int = 6, *, seed: int = 0, memory: float = 0.6, noise: float = 0.3) -> Floats:
    """Give (rows, channels); the machine is the same for every seed, its history is not."""
    blend = np.random.default_rng(7).normal(size=(CAUSES, channels))
    random = np.random.default_rng(seed)
    steps = random.normal(size=(rows, CAUSES)) * np.sqrt(1 - memory**2)
    causes = np.zeros((rows, CAUSES))
    for i in range(1, rows):
        causes[i] = memory * causes[i - 1] + steps[i]
    made: Floats = causes @ blend + noise * random.normal(size=(rows, channels))
    return made


def as_rows(made: Floats, *, start_s: int = 0) -> Rows:
    """Give rows a second apart."""
    return Rows((start_s + np.arange(len(made))) * SECOND_NS, made)


def names(channels: int) -> list[str]:
    """Name channels."""
    return [f"ch{i:02d}" for i in range(channels)]
