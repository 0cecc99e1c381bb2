"""Arrays as JSON values, NaN as null."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def listed(values: Floats) -> list[Any]:
    """Give an array as JSON values, NaN as null."""
    if values.ndim > 1:
        return [listed(row) for row in values]
    return [None if math.isnan(v) else v for v in values.tolist()]


def unlisted(kept: list[Any]) -> Floats:
    """Take what `listed` gave."""
    return np.array(kept, dtype=object).astype(np.float64)
