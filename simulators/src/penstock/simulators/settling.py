"""Bring each device to what its file says, in a task of its own.

Theory of operation. `want` notes a device's newest file, or None where it is to go, and starts a task for that device
unless one runs. The task works until what it reached is what is wanted: a file that comes meanwhile is taken next, and
the steps of one device never overlap. Devices do not wait for one another here; what has to be done one at a time is
said where it is done. A device whose file is refused stays wanted, and `retry` tries it again. So does one that fails
in a way that nobody foresaw: it is told with its traceback, once, and the other devices go on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from penstock.core.device_file import DeviceFile
from penstock.core.errors import ConfigError

log: Final = logging.getLogger(__name__)


class Settler:
    """Put devices in and take them out; `errors` says per device why it is not as its file says."""

    def __init__(
        self, put_in: Callable[[DeviceFile], Awaitable[None]], take_out: Callable[[str], Awaitable[None]]
    ) -> None:
        self._put_in, self._take_out = put_in, take_out
        self._group: asyncio.TaskGroup | None = None
        self._wanted: dict[str, DeviceFile | None] = {}
        self._running: set[str] = set()
        self.errors: dict[str, str] = {}

    def begin(self, group: asyncio.TaskGroup) -> None:
        """Run the tasks in this group."""
        self._group = group

    def want(self, name: str, file: DeviceFile | None) -> None:
        """Note what is wanted of a device, and set to work; None: it is to go."""
        self._wanted[name] = file
        if file is None:
            self.errors.pop(name, None)
        self._start(name)

    def retry(self) -> None:
        """Try again what was refused, such as a port that was taken."""
        for name in self._wanted:
            self._start(name)

    def starting(self) -> list[str]:
        """Name the devices that are on their way, without those that were refused."""
        return sorted(name for name, file in self._wanted.items() if file is not None and name not in self.errors)

    def refused(self) -> list[str]:
        """Name the devices that are wanted and were refused."""
        return sorted(name for name in self._wanted if name in self.errors)

    def _start(self, name: str) -> None:
        assert self._group is not None, "begin comes first"
        if name not in self._running:
            self._running.add(name)
            self._group.create_task(self._settle(name), name=f"settle {name}")

    async def _settle(self, name: str) -> None:
        try:
            while name in self._wanted:
                file = self._wanted[name]
                refused = await self._reach(name, file)
                if self._wanted[name] is not file:
                    continue
                self._note(name, refused)
                if refused is not None:
                    return
                del self._wanted[name]
        finally:
            self._running.discard(name)

    async def _reach(self, name: str, file: DeviceFile | None) -> ConfigError | None:
        try:
            if file is None:
                await self._take_out(name)
            else:
                await self._put_in(file)
        except ConfigError as error:
            return error
        except Exception as error:  # boundary: no device may end the process that runs the others
            message = f"device {name!r} cannot be served: {type(error).__name__}: {error}"
            refused = ConfigError(message, file=file.file if file else name, line=None, key="")
            if self.errors.get(name) != str(refused):
                log.exception("device %s: an error of the simulators", name)
            return refused
        return None

    def _note(self, name: str, refused: ConfigError | None) -> None:
        if refused is None:
            self.errors.pop(name, None)
            return
        if self.errors.get(name) != str(refused):
            log.error("%s", refused)
        self.errors[name] = str(refused)
