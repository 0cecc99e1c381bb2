"""A fake platform with one neutral machine of which a healthy stretch is named, and a fault behind it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from penstock.apps.maintenance.detection.fitting import Rows
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.worker import Fleet
from penstock.core.times import format_rfc3339_ns
from penstock.sdk.async_client import AsyncClient
from tests.builders.apps import SECOND, START_NS
from tests.builders.maintenance import RecordingPlatform

CHANNELS, HEALTHY, ALL = 4, 300, 700
FAULT = range(450, 520)
PATH = "works/line/asset-7f3a"


def recorded(seed: int = 3) -> Rows:
    chance = np.random.default_rng(seed)
    shared = chance.normal(size=ALL)
    values = shared[:, None] * [1.0, -0.5, 0.3, 2.0] + 0.3 * chance.normal(size=(ALL, CHANNELS)) + 50.0
    values[FAULT, 2] += 3.0
    return Rows(START_NS + np.arange(ALL) * SECOND, values)


def named_healthy(until: int = HEALTHY) -> dict[str, str]:
    stretch = {"healthy_from": START_NS, "healthy_until": START_NS + until * SECOND}
    return {name: format_rfc3339_ns(time) for name, time in stretch.items()}


class Plant:
    """A fake platform with one asset of neutral channels, whose healthy stretch is named."""

    def __init__(self, folder: Path, *, until: int = HEALTHY) -> None:
        self.now_ns = START_NS + ALL * SECOND
        self.fake, self.folder, self.rows = RecordingPlatform(now_ns=lambda: self.now_ns), folder, recorded()
        self.fake.add_asset(PATH, name="Asset 7f3a", attributes=named_healthy(until))
        for i in range(CHANNELS):
            self.fake.add_tag(f"asset-7f3a/ch{i:02d}", asset=PATH, property=f"ch{i:02d}")
        self.restart()

    def restart(self) -> None:
        self.fleet = Fleet(MaintenanceSettings(), self.folder, now_ns=lambda: self.now_ns)

    def client(self) -> AsyncClient:
        return self.fake.client(app="maintenance")

    def feed(self, first: int, last: int) -> None:
        """Commit as devices do that deliver in turns: some hundred rows of each channel together."""
        for begin in range(first, last, 150):
            part = self.rows.part(begin, min(begin + 150, last))
            for i in range(CHANNELS):
                rows = zip(part.times_ns.tolist(), part.values[:, i].tolist(), strict=True)
                self.fake.feed(f"asset-7f3a/ch{i:02d}", list(rows))

    def feed_messages(self, rows: Iterable[int]) -> None:
        """Commit as a device does whose message holds a row."""
        for row in rows:
            for i in range(CHANNELS):
                self.fake.feed(
                    f"asset-7f3a/ch{i:02d}", [(int(self.rows.times_ns[row]), float(self.rows.values[row, i]))]
                )

    async def run(self, client: AsyncClient) -> None:
        await self.fleet.look(client)
        while await self.fleet.round(client):
            pass

    def series(self, name: str) -> list[tuple[int, float]]:
        tag = next(t for t in self.fake.state.tags.values() if t["property"] == name)
        return [(r.time, float(r.value or 0.0)) for r in self.fake.state.committed if r.tag == tag["id"]]

    def rows_of(self, name: str) -> list[Any]:
        tag = next(t for t in self.fake.state.tags.values() if t["property"] == name)
        return [r for r in self.fake.state.committed if r.tag == tag["id"]]

    def texts(self, name: str) -> list[tuple[int, str, int]]:
        """Give time, text and position of what was written of a text property."""
        return [(r.time, str(r.value), r.position) for r in self.rows_of(name)]

    def raised(self) -> list[tuple[int, int | None]]:
        return [(a["raised"], a.get("cleared")) for a in self.fake.alarm_state.alarms.values()]
