"""What the pages show of machines and their faults, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from penstock.simulators.device_faults import COMMUNICATION_LOSS
from penstock.simulators.laboratory.facts import DeviceFacts
from penstock.simulators.laboratory.words import NOTHING, growth, number, quantity, share, span
from penstock.simulators.models.fault import FaultState
from penstock.simulators.truth.records import FaultTruth

CARDS_MAX: Final = 200
"""Machines of one page; a search finds the others."""


@dataclass(frozen=True, slots=True)
class FaultRow:
    """A fault that a device can have, or has."""

    fault: str
    component: str
    kind: str
    active: bool = False
    severity: float = 0.0
    severity_text: str = NOTHING
    growth: str = NOTHING
    life: str = NOTHING
    note: str = ""
    tone: str = "mute"


@dataclass(frozen=True, slots=True)
class Card:
    """A device in a few words; `faults` are those that it has."""

    device: str
    asset: str
    model: str
    description: str
    driver: str
    state: str
    tone: str
    life: str
    faults: tuple[FaultRow, ...] = ()
    silent: bool = False
    is_machine: bool = True


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with its name and a note."""

    name: str
    figure: str
    note: str = ""
    tone: str = "mute"


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry of the form's list of faults; `of_sensor`: a tag belongs to it."""

    value: str
    text: str
    of_sensor: bool = False


def card(facts: DeviceFacts) -> Card:
    """Tell a device."""
    state, tone = _state(facts)
    truth = facts.truth
    life = span(truth.rul_s) if truth is not None and truth.rul_s is not None else NOTHING
    return Card(
        facts.device,
        facts.asset,
        facts.model,
        facts.description,
        facts.driver,
        state,
        tone,
        life,
        tuple(_row(one, facts) for one in truth.faults) if truth is not None else (),
        silent=facts.silent,
        is_machine=facts.is_machine,
    )


def _state(facts: DeviceFacts) -> tuple[str, str]:
    failed = facts.truth.failed if facts.truth is not None else ""
    if failed:
        return f"tripped: {facts.trip or failed}", "bad"
    if facts.running is not None:
        return ("running", "good") if facts.running else ("stands", "warn")
    if facts.state:
        return facts.state.lower(), "good"
    return ("in service", "good") if facts.is_machine else ("measures", "mute")


def fault_rows(facts: DeviceFacts) -> tuple[FaultRow, ...]:
    """Give every fault of the machine, then those of sensors and wire that the device has."""
    known = {one.fault: one for one in facts.truth.faults} if facts.truth is not None else {}
    of_machine = [_row(known[one.fault], facts) if one.fault in known else _sound(one) for one in facts.possible]
    others = [_row(one, facts) for one in known.values() if one.kind != "machine"]
    return (*of_machine, *others)


def _sound(one: FaultState) -> FaultRow:
    return FaultRow(one.fault, one.component, "machine")


def _row(one: FaultTruth, facts: DeviceFacts) -> FaultRow:
    if not one.begun:
        return FaultRow(one.fault, one.component, one.kind, active=True, note=f"begins in {span(one.onset_s)}")
    failed = facts.truth is not None and facts.truth.failed == one.fault
    note = "the machine's own wear" if one.cause == "wear" else "the machine failed by it" if failed else one.law
    return FaultRow(
        one.fault,
        one.component,
        one.kind,
        active=True,
        severity=min(1.0, one.severity),
        severity_text=share(one.severity),
        growth=growth(one.growth_per_h),
        life=_life(one),
        note=note if one.growth_per_h or failed or one.cause == "wear" else "",
        tone="bad" if failed or one.severity >= 0.8 else "warn",
    )


def _life(one: FaultTruth) -> str:
    if one.kind != "machine":
        return NOTHING
    return span(one.rul_s) if one.rul_s is not None else "no end in sight"


def choices(facts: DeviceFacts) -> tuple[tuple[str, tuple[Choice, ...]], ...]:
    """Give what can be injected, in groups: of the machine, of the wire, of any sensor."""
    machine = tuple(Choice(one.fault, f"{one.fault} – {one.component}") for one in facts.possible)
    kinds = sorted({kind for possible in facts.sensors.values() for kind in possible})
    groups = (
        ("Machine", machine),
        ("Sensor of a tag", tuple(Choice(kind, kind, of_sensor=True) for kind in kinds)),
        ("Wire", (Choice(COMMUNICATION_LOSS, "communication loss"),)),
    )
    return tuple((name, found) for name, found in groups if found)


def hidden(facts: DeviceFacts) -> tuple[tuple[str, str], ...]:
    """Give what no tag carries: name, and value with unit."""
    if facts.truth is None:
        return ()
    found = ((quantity(name), value) for name, value in facts.truth.states.items())
    return tuple((name, f"{number(value)} {unit}".strip()) for (name, unit), value in found)


def sorted_cards(devices: Sequence[DeviceFacts], wanted: str = "") -> list[Card]:
    """Give the cards of the devices that a search finds: machines by name, then sensors and meters."""
    word = wanted.strip().lower()
    found = [
        one
        for one in devices
        if not word or any(word in text.lower() for text in (one.device, one.asset, one.model, one.description))
    ]
    return [card(one) for one in sorted(found, key=lambda one: (not one.is_machine, one.device))]


def tiles(cards: Sequence[Card], seen: tuple[int, int] | None) -> tuple[Tile, ...]:
    """Give the figures above the plant; `seen`: of how many lasting faults of machines how many the platform named."""
    machines = [one for one in cards if one.is_machine]
    running = sum(one.tone == "good" for one in machines)
    failed = sum(one.tone == "bad" for one in machines)
    active = [row for one in cards for row in one.faults]
    worst = max((row.severity for row in active), default=0.0)
    told = Tile("Seen by the platform", NOTHING, "no platform named")
    if seen is not None:
        told = Tile("Seen by the platform", f"{seen[0]} of {seen[1]}", "of the faults that last")
        told = told if seen[1] else Tile("Seen by the platform", NOTHING, "no fault lasts")
    return (
        Tile("Machines running", f"{running} of {len(machines)}", "machines that can fail"),
        Tile("Faults active", str(len(active)), f"worst at {share(worst)}" if active else "all is sound"),
        Tile(
            "Tripped",
            str(failed),
            "stand by a fault" if failed else "none stands by a fault",
            "bad" if failed else "mute",
        ),
        told,
    )
