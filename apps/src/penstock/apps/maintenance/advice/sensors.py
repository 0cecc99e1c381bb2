"""What the newest rows of a channel say of its sensor: stuck, noisy, spiking, missing. Evidence as logarithms.

A sensor's own faults show in how its readings follow one another, not in where they stand (ISO 13379-1 asks for sensor
validation before diagnosis; classes after Dunia, Qin et al. 1996, AIChE Journal 42, 10: bias, complete failure, drift,
precision degradation; and spikes, missing data).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.habits import TINY, WINDOW, Habits, repeated, roughness, spiked

Floats = NDArray[np.float64]
RECENT = 2 * WINDOW
"""Rows that are looked at."""
EVIDENCE_MAX = 12.0
"""Of one kind: e¹² is as good as sure, and what is sure shall be outweighed by nothing but the same."""
RUN_MIN = 5
"""Equal values in sequence, below which nothing stands still, however rarely the channel repeats itself."""
EVIDENCE_A_MISS = 2.5
"""Of each row beyond one that is missing more than while healthy."""
SPIKES_MIN = 2
"""One spike in the rows looked at is chance: an interference, a reconnect."""
MISSING_MIN = 0.3
"""Share of rows without a value from which a sensor drops out: below, a device that now and then skips a channel."""
LEVEL_ROWS = 4
"""Rows whose median is a level."""
CLEAR_STEPS = 6.0
"""Usual steps from row to row that a level has to go for its way there to be looked at."""
JUMP_SLACK, GROWTH_SLACK = 0.15, 0.05
"""Of the way: a step makes it at once to this, and does not go on by more than that."""
COMMON = 0.2
"""Where more than this share of the channels stands still, it is the machine or its controller, not a sensor."""
ROUGH_SPREAD_MIN = 0.25
"""Least spread of a roughness' logarithm over `WINDOW` rows: about what white noise has."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Arrays (u,): rough, how much rougher than when healthy (logarithm), and rough_spread, how much that varies;
    stuck, spiking and absent, evidence as a logarithm, 0 for none; stepped, 1 where the level went over to another one
    from one row to the next and has stood there since, −1 where it went there otherwise, 0 where it did not clearly go;
    missing, share of the newest rows without a value.
    """

    rough: Floats
    rough_spread: Floats
    stuck: Floats
    spiking: Floats
    absent: Floats
    stepped: Floats
    missing: Floats


def looks_of(recent: Floats, habits: Habits | None) -> Looks:
    """Look at the newest rows (n, u) in scales, oldest first; without habits only at what is missing."""
    channels = recent.shape[1]
    missing = np.isnan(recent[-WINDOW:]).mean(axis=0) if len(recent) else np.zeros(channels)
    if habits is None or len(recent) < 4:
        nothing = np.zeros(channels)
        return Looks(nothing, np.ones(channels), nothing, nothing, nothing, nothing, missing)
    window = recent[-WINDOW - 1 :]
    seen = roughness(window)
    rough = np.log(np.maximum(seen, TINY) / np.maximum(habits.rough, TINY))
    rough = np.where(np.isfinite(seen) & (habits.rough > TINY), rough, 0.0)
    spread = np.maximum(habits.rough_spread, ROUGH_SPREAD_MIN)
    excess = np.maximum(missing - habits.missing, 0.0)
    absent = np.isnan(recent).sum(axis=0) - habits.missing * len(recent)
    absent = np.clip(EVIDENCE_A_MISS * (absent - 1.0), 0.0, EVIDENCE_MAX)
    stuck, spiking = _stuck(window, recent, habits), _spiking(recent, habits)
    return Looks(rough, spread, stuck, spiking, absent, stepped(recent), excess)


def _stuck(window: Floats, recent: Floats, habits: Habits) -> Floats:
    """Give the evidence of readings that stand still, or move in steps only, where healthy ones do not."""
    same = repeated(recent)
    run = np.array([_trailing(column) for column in same.T])
    count = repeated(window).sum(axis=0)
    by_run = np.where(run >= np.maximum(RUN_MIN, 1.5 * habits.run), 2.0 * (run - habits.run), 0.0)
    by_count = 2.0 * (count - habits.repeats - RUN_MIN + 1)
    evidence = np.clip(np.maximum(by_run, by_count), 0.0, EVIDENCE_MAX)
    at_rest = (evidence > 0).mean() > max(COMMON, 1.0 / len(evidence))
    return np.zeros(len(evidence)) if at_rest else evidence


def _trailing(column: NDArray[np.bool_]) -> int:
    moved = np.flatnonzero(~column)
    return len(column) - 1 - int(moved[-1]) if len(moved) else len(column)


def _spiking(recent: Floats, habits: Habits) -> Floats:
    spikes = spiked(recent, habits.rough)
    count = spikes.sum(axis=0)
    usual = habits.spikes * len(spikes)
    shared = spikes.sum(axis=1) > max(1.0, COMMON * spikes.shape[1])
    alone = (spikes & ~shared[:, None]).sum(axis=0)
    enough = (alone >= SPIKES_MIN) & (count > 3.0 * usual)
    return np.where(enough, np.clip(2.0 * (alone - usual), 0.0, EVIDENCE_MAX), 0.0)


def stepped(recent: Floats) -> Floats:
    """Say of each channel whether the newest rows (n, u) hold a step between two levels that stand (`Looks`).

    A bias is there at once and does not grow; damage grows, and heat takes its time.
    """
    old, new = recent[:-WINDOW], recent[-WINDOW:]
    if len(old) < WINDOW:
        return np.zeros(recent.shape[1])
    whole = np.flatnonzero(np.isfinite(recent).all(axis=0))
    old, new = old[:, whole], new[:, whole]
    gone = np.median(new[-LEVEL_ROWS:], axis=0) - np.median(old, axis=0)
    noise = np.median(np.abs(np.diff(old, axis=0)), axis=0)
    said = np.zeros(recent.shape[1])
    for i in np.flatnonzero(np.abs(gone) > np.maximum(CLEAR_STEPS * noise, TINY)):
        said[whole[i]] = _step_of(new[:, i], float(gone[i]), float(noise[i]))
    return said


def _step_of(new: Floats, gone: float, noise: float) -> float:
    steps = np.diff(new) / gone
    k = int(steps.argmax())
    if k + 3 >= len(new):
        return 0.0
    reached = float(np.median(new[k + 1 : k + 1 + LEVEL_ROWS]))
    jump = (reached - float(np.median(new[max(0, k - LEVEL_ROWS + 1) : k + 1]))) / gone
    growth = (float(new[-2:].mean()) - reached) / gone
    is_step = abs(jump - 1.0) <= JUMP_SLACK and abs(growth) <= GROWTH_SLACK + noise / abs(gone)
    return 1.0 if is_step else -1.0
