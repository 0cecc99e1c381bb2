"""Remaining life, row by row, from the last window of steps; live, in blocks and in batch the same to the last bit.

Theory of operation. Rows become steps, of which the last longest window is kept and nothing else: no count, no start,
no sum over the history, so an estimate cannot know how old the machine is. (It knows one thing of its history: whether
it fills the window; the estimator of each window was fitted on windows from all ages that fill it.) Each row is judged
by the longest window that is filled, and there is no estimate before the shortest is, nor where half of the window's
values are missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from penstock.apps.maintenance.prognosis.ensemble import joined_answer
from penstock.apps.maintenance.prognosis.model import Model
from penstock.apps.maintenance.prognosis.runs import Floats, Ints, Run
from penstock.apps.maintenance.prognosis.stepping import Stepper
from penstock.apps.maintenance.prognosis.windows import PARTS, features_of


@dataclass(frozen=True, slots=True)
class Estimates:
    """Per step (n,): time, life left and its interval in ns, NaN where there is no estimate; high ∞: open above.

    contributions (n, c): what each channel adds to `start_ns`, the fleet's average, or takes from it, before the
    estimate is held between 0 and the horizon.
    """

    times_ns: Ints
    rul_ns: Floats
    low_ns: Floats
    high_ns: Floats
    start_ns: Floats
    contributions_ns: Floats

    def __len__(self) -> int:
        return len(self.times_ns)


class Prognoser:
    """One machine's prognosis, online."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._longest = model.rungs[-1].window
        self._stepper = Stepper(model.pace, model.scaling, gap_max=self._longest)
        self._kept = np.empty((0, len(model.scaling.used)))

    def on_rows(self, times_ns: Ints, values: Floats) -> Estimates:
        """Take rows (n,), (n, c) in time order; give the estimates that they let be made."""
        times, steps = self._stepper.on_rows(times_ns, values)
        known = np.vstack([self._kept, steps])
        before = len(self._kept)
        estimates = self._judged(times, known, before=before)
        self._kept = known[max(0, len(known) - self._longest + 1) :]
        return estimates

    def _judged(self, times: Ints, known: Floats, *, before: int) -> Estimates:
        model, n = self._model, len(times)
        wide = len(model.fitted_on.channels)
        columns = np.full((4, n), np.nan)
        contributions = np.full((n, wide), np.nan)
        filled = before + 1 + np.arange(n)
        windows = tuple(rung.window for rung in model.rungs)
        which = np.searchsorted(windows, filled, side="right") - 1
        shown = features_of(known, windows)
        for i, rung in enumerate(model.rungs):
            rows = np.flatnonzero(which == i)
            if not len(rows):
                continue
            features = shown[i][before + rows - (rung.window - 1)]
            rows, features = _read(rows, features)
            columns[:, rows], contributions[rows] = self._estimated(i, features)
        step_ns = model.pace.step_ns
        rul, low, high, start = columns * step_ns
        return Estimates(times, rul, low, high, start, contributions * step_ns)

    def _estimated(self, rung: int, features: Floats) -> tuple[Floats, Floats]:
        model = self._model
        members, margins = model.rungs[rung].members, model.rungs[rung].margins
        groups = np.tile(model.scaling.used, len(PARTS))
        wide = len(model.fitted_on.channels)
        explained = [member.explain(features, groups, wide=wide) for member in members]
        estimate = joined_answer([answer for answer, _ in explained], model.horizon)
        contributions = np.sum([moves for _, moves in explained], axis=0) / len(members)
        start = sum(member.forest.start for member in members) / len(members)
        low, high = margins.of(estimate)
        return np.stack([estimate, low, high, np.full(len(features), start)]), contributions

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values; floats survive exactly."""
        kept = [[None if np.isnan(v) else float(v) for v in row] for row in self._kept]
        return {"stepper": self._stepper.to_json(), "kept": kept}

    def restore(self, kept: Mapping[str, Any]) -> None:
        """Take what `to_json` gave, of a prognoser of the same model."""
        self._stepper.restore(kept["stepper"])
        rows = np.array(kept["kept"], dtype=object).astype(np.float64)
        self._kept = rows.reshape(-1, len(self._model.scaling.used))


def _read(rows: Ints, features: Floats) -> tuple[Ints, Floats]:
    """Leave out rows of which less than half of the features could be read."""
    enough = np.isnan(features).mean(axis=1) < 0.5
    return rows[enough], features[enough]


def predict(model: Model, run: Run) -> Estimates:
    """Estimate at each step of a run."""
    return Prognoser(model).on_rows(run.times_ns, run.values)
