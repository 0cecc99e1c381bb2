"""How far a fault moves the channels of a machine that works in cycles, in wind or under control."""

import math
from collections.abc import Callable, Mapping

from penstock.core.values import Value
from penstock.simulators.models.faults.machine import WearingMachine
from tests.builders.machines import numbers, run

MEAN_SHARE, SPREAD_SHARE, FAR_K = 0.05, 0.2, 2.0
"""A channel has moved when its mean has: a temperature by 2 K, others by 5 % and 0.2 of its standard deviation."""

Look = Mapping[str, tuple[float, float]]
When = Callable[[Mapping[str, Value]], object]


def look(model: WearingMachine, seconds: float, *, when: When, dt_s: float = 1.0, every_s: float = 3.0) -> Look:
    """Go on; give mean and standard deviation of every number, read every `every_s` of simulated time, where `when`."""
    sums: dict[str, tuple[int, float, float]] = {}
    for _ in range(round(seconds / every_s)):
        run(model, every_s, dt_s=dt_s)
        outputs = model.outputs()
        for name, value in numbers(outputs).items() if when(outputs) else ():
            n, total, squares = sums.get(name, (0, 0.0, 0.0))
            sums[name] = (n + 1, total + value, squares + value * value)
    return {
        name: (total / n, math.sqrt(max(0.0, squares / n - (total / n) ** 2)))
        for name, (n, total, squares) in sums.items()
    }


def shifts(sound: Look, broken: Look, *, scales: Mapping[str, float]) -> dict[str, float]:
    """Give how far each channel is from where a sound machine has it: 1 and more is far.

    `scales` says in a channel's own unit what is far, where the rule above is no good.
    """
    moved = {}
    for name, (mean, spread) in sound.items():
        rule = FAR_K if name.endswith("_degC") else max(MEAN_SHARE * abs(mean), SPREAD_SHARE * spread, 1e-6)
        moved[name] = (broken[name][0] - mean) / scales.get(name, rule)
    return moved
