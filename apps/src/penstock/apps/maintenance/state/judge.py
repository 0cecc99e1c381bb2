"""The judge of state detection: rows of all channels → score → health, alarm, and the channels' part in it.

The score is 1 at the detection's limit. Health falls from there as a vibration's does: 60 % at the limit, where the
default rule of health stands, 0 % at four times the limit; what is below half the limit costs nothing. The lost points
are shared out by the channels' shares in the statistic that speaks. `anomaly` is 1 while the detection's own alarm
stands, with its delays in rows; it is what the rule watches, so a replay at any speed raises the same alarms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from penstock.apps.maintenance.assessment import GOOD, SECOND, UNCERTAIN_SUBNORMAL, Assessment, Finding, Phase
from penstock.apps.maintenance.channels import Channel
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.model import Model, ModelError
from penstock.apps.maintenance.marks import Mark
from penstock.apps.maintenance.state.rows import RowMaker
from penstock.apps.maintenance.windows import Samples

SCORE, ANOMALY = "anomaly_score", "anomaly"
LATENESS_PERIODS, PATIENCE_PERIODS, PATIENCE_MIN_NS = 3, 20, 60 * SECOND
EVIDENCE_POINTS = 5.0
REDO_S = 30 * 86_400.0


class StateJudge:
    """Rows of one asset's channels against a fitted model; see judging.Judge."""

    def __init__(self, channels: tuple[Channel, ...], model: Model, *, from_ns: int, period_ns: int) -> None:
        self.channels = channels
        self.model = model
        self._from_ns, self._period_ns = from_ns, period_ns
        self._rows = row_maker(len(channels), period_ns, from_ns)
        self._detector = Detector(model)
        self._since: list[int | None] = [None] * len(channels)
        self._healthy = _levels(model, len(channels))

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
    def needed_s(self) -> float:
        """Give 0: the model was fitted before."""
        return 0.0

    def on_samples(self, samples: Samples) -> list[Assessment]:
        """Take samples in commit order; give an assessment for each row that they complete."""
        times, values = self._rows.on_samples(samples)
        if not len(times):
            return []
        judged = self._detector.on_rows(times, values)
        return [
            self._assess(int(times[i]), values[i], score=float(judged.scores[i]), shares=judged.shares[i],
                         active=bool(judged.active[i]))
            for i in range(len(times))
            if np.isfinite(judged.scores[i])
        ]  # fmt: skip

    def _assess(
        self, time_ns: int, row: np.ndarray[Any, Any], *, score: float, shares: np.ndarray[Any, Any], active: bool
    ) -> Assessment:
        severity = float(np.interp(score, (0.5, 1.0, 2.0, 4.0), (0.0, 0.4, 0.7, 1.0)))
        losses = 100.0 * severity * shares
        findings = []
        for i, channel in enumerate(self.channels):
            stands_out = losses[i] >= EVIDENCE_POINTS
            self._since[i] = (self._since[i] or time_ns) if stands_out else None
            if np.isfinite(row[i]):
                severity_of = severity * float(shares[i])
                findings.append(
                    Finding(channel, float(row[i]), self._healthy[i], severity_of, float(losses[i]), self._since[i])
                )
        return Assessment(
            time_ns=time_ns,
            health=100.0 * (1.0 - severity),
            status=GOOD if np.isfinite(row).all() else UNCERTAIN_SUBNORMAL,
            zone=None,
            phase=Phase.WATCHING,
            learned=1.0,
            load=None,
            findings=tuple(findings),
            more={SCORE: score, ANOMALY: 1.0 if active else 0.0},
        )

    def mark(self) -> Mark:
        """Give the state at `boundary_ns`; open rows come again with the history from there on."""
        return Mark(self.boundary_ns, self.to_json() | {"rows": self._rows.mark_to_json()})

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values, with what it was made for."""
        state = {"v": 1, "made_for": self._made_for(), "rows": self._rows.to_json(), "since": list(self._since)}
        return state | {"detector": self._detector.to_json()}

    def restore(self, state: Mapping[str, Any]) -> bool:
        """Take a state of the same channels and model; False, and nothing taken, where it is of others."""
        if state.get("v") != 1 or state.get("made_for") != self._made_for():
            return False
        try:
            self._detector.restore(state["detector"])
        except ModelError:
            return False
        self._rows.restore(state["rows"])
        self._since = list(state["since"])
        return True

    def _made_for(self) -> list[Any]:
        names = [[channel.name, channel.tag] for channel in self.channels]
        return [*names, self._from_ns, self._period_ns, self.model.fitted_on.digest]


def _levels(model: Model, channels: int) -> list[float | None]:
    """Give each channel's healthy level; None where the model holds it against no fixed one."""
    levels: list[float | None] = [None] * channels
    for i, centre, gain in zip(model.used.tolist(), model.centre.tolist(), model.gain.tolist(), strict=True):
        levels[i] = centre if gain == 0 else None
    return levels


def row_maker(channels: int, period_ns: int, from_ns: int) -> RowMaker:
    """Give the maker of rows that are usually so far apart."""
    return RowMaker(channels, LATENESS_PERIODS * period_ns, max(PATIENCE_PERIODS * period_ns, PATIENCE_MIN_NS), from_ns)


def period_of(times_ns: np.ndarray[Any, np.dtype[np.int64]]) -> int:
    """Give the usual time between rows in ns; a second where there are too few to tell."""
    return int(np.median(np.diff(times_ns))) if len(times_ns) > 2 else SECOND
