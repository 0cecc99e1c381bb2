"""The judge of whole rows: all channels of one moment → is it as when healthy, and how long will it last?

Either question may be asked alone. *State*: judged by a model that was fitted on healthy rows or, for few channels and
where it is asked, as a stream from the first row on. The score is 1 at the detection's limit; health falls from there
as a vibration's does: 60 % at the limit, where the default rule of health stands, 0 % at four times the limit; what is
below half the limit costs nothing. `anomaly` is 1 while the detection's own alarm stands, with its delays in rows; it
is what the rule watches, so a replay at any speed raises the same alarms. The part that is suspected and the urgency
are written with it, at the same time, when they change (`advice`). *Life*: the estimate of the fleet's prognosis
with its interval, in hours; its health is the share of the horizon that is left, since beyond the horizon nothing can
be read from sensors. The worse health counts, and its lost points are shared out by what the channels contribute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.advisor import Advisor
from penstock.apps.maintenance.advice.diagnosis import Diagnosis
from penstock.apps.maintenance.advice.modes import NOTHING, Known
from penstock.apps.maintenance.advice.telling import WRITTEN, Telling
from penstock.apps.maintenance.assessment import GOOD, SECOND, UNCERTAIN_SUBNORMAL, Assessment, Finding, Phase
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.condition.operating import Operating, of_life, of_state
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.model import Model as StateModel
from penstock.apps.maintenance.detection.model import ModelError
from penstock.apps.maintenance.detection.stream import Stream
from penstock.apps.maintenance.judging import HEALTH, Judging, RuleWish, Written
from penstock.apps.maintenance.marks import Mark
from penstock.apps.maintenance.prognosis.predicting import Estimates, Prognoser
from penstock.apps.maintenance.rows import ALL_SETTLED, row_maker
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.state.streamed import Streamed
from penstock.apps.maintenance.windows import Samples

if TYPE_CHECKING:
    from penstock.apps.maintenance.prognosis.model import Model as LifeModel

SCORE, ANOMALY = "anomaly_score", "anomaly"
LIFE, LIFE_LOW, LIFE_HIGH = "remaining_useful_life", "remaining_useful_life_low", "remaining_useful_life_high"
EVIDENCE_POINTS = 5.0
"""Health that a channel has cost since when it is evidence; as of the vibration's judge."""
REDO_S = 30 * 86_400.0
"""Samples later than that are stored and change no judgement."""
HOUR_NS = 3600 * SECOND
VERSION = 2
"""Of the state; an older one is judged again from the history."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class State:
    """A fitted state detection; it runs from `from_ns` on, to be in motion when it judges, from `judge_ns` on."""

    model: StateModel
    from_ns: int
    judge_ns: int
    period_ns: int
    known: Known = NOTHING

    @property
    def key(self) -> tuple[int | str, ...]:
        """Give what judges alike have in common; what is known may change under a judge, it goes on with its state."""
        return (self.from_ns, self.judge_ns, self.model.fitted_on.digest)

    def advisor(self, units: Sequence[str]) -> Advisor:
        """Give a new one; `units` of all channels."""
        return Advisor(self.model, self.known, units)

    def detector(self, advisor: Advisor | None = None) -> Detector:
        """Give a new one, as after an interruption; the advisor looks at each row with it."""
        return Detector(self.model, advisor)

    def levels(self, channels: int) -> list[float | None]:
        """Give each channel's healthy level; None where the model holds it against no fixed one."""
        levels: list[float | None] = [None] * channels
        model = self.model
        for i, centre, gain in zip(model.used.tolist(), model.centre.tolist(), model.gain.tolist(), strict=True):
            levels[i] = centre if gain == 0 else None
        return levels


@dataclass(frozen=True, slots=True)
class Life:
    """The prognosis of the asset's fleet, and since when the asset runs."""

    model: LifeModel
    from_ns: int

    @property
    def key(self) -> tuple[int | str, ...]:
        """Give what judges alike have in common."""
        return (self.from_ns, self.model.fitted_on.digest)


@dataclass(frozen=True, slots=True)
class _Word:
    """What one part says at a moment: health, points lost per channel, and what is written beside."""

    part: str
    health: float
    losses: Floats
    more: Mapping[str, float | str]
    diagnosis: Diagnosis | None = None


class RowJudge:
    """See the module, and judging.Judge."""

    def __init__(self, channels: tuple[Channel, ...], state: State | Streamed | None, life: Life | None) -> None:
        assert state is not None or life is not None, "one of the two is asked"
        self.channels = channels
        self._state, self._life = state, life
        begins = [part.from_ns for part in (state, life) if part is not None]
        period_ns = state.period_ns if state is not None else life.model.pace.period_ns if life is not None else SECOND
        self._rows = row_maker(len(channels), period_ns, min(begins))
        units = [channel.unit for channel in channels]
        self._advisor = state.advisor(units) if isinstance(state, State) else None
        self._telling = Telling()
        self._detector = _detector_of(state, self._advisor)
        self._prognoser = Prognoser(life.model) if life is not None else None
        self._since: list[int | None] = [None] * len(channels)
        self._held: dict[str, tuple[float, list[float]]] = {}
        self._healthy = state.levels(len(channels)) if state is not None else [None] * len(channels)

    @property
    def late(self) -> int:
        """Give how many samples came after their row was judged."""
        return self._rows.late

    @property
    def late_from_ns(self) -> int | None:
        """Give the time of the oldest of them."""
        return self._rows.late_from_ns

    @property
    def boundary_ns(self) -> int:
        """Give the time before which every row is judged."""
        return self._rows.boundary_ns

    @property
    def phase(self) -> Phase:
        """Say that it has learned what it needs: it was fitted before."""
        return Phase.WATCHING

    @property
    def learned(self) -> float:
        """Give 1: the model was fitted before."""
        return 1.0

    @property
    def redo_s(self) -> float:
        """Give how far back late samples make the history be read again."""
        return REDO_S

    @property
    def begin_ns(self) -> int | None:
        """Give the time before which it looks at nothing."""
        return self._rows.from_ns

    @property
    def needed_s(self) -> float:
        """Give 0: the model was fitted before."""
        return 0.0

    def on_samples(
        self, samples: Samples, now_ns: int = 0, *, in_order: bool = False, settled: int = ALL_SETTLED
    ) -> list[Assessment]:
        """Take samples in commit order, or by time; give an assessment for each row that is over and says something."""
        times, values = self._rows.on_samples(samples, now_ns, in_order=in_order, settled=settled)
        words: dict[int, list[_Word]] = {}
        of_life = self._of_life(times, values)
        for time_ns, word in [*self._of_state(times, values), *of_life]:
            words.setdefault(time_ns, []).append(word)
        read = dict(zip(times.tolist(), values, strict=True))
        return [self._assess(time_ns, words[time_ns], read.get(time_ns)) for time_ns in sorted(words)]

    def operating(self, newest: Assessment) -> Operating:
        """Give where the machine stands among the drivers of its state model, and in which regime of its fleet."""
        found = newest.findings
        point = of_state(self._state.model, self.channels, found) if isinstance(self._state, State) else Operating()
        regimes = self._life.model.scaling.regimes if self._life is not None else None
        return replace(point, regime=of_life(regimes, self.channels, found) if regimes is not None else None)

    def _of_state(self, times: NDArray[np.int64], values: Floats) -> list[tuple[int, _Word]]:
        if self._detector is None or self._state is None:
            return []
        mine = times >= self._state.from_ns
        judged = self._detector.on_rows(times[mine], values[mine])
        severity = np.interp(judged.scores, (0.5, 1.0, 2.0, 4.0), (0.0, 0.4, 0.7, 1.0))
        says = np.isfinite(judged.scores) & (judged.times_ns >= self._state.judge_ns)
        told: dict[int, tuple[dict[str, str], Diagnosis | None]] = {}
        if self._advisor is not None:
            told = self._telling.at(judged.times_ns[says].tolist(), self._advisor.take())
        words = []
        for i, time_ns in enumerate(judged.times_ns.tolist()):
            if says[i]:
                more, diagnosis = told.get(time_ns, ({}, None))
                lost, losses = 100.0 * float(severity[i]), 100.0 * float(severity[i]) * judged.shares[i]
                said: dict[str, float | str] = {SCORE: float(judged.scores[i]), **more}
                said[ANOMALY] = 1.0 if judged.active[i] else 0.0
                words.append((time_ns, _Word("state", 100.0 - lost, losses, said, diagnosis)))
        return words

    def _of_life(self, times: NDArray[np.int64], values: Floats) -> list[tuple[int, _Word]]:
        if self._prognoser is None or self._life is None:
            return []
        mine = times >= self._life.from_ns
        estimates = self._prognoser.on_rows(times[mine], values[mine])
        known = np.flatnonzero(np.isfinite(estimates.rul_ns)).tolist()
        if self._advisor is not None:
            for i in known:
                self._advisor.on_life(int(estimates.times_ns[i]), float(estimates.rul_ns[i]) / HOUR_NS)
        return [(int(estimates.times_ns[i]), _life_word(estimates, i, self._life.model.horizon_ns)) for i in known]

    def _assess(self, time_ns: int, words: list[_Word], row: Floats | None) -> Assessment:
        """Judge by the worse of what each part said last: they speak at moments of their own."""
        self._held |= {word.part: (word.health, word.losses.tolist()) for word in words}
        health, losses = min(self._held.values(), key=lambda held: held[0])
        findings = []
        for i, channel in enumerate(self.channels):
            loss = losses[i]
            self._since[i] = (self._since[i] or time_ns) if loss >= EVIDENCE_POINTS else None
            if row is not None and np.isfinite(row[i]):
                findings.append(
                    Finding(channel, float(row[i]), self._healthy[i], loss / 100.0, loss, self._since[i])
                )  # fmt: skip
        return Assessment(
            time_ns=time_ns,
            health=health,
            status=GOOD if row is None or np.isfinite(row).all() else UNCERTAIN_SUBNORMAL,
            zone=None,
            phase=Phase.WATCHING,
            learned=1.0,
            load=None,
            findings=tuple(findings),
            more={name: value for word in words for name, value in word.more.items()},
            diagnosis=next((word.diagnosis for word in words if word.diagnosis is not None), None),
        )

    def mark(self) -> Mark:
        """Give the state at `boundary_ns`; open rows come again with the history from there on."""
        return Mark(self.boundary_ns, self.to_json() | {"rows": self._rows.mark_to_json(), "told": {}})

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values, with what it was made for."""
        state: dict[str, Any] = {"v": VERSION, "made_for": self._made_for(), "rows": self._rows.to_json()}
        state |= {"since": list(self._since), "held": {part: list(held) for part, held in self._held.items()}}
        state["told"] = self._telling.to_json()
        parts = (("detector", self._detector), ("prognoser", self._prognoser), ("advisor", self._advisor))
        for name, part in parts:
            state[name] = part.to_json() if part is not None else None
        return state

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Take a state of the same channels and models; False, and nothing taken, where it is of others."""
        if state.get("v") != VERSION or state.get("made_for") != self._made_for():
            return False
        fresh = RowJudge(self.channels, self._state, self._life)
        try:
            fresh._take_up(state)
        except (ModelError, KeyError, TypeError, ValueError, IndexError, AttributeError):
            return False  # of another version of the app: the history is judged again
        self._detector, self._prognoser, self._rows = fresh._detector, fresh._prognoser, fresh._rows
        self._advisor, self._telling = fresh._advisor, fresh._telling
        self._since, self._held = fresh._since, fresh._held
        return True

    def _take_up(self, state: Mapping[str, Any]) -> None:
        if self._detector is not None:
            self._detector.restore(state["detector"])
        if self._advisor is not None:
            self._advisor.restore(state["advisor"])
            self._telling.restore(state["told"], self._advisor.newest)
        if self._prognoser is not None:
            self._prognoser.restore(state["prognoser"])
        self._rows.restore(state["rows"])
        self._since = list(state["since"])
        self._held = {part: (health, losses) for part, (health, losses) in state["held"].items()}

    def _made_for(self) -> list[Any]:
        names = [[channel.name, channel.tag] for channel in self.channels]
        return [*names, *(list(part.key) for part in (self._state, self._life) if part is not None)]


def _detector_of(state: State | Streamed | None, advisor: Advisor | None) -> Detector | Stream | None:
    """Give a new detector; one of a stream has no advisor, which needs the model of a healthy state."""
    return state.detector(advisor) if isinstance(state, State) else state.detector() if state is not None else None


def _life_word(estimates: Estimates, i: int, horizon_ns: float) -> _Word:
    """Say an estimate in hours; channels that shorten the life lose the points, in proportion."""
    left_ns = float(estimates.rul_ns[i])
    lost = 100.0 * (1.0 - min(1.0, left_ns / horizon_ns))
    shortens = np.maximum(0.0, -np.nan_to_num(estimates.contributions_ns[i]))
    total = float(shortens.sum())
    losses = lost * shortens / total if total > 0 else np.zeros(len(shortens))
    more = {LIFE: left_ns / HOUR_NS, LIFE_LOW: float(estimates.low_ns[i]) / HOUR_NS}
    high = float(estimates.high_ns[i])
    return _Word("life", 100.0 - lost, losses, more | ({LIFE_HIGH: high / HOUR_NS} if np.isfinite(high) else {}))


def by_rows(
    channels: tuple[Channel, ...], state: State | Streamed | None, life: Life | None, *, settings: MaintenanceSettings
) -> Judging:
    """Judge by whole rows; the rule watches `anomaly` where the state is judged, else the health that life leaves."""
    more: dict[str, Written] = {}
    usual = "as it was before" if isinstance(state, Streamed) else "as when healthy"
    if state is not None:
        more[SCORE] = Written("", f"Departure from a state {usual}: 1 is the limit")
        more[ANOMALY] = Written("", f"1 while the state is not {usual}")
    if isinstance(state, State):
        more |= {name: Written("", said, "string") for name, said in WRITTEN.items()}
    if life is not None:
        level = f"{life.model.settings.coverage:.0%}"
        more[LIFE] = Written("h", "Remaining useful life, estimated; held at the prognosis's horizon")
        more[LIFE_LOW] = Written("h", f"Lower end of the {level} interval of the remaining useful life")
        more[LIFE_HIGH] = Written("h", f"Upper end of the {level} interval; none where it is open above")
    said = f"is not {usual}: see the evidence in Maintenance"
    wish = RuleWish(ANOMALY, "high", 0.5, 0.1, 0.0, settings.severity, said)
    if state is None:
        worn = f"below {settings.limit:g} %: little life is left, see Maintenance"
        wish = RuleWish(HEALTH, "low", settings.limit, settings.deadband, 0.0, settings.severity, worn)
    known = state.known if isinstance(state, State) else None
    key = (channels, known, *(part.key for part in (state, life) if part is not None))
    return Judging(
        "state", key, channels, lambda: RowJudge(channels, state, life), wish, more, low_health=settings.limit
    )
