"""One machine as a row of the fleet page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from penstock.apps.house.figures import (
    NARROW,
    NOTHING,
    age_text,
    day_text,
    duration_text,
    moment_text,
    value_text,
    words,
)
from penstock.apps.house.said import trouble_of
from penstock.apps.house.tables import Cell, Row
from penstock.apps.maintenance.frame import evidence_text, health_tone, phase_text, worst_of
from penstock.apps.maintenance.machine import Machine
from penstock.apps.maintenance.orders.order import Order
from penstock.apps.maintenance.risk.chance import Chance
from penstock.apps.maintenance.risk.rank import SENSOR, WIRE, Risk, Step
from penstock.apps.maintenance.rowjudge import LIFE, LIFE_HIGH, LIFE_LOW

COLUMNS: Final = (
    "Machine",
    "Health",
    "·Suspected",
    "·Life left",
    "Fails",
    "›·Expected loss",
    "Next",
    "·Alarm",
    "›·Age",
)
TONE: Final = {
    Step.STOP: "bad",
    Step.ORDER: "bad",
    Step.SENSOR: "warn",
    Step.WIRE: "warn",
    Step.INSPECT: "warn",
    Step.WATCH: "mute",
}
LIKELY, POSSIBLE = 0.5, 0.1
"""Chances of a failure within the notice from which it is shown red, and amber."""


@dataclass(frozen=True, slots=True)
class Told:
    """What else is known of it: the part suspected, what its failure mode says to do, an order that is not closed."""

    suspected: str
    action: str
    order: Order | None


def fleet_row(machine: Machine, risk: Risk, told: Told, *, now_ns: int) -> Row:
    """Write a machine with its risk."""
    watch, latest = machine.watch, machine.latest
    health = machine.health
    age_s = (now_ns - latest.time) / 1e9 if latest and latest.time else None
    finding = worst_of(watch.newest)
    since = f", since {moment_text(finding.since_ns, now_ns=now_ns)}" if finding and finding.since_ns else ""
    alarm = machine.alarm
    word, tone = ("Active", "bad") if alarm and alarm.acknowledged is None else ("Acknowledged", "warn")
    notice = duration_text(3600 * risk.costs.notice_h)
    cells = (
        Cell(watch.asset.name or watch.asset.path, href=f"/asset/{watch.asset.id}", tip=watch.asset.path),
        Cell(
            NOTHING if health is None else f"{health:.0f} %",
            "meter",
            health_tone(health, machine.limit),
            share=health,
            tip=phase_text(watch.model),
        ),
        Cell(_suspected_text(machine, told.suspected), tip=evidence_text(finding) + since if finding else ""),
        Cell(life_text(machine), "sub"),
        Cell(_chance_text(risk.chance, notice), "chip", _chance_tone(risk.chance), tip=_chance_tip(risk, notice)),
        Cell(money_text(risk.loss, risk.costs.currency), "num", tip=_money_tip(risk)),
        Cell(*_next(risk, told)),
        Cell(word if alarm else "None", "chip", tone if alarm else "mute"),
        Cell(age_text(age_s), "num"),
    )
    return Row(watch.asset.id, cells)


def money_text(amount: float | None, currency: str) -> str:
    """Write an amount of money, in whole units."""
    return NOTHING if amount is None else f"{value_text(round(amount))}{NARROW}{currency}"


def share_text(share: float) -> str:
    """Write a probability in percent; what is next to nothing or next to sure says so."""
    if share < 0.005:
        return f"< 1{NARROW}%" if share >= 0.00005 else f"0{NARROW}%"
    return f"> 99{NARROW}%" if share > 0.995 else f"{100 * share:.0f}{NARROW}%"


def life_text(machine: Machine) -> str:
    """Write the remaining life with its interval, as the historian has it."""
    hours = {
        name: latest.value
        for name, latest in machine.more.items()
        if isinstance(latest.value, float) and latest.time == machine.more[LIFE].time
    } if LIFE in machine.more else {}  # fmt: skip
    if LIFE not in hours:
        return NOTHING
    text = duration_text(3600 * hours[LIFE])
    if LIFE_LOW not in hours:
        return text
    low = duration_text(3600 * hours[LIFE_LOW])
    return f"{text} ({low} to {duration_text(3600 * hours[LIFE_HIGH])})" if LIFE_HIGH in hours else f"{text} (≥ {low})"


def suspect_text(suspected: str) -> str:
    """Say in words what `suspected_part` names."""
    kind, _, name = suspected.partition(":")
    if kind == SENSOR:
        return f"Sensor: {words(name)}" if name else "A sensor"
    if kind == WIRE:
        return f"No data: {words(name)}" if name else "No data"
    is_text = " " in suspected  # as its type wrote it, not a key
    return f"{suspected[:1].upper()}{suspected[1:]}" if is_text else words(suspected)


def _suspected_text(machine: Machine, suspected: str) -> str:
    watch = machine.watch
    if watch.failure is not None:
        return trouble_of(watch.failure).title
    if suspected:
        return suspect_text(suspected)
    if watch.newest is None:
        return "Waiting for samples"
    finding = worst_of(watch.newest)
    return evidence_text(finding) if finding else "Nothing"


def _chance_text(chance: Chance | None, notice: str) -> str:
    return "not known" if chance is None else f"{share_text(chance.within)} in {notice}"


def _chance_tone(chance: Chance | None) -> str:
    if chance is None:
        return "none"
    return "bad" if chance.within >= LIKELY else "warn" if chance.within >= POSSIBLE else "mute"


def _chance_tip(risk: Risk, notice: str) -> str:
    if risk.chance is None:
        return "Nothing was said of the machine yet, or its readings cannot be trusted"
    later = share_text(risk.chance.within_twice)
    return f"By {risk.chance.source}. Within {notice}, the notice of a repair; within twice that {later}"


def _money_tip(risk: Risk) -> str:
    costs = risk.costs
    if risk.loss is None or risk.gain is None:
        return "; ".join(costs.wrong)
    said = (
        f"A missed failure costs {money_text(costs.missed_failure, costs.currency)}, a planned repair "
        f"{money_text(costs.planned_repair, costs.currency)}. Acting now instead of later gains "
        f"{money_text(risk.gain, costs.currency)}"
    )
    return "; ".join((said, *costs.wrong))


def _next(risk: Risk, told: Told) -> tuple[str, str, str, str, None, str]:
    """Give text, kind, tone and tip of what to do next; an order that is open says how far that has come."""
    if told.order is not None:
        order = told.order
        day = order.planned_for_ns
        text = f"Order {order.number}{f', {day_text(day)}' if day else ''}"
        is_said = order.title.casefold().startswith(risk.step.casefold())  # as what the page suggests: Inspect: …
        tip = order.title if is_said else f"{risk.step}: {order.title}"
        return text, "chip", "good" if day else "warn", "", None, tip
    return risk.step, "chip", TONE[risk.step], "", None, told.action
