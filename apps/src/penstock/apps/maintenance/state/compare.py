"""Two versions of a machine's model on the same recent rows: which raises fewer needless alarms? Pure.

Rows that either version was fitted on, or took its limits from, are left out: each would flatter the version that knows
them. Rows between the alarm and the visit of an order that found a fault are not counted as false; there an alarm is
right, and it is counted apart which version raised one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows
from penstock.apps.maintenance.state.artefacts import Artefact
from penstock.apps.maintenance.state.lessons import Span, inside, joined

ROWS_MAX: Final = 20_000
"""Recent rows that versions are compared on: a second or two a version."""
SETTLE_ROWS: Final = 100
"""First rows that only set the detectors in motion."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a version made of the rows.

    `rows`: counted ones; `watched_ns`: how long they last; `in_alarm`: share of them with an alarm; `false_alarms`:
    raised where nobody found a fault; `faults_seen`: of the faults found, in which an alarm stood; `high`: the score
    that one row in a hundred exceeds, 1 is the limit.
    """

    number: int
    rows: int
    watched_ns: int
    in_alarm: float
    false_alarms: int
    faults: int
    faults_seen: int
    high: float


def known_to(artefact: Artefact) -> tuple[Span, ...]:
    """Give the stretches that a version knows."""
    healthy = artefact.healthy
    return joined([healthy.fit, *((healthy.check,) if healthy.check else ()), *healthy.also])


def compared(one: Artefact, other: Artefact, rows: Rows, faulty: Sequence[Span]) -> tuple[Tried, Tried]:
    """Run both over the rows; `faulty`: when an order found a fault."""
    known = joined([*known_to(one), *known_to(other)])
    counts = ~inside(rows.times_ns, known)
    counts[:SETTLE_ROWS] = False
    return _tried(one, rows, counts, faulty), _tried(other, rows, counts, faulty)


def _tried(
    artefact: Artefact, rows: Rows, counts: np.ndarray[tuple[int], np.dtype[np.bool_]], faulty: Sequence[Span]
) -> Tried:
    judged = Detector(artefact.model).on_rows(rows.times_ns, rows.values)
    at_fault = inside(rows.times_ns, faulty)
    sound = counts & ~at_fault
    raised = judged.active & ~np.concatenate([[False], judged.active[:-1]])
    begun = [s for s in faulty if (counts & inside(rows.times_ns, [s])).any()]
    seen = sum(bool((judged.active & counts & inside(rows.times_ns, [s])).any()) for s in begun)
    gaps = np.minimum(np.diff(rows.times_ns, append=rows.times_ns[-1:]), artefact.model.gap_ns)
    scores = judged.scores[sound & np.isfinite(judged.scores)]
    return Tried(
        artefact.number,
        rows=int(sound.sum()),
        watched_ns=int(gaps[sound].sum()),
        in_alarm=float(judged.active[sound].mean()) if sound.any() else 0.0,
        false_alarms=int((raised & sound).sum()),
        faults=len(begun),
        faults_seen=seen,
        high=float(np.quantile(scores, 0.99)) if len(scores) else 0.0,
    )
