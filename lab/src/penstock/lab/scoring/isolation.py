"""Whether an alarm names the right part: of each detected event the first alarm is asked.

*Accuracy* is over all detected events, where an alarm that names nothing is wrong; *of named* over those that name
something. *Kind* asks only whether the machine is meant, or what measures and tells it: a fitter who opens a machine
because of a drifting sensor is the dearest mistake.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from penstock.lab.scoring.detection import Matched
from penstock.lab.scoring.naming import names


@dataclass(frozen=True, slots=True)
class Isolation:
    """Shares, None where there is nothing to count; `confusion` maps "true component ← part as said" to a number."""

    detected: int
    named: int
    accuracy: float | None
    accuracy_of_named: float | None
    kind_accuracy: float | None
    kind_accuracy_of_named: float | None
    confusion: dict[str, int] = field(default_factory=dict)


def isolation(matched: Matched) -> Isolation:
    """Count over the detected events."""
    pairs = [(each.episode, each.first) for each in matched.findings if each.detected and each.first is not None]
    named = sum(bool(alarm.part) for _, alarm in pairs)
    right = sum(names(alarm.part, episode) for episode, alarm in pairs)
    kind = sum(alarm.kind == episode.kind or names(alarm.part, episode) for episode, alarm in pairs)
    said = Counter(f"{episode.component or episode.fault} ← {alarm.part or 'nothing'}" for episode, alarm in pairs)
    return Isolation(
        detected=len(pairs),
        named=named,
        accuracy=right / len(pairs) if pairs else None,
        accuracy_of_named=right / named if named else None,
        kind_accuracy=kind / len(pairs) if pairs else None,
        kind_accuracy_of_named=kind / named if named else None,
        confusion=dict(sorted(said.items())),
    )
