"""What is asked of a machine: steady, in shifts, or in regimes that come as they like.

| `duty` | load asked for, as a share of rated |
|---|---|
| steady | 1, always (the default) |
| shifts | by the hour of the day: 06 to 14 h 1.0, 14 to 22 h 0.9, night 0.4; Saturday half, Sunday nothing |
| regimes | a semi-Markov process: levels 1.0, 0.8, 0.6, 0.35, each held for a time drawn from an exponential |
|  | distribution with the mean `regime_h` |

Hours are those of the simulated time, which the plant puts into the world, in the zone `utc_offset_h`. A wanted load
changes at once; the machine's own inertia makes it smooth. The order of regimes is drawn from the seed.
"""

from __future__ import annotations

from random import Random
from typing import Final

from penstock.core.times import NS_PER_S
from penstock.simulators.models.model import Drift, ModelContext, ParameterError

WORDS: Final = ("steady", "shifts", "regimes")
LEVELS: Final = (1.0, 0.8, 0.6, 0.35)
MORNING, EVENING, NIGHT = 1.0, 0.9, 0.4
SATURDAY_SHARE: Final = 0.5
HOUR_s: Final = 3600
DAY_s: Final = 86_400
THURSDAY: Final = 3
"""1970-01-01 was one; Monday is 0."""


class Duty:
    """Say what load is wanted; takes the parameters `duty`, `regime_h` and `utc_offset_h` of the device file."""

    def __init__(self, context: ModelContext, *, wander: float = 0.03) -> None:
        take = context.parameters
        self._word = take.word("duty", "steady")
        self._regime_s = take.number("regime_h", 2.0, low=0.01, high=1e4) * HOUR_s
        self._offset_s = take.number("utc_offset_h", 0.0, low=-12.0, high=14.0) * HOUR_s
        if self._word not in WORDS:
            message = f"{self._word!r} is no duty; one of: {', '.join(WORDS)}"
            raise ParameterError(message, key="duty")
        self._world = context.world
        self._random = Random(context.random.getrandbits(64))  # noqa: S311  physics, not secrets
        self._wander = Drift(context.random, wander, 600.0)
        self._level, self._left_s = 1.0, self._random.expovariate(1.0 / self._regime_s)

    def step(self, dt_s: float) -> float:
        """Go on; give the wanted load, 0 to about 1.1."""
        wander = 1.0 + self._wander.step(dt_s)
        match self._word:
            case "shifts":
                return self._by_the_clock() * wander
            case "regimes":
                return self._by_chance(dt_s) * wander
            case _:
                return wander

    def _by_the_clock(self) -> float:
        day, second = divmod(self._world.now_ns // NS_PER_S + round(self._offset_s), DAY_s)
        weekday, hour = (day + THURSDAY) % 7, second // HOUR_s
        if weekday == 6:
            return 0.0
        level = MORNING if 6 <= hour < 14 else EVENING if 14 <= hour < 22 else NIGHT
        return level * (SATURDAY_SHARE if weekday == 5 else 1.0)

    def _by_chance(self, dt_s: float) -> float:
        self._left_s -= dt_s
        while self._left_s <= 0.0:
            self._level = self._random.choice([level for level in LEVELS if level != self._level])
            self._left_s += self._random.expovariate(1.0 / self._regime_s)
        return self._level
