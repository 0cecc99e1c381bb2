"""Which part it may be, of a machine that is judged by its vibration: assessments in, diagnoses out. Online, bounded.

Theory of operation. The judge tells of each channel how far it is from its baseline, signed, in quarters of the step
that counts as a change, which is no less than the baseline's standard deviation. While the health is below its limit
these deviations are matched (`matching`) with the failure modes of the machine's type: at once, and after 1, 2, 4 …
windows, since a fault shows more of its signs as it grows; the looks are joined (`joining`), later ones weigh more,
and modes that explain them about as well are named together. The steps are far wider than what healthy channels do
together, so the deviations count as independent; and nobody looks at how readings follow one another, so of a sensor
only a level that was left is weighed. Urgency is the notice of the repair against the time at which a straight line
through the lost points reaches 100; no less than the evaluation zone asks for (ISO 20816-1 §6.3.2: D is severe enough
to damage the machine, C is for a limited time).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.advisor import Said
from penstock.apps.maintenance.advice.diagnosis import Diagnosis, Kind, Urgency
from penstock.apps.maintenance.advice.joining import Joined
from penstock.apps.maintenance.advice.matching import Pattern, Ranked, rank
from penstock.apps.maintenance.advice.memory import Memory
from penstock.apps.maintenance.advice.modes import Known
from penstock.apps.maintenance.advice.saying import Teller, since_of
from penstock.apps.maintenance.advice.telling import Telling
from penstock.apps.maintenance.advice.urgency import hours_left
from penstock.apps.maintenance.advice.wording import listed_words
from penstock.apps.maintenance.assessment import Assessment, Finding
from penstock.apps.maintenance.channels import Channel, Role
from penstock.apps.maintenance.zones import MEANING, Zone

Floats = NDArray[np.float64]
VERSION: Final = 1
DEVIATION_MAX: Final = 1000.0
"""Beyond it a deviation says nothing more, and single precision ends."""
DEPARTED_POINTS: Final = 5.0
"""Where fewer points are lost, the machine is well."""
URGENT_WINDOWS: Final = 6
"""Between two judgements of the urgency."""
KEEP: Final = 0.5
"""Earlier looks weigh half as much at each later one: the baseline does not follow a fault, and heat takes its time."""
SOONER: Final = (Urgency.NOW, Urgency.WEEK, Urgency.PLAN)
ZONE_URGENCY: Final = {Zone.C: Urgency.WEEK, Zone.D: Urgency.NOW}


class Namer:
    """See the module; the state goes through `to_json` and `restore`."""

    def __init__(self, channels: Sequence[Channel], known: Known, *, limit: float, deadband: float) -> None:
        told = [channel for channel in channels if channel.role is not Role.LOAD]
        self._names, self._modes = [channel.name for channel in told], known.modes
        self._sensed = np.array([name not in known.sensorless for name in self._names], np.bool_)
        self._limit, self._well = limit, limit + deadband
        self._teller = Teller(self._names, [channel.unit for channel in told])
        self._memory = Memory(len(told) + 1)
        self._joined, self._telling = Joined(KEEP), Telling()
        self._standing = -1
        """Windows with deviations since the health fell below its limit; −1: it has not."""
        self.newest: Diagnosis | None = None

    def on_assessment(self, assessment: Assessment) -> Assessment:
        """Take the next assessment; give it with what is suspected, and what of it is to be written."""
        findings = {finding.channel.name: finding for finding in assessment.findings}
        z = np.array([_deviation(findings.get(name)) for name in self._names])
        lost = 100.0 - assessment.health
        self._memory.on_entry(assessment.time_ns, np.append(np.nan_to_num(z), lost))
        self._judge(assessment, findings, z)
        words, standing = self._telling.at([assessment.time_ns], [Said(assessment.time_ns, self.newest)])[
            assessment.time_ns
        ]
        return replace(assessment, more={**assessment.more, **words}, diagnosis=standing)

    def _judge(self, assessment: Assessment, findings: Mapping[str, Finding], z: Floats) -> None:
        if self._standing >= 0 and assessment.health >= self._well:
            self._standing, self.newest = -1, None
            self._joined.reset()
            return
        if self._standing < 0 and assessment.health >= self._limit:
            return
        if not np.isfinite(z).any():
            return  # nothing to compare with: the baseline is still to come
        self._standing += 1
        if self._standing & (self._standing - 1) == 0:
            self.newest = self._look(assessment, findings, z)
        elif self._standing % URGENT_WINDOWS == 0 and self.newest is not None:
            left_h = self._seen(findings, assessment.time_ns).left_h
            self.newest = _in_zone(self._teller.urgent(self.newest, self._modes, left_h), assessment.zone)

    def _look(self, assessment: Assessment, findings: Mapping[str, Finding], z: Floats) -> Diagnosis:
        there = np.flatnonzero(np.isfinite(z))
        pattern = Pattern(z[there], np.eye(len(there)), None, self._sensed[there])
        ranked = rank(pattern, self._modes, [self._names[i] for i in there])
        best = self._joined.on_look([_placed(each, there) for each in ranked])
        said = self._teller.tell(best, self._seen(findings, assessment.time_ns), self._joined.rivals())
        return _in_zone(said, assessment.zone, says=True)

    def _seen(self, findings: Mapping[str, Finding], time_ns: int) -> _Seen:
        past_ns, past = self._memory.read()
        left_h = hours_left(past_ns, past[:, -1], end=100.0, departed=DEPARTED_POINTS)
        return _Seen([findings.get(name) for name in self._names], past_ns, past[:, :-1], time_ns, left_h)

    def mark_to_json(self) -> dict[str, Any]:
        """Give the state for a mark: who starts there tells anew how things stand."""
        return self.to_json() | {"told": {}}

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return {
            "version": VERSION,
            "memory": self._memory.to_json(),
            "joined": self._joined.to_json(),
            "told": self._telling.to_json(),
            "standing": self._standing,
            "newest": None if self.newest is None else self.newest.to_json(),
        }

    def restore(self, kept: Mapping[str, Any]) -> bool:
        """Take what `to_json` gave into a new one; False where it is of another version or other channels."""
        try:
            if kept["version"] != VERSION:
                return False
            self._memory.restore(kept["memory"])
            self._joined.restore(kept["joined"])
            self._standing = int(kept["standing"])
            self.newest = None if kept["newest"] is None else Diagnosis.of_json(kept["newest"])
            self._telling.restore(kept["told"], self.newest)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return False
        return True


@dataclass(frozen=True, slots=True)
class _Seen:
    """What sentences are made of (`saying.Evidence`): a channel's finding, and its deviations in the past."""

    findings: Sequence[Finding | None]
    past_ns: NDArray[np.int64]
    past: Floats
    newest_ns: int
    left_h: float | None

    def moved(self, channel: int, by: float) -> tuple[float, float, int] | None:
        """Give what a channel reads, what was expected, and since when."""
        finding = self.findings[channel]
        if finding is None or finding.expected is None:
            return None
        return finding.value, finding.expected, since_of(self.past_ns, self.past[:, channel], rises=by > 0)


def why_unnamed(channels: Iterable[Channel], known: Known) -> str:
    """Say why no part can ever be named of a machine with these channels; empty where it can."""
    measured = {channel.name for channel in channels if channel.role is not Role.LOAD}
    signs = {mode.name: frozenset(sign for sign in mode.signs if sign[0] in measured) for mode in known.modes}
    shown = [name for name, of in signs.items() if of]
    if not signs:
        return "its type knows no failure modes, or it has no type"
    if not shown:
        return "no sign of any failure mode of its type is measured"
    if len(shown) > 1 and len({signs[name] for name in shown}) == 1:
        return f"what is measured tells none of its failure modes apart: {listed_words(shown)} look alike"
    return ""


def _deviation(finding: Finding | None) -> float:
    if finding is None or finding.deviation is None:
        return float("nan")
    return float(np.clip(finding.deviation, -DEVIATION_MAX, DEVIATION_MAX))


def _placed(ranked: Ranked, there: NDArray[np.int64]) -> Ranked:
    """Count a hypothesis' channels among all, not among those that say something now."""
    channel = int(there[ranked.channel]) if ranked.channel >= 0 else -1
    return replace(ranked, channel=channel, displaced=tuple((int(there[i]), by) for i, by in ranked.displaced))


def _in_zone(said: Diagnosis, zone: Zone | None, *, says: bool = False) -> Diagnosis:
    """Let it be as urgent as the zone of the vibration asks, and say so where it `says`."""
    asked = ZONE_URGENCY.get(zone) if zone is not None else None
    if zone is None or asked is None or said.kind != Kind.MACHINE:
        return said
    sentences = (f"zone {zone} of ISO 20816: {MEANING[zone]}",) if says else ()
    return replace(
        said, urgency=min(said.urgency, asked, key=SOONER.index), evidence=(*said.evidence, *sentences)
    )  # fmt: skip
