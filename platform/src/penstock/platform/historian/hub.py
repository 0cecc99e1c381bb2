"""Hints after a commit: whoever follows the historian waits here and then reads the truth from it."""

import asyncio


class CommitHub:
    """Wake waiters when the head passes their position; lives on one event loop."""

    def __init__(self) -> None:
        self._head = 0
        self._waiters: set[asyncio.Future[None]] = set()

    def publish(self, head: int) -> None:
        """Tell that everything up to `head` is committed; on the event loop. A lower head (a restore) wakes too."""
        if head == self._head:
            return
        self._head = head
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_beyond(self, position: int) -> int:
        """Wait until something is committed after `position`; give the head."""
        while self._head <= position:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._head
