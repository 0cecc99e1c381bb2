"""Deviations → moving averages → T², SPE and the largest channel: how far a machine is from its healthy state.

Theory of operation. A row and its predecessors are stacked (dynamic PCA, Ku, Disney and Storey 1995) and whitened;
moving averages of several lengths are taken (MEWMA, Lowry et al. 1992): short ones see large changes soon, long ones
small ones at all. Each average is split in the principal space (T²) and its residual (SPE), each direction in units of
its own healthy spread; beside them stands the largest single channel, for what a sum over many would hide.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.numbers import Floats, listed, unlisted


class Averages:
    """Moving averages of the whitened stack (m, d) and of the channels (m, u), row by row."""

    def __init__(self, mean: Floats, whiten: Floats, *, lambdas: Floats, channels: int) -> None:
        self._mean, self._whiten, self._channels = mean, whiten, channels
        self._weights = lambdas[:, None]
        self.stack: Floats | None = None
        self.reset()

    def reset(self) -> None:
        """Start as after an interruption: at the healthy mean, with no row before."""
        self.stack = None
        self.directions = np.zeros((len(self._weights), len(self._mean)))
        self.channels = np.zeros((len(self._weights), self._channels))

    def on_deviation(self, deviation: Floats) -> None:
        """Take one row's deviations (u,)."""
        centred = stacked(deviation, self.stack, len(self._mean))
        self.stack = centred
        centred = centred - self._mean
        self.directions += self._weights * (centred @ self._whiten - self.directions)
        self.channels += self._weights * (centred[: self._channels] - self.channels)

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        stack = None if self.stack is None else listed(self.stack)
        return {"stack": stack, "directions": listed(self.directions), "channels": listed(self.channels)}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self.stack = None if kept["stack"] is None else unlisted(kept["stack"])
        self.directions, self.channels = unlisted(kept["directions"]), unlisted(kept["channels"])


def stacked(deviation: Floats, before: Floats | None, length: int) -> Floats:
    """Give the newest row in front of its predecessors; a row without any is its own."""
    if before is None:
        return np.tile(deviation, length // len(deviation))
    return np.concatenate([deviation, before[: length - len(deviation)]])


class Statistics:
    """The three statistics of each moving average, and which channels make them."""

    def __init__(self, whiten: Floats, residual: int, *, direction_scale: Floats, channel_scale: Floats) -> None:
        self._whiten = whiten
        self._per_variance = direction_scale**-2.0
        self._per_channel = channel_scale**-2.0
        self._spaces = (slice(residual, None), slice(0, residual))
        self._means = np.zeros((len(whiten), 2))
        for statistic, space in enumerate(self._spaces):
            self._means[space, statistic] = 1.0 / max(len(self._means[space]), 1)
        channels = channel_scale.shape[1]
        self._undo = [[self._undoing(v, space, channels) for space in self._spaces] for v in self._per_variance]

    def _undoing(self, per_variance: Floats, space: slice, channels: int) -> Floats:
        """Give, for each channel (u, lags + 1, lags + 1), the inverse of what the statistic makes of its values."""
        directions = self._whiten[:, space]
        own = directions.reshape(len(directions) // channels, channels, directions.shape[1])
        blocks = np.einsum("iuk,k,juk->uij", own, per_variance[space], own)
        return np.asarray(np.linalg.pinv(blocks, hermitian=True), np.float64)

    def of(self, averages: Averages) -> Floats:
        """Give the cube roots of T² and SPE, each a mean over its directions, and of the largest channel's square."""
        squares = averages.directions * averages.directions * self._per_variance
        out = np.empty((len(squares), 3))
        out[:, :2] = squares @ self._means
        out[:, 2] = (averages.channels * averages.channels * self._per_channel).max(axis=1)
        return np.cbrt(out)

    def shares(self, averages: Averages, which: int, *, statistic: int) -> Floats:
        """Give the shares (u,) of the channels in one statistic of the moving average `which`; they add up to 1.

        T² and SPE by reconstruction (Alcala and Qin 2009): how much of the statistic vanishes when a channel, all its
        lags together, is put right. Unlike with plain contributions (Westerhuis et al. 2000) a channel that alone is
        far off always comes first.
        """
        channels = averages.channels.shape[1]
        if statistic == 2:
            parts: Floats = averages.channels[which] ** 2 * self._per_channel[which]
        else:
            space = self._spaces[statistic]
            pull = self._whiten[:, space] @ (averages.directions[which] * self._per_variance[which])[space]
            own = pull.reshape(-1, channels)
            parts = np.einsum("iu,uij,ju->u", own, self._undo[which][statistic], own)
        return shared(parts)


def worst(ratios: NDArray[np.float64]) -> tuple[int, int, float]:
    """Give moving average, statistic and value of the largest ratio to its limit."""
    place = int(ratios.argmax())
    return place // ratios.shape[1], place % ratios.shape[1], float(ratios.flat[place])


def shared(parts: Floats) -> Floats:
    """Give parts that add up to 1; all zero where there is nothing to share."""
    total = float(parts.sum())
    return np.divide(parts, total) if total > 0 else parts
