"""The one configuration of the multivariate detection; no machine and no data set has constants of its own."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class DetectionSettings:
    """How the detection judges. Times are in rows, so that a replay at any speed gives the same.

    lags: earlier rows that are stacked on each row (dynamic PCA, Ku et al. 1995).
    memories: of the level that a channel is held against, longest first; 0 is a level that never moves. The longest
        with which the channel stands still while healthy is taken.
    wander_limit: of the KPSS statistic (Kwiatkowski et al. 1992) above which a channel wanders; a
        level that stands still comes so high once in some hundred records.
    lambdas: weights of the newest row in the moving averages (MEWMA, Lowry et al. 1992); 1 is the row itself.
    smooth_rows_min: independent values of a moving average that the healthy rows must hold for it to be used.
    confirm, alone, clip: a deviation above `confirm` scales counts once the row before had half of it, where no more
        than the share `alone` of the channels show one: a sensor's spike is no change of state. None counts above
        `clip`.
    share: of the variance that the principal space (T²) holds; the rest is judged by its residual (SPE).
    shrink: weight of the mean eigenvalue against each one.
    scale_rows: weight, in independent rows, of the fitted variance against that of the limit rows.
    sigmas: limits stand so many standard deviations above the mean of the limit rows, widened for their number.
    tail: probability a row at which the extreme-value tail (POT, Siffer et al. 2017) is read.
    fit_share: of a single healthy stretch that is fitted on; its later part gives the limits.
    hold_rows: a missing value is held so long, and is then what the other channels make of it.
    gap_periods: usual periods between rows above which the record counts as interrupted.
    on_rows, off_rows: rows at twice the limit or more that raise an alarm, later the nearer they are to it (`alarms`);
        rows below that clear it.
    """

    lags: int = 1
    memories: tuple[int, ...] = (0, 10_000, 1_000, 100, 30, 10)
    wander_limit: float = 1.0
    lambdas: tuple[float, ...] = (1.0, 0.3, 0.1, 0.03)
    smooth_rows_min: float = 5.0
    confirm: float = 5.0
    alone: float = 0.2
    clip: float = 20.0
    share: float = 0.9
    shrink: float = 0.05
    scale_rows: float = 20.0
    sigmas: float = 5.0
    tail: float = 1e-6
    fit_share: float = 0.6
    hold_rows: int = 3
    gap_periods: float = 20.0
    on_rows: int = 5
    off_rows: int = 30

    def to_json(self) -> dict[str, Any]:
        """Give the settings as JSON values."""
        return asdict(self)

    @classmethod
    def of_json(cls, kept: dict[str, Any]) -> DetectionSettings:
        """Take what `to_json` gave."""
        lists = {"memories": tuple(kept["memories"]), "lambdas": tuple(kept["lambdas"])}
        return cls(**{**kept, **lists})
