"""Running one driver per device, and following the device folder."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from penstock.core.device_file import DeviceFile
from penstock.core.errors import ConfigError
from penstock.edge.discovery import find_driver
from penstock.edge.driver import Driver, DriverContext, DriverHealth
from penstock.gateway.folder import POLL_S, DeviceFolder
from penstock.gateway.intake import Intake

log = logging.getLogger(__name__)

RESTART_S = 5.0
"""After a driver failed in a way that it does not know itself: long enough not to fill the log."""
DOWN_CAUSE = "gateway was down"
CHANGED_CAUSE = "device file changed"


@dataclass(slots=True)
class Running:
    """Hold a device, its driver and its task."""

    device: DeviceFile
    driver: Driver
    task: asyncio.Task[None]
    failures: int = 0


@dataclass(slots=True)
class Devices:
    """Start, replace and stop drivers as the folder says; one broken device does not touch the rest."""

    folder: DeviceFolder
    intake: Intake
    context: DriverContext
    find: Callable[[DeviceFile], type[Driver]] = find_driver
    file_errors: dict[str, str] = field(default_factory=dict)
    device_errors: dict[str, str] = field(default_factory=dict)
    _running: dict[str, Running] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    async def follow(self) -> None:
        """Look at the folder once a second until cancelled, then stop every driver."""
        try:
            while True:
                await self.refresh()
                await asyncio.sleep(POLL_S)
        finally:
            await self.stop_all()

    async def refresh(self) -> None:
        """Look at the folder once and do what it says."""
        changes = await asyncio.to_thread(self.folder.look)
        for file, error in changes.errors.items():
            if self.file_errors.get(file) != error:
                log.error("device file not taken: %s", error)
        self.file_errors = dict(changes.errors)
        for name in changes.stopped:
            log.info("%s: its device file is gone or disabled, stopping", name)
            self.device_errors.pop(name, None)
        await asyncio.gather(*(self._stop(name) for name in changes.stopped))
        for device in changes.started:
            await self._start(device)

    async def stop_all(self) -> None:
        """Stop all drivers, at the same time."""
        await asyncio.gather(*(self._stop(name) for name in list(self._running)))

    def health(self) -> dict[str, tuple[DeviceFile, DriverHealth]]:
        """Give each running device with its driver's health."""
        return {name: (running.device, running.driver.health()) for name, running in self._running.items()}

    async def _start(self, device: DeviceFile) -> None:
        name = device.device
        try:
            driver_class = self.find(device)
            driver = driver_class(device, self.context)
            prepared = await asyncio.to_thread(self.intake.prepare, device)
        except ConfigError as error:
            self.device_errors[name] = str(error)
            log.error("%s: not taken: %s", name, error)
            return
        self.device_errors.pop(name, None)
        await self._stop(name)
        await self.intake.install(prepared)
        if not driver_class.refills:
            cause = CHANGED_CAUSE if name in self._seen else DOWN_CAUSE
            await self.intake.gap(name, cause, None)
        self._seen.add(name)
        log.info("%s: starting, %d tags over %s", name, len(device.tags), device.connection.driver)
        task = asyncio.create_task(self._keep_running(name, driver), name=f"driver-{name}")
        self._running[name] = Running(device, driver, task)

    async def _stop(self, name: str) -> None:
        running = self._running.pop(name, None)
        if running is None:
            return
        running.task.cancel()
        await asyncio.gather(running.task, return_exceptions=True)

    async def _keep_running(self, name: str, driver: Driver) -> None:
        while True:
            try:
                await driver.run()
            except Exception:  # boundary: a fault in one driver must not stop the others
                log.exception("%s: the driver failed, starting it again in %g s", name, RESTART_S)
                if name in self._running:
                    self._running[name].failures += 1
                await self.intake.gap(name, "driver failed", None)
            await asyncio.sleep(RESTART_S)
