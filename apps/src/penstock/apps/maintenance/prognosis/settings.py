"""The one configuration of the prognosis; no machine and no data set has constants of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PrognosisSettings:
    """How remaining life is estimated. Lengths are shares of the fleet's typical (median) life, never rows or hours.

    horizon_lives: how far the estimate looks ahead, as a share of a life of `steps_per_life` steps, or of the typical
        life where that is shorter. Early in its life a machine shows no wear, so what is left of it cannot be read
        from sensors: beyond the horizon the answer is "that long or longer". Five eighths of 200 steps is the usual
        cap of turbofan studies (Heimes 2008: 120 to 130 cycles), and a convention for other fleets: 31 to 63 % of
        their lives. Where faults show later than that, intervals near the horizon become wide and say so; where
        they show earlier, the horizon hides it.
    steps_per_life: a life of twice as many rows or more is averaged down to between so many and twice so many steps.
    rungs_lives: lengths of the windows, shortest first. A row is judged by the longest window that its history fills.
    regime_share: of the rows that an operating regime must hold.
    relevance_min: end-of-life shift of a channel, in standard errors, from which on it is used.
    channels_max: the most relevant channels that are used.
    folds: members of the ensemble; each leaves out one fold of the machines, whose errors give the intervals.
    index_parts, index_ridge: parts of the horizon that health indices are fitted on, and their ridge, of the rows.
    components: principal components of each part of the features that join the indices.
    trees, learning_rate, leaves, leaf_rows, ridge, feature_share: of the boosted trees of a member.
    forests: of a member, grown from seeds of their own, whose mean it answers with: which features a tree is offered is
        chance, and the mean of two has less of it.
    rows_max: rows that a member is fitted on, spread over all lives.
    coverage: of the intervals.
    bins, bin_runs: intervals differ by estimate, in at most so many bins, of at least so many runs each.
    seed: of the folds and the trees.
    """

    horizon_lives: float = 0.625
    steps_per_life: int = 200
    rungs_lives: tuple[float, ...] = (0.05, 0.1, 0.15, 0.2, 0.27)
    regime_share: float = 0.02
    relevance_min: float = 2.0
    channels_max: int = 40
    folds: int = 5
    index_parts: tuple[float, ...] = (1.0, 0.5, 0.2)
    index_ridge: float = 0.05
    components: int = 3
    trees: int = 200
    learning_rate: float = 0.05
    leaves: int = 15
    leaf_rows: int = 40
    ridge: float = 5.0
    feature_share: float = 0.3
    forests: int = 2
    rows_max: int = 8000
    coverage: float = 0.9
    bins: int = 8
    bin_runs: int = 10
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Give the settings as JSON values."""
        return asdict(self)

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> PrognosisSettings:
        """Take what `to_json` gave."""
        lists = {name: tuple(kept[name]) for name in ("rungs_lives", "index_parts")}
        return cls(**{"forests": 1, **kept, **lists})  # which older ones do not say
