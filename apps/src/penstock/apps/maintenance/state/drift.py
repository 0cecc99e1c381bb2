"""Do a machine's rows still look like the healthy ones that its model knows, while no alarm stands?

Theory of operation. A model judges well as long as sound rows score as they did in the fit. Seasons, new products, an
exchanged sensor move them: first the scores creep up under the limit, later sound rows raise alarms. So the scores of
the held-out healthy rows (which the fit's directions have not seen) are kept as a few quantiles, and what share of the
newer rows falls between them is compared with what the fit lets expect by the population stability index

    PSI = Σ (a − e) ln(a / e),    a: newer share, e: expected share

(Siddiqi 2006, Credit Risk Scorecards, ch. 8: below 0.1 no change, 0.1 to 0.25 some, above 0.25 a shift), for the two
bins below and above each quantile; the largest counts. Only more rows above are a drift: rows that score lower than
expected are described well, and a machine at rest shall not hide the others. With n newer and m held-out independent
rows, PSI / (1/n + 1/m) is χ² with one degree of freedom where nothing has changed (Yurdakul and Naranjo 2020,
Statistical properties of the population stability index, Journal of Risk Model Validation 14); what chance alone gives
once in a thousand, at one of four quantiles, is not called a change.

Rows while an alarm stands do not count, they are no healthy ones. Newer rows weigh more, by halves over as many rows as
the healthy stretch holds, so both sides hold the same cycles. Memory is a handful of numbers.

What it cannot tell: a slow fault moves the scores as a season does. *Refit advised* asks somebody to look first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.limits import independent

LEVELS: Final = (0.5, 0.75, 0.9, 0.97)
"""Of the held-out scores: the edges."""
WATCH, REFIT = 0.1, 0.25
ROWS_MIN: Final = 100
"""Newer rows before which nothing is said."""
HALF_MIN: Final = 200
SHARE_MIN: Final = 1e-4
"""Shares are no smaller, so that an empty bin is not infinitely surprising."""
CHI2_SURE: Final = 13.41
"""The quantile of χ² with 1 degree of freedom at 1 − 0.001 / 4: one of four levels."""
SAID_EVERY: Final = 20
"""Times a half-life that the drift is written."""
DRIFT: Final = "model_drift"


class Standing(StrEnum):
    """What is said of a model."""

    OK = "ok"
    WATCH = "watch"
    REFIT = "refit advised"
    UNKNOWN = "not known"


@dataclass(frozen=True, slots=True)
class Expected:
    """Of a fit: `edges` of the bins, quantiles of the held-out scores at `LEVELS`; `rows` of them; `worth`: what a row
    is worth in independent ones; `half_rows`: newer rows after which a row's weight is a half."""

    edges: tuple[float, ...]
    rows: int
    worth: float
    half_rows: int

    @classmethod
    def of_json(cls, kept: Mapping[str, Any] | None) -> Expected | None:
        """Take what `asdict` gave; None where nothing was kept."""
        if not kept:
            return None
        edges = tuple(float(e) for e in kept["edges"])
        return cls(edges, int(kept["rows"]), float(kept["worth"]), int(kept["half_rows"]))


def expected_of(scores: NDArray[np.float64], healthy_rows: int) -> Expected | None:
    """Read what to expect off the scores of held-out healthy rows, in time order; None where they are too few."""
    known = scores[np.isfinite(scores)]
    if len(known) < ROWS_MIN:
        return None
    edges = tuple(float(q) for q in np.quantile(known, LEVELS))
    return Expected(edges, len(known), independent(known) / len(known), max(healthy_rows, HALF_MIN))


@dataclass(slots=True)
class Drift:
    """Newer rows by bin, the older the less they weigh; `psi` says how far they are from what was expected."""

    expected: Expected
    weights: list[float]
    rows: int = 0
    newest_ns: int = 0

    @classmethod
    def of(cls, expected: Expected) -> Drift:
        """Begin with no rows."""
        return cls(expected, [0.0] * (len(LEVELS) + 1))

    def on_score(self, time_ns: int, score: float, *, alarmed: bool) -> bool:
        """Take a row's score; say whether it is time to write the drift. Rows that were seen before do not count."""
        if time_ns <= self.newest_ns or math.isnan(score):
            return False
        self.newest_ns = time_ns
        if alarmed:
            return False
        fade = 0.5 ** (1.0 / self.expected.half_rows)
        self.weights = [w * fade for w in self.weights]
        self.weights[sum(score > edge for edge in self.expected.edges)] += 1.0
        self.rows += 1
        return self.rows >= ROWS_MIN and self.rows % max(1, self.expected.half_rows // SAID_EVERY) == 0

    @property
    def psi(self) -> float | None:
        """Give the index, 0 where no more rows than expected are above any edge; None before enough rows were seen."""
        if self.rows < ROWS_MIN:
            return None
        total = sum(self.weights)
        above = [sum(self.weights[i + 1 :]) / total for i in range(len(LEVELS))]
        return max(_two_bins(a, 1.0 - level) for a, level in zip(above, LEVELS, strict=True))

    @property
    def chance(self) -> float:
        """Give the index that chance alone exceeds once in a thousand times."""
        worth = self.expected.worth
        return CHI2_SURE * (1.0 / max(sum(self.weights) * worth, 1e-9) + 1.0 / (self.expected.rows * worth))

    @property
    def standing(self) -> Standing:
        """Say what that means."""
        return standing_of(self.psi, self.chance)

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return {"weights": self.weights, "rows": self.rows, "newest_ns": self.newest_ns, "edges": self.expected.edges}

    def restore(self, kept: Mapping[str, Any] | None) -> None:
        """Take what `to_json` gave; counts of another model are of no use."""
        if kept and tuple(kept.get("edges", ())) == self.expected.edges:
            self.weights = [float(w) for w in kept["weights"]]
            self.rows, self.newest_ns = int(kept["rows"]), int(kept["newest_ns"])


def _two_bins(actual: float, expected: float) -> float:
    if actual <= expected:
        return 0.0
    below = max(1.0 - actual, SHARE_MIN)
    return (actual - expected) * (math.log(actual / expected) - math.log(below / (1.0 - expected)))


def standing_of(psi: float | None, chance: float) -> Standing:
    """Say what an index means, where chance alone may give `chance`."""
    if psi is None:
        return Standing.UNKNOWN
    if psi < max(WATCH, chance):
        return Standing.OK if chance < REFIT or psi < WATCH else Standing.UNKNOWN
    return Standing.WATCH if psi < REFIT else Standing.REFIT
