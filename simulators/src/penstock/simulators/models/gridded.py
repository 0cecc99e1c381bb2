"""Wandering that does not depend on how time is cut into steps: equal seeds and times give equal values."""

from __future__ import annotations

import math
from random import Random
from typing import Final

SLACK_s: Final = 1e-9
"""What sums of steps such as 0.1 s may lack of a whole second."""


class Wander:
    """Wander around zero: an Ornstein-Uhlenbeck process drawn at nodes `grid_s` apart, straight between them.

    Exact between nodes (Gillespie 1996, Phys. Rev. E 54, 2084); the straight pieces take a little of the standard
    deviation `std` where `tau_s` is not much longer than `grid_s`. Draws from a random source of its own.
    """

    def __init__(self, random: Random, std: float, tau_s: float, *, grid_s: float = 1.0) -> None:
        self._random = Random(random.getrandbits(64))  # noqa: S311  physics, not secrets
        self._grid_s, self._std = grid_s, std
        self._keep = math.exp(-grid_s / tau_s)
        self._at_s = 0.0
        self._from = self._random.gauss(0.0, std)
        self._to = self._following(self._from)
        self.value = self._from

    def _following(self, value: float) -> float:
        return value * self._keep + self._random.gauss(0.0, self._std * math.sqrt(1.0 - self._keep**2))

    def step(self, dt_s: float) -> float:
        """Go on and give the new value."""
        self._at_s += dt_s
        while self._at_s >= self._grid_s - SLACK_s:
            self._at_s -= self._grid_s
            self._from, self._to = self._to, self._following(self._to)
        self.value = self._from + (self._to - self._from) * self._at_s / self._grid_s
        return self.value
