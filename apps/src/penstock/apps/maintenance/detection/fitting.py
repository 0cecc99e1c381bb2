"""Fit the detection on healthy rows: scales and directions on the earlier, spreads and limits on the later ones."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.habits import habits_of
from penstock.apps.maintenance.detection.judge import Averages, Statistics, stacked
from penstock.apps.maintenance.detection.limits import limit_of, without_moments
from penstock.apps.maintenance.detection.model import FittedOn, Model
from penstock.apps.maintenance.detection.numbers import Floats
from penstock.apps.maintenance.detection.operating import Measures, OperatingPoint, Sought, find_operating_point
from penstock.apps.maintenance.detection.rows import Conditioner
from penstock.apps.maintenance.detection.scaling import (
    centre,
    choose_memory,
    counts,
    moving_deviation,
    robust_scale,
    stands,
    stays,
    turns,
)
from penstock.apps.maintenance.detection.settings import DetectionSettings

FIT_ROWS_MIN = 30
LIMIT_ROWS_MIN = 20
"""Rows below which a spread, and a limit, would be a guess; what few rows there are makes the limits wide."""
GAP_QUANTILE = 0.99
"""Of the healthy periods: three times that is a gap, whatever is usual, where devices come at paces of their own."""
REACH, REACH_MIN, FREE = 1.0, 3.0, 1e12
"""So far beyond the lowest and the highest healthy moving level it may go: of the way between them, and in scales."""
FLOOR = 0.01
"""Of the median variance, below which no direction and no channel is judged."""


class FitError(ValueError):
    """Say why healthy rows are not enough to fit on."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one asset: rising times (n,) ns, values (n, c), NaN where nothing was read."""

    times_ns: NDArray[np.int64]
    values: Floats

    def __len__(self) -> int:
        return len(self.times_ns)

    def part(self, start: int, stop: int) -> Rows:
        """Give rows start … stop − 1."""
        return Rows(self.times_ns[start:stop], self.values[start:stop])


def fit(
    healthy: Rows,
    limits: Rows | None = None,
    *,
    channels: Sequence[str],
    source: str,
    settings: DetectionSettings | None = None,
    damage: Collection[str] = (),
) -> Model:
    """Fit on healthy rows, limits from other healthy rows; where there are none, from the later part of the first.

    `damage`: channels by which failures are known: what tells of damage does not stand for what is asked of the
    machine. FitError where rows or moving channels are too few.
    """
    settings = settings or DetectionSettings()
    stretches = (healthy,) if limits is None else (healthy, limits)
    if limits is None:
        cut = int(len(healthy) * settings.fit_share)
        healthy, limits = healthy.part(0, cut), healthy.part(cut, len(healthy))
    _require(healthy, limits, len(channels))
    frame = _frame(
        healthy, (healthy, limits), settings, whole=stretches, damage=[i for i, c in enumerate(channels) if c in damage]
    )
    _require_values(*(Rows(rows.times_ns, rows.values[:, frame.used]) for rows in (healthy, limits)))
    deviations = np.array([d for d, _ in _deviations(frame, healthy)])
    directions = _directions(deviations, settings)
    frame.conditioner_mean = directions.mean[: len(frame.used)]
    frame.conditioner_covariance = directions.covariance
    lambdas = _lambdas(settings, len(limits))
    spread = _spread(frame, (healthy, limits), directions, lambdas=lambdas)
    limit = _limits(frame, limits, directions, lambdas=lambdas, spread=spread)
    return Model(
        settings,
        _fitted_on(healthy, limits, channels, source=source),
        used=frame.used,
        centre=frame.centre,
        scale=frame.scale,
        gain=frame.gain,
        level_low=frame.level_low,
        level_high=frame.level_high,
        gap_ns=frame.gap_ns,
        operating=frame.operating,
        mean=directions.mean,
        whiten=directions.whiten,
        residual=directions.residual,
        covariance=directions.covariance,
        lambdas=lambdas,
        direction_scale=spread[0],
        channel_scale=spread[1],
        limits=limit,
        habits=habits_of((healthy.values[:, frame.used] - frame.centre) / frame.scale),
    )


def _require(healthy: Rows, limits: Rows, channels: int) -> None:
    for rows in (healthy, limits):
        if rows.values.shape != (len(rows), channels):
            message = f"{len(rows)} times and {channels} channels, but values of shape {rows.values.shape}"
            raise FitError(message)
    _require_values(healthy, limits)


def _require_values(healthy: Rows, limits: Rows) -> None:
    filled, checked = (int(np.isfinite(rows.values).any(axis=1).sum()) for rows in (healthy, limits))
    if filled < FIT_ROWS_MIN or checked < LIMIT_ROWS_MIN:
        message = (
            f"{filled} healthy rows with values to fit on and {checked} for the limits: "
            f"at least {FIT_ROWS_MIN} and {LIMIT_ROWS_MIN} are needed"
        )
        raise FitError(message)


@dataclass(slots=True)
class _Frame:
    """How rows become deviations."""

    settings: DetectionSettings
    used: NDArray[np.int64]
    centre: Floats
    scale: Floats
    gain: Floats
    gap_ns: int
    operating: OperatingPoint
    level_low: Floats
    level_high: Floats
    conditioner_mean: Floats | None = None
    conditioner_covariance: Floats | None = None

    def conditioner(self) -> Conditioner:
        new = Conditioner(
            self.settings,
            self.centre,
            scale=self.scale,
            gain=self.gain,
            gap_ns=self.gap_ns,
            reach=(self.level_low, self.level_high),
            operating=self.operating,
        )
        if self.conditioner_mean is not None and self.conditioner_covariance is not None:
            new.learn_others(self.conditioner_mean, self.conditioner_covariance)
        return new


def _frame(
    healthy: Rows,
    stretches: tuple[Rows, Rows],
    settings: DetectionSettings,
    *,
    whole: Sequence[Rows],
    damage: Collection[int],
) -> _Frame:
    """`stretches`: rows to fit on and rows for the limits; `whole`: the same as they were named; `damage`: places."""
    level = centre(healthy.values)
    still = robust_scale(healthy.values)
    used = np.flatnonzero((still > 0) & ~np.array([counts(column) for column in healthy.values.T]))
    if not len(used):
        message = "no channel moves in the healthy rows, or all only count"
        raise FitError(message)
    memories = [choose_memory([s.values[:, i] for s in whole], settings.memories, settings.wander_limit) for i in used]
    scale = still[used]
    for place, (i, memory) in enumerate(zip(used, memories, strict=True)):
        column = healthy.values[:, i]
        moved = moving_deviation(column[np.isfinite(column)], memory)
        scale[place] = robust_scale(moved[:, None])[0] or scale[place]
    gain = np.array([1 / memory if memory else 0.0 for memory in memories])
    staying = np.array(
        [g > 0 and stays([rows.values[:, i] for rows in stretches]) for i, g in zip(used, gain, strict=True)]
    )
    scale = np.where(staying, still[used], scale)
    deviations = [(rows.values[:, used] - level[used]) / scale for rows in stretches]
    sought = Sought(
        wandering=np.flatnonzero(gain > 0).tolist(),
        fixed=np.flatnonzero(staying | (gain == 0)).tolist(),
        drivers=[place for place, i in enumerate(used) if i not in damage],
    )
    operating = find_operating_point(deviations, sought, _measures(settings))
    gain = np.where(staying | (operating.modelled > 0), 0.0, gain)
    low, high = _reach(deviations, gain)
    return _Frame(settings, used, level[used], scale, gain, _gap_ns(healthy, settings), operating, low, high)


def _reach(stretches: Sequence[Floats], gain: Floats) -> tuple[Floats, Floats]:
    """Give how low and how high moving levels may go (u,), in scales: as far again as they went while healthy.

    Where they only went one way nobody knows how far they go.
    """
    low, high = np.full(len(gain), -FREE), np.full(len(gain), FREE)
    for i in np.flatnonzero(gain > 0):
        columns = [column for rows in stretches if len(column := rows[np.isfinite(rows[:, i]), i])]
        if not turns(columns):
            continue
        paths = [column - moving_deviation(column, round(1 / gain[i])) for column in columns]
        low[i], high[i] = min(path.min() for path in paths), max(path.max() for path in paths)
        beyond = max(REACH * (high[i] - low[i]), REACH_MIN)
        low[i], high[i] = low[i] - beyond, high[i] + beyond
    return low, high


def _measures(settings: DetectionSettings) -> Measures:
    return Measures(
        stands=lambda values: stands(values, settings.wander_limit),
        stays=stays,
        scale=lambda values: float(robust_scale(values[:, None])[0]),
    )


def _gap_ns(healthy: Rows, settings: DetectionSettings) -> int:
    periods = np.diff(healthy.times_ns)
    usual, long = float(np.median(periods)), float(np.quantile(periods, GAP_QUANTILE))
    return int(max(settings.gap_periods * usual, 3 * long))


def _deviations(frame: _Frame, rows: Rows) -> Iterator[tuple[Floats, bool]]:
    conditioner = frame.conditioner()
    for time_ns, row in zip(rows.times_ns.tolist(), rows.values[:, frame.used], strict=True):
        seen = conditioner.on_row(time_ns, row)
        if seen is not None:
            yield seen


@dataclass(frozen=True, slots=True)
class _Directions:
    mean: Floats
    whiten: Floats
    residual: int
    covariance: Floats


def _directions(deviations: Floats, settings: DetectionSettings) -> _Directions:
    """Give mean and whitening of the stacked deviations: eigenvectors by rising variance over its shrunk root."""
    channels = deviations.shape[1]
    length = channels * (settings.lags + 1)
    before: Floats | None = None
    stacks = np.empty((len(deviations), length))
    for i, deviation in enumerate(deviations):
        before = stacks[i] = stacked(deviation, before, length)
    mean = stacks.mean(axis=0)
    covariance = np.atleast_2d(np.cov(stacks, rowvar=False))
    variance, vectors = np.linalg.eigh(covariance)
    variance = np.maximum(variance, 0.0)
    held = np.cumsum(variance[::-1]) / max(float(variance.sum()), 1e-300)
    principal = min(int(np.searchsorted(held, settings.share)) + 1, length)
    shrunk = (1 - settings.shrink) * variance + settings.shrink * max(float(variance.mean()), 1e-300)
    return _Directions(mean, vectors / np.sqrt(shrunk), length - principal, covariance[:channels, :channels])


def _lambdas(settings: DetectionSettings, limit_rows: int) -> Floats:
    kept = [w for w in settings.lambdas if limit_rows * w / (2 - w) >= settings.smooth_rows_min]
    return np.array(kept)


def _run(frame: _Frame, rows: Rows, directions: _Directions, *, lambdas: Floats) -> Iterator[Averages]:
    averages = Averages(directions.mean, directions.whiten, lambdas=lambdas, channels=len(frame.used))
    for deviation, parted in _deviations(frame, rows):
        if parted:
            averages.reset()
        averages.on_deviation(deviation)
        yield averages


def _spread(
    frame: _Frame, stretches: tuple[Rows, Rows], directions: _Directions, *, lambdas: Floats
) -> tuple[Floats, Floats]:
    """Give the spread of each moving average, (m, d) and (m, u), about the fitted mean.

    The limit rows' variance, which knows how far a healthy machine strays from what was fitted, is held by what the
    fit lets expect as far as its independent rows are few.
    """
    powers = [_powers(frame, rows, directions, lambdas=lambdas) for rows in stretches]
    worth = len(stretches[1]) * (lambdas / (2 - lambdas))[:, None]
    prior = frame.settings.scale_rows
    out = []
    for fitted, held_out in zip(*powers, strict=True):
        variance = (worth * held_out + prior * _believed(fitted, held_out)) / (worth + prior)
        floor = FLOOR * np.median(variance, axis=1, keepdims=True)
        out.append(np.sqrt(np.maximum(variance, floor)))
    return out[0], out[1]


def _believed(fitted: Floats, held_out: Floats) -> Floats:
    """Give what the fit lets expect of the limit rows' variances (m, k): its own, grown as it is typical of them all.

    Where the fit saw next to nothing, since its rows were fewer than the directions, the typical one.
    """
    seen = fitted > FLOOR * fitted.mean(axis=1, keepdims=True)
    growth = np.where(seen, held_out / np.where(seen, fitted, 1.0), np.nan)
    typical = np.median(held_out, axis=1, keepdims=True)
    grown = fitted * np.maximum(np.nanmedian(growth, axis=1, keepdims=True), 1.0)
    return np.maximum(np.where(seen, grown, typical), 1e-300)


def _powers(frame: _Frame, rows: Rows, directions: _Directions, *, lambdas: Floats) -> tuple[Floats, Floats]:
    along = np.zeros((len(lambdas), len(directions.mean)))
    channels = np.zeros((len(lambdas), len(frame.used)))
    n = 0
    for averages in _run(frame, rows, directions, lambdas=lambdas):
        along += averages.directions**2
        channels += averages.channels**2
        n += 1
    return along / max(n, 1), channels / max(n, 1)


def _limits(
    frame: _Frame, rows: Rows, directions: _Directions, *, lambdas: Floats, spread: tuple[Floats, Floats]
) -> Floats:
    statistics = Statistics(directions.whiten, directions.residual, direction_scale=spread[0], channel_scale=spread[1])
    series = np.array([statistics.of(a) for a in _run(frame, rows, directions, lambdas=lambdas)])
    settings = frame.settings
    out = np.ones(series.shape[1:])
    for which, statistic in np.ndindex(*out.shape):
        values = without_moments(series[:, which, statistic], settings.on_rows)
        if values.max() > 0:
            out[which, statistic] = limit_of(values, sigmas=settings.sigmas, tail=settings.tail)
    return out


def _fitted_on(healthy: Rows, limits: Rows, channels: Sequence[str], *, source: str) -> FittedOn:
    digest = hashlib.sha256()
    for rows in (healthy, limits):
        digest.update(np.ascontiguousarray(rows.times_ns).tobytes())
        digest.update(np.ascontiguousarray(rows.values).tobytes())
    ends = [int(t) for rows in (healthy, limits) for t in (rows.times_ns[0], rows.times_ns[-1])]
    return FittedOn(
        source,
        tuple(channels),
        ends[0],
        ends[1],
        len(healthy),
        ends[2],
        ends[3],
        len(limits),
        digest.hexdigest(),
    )
