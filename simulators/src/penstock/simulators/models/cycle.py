"""Machines that work in cycles: phases one after another, a part at the end of each round.

Phases begin and end between steps, too: a step is cut at every end of a phase, so that steps of 0.1 s and of 1 s make
the same parts at the same times. The first phase is always `waiting`, for the next part to be wanted; cycle time counts
from its end. Where less is wanted than the machine can make, it waits: cycle · (1 / wanted − 1).
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from random import Random
from typing import ClassVar, Final

from penstock.simulators.models.duty import Duty
from penstock.simulators.models.faults.machine import WearingMachine
from penstock.simulators.models.model import Json, ModelContext, number_of

WAITING: Final = "waiting"
STANDING: Final = "standing"
"""Not a phase of the cycle: the machine has tripped or is being repaired."""
WANTED_MIN: Final = 0.05
"""Below this share nobody is there to work at the machine."""


class Cycle:
    """Walk round named phases; `length_s` says how long each takes, at the moment when it begins."""

    def __init__(self, phases: tuple[str, ...], length_s: Callable[[str], float]) -> None:
        self._phases, self._length_s = phases, length_s
        self.restart()

    def restart(self) -> None:
        """Leave the part that was being made, and wait for the next one."""
        self._index, self.elapsed_s = 0, 0.0
        self.left_s = 0.0

    @property
    def phase(self) -> str:
        """Give the present phase."""
        return self._phases[self._index]

    def step(self, dt_s: float) -> Iterator[tuple[str, float, bool]]:
        """Give (phase, seconds spent in it, whether it ended) for each piece of dt_s, while they are taken."""
        left_s = dt_s
        while left_s > 0.0:
            spent_s = min(left_s, max(0.0, self.left_s))
            left_s -= spent_s
            self.left_s -= spent_s
            self.elapsed_s += spent_s if self._index else 0.0
            ended = self.left_s <= 1e-9
            yield self.phase, spent_s, ended
            if ended:
                self._index = (self._index + 1) % len(self._phases)
                self.elapsed_s = self.elapsed_s if self._index else 0.0
                self.left_s = self._length_s(self.phase)

    def save(self) -> Json:
        """Give where the cycle is, as JSON."""
        return {"phase": self.phase, "left_s": self.left_s, "elapsed_s": self.elapsed_s}

    def load(self, state: Json) -> None:
        """Take up where the cycle was."""
        phase = state.get("phase")
        self._index = self._phases.index(phase) if isinstance(phase, str) and phase in self._phases else 0
        self.left_s, self.elapsed_s = number_of(state, "left_s", 0.0), number_of(state, "elapsed_s", 0.0)


class CyclicMachine(WearingMachine):
    """Make parts in cycles; what is wanted follows the parameters of `Duty`, without its small wander.

    A machine gives the lengths of its phases, lets time pass in each, closes a phase, and lets its parts wear.
    """

    PHASES: ClassVar[tuple[str, ...]] = (WAITING,)

    def __init__(self, context: ModelContext) -> None:
        super().__init__(context)
        self.duty = Duty(context, wander=0.0)
        self.wanted = 1.0
        self.parts = Random(context.random.getrandbits(64))  # noqa: S311  physics; one part's luck
        self.cycle = Cycle(self.PHASES, self._length_s)

    def step(self, dt_s: float) -> None:
        """Go on: what is wanted, the cycle, wear."""
        self.wanted = self.duty.step(dt_s)
        self.begin_step(dt_s)
        if self.book.standing:
            self.cycle.restart()
            self.pass_time(STANDING, dt_s)
        elif self.wanted < WANTED_MIN and self.cycle.phase == WAITING:
            self.pass_time(WAITING, dt_s)
        else:
            for phase, spent_s, ended in self.cycle.step(dt_s):
                self.pass_time(phase, spent_s)
                if ended:
                    self.end_phase(phase)
        self.end_step(dt_s)

    def _length_s(self, phase: str) -> float:
        if phase != WAITING:
            return self.length_s(phase)
        round_s = sum(self.length_s(one) for one in self.PHASES[1:])
        return round_s * (1.0 / max(WANTED_MIN, min(1.0, self.wanted)) - 1.0)

    @abstractmethod
    def length_s(self, phase: str) -> float:
        """Give how long a phase takes, as the machine is now."""

    @abstractmethod
    def begin_step(self, dt_s: float) -> None:
        """Let go on what does not depend on the cycle."""

    @abstractmethod
    def pass_time(self, phase: str, spent_s: float) -> None:
        """Let a piece of a step pass, 0 s or more, in one phase."""

    @abstractmethod
    def end_phase(self, phase: str) -> None:
        """Take note that a phase is done."""

    @abstractmethod
    def end_step(self, dt_s: float) -> None:
        """Let the machine's parts wear, and tell the world."""

    def save(self) -> Json:
        """Give faults, states and the place in the cycle as JSON."""
        return {**super().save(), "cycle": self.cycle.save()}

    def load(self, state: Json) -> None:
        """Take up a saved state."""
        super().load(state)
        cycle = state.get("cycle")
        if isinstance(cycle, dict):
            self.cycle.load(cycle)
