"""Hide what a channel's name, place, unit and sign would tell: a shuffled order and affine scales, from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Disguise:
    """order (c,): which channel comes where; factor (never 0, also negative) and offset (c,), in the new order."""

    order: NDArray[np.int64]
    factor: Floats
    offset: Floats

    def of(self, values: Floats) -> Floats:
        """Give rows (n, c) disguised."""
        hidden: Floats = values[:, self.order] * self.factor + self.offset
        return hidden


def disguise(values: Floats, seed: int | None) -> Disguise:
    """Make a disguise for channels that look like `values` (n, c); none where there is no seed.

    Factors lie between 0.01 and 100 either way, offsets within three times the channel's largest magnitude.
    """
    wide = values.shape[1]
    if seed is None:
        return Disguise(np.arange(wide), np.ones(wide), np.zeros(wide))
    random = np.random.default_rng(seed)
    order = random.permutation(wide)
    factor = random.choice([-1.0, 1.0], wide) * 10.0 ** random.uniform(-2, 2, wide)
    size = np.abs(np.nan_to_num(values[:, order])).max(axis=0) * np.abs(factor)
    return Disguise(order, factor, random.uniform(-3, 3, wide) * size)
