"""What is written of a diagnosis beside the anomaly: the part suspected and the urgency, when they change."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from penstock.apps.maintenance.advice.advisor import Said
from penstock.apps.maintenance.advice.diagnosis import Diagnosis

PART: Final = "suspected_part"
URGENCY: Final = "urgency"
WRITTEN: Final = {
    PART: "Part suspected; sensor:PROPERTY or communication where not the machine is broken; empty for none",
    URGENCY: "How urgent: now, this week, plan; empty where nothing is suspected",
}


class Telling:
    """Give the words to write at each moment; the first moment says how things stand, the others what has changed."""

    def __init__(self) -> None:
        self.standing: Diagnosis | None = None
        self._told: dict[str, str] = {}

    def at(self, moments: Iterable[int], said: Sequence[Said]) -> dict[int, tuple[dict[str, str], Diagnosis | None]]:
        """Give for each moment (rising) what is to be written then, and the diagnosis that stands; `said` rises too."""
        out: dict[int, tuple[dict[str, str], Diagnosis | None]] = {}
        rest = list(reversed(said))
        for moment in moments:
            while rest and rest[-1].time_ns <= moment:
                self.standing = rest.pop().diagnosis
            now = words_of(self.standing)
            out[moment] = ({k: v for k, v in now.items() if self._told.get(k) != v}, self.standing)
            self._told = now
        for late in reversed(rest):
            self.standing = late.diagnosis
        return out

    def to_json(self) -> dict[str, str]:
        """Give what was told last; who starts from a mark tells it anew."""
        return dict(self._told)

    def restore(self, told: dict[str, str], standing: Diagnosis | None) -> None:
        """Take what `to_json` gave, and the diagnosis that stood."""
        self._told, self.standing = {str(k): str(v) for k, v in told.items()}, standing


def words_of(diagnosis: Diagnosis | None) -> dict[str, str]:
    """Give what is written of a diagnosis."""
    if diagnosis is None:
        return {PART: "", URGENCY: ""}
    return {PART: diagnosis.part, URGENCY: str(diagnosis.urgency)}
