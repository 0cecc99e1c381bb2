"""Builders for machines that wear: a quiet machine without noise, its mean readings, and signs of a fault."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from penstock.core.values import Value
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.model import ModelContext, Parameters
from penstock.simulators.models.world import World

TESTED_AS_WORKING = frozenset(
    {
        "cnc-spindle",
        "energy-meter",
        "filling-line",
        "injection-moulding",
        "tank-level",
        "welding-robot",
        "wind-turbine",
    }
)
"""Machines whose readings follow cycles, wind or a line: test_working_machines.py looks at them in its own way."""
Kind = Callable[[ModelContext], WearingMachine]


class Quiet(Random):
    """Draw no noise: what is left is physics, equal for any step."""

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        return mu


@dataclass(frozen=True)
class Signs:
    """Say which outputs a fault must move, up and down, and which may follow a little (as speed does)."""

    up: tuple[str, ...] = ()
    down: tuple[str, ...] = ()
    follows: tuple[str, ...] = ()


def machine(kind: Kind, *, random: Random | None = None, world: World | None = None, **given: object) -> WearingMachine:
    """Make a machine; without `random` a quiet one."""
    return kind(ModelContext("dut", Parameters(given), random or Quiet(1), world or World()))


def run(model: WearingMachine, seconds: float, *, dt_s: float = 1.0) -> None:
    for _ in range(round(seconds / dt_s)):
        model.step(dt_s)


def means(model: WearingMachine, seconds: float, *, dt_s: float = 1.0) -> dict[str, float]:
    """Go on for so long; give the mean of every output that is a number or a truth, read about ten times a minute."""
    every = max(1, round(6.0 / dt_s))
    sums: dict[str, float] = {}
    readings = 0
    for number in range(round(seconds / dt_s)):
        model.step(dt_s)
        if number % every:
            continue
        readings += 1
        for name, value in numbers(model.outputs()).items():
            sums[name] = sums.get(name, 0.0) + value
    return {name: total / readings for name, total in sums.items()}


def numbers(outputs: Mapping[str, Value]) -> dict[str, float]:
    return {name: float(value) for name, value in outputs.items() if isinstance(value, int | float)}
