"""The tail of a feature, learned as it comes: the value so rare that it is news. Streaming, bounded, forgetting.

Peaks over threshold as in SPOT (Siffer et al. 2017): a high quantile is followed by steps, the newest values above it
are kept, a generalised Pareto tail on them gives the limit. Other than there, what raised an alarm is learned too: what
has come once and comes again is not news.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from penstock.apps.maintenance.detection.limits import pareto_quantile

RATIO_MAX: Final = 1e6
"""Of a value that moves for the first time, whose limit is 0: a number, so that it can be stored and compared."""


@dataclass(frozen=True, slots=True)
class TailSettings:
    """How a tail is followed.

    warm_rows: before anything is judged. level: the quantile above which values are peaks. step: of that quantile, in
    mean distances of the values from it, which are forgotten at the rate `forget`. peaks: how many are kept.
    few_peaks: below which the tail is not read. tail: probability a row of what counts as news. margin: over the
    highest peak kept. doubt: the limit is wider by this over the number of rows known.
    """

    warm_rows: int = 150
    level: float = 0.98
    step: float = 0.02
    forget: float = 0.002
    peaks: int = 64
    few_peaks: int = 5
    tail: float = 2e-4
    margin: float = 1.05
    doubt: float = 25.0


class Tail:
    """Values ≥ 0 in, ratios to the limit out; the whole state goes through `to_json` and `of_json`."""

    def __init__(self, settings: TailSettings) -> None:
        self._settings = settings
        self._first: list[float] = []
        self._threshold: float | None = None
        self._n = 0
        self._unit = 0.0
        self._limit = np.inf
        self._peaks: deque[float] = deque(maxlen=settings.peaks)

    def on_value(self, value: float) -> float:
        """Take a value; give its ratio to the limit as it was before, 0 while warming up."""
        if self._threshold is None:
            self._warm(value)
            return 0.0
        self._n += 1
        limit = self._limit * (1 + self._settings.doubt / self._n)
        ratio = min(value / limit, RATIO_MAX) if limit > 0 else (RATIO_MAX if value > 0 else 0.0)
        self._learn(value, self._threshold)
        return ratio

    def _warm(self, value: float) -> None:
        self._first.append(value)
        if len(self._first) < self._settings.warm_rows:
            return
        first = np.array(self._first)
        self._threshold = float(np.quantile(first, self._settings.level))
        self._n = len(first)
        self._unit = float(np.abs(first - self._threshold).mean())
        self._peaks.extend(first[first > self._threshold].tolist())
        self._first.clear()
        self._set_limit(self._threshold)

    def _learn(self, value: float, threshold: float) -> None:
        over = value > threshold
        if over:
            self._peaks.append(value)
            self._set_limit(threshold)
        self._unit += self._settings.forget * (abs(value - threshold) - self._unit)
        step = self._settings.step * self._unit * (float(over) - (1 - self._settings.level))
        self._threshold = max(threshold + step, 0.0)

    def _set_limit(self, threshold: float) -> None:
        peaks = np.sort(np.fromiter(self._peaks, np.float64))
        highest = self._settings.margin * float(peaks[-1]) if len(peaks) else threshold
        if len(peaks) < self._settings.few_peaks:
            self._limit = max(highest, 1.5 * threshold)
            return
        over = np.maximum(peaks - threshold, 0.0)
        ratio = (1 - self._settings.level) / self._settings.tail
        self._limit = max(threshold + pareto_quantile(over, ratio), highest)

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        limit = None if np.isinf(self._limit) else self._limit
        return {
            "first": list(self._first),
            "threshold": self._threshold,
            "n": self._n,
            "unit": self._unit,
            "limit": limit,
            "peaks": list(self._peaks),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self._first = [float(v) for v in kept["first"]]
        self._threshold = kept["threshold"]
        self._n, self._unit = int(kept["n"]), float(kept["unit"])
        self._limit = np.inf if kept["limit"] is None else float(kept["limit"])
        self._peaks = deque(kept["peaks"], maxlen=self._settings.peaks)
