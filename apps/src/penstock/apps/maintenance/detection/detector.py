"""Run a fitted model over rows as they come: scores, the channels' shares in them, alarms. Online, bounded memory.

Row by row whatever the blocks, so the blocks make no difference, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.alarms import Alarm, Standing
from penstock.apps.maintenance.detection.judge import Averages, Statistics, worst
from penstock.apps.maintenance.detection.model import VERSION, Model, ModelError
from penstock.apps.maintenance.detection.numbers import Floats
from penstock.apps.maintenance.detection.rows import Conditioner


@dataclass(frozen=True, slots=True)
class Judged:
    """What n rows say. `scores` (n,): the worst statistic over its limit, NaN for a row without values.

    `shares` (n, c): of the channels in that statistic, sum 1. `reasons` (n, 2): which moving average and which of
    `STATISTICS`, −1 for none. `active` (n,): an alarm stands after this row. `alarms`: its changes.
    """

    times_ns: NDArray[np.int64]
    scores: Floats
    shares: Floats
    reasons: NDArray[np.int64]
    active: NDArray[np.bool_]
    alarms: tuple[Alarm, ...]


class Follower(Protocol):
    """Who looks at each row together with the detector, to say more of it than that it is not as when healthy."""

    def on_row(
        self, time_ns: int, row: Floats, deviation: Floats | None, *, averages: Averages, average: int, score: float,
        active: bool,
    ) -> None:  # fmt: skip
        """Take the readings (u,) of the used channels, their deviations (None: an empty row), and what came of them.

        `average`: the moving average that is worst, −1 for none; `active`: an alarm stands after this row.
        """


class Detector:
    """Rows in, judgements out; the whole state but the follower's goes through `to_json` and `restore`."""

    def __init__(self, model: Model, follower: Follower | None = None) -> None:
        self.model = model
        self._follower = follower
        channels = len(model.used)
        self._rows = Conditioner(
            model.settings,
            model.centre,
            scale=model.scale,
            gain=model.gain,
            gap_ns=model.gap_ns,
            reach=(model.level_low, model.level_high),
            operating=model.operating,
        )
        self._rows.learn_others(model.mean[:channels], model.covariance)
        self._averages = Averages(model.mean, model.whiten, lambdas=model.lambdas, channels=channels)
        self._statistics = Statistics(
            model.whiten,
            model.residual,
            direction_scale=model.direction_scale,
            channel_scale=model.channel_scale,
        )
        self._per_limit = 1.0 / model.limits
        self._standing = Standing(model.settings.on_rows, model.settings.off_rows)

    @property
    def active(self) -> bool:
        """Say whether an alarm stands."""
        return self._standing.active

    def on_rows(self, times_ns: NDArray[np.int64], values: Floats) -> Judged:
        """Take n rows (n, c) in time order, NaN where nothing was read."""
        n, channels = values.shape
        scores, shares = np.full(n, np.nan), np.zeros((n, channels))
        reasons, active = np.full((n, 2), -1), np.zeros(n, np.bool_)
        alarms = []
        used = self.model.used
        for i, (time_ns, row) in enumerate(zip(times_ns.tolist(), values[:, used], strict=True)):
            seen = self._rows.on_row(time_ns, row)
            if seen is not None:
                average, statistic, scores[i] = self._judge(*seen)
                reasons[i] = average, statistic
                shares[i, used] = self._statistics.shares(self._averages, average, statistic=statistic)
            if self._standing.on_score(float(scores[i]), shares[i]):
                alarms.append(Alarm(time_ns, self._standing.active, float(scores[i]), tuple(shares[i].tolist())))
            active[i] = self._standing.active
            if self._follower is not None:
                self._follower.on_row(
                    time_ns,
                    row,
                    None if seen is None else seen[0],
                    averages=self._averages,
                    average=int(reasons[i, 0]),
                    score=float(scores[i]),
                    active=self._standing.active,
                )
        return Judged(times_ns, scores, shares, reasons, active, tuple(alarms))

    def _judge(self, deviation: Floats, parted: bool) -> tuple[int, int, float]:
        if parted:
            self._averages.reset()
        self._averages.on_deviation(deviation)
        return worst(self._statistics.of(self._averages) * self._per_limit)

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values; the model is kept apart."""
        return {
            "version": VERSION,
            "digest": self.model.fitted_on.digest,
            "rows": self._rows.to_json(),
            "averages": self._averages.to_json(),
            "standing": self._standing.to_json(),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave; ModelError where it belongs to another model."""
        if kept.get("version") != VERSION or kept.get("digest") != self.model.fitted_on.digest:
            message = "a state of another model or version: judge the history again from its start"
            raise ModelError(message)
        self._rows.restore(kept["rows"])
        self._averages.restore(kept["averages"])
        self._standing.restore(kept["standing"])
