"""The book of a machine's faults: it lets them grow together, trips the machine, and keeps the crew that repairs it.

A machine names each of its faults in one line, asks for their severities, and asks whether it must stand still. When a
fault is complete (severity 1) the machine has *failed*: it trips with the word of its own protection and stands until
that fault is repaired or taken back. Without `repair_after_h` nobody comes but who is sent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Final

from penstock.simulators.models.fault import FaultError, FaultEvent, FaultKind, FaultRequest, FaultState, Hidden, Law
from penstock.simulators.models.faults.process import FaultProcess, FaultSpec
from penstock.simulators.models.model import Json, ModelContext, number_of

REPAIR_s: Final = 20.0
"""A fitter needs hours; an experiment does not."""
EVENTS_MAX: Final = 1000
"""Events that nobody took; the oldest go first."""


class FaultBook:
    """Hold the faults of one machine; takes the parameters `wear` and `repair_after_h` of its device file."""

    def __init__(self, context: ModelContext) -> None:
        take = context.parameters
        self._wear = take.number("wear", 0.0, high=1e6)
        self._repair_after_s = take.number("repair_after_h", 0.0, high=1e6) * 3600.0
        self._key = f"{context.device}/{context.random.getrandbits(64)}"
        self._processes: dict[str, FaultProcess] = {}
        self._repair_left_s = self._down_s = 0.0
        self._failed = ""
        self._known_onsets: set[str] = set()
        self._events: deque[FaultEvent] = deque(maxlen=EVENTS_MAX)

    def fault(
        self,
        name: str,
        *,
        component: str,
        trip: str,
        life_h: float = 0.0,
        shape: float = 2.0,
        progress_h: float = 1000.0,
        duty: float = 1.0,
        law: Law = Law.GAMMA,
        calendar: bool = False,
        wear: float | None = None,
    ) -> FaultProcess:
        """Add a fault of the machine; see FaultSpec. A consumable (tool, contact tip) wears at a `wear` of its own."""
        spec = FaultSpec(
            name, component, FaultKind.MACHINE, life_h, shape, progress_h, duty, law, calendar=calendar, trip=trip
        )
        process = FaultProcess(spec, key=f"{self._key}/{name}", wear=self._wear if wear is None else wear)
        self._processes[name] = process
        return process

    @property
    def standing(self) -> bool:
        """Say whether the machine must not run: it has failed, or a fitter is at it."""
        return bool(self._failed) or self._repair_left_s > 0.0

    @property
    def trip(self) -> str:
        """Give the word of the machine's protection, as its PLC shows it; empty while it may run."""
        return self._processes[self._failed].spec.trip if self._failed else ""

    @property
    def failed(self) -> str:
        """Give the fault that brought the machine to a stand."""
        return self._failed

    def step(self, dt_s: float, load: float) -> None:
        """Let every fault grow for dt_s at a load (1 rated, 0 standing); trip at the first that is complete."""
        self._repair_left_s = max(0.0, self._repair_left_s - dt_s)
        for process in self._processes.values():
            process.step(dt_s, load)
            if process.worn and process.name not in self._known_onsets:
                self._known_onsets.add(process.name)
                self._note("onset", process)
            if process.severity >= 1.0 and not self._failed:
                self._failed, self._down_s = process.name, 0.0
                self._note("failure", process)
        if self._failed and self._repair_after_s > 0.0:
            self._down_s += dt_s
            if self._down_s >= self._repair_after_s:
                self._note("repair", self._processes[self._failed])
                self.repair(self._failed)

    def _note(self, action: str, process: FaultProcess) -> None:
        self._events.append(FaultEvent(action, process.name, process.severity))

    def take_events(self) -> list[FaultEvent]:
        """Give what happened by itself since the last call."""
        events = list(self._events)
        self._events.clear()
        return events

    def process(self, fault: str) -> FaultProcess:
        """Give a fault by name; FaultError names those there are."""
        process = self._processes.get(fault)
        if process is None:
            message = f"this machine has no fault {fault!r}; it has: {', '.join(self._processes) or 'none'}"
            raise FaultError(message, fault=fault)
        return process

    def faults(self) -> list[FaultState]:
        """List the truth of every fault."""
        return [process.state() for process in self._processes.values()]

    def hidden(self, states: Mapping[str, float]) -> Hidden:
        """Give the truth of this moment, with the machine's hidden states."""
        return Hidden(dict(states), tuple(self.faults()), self._failed)

    def inject(self, request: FaultRequest) -> None:
        """Start a fault."""
        self.process(request.fault).inject(request)

    def clear(self, fault: str) -> None:
        """Take a fault back as if it had never been: a machine that it stopped runs again."""
        self.process(fault).clear()
        self._forget(fault)

    def repair(self, fault: str) -> None:
        """Stop the machine for REPAIR_s, put a new part in, start again."""
        self.process(fault).repair()
        self._forget(fault)
        self._repair_left_s = REPAIR_s

    def renew(self, fault: str) -> None:
        """Repair by the machine itself, by its plan, such as a change of tool; the truth tells of it."""
        self._note("repair", self.process(fault))
        self.repair(fault)

    def _forget(self, fault: str) -> None:
        self._known_onsets.discard(fault)
        if self._failed == fault:
            self._failed = next((name for name, one in self._processes.items() if one.severity >= 1.0), "")
            self._down_s = 0.0

    def save(self) -> Json:
        """Give the state of every fault as JSON."""
        return {
            "failed": self._failed,
            "down_s": self._down_s,
            "repair_left_s": self._repair_left_s,
            "processes": {name: process.save() for name, process in self._processes.items()},
        }

    def load(self, state: Mapping[str, object]) -> None:
        """Take up a saved state; faults that it does not name stay new."""
        saved = state.get("processes")
        for name, process in self._processes.items():
            given = saved.get(name) if isinstance(saved, dict) else None
            if isinstance(given, dict):
                process.load(given)
        self._known_onsets = {name for name, process in self._processes.items() if process.worn}
        failed = state.get("failed")
        self._failed = failed if isinstance(failed, str) and failed in self._processes else ""
        self._down_s = number_of(state, "down_s", 0.0)
        self._repair_left_s = number_of(state, "repair_left_s", 0.0)
