"""The fleet page in NiceGUI's user simulation: ranked by risk or by money, a page at a time, few requests."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

import pytest
from nicegui import ui
from nicegui.testing import User

from penstock.apps.house.tables import Row, Table
from penstock.apps.maintenance import bootstrap as maintenance
from penstock.apps.maintenance import fleet_page
from penstock.apps.maintenance.fleet_page import ROWS
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.risk.rank import Step
from penstock.sdk.models import Scalar
from penstock.sdk.testing import FakePlatform
from tests.builders.apps import PUMP, pump_samples
from tests.builders.maintenance import RecordingPlatform
from tests.integration.apps.test_pages import EVIL, SEEN, opened

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    monkeypatch.setenv("PENSTOCK_MAINTENANCE_POLL_S", "0.1")


def add_pump(
    fake: FakePlatform, name: str, *, wear: float | None = 0.0, type_name: str | None = None, **attributes: Scalar
) -> str:
    """Add a pump with a minute of samples up to now; without any where `wear` is None."""
    asset = fake.add_asset(f"works/{name}", name=name, type=type_name, attributes=attributes)
    for channel in PUMP:
        fake.add_tag(f"{name}/{channel.name}", unit=channel.unit, asset=f"works/{name}", property=channel.name)
    if wear is not None:
        samples = pump_samples(60, wear=wear)
        shift = time.time_ns() - int(samples.time[-1])
        for index, channel in enumerate(PUMP):
            mine = samples.channel == index
            rows = zip((samples.time[mine] + shift).tolist(), samples.value[mine].tolist(), strict=True)
            fake.feed(f"{name}/{channel.name}", list(rows))
    return asset.id


def say(fake: FakePlatform, asset: str, **said: object) -> None:
    """Write computed tags of an asset as another instance of the app would have."""
    path = fake.state.assets[asset]["path"]
    for name, value in said.items():
        key = f"{path}/{name}"
        if not any(t["key"] == key for t in fake.state.tags.values()):
            kind = "string" if isinstance(value, str) else "float64"
            fake.add_tag(key, type=kind, asset=path, property=name)
        fake.feed(key, [(time.time_ns(), value)])  # type: ignore[list-item]


def shown(user: User, names: list[str]) -> list[str]:
    """Give the machines' names in the order of the table."""
    links = [e for e in user.find(kind=ui.label).elements if e.text in names]
    return [e.text for e in sorted(links, key=lambda e: e.id)]


async def until_shown(user: User, wanted: list[str]) -> None:
    for _ in range(3 * SEEN):
        if shown(user, wanted) == wanted:
            return
        await asyncio.sleep(0.1)
    assert shown(user, wanted) == wanted


async def test_the_order_is_by_risk_or_by_money() -> None:
    fake = FakePlatform()
    add_pump(fake, "sound")
    add_pump(fake, "worn", wear=0.9)
    add_pump(fake, "worn-dear", wear=0.55, cost_missed_failure=900_000, notice_h=24)
    async with opened(fake, maintenance.build) as user:
        await user.open("/")
        await user.should_see("worn-dear", retries=2 * SEEN)
        await until_shown(user, ["worn", "worn-dear", "sound"])
        await user.should_see("Stop and repair", retries=SEEN)
        user.find(kind=ui.button, content="By money").click()
        await until_shown(user, ["worn-dear", "worn", "sound"])


async def test_filters_leave_the_machines_that_match() -> None:
    fake = FakePlatform()
    add_pump(fake, "sound")
    add_pump(fake, "worn", wear=0.9)
    async with opened(fake, maintenance.build) as user:
        await user.open("/")
        await user.should_see("sound", retries=2 * SEEN)
        user.find(kind=ui.button, content="To act on").click()
        await user.should_not_see("sound", retries=SEEN)
        await user.should_see("worn", retries=SEEN)
        user.find(marker="fleet-filter").type("no such thing")
        await user.should_see("No machine like that", retries=SEEN)


async def test_a_wrong_cost_is_said_at_its_machine_and_harms_no_other() -> None:
    fake = FakePlatform()
    add_pump(fake, "odd", wear=0.9, cost_missed_failure=EVIL)
    add_pump(fake, "even")
    async with opened(fake, maintenance.build) as user:
        await user.open("/")
        await user.should_see("even", retries=2 * SEEN)
        for _ in range(SEEN):
            tips = [str(e.props.get("title", "")) for e in user.find(kind=ui.label).elements]
            if any("cost_missed_failure is" in tip for tip in tips):
                return
            await asyncio.sleep(0.1)
        raise AssertionError(tips)


class Plain:
    """Rows as they were given to the table, to look at."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def tips(self, text: str) -> list[str]:
        return [cell.tip for row in self.rows for cell in row.cells if cell.text == text]

    def cells(self, asset: str) -> list[str]:
        return next(([c.text for c in row.cells] for row in self.rows if row.key == asset), [])


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Plain:
    seen, show = Plain(), Table.show

    def keep(table: Table, rows: list[Row]) -> None:
        seen.rows = rows
        show(table, rows)

    monkeypatch.setattr(Table, "show", keep)
    return seen


async def until(user: User, plain: Plain, asset: str, text: str) -> None:
    await user.open("/")
    for _ in range(3 * SEEN):
        if any(text in cell for cell in plain.cells(asset)):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(plain.rows)


async def test_a_suspected_part_and_a_broken_sensor_are_shown(plain: Plain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_page, "LOOK_S", 0.5)
    fake = FakePlatform()
    first, second = add_pump(fake, "first", wear=0.9), add_pump(fake, "second", wear=0.9)
    say(fake, first, suspected_part="drive-end-bearing")
    say(fake, second, suspected_part="sensor:vibration_rms")
    async with opened(fake, maintenance.build) as user:
        await until(user, plain, first, "Drive end bearing")
        await until(user, plain, second, "Check the sensor")
        assert any("Sensor: Vibration rms" in cell for cell in plain.cells(second))
        assert "not known" in plain.cells(second)


async def test_the_failure_mode_says_the_notice_and_what_to_do(plain: Plain) -> None:
    fake = FakePlatform()
    # What shows it is not measured here: somebody else names the part, not the judge of the vibration.
    mode = {"part": "bearing", "signs": {"debris": "rises"}, "action": "Replace the bearing", "notice_h": 6.0}
    fake.add_type("pump", failure_modes={"worn-bearing": mode})
    asset = add_pump(fake, "pump", wear=0.9, type_name="pump")
    say(fake, asset, suspected_part="bearing")
    async with opened(fake, maintenance.build) as user:
        await until(user, plain, asset, "in 6\u202fh")
        tips = [cell.tip for row in plain.rows for cell in row.cells]
        assert "Replace the bearing" in tips


async def test_an_order_that_is_open_is_the_next_step(plain: Plain, tmp_path: Path) -> None:
    fake = FakePlatform()
    asset = add_pump(fake, "pump", wear=0.9)
    async with opened(fake, maintenance.build) as user:
        (found,) = (tmp_path / "app").rglob("orders.sqlite")
        book = OrderBook(found.parent)
        book.open(asset, "grease it", suspected="", by="x", at_ns=1)
        await until(user, plain, asset, "Order 1")
        (tip,) = plain.tips("Order 1")
        step, _, what = tip.partition(": ")
        assert step in set(Step)
        assert what == "grease it"
        book.open(asset, tip, suspected="", by="x", at_ns=2)
        await until(user, plain, asset, "Order 2")
        assert plain.tips("Order 2") == [tip]  # the step is not said twice


@pytest.mark.parametrize("count", [3, ROWS + 10])
async def test_a_refresh_costs_the_same_requests_however_many_machines(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fleet_page, "READ_S", 0.2)
    fake = RecordingPlatform()
    for number in range(count):
        add_pump(fake, f"pump-{number:03}", wear=None)
    async with opened(fake, maintenance.build) as user:
        await user.open("/")
        await user.should_see("pump-000", retries=10 * SEEN)
        await until_all_watched(user, count)
        before = len(fake.asked)
        await asyncio.sleep(3.0)
        asked = Counter(r.url.path for r in fake.asked[before:] if r.headers["Authorization"] != "")
    refreshes = asked["/v1/alarms"]
    assert refreshes >= 3
    assert asked["/v1/latest"] <= refreshes + 1
    assert asked["/v1/assets"] <= 3


async def until_all_watched(user: User, count: int) -> None:
    for _ in range(20 * SEEN):
        if any(e.text == f"{count}" for e in user.find(kind=ui.label).elements):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(count)


async def test_a_long_fleet_is_shown_a_page_at_a_time() -> None:
    fake = FakePlatform()
    names = [f"pump-{number:03}" for number in range(ROWS + 3)]
    for name in names:
        add_pump(fake, name, wear=None)
    async with opened(fake, maintenance.build) as user:
        await user.open("/")
        await user.should_see(f"1 to {ROWS} of {ROWS + 3}", retries=5 * SEEN)
        await user.should_see(names[0])
        await user.should_not_see(names[ROWS])
        user.find(marker="page-on").click()
        await user.should_see(names[ROWS], retries=SEEN)
        await user.should_not_see(names[0])
        user.find(marker="page-back").click()
        await user.should_see(names[0], retries=SEEN)
