"""Work orders in NiceGUI's user simulation: opened with the evidence, planned, closed with what was found."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from nicegui import ui
from nicegui.testing import User

from penstock.apps.maintenance import bootstrap as maintenance
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.order import Found, State
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.testing import FakePlatform
from tests.builders.apps import PUMP
from tests.integration.apps.test_pages import EVIL, PATH, SEEN, feed_pump, opened

DAY = datetime.now(UTC).date() + timedelta(days=20)
pytestmark = pytest.mark.integration


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    return plant_of(FakePlatform())


def plant_of(fake: FakePlatform) -> FakePlatform:
    fake.add_asset(PATH, name="Pump 9")
    for channel in PUMP:
        fake.add_tag(f"pump/{channel.name}", unit=channel.unit, asset=PATH, property=channel.name)
    feed_pump(fake)
    return fake


async def open_machine(user: User) -> None:
    await user.open("/asset/ast_1")
    await user.should_see("To do", retries=SEEN)


def book_of(tmp_path: Path) -> OrderBook:
    (found,) = (tmp_path / "app").rglob("orders.sqlite")
    return OrderBook(found.parent)


async def test_an_order_goes_from_the_evidence_to_what_was_found(fake: FakePlatform, tmp_path: Path) -> None:
    async with opened(fake, maintenance.build) as user:
        await open_machine(user)
        user.find(marker="open-order").click()
        await user.should_see(marker="order-title", retries=SEEN)
        user.find(marker="order-title").clear().type(EVIL)
        user.find(marker="confirm-open").click()
        await user.should_see(kind=ui.button, content="Plan", retries=SEEN)
        user.find(kind=ui.button, content="Plan").click()
        await user.should_see(marker="order-day", retries=SEEN)
        user.find(marker="order-day").clear().type(DAY.isoformat())
        user.find(marker="confirm-plan").click()
        await user.should_see("Planned", retries=SEEN)
        await user.open("/orders")
        await user.should_see(EVIL, retries=SEEN)
        await user.should_see(kind=ui.button, content="Done", retries=SEEN)
        user.find(kind=ui.button, content="Done").click()
        await user.should_see(marker="order-part", retries=SEEN)
        user.find(marker="order-part").clear().type("drive-end bearing")
        user.find(marker="order-note").type("outer race")
        user.find(marker="confirm-done").click()
        await user.should_see("Nothing to be done", retries=SEEN)
        user.find(kind=ui.button, content="All").click()
        await user.should_see("As suspected: drive-end bearing", retries=SEEN)
        await user.should_see(kind=ui.label, content="outer race", retries=SEEN)
        await user.should_see(DAY.isoformat())
        await user.should_not_see("12:00:00")
    (order,) = book_of(tmp_path).orders()
    assert (order.state, order.found, order.part, order.note) == (
        State.DONE,
        Found.AS_SUSPECTED,
        "drive-end bearing",
        "outer race",
    )
    assert (order.opened_by, order.changed_by) == ("Test Person", "Test Person")
    noon = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    assert order.planned_for_ns == int(noon.timestamp()) * 1_000_000_000


async def test_what_is_missing_is_said_and_nothing_recorded(fake: FakePlatform, tmp_path: Path) -> None:
    async with opened(fake, maintenance.build) as user:
        await open_machine(user)
        user.find(marker="open-order").click()
        await user.should_see(marker="order-title", retries=SEEN)
        user.find(marker="order-title").clear()
        user.find(marker="confirm-open").click()
        await user.should_see("say what is to be done", retries=SEEN)
    assert book_of(tmp_path).orders() == []


async def test_a_dialog_keeps_what_was_typed_until_it_is_right(fake: FakePlatform, tmp_path: Path) -> None:
    async with opened(fake, maintenance.build) as user:
        book_of(tmp_path).open("ast_1", "look", suspected="", by="x", at_ns=1)
        await user.open("/orders")
        await user.should_see(kind=ui.button, content="Plan", retries=SEEN)
        user.find(kind=ui.button, content="Plan").click()
        await user.should_see(marker="order-day", retries=SEEN)
        for day, said in (("", "for which day"), ("2020-01-01", "the day planned is over"), ("soon", "is no day")):
            user.find(marker="order-day").elements.pop().set_value(day)  # type: ignore[attr-defined]
            user.find(marker="confirm-plan").click()
            await user.should_see(said, retries=SEEN)
        user.find(kind=ui.button, content="Cancel").click()
        await user.should_not_see(marker="order-day", retries=SEEN)
        user.find(kind=ui.button, content="Done").click()
        await user.should_see(marker="order-part", retries=SEEN)
        user.find(marker="order-note").type("outer race")
        user.find(marker="order-failed").type("2999-01-01T08:00")
        user.find(marker="confirm-done").click()
        await user.should_see("say which part was at fault", retries=SEEN)
        user.find(marker="order-part").type("bearing")
        user.find(marker="confirm-done").click()
        await user.should_see("failed before now", retries=SEEN)
        user.find(marker="order-failed").clear()
        user.find(marker="confirm-done").click()
        await user.should_see("Nothing to be done", retries=SEEN)
    (order,) = book_of(tmp_path).orders()
    assert (order.state, order.part, order.note) == (State.DONE, "bearing", "outer race")


async def test_a_dialog_stays_open_while_the_rows_behind_it_change(fake: FakePlatform, tmp_path: Path) -> None:
    async with opened(fake, maintenance.build) as user:
        book_of(tmp_path).open("ast_1", "look", suspected="", by="x", at_ns=1)
        await user.open("/orders")
        await user.should_see(kind=ui.button, content="Dismiss", retries=SEEN)
        user.find(kind=ui.button, content="Dismiss").click()
        await user.should_see(marker="order-why", retries=SEEN)
        book_of(tmp_path).open("ast_1", "grease it", suspected="", by="x", at_ns=2)
        await user.should_see("grease it", retries=SEEN)
        user.find(marker="order-why").type("twice")
        user.find(marker="confirm-dismiss").click()
        await user.should_see("Order 1: Dismissed", retries=SEEN)


class Viewing(FakePlatform):
    """A platform on which nobody may acknowledge an alarm."""

    def client(
        self, *, person: str = "Test Person", app: str | None = None, scopes: Iterable[str] | None = None
    ) -> AsyncClient:
        mine = ("assets:read", "samples:read", "samples:write", "alarms:read", "rules:write")
        return super().client(person=person, app=app, scopes=mine)


async def test_a_person_who_may_only_look_sees_orders_of_this_plant_and_no_buttons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    fake = plant_of(Viewing())
    async with opened(fake, maintenance.build) as user:
        book = book_of(tmp_path)
        book.open("ast_1", "grease it", suspected="", by="x", at_ns=1)
        book.open("ast_elsewhere", "not of this plant", suspected="", by="x", at_ns=1)
        await user.open("/orders")
        await user.should_see("grease it", retries=SEEN)
        await user.should_not_see("not of this plant")
        await user.should_not_see("Dismiss")
        await open_machine(user)
        await user.should_see("grease it", retries=SEEN)
        await user.should_not_see(marker="open-order")
