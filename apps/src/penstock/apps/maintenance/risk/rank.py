"""From a chance and costs to what is lost, what acting now is worth, what to do, and which machine comes first.

With F the chance of failing by a time, T the notice, M a missed failure, R a planned repair, N a needless stop:

* expected loss = F(T) × (M − R): what a failure within the notice would cost beyond the repair that is due anyway.
* gain of an order now, against one notice later: (F(2T) − F(T)) × (M − R) − (1 − F(2T)) × N. An order now is done at T,
  so it spares the failures between T and 2T; where the machine would have lived on, it was stopped needlessly.
* gain of stopping at once: F(T) × (M − R) − (1 − F(T)) × N: it alone spares the failures before an order is done.

The larger gain that is above 0 says what to do; else an inspection pays where it costs less than what it may spare,
F(2T) × (M − R). It is the marginal comparison of replacing now or later (Berg 1980, A marginal cost analysis for
preventive replacement policies, European Journal of Operational Research 4) over one notice.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from penstock.apps.maintenance.risk.chance import Chance
from penstock.apps.maintenance.risk.costs import Costs

SENSOR, WIRE = "sensor", "communication"


class Step(StrEnum):
    """What to do next, the most urgent first."""

    STOP = "Stop and repair"
    ORDER = "Order the repair"
    SENSOR = "Check the sensor"
    WIRE = "Check the connection"
    INSPECT = "Inspect"
    WATCH = "Watch on"


class By(StrEnum):
    """What a fleet is ranked by."""

    RISK = "By risk"
    MONEY = "By money"


@dataclass(frozen=True, slots=True)
class Risk:
    """One machine's; `chance` None: nothing is known of the machine, or only that its readings cannot be trusted."""

    asset: str
    path: str
    chance: Chance | None
    costs: Costs
    loss: float | None
    gain: float | None
    step: Step


def assess(
    asset: str, path: str, *, chance: Chance | None, costs: Costs, suspected: str = "", alarmed: bool = False
) -> Risk:
    """Say what it may cost and what to do; see the module.

    `suspected`: a part, or `sensor:PROPERTY`, `communication…`: then the health speaks of the reading, not of the
    machine, and no chance is given. `alarmed`: an alarm of its health stands, so somebody has to look.
    """
    kind = suspected.partition(":")[0]
    if kind in (SENSOR, WIRE):
        return Risk(asset, path, None, costs, None, None, Step.SENSOR if kind == SENSOR else Step.WIRE)
    if chance is None:
        return Risk(asset, path, None, costs, None, None, Step.INSPECT if alarmed else Step.WATCH)
    now, later = chance.within, chance.within_twice
    order = (later - now) * costs.avoidable - (1 - later) * costs.needless_stop
    stop = now * costs.avoidable - (1 - now) * costs.needless_stop
    gain, step = max((stop, Step.STOP), (order, Step.ORDER), key=lambda each: each[0])
    if gain <= 0:
        step = Step.INSPECT if alarmed or later * costs.avoidable > costs.inspection else Step.WATCH
    return Risk(asset, path, chance, costs, now * costs.avoidable, gain, step)


URGENT: Final = frozenset({Step.STOP, Step.ORDER, Step.SENSOR, Step.WIRE, Step.INSPECT})
"""Steps that ask somebody to do something."""


def ranked(risks: Iterable[Risk], by: By, *, currency: str = "") -> list[Risk]:
    """Give them in the order in which they deserve attention; those of which nothing is known come last.

    Money of different currencies is not compared: `currency` comes first, the others behind it, each by itself.
    """
    if by is By.RISK:
        return sorted(risks, key=lambda r: (-r.chance.within if r.chance else 1.0, -(r.loss or 0.0), r.path))
    return sorted(
        risks,
        key=lambda r: (
            r.loss is None,
            (r.costs.currency != currency, r.costs.currency) if r.loss is not None else (True, ""),
            -(r.loss or 0.0),
            -(r.chance.within_twice if r.chance else 0.0),
            r.path,
        ),
    )


def total_loss(risks: Iterable[Risk]) -> dict[str, float]:
    """Give the expected loss of all of them, by currency."""
    sums: dict[str, float] = {}
    for risk in risks:
        if risk.loss is not None:
            sums[risk.costs.currency] = sums.get(risk.costs.currency, 0.0) + risk.loss
    return sums
