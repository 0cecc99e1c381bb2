"""Playing many devices, some at a time; what is wrong with one is told by its name and does not stop the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from penstock.core.errors import PenstockError
from penstock.simulators.ledger.log import LedgerWriter
from penstock.simulators.playback import Plan, Played, summary
from penstock.simulators.playback_folder import Entry, Outcome
from penstock.simulators.playback_gateway import GatewayWatch
from penstock.simulators.playback_player import NobodySubscribed, Player, Say
from penstock.simulators.wires import Wires


@dataclass(slots=True)
class Fleet:
    """Play entries over the same wires: `at_once` are played, and half as many wait for the gateway to read them."""

    wires: Wires
    watch: GatewayWatch | None
    at_once: int
    plan_of: Callable[[Entry], Plan]
    """Read the entry's recording; called in a thread, raises PenstockError."""
    ledger: LedgerWriter | None
    say: Say
    warn: Say
    _hopeless: str = ""
    """Why nothing more is tried."""
    _somebody: bool = False

    async def play(self, entries: Sequence[Entry]) -> list[Outcome]:
        """Play all; give how each ended, in their order."""
        places, turns = asyncio.Semaphore(self.at_once + (self.at_once + 1) // 2), asyncio.Semaphore(self.at_once)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._one(entry, places, turns), name=f"play-{entry.device}") for entry in entries
            ]
        return [task.result() for task in tasks]

    async def _one(self, entry: Entry, places: asyncio.Semaphore, turns: asyncio.Semaphore) -> Outcome:
        player: Player | None = None
        try:
            async with places:
                if self._hopeless:
                    return self._failed(entry, f"not tried: {self._hopeless}")
                plan = await asyncio.to_thread(self.plan_of, entry)
                player = Player(plan, self.wires, watch=self.watch, ledger=self.ledger, say=_nothing, turn=turns)
                played = await player.play()
            self._somebody = True
            return self._finished(plan, played)
        except NobodySubscribed as error:
            if not self._somebody:
                self._hopeless = str(error)
            return self._failed(entry, str(error))
        except (PenstockError, OSError) as error:
            return self._failed(entry, str(error))
        finally:
            if player is not None:
                await player.leave()

    def _finished(self, plan: Plan, played: Played) -> Outcome:
        self.say(f"{plan.device}: {summary(plan, played)}")
        return Outcome(plan.device, played)

    def _failed(self, entry: Entry, why: str) -> Outcome:
        self.warn(f"{entry.device}: {entry.path} was not played to its end: {why}")
        return Outcome(entry.device, None, why)


def _nothing(_line: str) -> None:
    """A folder's devices are told when they are done."""
