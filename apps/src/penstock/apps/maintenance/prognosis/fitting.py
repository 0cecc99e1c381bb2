"""Fit a prognosis on runs to failure: pace, regimes, scaling, and per window an ensemble with its honest errors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from penstock.apps.maintenance.fanout.executor import HERE, Executor
from penstock.apps.maintenance.prognosis.ensemble import Member, joined_answer
from penstock.apps.maintenance.prognosis.growing import fit_member
from penstock.apps.maintenance.prognosis.intervals import fit_margins
from penstock.apps.maintenance.prognosis.model import FittedOn, Model, Rung
from penstock.apps.maintenance.prognosis.regimes import find_regimes
from penstock.apps.maintenance.prognosis.runs import Floats, Ints, Pace, Run, RunError, pace_of
from penstock.apps.maintenance.prognosis.scaling import Scaling, fit_scaling
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings
from penstock.apps.maintenance.prognosis.stepping import Stepper
from penstock.apps.maintenance.prognosis.windows import features_of

RUNS_MIN = 3
"""Intervals come of the errors on runs left out: of fewer they say nothing. `life.fleets` asks for more."""
SEED_STRIDE = 1000
"""Between the seeds of two fits, so that no member of one has the seed of another's."""


def fit(
    runs: Sequence[Run],
    *,
    channels: Sequence[str],
    source: str,
    settings: PrognosisSettings | None = None,
    executor: Executor = HERE,
) -> Model:
    """Fit on the runs that ended with the failure; others are left out, since what was left of them is not known.

    Members are fitted by `executor`, each on its own.

    RunError where there are fewer than three, or none of their channels moves.
    """
    settings = settings or PrognosisSettings()
    failed = sorted((run for run in runs if run.failed), key=_content)
    if len(failed) < RUNS_MIN:
        message = f"{len(failed)} runs to failure; a prognosis needs at least {RUNS_MIN}"
        raise RunError(message)
    pace = pace_of(failed, settings.steps_per_life)
    horizon = settings.horizon_lives * min(pace.life_steps, settings.steps_per_life)
    scaling = _scaling(failed, pace, horizon=horizon, settings=settings)
    windows = tuple(sorted({pace.steps(share, least=4) for share in settings.rungs_lives}))
    shown = sorted((_shown(run, pace, scaling, windows=windows) for run in failed), key=_order)
    folds = _folds(len(shown), settings)
    thinned = []
    for i, window in enumerate(windows):
        known = [(features[i], left[window - 1 :]) for features, left in shown if len(features[i])]
        of = folds[[bool(len(features[i])) for features, _ in shown]]
        if len(np.unique(of)) >= 2:
            thinned.append(_thinned(known, of, window=window, settings=settings))
    members = executor.results(_grow, (item for rows in thinned for item in rows.items(horizon, settings)))
    found = [_rung(rows, members, horizon=horizon, settings=settings) for rows in thinned]
    rungs, errors = [rung for rung, _ in found], [error for _, error in found]
    if not rungs:
        message = f"no two runs to failure fill a window of {windows[0]} steps"
        raise RunError(message)
    return Model(settings, _fitted_on(failed, channels, source), pace, horizon, scaling, tuple(rungs), tuple(errors))


def _scaling(failed: Sequence[Run], pace: Pace, *, horizon: float, settings: PrognosisSettings) -> Scaling:
    values = [np.asarray(run.values, np.float64) for run in failed]
    regimes = find_regimes(values, settings.regime_share)
    scaling = fit_scaling(
        values,
        regimes,
        healthy=[_healthy(run, horizon * pace.step_ns) for run in failed],
        last_rows=pace.steps(settings.rungs_lives[0], least=4) * pace.rows,
        relevance_min=settings.relevance_min,
        channels_max=settings.channels_max,
    )
    if not len(scaling.used):
        message = "no channel moves: nothing to read a remaining life from"
        raise RunError(message)
    return scaling


def _healthy(run: Run, horizon_ns: float) -> slice:
    """Give the rows beyond the horizon, at least the first fifth."""
    beyond = int(np.searchsorted(run.times_ns, run.times_ns[-1] - horizon_ns))
    return slice(0, max(beyond, len(run) // 5, 1))


def _shown(run: Run, pace: Pace, scaling: Scaling, *, windows: tuple[int, ...]) -> tuple[list[Floats], Floats]:
    """Give the features of a run by window, and the life left at each of its steps."""
    times, steps = Stepper(pace, scaling, gap_max=windows[-1]).on_rows(run.times_ns, run.values)
    left = (int(run.times_ns[-1]) - times) / pace.step_ns
    return features_of(steps, windows), np.maximum(left, 0.0)


def _content(run: Run) -> bytes:
    """Order runs by what was measured: sums depend on the order to the last bit, and names differ by place."""
    values = np.ascontiguousarray(run.values, np.float64)
    return hashlib.sha256(np.ascontiguousarray(run.times_ns, np.int64).tobytes() + values.tobytes()).digest()


def _order(shown: tuple[list[Floats], Floats]) -> tuple[int, float]:
    """Order runs by what they are, not by what they are called: by length, then by the first features' mean."""
    features, left = shown
    return len(left), round(float(np.nan_to_num(features[0]).sum()), 2)


def _folds(runs: int, settings: PrognosisSettings) -> Ints:
    """Give each run, in order of length, its fold: at random, so that all folds have short and long lives."""
    random, count = np.random.default_rng(settings.seed), min(settings.folds, runs)
    rounds = [random.permutation(count) for _ in range(-(-runs // count))]
    return np.concatenate(rounds)[:runs].astype(np.int64)


@dataclass(frozen=True, slots=True)
class _Thinned:
    """The rows of one window that its members see: features, life left, run and fold of each."""

    window: int
    features: Floats
    left: Floats
    run: Ints
    fold: Ints

    def items(self, horizon: float, settings: PrognosisSettings) -> Iterator[_Item]:
        """Give what each member is fitted on: all rows but those of its fold."""
        for fold in np.unique(self.fold).tolist():
            own = self.fold != fold
            seed = settings.seed * SEED_STRIDE + fold
            yield _Item(self.features[own], self.left[own], horizon, settings, seed)


@dataclass(frozen=True, slots=True)
class _Item:
    features: Floats
    left: Floats
    horizon: float
    settings: PrognosisSettings
    seed: int


def _grow(item: _Item) -> Member:
    return fit_member(item.features, item.left, horizon=item.horizon, settings=item.settings, seed=item.seed)


def _thinned(
    known: Sequence[tuple[Floats, Floats]], folds: Ints, *, window: int, settings: PrognosisSettings
) -> _Thinned:  # fmt: skip
    stride = max(1, round(sum(len(left) for _, left in known) / settings.rows_max))
    features = np.vstack([each[i % stride :: stride] for i, (each, _) in enumerate(known)])
    left = np.concatenate([each[i % stride :: stride] for i, (_, each) in enumerate(known)])
    run = np.repeat(np.arange(len(known)), [len(each[i % stride :: stride]) for i, (_, each) in enumerate(known)])
    return _Thinned(window, features, left, run, folds[run])


def _rung(
    rows: _Thinned, grown: Iterator[Member], *, horizon: float, settings: PrognosisSettings
) -> tuple[Rung, float]:  # fmt: skip
    """Take a window's members, each grown without its fold, and the margins on the folds that each left out."""
    members, estimate = [], np.full(len(rows.left), np.nan)
    for fold in np.unique(rows.fold):
        member, strange = next(grown), rows.fold == fold
        members.append(member)
        estimate[strange] = joined_answer([member.predict(rows.features[strange])], horizon)
    margins = fit_margins(estimate, rows.left, run=rows.run, horizon=horizon, settings=settings)
    error = float(np.sqrt(np.mean(np.square(estimate - np.minimum(rows.left, horizon)))))
    return Rung(rows.window, tuple(members), margins), error


def _fitted_on(failed: Sequence[Run], channels: Sequence[str], source: str) -> FittedOn:
    digest = hashlib.sha256()
    failed = sorted(failed, key=lambda run: run.name)
    for run in failed:
        digest.update(run.name.encode())
        digest.update(np.ascontiguousarray(run.times_ns, np.int64).tobytes())
        digest.update(np.ascontiguousarray(run.values, np.float64).tobytes())
    return FittedOn(
        source=source,
        channels=tuple(channels),
        runs=tuple(run.name for run in failed),
        rows=sum(len(run) for run in failed),
        from_ns=min(int(run.times_ns[0]) for run in failed),
        to_ns=max(int(run.times_ns[-1]) for run in failed),
        digest=digest.hexdigest(),
    )
