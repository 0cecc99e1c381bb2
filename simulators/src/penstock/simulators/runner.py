"""The simulators' process: clock in, emissions out, the plant folder followed, faults on request.

Each tick: advance the plant to now, write the ledger and sync it, then offer the values to their wires.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, Final

from penstock.core.device_file import DeviceFile
from penstock.core.errors import ConfigError
from penstock.core.times import NS_PER_S
from penstock.simulators.device import SimulatedDevice
from penstock.simulators.emission import Emission
from penstock.simulators.folder import Changes, PlantFolder
from penstock.simulators.ledger.log import LedgerWriter
from penstock.simulators.models.fault import FaultRequest
from penstock.simulators.models.world import World
from penstock.simulators.plant import SimulatedPlant
from penstock.simulators.recordings import SHIPPED
from penstock.simulators.schedule import Schedule, read_schedule
from penstock.simulators.settings import SimSettings
from penstock.simulators.settling import Settler
from penstock.simulators.signals.spec import reader_below
from penstock.simulators.state import StateFile
from penstock.simulators.truth.keeper import NotedPlant, TruthKeeper
from penstock.simulators.truth.records import TruthState
from penstock.simulators.truth.store import open_store
from penstock.simulators.wires import Wire, Wires

TICK_s: Final = 0.1
FOLLOW_s: Final = 1.0
SAVE_s: Final = 5.0
RETRY_s: Final = 5.0
"""A device whose wire did not open (a taken port) is tried again."""
DAY_ns: Final = 86_400 * NS_PER_S
NAMED_MAX: Final = 20
"""Devices and problems that the health answer names; /status has them all."""
log = logging.getLogger(__name__)


class Runner:
    """Run the simulated plant of a folder until cancelled."""

    def __init__(self, settings: SimSettings, environ: Mapping[str, str], wires: Wires | None = None) -> None:
        self._settings = settings
        data = settings.data
        data.mkdir(parents=True, exist_ok=True)
        self._state = StateFile(data / "state.json")
        hidden = data / "truth"
        hidden.mkdir(exist_ok=True, mode=0o700)
        hidden.chmod(0o700)
        self.truth = open_store(hidden / "truth.sqlite", keep_ns=settings.truth_days * DAY_ns)
        self._keeper = TruthKeeper(self.truth)
        self._folder = PlantFolder(settings.plant, environ)
        self._ledger = LedgerWriter(settings.ledger) if settings.ledger is not None else None
        self._read = reader_below(settings.plant, SHIPPED)
        self.plant = SimulatedPlant(_now_ns())
        self._noted = NotedPlant(self.plant, self._keeper)
        self._wires = wires or Wires(
            data=data,
            trust=settings.trust_folder,
            opcua_host=settings.opcua_host,
            mqtt_credentials=settings.mqtt_credentials,
            ledger=self._ledger,
        )
        self._open: dict[str, Wire] = {}
        self._ticking = asyncio.Lock()
        self._settler = Settler(self._put_in, self._take_out)
        self._looked = False
        self._file_errors: dict[str, str] = {}
        self._told: set[str] = set()
        self._schedule, self._schedule_errors = self._read_schedule(environ), list[str]()
        self.emitted = 0

    def _read_schedule(self, environ: Mapping[str, str]) -> Schedule:
        path = self._settings.schedule
        if path is None:
            return Schedule()
        now_ns = _now_ns()
        schedule = read_schedule(path, start_ns=now_ns, environ=environ)
        past = schedule.skip_before(now_ns)
        log.info("schedule %s: %d steps, %d of the past left out", path, len(schedule), past)
        return schedule

    async def run(self) -> None:
        """Tick until cancelled; then save the state and close everything."""
        try:
            async with asyncio.TaskGroup() as group:
                self._settler.begin(group)
                await self._go()
        finally:
            self._state.write(self.plant.save())
            await self._wires.close()
            if self._ledger is not None:
                self._ledger.close()

    async def _go(self) -> None:
        loop = asyncio.get_running_loop()
        next_follow = next_save = next_retry = loop.time()
        while True:
            began = loop.time()
            if began >= next_follow:
                await self._follow()
                next_follow = loop.time() + FOLLOW_s
            if began >= next_retry:
                self._settler.retry()
                next_retry = loop.time() + RETRY_s
            async with self._ticking:
                await self._tick()
            if loop.time() >= next_save:
                async with self._ticking:
                    await asyncio.to_thread(self._state.write, self.plant.save())
                next_save = loop.time() + SAVE_s
            await asyncio.sleep(max(0.0, TICK_s - (loop.time() - began)))

    async def _tick(self) -> None:
        self._play()
        emissions = self.plant.advance(_now_ns())
        told = self._keeper.look(self.plant)
        if told:
            await asyncio.to_thread(self._keeper.write, told)
        await self._cut()
        if emissions:
            ranges = [(0, 0)] * len(emissions)
            if self._ledger is not None:
                emissions, ranges = await asyncio.to_thread(self._record, emissions)
            await self._offer(emissions, ranges)
        self._wires.pump()

    def _play(self) -> None:
        """Do what the schedule says; what it says wrongly is told, once, and left out."""
        try:
            self._schedule.play(_now_ns(), self, present=self.plant.devices)
        except ConfigError as error:
            log.error("%s", error)
            self._schedule_errors.append(str(error))

    async def _cut(self) -> None:
        """Let wires go dead and come back with the truth of their devices."""
        for name, wire in self._open.items():
            await wire.cut(dead=self.plant.devices[name].broken.silent)

    def _record(self, emissions: Sequence[Emission]) -> tuple[list[Emission], list[tuple[int, int]]]:
        """Write to the ledger first; what it already knows at that time (a clock that went back) is not offered."""
        assert self._ledger is not None, "called with a ledger only"
        fresh = [one for one in emissions if self._is_fresh(one)]
        return fresh, self._ledger.write([self.plant.devices[one.device].as_stored(one) for one in fresh])

    def _is_fresh(self, emission: Emission) -> bool:
        assert self._ledger is not None, "called with a ledger only"
        newest = self._ledger.newest_ns(emission.device, emission.points[0].tag)
        return newest is None or emission.time_ns > newest

    async def _offer(self, emissions: Sequence[Emission], ranges: Sequence[tuple[int, int]]) -> None:
        by_device: dict[str, tuple[list[Emission], list[tuple[int, int]]]] = {}
        for emission, numbers in zip(emissions, ranges, strict=True):
            batch = by_device.setdefault(emission.device, ([], []))
            batch[0].append(emission)
            batch[1].append(numbers)
            self.emitted += len(emission.points)
        for device, (batch_emissions, batch_ranges) in by_device.items():
            await self._open[device].offer(batch_emissions, batch_ranges)

    async def _follow(self) -> None:
        changes = await asyncio.to_thread(self._folder.look)
        if changes:
            self._apply(changes)
        for file, error in self._folder.errors.items():
            if self._file_errors.get(file) != str(error):
                log.error("%s", error)
        self._file_errors = {file: str(error) for file, error in self._folder.errors.items()}
        self._looked = True
        problems = self._formula_problems()
        for problem in problems:
            if problem not in self._told:
                log.warning("%s", problem)
        self._told = set(problems)

    def _apply(self, changes: Changes) -> None:
        for name in changes.removed:
            self._settler.want(name, None)
        for file in (*changes.added, *changes.changed):
            self._settler.want(file.device, file)

    async def _put_in(self, file: DeviceFile) -> None:
        """Put a device on its wire; it joins the plant between two ticks, when clients can already find it."""
        await asyncio.to_thread(SimulatedDevice, file, world=World(), read=self._read)
        await self._take_out(file.device)  # not before its new file is known to be right
        wire = await self._wires.open(file)
        async with AsyncExitStack() as undo, self._ticking:
            undo.push_async_callback(wire.close)
            device = SimulatedDevice(file, world=self.plant.world, read=self._read)
            device.keeps_while_silent = wire.keeps
            self.plant.add(device, self._state.devices.get(file.device))
            self._open[file.device] = wire
            undo.pop_all()
        log.info("device %s: %d tags over %s", file.device, len(file.tags), file.connection.driver)

    async def _take_out(self, name: str) -> None:
        async with self._ticking:
            state = self.plant.remove(name) if name in self.plant.devices else None
            wire = self._open.pop(name, None)
            if state is not None:
                await asyncio.to_thread(self._state.write, {name: state})
        if wire is not None:
            await wire.close()
            log.info("device %s: off its wire", name)

    def known_truth(self) -> Mapping[str, TruthState]:
        """Give the truth of each device at its last look; for the laboratory alone."""
        return self._keeper.known

    def inject(self, device: str, request: FaultRequest) -> None:
        """Start a fault, and note it in the truth."""
        self._noted.inject(device, request)
        self._did(device, request.fault, "injected")

    def clear(self, device: str, fault: str) -> None:
        """Take a fault back, and note it."""
        self._noted.clear(device, fault)
        self._did(device, fault, "cleared")

    def repair(self, device: str, fault: str) -> None:
        """Repair, and note it."""
        self._noted.repair(device, fault)
        self._did(device, fault, "repaired")

    def _did(self, device: str, fault: str, action: str) -> None:
        log.info("fault %s on %s: %s", fault, device, action)
        self._state.write(self.plant.save())

    def status(self) -> dict[str, Any]:
        """Say what runs, what does not and why."""
        return {
            "devices": {name: wire.status() for name, wire in self._open.items()},
            "starting": self._settler.starting(),
            "errors": {**self._settler.errors, **self._file_errors},
            "schedule": {"waiting": len(self._schedule), "errors": self._schedule_errors},
            "emitted": self.emitted,
            "skipped_s": self.plant.skipped_s,
            "ledger": None if self._ledger is None else str(self._settings.ledger),
        }

    def _formula_problems(self) -> list[str]:
        return [problem for device in self.plant.devices.values() for problem in device.problems()]

    def health(self) -> dict[str, Any]:
        """Say whether all devices serve: `starting` while some come up, `degraded` where something is wrong."""
        starting = self._settler.starting()
        wanted = {*self._open, *starting, *self._settler.refused()}
        problems = [*self._settler.errors.values(), *self._file_errors.values(), *self._formula_problems()]
        problems += [*self._schedule_errors, *([self._keeper.problem] if self._keeper.problem else [])]
        status = "degraded" if problems else "ok"
        return {
            "status": status if self._looked and not starting else "starting",
            "devices": {"serving": len(self._open), "wanted": len(wanted)},
            "starting": starting[:NAMED_MAX],
            "problems": problems[:NAMED_MAX],
        }


def _now_ns() -> int:
    return time.time_ns()
