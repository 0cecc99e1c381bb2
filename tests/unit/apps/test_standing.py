"""What a watch has said becomes a risk: by its remaining life, by its health's trend, also after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.apps.maintenance.judging import HEALTH
from penstock.apps.maintenance.risk.chance import Source, failed_by
from penstock.apps.maintenance.risk.costs import CostBook, Costs
from penstock.apps.maintenance.risk.standing import chance_of, life_of, risk_of
from penstock.apps.maintenance.rowjudge import LIFE, LIFE_HIGH, LIFE_LOW
from tests.builders.apps import pump_samples
from tests.builders.maintenance import Bench
from tests.unit.apps.test_life_watch import RUNS, Plant, fit_lightly

BOOK = CostBook(Costs("EUR", 10_000.0, 2_000.0, 1_500.0, 150.0, 24.0))


async def test_a_remaining_life_gives_the_chance_also_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit_lightly(monkeypatch)
    plant = Plant(tmp_path)
    async with plant.fake.client(app="maintenance") as client:
        for run in RUNS:
            plant.feed(run)
        await plant.run(client)
        (asset,) = [a for a in await client.assets.list() if a.name == RUNS[-1].name]
        told = dict(plant.fleet.watches[asset.id].told)
        plant.restart()
        await plant.run(client)
        watch = plant.fleet.watches[asset.id]
        risk = risk_of(watch, asset, BOOK)
    assert watch.told == told
    newest = {name: plant.series(asset.id, name)[-1] for name in (LIFE, LIFE_LOW)}
    life = life_of(watch.told)
    assert life is not None
    assert (life.estimate_h, life.low_h) == (newest[LIFE][1], newest[LIFE_LOW][1])
    assert risk.chance is not None
    assert risk.chance.source is Source.LIFE
    assert risk.chance.within == failed_by(life, 24.0)
    assert risk.loss == pytest.approx(8_000.0 * risk.chance.within)


def test_an_upper_end_of_an_earlier_estimate_is_not_taken() -> None:
    told = {LIFE: (5, 100.0), LIFE_LOW: (5, 60.0), LIFE_HIGH: (4, 110.0)}
    life = life_of(told)
    assert life is not None
    assert life.high_h is None
    assert life_of({HEALTH: (5, 80.0)}) is None


async def test_a_falling_health_is_a_trend_also_after_a_restart(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.fake.state.set_attributes(bench.fake.state.assets[bench.asset.id], {"notice_h": 0.1})
    async with bench.client() as client:
        await bench.run(client)
        for minute in range(12):
            bench.feed(pump_samples(60, start_s=60 * minute, wear=max(0, minute - 4) * 0.05))
        await bench.settle(client)
        before = chance_of(bench.watch, 0.1)
        assert before is not None
        assert before.source is Source.TREND
        still = risk_of(bench.watch, await client.assets.retrieve(bench.asset.id), BOOK)
        assert still.costs.notice_h == 0.1
        assert still.chance == before
        bench.restart()
        await bench.settle(client)
        again = chance_of(bench.watch, 0.1)
    assert again is not None
    assert again.source is Source.TREND
    assert again.within == pytest.approx(before.within, rel=0.2)


async def test_nothing_said_is_no_chance(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.client() as client:
        await bench.run(client)
        assert chance_of(bench.watch, 24.0) is None
        assert risk_of(bench.watch, bench.watch.asset, BOOK).loss is None
