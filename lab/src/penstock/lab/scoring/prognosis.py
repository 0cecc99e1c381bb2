"""How wrong the remaining useful life was that was said.

A point counts where one of the asset's machine faults is there and its end of life is known: onset <= t < end of life,
t < end, t in the window. True is the time from t to the nearest end of life: the failure as it came (*hindsight*), else
as the growth law foretold it. Before an onset no life can be known, and after a failure none is left.

The error is said − true. MAE and RMSE in seconds. The score of the PHM 2008 challenge (Saxena, Goebel, Simon and Eklund
2008, "Damage propagation modeling for aircraft engine run-to-failure simulation") is the sum of exp(−d / 13) − 1 for an
early and exp(d / 10) − 1 for a late answer, d in cycles: here in units of `cycle_s` seconds, an hour unless told
otherwise. Coverage is the share of points with an interval whose interval holds the truth; one that is open above is
infinitely wide.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from penstock.lab.scoring.words import NS, Case, Episode, RulSaid

EARLY_cycles, LATE_cycles = 13.0, 10.0
EXPONENT_MAX = 700.0
"""exp of more does not fit a double; the score is beyond all use long before."""


@dataclass(frozen=True, slots=True)
class Prognosis:
    """Errors over some points; times in seconds, None where there is nothing to count."""

    points: int
    in_hindsight: int
    mae_s: float | None
    rmse_s: float | None
    bias_s: float | None
    nasa_score: float | None
    nasa_score_mean: float | None
    with_interval: int
    coverage: float | None
    width_median_s: float | None
    per_fault: dict[str, Prognosis] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Point:
    said: RulSaid
    true_s: float
    episode: Episode


def prognosis(case: Case, *, cycle_s: float = 3600.0) -> Prognosis:
    """Compare every point that counts, over all and for each fault."""
    points = list(_points(case))
    faults = sorted({point.episode.fault for point in points})
    per_fault = {
        fault: _errors([point for point in points if point.episode.fault == fault], cycle_s, {}) for fault in faults
    }
    return _errors(points, cycle_s, per_fault)


def _points(case: Case) -> Iterator[_Point]:
    machine: dict[str, list[Episode]] = {}
    for each in case.episodes:
        if each.kind == "machine" and each.life_ends_ns is not None:
            machine.setdefault(each.asset, []).append(each)
    for said in case.ruls:
        if not (case.window.holds(said.time_ns) and math.isfinite(said.rul_s)):
            continue
        there = [each for each in machine.get(said.asset, ()) if each.is_live(said.time_ns)]
        ends = [(each.life_ends_ns or 0, each) for each in there]
        if not ends:
            continue
        ends_ns, episode = min(ends, key=lambda pair: pair[0])
        if said.time_ns < ends_ns:
            yield _Point(said, (ends_ns - said.time_ns) / NS, episode)


def _errors(points: Sequence[_Point], cycle_s: float, per_fault: dict[str, Prognosis]) -> Prognosis:
    errors = [point.said.rul_s - point.true_s for point in points]
    scores = [nasa_score(error / cycle_s) for error in errors]
    bounds = [
        (point.said.low_s, point.true_s, point.said.high_s)
        for point in points
        if point.said.low_s is not None and point.said.high_s is not None
    ]
    held = [low <= true <= high for low, true, high in bounds]
    return Prognosis(
        points=len(points),
        in_hindsight=sum(point.episode.failed_ns is not None for point in points),
        mae_s=statistics.fmean(abs(error) for error in errors) if errors else None,
        rmse_s=math.sqrt(statistics.fmean(error**2 for error in errors)) if errors else None,
        bias_s=statistics.fmean(errors) if errors else None,
        nasa_score=math.fsum(scores) if errors else None,
        nasa_score_mean=math.fsum(scores) / len(scores) if errors else None,
        with_interval=len(bounds),
        coverage=sum(held) / len(held) if held else None,
        width_median_s=statistics.median(high - low for low, _, high in bounds) if bounds else None,
        per_fault=per_fault,
    )


def nasa_score(error_cycles: float) -> float:
    """Give the score of one error: late answers cost more than early ones, both ever more."""
    exponent = -error_cycles / EARLY_cycles if error_cycles < 0 else error_cycles / LATE_cycles
    return math.exp(min(exponent, EXPONENT_MAX)) - 1.0
