"""Which hypothesis explains best how the channels have left their healthy state: a failure mode, or one sensor.

Theory of operation. The moving average in which the alarm stands is a vector z of signed deviations with a healthy
covariance C. A hypothesis says which channels are *displaced*, how probably, and which way; what is not displaced must
look healthy given all the rest. Displacing a set S leaves the others' Mahalanobis distance, which is that of
reconstruction (Dunia and Qin 1998, AIChE Journal 44, 8: the fault whose reconstruction brings the index back), and
the displacement is what S shows against what the others let expect of it. A failure mode displaces its signs, in the
directions that it names, the first more probably than the last; a broken sensor displaces one channel and no other
(sensor validity, Dunia, Qin et al. 1996); anything else is *unknown*. Displacements have a wide density, with
a square law's tail, so that size alone convinces nobody. The set is found greedily, one channel after the other, as
long as the hypothesis gains. Roughness joins as a second observation a channel. Hypotheses are weighed by Bayes' rule
with a prior of its own for all sensors, equal within it for all channels that have one, and for a machine's modes
alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.modes import FailureMode
from penstock.apps.maintenance.advice.sensors import MISSING_MIN, Looks
from penstock.core.failure_modes import SignDirection

Floats = NDArray[np.float64]
SENSOR_FAULTS: Final = ("bias", "drift", "stuck", "noise", "spike", "dropout")
FIRST, FURTHER, LAST = 0.85, 0.7, 0.15
"""Probability that a mode's first sign shows, the factor from each sign to the next, and the least."""
SEEN = 10.0
"""Healthy spreads of the largest deviation, given all others, at which half of the further signs show already."""
EXTRA = 0.06
"""Probability that a machine's fault moves a channel that its mode does not name: lists are never complete."""
STRAY = 0.004
"""Probability that a channel strays by chance while another one's sensor is broken."""
ANY = 0.25
"""Probability that an unknown trouble of the machine moves a channel."""
WIDTH = 5.0
"""Half of all displacements are smaller, in healthy spreads of the moving average."""
SENSOR, UNKNOWN, UNKNOWN_ALONE = 0.25, 0.03, 0.28
"""Priors: of all sensors, and of an unknown trouble of the machine, with and without failure modes to choose from.
Nearly half of what breaks in a sensor leaves the state as it is, so of what raises an alarm it is the smaller part; one
in four was chosen on simulated machines (ADR 30)."""
KINDS_OF_SENSOR: Final = {"bias": 0.3, "drift": 0.25, "stuck": 0.2, "noise": 0.2, "spike": 0.03, "dropout": 0.02}
UNLOOKED: Final = {"drift": KINDS_OF_SENSOR["bias"] + KINDS_OF_SENSOR["drift"]}
"""Where nobody looked at how the readings follow one another only a level that was left can speak of a sensor."""
STEPPED: Final = {"bias": (1.2, -1.6), "drift": (-0.9, 0.2)}
"""Evidence, against damage of the machine, of a level that went over in one step and stands, and of one that did not:
nearly all biases and few drifts do; of faults of a machine, which grow, every fourth looks like that at first. The
shares are those of simulated machines: logarithms of 0.85, 0.10 and 0.25 and of what is left of each (ADR 30)."""
ROUGHER = {
    "machine": 0.4,
    "still": 0.05,
    "unsteady": 0.9,
    "bias": 0.1,
    "drift": 0.1,
    "stuck": 0.2,
    "noise": 0.98,
    "spike": 0.5,
    "dropout": 0.2,
}
"""Probability that a channel is rougher than when healthy."""
SPIKED_MAX = 5.0
"""Evidence of spikes that counts at most while an alarm stands: what grows rough or changes its regime jumps, too."""
WITHOUT = 4.0
"""Evidence that a sensor which stands still, spikes or drops out would show at least."""
FLOOR = 1e-12
RIDGE = 1e-3
"""Of a channel's variance, that no relation holds more exactly than: some hold to the last bit while healthy."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """What is to be explained: z (u,) in healthy spreads, its healthy covariance (u, u), how the channels look, and
    which of them a sensor gives (u,); None: all. `looks` None: nobody looked, roughness says nothing for or against.
    """

    z: Floats
    covariance: Floats
    looks: Looks | None
    sensed: NDArray[np.bool_] | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hypothesis and its posterior probability.

    kind: machine or sensor; `mode` None: an unknown trouble of the machine; `channel`: the sensor's, −1 otherwise;
    `how`: of SENSOR_FAULTS; displaced: channels that it takes as moved, and by how much.
    """

    kind: str
    probability: float
    mode: FailureMode | None = None
    channel: int = -1
    how: str = ""
    displaced: tuple[tuple[int, float], ...] = ()


def rank(pattern: Pattern, modes: Sequence[FailureMode], names: Sequence[str]) -> list[Ranked]:
    """Give every hypothesis with its probability, the best first; `names` (u,) are those of the channels."""
    weighing = _Weighing(pattern)
    scored = [
        (score + math.log(prior), ranked)
        for prior, score, ranked in (*weighing.of_machine(modes, names), *weighing.of_sensors())
    ]
    top = max(score for score, _ in scored)
    weights = [math.exp(score - top) for score, _ in scored]
    total = sum(weights)
    order = sorted(range(len(scored)), key=lambda i: -scored[i][0])
    return [_with(scored[i][1], weights[i] / total) for i in order]


def _with(ranked: Ranked, probability: float) -> Ranked:
    return Ranked(ranked.kind, probability, ranked.mode, ranked.channel, ranked.how, ranked.displaced)


class _Weighing:
    """The score of one hypothesis after the other, about one pattern."""

    def __init__(self, pattern: Pattern) -> None:
        self._z, self._looks = pattern.z, pattern.looks
        self._channels = len(pattern.z)
        self._sensed = range(self._channels) if pattern.sensed is None else np.flatnonzero(pattern.sensed).tolist()
        ridge = RIDGE * np.eye(self._channels)
        self._precision = np.linalg.inv(pattern.covariance + ridge)
        alone = np.abs(self._precision @ self._z) / np.sqrt(np.maximum(np.diag(self._precision), FLOOR))
        self._largest = max(float(np.abs(self._z).max(initial=0.0)), float(alone.max(initial=0.0)), 1.0)
        self._rougher = _rougher(self._looks) if self._looks is not None else np.zeros(self._channels)

    def of_machine(
        self, modes: Sequence[FailureMode], names: Sequence[str]
    ) -> list[tuple[float, float, Ranked]]:  # fmt: skip
        """Give prior, score and hypothesis of each mode and of the unknown one."""
        places = {name: i for i, name in enumerate(names)}
        known = [mode for mode in modes if any(name in places for name, _ in mode.signs)]
        unknown = UNKNOWN if known else UNKNOWN_ALONE
        out = []
        for mode in known:
            up, down, rough = self._expected(mode, places)
            score, displaced = self._score(up, down, rough)
            prior = (1 - SENSOR - unknown) / len(known)
            out.append((prior, score, Ranked("machine", 0.0, mode, displaced=displaced)))
        either = np.full(self._channels, ANY / 2)
        score, displaced = self._score(either, either, np.full(self._channels, ROUGHER["still"]))
        out.append((unknown, score, Ranked("machine", 0.0, displaced=displaced)))
        return out

    def _expected(self, mode: FailureMode, places: dict[str, int]) -> tuple[Floats, Floats, Floats]:
        """Give the probability a channel that it is displaced upwards, downwards, and is rougher while not."""
        up, down = (np.full(self._channels, EXTRA / 2) for _ in range(2))
        rough = np.full(self._channels, ROUGHER["still"])
        seen = 0
        for name, direction in mode.signs:
            if name not in places:
                continue
            i = places[name]
            shows = self._shows(seen)
            seen += 1
            match direction:
                case SignDirection.RISES:
                    up[i], down[i] = shows, FLOOR
                case SignDirection.FALLS:
                    up[i], down[i] = FLOOR, shows
                case SignDirection.DEPARTS:
                    up[i] = down[i] = shows / 2
                case SignDirection.UNSTEADY:
                    up[i] = down[i] = shows / 6
                    rough[i] = ROUGHER["unsteady"]
        return up, down, rough

    def _shows(self, order: int) -> float:
        """Give the probability that a mode's sign is seen, by its place in the mode's order."""
        shows = max(LAST, FIRST * FURTHER**order)
        return shows if order == 0 else shows * self._largest / (self._largest + SEEN)

    def of_sensors(self) -> list[tuple[float, float, Ranked]]:
        """Give prior, score and hypothesis of each sensor and each way in which it may be broken."""
        out = []
        looks, own, kinds = self._looks, {}, UNLOOKED
        if looks is not None:
            kinds = KINDS_OF_SENSOR
            own = {"stuck": looks.stuck, "spike": np.minimum(looks.spiking, SPIKED_MAX), "dropout": looks.absent}
        stray = np.full(self._channels, STRAY / 2)
        still = np.full(self._channels, ROUGHER["still"])
        for i in self._sensed:
            up = stray.copy()
            up[i] = 0.49
            score, displaced = self._score(up, up, still, forced=i)
            score -= self._rough_term(i, ROUGHER["machine"])
            for how, share in kinds.items():
                said = float(own[how][i]) - WITHOUT if how in own else 0.0
                if looks is not None and how in STEPPED and looks.stepped[i]:
                    said += STEPPED[how][0 if looks.stepped[i] > 0 else 1]
                whole = score + self._rough_term(i, ROUGHER[how]) + said
                ranked = Ranked("sensor", 0.0, channel=i, how=how, displaced=displaced)
                out.append((SENSOR / len(self._sensed) * share, whole, ranked))
        return out

    def _rough_term(self, i: int, probability: float) -> float:
        return float(np.log1p(probability * (math.exp(self._rougher[i]) - 1.0)))

    def _score(
        self, up: Floats, down: Floats, rough: Floats, *, forced: int = -1
    ) -> tuple[float, tuple[tuple[int, float], ...]]:
        """Give the log likelihood of the best set of displaced channels against that of none, and the set."""
        precision, still = self._precision, np.ones(self._channels, np.bool_)
        score = float(np.log1p(-np.minimum(up + down, 1 - 1e-6)).sum())
        rough_still = np.log1p(rough * (np.exp(self._rougher) - 1.0))
        rough_moved = np.log1p(np.maximum(rough, ROUGHER["machine"]) * (np.exp(self._rougher) - 1.0))
        score += float(rough_still.sum())
        prior = np.log1p(-np.minimum(up + down, 1 - 1e-6))
        displaced = []
        while still.any():
            own = np.maximum(np.diag(precision), FLOOR)
            pull = precision @ self._z
            moved = pull / own
            density = WIDTH / (WIDTH + np.abs(moved)) ** 2
            chance = np.where(moved > 0, up, down)
            gain = 0.5 * pull**2 / own + 0.5 * np.log(2 * np.pi / own)
            gain += np.log(density * chance) - prior + rough_moved - rough_still
            gain[~still] = -np.inf
            best = forced if forced >= 0 and still[forced] else int(gain.argmax())
            if gain[best] <= 0 and best != forced:
                break
            score += float(gain[best])
            displaced.append((best, float(moved[best])))
            still[best] = False
            precision = precision - np.outer(precision[:, best], precision[best]) / own[best]
        return score - self._nothing(), tuple(displaced)

    def _nothing(self) -> float:
        """Give half the whole distance: what displacing nothing at all leaves unexplained."""
        return 0.5 * float(self._z @ self._precision @ self._z)


def _rougher(looks: Looks) -> Floats:
    """Give the log ratio of a channel that is rougher to one that is as rough as when healthy."""
    scale = looks.rough / looks.rough_spread
    normal = -2.5 * np.log1p(scale**2 / 4) - np.log(looks.rough_spread) - 0.98
    rougher = np.where(looks.rough > 0, -looks.rough, -8.0)
    return np.clip(rougher - normal, -8.0, 12.0)


def missing_of(looks: Looks) -> NDArray[np.int64]:
    """Name the channels of which too many of the newest rows say nothing."""
    return np.flatnonzero(looks.missing >= MISSING_MIN)
