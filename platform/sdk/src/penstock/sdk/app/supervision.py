"""Background tasks of an app: run for ever, restarted with back-off when they fail, their state shown in /health."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from penstock.sdk.backoff import Backoff

STABLE_S = 60.0  # a task that ran this long starts its back-off anew
log = logging.getLogger("penstock.sdk.app")
TaskBody = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class TaskState:
    """How a task fares: `running`, `waiting` (to be restarted) or `done`, and its last failure in words."""

    state: str
    restarts: int = 0
    failure: str = ""


class Supervisor:
    """Own the app's background tasks."""

    def __init__(
        self,
        *,
        backoff: Backoff | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._backoff = backoff or Backoff(first_s=1.0, max_s=60.0)
        self._monotonic_s = monotonic_s
        self._sleep = sleep
        self._bodies: dict[str, TaskBody] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self.states: dict[str, TaskState] = {}

    def add(self, name: str, body: TaskBody) -> None:
        """Register a task to be started with the app."""
        if name in self._bodies:
            message = f"two background tasks are called {name!r}: give one another name"
            raise ValueError(message)
        self._bodies[name] = body

    def start(self) -> None:
        """Start all registered tasks."""
        for name, body in self._bodies.items():
            self._tasks[name] = asyncio.create_task(self._supervise(name, body), name=f"penstock-app-{name}")

    async def stop(self) -> None:
        """Cancel all tasks and wait for their end."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _supervise(self, name: str, body: TaskBody) -> None:
        failures, restarts, failure = 0, 0, ""
        while True:
            began_s = self._monotonic_s()
            self.states[name] = TaskState("running", restarts, failure)
            try:
                await body()
            except Exception as failed:  # boundary: a background task may fail in any way; it begins again
                if self._monotonic_s() - began_s > STABLE_S:
                    failures = 0
                failures += 1
                restarts += 1
                failure = f"{type(failed).__name__}: {failed}"
                delay_s = self._backoff.delay_s(failures)
                log.exception("background task %s failed, again in %.1f s", name, delay_s)
                self.states[name] = TaskState("waiting", restarts, failure)
                await self._sleep(delay_s)
            else:
                self.states[name] = TaskState("done", restarts, failure)
                return
