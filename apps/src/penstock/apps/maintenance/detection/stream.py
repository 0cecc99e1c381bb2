"""A series that is judged from its first row on: nothing is known beforehand, everything is learned as it comes.

Theory of operation. Seven features of the series – jumps up and down against its recent level, highs and lows against
its long one, the recent level against the long one both ways, and its roughness – each have a tail that is followed
(`tails`). The worst ratio to its limit is the score. No row is looked at twice, and none before its time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.alarms import Alarm, Delay
from penstock.apps.maintenance.detection.detector import Judged
from penstock.apps.maintenance.detection.judge import shared
from penstock.apps.maintenance.detection.model import VERSION, ModelError
from penstock.apps.maintenance.detection.numbers import Floats
from penstock.apps.maintenance.detection.tails import Tail, TailSettings

FEATURES: Final = ("jump up", "jump down", "high", "low", "level up", "level down", "roughness")


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The one configuration of the family: weights of the newest row in recent level, smooth level and roughness, the
    least weight in the long level; rows below all limits after which a next excess is an alarm of its own.
    """

    tail: TailSettings = field(default_factory=TailSettings)
    recent: float = 0.1
    smooth: float = 0.05
    long_min: float = 0.001
    calm_rows: int = 50


class Stream:
    """Rows of c channels in, judgements out, each channel on its own; state through `to_json` and `restore`."""

    def __init__(self, channels: int, settings: StreamSettings | None = None) -> None:
        self._settings = settings or StreamSettings()
        self._series = [_Series(self._settings) for _ in range(channels)]
        self._delay = Delay(1, self._settings.calm_rows)

    def on_rows(self, times_ns: NDArray[np.int64], values: Floats) -> Judged:
        """Take n rows (n, c) in time order, NaN where nothing was read; `reasons` hold the channel and the feature."""
        n, channels = values.shape
        scores, shares = np.full(n, np.nan), np.zeros((n, channels))
        reasons, active = np.full((n, 2), -1), np.zeros(n, np.bool_)
        alarms = []
        for i, (time_ns, row) in enumerate(zip(times_ns.tolist(), values.tolist(), strict=True)):
            said = [series.on_value(v) for series, v in zip(self._series, row, strict=True) if not math.isnan(v)]
            if said:
                places = [c for c, v in enumerate(row) if not math.isnan(v)]
                worst = max(range(len(said)), key=lambda place: said[place][0])
                scores[i], feature = said[worst]
                reasons[i] = places[worst], feature
                shares[i, places] = _shares([ratio for ratio, _ in said])
            if self._delay.on_score(float(scores[i])):
                alarms.append(Alarm(time_ns, self._delay.active, float(scores[i]), tuple(shares[i].tolist())))
            active[i] = self._delay.active
        return Judged(times_ns, scores, shares, reasons, active, tuple(alarms))

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return {
            "version": VERSION,
            "series": [series.to_json() for series in self._series],
            "delay": self._delay.to_json(),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave; ModelError where it is of another version or of other channels."""
        if kept.get("version") != VERSION or len(kept["series"]) != len(self._series):
            message = "a stream's state of another version or of other channels: judge the history again"
            raise ModelError(message)
        for series, one in zip(self._series, kept["series"], strict=True):
            series.restore(one)
        self._delay.restore(kept["delay"])


def _shares(ratios: list[float]) -> Floats:
    """Share out among the channels by the squares of their ratios."""
    return shared(np.array(ratios) ** 2)


class _Series:
    """One channel: its levels, its roughness and the tails of its features."""

    def __init__(self, settings: StreamSettings) -> None:
        self._settings = settings
        self._tails = [Tail(settings.tail) for _ in FEATURES]
        self._n = 0
        self._last = self._recent = self._smooth = self._long = self._rough = 0.0

    def on_value(self, value: float) -> tuple[float, int]:
        """Give the worst ratio and its feature; levels know only what came before."""
        if self._n == 0:
            self._last = self._recent = self._smooth = self._long = value
        self._smooth += self._settings.smooth * (value - self._smooth)
        self._rough += self._settings.smooth * (abs(value - self._last) - self._rough)
        jump, high, level = value - self._recent, value - self._long, self._smooth - self._long
        features = (jump, -jump, high, -high, level, -level, self._rough)
        ratios = [tail.on_value(max(v, 0.0)) for tail, v in zip(self._tails, features, strict=True)]
        self._n += 1
        self._last = value
        self._recent += self._settings.recent * jump
        self._long += max(1 / self._n, self._settings.long_min) * high
        worst = max(range(len(ratios)), key=ratios.__getitem__)
        return ratios[worst], worst

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        levels = [self._last, self._recent, self._smooth, self._long, self._rough]
        return {"n": self._n, "levels": levels, "tails": [tail.to_json() for tail in self._tails]}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self._n = int(kept["n"])
        self._last, self._recent, self._smooth, self._long, self._rough = (float(v) for v in kept["levels"])
        for tail, one in zip(self._tails, kept["tails"], strict=True):
            tail.restore(one)
