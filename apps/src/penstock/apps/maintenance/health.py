"""The health index: 100 % is a machine that behaves as it did when healthy, 0 % one that must not run.

Theory of operation. Samples → windows → per channel a *severity* between 0 and 1 → health.

* A vibration velocity is judged twice, and the worse counts: against the evaluation zones of ISO 20816 (needs no
  history), and against its own baseline at this operating point, in units of the change that the standard calls
  significant. A bearing band is judged by its rise in dB, a temperature by its rise in kelvin.
* The worst channel of each role speaks for it: two accelerations of one bearing are one evidence, not two. The roles'
  severities are joined by their Euclidean length, and their squares share out the lost points, within a role likewise,
  so the contributions of the channels add up to 100 − health. A bearing band alone, the first to speak, warns but
  cannot bring the health to 0.
* The median of the last windows is judged, so that one knock is not wear.
* The baseline learns from healthy running windows only, once it is in use from those alone in which no vibration stands
  out at a load that it knows, and then stays, also through a repair: after it the readings return to the baseline, and
  the health with them.
* A machine at rest says nothing about its bearings: no assessment, and nothing that could clear an alarm. One that
  has just started, or is seen for the first time, teaches nothing until it has settled; what it taught before its load
  was known, and what turns out to have been rest, is forgotten.
* Each channel's deviation from its baseline is told in quarters of the step that counts as a change, and so is that of
  channels that cost nothing but are signs of a failure mode: by them the part is named (`advice.naming`).

The same machine runs live, catching up and in batch; nothing here knows the clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

import numpy as np

from penstock.apps.maintenance.advice.naming import Namer
from penstock.apps.maintenance.assessment import GOOD, SECOND, UNCERTAIN_SUBNORMAL, Assessment, Finding, Phase
from penstock.apps.maintenance.baseline import Baseline
from penstock.apps.maintenance.channels import COSTLESS, Channel, Role
from penstock.apps.maintenance.condition.operating import Operating, of_load
from penstock.apps.maintenance.marks import Mark
from penstock.apps.maintenance.rows import ALL_SETTLED
from penstock.apps.maintenance.windows import Samples, Window, Windower
from penstock.apps.maintenance.zones import ISO_20816_3, Boundaries, Zone

VERSION: Final = 3
"""Of the state; an older one is judged again from the history."""
SPREADS: Final = 4
"""Standard deviations of a baseline that are a step at least, and parts of a step in which deviations are told."""
COUNTS_MIN: Final = 10
"""So many steps one way and none back: it only counts."""


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How the model judges; the page *How it judges* tells of what it does."""

    zones: Boundaries = ISO_20816_3["group-2-rigid"]
    window_s: float = 10.0
    lateness_s: float = 5.0
    patience_s: float = 60.0
    redo_s: float = 30 * 86_400.0
    median_windows: int = 5
    baseline_min_windows: int = 30
    baseline_windows: int = 1440
    hold_s: float = 120.0
    running_fraction: float = 0.1
    settle_s: float = 60.0
    band_step_db: float = 6.0
    temperature_step_k: float = 15.0
    sign_step: float = 0.1
    """Of a sign's healthy value."""
    evidence_points: float = 5.0


LOAD_MARGIN: Final = 0.05
"""Of the largest load learned: so far beyond the learned range a load is still known."""
STANDS_OUT: Final = 0.5
"""Steps above its baseline from which a vibration counts."""
SEVERITY: Final[Mapping[Role, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    Role.VELOCITY: ((STANDS_OUT, 1, 3, 6), (0, 0.4, 0.7, 0.9)),
    Role.BAND: ((STANDS_OUT, 1, 2, 3, 4), (0, 0.1, 0.3, 0.45, 0.6)),
    Role.TEMPERATURE: ((STANDS_OUT, 1, 2, 4), (0, 0.2, 0.4, 0.8)),
}
"""Steps above the baseline, and how severe that is; 0.4 alone is the limit of 60 %. No standard says what a rise costs,
so this is a choice: a velocity that has changed significantly (one step, ISO 20816-1) is at the limit; a band, of which
a bearing has several that tell the same, is there at 16 dB, and at 24 dB costs what the middle of zone C does; heat
comes late, and is at the limit with two steps."""


@dataclass(slots=True)
class _Track:
    """What is remembered of one channel."""

    recent: deque[float]
    baseline: Baseline = field(default_factory=Baseline)
    held: float = float("nan")
    held_until_ns: int = 0
    since_ns: int | None = None
    ups: int = 0
    downs: int = 0
    """Steps of a sign each way while its baseline was learned."""
    learned: float | None = None

    def forget(self) -> None:
        """Forget what was learned."""
        self.baseline, self.ups, self.downs, self.learned = Baseline(), 0, 0, None


class HealthModel:
    """Samples of one asset in, assessments out; the whole state goes through `to_json` and `restore`.

    `namer`: looks at each assessment and says which part it may be.
    """

    def __init__(
        self, channels: Sequence[Channel], settings: ModelSettings, namer: Callable[[], Namer] | None = None
    ) -> None:
        assert channels, "an asset without channels is not watched"
        assert channels[0].role is Role.VELOCITY, "the lead channel is a vibration velocity"
        self.channels = tuple(channels)
        self.settings = settings
        self._new_namer = namer
        self._namer = namer() if namer else None
        self._sensed = [i for i, c in enumerate(channels) if c.role not in COSTLESS]
        self._signs = [i for i, c in enumerate(channels) if c.role is Role.SIGN]
        self._load = next((i for i, c in enumerate(channels) if c.role is Role.LOAD), None)
        self._tracks = {i: _Track(deque(maxlen=settings.median_windows)) for i in (*self._sensed, *self._signs)}
        self._load_track = _Track(deque(maxlen=1))
        self._load_seen_max = 0.0
        self._seen_ns = self._settled_ns = 0
        width, lateness, patience, redo = (
            int(s * SECOND) for s in (settings.window_s, settings.lateness_s, settings.patience_s, settings.redo_s)
        )
        self._windower = Windower(len(channels), width, lateness, patience, redo)

    @property
    def late(self) -> int:
        """Give how many rows came after their window had closed."""
        return self._windower.late

    @property
    def late_from_ns(self) -> int | None:
        """Give the start of the oldest window for which rows came too late; None where there is none."""
        return self._windower.late_from_ns

    def on_samples(
        self, samples: Samples, now_ns: int = 0, *, in_order: bool = False, settled: int = ALL_SETTLED
    ) -> list[Assessment]:
        """Take rows in commit order; give the assessments of the windows that they close, oldest first.

        Windows close by source time alone: neither the clock nor the order matters.
        """
        assessed = (self._on_window(window) for window in self._windower.on_samples(samples))
        return [a for a in assessed if a is not None]

    def _on_window(self, window: Window) -> Assessment | None:
        load = self._load_at(window)
        runs = self._is_running(load)
        self._follow_start(window, runs=runs)
        if not runs:
            return None
        if not np.isfinite(window.mean[0]):
            return None  # without a Good vibration value there is nothing to say
        values = {i: self._value_at(window, i) for i in self._tracks}
        for i, value in values.items():
            if np.isfinite(value):
                self._tracks[i].recent.append(value)
        assessment = self._assess(window, values, load)
        teaches = window.end_ns >= self._settled_ns and not self._stands_out(values, load)
        if assessment.phase is not Phase.WATCHING and teaches and self._is_healthy(assessment):
            self._learn(values, load)
        return self._namer.on_assessment(assessment) if self._namer is not None else assessment

    def _load_at(self, window: Window) -> float | None:
        if self._load is None:
            return None
        value = self._hold(self._load_track, float(window.mean[self._load]), window)
        if np.isfinite(value):
            self._load_seen_max = max(self._load_seen_max, abs(value))
            return value
        return None

    def _is_running(self, load: float | None) -> bool:
        """Say whether the operating point is that of a running machine; unknown counts as running."""
        return load is None or abs(load) > self.settings.running_fraction * self._load_seen_max

    def _follow_start(self, window: Window, *, runs: bool) -> None:
        """See starts, of which each takes its time to settle; forget what was learned at what turns out to be rest."""
        started = not runs or window.end_ns - self._seen_ns > int(self.settings.hold_s * SECOND)
        lead = self._tracks[0].baseline
        if self._load is not None and lead.n and not self._is_running(lead.load_max):
            started = True
            for track in self._tracks.values():
                track.forget()
        if started:
            self._settled_ns = window.end_ns + int(self.settings.settle_s * SECOND)
            for track in self._tracks.values():
                track.recent.clear()  # of before the stop: a repaired machine is not what it was
        self._seen_ns = window.end_ns

    def _value_at(self, window: Window, i: int) -> float:
        return self._hold(self._tracks[i], float(window.mean[i]) * self.channels[i].factor, window)

    def _hold(self, track: _Track, value: float, window: Window) -> float:
        """Give this window's mean, or the last one while it is not too old: slow channels miss some windows."""
        if np.isfinite(value):
            track.held, track.held_until_ns = value, window.end_ns + int(self.settings.hold_s * SECOND)
            return value
        return track.held if window.end_ns <= track.held_until_ns else float("nan")

    def _assess(self, window: Window, values: Mapping[int, float], load: float | None) -> Assessment:
        present = [i for i in self._sensed if np.isfinite(values[i])]
        medians = {i: float(np.median(self._tracks[i].recent)) for i in present}
        expected = {i: self._expected(i, load) for i in present}
        severity = {i: self._severity(i, medians[i], expected[i]) for i in present}
        losses = self._losses(severity)
        lost = min(sum(losses.values()), 100.0)
        findings = []
        for i in present:
            loss = losses[i]
            track = self._tracks[i]
            stands_out = loss >= self.settings.evidence_points
            track.since_ns = (track.since_ns or window.end_ns) if stands_out else None
            told = (severity[i], loss, track.since_ns, self._deviation(i, medians[i], expected[i]))
            findings.append(Finding(self.channels[i], medians[i], expected[i], *told))
        findings += self._of_signs(values, load)
        worst_velocity = max(medians[i] for i in present if self.channels[i].role is Role.VELOCITY)
        complete = len(present) == len(self._sensed)
        return Assessment(
            time_ns=window.end_ns,
            health=100.0 - lost,
            status=GOOD if complete else UNCERTAIN_SUBNORMAL,
            zone=self.settings.zones.zone(worst_velocity),
            phase=self.phase,
            learned=self.learned,
            load=load,
            findings=tuple(findings),
        )

    def _of_signs(self, values: Mapping[int, float], load: float | None) -> list[Finding]:
        """Give what is told by channels that cost nothing; what only counts is above any level of its own in time."""
        findings = []
        for i in self._signs:
            track = self._tracks[i]
            only_counts = max(track.ups, track.downs) >= COUNTS_MIN and min(track.ups, track.downs) == 0
            if np.isfinite(values[i]) and not only_counts:
                median, expected = float(np.median(track.recent)), self._expected(i, load)
                deviation = self._deviation(i, median, expected)
                findings.append(Finding(self.channels[i], median, expected, 0.0, 0.0, None, deviation))
        return findings

    def _losses(self, severity: Mapping[int, float]) -> dict[int, float]:
        """Share out the lost points: by role in the squares of its worst channel, within a role by squares too."""
        roles: dict[Role, list[int]] = {}
        for i in severity:
            roles.setdefault(self.channels[i].role, []).append(i)
        squares = {role: max(severity[i] for i in of) ** 2 for role, of in roles.items()}
        total = sum(squares.values())
        lost = 100.0 * min(total**0.5, 1.0)
        losses = dict.fromkeys(severity, 0.0)
        for role, of in roles.items():
            within = sum(severity[i] ** 2 for i in of)
            for i in of:
                losses[i] = lost * squares[role] / total * severity[i] ** 2 / within if within > 0 else 0.0
        return losses

    def _expected(self, i: int, load: float | None) -> float | None:
        baseline = self._tracks[i].baseline
        if baseline.n < self.settings.baseline_min_windows:
            return None
        expected = baseline.expected(0.0 if load is None else load)
        return float(10 ** (expected / 20)) if self.channels[i].role is Role.BAND else expected

    def _severity(self, i: int, value: float, expected: float | None) -> float:
        """Judge one channel: 0.4 is where the default limit of 60 % lies when it stands out alone."""
        role, zones = self.channels[i].role, self.settings.zones
        if role not in SEVERITY:
            return 0.0
        absolute = 0.0
        if role is Role.VELOCITY:
            absolute = float(np.interp(value, (zones.ab, zones.bc, zones.cd, zones.trip), (0.0, 0.4, 0.8, 1.0)))
        deviation = self._deviation(i, value, expected)
        if deviation is None:
            return absolute
        return max(absolute, float(np.interp(deviation / SPREADS, *SEVERITY[role])))

    def _step(self, i: int) -> float:
        """Give what counts as a change of a channel, in its unit, of a band in dB; no less than its own spread."""
        baseline, settings = self._tracks[i].baseline, self.settings
        match self.channels[i].role:
            case Role.VELOCITY:
                least = settings.zones.significant_change
            case Role.BAND:
                least = settings.band_step_db
            case Role.TEMPERATURE:
                least = settings.temperature_step_k
            case _:
                least = settings.sign_step * abs(baseline.value_mean)
        return max(least, SPREADS * baseline.sigma)

    def _deviation(self, i: int, value: float, expected: float | None) -> float | None:
        """Give how far a channel is from what was expected, in quarters of a step; None without a baseline."""
        step = self._step(i)
        if expected is None or step <= 0:
            return None
        if self.channels[i].role is Role.BAND:
            return SPREADS * (_decibel(value) - _decibel(expected)) / step
        return SPREADS * (value - expected) / step

    def _is_healthy(self, assessment: Assessment) -> bool:
        """Say whether a window may teach: little is lost, and the vibration is in zone A or B."""
        return assessment.health >= 80.0 and assessment.zone in (Zone.A, Zone.B)

    def _stands_out(self, values: Mapping[int, float], load: float | None) -> bool:
        """Say whether vibration is above its baseline at a load that was learned: damage that begins teaches nothing.

        Temperatures may: a machine that warms up is no worn one. At another load the expectation is a guess.
        """
        lead = self._tracks[0].baseline
        margin = LOAD_MARGIN * abs(lead.load_max)
        if load is not None and not lead.load_min - margin <= load <= lead.load_max + margin:
            return False
        seen = [i for i in self._sensed if self.channels[i].role in (Role.VELOCITY, Role.BAND)]
        risen = (self._deviation(i, values[i], self._expected(i, load)) for i in seen)
        return any(by is not None and by > SPREADS * STANDS_OUT for by in risen)

    def _learn(self, values: Mapping[int, float], load: float | None) -> None:
        at = 0.0 if load is None else load
        for i, value in values.items():
            if np.isfinite(value):
                lesson = _decibel(value) if self.channels[i].role is Role.BAND else value
                track = self._tracks[i]
                track.baseline.learn(lesson, at)
                if track.learned is not None:
                    track.ups += lesson > track.learned
                    track.downs += lesson < track.learned
                track.learned = lesson

    @property
    def redo_s(self) -> float:
        """Give how far back late rows make the history be read again."""
        return self.settings.redo_s

    @property
    def begin_ns(self) -> int | None:
        """Give None: it looks at whatever there is."""
        return None

    @property
    def needed_s(self) -> float:
        """Give the healthy running that learning needs before the baseline is used."""
        return self.settings.settle_s + self.settings.baseline_min_windows * self.settings.window_s

    @property
    def phase(self) -> Phase:
        """Give how far the lead's baseline has come."""
        n = self._tracks[0].baseline.n
        if n < self.settings.baseline_min_windows:
            return Phase.LEARNING
        return Phase.REFINING if n < self.settings.baseline_windows else Phase.WATCHING

    @property
    def learned(self) -> float:
        """Give the fraction of the baseline's windows that have been learned."""
        return min(self._tracks[0].baseline.n / self.settings.baseline_windows, 1.0)

    @property
    def boundary_ns(self) -> int:
        """Give the time up to which everything is judged."""
        return self._windower.boundary_ns

    def operating(self, newest: Assessment) -> Operating:
        """Give where the machine's load stands in what the baselines have learned."""
        if self._load is None:
            return Operating()
        learned = self._tracks[0].baseline
        return of_load(self.channels[self._load], newest.load, learned, [self.channels[i] for i in self._sensed])

    def mark(self) -> Mark:
        """Give the state at `boundary_ns`: restored, it goes on with the rows from there on in time order."""
        state = self.to_json() | {"windows": self._windower.mark_to_json()}
        return Mark(self.boundary_ns, state | {"namer": self._namer.mark_to_json() if self._namer else None})

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values, with what it was made for, so that `restore` can refuse another's."""
        tracks = {str(i): _track_to_json(t) for i, t in self._tracks.items()}
        return {
            "v": VERSION,
            "channels": self.fingerprint,
            "tracks": tracks,
            "load": _track_to_json(self._load_track),
            "load_seen_max": self._load_seen_max,
            "seen_ns": self._seen_ns,
            "settled_ns": self._settled_ns,
            "windows": self._windower.to_json(),
            "namer": self._namer.to_json() if self._namer else None,
        }

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Take a state of the same channels and windows; False, and nothing taken, where it is of others."""
        if state.get("v") != VERSION or state.get("channels") != self.fingerprint:
            return False
        if self._new_namer is not None:
            namer = self._new_namer()
            if state["namer"] is not None and not namer.restore(state["namer"]):
                return False
            self._namer = namer
        for i, track in self._tracks.items():
            _restore_track(track, state["tracks"][str(i)])
        _restore_track(self._load_track, state["load"])
        self._load_seen_max = float(state["load_seen_max"])
        self._seen_ns, self._settled_ns = int(state["seen_ns"]), int(state["settled_ns"])
        self._windower.restore(state["windows"])
        return True

    @property
    def fingerprint(self) -> list[Any]:
        """Give what a state depends on: channels and window width."""
        return [[c.name, c.tag, c.role.value, c.factor] for c in self.channels] + [self.settings.window_s]


def _decibel(value: float) -> float:
    return float(20 * np.log10(max(value, 1e-9)))


def _track_to_json(track: _Track) -> dict[str, Any]:
    held = None if np.isnan(track.held) else track.held
    return {
        "recent": list(track.recent),
        "baseline": track.baseline.to_json(),
        "held": held,
        "held_until_ns": track.held_until_ns,
        "since_ns": track.since_ns,
        "steps": [track.ups, track.downs, track.learned],
    }


def _restore_track(track: _Track, state: Mapping[str, Any]) -> None:
    track.recent.clear()
    track.recent.extend(islice(state["recent"], track.recent.maxlen))
    track.baseline = replace(Baseline(), **state["baseline"])
    track.held = float("nan") if state["held"] is None else float(state["held"])
    track.held_until_ns = int(state["held_until_ns"])
    track.since_ns = state["since_ns"]
    track.ups, track.downs, track.learned = state["steps"]
