"""Both apps in NiceGUI's user simulation, on the fake platform: what a person sees and does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from nicegui import ui
from nicegui.testing import User, user_simulation

from penstock.apps.house import plant
from penstock.apps.maintenance import bootstrap as maintenance
from penstock.apps.monitoring import bootstrap as monitoring
from penstock.sdk.app import App
from penstock.sdk.testing import FakePlatform
from tests.builders.apps import PUMP, SECOND, join, pump_samples

EVIL = "<script>document.title='x'</script>"
PATH = "works/hall/cooling/pump-9"
pytestmark = pytest.mark.integration
BAD = 0x80310000
SEEN = 100  # tries of 0.1 s: pages read in the background


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    fake = FakePlatform()
    fake.add_asset(PATH, name="Pump 9", attributes={"maker": EVIL})
    for channel in PUMP:
        fake.add_tag(f"pump/{channel.name}", unit=channel.unit, asset=PATH, property=channel.name)
    return fake


@asynccontextmanager
async def opened(fake: FakePlatform, build: Callable[[], App]) -> AsyncIterator[User]:
    with fake.in_place():
        async with user_simulation(root=None) as user:
            app = build()
            app.supervisor.start()
            try:
                yield user
            finally:
                await app.supervisor.stop()


def feed_pump(fake: FakePlatform, **how: float) -> None:
    """Feed five minutes that end now."""
    samples = pump_samples(300, wear=how.get("wear", 0.0))
    shift = time.time_ns() - int(samples.time[-1])
    for first in range(0, 300, 30):
        for index, channel in enumerate(PUMP):
            mine = np.flatnonzero(samples.channel == index)[first : first + 30]
            times = (samples.time[mine] + shift).tolist()
            fake.feed(f"pump/{channel.name}", list(zip(times, samples.value[mine].tolist(), strict=True)))


async def test_the_plant_shows_values_with_their_units(fake: FakePlatform) -> None:
    feed_pump(fake)
    fake.feed_now("pump/bearing_temperature", 41.25)
    async with opened(fake, monitoring.build) as user:
        await user.open("/")
        await user.should_see("Pump 9", retries=SEEN)
        await user.should_see("41.25\u202f°C", retries=SEEN)


async def test_an_empty_plant_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    async with opened(FakePlatform(), monitoring.build) as user:
        await user.open("/")
        await user.should_see("No asset yet", retries=SEEN)


async def test_a_new_device_appears_without_reloading(fake: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plant, "LOOK_FOR_NEW_S", 0.0)
    async with opened(fake, monitoring.build) as user:
        await user.open("/")
        await user.should_see("Pump 9", retries=SEEN)
        fake.add_asset("works/hall/new/fan-1", name="Fan 1")
        await user.should_see("Fan 1", retries=SEEN)


async def test_stale_and_bad_values_are_named(fake: FakePlatform) -> None:
    fake.feed("pump/power", [(time.time_ns() - 900 * SECOND, 12.0)])
    fake.feed_now("pump/vibration_rms", None, BAD)
    async with opened(fake, monitoring.build) as user:
        await user.open("/asset/ast_1")
        await user.should_see("Stale", retries=SEEN)
        await user.should_see("Bad", retries=SEEN)
        await user.should_see("No value yet", retries=SEEN)


async def test_a_sample_stamped_in_the_future_is_said_on_every_page_that_it_concerns(fake: FakePlatform) -> None:
    feed_pump(fake)
    fake.feed("pump/power", [(time.time_ns() + 32 * 365 * 86_400 * SECOND, 12.0)])
    async with opened(fake, monitoring.build) as user:
        await user.open("/asset/ast_1")
        await user.should_see("Power: a later sample, stamped in the future, waits", retries=SEEN)
        await user.open("/")
        await user.should_see("1 stamped in the future", retries=SEEN)
        await user.open("/delivery")
        await user.should_see("stamped ahead: is the clock right?", retries=SEEN)
        (tile,) = user.find("stamped ahead: is the clock right?").elements
        assert tile.parent_slot is not None
        assert "ps-warn" in tile.parent_slot.parent.classes


async def test_delivery_says_in_a_sentence_whether_all_is_stored(fake: FakePlatform) -> None:
    async with opened(fake, monitoring.build) as user:
        await user.open("/delivery")
        await user.should_see("Yes: all is safely stored.", retries=SEEN)
        asked = user.find("Up to").type("half past ten").trigger("keydown.enter")
        await user.should_see("is no time: write 10:32", retries=SEEN)
        fake.lose("2 batches of edge-1 are not here")
        asked.clear().type("0:00").trigger("keydown.enter")
        await user.should_see("No: not all is stored. 2 batches of edge-1 are not here.", retries=SEEN)


async def test_names_with_markup_are_text(fake: FakePlatform) -> None:
    fake.add_asset("works/hall/evil/thing", name=EVIL)
    fake.add_tag(f"evil/{EVIL}", asset="works/hall/evil/thing", property=EVIL)
    async with opened(fake, monitoring.build) as user:
        for address in ("/", "/asset/ast_1", "/asset/ast_2", "/alarms"):
            await user.open(address)
            if address != "/alarms":
                await user.should_see(EVIL, retries=SEEN)
            markup = [e for e in user.find(kind=ui.html).elements] if address == "/" else []
            assert all(EVIL not in str(e.props) for e in markup)
            page = await user.http_client.get(address)
            assert EVIL not in page.text


async def test_an_alarm_is_acknowledged_in_the_persons_name(fake: FakePlatform) -> None:
    async with fake.client() as client:
        await client.rules.create("hot", tag="pump/power", comparison="high", limit=20.0, message="Too much power")
    fake.feed_now("pump/power", 25.0)
    async with opened(fake, monitoring.build) as user:
        await user.open("/alarms")
        await user.should_see("Too much power", retries=SEEN)
        user.find("Acknowledge").click()
        await user.should_see(marker="comment", retries=SEEN)
        user.find(marker="comment").type("cooling fan was off")
        user.find(marker="confirm-acknowledge").click()
        await user.should_see("Active, acknowledged", retries=SEEN)
        user.find("Journal").click()
        await user.should_see("cooling fan was off", retries=SEEN)
    (journal,) = fake.alarm_state.journals.values()
    (entry,) = [e for e in journal if e["comment"]]
    assert "Test Person" in (entry["who"], entry.get("who_name"))


@pytest.mark.parametrize("dialog", ["Journal", "Acknowledge"])
async def test_a_page_that_closes_under_an_open_dialog_ends_quietly(
    fake: FakePlatform, dialog: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with fake.client() as client:
        await client.rules.create("hot", tag="pump/power", comparison="high", limit=20.0, message="Too much power")
    fake.feed_now("pump/power", 25.0)
    async with opened(fake, monitoring.build) as user:
        await user.open("/alarms")
        await user.should_see("Too much power", retries=SEEN)
        user.find(dialog).click()
        await user.should_see({"Journal": "Close", "Acknowledge": "Cancel"}[dialog], retries=SEEN)
        assert user.client is not None
        user.client.delete()
        await asyncio.sleep(0)
        await asyncio.sleep(0.1)
    assert [r for r in caplog.records if r.exc_info] == []


@pytest.mark.parametrize("address", ["/", "/asset/ast_1"])
async def test_an_active_alarm_shows_at_the_assets_dot(fake: FakePlatform, address: str) -> None:
    async with fake.client() as client:
        await client.rules.create("hot", tag="pump/power", comparison="high", limit=20.0, severity=900)
    fake.feed_now("pump/power", 25.0)
    async with opened(fake, monitoring.build) as user:
        await user.open(address)
        await user.should_see("Pump 9", retries=SEEN)
        dots = [e for e in user.find(kind=ui.element).elements if "ps-dot" in e.classes]
        for _ in range(SEEN):
            if any("ps-alarmed" in dot.classes for dot in dots):
                break
            await asyncio.sleep(0.1)
            dots = [e for e in user.find(kind=ui.element).elements if "ps-dot" in e.classes]
        assert [("ps-bad" in d.classes, d.props["title"]) for d in dots] == [(True, "Alarm active, severity critical")]


async def test_alarms_are_filtered(fake: FakePlatform) -> None:
    async with fake.client() as client:
        for tag, text in (("pump/power", "Too much power"), ("pump/bearing_band", "Rough bearing")):
            await client.rules.create(text, tag=tag, comparison="high", limit=1.0, message=text)
            fake.feed_now(tag, 5.0)
    async with opened(fake, monitoring.build) as user:
        await user.open("/alarms")
        await user.should_see("Rough bearing", retries=SEEN)
        user.find(marker="filter").type("power")
        await user.should_not_see("Rough bearing", retries=SEEN)
        await user.should_see("Too much power")


async def test_a_platform_that_is_away_is_said_and_recovered_from(fake: FakePlatform) -> None:
    feed_pump(fake)
    async with opened(fake, monitoring.build) as user:
        await user.open("/gateways")
        fake.fail_next(*[httpx.ConnectError("refused")] * 6)
        await user.should_see("The platform does not answer", retries=SEEN)
        await user.should_not_see("The platform does not answer", retries=2 * SEEN)


@pytest.mark.parametrize("address", ["/delivery", "/gateways", "/alarms"])
async def test_pages_open_on_an_empty_platform(address: str, fake: FakePlatform) -> None:
    async with opened(fake, monitoring.build) as user:
        await user.open(address)
        await user.should_see(
            {"/delivery": "Nothing was dropped.", "/gateways": "Last seen", "/alarms": "All"}[address]
        )


async def test_the_fleet_shows_health_and_what_stands_out(fake: FakePlatform) -> None:
    feed_pump(fake, wear=0.9)
    async with opened(fake, maintenance.build) as user:
        await user.open("/")
        await user.should_see("Pump 9", retries=SEEN)
        await user.should_see("Active", retries=SEEN)
        await user.open("/asset/ast_1")
        await user.should_see("Points lost, by channel", retries=SEEN)
        await user.should_see("Zone D", retries=SEEN)
        await user.should_see("No part is named: its type knows no failure modes, or it has no type", retries=SEEN)
        await user.should_see("Stop and repair", retries=SEEN)


SIGNS = {"bearing_band": "rises", "vibration_rms": "rises", "bearing_temperature": "rises", "suction_pressure": "rises"}
MODES = {
    "bearing": {"part": "drive-end bearing", "signs": SIGNS, "action": "Replace the bearing"},
    "imbalance": {"part": "impeller", "signs": {"vibration_rms": "rises"}},
}


def worn_pump(fake: FakePlatform, *, healthy_s: int) -> None:
    """Say of what type the pump is, and feed it: healthy, and then with a worn bearing until now."""
    fake.add_type("pump", failure_modes=MODES)
    next(iter(fake.state.assets.values())).update({"type": "pump", "type_revision": 1})
    fake.add_tag("pump/suction_pressure", unit="bar", asset=PATH, property="suction_pressure")
    parts = [pump_samples(120, start_s=healthy_s, wear=0.5)]
    samples = join(*([pump_samples(healthy_s)] if healthy_s else []), *parts)
    samples = replace(samples, time=samples.time + time.time_ns() - int(samples.time[-1]))
    for first in range(0, healthy_s + 120, 30):
        for index, channel in enumerate(PUMP):
            mine = np.flatnonzero(samples.channel == index)[first : first + 30]
            fed = zip(samples.time[mine].tolist(), samples.value[mine].tolist(), strict=True)
            fake.feed(f"pump/{channel.name}", list(fed))
        at = samples.time[samples.channel == 0][first : first + 30].tolist()
        fake.feed("pump/suction_pressure", [(each, 0.8 + 0.001 * (i % 3)) for i, each in enumerate(at)])


async def test_the_part_of_a_pump_judged_by_its_vibration_is_named(fake: FakePlatform) -> None:
    worn_pump(fake, healthy_s=400)
    async with opened(fake, maintenance.build) as user:
        await user.open("/")
        await user.should_see("Drive-end bearing", retries=SEEN)
        await user.open("/asset/ast_1")
        await user.should_see("Drive-end bearing", retries=SEEN)
        await user.should_see("Replace the bearing", retries=SEEN)
        await user.should_see("fits bearing (0.", retries=SEEN)
        await user.should_see("sign of a failure mode, costs no points", retries=SEEN)
        user.find(marker="open-order").click()
        await user.should_see("Inspect: Drive-end bearing", retries=SEEN)


async def test_without_a_baseline_it_says_that_no_part_can_be_named_yet(fake: FakePlatform) -> None:
    worn_pump(fake, healthy_s=0)
    async with opened(fake, maintenance.build) as user:
        await user.open("/asset/ast_1")
        await user.should_see("No part is named yet: there is no baseline to compare with", retries=SEEN)


async def test_a_machine_without_a_baseline_says_how_long_learning_takes(fake: FakePlatform) -> None:
    feed_pump(fake, wear=0.9)
    async with opened(fake, maintenance.build) as user:
        await user.open("/asset/ast_1")
        await user.should_see("learning needs 6\u202fmin of healthy running", retries=SEEN)


async def test_nothing_to_watch_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    async with opened(FakePlatform(), maintenance.build) as user:
        await user.open("/")
        await user.should_see("No machine is watched yet", retries=SEEN)
        await user.open("/model")
        await user.should_see("The baseline")


@pytest.mark.parametrize(("build", "home"), [(monitoring.build, "To Plant"), (maintenance.build, "To Fleet")])
async def test_an_address_without_a_page_leads_home(fake: FakePlatform, build: Callable[[], App], home: str) -> None:
    async with opened(fake, build) as user:
        answer = await user.http_client.get("/nowhere")
    assert answer.status_code == 404
    assert "There is no such page" in answer.text
    assert home in answer.text
    assert "HTTPException" not in answer.text


@pytest.mark.parametrize("address", ["/asset/nonsense", "/asset/ast_999", "/models/nonsense"])
async def test_a_machine_that_is_not_there_is_said_to_be_none(fake: FakePlatform, address: str) -> None:
    async with opened(fake, maintenance.build) as user:
        await user.open(address)
        await user.should_see("No such asset", retries=SEEN)
