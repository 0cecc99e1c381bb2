"""A work order and what may happen to it: the table is the documentation.

An order is *open* until somebody plans it or closes it. *Done* says what was found; that is a label of the machine's
condition at that time, which judging and fitting may learn from. *Dismissed* closes an order without a visit and
teaches nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

TEXT_MAX = 500
"""Signs of a title or a note: a sentence or two."""
DAY_NS = 86_400 * 1_000_000_000
LATEST_NS = 2**63 - 1
"""The year 2262, the last that nanoseconds in 64 bits hold."""


class State(StrEnum):
    """Where an order stands."""

    OPEN = "open"
    PLANNED = "planned"
    DONE = "done"
    DISMISSED = "dismissed"


class Found(StrEnum):
    """What the visit found, judged against what the order suspected."""

    AS_SUSPECTED = "as-suspected"
    OTHER_FAULT = "other-fault"
    SENSOR_FAULT = "sensor-fault"
    NOTHING = "nothing"


FAULTS = frozenset({Found.AS_SUSPECTED, Found.OTHER_FAULT})
"""What was found is a fault of the machine."""

MAY = {
    State.OPEN: frozenset({State.PLANNED, State.DONE, State.DISMISSED}),
    State.PLANNED: frozenset({State.PLANNED, State.DONE, State.DISMISSED}),
    State.DONE: frozenset[State](),
    State.DISMISSED: frozenset[State](),
}
"""State → states that a step may lead to; planning again moves the date."""


class OrderError(ValueError):
    """Say why a step is not possible."""


@dataclass(frozen=True, slots=True)
class Order:
    """A work order as it stands after its last step. `number` counts from 1 and is never used again.

    `suspected`: the part or channel that made somebody open it; `planned_for_ns`: when it shall be done;
    `part`: what the visit dealt with; `failed_ns`: when the machine failed, where it had before the repair;
    `changed_ns`, `changed_by`: its last step. Times are ns UTC.
    """

    number: int
    asset: str
    title: str
    suspected: str
    opened_ns: int
    opened_by: str
    state: State = State.OPEN
    planned_for_ns: int | None = None
    found: Found | None = None
    part: str = ""
    note: str = ""
    changed_ns: int = 0
    changed_by: str = ""
    failed_ns: int | None = None

    @property
    def is_closed(self) -> bool:
        """Say whether nothing more can happen to it."""
        return not MAY[self.state]


@dataclass(frozen=True, slots=True)
class Step:
    """What somebody does with an order."""

    to: State
    at_ns: int
    by: str
    planned_for_ns: int | None = None
    found: Found | None = None
    part: str = ""
    note: str = ""
    failed_ns: int | None = None


def stepped(order: Order, step: Step) -> Order:
    """Give the order after a step; OrderError where its state does not allow it, or where something is missing."""
    if step.to not in MAY[order.state]:
        message = f"work order {order.number} is {order.state}: it cannot become {step.to}"
        raise OrderError(message)
    if step.to is State.PLANNED and step.planned_for_ns is None:
        message = "say for when the work is planned"
        raise OrderError(message)
    if step.planned_for_ns is not None and not 0 <= step.planned_for_ns <= LATEST_NS:
        message = "the day planned is out of range: name one before 2262"
        raise OrderError(message)
    if step.planned_for_ns is not None and step.planned_for_ns // DAY_NS < step.at_ns // DAY_NS:
        message = "the day planned is over: name today or a later one, in UTC"
        raise OrderError(message)
    if step.to is State.DONE and step.found is None:
        message = "say what was found: it is what the next judgement learns from"
        raise OrderError(message)
    if step.found in FAULTS and not step.part.strip():
        message = "say which part was at fault"
        raise OrderError(message)
    if step.failed_ns is not None and step.found not in FAULTS:
        message = "a machine that had failed had a fault: say which part was at fault"
        raise OrderError(message)
    if step.failed_ns is not None and not 0 <= step.failed_ns <= step.at_ns:
        message = "the machine failed before now: say when, in UTC"
        raise OrderError(message)
    return replace(
        order,
        state=step.to,
        planned_for_ns=order.planned_for_ns if step.planned_for_ns is None else step.planned_for_ns,
        found=step.found,
        part=step.part.strip()[:TEXT_MAX],
        note=step.note.strip()[:TEXT_MAX] or order.note,
        changed_ns=step.at_ns,
        changed_by=step.by,
        failed_ns=step.failed_ns,
    )


@dataclass(frozen=True, slots=True)
class Label:
    """What is known of a machine's condition at a moment, by somebody who looked: from a work order that was done.

    `part` is empty where nothing was wrong; a faulty sensor says nothing about the machine. `opened_ns`: when the order
    was opened; `failed_ns`: when the machine failed, None where it had not.
    """

    asset: str
    time_ns: int
    found: Found
    part: str
    opened_ns: int
    number: int
    failed_ns: int | None = None

    @property
    def is_fault(self) -> bool:
        """Say whether the machine was at fault."""
        return self.found in FAULTS


def labels_of(orders: Sequence[Order]) -> list[Label]:
    """Give the labels that these orders left, oldest first."""
    done = [
        Label(o.asset, o.changed_ns, o.found, o.part, min(o.opened_ns, o.changed_ns), o.number, o.failed_ns)
        for o in orders
        if o.state is State.DONE and o.found is not None
    ]
    return sorted(done, key=lambda label: (label.time_ns, label.number))
