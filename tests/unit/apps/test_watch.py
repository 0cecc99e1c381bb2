"""The worker against the fake platform: what it writes, once, in order, and again after a restart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest

from penstock.sdk.errors import ConnectionFailedError, ForbiddenError
from penstock.sdk.models import Asset, ComputedTag, Tag
from tests.builders.apps import SECOND, START_NS, pump_samples
from tests.builders.maintenance import PATH, Bench


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def test_only_assets_with_a_vibration_velocity_are_watched(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.run(client)
    assert [w.asset.path for w in bench.fleet.watches.values()] == [PATH]


async def test_health_and_losses_are_written_in_time_order(bench: Bench) -> None:
    bench.feed(pump_samples(300))
    async with bench.client() as client:
        await bench.run(client)
    times = [t for t, _ in bench.health()]
    assert len(times) >= 28
    assert times == sorted(set(times))
    assert [t for t, _ in bench.series("loss_bearing_band")] == times
    assert all(v > 90 for _, v in bench.health())


async def test_wear_raises_one_alarm_and_the_repair_clears_it(bench: Bench) -> None:
    async with bench.client() as client:
        bench.feed(pump_samples(900))
        await bench.run(client)
        assert bench.alarms == []
        bench.feed(pump_samples(300, start_s=900, wear=0.6))
        await bench.run(client)
        assert bench.alarms == ["unacknowledged_active"]
        (alarm,) = await client.alarms.list()
        async with bench.fake.client(person="Ada") as person:
            await person.alarms.acknowledge(alarm.id, "looked at it")
        bench.feed(pump_samples(300, start_s=1200))
        await bench.run(client)
    assert bench.alarms == ["normal"]
    assert bench.health()[-1][1] > 95


async def test_a_machine_s_own_zones_hold_from_when_they_are_named(bench: Bench) -> None:
    async with bench.client() as client:
        bench.feed(pump_samples(60))
        await bench.run(client)
        assert bench.health()[-1][1] > 90
        await client.assets.update(bench.asset.id, attributes={"machine_group": "0.1,0.2,0.3"})
        await bench.fleet.look(client)
        bench.feed(pump_samples(60, start_s=60))
        await bench.run(client)
    assert bench.health()[-1][1] < 20


async def test_the_rule_is_made_once_and_not_put_back(bench: Bench) -> None:
    bench.feed(pump_samples(60))
    async with bench.client() as client:
        await bench.run(client)
        (rule,) = await client.rules.list()
        assert (rule.comparison, rule.limit, rule.severity) == ("low", 60.0, 700)
        bench.restart()
        await bench.run(client)
        assert len(await client.rules.list()) == 1
        await client.rules.delete(rule.id)
        bench.restart()
        await bench.run(client)
        assert await client.rules.list() == []


@pytest.mark.parametrize("forget", [False, True], ids=["with checkpoint", "checkpoint lost"])
async def test_a_restart_goes_on_and_writes_nothing_twice(bench: Bench, tmp_path: Path, forget: bool) -> None:
    whole = Bench(tmp_path / "whole")
    async with whole.client() as client:
        whole.feed(pump_samples(600))
        whole.feed(pump_samples(300, start_s=600, wear=0.3))
        await whole.run(client)
    async with bench.client() as client:
        bench.feed(pump_samples(600))
        await bench.run(client)
        bench.restart()
        if forget:
            for file in (bench.folder / "health").iterdir():
                file.unlink()
        bench.feed(pump_samples(300, start_s=600, wear=0.3))
        await bench.run(client)
    assert bench.health() == whole.health()
    assert bench.series("loss_bearing_band") == whole.series("loss_bearing_band")
    assert bench.fake.state.duplicates == 0


async def test_a_crash_between_write_and_checkpoint_stores_nothing_twice(bench: Bench) -> None:
    async with bench.client() as client:
        bench.feed(pump_samples(200))
        await bench.run(client)
        kept = {f: f.read_bytes() for f in (bench.folder / "health").iterdir()}
        bench.feed(pump_samples(200, start_s=200))
        await bench.run(client)
        before = bench.health()
        for file, content in kept.items():
            file.write_bytes(content)
        bench.restart()
        await bench.run(client)
    assert bench.health() == before


async def test_a_platform_that_is_away_is_said_and_then_gone_on_with(bench: Bench) -> None:
    async with bench.client() as client:
        bench.feed(pump_samples(100))
        await bench.run(client)
        bench.feed(pump_samples(100, start_s=100))
        bench.fake.fail_next(*[httpx.ConnectError("refused") for _ in range(6)])
        await bench.fleet.round(client)
        assert bench.failures() == [ConnectionFailedError]
        await bench.run(client)
        assert bench.failures() == []
    assert bench.health()[-1][0] >= START_NS + 180 * SECOND


async def test_rows_of_a_clock_a_day_ahead_close_no_window(bench: Bench) -> None:
    async with bench.client() as client:
        bench.feed(pump_samples(100))
        ahead = (START_NS + 86_400 * SECOND, 1.0)
        bench.fake.feed("pump/vibration_rms", [ahead])
        bench.feed(pump_samples(100, start_s=100))
        await bench.run(client)
    (watch,) = bench.fleet.watches.values()
    assert watch.ahead == 1
    assert watch.model.late == 0
    assert len(bench.health()) >= 18


async def test_a_new_device_is_watched_without_a_restart(bench: Bench) -> None:
    async with bench.client() as client:
        await bench.run(client)
        bench.fake.add_asset("works/hall/new", name="New")
        bench.fake.add_tag("new/v", unit="mm/s", asset="works/hall/new", property="vibration")
        await bench.fleet.look(client)
    assert [w.asset.name for w in bench.fleet.watches.values()] == ["Pump 9", "New"]


async def test_a_refusal_of_one_asset_does_not_keep_the_others_from_being_watched(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.fake.add_asset("works/hall/new", name="New")
    bench.fake.add_tag("new/v", unit="mm/s", asset="works/hall/new", property="vibration")
    async with bench.client() as client:
        declare = client.declare_tags

        async def declare_all_but_one(wished: Iterable[ComputedTag]) -> Sequence[Tag]:
            wished = list(wished)
            if any(isinstance(wish.asset, Asset) and wish.asset.id == bench.asset.id for wish in wished):
                problem = {"title": "forbidden", "detail": "not yours"}
                raise ForbiddenError(403, problem, method="POST", url="/v1/tags/batch")
            return await declare(wished)

        monkeypatch.setattr(client, "declare_tags", declare_all_but_one)
        await bench.fleet.look(client)
        assert [w.asset.name for w in bench.fleet.watches.values()] == ["New"]
        monkeypatch.undo()
        await bench.fleet.look(client)
    assert {w.asset.name for w in bench.fleet.watches.values()} == {"Pump 9", "New"}


def test_numbers_of_a_healthy_pump_are_what_the_builder_says() -> None:
    samples = pump_samples(100)
    assert np.median(samples.value[samples.channel == 0]) == pytest.approx(1.5, abs=0.05)
