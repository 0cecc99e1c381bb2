"""The remaining useful life that a growth law leaves: the answer that a prognosis is measured against while it runs.

Hours are of running. The linear law and the gamma process (van Noortwijk 2009) have an increment that does not depend
on severity, so the mean remaining time is what is left over the growth; the exponential law
start · (1/start)^(dose / (1 − start)) is solved for its dose.
"""

from __future__ import annotations

import math
from typing import Final

START_MIN: Final = 0.01
"""Where exponential growth begins at least, as in the law itself."""


def remaining_s(*, severity: float, growth_per_h: float, start: float = 0.0, law: str = "linear") -> float | None:
    """Give the mean seconds of running until severity 1; None where nothing grows."""
    if severity >= 1.0:
        return 0.0
    if growth_per_h <= 0.0:
        return None
    if law == "exponential":
        begun = max(start, START_MIN)
        share = math.log(1.0 / max(severity, begun)) / math.log(1.0 / begun)
        return 3600.0 * (1.0 - start) * share / growth_per_h
    return 3600.0 * (1.0 - severity) / growth_per_h
