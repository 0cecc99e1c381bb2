"""Turn a hypothesis into a diagnosis: part, action, urgency, and sentences of evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.diagnosis import COMMUNICATION, UNKNOWN, Diagnosis, Kind, Urgency
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


class Teller:
    """Knows the channels' names and units."""

    def __init__(self, names: Sequence[str], units: Sequence[str]) -> None:
        self._names, self._units = tuple(names), tuple(units)

    def tell(self, ranked: Ranked, told: Told) -> Diagnosis:
        """Say what a hypothesis means."""
        if ranked.kind == Kind.SENSOR:
            return self._sensor(ranked, told)
        moved = self._moved(ranked, told)
        mode = ranked.mode
        since_ns = min((each.since_ns for each in moved), default=int(told.past_ns[-1]))
        fits = f"fits {mode.name}" if mode else "fits no failure mode that is known"
        sentences = [*self._signs(moved), f"{fits} ({ranked.probability:.2f})"]
        notice_h = mode.notice_h if mode else NOTICE_h
        return Diagnosis(
            Kind.MACHINE,
            mode.part if mode else UNKNOWN,
            mode.name if mode else "",
            ranked.probability,
            (mode.action if mode else "") or (f"Inspect: {mode.part}" if mode else "Inspect the machine"),
            urgency_of(told.left_h, notice_h),
            since_ns,
            tuple(sentences),
        )

    def _sensor(self, ranked: Ranked, told: Told) -> Diagnosis:
        name = self._names[ranked.channel]
        moved = self._moved(ranked, told)
        since_ns = moved[0].since_ns if moved else int(told.past_ns[-1])
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
        notice_h = next((mode.notice_h for mode in modes if mode.name == said.mode), NOTICE_h)
        return replace(said, urgency=urgency_of(left_h, notice_h))

    def silence(self, names: Sequence[str], share: float, told: Told) -> Diagnosis:
        """Say that channels, or where none is named whole rows, do not come; `share` of the newest time."""
        who = listed_words(names[:LISTED_MAX]) + (" and more" if len(names) > LISTED_MAX else "") if names else "all"
        since_ns = int(told.past_ns[-1])
        said = f"{share:.0%} of the newest values did not come: {who}, seen {clock(since_ns)}"
        action = "Check the device's wire, power and network; the machine is not watched meanwhile"
        certainty = min(1.0, 0.5 + share / 2)
        return Diagnosis(
            Kind.COMMUNICATION, COMMUNICATION, "", certainty, action, Urgency.NOW, since_ns, (said,)
        )  # fmt: skip

    def _moved(self, ranked: Ranked, told: Told) -> list[Moved]:
        order = sorted(ranked.displaced, key=lambda each: -abs(each[1]))
        out = []
        for i, by in order:
            newest = told.rows[-NEWEST:, i]
            known = newest[np.isfinite(newest)]
            if len(known):
                reads = float(known.mean())
                since_ns = _since(told.past_ns, told.past[:, i], rises=by > 0)
                expected = reads - by * float(told.spread[i])
                out.append(Moved(self._names[i], self._units[i], reads, expected, since_ns))
        return out

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


def _since(times_ns: NDArray[np.int64], deviations: Floats, *, rises: bool) -> int:
    """Give when a channel's deviation began: since then it has been at least half of what it is now."""
    sign = 1.0 if rises else -1.0
    now = sign * float(np.mean(deviations[-NEWEST:]))
    below = np.flatnonzero(sign * deviations[:-1] < HALF * now)
    begin = int(below[-1]) + 1 if len(below) else 0
    return int(times_ns[min(begin, len(times_ns) - 1)])
