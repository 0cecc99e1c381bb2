"""What done work orders teach the next fit of a machine's healthy state, and how often they found something. Pure.

An order is about the time from the alarm that led to it to the visit. A *fault found* in it (of the machine, or of a
sensor: then the readings were wrong) makes those rows no example of health. *Nothing found* makes them one: an alarm
stood on a sound machine, so its limits are too narrow for rows like these. As long a time before the alarm is taken
with them, a day at most: no alarm stood, and the detection is then in motion as it was when it raised this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.assessment import SECOND
from penstock.apps.maintenance.orders.order import Found, Label
from penstock.core.times import parse_rfc3339_ns

Span = tuple[int, int]
"""From ≤ time < until, ns."""
JOIN_NS: Final = 86_400 * SECOND
"""Alarms of one trouble come and go: those less than a day apart are one."""
ENDS: Final = ("clear", "rule-changed")


@dataclass(frozen=True, slots=True)
class Lessons:
    """`faulty`, `sound`: joined, in time order, no part of both; `nothing_found`: numbers of the orders of `sound`."""

    faulty: tuple[Span, ...] = ()
    sound: tuple[Span, ...] = ()
    nothing_found: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Precision:
    """Of the visits to a machine, how many found something."""

    done: int
    found: int

    @property
    def share(self) -> float | None:
        """Give found / done; None before the first visit."""
        return self.found / self.done if self.done else None


def lessons_of(labels: Sequence[Label], alarms: Sequence[Span]) -> Lessons:
    """Give what the orders of one machine teach; `alarms`: when its alarm stood, in time order."""
    begins = [_begin(label, alarms, after_ns=_visit_before(label, labels)) for label in labels]
    spans = [(begin, label.time_ns) for begin, label in zip(begins, labels, strict=True)]
    faulty = joined(s for s, label in zip(spans, labels, strict=True) if label.found is not Found.NOTHING)
    said = [(_led_in(s), label) for s, label in zip(spans, labels, strict=True) if label.found is Found.NOTHING]
    sound = without(joined(s for s, _ in said), faulty)
    return Lessons(faulty, sound, tuple(label.number for s, label in said if without([s], faulty)))


def _led_in(span: Span) -> Span:
    begin, end = span
    return max(0, begin - min(end - begin, JOIN_NS)), end


def _visit_before(label: Label, labels: Sequence[Label]) -> int:
    return max((other.time_ns for other in labels if other.time_ns < label.opened_ns), default=0)


def _begin(label: Label, alarms: Sequence[Span], *, after_ns: int) -> int:
    """Give the begin of the alarm that led to an order: the first of those that hang together before its opening."""
    before = [a for a in alarms if after_ns <= a[0] <= label.opened_ns]
    if not before or label.opened_ns - before[-1][1] > JOIN_NS:
        return label.opened_ns
    begin = before[-1][0]
    for earlier, later in reversed(list(pairwise(before))):
        if later[0] - earlier[1] > JOIN_NS:
            break
        begin = earlier[0]
    return begin


def precision_of(labels: Iterable[Label]) -> Precision:
    """Count the visits, and those that found a fault of the machine or of a sensor."""
    found = [label.found is not Found.NOTHING for label in labels]
    return Precision(len(found), sum(found))


def spans_of(journal: Iterable[Mapping[str, Any]], until_ns: int) -> list[Span]:
    """Give when an alarm's condition stood, from its journal; one that still stands ends at `until_ns`."""
    spans, raised_ns = [], None
    for entry in journal:
        if entry["event"] == "activate" and raised_ns is None:
            raised_ns = parse_rfc3339_ns(entry["time"])
        elif entry["event"] in ENDS and raised_ns is not None:
            spans.append((raised_ns, parse_rfc3339_ns(entry["time"])))
            raised_ns = None
    return spans if raised_ns is None else [*spans, (raised_ns, max(until_ns, raised_ns))]


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Give spans in time order, those that touch or overlap as one; empty ones are left out."""
    out: list[Span] = []
    for begin, end in sorted(s for s in spans if s[0] < s[1]):
        if out and begin <= out[-1][1]:
            out[-1] = (out[-1][0], max(out[-1][1], end))
        else:
            out.append((begin, end))
    return tuple(out)


def without(spans: Iterable[Span], taken: Iterable[Span]) -> tuple[Span, ...]:
    """Give what is left of spans where others are taken away."""
    left = list(joined(spans))
    for begin, end in taken:
        left = [part for s in left for part in ((s[0], min(s[1], begin)), (max(s[0], end), s[1])) if part[0] < part[1]]
    return tuple(left)


def overlap_ns(spans: Iterable[Span], within: Iterable[Span]) -> int:
    """Give how long spans and others have in common; either is joined already."""
    others = list(within)
    return sum(max(0, min(s[1], w[1]) - max(s[0], w[0])) for s in spans for w in others)


def inside(times_ns: NDArray[np.int64], spans: Iterable[Span]) -> NDArray[np.bool_]:
    """Say which times lie in one of the spans."""
    own = np.zeros(len(times_ns), np.bool_)
    for begin, end in spans:
        own |= (times_ns >= begin) & (times_ns < end)
    return own
