"""The probability that a machine fails within a time, from what is known of it. Two ways, the better one where it can.

*Life*: the prognosis says how long the machine lasts, with an interval whose ends hold with the coverage that was
calibrated on machines of the same fleet (`prognosis.intervals`). The distribution of the life is led through the two
ends: F(low) = (1 − c)/2, F(estimate) = ½, F(high) = (1 + c)/2, and between and beyond them as a normal distribution
with a scale of its own on either side (two-piece normal, Wallis 2014, The two-piece normal, binormal, or double
Gaussian distribution). The ends are calibrated; the form between them is an assumption. Where the interval is open
above, low has F = 1 − c (a one-sided interval), and nothing is known beyond the estimate: F stays at ½ there.

*Trend*: a heuristic, for machines without a prognosis. Health H falls along a straight line with an uncertain slope and
an uncertain future, and 0 % is taken for the failure (a general path model, Lu and Meeker 1993, Using degradation
measures to estimate a time-to-failure distribution, Technometrics 35): with T the notice and t the time ahead,

    F(t) = Φ(−(H + m t) / √(v t² + n² + w² t / T)),

m, v: mean and variance of the slope, that of the windows joined by their precisions with a slope that is as good as
unknown, 0 ± `UNKNOWN` points a notice, and m no more than 0, as wear does not heal; n: the noise of the windows about
their line; w = `WANDER` points: what health does within a notice that no line foretells. *Level* is the same without a
slope. The index is not calibrated to failures, so this orders machines; it is no promise of a frequency.

*Evidence*: where the part named is urgent *now* (its line ends within the notice, or the vibration is in zone D) and no
prognosis knows better, it is as probable as not that the machine fails within the notice, at the least.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist
from typing import Final

from penstock.apps.maintenance.risk.trend import NOISE_MIN, Slope

UNKNOWN: Final = 15.0
"""Points by which the health of a machine of which nothing more is known may fall within its notice, one sigma."""
WANDER: Final = 15.0
"""Points a notice, one sigma. Both are judgement: with them a health of 60 %, the default limit, without a trend has a
chance of 1 in 400 to fail within the notice and 1 in 20 within twice the notice; 20 % has 1 in 6."""
URGENT_CHANCES: Final = (0.5, 0.75)
"""Within the notice and within twice the notice, where the evidence is urgent: a median, and the same once more."""
NORMAL: Final = NormalDist()


class Source(StrEnum):
    """What a chance was read from."""

    LIFE = "remaining life with its interval"
    TREND = "trend of the health, a heuristic"
    LEVEL = "level of the health alone, a heuristic"
    EVIDENCE = "evidence of the part named, which is urgent, a heuristic"


@dataclass(frozen=True, slots=True)
class Life:
    """A remaining life in hours at the time it was said, with its interval; `high_h` None: open above."""

    estimate_h: float
    low_h: float
    high_h: float | None
    coverage: float


@dataclass(frozen=True, slots=True)
class Chance:
    """Of failing within the notice, and within twice the notice."""

    within: float
    within_twice: float
    source: Source


def chance_of_life(life: Life, notice_h: float) -> Chance:
    """Read it off the interval; see the module."""
    return Chance(failed_by(life, notice_h), failed_by(life, 2 * notice_h), Source.LIFE)


def failed_by(life: Life, hours: float) -> float:
    """Give F(hours) of the life; see the module."""
    if life.high_h is None:
        if hours >= life.estimate_h:
            return 0.5
        return _below(life.estimate_h, life.low_h, hours, sigmas=-NORMAL.inv_cdf(1 - life.coverage))
    sigmas = NORMAL.inv_cdf((1 + life.coverage) / 2)
    if hours < life.estimate_h:
        return _below(life.estimate_h, life.low_h, hours, sigmas=sigmas)
    width = life.high_h - life.estimate_h
    return NORMAL.cdf(sigmas * (hours - life.estimate_h) / width) if width > 0 else 1.0


def urged(chance: Chance) -> Chance:
    """Give the chance of a machine of which a part is urgent now; a life says how long it lasts already."""
    if chance.source is Source.LIFE or chance.within >= URGENT_CHANCES[0]:
        return chance
    return Chance(URGENT_CHANCES[0], max(URGENT_CHANCES[1], chance.within_twice), Source.EVIDENCE)


def _below(estimate: float, low: float, hours: float, *, sigmas: float) -> float:
    width = estimate - low
    return NORMAL.cdf(sigmas * (hours - estimate) / width) if width > 0 else 0.0


def chance_of_health(health: float, slope: Slope | None, notice_h: float) -> Chance:
    """Read it off the health (%) and its trend, a heuristic; see the module."""
    prior = (UNKNOWN / notice_h) ** 2
    mean, variance, noise = 0.0, prior, NOISE_MIN
    if slope is not None:
        error = slope.error_per_h**2
        share = prior / (prior + error)
        mean, variance, noise = min(share * slope.per_h, 0.0), share * error, slope.noise
    within, twice = (
        NORMAL.cdf(-(health + mean * t) / math.sqrt(variance * t**2 + noise**2 + WANDER**2 * t / notice_h))
        for t in (notice_h, 2 * notice_h)
    )
    return Chance(within, max(within, twice), Source.LEVEL if slope is None else Source.TREND)
