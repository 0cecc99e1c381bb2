"""What a channel reads when the machine is healthy, as a function of its operating point; learned once, as data comes.

A straight line over the operating point by ridge regression on running sums: no sample is kept and none is looked at
twice. The slope is shrunk towards none until the operating point has really moved, and never extrapolated: outside of
the range that was learned, the expectation of its nearest end holds.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

RIDGE = 5.0
"""Windows' worth of belief in "no slope", at an operating point spread of 10 % of its mean."""


@dataclass(slots=True)
class Baseline:
    """Running sums of (load, value) pairs: count, means, centred second moments, learned load range."""

    n: int = 0
    load_mean: float = 0.0
    value_mean: float = 0.0
    load_m2: float = 0.0
    value_m2: float = 0.0
    cross: float = 0.0
    load_min: float = 0.0
    load_max: float = 0.0

    def learn(self, value: float, load: float) -> None:
        """Add one healthy window (Welford's update, two variables)."""
        self.n += 1
        self.load_min = load if self.n == 1 else min(self.load_min, load)
        self.load_max = load if self.n == 1 else max(self.load_max, load)
        load_step = load - self.load_mean
        value_step = value - self.value_mean
        self.load_mean += load_step / self.n
        self.value_mean += value_step / self.n
        self.load_m2 += load_step * (load - self.load_mean)
        self.value_m2 += value_step * (value - self.value_mean)
        self.cross += load_step * (value - self.value_mean)

    @property
    def slope(self) -> float:
        """Give the change of the value per unit of load."""
        prior = RIDGE * (0.1 * abs(self.load_mean)) ** 2
        spread = self.load_m2 + prior
        return self.cross / spread if spread > 0 else 0.0

    @property
    def sigma(self) -> float:
        """Give the standard deviation that the line leaves unexplained."""
        if self.n < 3:
            return 0.0
        left = self.value_m2 - 2 * self.slope * self.cross + self.slope**2 * self.load_m2
        return float((max(left, 0.0) / (self.n - 2)) ** 0.5)

    def expected(self, load: float) -> float:
        """Give the healthy value at a load, held at the ends of the learned range."""
        within = min(max(load, self.load_min), self.load_max)
        return self.value_mean + self.slope * (within - self.load_mean)

    def to_json(self) -> dict[str, Any]:
        """Give the sums as JSON values."""
        return asdict(self)
