"""What every machine that wears has in common, so that its own file holds physics alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from penstock.core.values import Value
from penstock.simulators.models.fault import FaultEvent, FaultRequest, FaultState, Hidden
from penstock.simulators.models.faults.book import FaultBook
from penstock.simulators.models.model import Json, ModelContext, number_of
from penstock.simulators.models.world import Machine


class WearingMachine(ABC):
    """Keep a book of faults, publish the machine in its world, save and load by name.

    A machine calls `super().__init__(context)` first, adds its faults with `self.book.fault(...)`, and in `step` asks
    `self.book.standing` and calls `self.book.step(dt_s, load)`.
    """

    OUTPUTS: ClassVar[Mapping[str, str]]
    """Name of each output → its unit, empty for none."""
    STATE: ClassVar[tuple[str, ...]] = ()
    """Attributes (floats, the unit last in the name) that survive a restart; they are hidden states, too."""

    def __init__(self, context: ModelContext) -> None:
        self.world, self.random = context.world, context.random
        self.book = FaultBook(context)
        self.machine = Machine()
        context.world.machines[context.device] = self.machine

    @abstractmethod
    def step(self, dt_s: float) -> None:
        """Go dt_s seconds on (0 < dt_s ≤ 1)."""

    @abstractmethod
    def outputs(self) -> Mapping[str, Value]:
        """Give the present value of every output, in the unit of OUTPUTS."""

    def hidden_states(self) -> Mapping[str, float]:
        """Give hidden states beyond STATE, the unit last in the name; a machine overrides this."""
        return {}

    def hidden(self) -> Hidden:
        """Give the truth of this moment."""
        return self.book.hidden({**{name: getattr(self, name) for name in self.STATE}, **self.hidden_states()})

    def take_events(self) -> list[FaultEvent]:
        """Give what happened by itself since the last call."""
        return self.book.take_events()

    def faults(self) -> list[FaultState]:
        """List every fault."""
        return self.book.faults()

    def inject(self, request: FaultRequest) -> None:
        """Start a fault."""
        self.book.inject(request)

    def clear(self, fault: str) -> None:
        """Take a fault back."""
        self.book.clear(fault)

    def repair(self, fault: str) -> None:
        """Stop, put a new part in, start again."""
        self.book.repair(fault)

    def save(self) -> Json:
        """Give faults and states as JSON."""
        return {"faults": self.book.save(), **{name: getattr(self, name) for name in self.STATE}}

    def load(self, state: Json) -> None:
        """Take up faults and states."""
        faults = state.get("faults")
        if isinstance(faults, dict):
            self.book.load(faults)
        for name in self.STATE:
            setattr(self, name, number_of(state, name, getattr(self, name)))
