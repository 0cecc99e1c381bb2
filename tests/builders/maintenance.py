"""A fake platform with one pump, and the maintenance fleet that watches it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.watch import SETTLE_ROUNDS, Watch
from penstock.apps.maintenance.windows import Samples
from penstock.apps.maintenance.worker import Fleet
from penstock.sdk import AsyncClient
from penstock.sdk.testing import FakePlatform
from tests.builders.apps import PUMP, SECOND, START_NS

PATH = "works/hall/cooling/pump-9"
SETTINGS = MaintenanceSettings(baseline_min_windows=10, baseline_windows=40, on_delay_s=30.0)
UNITS = {c.name: c.unit for c in PUMP}


class RecordingPlatform(FakePlatform):
    """Notes what it was asked."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.asked: list[httpx.Request] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return await super().handle_async_request(request)


class Bench:
    """A fake platform with one pump, and a fleet that watches it."""

    def __init__(self, folder: Path) -> None:
        self.now_ns = START_NS
        self.fake = RecordingPlatform(now_ns=lambda: self.now_ns)
        self.folder = folder
        self.asset = self.fake.add_asset(PATH, name="Pump 9")
        self.fake.add_asset("works/hall/cooling/tank", name="Tank")
        self.fake.add_tag("tank/level", unit="m", asset="works/hall/cooling/tank")
        for name, unit in UNITS.items():
            self.fake.add_tag(f"pump/{name}", unit=unit, asset=PATH, property=name)
        self.fleet = self.restart()

    def restart(self) -> Fleet:
        self.fleet = Fleet(SETTINGS, self.folder, now_ns=lambda: self.now_ns)
        return self.fleet

    def client(self) -> AsyncClient:
        return self.fake.client(app="maintenance")

    async def run(self, client: AsyncClient) -> None:
        while await self.fleet.round(client):
            pass

    async def settle(self, client: AsyncClient) -> None:
        """Work until there is nothing left to read, also not again."""
        await self.run(client)
        for _ in range(SETTLE_ROUNDS + 1):
            await self.run(client)

    @property
    def watch(self) -> Watch:
        (watch,) = self.fleet.watches.values()
        return watch

    def feed(self, samples: Samples, *, every: int = 30, is_now: bool = True) -> None:
        """Commit as a gateway does: a batch of some seconds, each tag's rows together; `is_now`: as it happens."""
        if is_now:
            self.now_ns = max(self.now_ns, int(samples.time.max()))
        for first in range(int(samples.time.min()), int(samples.time.max()) + 1, every * SECOND):
            inside = (samples.time >= first) & (samples.time < first + every * SECOND)
            for index, channel in enumerate(PUMP):
                mine = inside & (samples.channel == index)
                rows = zip(samples.time[mine].tolist(), samples.value[mine].tolist(), strict=True)
                self.fake.feed(f"pump/{channel.name}", list(rows))

    def health(self) -> list[tuple[int, float]]:
        return self.series("health_index")

    def series(self, name: str) -> list[tuple[int, float]]:
        tag = next(t for t in self.fake.state.tags.values() if t["property"] == name)
        return [(r.time, float(r.value or 0.0)) for r in self.fake.state.committed if r.tag == tag["id"]]

    def shown(self, name: str) -> dict[int, float]:
        """Give the value shown at each time: of different ones at the same time the one committed last."""
        return dict(sorted(dict(self.series(name)).items()))

    def failures(self) -> list[type[Exception]]:
        return [type(w.failure) for w in self.fleet.watches.values() if w.failure is not None]

    @property
    def alarms(self) -> list[str]:
        return [a["state"] for a in self.fake.alarm_state.alarms.values()]
