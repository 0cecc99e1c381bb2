"""The simulators' process: the plant, and its doors: control API, hidden truth, the fault laboratory where asked."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette

from penstock.core.errors import ConfigError
from penstock.simulators.control import control_app, write_control_file
from penstock.simulators.laboratory.link_cli import LABORATORY_FILE
from penstock.simulators.laboratory.live import LivePlant
from penstock.simulators.laboratory.pages import Parts, laboratory_app
from penstock.simulators.laboratory.platform_alarms import PlatformAlarms
from penstock.simulators.laboratory.sessions import Sessions
from penstock.simulators.runner import Runner
from penstock.simulators.settings import SimSettings
from penstock.simulators.truth.door import truth_app

LOOPBACK = "127.0.0.1"
SETTING = "PENSTOCK_SIM_"


class QuietServer(uvicorn.Server):
    """Leave the signals to the process: it stops the plant first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@dataclass(frozen=True, slots=True)
class Door:
    """One HTTP API of the process: where it listens, the file (0600) that holds its url and token, how it is made."""

    name: str
    listener: socket.socket
    file: Path
    make: Callable[[str], Starlette]

    @property
    def url(self) -> str:
        """Give its address on this machine."""
        host, port = self.listener.getsockname()[:2]
        return f"http://{host}:{port}"

    def server(self) -> uvicorn.Server:
        """Write the file with a new token, and make the server."""
        app = self.make(write_control_file(self.file, self.url))
        return QuietServer(uvicorn.Config(app, log_level="warning", access_log=False, lifespan="off"))


async def serve(settings: SimSettings) -> None:
    """Run the plant and its doors until SIGTERM or SIGINT."""
    runner = Runner(settings, os.environ)
    alarms = alarms_of(settings)
    doors = list(_doors(settings, runner, alarms))
    servers = [door.server() for door in doors]
    jobs: dict[str, Coroutine[Any, Any, None]] = {
        door.name: server.serve(sockets=[door.listener]) for door, server in zip(doors, servers, strict=True)
    }
    if alarms is not None:
        jobs["alarms"] = alarms.run()
    work = asyncio.create_task(runner.run(), name="plant")
    tasks = [work, *(asyncio.create_task(job, name=name) for name, job in jobs.items())]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, servers, tasks)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        _stop(servers, tasks)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        runner.truth.close()
        for door in doors:
            door.file.unlink(missing_ok=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


def _doors(settings: SimSettings, runner: Runner, alarms: PlatformAlarms | None) -> Iterator[Door]:
    data = settings.data
    control = _listen(settings.control_host, settings.control_port, key="CONTROL_PORT")
    yield Door("control", control, data / "sim-control.json", lambda token: control_app(runner, token))
    truth = _listen(LOOPBACK, settings.truth_port, key="TRUTH_PORT")
    yield Door("truth", truth, data / "truth" / "truth.json", lambda token: truth_app(runner.truth, token))
    if settings.laboratory_port is not None:
        listener = _listen(LOOPBACK, settings.laboratory_port, key="LABORATORY_PORT")
        url = settings.laboratory_url or f"http://localhost:{listener.getsockname()[1]}"
        yield Door(
            "laboratory",
            listener,
            data / LABORATORY_FILE,
            lambda token: laboratory_app(
                Parts(LivePlant(runner), runner.truth, Sessions(time.monotonic), token, url.rstrip("/"), alarms)
            ),
        )


def alarms_of(settings: SimSettings) -> PlatformAlarms | None:
    """Give what reads the alarms of a platform, where there is a page and one is named; ConfigError for half of it."""
    url, credentials = settings.laboratory_platform_url, settings.laboratory_platform_credentials
    if settings.laboratory_port is None or (url is None and credentials is None):
        return None
    if url is None or credentials is None:
        wanting = "LABORATORY_PLATFORM_URL" if url is None else "LABORATORY_PLATFORM_CREDENTIALS"
        message = "the laboratory reads a platform's alarms by its address and a credential: set both, or neither"
        raise ConfigError(message, file="environment", line=None, key=SETTING + wanting)
    return PlatformAlarms(url, credentials)


def _stop(servers: Sequence[uvicorn.Server], tasks: Sequence[asyncio.Task[None]]) -> None:
    """Let servers end their answers, and cancel what has no end of its own."""
    for server in servers:
        server.should_exit = True
    for task in tasks:
        if task.get_name() in ("plant", "alarms"):
            task.cancel()


def _listen(host: str, port: int, *, key: str) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        message = f"cannot listen on {host}:{port}: {error.strerror}; set another port"
        raise ConfigError(message, file="environment", line=None, key=SETTING + key) from error
