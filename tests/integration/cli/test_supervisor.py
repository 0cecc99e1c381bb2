"""The demo's supervisor with small real processes."""

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from penstock.cli.demo.layout import DemoError
from penstock.cli.demo.supervisor import ProcessSpec, Supervisor

pytestmark = pytest.mark.integration
OBEYS = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("here", flush=True)
time.sleep(60)
"""
DEAF = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('here', flush=True)\ntime.sleep(60)"
BREAKS = "print('the reason'); raise SystemExit(3)"


def spec(
    folder: Path, name: str, code: str, *, after: tuple[str, ...] = (), stop_within_s: float = 10.0
) -> ProcessSpec:
    log = folder / f"{name}.log"

    async def ready() -> bool:
        return log.exists() and "here" in log.read_text()

    argv = [sys.executable, "-c", code]
    return ProcessSpec(name, argv, dict(os.environ), ready, log, after=after, stop_within_s=stop_within_s)


async def test_processes_start_behind_those_they_need_and_stop_in_reverse(tmp_path: Path) -> None:
    said: list[str] = []
    specs = [spec(tmp_path, "first", OBEYS), spec(tmp_path, "second", OBEYS, after=("first",))]
    supervisor = Supervisor(specs, said.append)
    await supervisor.start()
    await supervisor.stop()
    assert [line.split()[:2] for line in said] == [
        ["first", "ready"], ["second", "ready"], ["second", "stopped"], ["first", "stopped"],
    ]  # fmt: skip


async def test_one_that_never_starts_ends_all_with_the_end_of_its_log(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor([spec(tmp_path, "good", OBEYS), spec(tmp_path, "bad", BREAKS)], said.append)
    with pytest.raises(DemoError, match=r"(?s)bad does not start \(exit status 3\).*the reason"):
        async with asyncio.timeout(30):
            await supervisor.start()
    await supervisor.stop()
    assert sum("bad ended (exit status 3), again in" in line for line in said) == 2
    assert said[-1].split() == ["good", "stopped"]


async def test_one_that_is_killed_is_started_again_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor([spec(tmp_path, "it", OBEYS)], said.append)
    await supervisor.start()
    (running,) = supervisor._running.values()
    assert running.process is not None
    await asyncio.sleep(3)
    os.kill(running.process.pid, signal.SIGKILL)
    killed_s = time.monotonic()
    async with asyncio.timeout(20):
        while not any("ready again" in line for line in said):  # noqa: ASYNC110 - a list is watched
            await asyncio.sleep(0.05)
    back_s = time.monotonic() - killed_s
    await supervisor.stop()
    assert any("it ended (killed by SIGKILL), again in 1 s" in line for line in said)
    (told,) = (line for line in said if "ready again" in line)
    assert 1.0 <= float(told.split("(")[1].split()[0]) <= back_s + 0.1, "since it ended, not since the start of all"


async def test_one_that_does_not_stop_in_time_is_killed_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    supervisor = Supervisor([spec(tmp_path, "deaf", DEAF, stop_within_s=0.5)], said.append)
    await supervisor.start()
    await supervisor.stop()
    assert "killed" in said[-1]
