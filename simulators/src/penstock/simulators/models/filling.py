"""A bottle filling line: PackML states, stops, good and rejected bottles, twelve nozzles, a heat sealer.

A batch runs in EXECUTE. Jams put the line on hold (inside cause), missing bottles suspend it (outside cause), a rare
emergency stop aborts it: times between them are exponential, lengths log-normal (MTBF and MTTR of a line, ISO 22400-2).
A bottle is filled by its nozzle in turn: 500 ml, σ 1.2, good within ± 4. Then it is sealed by a jaw of 180 °C (heater
2 kW under a PI controller, losses 5 W/K to the air, 150 J a bottle) and tested by the decay of vacuum (ASTM F2338): 1
mbar, 0.12 more for each K below 170 °C, good below 2.5. A fault that is complete aborts the line until it is repaired.

| fault | what it does | channels |
|---|---|---|
| nozzle-clogging | one nozzle gives up to 12 ml less | nozzle_low ↓ (fill_volume of every 12th), then reject_count ↑ |
| sealer-heater | heater − 80 % of power | sealer_heater ↑ to 100 %, then sealer_temperature ↓, seal_leak, rejects ↑ |
| jaw-wear | uneven jaw: leak × 4 | seal_leak, then reject_count ↑; temperature and heater stay |
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import ClassVar, Final

from penstock.core.values import Value
from penstock.simulators.models.duty import Duty
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.model import Json, ModelContext, number_of, toward
from penstock.simulators.models.packml import DONE, NOT_ABORTABLE, PackState, command

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
MEAN_TIME_TO_s: Final[dict[str, float]] = {"abort": 14_400.0, "hold": 600.0, "suspend": 900.0}
"""An emergency stop, a jam, missing bottles; counted in time of EXECUTE."""
FILL_ml = 500.0
FILL_LOW_ml, FILL_HIGH_ml = 496.0, 504.0
RUNNING_kW, STANDBY_kW = 7.5, 1.2
WANTED_MIN: Final = 0.05
"""Below this share of speed the crew has gone home."""
NOZZLES: Final = 12
CLOGGED_ml = 12.0
JAW_degC, JAW_kJ_per_K, JAW_LOSS_kW_per_K, BOTTLE_kJ, HEATER_kW = 180.0, 1.5, 0.005, 0.15, 2.0
JAW_KP_per_K, JAW_TI_s = 0.04, 120.0
COLD_degC, LEAK_mbar, LEAK_per_K, LEAK_MAX_mbar = 170.0, 1.0, 0.12, 2.5


class FillingLine(WearingMachine):
    """Simulate the line and the crew that runs it; faults: see the table above."""

    STATE = ("sealer_degC", "heater_share")
    OUTPUTS: ClassVar[Mapping[str, str]] = {
        "state": "",
        "state_name": "",
        "speed_per_h": "1/h",
        "good_count": "",
        "reject_count": "",
        "fill_volume_ml": "ml",
        "power_kW": "kW",
        "batch": "",
        "nozzle_low_ml": "ml",
        "sealer_temperature_degC": "degC",
        "sealer_heater_percent": "%",
        "seal_leak_mbar": "mbar",
        "trip": "",
    }

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        take = context.parameters
        self._rated_per_h = take.number("rated_speed_per_h", 6000.0, low=1.0, high=2e5)
        self._reject_share = take.number("reject_share", 0.004, high=1.0)
        self._batch_size = take.number("batch_size", 4000.0, low=1.0, high=1e9)
        self._hall = take.word("hall")
        self.duty = Duty(context, wander=0.0)
        take.finish()
        add = self.book.fault
        self.nozzle = add("nozzle-clogging", component="filling nozzle", trip="nozzle blocked", life_h=2_500,
                          progress_h=300)  # fmt: skip
        self.heater = add("sealer-heater", component="sealer heater", trip="sealer temperature low", life_h=12_000,
                          progress_h=250, shape=1.5)  # fmt: skip
        self.jaw = add("jaw-wear", component="sealing jaw", trip="seal test failed", life_h=6_000, progress_h=1200,
                       shape=3.0)  # fmt: skip
        self._bottles = Random(context.random.getrandbits(64))  # noqa: S311  physics, not secrets
        self._crew = Random(context.random.getrandbits(64))  # noqa: S311  physics, not secrets
        self._until_s = {name: self._crew.expovariate(1.0 / mean_s) for name, mean_s in MEAN_TIME_TO_s.items()}
        self.state = S.IDLE
        self._left_s = 3.0
        self._speed_per_h = self._part = 0.0
        self._good = self._rejected = self._in_batch = 0
        self._batch = 1
        self._volume = FILL_ml
        self._newest_ml = [FILL_ml] * NOZZLES
        self.sealer_degC, self.heater_share, self._heating, self._leak_mbar = JAW_degC, 0.5, 0.5, LEAK_mbar

    def step(self, dt_s: float) -> None:
        """Go on: state, speed, bottles, the sealer."""
        self._left_s -= dt_s
        wanted = min(1.0, self.duty.step(dt_s))
        if self.book.standing:
            self._stand()
        elif wanted < WANTED_MIN and self._rest():
            pass
        elif self.state is S.EXECUTE:
            self._disturb(dt_s)
        elif self._left_s <= 0.0:
            self._enter(DONE[self.state] if self.state in TRANSIENT_s else command(RESTING[self.state][1], self.state))
        aim_per_h = self._rated_per_h * wanted if self.state in (S.EXECUTE, S.COMPLETING) else 0.0
        self._speed_per_h = toward(self._speed_per_h, aim_per_h, dt_s, 1.5)
        if self.state is S.EXECUTE:
            self._fill(dt_s)
        running = self._speed_per_h / self._rated_per_h
        self._seal(dt_s, self._speed_per_h / 3600.0)
        self.book.step(dt_s, running if running > 0.01 else 0.0)
        heater_kW = HEATER_kW * (1.0 - 0.8 * self.heater.severity) * self._heating
        self.machine.electric_power_kW = STANDBY_kW + (RUNNING_kW - STANDBY_kW) * running + heater_kW
        self.machine.casing_temperature_degC = self.sealer_degC

    def _stand(self) -> None:
        if self.state not in NOT_ABORTABLE:
            self._enter(command("abort", self.state))
        elif self.state is S.ABORTING and self._left_s <= 0.0:
            self._enter(S.ABORTED)
        elif self.state is S.ABORTED:
            self._left_s = max(self._left_s, 1.0)

    def _rest(self) -> bool:
        """Stop a line that nobody wants; say whether it stays as it is."""
        if self.state is S.EXECUTE:
            self._enter(command("stop", self.state))
        return self.state in (S.STOPPED, S.IDLE, S.COMPLETED)

    def _seal(self, dt_s: float, bottles_per_s: float) -> None:
        error_K = JAW_degC - self.sealer_degC
        raw = JAW_KP_per_K * error_K + self.heater_share
        self._heating = min(1.0, max(0.0, raw))
        if raw == self._heating:
            self.heater_share += JAW_KP_per_K * error_K * dt_s / JAW_TI_s
        heater_kW = HEATER_kW * (1.0 - 0.8 * self.heater.severity) * self._heating
        rise_K = (heater_kW - BOTTLE_kJ * bottles_per_s) / JAW_LOSS_kW_per_K
        tau_s = JAW_kJ_per_K / JAW_LOSS_kW_per_K
        self.sealer_degC = toward(self.sealer_degC, self.world.air(self._hall) + rise_K, dt_s, tau_s)

    def _disturb(self, dt_s: float) -> None:
        if self._in_batch >= self._batch_size:
            self._enter(DONE[S.EXECUTE])
            return
        for name in self._until_s:
            self._until_s[name] -= dt_s
        first = min(self._until_s, key=lambda name: self._until_s[name])
        if self._until_s[first] <= 0.0:
            self._until_s[first] = self._crew.expovariate(1.0 / MEAN_TIME_TO_s[first])
            self._enter(command(first, self.state))

    def _enter(self, state: PackState) -> None:
        if self.state is S.RESETTING and self._in_batch >= self._batch_size:
            self._batch, self._in_batch = self._batch + 1, 0
        self.state = state
        if state in TRANSIENT_s:
            self._left_s = TRANSIENT_s[state]
        elif state in RESTING:
            self._left_s = RESTING[state][0] * self._crew.lognormvariate(0.0, 0.5)

    def _fill(self, dt_s: float) -> None:
        self._part += self._speed_per_h * dt_s / 3600.0
        bottles, self._part = divmod(self._part, 1.0)
        for _ in range(int(bottles)):
            bad = self._bottle((self._good + self._rejected) % NOZZLES)
            self._rejected += bad
            self._good += not bad
            self._in_batch += 1

    def _bottle(self, nozzle: int) -> bool:
        """Fill, seal and test one bottle; say whether it is bad."""
        luck = self._bottles
        clogged = nozzle == int(self.nozzle.choice("nozzle", {str(one): 1.0 for one in range(NOZZLES)}))
        missing_ml = CLOGGED_ml * self.nozzle.severity if clogged else 0.0
        self._volume = self._newest_ml[nozzle] = luck.gauss(FILL_ml - missing_ml, 1.2)
        cold_K = max(0.0, COLD_degC - self.sealer_degC)
        leak_mbar = LEAK_mbar * (1.0 + 3.0 * self.jaw.severity**1.5) + LEAK_per_K * cold_K
        self._leak_mbar = leak_mbar * luck.lognormvariate(0.0, 0.12)
        within = FILL_LOW_ml <= self._volume <= FILL_HIGH_ml and self._leak_mbar <= LEAK_MAX_mbar
        return luck.random() < self._reject_share or not within

    def hidden_states(self) -> Mapping[str, float]:
        """Give which nozzle clogs, or would be the first to."""
        chosen = self.nozzle.choice("nozzle", {str(one): 1.0 for one in range(NOZZLES)})
        return {"clogging_nozzle": float(chosen)}

    def outputs(self) -> Mapping[str, Value]:
        """Give the line's PackTags; counters count up since installation."""
        return {
            "state": int(self.state),
            "state_name": self.state.name,
            "speed_per_h": round(self._speed_per_h, 1),
            "good_count": self._good,
            "reject_count": self._rejected,
            "fill_volume_ml": self._volume,
            "power_kW": self.machine.electric_power_kW + self.random.gauss(0.0, 0.02),
            "batch": self._batch,
            "nozzle_low_ml": min(self._newest_ml),
            "sealer_temperature_degC": self.sealer_degC + self.random.gauss(0.0, 0.1),
            "sealer_heater_percent": 100.0 * self._heating,
            "seal_leak_mbar": self._leak_mbar,
            "trip": self.book.trip,
        }

    def save(self) -> Json:
        """Give faults, counters and the state."""
        return {
            **super().save(),
            "state": int(self.state),
            "good": self._good,
            "rejected": self._rejected,
            "batch": self._batch,
            "in_batch": self._in_batch,
        }

    def load(self, state: Json) -> None:
        """Take up faults, counters and state; a number that is no PackML state leaves the line idle."""
        super().load(state)
        self._good = int(number_of(state, "good", 0.0))
        self._rejected = int(number_of(state, "rejected", 0.0))
        self._batch = int(number_of(state, "batch", 1.0))
        self._in_batch = int(number_of(state, "in_batch", 0.0))
        known = int(number_of(state, "state", float(S.IDLE)))
        if known in set(PackState):
            self._enter(PackState(known))
