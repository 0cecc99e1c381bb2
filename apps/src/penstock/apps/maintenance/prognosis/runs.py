"""Runs of machines, and the steps that a fleet's time is counted in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class RunError(ValueError):
    """Say why runs cannot be used."""


@dataclass(frozen=True, slots=True)
class Run:
    """One machine from a start to an end: rising times (n,) ns, values (n, c), NaN where nothing was read.

    failed: it ends with the failure, so that the life left at each row is known.
    """

    name: str
    times_ns: Ints
    values: Floats
    failed: bool = False

    def __len__(self) -> int:
        return len(self.times_ns)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a fleet's time is counted: a usual period between rows, `rows` of them to a step, `life_steps` to a life."""

    period_ns: int
    rows: int
    life_steps: float

    @property
    def step_ns(self) -> int:
        """Give the length of a step."""
        return self.period_ns * self.rows

    def steps(self, share: float, least: int = 2) -> int:
        """Give a share of the typical life in whole steps."""
        return max(least, round(share * self.life_steps))


def pace_of(failed: Sequence[Run], steps_per_life: int) -> Pace:
    """Read the pace off runs to failure; RunError where there is none with more than one row."""
    gaps = [np.diff(run.times_ns) for run in failed if len(run) > 1]
    if not gaps:
        message = "no run to failure with more than one row"
        raise RunError(message)
    if any((gap <= 0).any() for gap in gaps):
        names = [run.name for run in failed if (np.diff(run.times_ns) <= 0).any()]
        message = f"times must rise: they do not in {names}"
        raise RunError(message)
    period_ns = int(np.median(np.concatenate(gaps)))
    lives = [(int(run.times_ns[-1]) - int(run.times_ns[0])) / period_ns + 1 for run in failed]
    life_rows = float(np.median(lives))
    rows = max(1, int(life_rows // steps_per_life))
    return Pace(period_ns, rows, life_rows / rows)
