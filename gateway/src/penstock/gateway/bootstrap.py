"""Building the gateway's graph, and its one supervisor."""

import asyncio
import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from penstock.core.errors import ConfigError
from penstock.edge.driver import DriverContext, DriverState
from penstock.edge.durable import make_folder
from penstock.gateway.batcher import Batcher
from penstock.gateway.credential import load_mqtt_credentials
from penstock.gateway.delivery import Delivery
from penstock.gateway.devices import Devices
from penstock.gateway.folder import DeviceFolder
from penstock.gateway.health import HealthServer, health_app, listen
from penstock.gateway.intake import Intake
from penstock.gateway.journal.store import JournalStore, Sizes
from penstock.gateway.metrics import gateway_registry
from penstock.gateway.settings import Settings, check_platform_url

log = logging.getLogger(__name__)

HOUSEKEEPING_S = 2.0
LAST_COMMIT_S = 10.0
"""How long a stopping gateway tries to journal what it has taken."""
HEALTH_STOP_S = 3.0


@dataclass(slots=True)
class Room:
    """Know how full the journal is; counted up at each commit, measured anew by the housekeeping."""

    most_bytes: int
    sizes: Sizes

    def has_room(self) -> bool:
        """Say whether drivers may go on."""
        return self.sizes.waiting_bytes < self.most_bytes


class Gateway:
    """Run everything: folder → drivers → intake → batcher → journal → delivery, with health beside it."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        url = check_platform_url(settings.platform_url, allow_plain_http=settings.allow_plain_http)
        self._lock = hold_data_folder(settings)
        self._started_s = time.monotonic()
        self.store = JournalStore(settings.journal_file)
        self.room = Room(settings.journal_max_bytes, self.store.sizes())
        self.released = asyncio.Event()
        self.delivery = Delivery(
            settings,
            url,
            self.store,
            lambda: self.intake.dictionary(),
            self.released.set,
            time.time_ns,
            lambda: self.batcher.settled_ns(),
        )
        self.batcher = Batcher(
            self.store,
            now_ns=time.time_ns,
            batch_rows=settings.batch_rows,
            linger_s=settings.batch_linger_ms / 1000,
            has_room=self.room.has_room,
            on_journalled=self.delivery.on_journalled,
        )
        self.intake = Intake(self.batcher, time.time_ns, self.delivery.on_dictionary)
        self.intake.restore(self.store)
        context = DriverContext(
            sink=self.intake,
            now_ns=time.time_ns,
            trust_dir=settings.trust_dir,
            pki_dir=settings.pki_dir,
            client_name=settings.name,
            mqtt_credentials=load_mqtt_credentials(settings.mqtt_credentials),
            heard_before=self.intake.heard_before,
        )
        self.devices = Devices(DeviceFolder(settings.devices_dir, environ), self.intake, context)
        self._socket = listen(settings.health_host, settings.health_port)
        self.health_port: int = self._socket.getsockname()[1]

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; then stop the drivers, journal what they brought, keep what is not committed."""
        server = HealthServer(health_app(self.snapshot, gateway_registry(self.snapshot)))
        committing = asyncio.create_task(self.batcher.run(), name="batcher")
        serving = asyncio.create_task(server.serve(sockets=[self._socket]), name="health")
        following = asyncio.create_task(self.devices.follow(), name="devices")
        others = [
            asyncio.create_task(self.delivery.run(), name="delivery"),
            asyncio.create_task(self._keep_house(), name="housekeeping"),
        ]
        log.info("gateway %s: devices from %s", self.settings.name, self.settings.devices_dir)
        log.info("gateway %s: health at http://%s:%d/health", self.settings.name, *self._socket.getsockname()[:2])
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait(
                [stopping, committing, serving, following, *others], return_when=asyncio.FIRST_COMPLETED
            )
            for task in done - {stopping}:
                task.result()
        finally:
            await self._stop(following, committing, others)
            server.should_exit = True
            await asyncio.wait([serving], timeout=HEALTH_STOP_S)
            for task in (serving, stopping):
                task.cancel()
            await asyncio.gather(serving, stopping, return_exceptions=True)
            self.store.close()
            os.close(self._lock)
            log.info("gateway %s: stopped", self.settings.name)

    async def _stop(
        self, following: asyncio.Task[None], committing: asyncio.Task[None], others: list[asyncio.Task[None]]
    ) -> None:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        self.intake.tell_thinned(now=True)
        self.batcher.close()
        await asyncio.wait([committing], timeout=LAST_COMMIT_S)
        for task in (committing, *others):
            task.cancel()
        await asyncio.gather(committing, *others, return_exceptions=True)

    async def _keep_house(self) -> None:
        """Trim the reserve, measure the journal, tell of junk and thinning, each two seconds and after each release."""
        while True:
            self.intake.tell_junk()
            self.intake.tell_thinned()
            try:
                older_than_ns = time.time_ns() - self.settings.reserve_age_ns
                trimmed = await asyncio.to_thread(
                    self.store.trim, older_than_ns=older_than_ns, most_bytes=self.settings.reserve_max_bytes
                )
                self.delivery.on_trimmed(trimmed)
                self.room.sizes = await asyncio.to_thread(self.store.sizes)
            except sqlite3.Error as error:
                log.warning("journal: reserve not trimmed: %s", error)
            await self.batcher.room_changed()
            self.released.clear()
            try:
                async with asyncio.timeout(HOUSEKEEPING_S):
                    await self.released.wait()
                    await asyncio.sleep(HOUSEKEEPING_S / 4)
            except TimeoutError:
                continue

    def snapshot(self) -> Mapping[str, Any]:
        """Say everything that /health and /metrics say."""
        problems = self._problems()
        return {
            "status": "degraded" if problems else "ok",
            "problems": problems,
            "gateway": self.settings.name,
            "uptime_s": round(time.monotonic() - self._started_s, 1),
            "devices": self._devices(),
            "files": dict(self.devices.file_errors),
            "intake": {
                "samples": self.batcher.counts.samples,
                "rejects": self.intake.counts.rejects,
                "gaps": self.intake.counts.gaps,
                "thinned": self.intake.thinning.count,
                "open_gaps": len(self.intake.gaps.open),
                "rows_in_flight": self.batcher.rows_in_flight,
                "waited_s": round(self.batcher.counts.waited_s, 3),
            },
            "journal": self._journal(),
            "uplink": self._uplink(),
        }

    def _problems(self) -> list[str]:
        found = [*self.devices.file_errors.values(), *self.devices.device_errors.values()]
        found += [
            f"{name}: {health.detail}"
            for name, (_, health) in self.devices.health().items()
            if health.state in (DriverState.DISCONNECTED, DriverState.DEGRADED)
        ]
        if broken := self.store.broken_since_start:
            found.append(
                f"{broken} batches of the journal {self.store.path} could not be read back as they were written: their "
                "loss is in the ledger as drops; check the disk"
            )
        if self.batcher.blocked:
            found.append(self.batcher.blocked)
        if not self.room.has_room():
            found.append(f"the journal is full ({self.settings.journal_max_mib} MiB not committed): drivers wait")
        found += self.intake.junk_problems()
        uplink = self._uplink()["problem"]
        return [*found, uplink] if uplink else found

    def _devices(self) -> dict[str, Any]:
        shown = {}
        for name, (device, health) in self.devices.health().items():
            shown[name] = {
                "driver": device.connection.driver,
                "state": str(health.state),
                "detail": health.detail,
                "error": self.devices.device_errors.get(name),
                "tags": len(device.tags),
                "counters": dict(health.counters),
                "rejects": self.intake.rejects_by_device.get(name, 0),
                "newest_source_time_ns": self.intake.newest_source_time_ns(name),
            }
        for name, error in self.devices.device_errors.items():
            if name not in shown:
                shown[name] = {
                    "driver": "", "state": "not taken", "detail": error, "error": error, "tags": 0,
                    "counters": {}, "rejects": 0, "newest_source_time_ns": None,
                }  # fmt: skip
        return shown

    def _journal(self) -> dict[str, Any]:
        sizes, counts = self.room.sizes, self.batcher.counts
        return {
            "epoch": self.delivery.epoch.id,
            "head": self.delivery.head,
            "batches": counts.batches,
            "commits": counts.commits,
            "waiting_batches": sizes.waiting,
            "waiting_bytes": sizes.waiting_bytes,
            "reserve_batches": sizes.reserve,
            "reserve_bytes": sizes.reserve_bytes,
            "broken_batches": self.store.broken,
            "blocked": self.batcher.blocked,
        }

    def _uplink(self) -> dict[str, Any]:
        shell = self.delivery.shell
        if shell is None:
            return {
                "state": "not enrolled", "problem": self.delivery.problem, "platform": self.delivery.url,
                "session": None, "watermark": self.delivery.epoch.released, "pending_batches": None,
                "requests": 0, "failures": 0, "quarantined_batches": 0,
            }  # fmt: skip
        return {
            "state": "connected" if shell.connected else str(shell.machine.state),
            "problem": shell.problem,
            "platform": self.delivery.url,
            "session": shell.machine.session,
            "watermark": shell.watermark,
            "pending_batches": shell.machine.pending,
            "requests": shell.counts.requests,
            "failures": shell.counts.failures,
            "quarantined_batches": shell.counts.quarantined_batches,
        }


def hold_data_folder(settings: Settings) -> int:
    """Hold the data folder alone; a second gateway on it is a ConfigError."""
    make_folder(settings.data)
    descriptor = os.open(settings.data / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        message = "another gateway runs on this data folder: stop it first, or give this one a folder of its own"
        raise ConfigError(message, file=str(settings.data), line=None, key="PENSTOCK_GATEWAY_DATA") from error
    return descriptor
