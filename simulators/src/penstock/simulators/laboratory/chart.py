"""The picture of a device's faults: severity over time, with what happened and when the platform said so. Pure.

The numbers are percent of the picture's width, and coordinates in a box of WIDTH × HEIGHT for the lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from penstock.core.times import NS_PER_S
from penstock.simulators.laboratory.episodes import Alarm, Episode
from penstock.simulators.laboratory.words import moment
from penstock.simulators.truth.records import TruthState

WIDTH: Final = 1000.0
HEIGHT: Final = 100.0
WINDOW_MAX_ns: Final = 24 * 3600 * NS_PER_S
"""A longer past is not drawn: the store is asked once in two seconds."""
MARKS_MAX: Final = 6
POINTS: Final = 300
LINES_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment in the picture: its place in percent of the width, what it says, which tone, which row of text."""

    x: float
    tone: str
    text: str
    time: str
    row: int
    anchor: str


@dataclass(frozen=True, slots=True)
class Line:
    """A fault's severity: corners for a polyline, its name and the number of its colour."""

    fault: str
    points: str
    number: int


@dataclass(frozen=True, slots=True)
class Chart:
    """The whole picture with its first and last time."""

    lines: tuple[Line, ...]
    marks: tuple[Mark, ...]
    begin: str
    end: str


def window(found: Sequence[Episode], now_ns: int) -> tuple[int, int] | None:
    """Give the span of time to draw: the episodes from a little before the first onset; None where there is none.

    Those that last reach until now; those that are over end a little after their end.
    """
    shown = drawn(found)
    if not shown:
        return None
    lasting = any(one.lasts for one in shown)
    end_ns = now_ns if lasting else max(one.end_ns or 0 for one in shown)
    begin_ns = min(one.onset_ns for one in shown)
    margin_ns = max(10 * NS_PER_S, (end_ns - begin_ns) // 12)
    return max(begin_ns - margin_ns, now_ns - WINDOW_MAX_ns), min(now_ns, end_ns + margin_ns)


def drawn(found: Sequence[Episode]) -> list[Episode]:
    """Give the episodes that are drawn: all that last, else the newest one."""
    lasting = [one for one in found if one.lasts]
    return lasting[-LINES_MAX:] if lasting else list(found[-1:])


def chart(
    found: Sequence[Episode], states: Sequence[TruthState], alarms: Sequence[Alarm], *, now_ns: int
) -> Chart | None:
    """Draw; None where no fault ever began, or nothing of it is remembered."""
    span = window(found, now_ns)
    if span is None or span[1] <= span[0]:
        return None
    begin_ns, end_ns = span
    shown = drawn(found)
    lines = tuple(
        Line(one.fault, _points(one, states, begin_ns=begin_ns, end_ns=end_ns), number)
        for number, one in enumerate(shown)
    )
    moments = sorted(
        (time_ns, tone, text) for time_ns, tone, text in _moments(shown, alarms) if begin_ns <= time_ns <= end_ns
    )[:MARKS_MAX]
    marks = tuple(
        _mark(one, row=row, begin_ns=begin_ns, end_ns=end_ns, now_ns=now_ns) for row, one in enumerate(moments)
    )
    return Chart(lines, marks, moment(begin_ns, now_ns=now_ns), moment(end_ns, now_ns=now_ns))


def _moments(shown: Sequence[Episode], alarms: Sequence[Alarm]) -> list[tuple[int, str, str]]:
    found: list[tuple[int, str, str]] = []
    for one in shown:
        found.append((one.onset_ns, "truth", f"{one.fault} begins"))
        if one.failed_ns is not None:
            found.append((one.failed_ns, "bad", f"{one.fault} complete"))
        if one.end_ns is not None:
            found.append((one.end_ns, "good", f"{one.fault} {one.ended}"))
    assets = {one.asset for one in shown if one.asset}
    found += [(one.raised_ns, "platform", "platform's alarm") for one in alarms if one.asset in assets]
    return found


def _mark(what: tuple[int, str, str], *, row: int, begin_ns: int, end_ns: int, now_ns: int) -> Mark:
    time_ns, tone, text = what
    x = 100.0 * (time_ns - begin_ns) / (end_ns - begin_ns)
    return Mark(round(x, 2), tone, text, moment(time_ns, now_ns=now_ns), row, "start" if x < 45.0 else "end")


def _points(one: Episode, states: Sequence[TruthState], *, begin_ns: int, end_ns: int) -> str:
    last_ns = one.end_ns if one.end_ns is not None else end_ns
    corners: list[tuple[int, float]] = []
    for state in states:
        if one.onset_ns <= state.time_ns <= last_ns:
            severity = next((fault.severity for fault in state.faults if fault.fault == one.fault), None)
            if severity is not None:
                corners.append((state.time_ns, severity))
    if one.onset_ns >= begin_ns:
        corners = [(one.onset_ns, 0.0), (one.onset_ns, one.severity), *corners]
    if one.end_ns is not None and corners:
        corners += [(one.end_ns, corners[-1][1]), (one.end_ns, 0.0)]
    elif corners:
        corners.append((end_ns, corners[-1][1]))
    scale = WIDTH / (end_ns - begin_ns)
    return " ".join(f"{(t - begin_ns) * scale:.1f},{HEIGHT * (1.0 - severity):.1f}" for t, severity in corners)
