"""An asset that asks for it is judged from its first row on: as offline, at any speed, also after restarts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from penstock.apps.maintenance.detection.fitting import Rows
from penstock.apps.maintenance.detection.stream import Stream
from penstock.apps.maintenance.rowjudge import ANOMALY, SCORE
from penstock.apps.maintenance.state.streamed import CHANNELS_MAX
from penstock.core.times import format_rfc3339_ns
from penstock.sdk.times import to_ns
from tests.builders.apps import SECOND, START_NS
from tests.builders.named_healthy import CHANNELS, PATH, Plant

ROWS, STEP_NS = 500, 300 * SECOND


class Streams(Plant):
    """A fake platform with one asset of few neutral channels, of which nothing is known beforehand."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        chance = np.random.default_rng(5)
        values = chance.normal(size=(ROWS, CHANNELS))
        values[300:320, 1] += 12.0
        values[400:, 2] -= 9.0
        self.rows = Rows(START_NS + np.arange(ROWS) * STEP_NS, values)
        self.now_ns = START_NS + ROWS * STEP_NS

    async def ask(self, **attributes: str) -> None:
        async with self.client() as client:
            (asset,) = await client.assets.list()
            await client.assets.update(asset.id, attributes=attributes)

    def offline(self) -> list[tuple[int, str]]:
        """Give the alarm's changes by the same code offline."""
        judged = Stream(CHANNELS).on_rows(self.rows.times_ns, self.rows.values)
        return [(alarm.time_ns, "activate" if alarm.raised else "clear") for alarm in judged.alarms]

    async def changes(self) -> list[tuple[int, str]]:
        """Give the alarm's changes as the platform tells them."""
        told = []
        async with self.client() as client:
            for alarm in await client.alarms.list():
                told += [(to_ns(e["time"]), str(e["event"])) for e in await client.alarms.journal(alarm.id)]
        return sorted(change for change in told if change[1] in ("activate", "clear"))


@pytest.mark.parametrize("step", [1, 60, ROWS], ids=lambda step: f"{step} rows a batch")
async def test_a_stream_says_what_the_same_code_says_offline(tmp_path: Path, step: int) -> None:
    plant = Streams(tmp_path)
    await plant.ask(judged_by="stream")
    async with plant.client() as client:
        for first in range(0, ROWS, step):
            plant.feed(first, min(first + step, ROWS))
            if step > 1 or first % 50 == 0:
                await plant.run(client)
                plant.now_ns += 8 * SECOND
                plant.restart()
        for _ in range(2):
            await plant.run(client)
            plant.now_ns += 16 * SECOND
    judged = Stream(CHANNELS).on_rows(plant.rows.times_ns, plant.rows.values)
    assert plant.series(SCORE) == list(zip(plant.rows.times_ns.tolist(), judged.scores.tolist(), strict=True))
    assert [on for _, on in plant.series(ANOMALY)] == judged.active.astype(float).tolist()
    assert len(plant.offline()) >= 2
    assert await plant.changes() == plant.offline()


async def test_a_row_of_a_stream_that_is_sent_again_moves_no_alarm(tmp_path: Path) -> None:
    plant, lost = Streams(tmp_path), {0, 1, 150, 301, 302, 400, 499}
    await plant.ask(judged_by="stream")
    async with plant.client() as client:
        await plant.fleet.look(client)
        for first in range(0, ROWS, 100):
            rows = range(first, first + 100)
            plant.feed_messages(row for row in rows if row not in lost)
            await plant.run(client)
            plant.feed_messages(row for row in rows if row in lost)
            plant.now_ns += 16 * SECOND
            await plant.run(client)
    assert await plant.changes() == plant.offline()
    assert [t for t, _ in plant.series(SCORE)] == plant.rows.times_ns.tolist()


async def test_what_cannot_be_judged_as_a_stream_is_said(tmp_path: Path) -> None:
    plant = Streams(tmp_path)

    async def why() -> str:
        async with plant.client() as client:
            await plant.fleet.look(client)
        assert plant.fleet.watches == {}
        return "".join(plant.fleet.unfit.values())

    await plant.ask(judged_by="tea leaves")
    assert "it takes stream" in await why()
    start, end = format_rfc3339_ns(START_NS), format_rfc3339_ns(START_NS + 300 * SECOND)
    await plant.ask(judged_by="stream", healthy_from=start, healthy_until=end)
    assert "take one of them away" in await why()
    for i in range(CHANNELS, CHANNELS_MAX + 1):
        plant.fake.add_tag(f"asset-7f3a/ch{i:02d}", asset=PATH, property=f"ch{i:02d}")
    await plant.ask(judged_by="stream")
    assert f"this asset has {CHANNELS_MAX + 1}" in await why()


async def test_an_asset_that_no_longer_asks_is_let_go(tmp_path: Path) -> None:
    plant = Streams(tmp_path)
    await plant.ask(judged_by="stream")
    async with plant.client() as client:
        plant.feed(0, 200)
        await plant.run(client)
        assert len(plant.fleet.watches) == 1
        await plant.ask(judged_by="")
        await plant.run(client)
    assert plant.fleet.watches == {}


async def test_a_row_that_comes_later_than_the_wait_is_judged_by_reading_again(tmp_path: Path) -> None:
    plant, lost = Streams(tmp_path), 150
    await plant.ask(judged_by="stream")
    async with plant.client() as client:
        await plant.fleet.look(client)
        plant.feed_messages(row for row in range(200) if row != lost)
        for _ in range(2):
            await plant.run(client)
            plant.now_ns += 16 * SECOND
        assert len(plant.series(SCORE)) == 199
        plant.feed_messages([lost])
        for _ in range(3):
            await plant.run(client)
            plant.now_ns += 16 * SECOND
    judged = Stream(CHANNELS).on_rows(plant.rows.times_ns[:200], plant.rows.values[:200])
    assert dict(plant.series(SCORE)) == dict(zip(judged.times_ns.tolist(), judged.scores.tolist(), strict=True))
