"""Named data: the same numbers wherever a benchmark says `walk`."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SEED = 20_260_101


def constant(tags: int, first: int, count: int) -> Floats:
    """Give 20.0, always: a value at rest."""
    return np.full((count, tags), 20.0)


def walk(tags: int, first: int, count: int) -> Floats:
    """Give a random walk by steps of ±0.01 to ±0.05, rounded to 2 decimals: a usual process value.

    The walk turns back at 100,000 samples, so that any part of it can be made alone.
    """
    period = 100_000
    steps = np.random.default_rng(SEED).integers(-5, 6, period)
    path = 20 + np.cumsum(steps - steps.mean()) / 100
    at = (first + np.arange(count))[:, None] + np.arange(tags)[None, :] * 977
    values: Floats = np.round(path[at % period], 2)
    return values


def noise(tags: int, first: int, count: int) -> Floats:
    """Give uniform random doubles: what nothing compresses."""
    return np.random.default_rng([SEED, first]).random((count, tags))


GENERATORS: dict[str, Callable[[int, int, int], Floats]] = {"constant": constant, "walk": walk, "random": noise}
"""(tags, first sample, samples) → float64 of shape (samples, tags)."""
