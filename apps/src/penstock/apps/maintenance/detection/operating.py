"""What a machine's operating point lets expect: channels that wander only because they follow what is asked of it.

Theory of operation. A load that changes by the shift, or wind, makes every channel wander, and a level that follows
each of them would follow a slow fault as well. So a few channels that drive the others are sought, and of each that
wanders its expectation is a ridge regression on them: on their values, squares and cubes, for characteristic curves, on
products of two, and on moving averages of values and squares, for what follows with a lag, as temperatures follow
losses. (Removing operational and
environmental variation by regression: Sohn 2007, Philosophical Transactions A 365; Cross, Worden and Chen 2011.) It is
kept where what is left stands still in all healthy rows, those that it was not fitted on too; a channel of which it
does not is held against its own moving level as before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.numbers import Floats, listed, unlisted

DRIVERS_MAX: Final = 3
"""Load, speed and surroundings: with more, the products of two outgrow the healthy rows."""
GAIN_MIN: Final = 0.05
"""A further driver leaves at least so much less of what one less leaves unexplained,"""
WORTH: Final = 0.01
"""and at least so much less of the other channels' variance."""
LAGS: Final = (0.1, 0.03, 0.01)
"""Weights of the newest row in the moving averages."""
RIDGE: Final = 1e-3
"""Of the rows."""
STRANGE: Final = 2.0
"""So many times the fit's own residual, in other healthy rows, and the regression does not carry over."""
LEFT_MAX: Final = 0.5
"""Of a channel's own spread, in fit and other healthy rows, that the regression may leave."""
ROWS_MIN: Final = 200
"""Of fit and of limits each: some ten rows a feature of three drivers."""
READ_MIN: Final = 0.5
"""Share of the rows in which a driver has to be read."""
MARGIN: Final = 0.1
"""Of a driver's healthy range, by which it may be beyond it; further off the expectation stays where it is there."""


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """drivers (k,): places among the used channels; centre, scale, low, high (k,): of their deviations;
    weights (f, u): what the features make of each channel, 0 for one that is not modelled; modelled (u,): which are;
    unit (u,): scale of what is left, 1 for a channel that is not modelled.
    """

    drivers: NDArray[np.int64]
    driver_centre: Floats
    driver_scale: Floats
    driver_low: Floats
    driver_high: Floats
    weights: Floats
    modelled: NDArray[np.int64]
    unit: Floats

    @classmethod
    def none(cls, channels: int) -> OperatingPoint:
        """Give the one that expects nothing of any channel."""
        empty = np.zeros(0)
        flat = np.zeros((0, channels))
        return cls(
            np.zeros(0, np.int64), empty, empty, empty, empty, flat, np.zeros(channels, np.int64), np.ones(channels)
        )


class Expectation:
    """Follow the drivers row by row; give what each channel is expected at, in scales."""

    def __init__(self, point: OperatingPoint) -> None:
        self._point = point
        self._lags = np.array(LAGS)[:, None]
        self.averages: Floats | None = None
        self.held = np.full(len(point.drivers), np.nan)

    def forget(self) -> None:
        """Start as after an interruption."""
        self.averages = None
        self.held = np.full(len(self._point.drivers), np.nan)

    def on_deviation(self, deviation: Floats) -> Floats:
        """Take a row's deviations (u,); give what is expected (u,), 0 of what is not modelled, NaN if not known yet."""
        point = self._point
        own = deviation[point.drivers]
        lost = np.isnan(own)
        if lost.any():
            own = np.where(lost, self.held, own)
        self.held = own
        now = (
            np.minimum(np.maximum(own, point.driver_low), point.driver_high) - point.driver_centre
        ) / point.driver_scale
        powers = np.concatenate([now, now**2])
        if self.averages is None:
            self.averages = np.tile(powers, (len(LAGS), 1))
        else:
            step = self._lags * (powers - self.averages)
            if np.isnan(step).any():  # a driver is not read, or for the first time
                step = np.nan_to_num(step)
                self.averages = np.where(np.isnan(self.averages), powers, self.averages)
            self.averages = self.averages + step
        return np.asarray(features_of(now, self.averages) @ point.weights, np.float64)

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return {"averages": None if self.averages is None else listed(self.averages), "held": listed(self.held)}

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self.averages = None if kept["averages"] is None else unlisted(kept["averages"])
        self.held = unlisted(kept["held"])


def features_of(now: Floats, averages: Floats) -> Floats:
    """Give features of drivers (k,) and of moving averages (lags, 2k) of them and their squares; the first is 1."""
    k = len(now)
    products = [now[i] * now[j] for i in range(k) for j in range(i)]
    return np.concatenate([[1.0], now, now**2, now**3, averages.ravel(), products])


@dataclass(frozen=True, slots=True)
class Sought:
    """Places among the used channels. wandering: those whose level moves while healthy, which are to be explained;
    fixed: those that are held against a fixed level anyhow; drivers: those that may be one.
    """

    wandering: Collection[int]
    fixed: Collection[int]
    drivers: Collection[int]


@dataclass(frozen=True, slots=True)
class Measures:
    """What is asked of series: whether one stands still, whether several come back to where they were, its spread."""

    stands: Callable[[Floats], bool]
    stays: Callable[[Sequence[Floats]], bool]
    scale: Callable[[Floats], float]


def find_operating_point(stretches: Sequence[Floats], sought: Sought, measures: Measures) -> OperatingPoint:
    """Seek drivers among deviations (n, u) of the healthy stretches, the first of which is fitted on.

    A channel that wanders is held against its expectation where what that leaves is smaller and rests. One that is held
    against a fixed level anyhow, where it is half of what a straight line leaves, which the directions see for
    themselves: then it follows along a curve, or late.
    """
    fitted = stretches[0]
    none = OperatingPoint.none(fitted.shape[1])
    if not sought.wandering or min(len(rows) for rows in stretches) < ROWS_MIN:
        return none
    offered = [i for i in sought.drivers if all(np.isfinite(rows[:, i]).mean() >= READ_MIN for rows in stretches)]
    drivers = _drivers(fitted, list(sought.wandering), offered)
    if not drivers:
        return none
    draft = _draft(fitted, drivers)
    shown = [_features(draft, rows) for rows in stretches]
    weights = np.zeros((shown[0].shape[1], fitted.shape[1]))
    modelled, unit = none.modelled, none.unit
    for i in range(fitted.shape[1]):
        if i in drivers:
            continue
        series = [rows[:, i] for rows in stretches]
        solved = _solve(shown[0], series[0])
        left = _left_of(series, shown, solved)
        if min(len(each) for each in left) < ROWS_MIN:
            continue
        of_left = measures.scale(left[0])
        if of_left > 0 and (
            (i in sought.wandering and _rests(series, left, measures))
            or (i in sought.fixed and _is_bent(series, left, [seen[:, : 1 + len(drivers)] for seen in shown]))
        ):
            weights[:, i], modelled[i], unit[i] = solved, 1, of_left
    return replace(draft, weights=weights, modelled=modelled, unit=unit) if modelled.any() else none


def _left_of(series: Sequence[Floats], shown: Sequence[Floats], solved: Floats) -> list[Floats]:
    return [_finite(own - seen @ solved) for own, seen in zip(series, shown, strict=True)]


def _rests(series: Sequence[Floats], left: Sequence[Floats], measures: Measures) -> bool:
    """Say whether what is left of a channel is small, alike in all stretches, and has a level."""
    spread = [float(each.std()) for each in left]
    carries = all(each <= STRANGE * spread[0] for each in spread)
    explains = all(each <= LEFT_MAX * float(np.nanstd(own)) for each, own in zip(spread, series, strict=True))
    return carries and explains and (all(measures.stands(each) for each in left) or measures.stays(left))


def _is_bent(series: Sequence[Floats], left: Sequence[Floats], line: Sequence[Floats]) -> bool:
    """Say whether a channel is left much less than by a straight line on the drivers' newest row, in all stretches."""
    straight = _left_of(series, line, _solve(line[0], series[0]))
    return all(_rms(bent) <= LEFT_MAX * _rms(other) for bent, other in zip(left, straight, strict=True))


def _drivers(fitted: Floats, wandering: list[int], offered: Collection[int]) -> list[int]:
    """Take, one after the other, the channel that explains most of the others.

    What a channel would be itself does not count, so that what is hard to explain is no driver for that.
    """
    spread = np.nanstd(fitted[:, wandering], axis=0)
    chosen: list[int] = []
    left = np.where(spread > 0, 1.0, 0.0)
    while len(chosen) < DRIVERS_MAX:
        found = []
        for i in offered:
            if i in chosen:
                continue
            leaves = _left(fitted, [*chosen, i], wandering, spread)
            others = [place for place, j in enumerate(wandering) if j != i and j not in chosen]
            gain, before = float((left - leaves)[others].sum()), float(left[others].sum())
            if gain > max(GAIN_MIN * before, WORTH * len(others)):
                found.append((gain, -i, leaves))
        if not found:
            break
        _, best, left = max(found, key=lambda each: each[:2])
        chosen.append(-best)
    return chosen


def _left(fitted: Floats, drivers: list[int], wandering: list[int], spread: Floats) -> Floats:
    """Give the share of each channel's variance that drivers leave in the later half, fitted on the earlier one."""
    shown = _features(_draft(fitted, drivers), fitted)
    half = len(fitted) // 2
    shares = np.zeros(len(wandering))
    for place, i in enumerate(wandering):
        if i in drivers or spread[place] <= 0:
            continue
        left = _finite(fitted[half:, i] - shown[half:] @ _solve(shown[:half], fitted[:half, i]))
        shares[place] = min(1.0, float(np.mean(left**2)) / spread[place] ** 2) if len(left) else 1.0
    return shares


def _draft(fitted: Floats, drivers: list[int]) -> OperatingPoint:
    own = fitted[:, drivers]
    low, high = np.nanmin(own, axis=0), np.nanmax(own, axis=0)
    margin = MARGIN * (high - low)
    scale = np.maximum(np.nanstd(own, axis=0), 1e-12)
    empty = np.zeros((0, fitted.shape[1]))
    return OperatingPoint(
        np.array(drivers, np.int64), np.nanmean(own, axis=0), scale, low - margin, high + margin, empty,
        np.zeros(fitted.shape[1], np.int64), np.ones(fitted.shape[1]),
    )  # fmt: skip


def _features(point: OperatingPoint, rows: Floats) -> Floats:
    """Give the features (n, f) of rows in sequence."""
    own = _held(rows[:, point.drivers])
    now = (np.clip(own, point.driver_low, point.driver_high) - point.driver_centre) / point.driver_scale
    powers = np.hstack([now, now**2])
    averages = np.empty((len(rows), len(LAGS), powers.shape[1]))
    level = np.tile(powers[0], (len(LAGS), 1))
    lags = np.array(LAGS)[:, None]
    for i, row in enumerate(powers):
        level = level + lags * (row - level)
        averages[i] = level
    products = [now[:, i] * now[:, j] for i in range(now.shape[1]) for j in range(i)]
    parts = [np.ones((len(rows), 1)), now, now**2, now**3, averages.reshape(len(rows), -1)]
    return np.hstack([*parts, *(each[:, None] for each in products)])


def _held(own: Floats) -> Floats:
    """Hold the last value where nothing was read."""
    read = np.isfinite(own)
    place = np.maximum.accumulate(np.where(read, np.arange(len(own))[:, None], -1), axis=0)
    first = np.array([column[np.isfinite(column)][0] if np.isfinite(column).any() else 0.0 for column in own.T])
    return np.where(place >= 0, np.take_along_axis(own, np.maximum(place, 0), axis=0), first)


def _solve(features: Floats, target: Floats) -> Floats:
    read = np.isfinite(target)
    seen = features[read]
    penalty = RIDGE * len(seen) * np.eye(seen.shape[1])
    penalty[0, 0] = 0.0
    return np.asarray(
        np.linalg.solve(seen.T @ seen + penalty + 1e-9 * np.eye(len(penalty)), seen.T @ target[read]), np.float64
    )


def _rms(values: Floats) -> float:
    return float(np.sqrt(np.mean(values**2)))


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]
