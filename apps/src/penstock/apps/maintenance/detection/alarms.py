"""When a score becomes an alarm: so many rows above the limit raise it, so many below clear it (ISA-18.2 delays)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Alarm:
    """One change: raised or cleared at a row's time. `shares`: of the channels in the score at that row, sum 1."""

    time_ns: int
    raised: bool
    score: float
    shares: tuple[float, ...]


@dataclass(slots=True)
class Delay:
    """The state between rows: active or not, and how many rows in sequence speak against it."""

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
