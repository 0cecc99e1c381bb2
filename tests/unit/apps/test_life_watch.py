"""A fleet's prognosis in the worker: fitted once its runs to failure are whole; then every run gets its rest."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from penstock.apps.maintenance.life import fleets
from penstock.apps.maintenance.life.run import AssetRun, RunAttributeError, run_of
from penstock.apps.maintenance.prognosis import fitting
from penstock.apps.maintenance.prognosis.fitting import fit
from penstock.apps.maintenance.prognosis.predicting import predict
from penstock.apps.maintenance.prognosis.runs import Run
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings
from penstock.apps.maintenance.rowjudge import HOUR_NS, LIFE, LIFE_LOW
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.worker import Fleet
from penstock.core.times import format_rfc3339_ns
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import InvalidRequestError
from penstock.sdk.models import Property
from penstock.sdk.testing import FakePlatform
from tests.builders.apps import START_NS

FAILED, CHANNELS = 8, ("ch00", "ch01", "ch02")


def machine(number: int, rows: int, *, shown: int) -> Run:
    """Wear a machine whose life is `rows` rows, an hour apart; the first `shown` of them are seen."""
    chance = np.random.default_rng(number)
    wear = (np.arange(rows) / rows) ** 2
    values = np.stack([wear * 3, -wear * 2, 0 * wear], axis=1) + chance.normal(size=(rows, 3)) * 0.2 + 10.0
    times = START_NS + np.arange(rows) * HOUR_NS
    return Run(f"ast_{number + 1}", times[:shown], values[:shown], failed=shown == rows)


RUNS = [machine(n, 60 + 3 * n, shown=60 + 3 * n) for n in range(FAILED)] + [machine(20, 70, shown=55)]


class Plant:
    def __init__(self, folder: Path) -> None:
        self.now_ns = START_NS + 1000 * HOUR_NS
        self.fake, self.folder = FakePlatform(now_ns=lambda: self.now_ns), folder
        for run in RUNS:
            attributes = {"fleet": "pumps", "run_from": format_rfc3339_ns(START_NS)}
            if run.failed:
                attributes |= {"run_ended": "failure", "run_until": format_rfc3339_ns(int(run.times_ns[-1]) + 1)}
            self.fake.add_asset(f"works/{run.name}", name=run.name, attributes=attributes)
            for channel in CHANNELS:
                self.fake.add_tag(f"{run.name}/{channel}", asset=f"works/{run.name}", property=channel)
        self.restart()

    def restart(self) -> None:
        self.fleet = Fleet(MaintenanceSettings(), self.folder, now_ns=lambda: self.now_ns)

    def feed(self, run: Run, first: int = 0, last: int = 999) -> None:
        """Commit as devices do that deliver in turns: some rows of each channel together."""
        for begin in range(first, min(last, len(run)), 10):
            part = slice(begin, min(begin + 10, last))
            for i, channel in enumerate(CHANNELS):
                rows = zip(run.times_ns[part].tolist(), run.values[part, i].tolist(), strict=True)
                self.fake.feed(f"{run.name}/{channel}", list(rows))

    async def run(self, client: AsyncClient) -> None:
        for _ in range(3):  # the fit waits for two looks that saw the same
            await self.fleet.look(client)
            if self.fleet.fleets._fitting is not None:
                await self.fleet.fleets._fitting
        while await self.fleet.round(client):
            pass

    def series(self, asset: str, name: str) -> list[tuple[int, float]]:
        known = {t["id"] for t in self.fake.state.tags.values() if t["property"] == name and t["asset"] == asset}
        return [(r.time, float(r.value or 0.0)) for r in self.fake.state.committed if r.tag in known]


def fit_lightly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fleets be fitted with few trees, for tests that ask what becomes of a prognosis and not how good it is."""
    light = partial(fit, settings=PrognosisSettings(trees=10, folds=2, rungs_lives=(0.1, 0.2)))
    monkeypatch.setattr(fitting, "fit", light)


async def test_every_run_gets_what_the_same_code_says_offline(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.fake.client(app="maintenance") as client:
        for run in RUNS[:-1]:
            plant.feed(run)
        plant.feed(RUNS[-1], 0, 20)
        await plant.run(client)
        plant.restart()
        plant.feed(RUNS[-1], 20)
        await plant.run(client)
        (asset,) = [a for a in await client.assets.list() if a.name == RUNS[-1].name]
    named = [Run(f"ast_{n + 1}", run.times_ns, run.values, failed=True) for n, run in enumerate(RUNS[:-1])]
    model = fit(named, channels=CHANNELS, source="pumps")
    told = predict(model, RUNS[-1])
    known = np.isfinite(told.rul_ns)
    assert known.any()
    expected = list(zip(told.times_ns[known].tolist(), (told.rul_ns[known] / HOUR_NS).tolist(), strict=True))
    assert plant.series(asset.id, LIFE) == expected
    assert len(plant.series(asset.id, LIFE_LOW)) == len(expected)
    assert expected[-1][1] == pytest.approx(15, abs=12)
    assert len(list((tmp_path / "fleets" / "pumps").glob("0*"))) == 1


async def test_no_fit_before_every_run_is_whole(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.fake.client(app="maintenance") as client:
        for run in RUNS[:-2]:
            plant.feed(run)
        plant.feed(RUNS[-2], 0, 40)
        await plant.run(client)
        assert plant.fleet.fleets.model("pumps") is None
        assert plant.fleet.watches == {}


async def test_different_channels_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleets, "RUNS_MIN", 2)
    plant = Plant(tmp_path)
    plant.fake.add_tag("ast_1/more", asset="works/ast_1", property="more")
    async with plant.fake.client(app="maintenance") as client:
        for run in RUNS[:-1]:
            plant.feed(run)
        plant.fake.feed("ast_1/more", [(int(RUNS[0].times_ns[-1]), 1.0)])
        await plant.run(client)
    assert "different channels" in plant.fleet.fleets.trouble["pumps"]


async def test_more_values_than_a_fit_may_hold_are_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleets, "VALUES_MAX", 300)
    plant = Plant(tmp_path)
    async with plant.fake.client(app="maintenance") as client:
        for run in RUNS[:-1]:
            plant.feed(run)
        await plant.run(client)
    assert plant.fleet.fleets.model("pumps") is None
    assert "more than 300 values, the most that is fitted on" in plant.fleet.fleets.trouble["pumps"]


def attributes(**given: str) -> list[Property]:
    return [Property(name, "attribute", "string", value=value) for name, value in given.items()]


def test_runs_are_read_from_attributes() -> None:
    assert run_of(attributes(maker="x")) is None
    assert run_of(attributes(fleet="a")) == AssetRun("a")
    whole = attributes(
        fleet="a", run_from="1970-01-01T00:00:01Z", run_until="1970-01-01T00:00:02Z", run_ended="failure"
    )
    assert run_of(whole) == AssetRun("a", 1_000_000_000, 2_000_000_000, failed=True)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"run_ended": "failure"}, "say when"),
        ({"run_ended": "broken", "run_until": "2026-01-01T00:00:00Z"}, "takes failure or stopped"),
        ({"run_from": "monday"}, "run_from is no time"),
        ({"run_from": "2026-01-02T00:00:00Z", "run_until": "2026-01-01T00:00:00Z"}, "must lie before"),
    ],
)
def test_a_run_described_wrongly_is_told(given: dict[str, str], said: str) -> None:
    with pytest.raises(RunAttributeError, match=said):
        run_of(attributes(fleet="a", **given))


async def test_a_fit_that_fails_as_nobody_foresaw_is_told_and_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, begun = Plant(tmp_path), []

    def fail(*_: object) -> None:
        begun.append(1)
        message = "input contains infinity"
        raise ValueError(message)

    async with plant.fake.client(app="maintenance") as client:
        for run in RUNS:
            plant.feed(run)
        monkeypatch.setattr(plant.fleet.fleets, "_fitted", fail)
        await plant.run(client)
        await plant.run(client)
        assert len(begun) == 1
        assert "contains infinity" in plant.fleet.fleets.trouble["pumps"]
        assert any("contains infinity" in why for why in plant.fleet.unfit.values())
        (running,) = [a for a in await client.assets.list() if a.name == RUNS[0].name]
        until = format_rfc3339_ns(int(RUNS[0].times_ns[-1]) + 2)
        old = {p.name: p.value for p in running.properties if p.kind == "attribute"}
        await client.assets.update(running.id, attributes=old | {"run_until": until})
        await plant.run(client)
    assert len(begun) == 2


async def test_runs_whose_history_is_awaited_are_named(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.fake.client(app="maintenance") as client:
        for run in RUNS[1:]:
            plant.feed(run)
        await plant.run(client)
    assert plant.fleet.fleets.trouble["pumps"] == "waits for the history of 1 runs to failure: ast_1"


async def test_a_refused_request_of_one_fleet_stops_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: object) -> bool:
        raise InvalidRequestError(422, {"detail": "out of range"}, method="GET", url="/v1/samples")

    plant = Plant(tmp_path)
    for run in RUNS[:-1]:
        plant.feed(run)
    monkeypatch.setattr(plant.fleet.fleets, "_is_whole", refused)
    async with plant.fake.client(app="maintenance") as client:
        await plant.run(client)
    assert plant.fleet.failure is None
    assert "out of range" in plant.fleet.fleets.trouble["pumps"]


@pytest.mark.parametrize("name", ["a/../b", "x" * 400, "\u00e91", "\u0e91", "é" * 200, "..", "\ud800"])
def test_a_fleet_of_any_name_has_a_folder_of_its_own(tmp_path: Path, name: str) -> None:
    kept = fleets.Fleets(tmp_path / "fleets")
    assert kept.model(name) is None
    folder = kept._of(name)
    assert folder.parent == tmp_path / "fleets"
    assert folder != kept._of("\u00e91") or name == "\u00e91"
    folder.mkdir()
