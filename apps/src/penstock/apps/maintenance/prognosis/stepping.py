"""Rows → steps: deviations within regimes, averaged over the rows of a step. Online, bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from penstock.apps.maintenance.prognosis.runs import Floats, Ints, Pace
from penstock.apps.maintenance.prognosis.scaling import Scaling


@dataclass(slots=True)
class Stepper:
    """Give steps as they close. One row a step: each row is one, when it comes. More: bins of event time.

    A bin closes when a row of a later one comes; its time is its end; bins without rows are missing steps, of which no
    more than `gap_max` are made: a longer interruption starts anew.
    """

    pace: Pace
    scaling: Scaling
    gap_max: int
    _bin: int | None = None
    _sum: Floats = field(default_factory=lambda: np.empty(0))
    _count: Floats = field(default_factory=lambda: np.empty(0))

    def on_rows(self, times_ns: Ints, values: Floats) -> tuple[Ints, Floats]:
        """Take rows (n,), (n, c) in time order; give times (m,) and deviations (m, u) of the steps that close."""
        deviation = self.scaling.of_rows(values)
        if self.pace.rows == 1:
            return times_ns, deviation
        bins = times_ns // self.pace.step_ns
        starts = np.flatnonzero(np.diff(bins, prepend=bins[:1] - 1))
        ends: list[int] = []
        steps: list[Floats] = []
        for start, stop in zip(starts, [*starts[1:], len(bins)], strict=True):
            self._open(int(bins[start]), ends, steps)
            for row in deviation[start:stop]:
                read = np.isfinite(row)
                self._sum += np.where(read, row, 0.0)
                self._count += read
        wide = len(self.scaling.used)
        return np.array(ends, np.int64), np.array(steps).reshape(len(steps), wide)

    def _open(self, new: int, ends: list[int], steps: list[Floats]) -> None:
        if self._bin == new:
            return
        wide = len(self.scaling.used)
        if self._bin is not None:
            ends.append((self._bin + 1) * self.pace.step_ns)
            steps.append(np.where(self._count > 0, self._sum / np.maximum(self._count, 1), np.nan))
            for missing in range(self._bin + 1, min(new, self._bin + 1 + self.gap_max)):
                ends.append((missing + 1) * self.pace.step_ns)
                steps.append(np.full(wide, np.nan))
        self._bin, self._sum, self._count = new, np.zeros(wide), np.zeros(wide)

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values; floats survive exactly."""
        return {"bin": self._bin, "sum": self._sum.tolist(), "count": self._count.tolist()}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self._bin = None if kept["bin"] is None else int(kept["bin"])
        self._sum, self._count = np.array(kept["sum"], np.float64), np.array(kept["count"], np.float64)
