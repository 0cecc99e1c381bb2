"""The alarms' side of the live stream (events.schemas.AlarmFeed): what stands, and what changed since."""

import asyncio
from collections.abc import Sequence
from typing import Any

from penstock.platform.alarms.endpoints import alarm_json
from penstock.platform.alarms.log import AlarmLog

CHANGES_A_READ = 1000


class LiveAlarms:
    """Number changes by the journal and wake those who wait; lives on one event loop."""

    def __init__(self) -> None:
        self._head = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: set[asyncio.Future[None]] = set()
        self.log: AlarmLog | None = None

    async def start(self, log: AlarmLog) -> None:
        """Begin at the newest change that is in the store."""
        self.log, self._loop = log, asyncio.get_running_loop()
        self._head = await asyncio.to_thread(log.newest)

    def announce(self) -> None:
        """Tell that the journal has grown; from any thread."""
        if self._loop is not None and self.log is not None:
            newest = self.log.newest()
            self._loop.call_soon_threadsafe(self._publish, newest)

    def head(self) -> int:
        """Give the number of the newest change."""
        return self._head

    async def wait_beyond(self, number: int) -> int:
        """Wait for a change after `number`; give the newest."""
        while self._head <= number:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._head

    async def standing(self, tenant: str) -> Sequence[dict[str, Any]]:
        """Give the alarms that are not normal, as in /v1/alarms."""
        assert self.log is not None
        return [alarm_json(row) for row in await asyncio.to_thread(self.log.standing, tenant)]

    async def changed(self, tenant: str, after: int) -> tuple[Sequence[dict[str, Any]], int]:
        """Give the alarms that changed after a number, and the number to go on from."""
        assert self.log is not None
        rows, newest = await asyncio.to_thread(self.log.changed, tenant, after, CHANGES_A_READ)
        return [alarm_json(row) for row in rows], newest

    def _publish(self, newest: int) -> None:
        if newest <= self._head:
            return
        self._head = newest
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
