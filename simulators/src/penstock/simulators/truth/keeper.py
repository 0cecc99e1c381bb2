"""The keeper: reads the models of a plant for the recorder, and gives its records to the store."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Final

from penstock.simulators.models.fault import FaultRequest, FaultState, Hidden
from penstock.simulators.plant import SimulatedPlant
from penstock.simulators.truth.recorder import EVERY_ns, LOOK_ns, Reading, Recorder
from penstock.simulators.truth.records import Action, FaultTruth, Told, TruthState
from penstock.simulators.truth.store import TruthStore

log = logging.getLogger(__name__)
BATCH: Final = 2000
"""States that a batch run writes at once."""
WAITING_MAX: Final = 10_000
"""Records of running simulators that wait for a disk that takes nothing; the oldest go first, counted."""


class TruthKeeper:
    """Keep the truth of one plant."""

    def __init__(self, store: TruthStore, *, every_ns: int = EVERY_ns, look_ns: int = LOOK_ns) -> None:
        self.store = store
        self._recorder = Recorder(store.newest(), every_ns=every_ns, look_ns=look_ns)
        self._waiting = Told()
        self.problem = ""
        """What keeps the truth from being written; empty while it is."""
        self.lost = 0

    @property
    def known(self) -> Mapping[str, TruthState]:
        """Give each device as it was at its last look, at most a second of machine time ago."""
        return self._recorder.known

    def look(self, plant: SimulatedPlant) -> Told:
        """Look at all devices if it is time; give what there is to write."""
        if not self._recorder.is_due(plant.now_ns):
            return Told()
        return self._recorder.on_look(_readings(plant), plant.now_ns)

    def keep(self, plant: SimulatedPlant) -> None:
        """Look, and write some thousands of records at once: for a run faster than real time."""
        self._waiting += self.look(plant)
        if len(self._waiting.states) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self.store.write(self._waiting)
            self._waiting = Told()

    def write(self, told: Told) -> None:
        """Write, for running simulators: where the store takes nothing, machines go on and the records wait."""
        self._waiting += told
        try:
            self.flush()
        except sqlite3.Error as error:
            if not self.problem:
                log.error("the truth cannot be written: %s", error)
            kept = Told(self._waiting.events[-WAITING_MAX:], self._waiting.states[-WAITING_MAX:])
            self.lost += len(self._waiting.events) + len(self._waiting.states) - len(kept.events) - len(kept.states)
            self._waiting = kept
            self.problem = f"the truth cannot be written: {error}; {self.lost} records lost"
        else:
            self.problem = ""

    def close(self) -> None:
        """Write what waits, and close the store."""
        self.flush()
        self.store.close()

    def requested(
        self, plant: SimulatedPlant, action: Action, fault: str, *, device: str, request: FaultRequest | None = None
    ) -> None:
        """Note, at once and synced, what was done to a device; `request` is what was asked for."""
        after = _reading(plant, device, plant.hidden()[device])
        detail = asdict(request) if request is not None else {}
        self.write(self._recorder.on_request(action, fault, after=after, now_ns=plant.now_ns, detail=detail))


class NotedPlant:
    """Break and mend the machines of a plant, each time with a note in the truth."""

    def __init__(self, plant: SimulatedPlant, keeper: TruthKeeper) -> None:
        self._plant, self._keeper = plant, keeper

    def inject(self, device: str, request: FaultRequest) -> None:
        """Start a fault; FaultError where that cannot be."""
        self._plant.inject(device, request)
        self._keeper.requested(self._plant, Action.INJECTED, request.fault, device=device, request=request)

    def clear(self, device: str, fault: str) -> None:
        """Take a fault back."""
        self._plant.clear(device, fault)
        self._keeper.requested(self._plant, Action.CLEARED, fault, device=device)

    def repair(self, device: str, fault: str) -> None:
        """Repair it."""
        self._plant.repair(device, fault)
        self._keeper.requested(self._plant, Action.REPAIRED, fault, device=device)


def _readings(plant: SimulatedPlant) -> Iterator[Reading]:
    for name, hidden in plant.hidden().items():
        yield _reading(plant, name, hidden)


def _reading(plant: SimulatedPlant, name: str, hidden: Hidden) -> Reading:
    device = plant.devices[name]
    faults = tuple(_truth(one) for one in hidden.faults if one.active)
    return Reading(
        name, device.file.asset or "", faults, hidden.states, hidden.failed, machine=device.has_machine_faults
    )


def _truth(state: FaultState) -> FaultTruth:
    return FaultTruth(state.fault, state.kind.value, state.component, state.severity, state.growth_per_h, state.onset_s)
