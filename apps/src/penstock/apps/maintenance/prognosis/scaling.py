"""Channels in units of their healthy noise, within regimes, in an order and direction of their own.

Names, units, offsets, signs and the order of channels carry no meaning: a channel is known by how it moves. Each is
centred and scaled within its operating regime on rows that are still far from the failure; turned so that it rises
towards the failure; and ordered by how far it moves. What does not move is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from penstock.apps.maintenance.prognosis.regimes import Regimes
from penstock.apps.maintenance.prognosis.runs import Floats, Ints

CLIP: Final = 30.0
"""Healthy standard deviations; what lies beyond is a broken reading as often as wear."""
ROWS_MIN: Final = 10
"""Healthy rows of a regime with a value; where there are fewer, all of its rows give centre and scale."""
DIGITS: Final = 6
"""Rounded to, so that a channel that comes rescaled gives the same figures to the last bit."""
TRIM: Final = 0.01
"""Of the values at each end, that do not count for the spread."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """used (u,): channels by falling relevance; turn (u,): ±1; centre, scale (k, u) by regime, scale 0: never moves."""

    regimes: Regimes
    used: Ints
    turn: Floats
    centre: Floats
    scale: Floats

    def of_rows(self, values: Floats) -> Floats:
        """Give rows (n, c) as deviations (n, u), NaN where nothing was read or the regime is unknown."""
        regime = self.regimes.of_rows(values)
        deviation = _deviations(values[:, self.used], regime, centre=self.centre, scale=self.scale)
        return np.round(np.clip(deviation, -CLIP, CLIP) * self.turn, DIGITS)


def _deviations(values: Floats, regime: Ints, *, centre: Floats, scale: Floats) -> Floats:
    unit = np.where(scale > 0, scale, np.inf)[regime]
    deviation = (values - centre[regime]) / unit
    return np.where((regime < 0)[:, None] | ~np.isfinite(values), np.nan, deviation)


def fit_scaling(
    runs: Sequence[Floats],
    regimes: Regimes,
    *,
    healthy: Sequence[slice],
    last_rows: int,
    relevance_min: float,
    channels_max: int,
) -> Scaling:
    """Fit on rows of runs to failure (n_i, c); `healthy` rows give level and noise, the last ones the relevance."""
    values = np.vstack([run[part] for run, part in zip(runs, healthy, strict=True)])
    every = np.vstack(runs)
    centre, scale = _levels(values, every, regimes)
    ends = np.stack([_mean_end(run[-last_rows:], regimes, centre=centre, scale=scale) for run in runs])
    relevance = np.round(np.sqrt(np.nanmean(np.square(ends), axis=0) * last_rows), DIGITS)
    relevance[(scale == 0).all(axis=0)] = 0.0
    least = relevance_min if (relevance >= relevance_min).any() else np.nextafter(0.0, 1.0)
    used = np.argsort(-relevance, kind="stable")[:channels_max]
    used = used[relevance[used] >= least]
    turn = np.where(np.nanmean(ends[:, used], axis=0) < 0, -1.0, 1.0)
    return Scaling(regimes, used.astype(np.int64), turn, centre[:, used], scale[:, used])


def _mean_end(rows: Floats, regimes: Regimes, *, centre: Floats, scale: Floats) -> Floats:
    deviation = np.clip(_deviations(rows, regimes.of_rows(rows), centre=centre, scale=scale), -CLIP, CLIP)
    read = np.isfinite(deviation)
    mean: Floats = np.where(read, deviation, 0.0).sum(axis=0) / np.maximum(read.sum(axis=0), 1)
    return mean


def _levels(healthy: Floats, every: Floats, regimes: Regimes) -> tuple[Floats, Floats]:
    """Give trimmed means and deviations (k, c); of all rows where healthy ones are too few or stand still."""
    in_healthy, in_every = regimes.of_rows(healthy), regimes.of_rows(every)
    shape = (len(regimes), every.shape[1])
    centre, scale = np.zeros(shape), np.zeros(shape)
    for k in range(len(regimes)):
        for j in range(every.shape[1]):
            centre[k, j], scale[k, j] = _level(healthy[in_healthy == k, j], every[in_every == k, j])
    return centre, scale


def _level(healthy: Floats, every: Floats) -> tuple[float, float]:
    for column in (healthy, every):
        read = column[np.isfinite(column)]
        if len(read) < ROWS_MIN:
            continue
        kept = np.clip(read, *np.quantile(read, [TRIM, 1 - TRIM]))
        centre, scale = float(kept.mean()), float(kept.std())
        if scale > 1e-9 * float(np.abs(read).max()):
            return centre, scale
    return 0.0, 0.0
