"""How a machine's health has moved lately: means of equal windows, kept as they come, and the slope through them.

Windows are as wide as about a twelfth of the notice, 48 of them are kept, so they reach back two to four times the
notice. A few numbers a machine, whatever the rate of its rows; they go into its checkpoint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

SECOND_NS: Final = 1_000_000_000
HOUR_NS: Final = 3600 * SECOND_NS
KEPT: Final = 48
PER_NOTICE: Final = 12
WIDTH_MIN_NS: Final = 10 * SECOND_NS
WINDOWS_MIN: Final = 5
"""Windows with a value below which no slope is read off them."""
NOISE_MIN: Final = 1.0
"""Points: a health that seems quieter than this is not trusted to be."""


def width_of(notice_h: float) -> int:
    """Give the windows' width in ns: the largest of 10, 20, 40 … s that is no more than a twelfth of the notice."""
    share = notice_h * HOUR_NS / PER_NOTICE / WIDTH_MIN_NS
    return WIDTH_MIN_NS * int(2 ** max(0, math.floor(math.log2(max(share, 1.0)))))


@dataclass(frozen=True, slots=True)
class Slope:
    """`per_h`: health points an hour, with its standard error; `noise`: points by which windows stray from the line."""

    per_h: float
    error_per_h: float
    noise: float
    windows: int


@dataclass(slots=True)
class Trend:
    """Means of health by window; values of a window may come in any order, those before the kept ones count no more."""

    width_ns: int
    _sums: dict[int, list[float]] = field(default_factory=dict)
    """Window → sum and count of its values."""
    _known: tuple[tuple[int, int, float], Slope | None] | None = None

    def on_health(self, time_ns: int, health: float) -> None:
        """Take the health at a time."""
        window = time_ns // self.width_ns
        known = self._sums.get(window)
        if known is not None:
            known[0] += health
            known[1] += 1
            return
        newest = max(self._sums, default=window)
        if window > newest - KEPT:
            self._sums[window] = [health, 1]
            for old in [w for w in self._sums if w <= max(newest, window) - KEPT]:
                del self._sums[old]

    def before(self, time_ns: int) -> Trend:
        """Give a copy of the windows before that of `time_ns`: to go on from where history is read again."""
        cut = time_ns // self.width_ns
        return Trend(self.width_ns, {w: list(kept) for w, kept in self._sums.items() if w < cut})

    def slope(self, half_life_h: float) -> Slope | None:
        """Fit a straight line by least squares, a window's weight halved each `half_life_h` before the newest.

        Only windows that are over count. None where fewer than `WINDOWS_MIN` of them, or as good as fewer by their
        weights, have a value. The error is that of weighted least squares with independent residuals: health wanders,
        so it is rather too small.
        """
        key = (max(self._sums, default=0), len(self._sums), half_life_h)
        if self._known is None or self._known[0] != key:
            self._known = key, self._fitted(half_life_h)
        return self._known[1]

    def _fitted(self, half_life_h: float) -> Slope | None:
        windows = np.array(sorted(self._sums)[:-1])
        if len(windows) < WINDOWS_MIN:
            return None
        y = np.array([self._sums[w][0] / self._sums[w][1] for w in windows.tolist()])
        hours = (windows - windows[-1]) * (self.width_ns / HOUR_NS)
        weight = 0.5 ** (-hours / half_life_h)
        weight /= weight.sum()
        worth = 1.0 / float(weight @ weight)
        x = hours - weight @ hours
        spread = float(weight @ x**2)
        if worth < WINDOWS_MIN - 1 or spread <= 0:
            return None
        level = float(weight @ y)
        per_h = float(weight @ (x * (y - level))) / spread
        left = y - level - per_h * x
        noise = max(math.sqrt(float(weight @ left**2) * worth / (worth - 2)), NOISE_MIN)
        error = noise * math.sqrt(float(weight**2 @ x**2)) / spread
        return Slope(per_h, error, noise, len(windows))

    def to_json(self) -> dict[str, Any]:
        """Give the windows as JSON values."""
        return {"width_ns": self.width_ns, "windows": [[w, *kept] for w, kept in sorted(self._sums.items())]}

    def restore(self, kept: Mapping[str, Any] | None) -> None:
        """Take what `to_json` gave; windows of another width are of no use."""
        if kept and kept.get("width_ns") == self.width_ns:
            self._sums = {int(w): [float(total), float(n)] for w, total, n in kept["windows"][-KEPT:]}
            self._known = None
