"""What happens to each machine of the experiment: drawn at random, from one seed that is drawn at run time.

A machine runs healthy while it is commissioned (fit and limits), then some hours more; then its faults come one after
the other, in an order of their own, each machine fault from its onset to the failure, after which a crew repairs it; so
do some faults of its sensors, which are cleared. All machines of a kind are watched over the same time, and what is
left of it they run healthy. Damage is quick, hours instead of weeks; everything else has the pace of life.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

WATCH_FROM_NS: Final = 1_780_315_200 * 1_000_000_000
"""Monday, 2026-06-01 12:00 UTC: a working week lies ahead, for what works in shifts."""
HOUR_NS: Final = 3_600_000_000_000
DUTIES: Final = ("steady", "regimes", "shifts")
LAWS: Final = ("linear", "exponential", "gamma")
SENSOR_FAULTS: Final = ("bias", "drift", "noise", "spike", "stuck", "dropout")


@dataclass(frozen=True, slots=True)
class Draw:
    """From where to where each number is drawn, uniformly; hours of simulated time.

    commissioned_h: healthy rows to fit on and to set limits with; a weekend more for shifts. first_h: healthy hours
    before the first fault; gap_h: between a repair and the next onset. life_h: from onset to failure, on average.
    severity: at onset. sensors: how many sensor faults a machine has; sensor_h: how long; sensor_severity: how bad.
    """

    commissioned_h: float = 48.0
    weekend_h: float = 72.0
    first_h: tuple[float, float] = (8.0, 16.0)
    gap_h: tuple[float, float] = (4.0, 7.0)
    life_h: tuple[float, float] = (5.0, 10.0)
    severity: tuple[float, float] = (0.02, 0.1)
    sensors: tuple[int, int] = (2, 3)
    sensor_h: tuple[float, float] = (3.0, 6.0)
    sensor_severity: tuple[float, float] = (0.5, 1.0)
    repair_h: float = 0.25
    slack: float = 1.35
    """A fault has so many times its mean life before the next one may come: chance, and hours at rest."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """One line of the schedule; `at_h` after the watch begins."""

    fault: str
    at_h: float
    severity: float
    growth_per_h: float
    law: str
    clear_h: float | None = None


@dataclass(frozen=True, slots=True)
class MachinePlan:
    """One machine: its seeds, what is asked of it, where it stands, and what breaks."""

    name: str
    seed: int
    commissioned_h: float
    parameters: Mapping[str, str | float]
    air_degC: float
    swing_K: float
    faults: tuple[PlannedFault, ...]
    watched_h: float
    """The hours of watch that it needs."""


def draw(
    random: Random, *, machines: int, faults: Sequence[str], sensors: Sequence[str], duties: Sequence[str], by: Draw
) -> tuple[MachinePlan, ...]:
    """Draw the machines of one kind, which has `faults`, and `sensors` that may break."""
    return tuple(_machine(random, f"m{i:02d}", faults, sensors=sensors, duties=duties, by=by) for i in range(machines))


def _machine(
    random: Random, name: str, faults: Sequence[str], *, sensors: Sequence[str], duties: Sequence[str], by: Draw
) -> MachinePlan:
    duty = random.choice(duties) if duties else ""
    parameters: dict[str, str | float] = {"duty": duty} if duty else {}
    if duty == "regimes":
        parameters["regime_h"] = round(random.uniform(0.5, 2.0), 3)
    kinds = random.choices(SENSOR_FAULTS, k=random.randint(*by.sensors))
    broken = [f"{kind}:{tag}" for kind, tag in zip(kinds, random.sample(list(sensors), len(kinds)), strict=True)]
    order = [*faults, *broken]
    random.shuffle(order)
    planned: list[PlannedFault] = []
    at_h = random.uniform(*by.first_h)
    for fault in order:
        one = _sensor(random, fault, at_h, by) if ":" in fault else _wear(random, fault, at_h, by)
        planned.append(one)
        lasts_h = one.clear_h - at_h if one.clear_h is not None else by.slack * (1 - one.severity) / one.growth_per_h
        at_h += lasts_h + by.repair_h + random.uniform(*by.gap_h)
    return MachinePlan(
        name,
        random.randrange(2**31),
        by.weekend_h if duty == "shifts" else by.commissioned_h,
        parameters,
        round(random.uniform(15.0, 25.0), 2),
        round(random.uniform(2.0, 6.0), 2),
        tuple(planned),
        at_h,
    )


def _wear(random: Random, fault: str, at_h: float, by: Draw) -> PlannedFault:
    severity = random.uniform(*by.severity)
    growth = (1 - severity) / random.uniform(*by.life_h)
    return PlannedFault(fault, at_h, severity, growth, random.choice(LAWS))


def _sensor(random: Random, fault: str, at_h: float, by: Draw) -> PlannedFault:
    """A drift grows from nothing, the others are there at once."""
    lasts_h, severity = random.uniform(*by.sensor_h), random.uniform(*by.sensor_severity)
    grows = fault.startswith("drift:")
    start, growth = (0.0, severity / lasts_h) if grows else (severity, 0.0)
    return PlannedFault(fault, at_h, start, growth, "linear", at_h + lasts_h)
