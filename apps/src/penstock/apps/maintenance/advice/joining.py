"""The looks at one alarm, joined: which hypothesis is said, and which others explain it about as well.

Each look ranks the hypotheses; what counts is the mean of the looks' logarithms, where asked the later ones more, and
what was said stays until something else is clearly more probable.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from penstock.apps.maintenance.advice.matching import Ranked

LOG_MIN: Final = -6.0
"""Least logarithm of a probability in one look: no look alone rules anything out."""
CLEARLY: Final = 2.0
"""What was said gives way to what is so many times as probable."""

Key = tuple[str, str, int]
"""A hypothesis: kind, failure mode, sensor's channel."""


class Joined:
    """What was said last, and of each hypothesis the sum of its logarithms since the alarm was raised.

    `keep`: what earlier looks keep of their weight at each further one.
    """

    def __init__(self, keep: float = 1) -> None:
        self._keep = keep
        self._key: Key | None = None
        self._sums: dict[Key, float] = {}
        self._looked: float = 0
        self._best: dict[Key, Ranked] = {}
        self._weights: dict[Key, float] = {}

    def reset(self) -> None:
        """Begin anew: the alarm is over."""
        self._looked, self._sums, self._key = 0, {}, None

    def on_look(self, ranked: Sequence[Ranked]) -> Ranked:
        """Join this look to those before; give what is best now, or what was said before while about as probable.

        A hypothesis that could not be weighed before counts as it does now.
        """
        best: dict[Key, Ranked] = {}
        now: dict[Key, float] = {}
        for each in ranked:
            best.setdefault(key_of(each), each)
            now[key_of(each)] = now.get(key_of(each), 0.0) + each.probability
        before = self._keep * self._looked
        self._looked = before + 1
        for key, probability in now.items():
            log = max(LOG_MIN, math.log(max(probability, 1e-9)))
            earlier = self._keep * self._sums[key] if key in self._sums else before * log
            self._sums[key] = earlier + log
        weights = {key: math.exp(total / self._looked) for key, total in self._sums.items()}
        top = max(best, key=weights.__getitem__)
        if self._key in best and weights[top] < CLEARLY * weights.get(self._key, 0.0):
            top = self._key
        self._key, self._best, self._weights = top, best, weights
        return self._as_weighed(top)

    def rivals(self) -> list[Ranked]:
        """Give the other failure modes that nothing said so far is clearly more probable than, the best first."""
        top = max(self._weights.values(), default=0.0)
        near = [k for k, weight in self._weights.items() if k in self._best and CLEARLY * weight > top]
        near.sort(key=lambda key: -self._weights[key])
        return [self._as_weighed(key) for key in near if key != self._key and self._best[key].mode is not None]

    def _as_weighed(self, key: Key) -> Ranked:
        return replace(self._best[key], probability=self._weights[key] / sum(self._weights.values()))

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values; the newest look is not in it."""
        return {
            "key": None if self._key is None else list(self._key),
            "sums": [[*key, total] for key, total in self._sums.items()],
            "looked": self._looked,
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave."""
        self._looked = kept["looked"]
        self._key = None if kept["key"] is None else (kept["key"][0], kept["key"][1], int(kept["key"][2]))
        self._sums = {(kind, mode, int(channel)): float(total) for kind, mode, channel, total in kept["sums"]}


def key_of(ranked: Ranked) -> Key:
    """Name a hypothesis."""
    return (ranked.kind, ranked.mode.name if ranked.mode else "", ranked.channel)
