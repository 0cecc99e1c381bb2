"""How urgent: the time that is left against the time that a repair needs.

What is left is the remaining life where a prognosis knows it, else the time until the score has grown to four times its
limit, where health is 0 %: by the straight line through what the score did since it left its healthy range.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.diagnosis import Urgency

Floats = NDArray[np.float64]
END_SCORE = 4.0
DEPARTED_SCORE = 0.5
"""Below half of the limit nothing is lost."""
WEEK_h = 7 * 24.0
HOUR_ns = 3600e9
BLOCKS_MIN = 3
"""Entries of the memory that have risen: through two points any line goes."""


def urgency_of(left_h: float | None, notice_h: float) -> Urgency:
    """Compare what is left with the notice that a repair needs; None: no end in sight."""
    if left_h is None:
        return Urgency.PLAN
    if left_h <= notice_h:
        return Urgency.NOW
    return Urgency.WEEK if left_h <= notice_h + WEEK_h else Urgency.PLAN


def hours_left(
    times_ns: NDArray[np.int64], scores: Floats, *, end: float = END_SCORE, departed: float = DEPARTED_SCORE
) -> float | None:
    """Give the hours until the score reaches `end`, times and scores in time order; None where it does not rise.

    `departed`: below it, it is in its healthy range.
    """
    if not len(scores):
        return None
    if scores[-1] >= end:
        return 0.0
    low = np.flatnonzero(scores < departed)
    first = int(low[-1]) if len(low) else 0
    hours, risen = (times_ns[first:] - times_ns[-1]) / HOUR_ns, scores[first:]
    if len(risen) < BLOCKS_MIN or hours[0] == 0:
        return None
    slope = float(np.polyfit(hours, risen, 1)[0])
    return (end - float(scores[-1])) / slope if slope > 0 else None
