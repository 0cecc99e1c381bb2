"""Rows of a machine → deviations in scales: gaps, missing values, wandering levels, single spikes. Online, bounded.

Theory of operation. Each used channel is held against its healthy level, or, where it wanders while healthy, against
what the operating point lets expect, or else a moving average of its own past. A missing value is held for a while and
is then what the other channels make of it (conditional mean). A large deviation of few channels counts when a second
row confirms it, until then it is as if missing: one spike is no change of state. An interruption of the record starts
moving levels anew; fixed levels stay, so that a machine that comes back changed is seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.numbers import Floats, listed, unlisted
from penstock.apps.maintenance.detection.operating import Expectation, OperatingPoint
from penstock.apps.maintenance.detection.scaling import START_ROWS
from penstock.apps.maintenance.detection.settings import DetectionSettings

PATTERNS_MAX = 64
"""Patterns of missing channels whose conditional means are remembered."""
RIDGE = 1e-3
"""Of the mean variance of what is there: keeps a conditional mean finite where channels are copies of each other."""


class Conditioner:
    """Give one row's deviations (u,) after another; the state goes through `to_json` and `restore`."""

    def __init__(
        self,
        settings: DetectionSettings,
        centre: Floats,
        *,
        scale: Floats,
        gain: Floats,
        gap_ns: int,
        reach: tuple[Floats, Floats] | None = None,
        operating: OperatingPoint | None = None,
    ) -> None:
        self._settings = settings
        self._centre, self._scale, self._gain, self._gap_ns = centre, scale, gain, gap_ns
        self._moving = gain > 0
        self._reach = reach
        self._any_moving = bool(self._moving.any())
        self._point = operating if operating is not None and operating.modelled.any() else None
        self._expectation = Expectation(self._point) if self._point is not None else None
        self._others: tuple[Floats, Floats] | None = None
        self._patterns: dict[bytes, Floats] = {}
        self._time_ns: int | None = None
        self._held = np.full(len(centre), np.nan)
        self._age = np.zeros(len(centre), np.int64)
        self._level = self._before = np.zeros(0)
        self._forget()

    def learn_others(self, mean: Floats, covariance: Floats) -> None:
        """Take mean (u,) and covariance (u, u) of the deviations, for what is missing."""
        self._others = (mean, covariance)

    def on_row(self, time_ns: int, row: Floats) -> tuple[Floats, bool] | None:
        """Give the deviations of a row (u,) and whether the record was interrupted before it; None if it is empty."""
        parted = self._time_ns is not None and time_ns - self._time_ns > self._gap_ns
        if parted:
            self._forget()
        deviation = (row - self._centre) / self._scale
        missing = np.isnan(deviation)
        if missing.any():
            if missing.all():
                return None
            deviation = self._hold(deviation, missing)
        else:
            self._held, self._age[:] = deviation, 0
        self._time_ns = time_ns
        if self._any_moving:
            self._level = self._within(np.where(np.isnan(self._level), deviation, self._level))
        confirmed = self._confirmed(self._left(deviation))
        if self._any_moving:
            self._follow(confirmed)
        unknown = np.isnan(confirmed)
        if unknown.any():
            confirmed[unknown] = self._expected(confirmed, unknown)
        return confirmed, parted

    def _left(self, deviation: Floats) -> Floats:
        """Give what is left of deviations without level and operating point."""
        moved: Floats = deviation - self._level
        if self._expectation is not None and self._point is not None:
            moved = (moved - self._expectation.on_deviation(deviation)) / self._point.unit
        return moved

    def _forget(self) -> None:
        if self._expectation is not None:
            self._expectation.forget()
        self._level = np.where(self._moving, np.nan, 0.0)
        self._seen = np.zeros(len(self._centre), np.int64)
        self._before = np.zeros(len(self._centre))
        self._held = np.full(len(self._centre), np.nan)

    def _follow(self, confirmed: Floats) -> None:
        """Move the levels by their gains, those of long memory faster at first (scaling.moving_deviation)."""
        known = self._moving & ~np.isnan(confirmed)
        gain = np.maximum(self._gain, 1.0 / (START_ROWS + self._seen))
        self._level = self._within(self._level + np.where(known, gain * confirmed, 0.0))
        self._seen = self._seen + known

    def _within(self, level: Floats) -> Floats:
        """Keep the moving levels where healthy ones may go: a fault does not take its level with it for ever."""
        return level if self._reach is None else np.minimum(np.maximum(level, self._reach[0]), self._reach[1])

    def _hold(self, deviation: Floats, missing: NDArray[np.bool_]) -> Floats:
        self._age = np.where(missing, self._age + 1, 0)
        held = np.where(missing & (self._age <= self._settings.hold_rows), self._held, deviation)
        self._held = np.where(missing, self._held, deviation)
        return held

    def _confirmed(self, moved: Floats) -> Floats:
        """Give deviations in bounds; a large one that is new is unknown (NaN), unless many move at once."""
        settings = self._settings
        if np.abs(moved).max() <= settings.confirm:
            self._before = moved
            return moved
        bounded = np.minimum(np.maximum(moved, -settings.clip), settings.clip)
        new = (np.abs(bounded) > settings.confirm) & (np.sign(bounded) * self._before < settings.confirm / 2)
        self._before = np.where(np.isnan(bounded), 0.0, bounded)
        if new.any() and new.sum() <= max(1.0, settings.alone * len(new)):
            return np.where(new, np.nan, bounded)
        return bounded

    def _expected(self, deviation: Floats, missing: NDArray[np.bool_]) -> Floats:
        if self._others is None:
            return np.zeros(int(missing.sum()))
        mean, covariance = self._others
        if missing.all():
            return mean
        key = missing.tobytes()
        if key not in self._patterns:
            if len(self._patterns) >= PATTERNS_MAX:
                del self._patterns[next(iter(self._patterns))]
            known = covariance[np.ix_(~missing, ~missing)]
            ridge = RIDGE * float(np.trace(known)) / len(known) * np.eye(len(known))
            solved = np.linalg.solve(known + ridge, covariance[np.ix_(~missing, missing)])
            self._patterns[key] = np.asarray(solved.T, np.float64)
        expected: Floats = mean[missing] + self._patterns[key] @ (deviation - mean)[~missing]
        return expected

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        arrays = {"level": self._level, "before": self._before, "held": self._held}
        whole = {"time_ns": self._time_ns, "age": self._age.tolist(), "seen": self._seen.tolist()}
        expected = self._expectation.to_json() if self._expectation is not None else None
        return whole | {"expectation": expected} | {k: listed(v) for k, v in arrays.items()}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self._time_ns = None if kept["time_ns"] is None else int(kept["time_ns"])
        self._age, self._seen = np.array(kept["age"], np.int64), np.array(kept["seen"], np.int64)
        self._level, self._before = unlisted(kept["level"]), unlisted(kept["before"])
        self._held = unlisted(kept["held"])
        if self._expectation is not None:
            self._expectation.restore(kept["expectation"])
