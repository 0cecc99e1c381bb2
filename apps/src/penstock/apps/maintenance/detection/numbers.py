"""Arrays as JSON values, NaN as null."""

from __future__ import annotations

import base64
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


def packed(values: NDArray[Any]) -> str:
    """Give an array's bytes as text: exact, and a third of the size of numbers in digits."""
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")


def unpacked(kept: str, like: NDArray[Any]) -> NDArray[Any]:
    """Take what `packed` gave, of the form of `like`; ValueError where it is of another."""
    return np.frombuffer(base64.b64decode(kept), like.dtype).reshape(like.shape).copy()
