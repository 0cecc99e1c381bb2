"""What was found where somebody looked goes into the next fit; the drift of a model is followed and written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.life.run import FROM, UNTIL
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.order import Found, State, Step
from penstock.apps.maintenance.rowjudge import HOUR_NS
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.state.drift import DRIFT, Standing
from penstock.apps.maintenance.state.healthy import ALSO, intervals_text
from penstock.apps.maintenance.worker import Fleet
from penstock.core.times import format_rfc3339_ns
from penstock.sdk.async_client import AsyncClient
from tests.builders.apps import SECOND, START_NS
from tests.builders.named_healthy import ALL, FAULT, HEALTHY, Plant, named_healthy
from tests.unit.apps import test_life_watch as life

ASSET = "ast_1"


def at(row: int) -> int:
    return START_NS + row * SECOND


class Learning(Plant):
    """The plant with its book of orders, and rows that it may go on with."""

    def restart(self) -> None:
        self.book = OrderBook(self.folder / "orders")
        self.fleet = Fleet(MaintenanceSettings(), self.folder, book=self.book, now_ns=lambda: self.now_ns)

    def visit(self, opened: int, done: int, found: Found) -> None:
        order = self.book.open(ASSET, "look", suspected="", by="x", at_ns=at(opened))
        part = "seal" if found is Found.AS_SUSPECTED else ""
        self.book.take(order.number, Step(State.DONE, at(done), "x", found=found, part=part))

    async def fit_again(self, client: AsyncClient, **attributes: str) -> None:
        self.fake.state.set_attributes(self.fake.state.assets[ASSET], {**named_healthy(), **attributes})
        self.fleet.ask_fit(ASSET)
        await self.run(client)


async def test_rows_from_the_alarm_to_the_repair_are_left_out_of_the_next_fit(tmp_path: Path) -> None:
    plant = Learning(tmp_path)
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
        plant.visit(100, 140, Found.AS_SUSPECTED)
        await plant.fit_again(client)
    first, second = (plant.fleet.artefacts.version(ASSET, number) for number in (1, 2))
    assert first.left_out == ()
    assert second.left_out == ((at(100), at(140)),)
    rows = [each.model.fitted_on.fit_rows + each.model.fitted_on.limit_rows for each in (first, second)]
    assert rows == [HEALTHY, HEALTHY - 40]
    assert plant.fleet.artefacts.used(ASSET) == second
    assert not plant.fleet.is_asked(ASSET)


async def test_the_alarm_that_led_to_an_order_begins_what_is_left_out(tmp_path: Path) -> None:
    plant = Learning(tmp_path)
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
        ((raised, _),) = plant.raised()
        plant.visit(FAULT.stop - 5, FAULT.stop, Found.AS_SUSPECTED)
        await plant.fit_again(client, healthy_until=format_rfc3339_ns(at(650)))
    newest = plant.fleet.artefacts.used(ASSET)
    assert newest is not None
    ((begin, end),) = newest.left_out
    assert format_rfc3339_ns(begin) == str(raised)
    assert end == at(FAULT.stop)
    assert at(FAULT.start) < begin < at(FAULT.start + 20)


async def test_rows_that_turned_out_sound_widen_the_limits_where_somebody_says_so(tmp_path: Path) -> None:
    plant = Learning(tmp_path)
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
        plant.visit(FAULT.start + 10, FAULT.stop, Found.NOTHING)
        await plant.fit_again(client)
        lessons = await plant.fleet._lessons(client, ASSET)
        assert lessons is not None
        await plant.fit_again(client, **{ALSO: intervals_text(lessons.sound)})
    without, included = (plant.fleet.artefacts.version(ASSET, number) for number in (2, 3))
    assert without.model.limits.tolist() == plant.fleet.artefacts.version(ASSET, 1).model.limits.tolist()
    ((begin, end),) = included.healthy.also
    assert at(FAULT.start - len(FAULT)) < begin < at(FAULT.start)
    assert end == at(FAULT.stop)
    more = (end - begin) // SECOND
    assert included.model.fitted_on.limit_rows == without.model.fitted_on.limit_rows + more
    assert included.model.fitted_on.fit_rows == without.model.fitted_on.fit_rows
    judged = [Detector(each.model).on_rows(plant.rows.times_ns, plant.rows.values) for each in (without, included)]
    assert [bool(each.active[FAULT].any()) for each in judged] == [True, False]


async def test_what_is_asked_while_the_plant_is_read_is_fitted_once_and_on_what_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Learning(tmp_path)
    longer = format_rfc3339_ns(at(FAULT.start))
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
        listed = client.assets.list
        asked: list[str] = []

        async def list_and_ask(*arguments: Any, **wanted: Any) -> Any:
            found = await listed(*arguments, **wanted)
            if not asked:
                asked.append(ASSET)
                named = {**named_healthy(), "healthy_until": longer}
                plant.fake.state.set_attributes(plant.fake.state.assets[ASSET], named)
                plant.fleet.ask_fit(ASSET)
            return found

        monkeypatch.setattr(client.assets, "list", list_and_ask)
        await plant.run(client)
        await plant.run(client)
    newest = plant.fleet.artefacts.used(ASSET)
    assert newest is not None
    assert (newest.number, format_rfc3339_ns(newest.healthy.fit[1])) == (2, longer)
    assert not plant.fleet.is_asked(ASSET)


async def test_a_fit_that_was_asked_for_and_fails_says_why_and_leaves_the_version_in_use(tmp_path: Path) -> None:
    plant = Learning(tmp_path)
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
        plant.visit(0, HEALTHY - 40, Found.AS_SUSPECTED)
        await plant.fit_again(client)
        assert "are needed" in plant.fleet.fit_failed[ASSET]
        used = plant.fleet.artefacts.used(ASSET)
        assert used is not None
        assert used.number == 1
        assert len(plant.fleet.watches) == 1


async def test_the_drift_of_a_model_is_written_and_survives_a_restart(tmp_path: Path) -> None:
    plant = Learning(tmp_path, until=HEALTHY)
    async with plant.client() as client:
        plant.feed(0, 600)
        await plant.run(client)
        plant.restart()
        plant.feed(600, ALL)
        await plant.run(client)
        (watch,) = plant.fleet.watches.values()
    whole = Learning(tmp_path / "whole", until=HEALTHY)
    async with whole.client() as client:
        whole.feed(0, ALL)
        await whole.run(client)
    assert len(plant.series(DRIFT)) > 5
    assert plant.series(DRIFT) == whole.series(DRIFT)
    assert watch.drift is not None
    assert watch.drift.standing in (Standing.OK, Standing.UNKNOWN)
    assert watch.drift.rows < ALL - HEALTHY


async def test_a_repair_of_a_failed_machine_is_a_run_to_failure_and_begins_a_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life.fit_lightly(monkeypatch)
    plant = life.Plant(tmp_path)
    book = OrderBook(tmp_path / "orders")
    plant.fleet = Fleet(MaintenanceSettings(), tmp_path, book=book, now_ns=lambda: plant.now_ns)
    broken = life.RUNS[0]
    failed_ns = int(broken.times_ns[-1]) + 1
    asset = next(a for a in plant.fake.state.assets.values() if a["name"] == broken.name)
    plant.fake.state.set_attributes(asset, {"fleet": "pumps", FROM: format_rfc3339_ns(START_NS)})
    async with plant.fake.client(app="maintenance") as client:
        for run in life.RUNS:
            plant.feed(run)
        order = book.open(asset["id"], "change it", suspected="", by="x", at_ns=failed_ns)
        repaired = Step(State.DONE, failed_ns + HOUR_NS, "x", found=Found.AS_SUSPECTED, part="b", failed_ns=failed_ns)
        book.take(order.number, repaired)
        await plant.run(client)
        model = plant.fleet.fleets.model("pumps")
        members = [m for m in plant.fleet.members if m.asset.id == asset["id"]]
    assert model is not None
    assert asset["id"] in model.fitted_on.runs
    assert len(model.fitted_on.runs) == life.FAILED
    assert [(m.run.from_ns, m.run.until_ns, m.run.failed) for m in members] == [
        (START_NS, failed_ns, True),
        (failed_ns + HOUR_NS, None, False),
    ]
    assert UNTIL not in {p["name"] for p in asset["properties"]}
