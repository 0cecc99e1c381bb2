"""Builders for the tests of machines that wear: means of their channels, and what a fault does to them."""

import math
from collections.abc import Callable, Mapping

from penstock.core.values import Value
from penstock.simulators.models.fault import FaultRequest
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.model import Model

MEAN_SHARE = 0.05
SPREAD_SHARE = 0.2
"""A channel has moved when its mean has, by 5 % of itself and by 0.2 of its standard deviation."""

Outputs = Mapping[str, Value]
When = Callable[[Outputs], object]


def always(_: Outputs) -> bool:
    return True


def run(model: Model, seconds: float, *, dt_s: float = 1.0) -> None:
    for _ in range(round(seconds / dt_s)):
        model.step(dt_s)


def number(model: Model, name: str) -> float:
    found = model.outputs()[name]
    assert isinstance(found, int | float), name
    return float(found)


def means(
    model: Model, seconds: float, *, dt_s: float = 1.0, every_s: float = 2.0, when: When = always
) -> dict[str, tuple[float, float]]:
    """Give mean and standard deviation of every number among the outputs, read every `every_s`, where `when`."""
    sums: dict[str, tuple[int, float, float]] = {}
    for _ in range(round(seconds / every_s)):
        run(model, every_s, dt_s=dt_s)
        outputs = model.outputs()
        for name, value in outputs.items() if when(outputs) else ():
            if isinstance(value, int | float):
                n, total, squares = sums.get(name, (0, 0.0, 0.0))
                sums[name] = (n + 1, total + value, squares + value * value)
    return {
        name: (total / n, math.sqrt(max(0.0, squares / n - (total / n) ** 2)))
        for name, (n, total, squares) in sums.items()
    }


def shifts(
    make: Callable[[], Model],
    fault: str,
    severity: float,
    *,
    settle_s: float,
    seconds: float,
    when: When = always,
    scales: Mapping[str, float] | None = None,
) -> dict[str, float]:
    """Give how far a fault moves each channel: 1 and more is far, see MEAN_SHARE; both runs have the same seed.

    `scales` says in a channel's own unit what is far, where 5 % is much too much.
    """
    sound, broken = make(), make()
    assert isinstance(broken, WearingMachine)
    broken.inject(FaultRequest(fault, severity, growth_per_h=0.0))
    for model in (sound, broken):
        run(model, settle_s)
    before, after = means(sound, seconds, when=when), means(broken, seconds, when=when)
    far = {name: max(MEAN_SHARE * abs(mean), SPREAD_SHARE * spread, 1e-6) for name, (mean, spread) in before.items()}
    far.update(scales or {})
    return {name: (after[name][0] - mean) / far[name] for name, (mean, _) in before.items()}


def wrong(moved: Mapping[str, float], signs: Mapping[str, int], *, apart: frozenset[str] = frozenset()) -> list[str]:
    """Name the channels that do not move as `signs` says (1 up, -1 down, 0 either way), and those that should not.

    Channels in `apart` are not judged: counters, and what the table gives as a consequence of others.
    """
    found = []
    for name, shift in moved.items():
        sign = signs.get(name)
        if sign is None:
            if abs(shift) >= 1.0 and name not in apart:
                found.append(f"{name} moves by {shift:.2f}")
        elif sign and shift * sign < 1.0:
            found.append(f"{name} moves by {shift:.2f} only")
    return found + [f"no channel {name}" for name in signs if name not in moved]
