"""Whether the health index tells a faulty machine from a healthy one, whatever limit a rule has.

AUC: how often a value of a healthy time is higher than one of a faulty time, ties by half (Mann and Whitney 1947): 1 is
perfect, 0.5 says nothing. *Healthy*: no fault of the asset is there, nor was one within `after_s` before. *Faulty*: a
fault is there and, where its end of life is known, half of its life or more is over. What lies between is left out.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from penstock.lab.scoring.detection import Rules
from penstock.lab.scoring.words import NS, Case, Episode


@dataclass(frozen=True, slots=True)
class Health:
    """How health was distributed; None where there is nothing to count."""

    healthy_points: int
    faulty_points: int
    healthy_median: float | None
    faulty_median: float | None
    auc: float | None


def health(case: Case, rules: Rules | None = None) -> Health:
    """Divide what was said by what was true."""
    after_ns = round((rules or Rules()).after_s * NS)
    episodes: dict[str, list[Episode]] = {}
    for each in case.episodes:
        episodes.setdefault(each.asset, []).append(each)
    healthy: list[float] = []
    faulty: list[float] = []
    for said in case.health:
        own = episodes.get(said.asset, [])
        if said.asset not in case.assets or not case.window.holds(said.time_ns):
            continue
        live = [each for each in own if each.is_live(said.time_ns)]
        if any(_is_late_in_life(each, said.time_ns) for each in live):
            faulty.append(said.value)
        elif not live and not any(each.end_ns and 0 <= said.time_ns - each.end_ns < after_ns for each in own):
            healthy.append(said.value)
    return Health(
        len(healthy),
        len(faulty),
        statistics.median(healthy) if healthy else None,
        statistics.median(faulty) if faulty else None,
        auc(healthy, faulty),
    )


def _is_late_in_life(one: Episode, time_ns: int) -> bool:
    ends_ns = one.life_ends_ns
    return ends_ns is None or 2 * (time_ns - one.onset_ns) >= ends_ns - one.onset_ns


def auc(high: list[float], low: list[float]) -> float | None:
    """Give the share of pairs in which the first is higher."""
    if not high or not low:
        return None
    below = sorted(low)
    wins = sum(bisect_left(below, each) + bisect_right(below, each) for each in high)
    return wins / 2 / len(high) / len(low)
