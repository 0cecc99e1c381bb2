"""Places in event time from which the model can be run again, for rows that come late.

A mark is the model's state after all windows before its boundary, and none behind it. Marks lie densely near the newest
and ever further apart behind it, so that their number grows with the logarithm of what they span, and a row that is
late by some time is behind a mark that is at most some four times as old.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STEP_NS = 600 * 1_000_000_000
"""Nearer together no two marks are taken."""
APART = 0.75
"""Two gaps in a row are together at least this share of the age of the older end."""


@dataclass(frozen=True, slots=True)
class Mark:
    """`model`: the state, as JSON values, when all windows that end up to `boundary_ns` were judged."""

    boundary_ns: int
    model: dict[str, Any]


class Marks:
    """Marks in time order; the oldest ever added stays."""

    def __init__(self, marks: list[Mark] | None = None) -> None:
        self._marks = list(marks or ())

    def __len__(self) -> int:
        return len(self._marks)

    def is_due(self, boundary_ns: int) -> bool:
        """Say whether a mark there would not be too near to the last one."""
        return not self._marks or boundary_ns >= self._marks[-1].boundary_ns + STEP_NS

    def add(self, mark: Mark) -> None:
        """Append a mark that is due, and let go of those that stand too near together for their age."""
        self._marks.append(mark)
        newest, index = mark.boundary_ns, len(self._marks) - 2
        while index > 0:
            older, newer = self._marks[index - 1].boundary_ns, self._marks[index + 1].boundary_ns
            if newer - older <= APART * (newest - newer):
                del self._marks[index]
            index -= 1

    def before(self, time_ns: int) -> Mark | None:
        """Give the newest mark that knows nothing of `time_ns` or later."""
        return next((m for m in reversed(self._marks) if m.boundary_ns <= time_ns), None)

    def up_to(self, mark: Mark | None) -> Marks:
        """Give the marks up to one of them, those behind it left out."""
        return Marks([m for m in self._marks if mark is not None and m.boundary_ns <= mark.boundary_ns])

    def to_json(self) -> list[list[Any]]:
        """Give the marks as JSON values."""
        return [[m.boundary_ns, m.model] for m in self._marks]

    @classmethod
    def of_json(cls, kept: list[list[Any]]) -> Marks:
        """Take what `to_json` gave."""
        return cls([Mark(int(boundary), dict(model)) for boundary, model in kept])
