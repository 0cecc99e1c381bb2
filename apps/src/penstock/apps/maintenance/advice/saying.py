"""Turn a hypothesis into a diagnosis: part, action, urgency, and sentences of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.diagnosis import COMMUNICATION, OR, UNKNOWN, Diagnosis, Kind, Urgency
from penstock.apps.maintenance.advice.matching import Ranked
from penstock.apps.maintenance.advice.modes import FailureMode, NOTICE_h
from penstock.apps.maintenance.advice.urgency import urgency_of
from penstock.apps.maintenance.advice.wording import Moved, clock, follows_text, listed_words, moved_text, spoken

Floats = NDArray[np.float64]
NEWEST = 8
"""Rows whose mean is what a channel reads now."""
HALF = 0.5
"""Of today's departure: where it had as much, it had begun."""
SIGNS_MAX = 4
LISTED_MAX = 6
HOW: Final = {
    "bias": "it alone went over to another level, which the other channels do not bear out",
    "drift": "it alone has left what the other channels let expect of it",
    "stuck": "it stands still, which it never does while healthy",
    "noise": "it has become rough, the others have not",
    "spike": "single rows jump and come back",
    "dropout": "a share of its rows brings no value",
}


PARTS_MAX: Final = 3
"""So many parts that fit about equally are named; with more of them the part is unknown."""


class Evidence(Protocol):
    """What sentences are made of, whoever judges."""

    @property
    def newest_ns(self) -> int:
        """Give the time of the newest row."""

    @property
    def left_h(self) -> float | None:
        """Give the hours that are left; None: no end in sight."""

    def moved(self, channel: int, by: float) -> tuple[float, float, int] | None:
        """Give what a channel reads, what was expected, and since when; None where it reads nothing.

        `by`: its displacement in healthy spreads.
        """


@dataclass(frozen=True, slots=True)
class Told:
    """What sentences are made of: the newest rows (n, u) in units, the past's times (k,) and mean deviations (k, u) in
    scales, one healthy spread of the moving average a channel (u,) in units, and the hours that are left.
    """

    rows: Floats
    past_ns: NDArray[np.int64]
    past: Floats
    spread: Floats
    left_h: float | None

    @property
    def newest_ns(self) -> int:
        """Give the time of the newest row."""
        return int(self.past_ns[-1])

    def moved(self, channel: int, by: float) -> tuple[float, float, int] | None:
        """Give what a channel reads, what was expected, and since when; None where it reads nothing."""
        newest = self.rows[-NEWEST:, channel]
        known = newest[np.isfinite(newest)]
        if not len(known):
            return None
        reads = float(known.mean())
        since_ns = since_of(self.past_ns, self.past[:, channel], rises=by > 0)
        return reads, reads - by * float(self.spread[channel]), since_ns


class Teller:
    """Knows the channels' names and units."""

    def __init__(self, names: Sequence[str], units: Sequence[str]) -> None:
        self._names, self._units = tuple(names), tuple(units)

    def tell(self, ranked: Ranked, told: Evidence, rivals: Sequence[Ranked] = ()) -> Diagnosis:
        """Say what a hypothesis means; `rivals`: failure modes that explain it about as well."""
        if ranked.kind == Kind.SENSOR:
            return self._sensor(ranked, told)
        moved = self._moved(ranked, told)
        since_ns = min((each.since_ns for each in moved), default=told.newest_ns)
        fit = [each for each in (ranked, *rivals) if each.mode is not None] if ranked.mode else []
        modes = [each.mode for each in fit if each.mode is not None]
        parts = list(dict.fromkeys(mode.part for mode in modes))
        certainty = sum((each.probability for each in fit[1:]), ranked.probability)
        return Diagnosis(
            Kind.MACHINE,
            OR.join(parts) if 1 <= len(parts) <= PARTS_MAX else UNKNOWN,
            OR.join(mode.name for mode in modes),
            certainty,
            _action(modes),
            urgency_of(told.left_h, max((mode.notice_h for mode in modes), default=NOTICE_h)),
            since_ns,
            (*self._signs(moved), _fits(ranked, fit)),
        )

    def _sensor(self, ranked: Ranked, told: Evidence) -> Diagnosis:
        name = self._names[ranked.channel]
        moved = self._moved(ranked, told)
        since_ns = moved[0].since_ns if moved else told.newest_ns
        said = f"{spoken(name)}: {HOW[ranked.how]} ({ranked.probability:.2f})"
        shown = [moved_text(moved[0])] if moved and ranked.how in ("bias", "drift") else []
        return Diagnosis(
            Kind.SENSOR,
            f"{Kind.SENSOR}:{name}",
            ranked.how,
            ranked.probability,
            f"Check the sensor of {spoken(name)} and its wiring; the machine needs no repair for this",
            Urgency.WEEK,
            since_ns,
            (*shown, said),
        )

    def urgent(self, said: Diagnosis, modes: Sequence[FailureMode], left_h: float | None) -> Diagnosis:
        """Judge the urgency of what was said anew; that of a sensor does not grow."""
        if said.kind != Kind.MACHINE:
            return said
        said_of = (said.mode, *said.mode.split(OR))
        notice_h = max((mode.notice_h for mode in modes if mode.name in said_of), default=NOTICE_h)
        return replace(said, urgency=urgency_of(left_h, notice_h))

    def silence(self, names: Sequence[str], share: float, told: Evidence) -> Diagnosis:
        """Say that channels, or where none is named whole rows, do not come; `share` of the newest time."""
        who = listed_words(names[:LISTED_MAX]) + (" and more" if len(names) > LISTED_MAX else "") if names else "all"
        since_ns = told.newest_ns
        said = f"{share:.0%} of the newest values did not come: {who}, seen {clock(since_ns)}"
        action = "Check the device's wire, power and network; the machine is not watched meanwhile"
        certainty = min(1.0, 0.5 + share / 2)
        return Diagnosis(
            Kind.COMMUNICATION, COMMUNICATION, "", certainty, action, Urgency.NOW, since_ns, (said,)
        )  # fmt: skip

    def _moved(self, ranked: Ranked, told: Evidence) -> list[Moved]:
        order = sorted(ranked.displaced, key=lambda each: -abs(each[1]))
        read = ((i, told.moved(i, by)) for i, by in order)
        return [Moved(self._names[i], self._units[i], *each) for i, each in read if each is not None]

    def _signs(self, moved: Sequence[Moved]) -> list[str]:
        """Say the first sign at length, and which go with it."""
        if not moved:
            return []
        sentences = [moved_text(moved[0])]
        for rises in (True, False):
            names = [each.name for each in moved[1:SIGNS_MAX] if (each.reads > each.expected) is rises]
            if names:
                sentences.append(follows_text(names, rises=rises))
        return sentences


def _action(modes: Sequence[FailureMode]) -> str:
    """Say what to do; of modes that fit about equally what each asks for."""
    if not modes:
        return "Inspect the machine"
    asked = {mode.part: mode.action or f"Inspect: {mode.part}" for mode in reversed(modes)}
    if len(asked) == 1:
        return asked[modes[0].part]
    if len(asked) > PARTS_MAX:
        return "Inspect the machine"
    return " ".join(f"{part[:1].upper()}{part[1:]}: {asked[part]}" for part in reversed(asked))


def _fits(ranked: Ranked, fit: Sequence[Ranked]) -> str:
    if not fit:
        return f"fits no failure mode that is known ({ranked.probability:.2f})"
    said = [f"{each.mode.name} ({each.probability:.2f})" for each in fit if each.mode is not None]
    return f"fits {said[0]}" if len(said) == 1 else f"fits {', '.join(said[:-1])} and {said[-1]} about equally"


def since_of(times_ns: NDArray[np.int64], deviations: Floats, *, rises: bool) -> int:
    """Give when a channel's deviation began: since then it has been at least half of what it is now."""
    sign = 1.0 if rises else -1.0
    now = sign * float(np.mean(deviations[-NEWEST:]))
    below = np.flatnonzero(sign * deviations[:-1] < HALF * now)
    begin = int(below[-1]) + 1 if len(below) else 0
    return int(times_ns[min(begin, len(times_ns) - 1)])
