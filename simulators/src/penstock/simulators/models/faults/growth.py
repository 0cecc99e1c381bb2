"""How damage grows: three laws that agree in the mean time from their start to the functional failure.

Damage is driven by one number, the *dose*: what the part has done, scaled so that a dose of 1 − start leads from the
start severity to 1 on average. The laws map dose to severity; equal doses give equal severities, however they were cut
into steps, so that runs with steps of 0.1 s and of 1 s agree.

| law | severity | where |
|---|---|---|
| linear | start + dose | wear at a constant rate (Archard 1953: volume ~ load × path) |
| exponential | start · (1 / start)^(dose / (1 − start)) | damage that feeds itself: cracks (Paris and Erdogan 1963) |
| gamma | start + sum of independent Gamma(dose / θ, θ) | natural scatter; mean dose, variance θ · dose |

The gamma process: van Noortwijk 2009, Reliability Engineering & System Safety 94, 2.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Final

from penstock.simulators.models.fault import Law

SCATTER: Final = 0.01
"""θ of the gamma process: a standard deviation of 0.1 where the mean reaches 1."""
CELL: Final = 0.002
"""Dose of one drawn increment; between its ends severity goes straight. 500 draws in a life."""
START_MIN: Final = 0.01
"""Where exponential growth begins at least: from 0 it would never leave."""


@dataclass(slots=True)
class Growth:
    """Follow one law from a start severity; `key` seeds the draws, so that a loaded state goes on as it would have."""

    law: Law
    start: float
    key: str
    dose: float = 0.0
    _cell: int = 0
    _drawn: float = 0.0
    _increment: float = field(default=-1.0)

    @property
    def severity(self) -> float:
        """Give the severity of the present dose, at most 1."""
        match self.law:
            case Law.LINEAR:
                found = self.start + self.dose
            case Law.EXPONENTIAL:
                start = max(self.start, START_MIN)
                found = start * (1.0 / start) ** (self.dose / max(1e-9, 1.0 - start)) if self.dose else self.start
            case Law.GAMMA:
                found = self.start + self._path()
        return min(1.0, found)

    def add(self, dose: float) -> None:
        """Go on by a dose ≥ 0."""
        self.dose += dose

    def _path(self) -> float:
        while self.dose >= (self._cell + 1) * CELL and self.start + self._drawn < 1.0:
            self._drawn += self._draw()
            self._cell, self._increment = self._cell + 1, -1.0
        return self._drawn + (self.dose / CELL - self._cell) * self._draw()

    def _draw(self) -> float:
        if self._increment < 0.0:
            chance = Random(f"{self.key}/{self._cell}")  # noqa: S311  physics, not secrets
            self._increment = chance.gammavariate(CELL / SCATTER, SCATTER)
        return self._increment
