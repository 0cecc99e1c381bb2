"""Tells the platform, every few seconds, what the journal holds: so that it can say what is safely stored and what not.

A statement that fails changes nothing: delivery goes on without it, and the next one says more than the last.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

from penstock.gateway.journal.store import JournalStore
from penstock.gateway.platform_client import PlatformClient
from penstock.gateway.uplink import UplinkShell

log = logging.getLogger(__name__)

STATED_EACH_S = 10.0
LOOK_S = 0.5


@dataclass(slots=True)
class Statement:
    """State, while connected, what is journalled and not known to be committed."""

    store: JournalStore
    client: PlatformClient
    shell: UplinkShell
    settled_ns: Callable[[], int]
    """Give the time up to which everything that is ever stamped so is journalled."""

    async def run(self) -> None:
        """State it until cancelled."""
        due_s = 0.0
        while True:
            session = self.shell.machine.session
            if self.shell.connected and session is not None and time.monotonic() >= due_s:
                await self._state(session)
                due_s = time.monotonic() + STATED_EACH_S
            await asyncio.sleep(LOOK_S)

    async def _state(self, session: int) -> None:
        as_of_ns = self.settled_ns()  # before the journal is read: what comes between is stated as waiting
        try:
            waiting = await asyncio.to_thread(self.store.waiting)
        except sqlite3.Error as error:
            log.warning("journal: what waits in it could not be counted: %s", error)
            return
        answer = await self.client.state_holding(session, as_of_ns, waiting)
        if not answer.ok:
            log.debug("uplink: the statement of the journal was answered %d %s", answer.status, answer.problem)
