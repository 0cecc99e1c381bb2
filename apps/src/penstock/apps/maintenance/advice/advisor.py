"""The advisory block of one machine, row by row: what the state detection sees in, diagnoses out. Online, bounded.

Theory of operation. Each row is remembered (`memory`, and the newest rows as they were read). While the state is
normal one look is taken every `CHECK_ROWS` rows, for sensors that stand still, drop out or spike, which leave the state
as it is. When the alarm is raised the deviations of the moving average that raised it are matched (`matching`); again
after 1, 2, 4 … `LOOK_ROWS` rows while it stands, since a fault shows more of its signs as it grows. What counts is the
mean of the looks' logarithms, and what was said stays until something else is clearly more probable. Later looks would
mislead: levels that wander follow the fault. From then on only the urgency is judged anew. All of it is counted in
rows: a replay says the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.diagnosis import Diagnosis
from penstock.apps.maintenance.advice.joining import Joined
from penstock.apps.maintenance.advice.matching import Pattern, Ranked, missing_of, rank
from penstock.apps.maintenance.advice.memory import Memory
from penstock.apps.maintenance.advice.modes import Known
from penstock.apps.maintenance.advice.saying import Teller, Told
from penstock.apps.maintenance.advice.sensors import RECENT, Looks, looks_of
from penstock.apps.maintenance.advice.urgency import hours_left
from penstock.apps.maintenance.detection.judge import Averages
from penstock.apps.maintenance.detection.model import Model
from penstock.apps.maintenance.detection.numbers import Floats, packed, unpacked

VERSION = 1
CHECK_ROWS = 64
"""So often a broken sensor is looked for where nothing is alarmed: it stays broken, so half of the rows are enough."""
LOOK_ROWS = 256
"""An alarm is looked at after 1, 2, 4 … so many rows; then the name stays, and its urgency follows each so many."""
SURE = 8.0
"""Evidence (a logarithm) from which a sensor is called broken while the state is normal."""
LONG_PERIODS, GAPS_MIN, LOST_MIN = 2.5, 3, 0.25
"""Rows come and go: so many intervals of so many usual ones, with at least this share of the time lost."""


@dataclass(frozen=True, slots=True)
class Said:
    """From this row on this is said; None: nothing is suspected any more."""

    time_ns: int
    diagnosis: Diagnosis | None


class Advisor:
    """See the module."""

    def __init__(self, model: Model, known: Known, units: Sequence[str] = ()) -> None:
        names = [model.fitted_on.channels[i] for i in model.used]
        of_all = units or [""] * len(model.fitted_on.channels)
        self._model, self._modes, self._names = model, known.modes, names
        self._sensed = np.array([name not in known.sensorless for name in names], np.bool_)
        self._teller = Teller(names, [of_all[i] for i in model.used])
        self._covariances: dict[int, Floats] = {}
        self._lives: deque[tuple[int, float]] = deque()
        self._life_h: float | None = None
        self._said: list[Said] = []
        self.newest: Diagnosis | None = None
        self._joined = Joined()
        self._entry = np.zeros(len(names) + 1)
        self._memory = Memory(len(names) + 1)
        self._recent = np.full((RECENT, len(names)), np.nan)
        self._times = np.zeros(RECENT, np.int64)
        self._rows = 0
        self._standing = -1
        """Rows since the alarm was raised; −1: none stands."""

    def on_row(
        self, time_ns: int, row: Floats, deviation: Floats | None, *, averages: Averages, average: int, score: float,
        active: bool,
    ) -> None:  # fmt: skip
        """Take a row's readings (u,), its deviations, and what the detection made of them; `average`: the worst one."""
        place = self._rows % RECENT
        self._recent[place] = row
        self._times[place] = time_ns
        self._rows += 1
        while self._lives and self._lives[0][0] <= time_ns:
            self._life_h = self._lives.popleft()[1]
        if deviation is not None:
            self._entry[:-1], self._entry[-1] = deviation, score
            self._memory.on_entry(time_ns, self._entry)
        if active and average >= 0:
            self._standing += 1
            if self._standing <= LOOK_ROWS and self._standing & (self._standing - 1) == 0:
                self._diagnose(time_ns, averages, average)
            elif self._standing % LOOK_ROWS == 0 and self.newest is not None:
                self._say(time_ns, self._teller.urgent(self.newest, self._modes, self._left_h()))
        elif self._standing >= 0 and not active:
            self._standing = -1
            self._joined.reset()
            self._say(time_ns, self._broken_sensor(time_ns))
        elif self._rows % CHECK_ROWS == 0 and self._rows >= RECENT and not active:
            self._say(time_ns, self._broken_sensor(time_ns))

    def on_life(self, time_ns: int, left_h: float) -> None:
        """Take an estimate of the remaining life in hours; it holds for the rows from its time on, in rising order."""
        self._lives.append((time_ns, left_h))

    def take(self) -> list[Said]:
        """Give what was said since the last time, oldest first."""
        said, self._said = self._said, []
        return said

    def _say(self, time_ns: int, diagnosis: Diagnosis | None) -> None:
        before, self.newest = self.newest, diagnosis
        if heading(before) != heading(diagnosis):
            self._said.append(Said(time_ns, diagnosis))

    def _order(self) -> NDArray[np.int64]:
        if self._rows < RECENT:
            return np.arange(self._rows)
        return (np.arange(RECENT) + self._rows) % RECENT

    def _looks(self) -> tuple[NDArray[np.int64], Floats, Looks]:
        order = self._order()
        rows = self._recent[order]
        return self._times[order], rows, looks_of((rows - self._model.centre) / self._model.scale, self._model.habits)

    def _diagnose(self, time_ns: int, averages: Averages, average: int) -> None:
        times, rows, looks = self._looks()
        silent = self._silence(times, rows, looks)
        if silent is not None:
            self._say(time_ns, silent)
            return
        spread = self._model.channel_scale[average]
        pattern = Pattern(averages.channels[average] / spread, self._covariance(average), looks, self._sensed)
        best = self._joined.on_look(rank(pattern, self._modes, self._names))
        self._say(time_ns, self._teller.tell(best, self._told(rows, spread)))

    def _left_h(self) -> float | None:
        if self._life_h is not None:
            return self._life_h
        past_ns, past = self._memory.read()
        return hours_left(past_ns, past[:, -1])

    def _told(self, rows: Floats, spread: Floats) -> Told:
        past_ns, past = self._memory.read()
        return Told(rows, past_ns, past[:, :-1], spread * self._model.scale, self._left_h())

    def _broken_sensor(self, time_ns: int) -> Diagnosis | None:
        """Name a sensor or a wire that is broken without the state being so."""
        times, rows, looks = self._looks()
        silent = self._silence(times, rows, looks)
        if silent is not None:
            return silent
        sure = np.where(self._sensed, np.maximum(looks.stuck, looks.spiking), 0.0)
        if not (sure >= SURE).any():
            return None
        i = int(sure.argmax())
        how = "stuck" if looks.stuck[i] >= looks.spiking[i] else "spike"
        certainty = 1.0 - float(np.exp(-sure[i] / 4.0))
        found = Ranked("sensor", certainty, channel=i, how=how)
        return self._teller.tell(found, self._told(rows, self._model.channel_scale[0]))

    def _silence(self, times: NDArray[np.int64], rows: Floats, looks: Looks) -> Diagnosis | None:
        """Name what does not come: a channel, a device, or whole rows."""
        missing = missing_of(looks)
        usual_ns = self._model.gap_ns / self._model.settings.gap_periods
        steps = np.diff(times)
        gaps = int((steps > LONG_PERIODS * usual_ns).sum())
        lost = 1.0 - len(steps) * usual_ns / max(float(steps.sum()), 1.0) if len(steps) else 0.0
        if not len(missing) and (gaps < GAPS_MIN or lost < LOST_MIN):
            return None
        told = self._told(rows, self._model.channel_scale[0])
        if len(missing) == 1:
            share = float(looks.missing[missing[0]])
            found = Ranked("sensor", 0.5 + share / 2, channel=int(missing[0]), how="dropout")
            return self._teller.tell(found, told)
        share = float(looks.missing[missing].mean()) if len(missing) else lost
        return self._teller.silence([self._names[i] for i in missing], share, told)

    def _covariance(self, average: int) -> Floats:
        """Give the healthy covariance (u, u) of a moving average of the channels, in their spreads (`matching`)."""
        if average not in self._covariances:
            model, channels = self._model, len(self._names)
            unwhiten = np.linalg.inv(model.whiten)
            whole = (unwhiten.T * model.direction_scale[average] ** 2) @ unwhiten
            spread = model.channel_scale[average]
            self._covariances[average] = whole[:channels, :channels] / np.outer(spread, spread)
        return self._covariances[average]

    def to_json(self) -> dict[str, Any]:
        """Give the state as JSON values."""
        return {
            "version": VERSION,
            "recent": packed(self._recent),
            "times": packed(self._times),
            "rows": self._rows,
            "standing": self._standing,
            "memory": self._memory.to_json(),
            **self._joined.to_json(),
            "lives": [list(life) for life in self._lives],
            "life_h": self._life_h,
            "newest": None if self.newest is None else self.newest.to_json(),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Take what `to_json` gave; ValueError where it is of another version or of other channels."""
        if kept["version"] != VERSION:
            message = "an advisor's state of another version: judge the history again"
            raise ValueError(message)
        self._rows, self._standing = (int(kept[name]) for name in ("rows", "standing"))
        self._recent, self._times = unpacked(kept["recent"], self._recent), unpacked(kept["times"], self._times)
        self._memory.restore(kept["memory"])
        self._joined.restore(kept)
        self._lives = deque((int(time_ns), float(left_h)) for time_ns, left_h in kept["lives"])
        self._life_h = kept["life_h"]
        self.newest = None if kept["newest"] is None else Diagnosis.of_json(kept["newest"])


def heading(diagnosis: Diagnosis | None) -> tuple[str, str, str] | None:
    """Give that of which a change is said anew."""
    return None if diagnosis is None else (diagnosis.part, diagnosis.mode, diagnosis.urgency)
