"""When a score becomes an alarm, when an alarm ends, and when another trouble begins under one that stands.

Theory of operation. What lies above the limit adds up from row to row (a cumulated sum, Page 1954, Biometrika 41), and
the sum raises the alarm: far above the limit in a few rows, just above it later, since what is barely unusual is often
nothing. Rows below the limit in sequence clear it (off-delay, ISA-18.2). An alarm may stand for long
behind a repair, while moving levels come back to where they were; so one whose score has fallen, and rises again by
channels that were not behind it, ends there, and the next row begins another.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from penstock.apps.maintenance.detection.numbers import Floats, listed, unlisted

EXCESS_MIN, EXCESS_MAX = 0.15, 1.0
"""In limits, that a row above the limit adds at least and at most."""
FORGOTTEN: Final = 0.3
"""Of what a row stays below the limit, that the sum loses: a trouble on the limit is no two troubles."""
FALLEN, RISEN, RISEN_ROWS = 0.7, 1.3, 10
"""Of the highest level, to which it has fallen; of the lowest one since, to which it rises for so many rows."""
ALIKE: Final = 0.5
"""Of the shares in a score: where two scores have less in common, other channels are behind them."""
LEVEL, REASONS = 0.2, 0.1
"""Weights of the newest row in the level of the score, and in the shares that an alarm is remembered by."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One change: raised or cleared at a row's time. `shares`: of the channels in the score at that row, sum 1."""

    time_ns: int
    raised: bool
    score: float
    shares: tuple[float, ...]


@dataclass(slots=True)
class Delay:
    """The state between rows of a single series' alarm: active or not, and how many rows in sequence speak against."""

    on_rows: int
    off_rows: int
    active: bool = False
    against: int = 0

    def on_score(self, score: float) -> bool:
        """Take the score of a row (1 is the limit, NaN says nothing); say whether the state has changed."""
        if math.isnan(score):
            return False
        self.against = self.against + 1 if (score > 1) is not self.active else 0
        if self.against < (self.off_rows if self.active else self.on_rows):
            return False
        self.active, self.against = not self.active, 0
        return True

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return {"active": self.active, "against": self.against}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self.active, self.against = bool(kept["active"]), int(kept["against"])


@dataclass(slots=True)
class Standing:
    """The state between rows of many channels' alarm; see the module. A score of 2 raises it in `on_rows` rows."""

    on_rows: int
    off_rows: int
    active: bool = False
    excess: float = 0.0
    below: int = 0
    level: float = 0.0
    highest: float = 0.0
    lowest: float | None = None
    """Of the level, since it has fallen; None before."""
    risen: int = 0
    reasons: Floats = field(default_factory=lambda: np.zeros(0))

    def on_score(self, score: float, shares: Floats) -> bool:
        """Take the score of a row (1 is the limit, NaN says nothing) and who made it; say whether the state changed."""
        if math.isnan(score):
            return False
        return self._stands(score, shares) if self.active else self._adds_up(score, shares)

    def _adds_up(self, score: float, shares: Floats) -> bool:
        if score <= 1:
            self.excess = max(0.0, self.excess - FORGOTTEN * (1 - score))
            return False
        self.excess += min(max(score - 1, EXCESS_MIN), EXCESS_MAX)
        if self.excess < self.on_rows:
            return False
        self.active, self.excess, self.below = True, 0.0, 0
        self.level = self.highest = score
        self.lowest, self.risen, self.reasons = None, 0, shares.copy()
        return True

    def _stands(self, score: float, shares: Floats) -> bool:
        self.below = self.below + 1 if score <= 1 else 0
        if self.below >= self.off_rows:
            self.active = False
            return True
        self.level += LEVEL * (score - self.level)
        if self.lowest is None:
            self.reasons += REASONS * (shares - self.reasons)
            self.highest = max(self.highest, self.level)
            self.lowest, self.risen = (self.level if self.level < FALLEN * self.highest else None), 0
            return False
        self.lowest = min(self.lowest, self.level)
        is_other = float(np.minimum(self.reasons, shares).sum()) < ALIKE
        self.risen = self.risen + 1 if is_other and score > max(1.0, RISEN * self.lowest) else 0
        if self.risen < RISEN_ROWS:
            return False
        self.active, self.excess = False, float(self.on_rows)
        return True

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        names = ("active", "excess", "below", "level", "highest", "lowest", "risen")
        return {name: getattr(self, name) for name in names} | {"reasons": listed(self.reasons)}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self.active, self.below, self.risen = bool(kept["active"]), int(kept["below"]), int(kept["risen"])
        self.excess, self.level, self.highest = (float(kept[name]) for name in ("excess", "level", "highest"))
        self.lowest = None if kept["lowest"] is None else float(kept["lowest"])
        self.reasons = unlisted(kept["reasons"])
