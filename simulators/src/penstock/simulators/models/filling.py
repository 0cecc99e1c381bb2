"""A bottle filling line: PackML states, stops, good and rejected bottles, speed and fill volume.

A batch runs in EXECUTE. Jams put the line on hold (inside cause), missing bottles suspend it (outside cause), a rare
emergency stop aborts it: times between them are exponential, lengths log-normal (MTBF and MTTR of a line, ISO 22400-2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Final

from penstock.core.values import Value
from penstock.simulators.models.model import Json, ModelContext, number_of, toward
from penstock.simulators.models.packml import DONE, PackState, command
from penstock.simulators.models.world import Machine

S = PackState
TRANSIENT_s: Final[dict[PackState, float]] = {
    S.STARTING: 6.0,
    S.COMPLETING: 5.0,
    S.HOLDING: 3.0,
    S.UNHOLDING: 4.0,
    S.SUSPENDING: 3.0,
    S.UNSUSPENDING: 4.0,
    S.STOPPING: 5.0,
    S.ABORTING: 1.0,
    S.CLEARING: 8.0,
    S.RESETTING: 6.0,
}
RESTING: Final[dict[PackState, tuple[float, str]]] = {
    S.STOPPED: (20.0, "reset"),
    S.IDLE: (10.0, "start"),
    S.HELD: (45.0, "unhold"),
    S.SUSPENDED: (30.0, "unsuspend"),
    S.COMPLETED: (15.0, "reset"),
    S.ABORTED: (90.0, "clear"),
}
"""Median time in s that a crew leaves the line in a waiting state, and the command it then gives."""
MEAN_TIME_TO_JAM_s = 600.0
MEAN_TIME_TO_STARVE_s = 900.0
MEAN_TIME_TO_EMERGENCY_s = 14_400.0
FILL_ml = 500.0
FILL_LOW_ml, FILL_HIGH_ml = 496.0, 504.0
RUNNING_kW, STANDBY_kW = 7.5, 1.2


class FillingLine:
    """Simulate the line and the crew that runs it."""

    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "state": "",
        "state_name": "",
        "speed_per_h": "1/h",
        "good_count": "",
        "reject_count": "",
        "fill_volume_ml": "ml",
        "power_kW": "kW",
        "batch": "",
    }

    def __init__(self, context: ModelContext) -> None:
        take = context.parameters
        self._rated_per_h = take.number("rated_speed_per_h", 6000.0, low=1.0, high=2e5)
        self._reject_share = take.number("reject_share", 0.004, high=1.0)
        self._batch_size = take.number("batch_size", 4000.0, low=1.0, high=1e9)
        take.finish()
        self._random = context.random
        self._machine = Machine()
        context.world.machines[context.device] = self._machine
        self.state = S.IDLE
        self._left_s = 3.0
        self._speed_per_h = self._part = 0.0
        self._good = self._rejected = self._in_batch = 0
        self._batch = 1
        self._volume = FILL_ml

    def step(self, dt_s: float) -> None:
        """Go on: state, speed, bottles."""
        self._left_s -= dt_s
        if self.state is S.EXECUTE:
            self._disturb(dt_s)
        elif self._left_s <= 0.0:
            self._enter(DONE[self.state] if self.state in TRANSIENT_s else command(RESTING[self.state][1], self.state))
        wanted = self._rated_per_h if self.state in (S.EXECUTE, S.COMPLETING) else 0.0
        self._speed_per_h = toward(self._speed_per_h, wanted, dt_s, 1.5)
        if self.state is S.EXECUTE:
            self._fill(dt_s)
        running = self._speed_per_h / self._rated_per_h
        self._machine.electric_power_kW = STANDBY_kW + (RUNNING_kW - STANDBY_kW) * running

    def _disturb(self, dt_s: float) -> None:
        if self._in_batch >= self._batch_size:
            self._enter(DONE[S.EXECUTE])
            return
        for name, mean_s in (
            ("abort", MEAN_TIME_TO_EMERGENCY_s),
            ("hold", MEAN_TIME_TO_JAM_s),
            ("suspend", MEAN_TIME_TO_STARVE_s),
        ):
            if self._random.random() < -math.expm1(-dt_s / mean_s):
                self._enter(command(name, self.state))
                return

    def _enter(self, state: PackState) -> None:
        if self.state is S.RESETTING and self._in_batch >= self._batch_size:
            self._batch, self._in_batch = self._batch + 1, 0
        self.state = state
        if state in TRANSIENT_s:
            self._left_s = TRANSIENT_s[state]
        elif state in RESTING:
            self._left_s = RESTING[state][0] * math.exp(self._random.gauss(0.0, 0.5))

    def _fill(self, dt_s: float) -> None:
        self._part += self._speed_per_h * dt_s / 3600.0
        bottles, self._part = divmod(self._part, 1.0)
        for _ in range(int(bottles)):
            self._volume = self._random.gauss(FILL_ml, 1.2)
            bad = self._random.random() < self._reject_share or not FILL_LOW_ml <= self._volume <= FILL_HIGH_ml
            self._rejected += bad
            self._good += not bad
            self._in_batch += 1

    def outputs(self) -> Mapping[str, Value]:
        """Give the line's PackTags; counters count up since installation."""
        return {
            "state": int(self.state),
            "state_name": self.state.name,
            "speed_per_h": round(self._speed_per_h, 1),
            "good_count": self._good,
            "reject_count": self._rejected,
            "fill_volume_ml": self._volume,
            "power_kW": self._machine.electric_power_kW + self._random.gauss(0.0, 0.02),
            "batch": self._batch,
        }

    def save(self) -> Json:
        """Give the counters and the state."""
        return {
            "state": int(self.state),
            "good": self._good,
            "rejected": self._rejected,
            "batch": self._batch,
            "in_batch": self._in_batch,
        }

    def load(self, state: Json) -> None:
        """Take up counters and state; a number that is no PackML state leaves the line idle."""
        self._good = int(number_of(state, "good", 0.0))
        self._rejected = int(number_of(state, "rejected", 0.0))
        self._batch = int(number_of(state, "batch", 1.0))
        self._in_batch = int(number_of(state, "in_batch", 0.0))
        known = int(number_of(state, "state", float(S.IDLE)))
        if known in set(PackState):
            self._enter(PackState(known))
