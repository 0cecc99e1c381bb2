"""Start processes when what they need is ready, restart them when they end, stop them in order.

Theory of operation. Each process has a task of its own: wait for those it comes after, start, wait until ready, then
watch. One that ends is started again with back-off; one that ends GIVE_UP times without ever being ready ends the whole
with the last lines of its log. Children get a session of their own, so that Ctrl-C in a terminal reaches this process
only, which then stops them one after another in reverse order.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from penstock.cli.demo.layout import DemoError
from penstock.cli.demo.readiness import Check

READY_WITHIN_S = 60.0
CHECK_EVERY_S = 0.2
GIVE_UP = 3  # ends before it was ever ready: more tries would not help
RESTART_FIRST_S = 1.0
RESTART_MAX_S = 30.0
STABLE_S = 60.0  # ran this long: back-off starts anew
LOG_TAIL_LINES = 15
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process to run: `after` names those that must be ready first; `says` is printed when it is ready."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    ready: Check
    log: Path
    after: tuple[str, ...] = ()
    says: str = ""
    stop_within_s: float = 20.0


@dataclass(slots=True)
class Running:
    """A process under supervision."""

    spec: ProcessSpec
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None
    was_ready: bool = False


class Supervisor:
    """Run a set of processes until told to stop."""

    def __init__(self, specs: Sequence[ProcessSpec], say: Callable[[str], None]) -> None:
        self._running = {s.name: Running(s) for s in specs}
        self._say = say
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []
        self._failed: asyncio.Future[DemoError] | None = None

    async def start(self) -> None:
        """Start all and return when all are ready; DemoError when one cannot be."""
        self._failed = asyncio.get_running_loop().create_future()
        self._tasks = [asyncio.create_task(self._supervise(r), name=n) for n, r in self._running.items()]
        ready = asyncio.create_task(self._all_ready())
        either: set[asyncio.Future[Any]] = {ready, self._failed}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._failed.done():
            raise self._failed.result()

    async def _all_ready(self) -> None:
        for running in self._running.values():
            await running.ready.wait()

    async def watch(self) -> None:
        """Go on until a process fails for good, which raises DemoError."""
        assert self._failed is not None, "start comes first"
        raise await asyncio.shield(self._failed)

    async def stop(self) -> None:
        """Stop all, the last started first, each with its time to finish."""
        self._stopping = True
        for running in reversed(self._running.values()):
            await self._end(running)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failed is not None and not self._failed.done():
            self._failed.cancel()

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _supervise(self, running: Running) -> None:
        spec, failures, began_s = running.spec, 0, time.monotonic()
        for name in spec.after:
            if name in self._running:
                await self._running[name].ready.wait()
        while not self._stopping:
            started_s = time.monotonic()
            process = running.process = await self._spawn(spec)
            await self._until_ready(running, process, began_s)
            status = await process.wait()
            if self._is_stopping():
                return
            failures = 1 if time.monotonic() - started_s > STABLE_S else failures + 1
            if failures >= GIVE_UP and not running.was_ready:
                self._give_up(spec, status)
                return
            delay_s = min(RESTART_MAX_S, RESTART_FIRST_S * 2 ** (failures - 1))
            self._say(f"{spec.name} ended ({_ended(status)}), again in {delay_s:g} s; see {spec.log}")
            if running.ready.is_set():
                began_s = time.monotonic()  # what is told next is how long it was away
            running.ready.clear()
            await asyncio.sleep(delay_s)

    async def _spawn(self, spec: ProcessSpec) -> asyncio.subprocess.Process:
        with spec.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *spec.argv,
                env=dict(spec.environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )

    async def _until_ready(self, running: Running, process: asyncio.subprocess.Process, began_s: float) -> None:
        spec, deadline_s, told = running.spec, time.monotonic() + READY_WITHIN_S, False
        while process.returncode is None and not self._stopping:
            if await spec.ready():
                again = " again" if running.was_ready else ""
                running.was_ready = True
                running.ready.set()
                self._say(f"{spec.name:<12} ready{again}  {spec.says}  ({time.monotonic() - began_s:.1f} s)")
                return
            if time.monotonic() > deadline_s and not told:
                told = True
                self._say(
                    f"{spec.name} runs but is not ready after {READY_WITHIN_S:.0f} s, still waiting; see {spec.log}"
                )
            await asyncio.sleep(CHECK_EVERY_S)

    def _give_up(self, spec: ProcessSpec, status: int) -> None:
        assert self._failed is not None
        if not self._failed.done():
            message = f"{spec.name} does not start ({_ended(status)}). The end of {spec.log}:\n{_tail(spec.log)}"
            self._failed.set_result(DemoError(message))

    async def _end(self, running: Running) -> None:
        process = running.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(running.spec.stop_within_s):
                await process.wait()
            self._say(f"{running.spec.name:<12} stopped")
        except TimeoutError:
            process.kill()
            await process.wait()
            self._say(f"{running.spec.name:<12} did not stop within {running.spec.stop_within_s:.0f} s: killed")


def _ended(status: int) -> str:
    return f"exit status {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:]
    return "\n".join(f"    {line}" for line in lines) or "    (empty)"


_LIBC = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    """Runs in the child: have it ended when this supervisor is killed, so that no port stays taken."""
    assert _LIBC is not None
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == 1:
        os._exit(1)
