"""A machine's page in NiceGUI's user simulation: where it works, and its vibration by frequency."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from nicegui import ui
from nicegui.testing import User
from nicegui.testing.user_interaction import UserInteraction

from penstock.apps.maintenance import bootstrap as maintenance
from penstock.sdk.testing import FakePlatform
from tests.builders.apps import PUMP, SECOND
from tests.integration.apps.test_pages import PATH, SEEN, feed_pump, opened

pytestmark = pytest.mark.integration
LINES = {"vibration_1x": "mm/s", "vibration_bpfo": "m/s2"}


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakePlatform:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    fake = FakePlatform()
    fake.add_asset(PATH, name="Pump 9")
    for channel in PUMP:
        fake.add_tag(f"pump/{channel.name}", unit=channel.unit, asset=PATH, property=channel.name)
    return fake


async def spectrum_of(user: User, band: str) -> ui.echart:
    """Wait until the chart has cells of a band."""
    for _ in range(SEEN):
        await user.should_see(marker="spectrum", retries=SEEN)
        (chart,) = user.find(kind=ui.echart, marker="spectrum").elements
        if band in str(chart.options.get("series")):
            return chart
        await asyncio.sleep(0.1)
    message = f"no cell of {band}"
    raise AssertionError(message)


async def test_the_load_stands_in_what_was_learned_and_one_band_is_no_spectrum(fake: FakePlatform) -> None:
    feed_pump(fake)
    async with opened(fake, maintenance.build) as user:
        await user.open("/asset/ast_1")
        await user.should_see("Operating point", retries=SEEN)
        await user.should_see("Learned from", retries=SEEN)
        await user.should_see("Held against what this lets expect: Vibration rms", retries=SEEN)
        await user.should_not_see("Vibration by frequency")


async def test_bands_stand_side_by_side_over_time(fake: FakePlatform) -> None:
    for name, unit in LINES.items():
        fake.add_tag(f"pump/{name}", unit=unit, asset=PATH, property=name)
    now = time.time_ns()
    for name, after in (("vibration_1x", 0.5), ("vibration_bpfo", 4.0)):
        rows = [(now - i * SECOND, 0.5 if i > 60 else after) for i in range(290, 0, -1)]
        for first in range(0, len(rows), 30):
            fake.feed(f"pump/{name}", rows[first : first + 30])
    feed_pump(fake)
    async with opened(fake, maintenance.build) as user:
        await user.open("/asset/ast_1")
        await user.should_see("Vibration by frequency", retries=SEEN)
        chart = await spectrum_of(user, "Vibration bpfo, outer race: 4.00 m/s²")
        assert chart.options["yAxis"]["data"] == [
            "Vibration 1x",
            "Vibration bpfo, outer race",
            "Bearing band, high frequencies",
        ]
        last = max(user.find(kind=ui.button, content="24 h").elements, key=lambda button: button.id)
        UserInteraction(user, {last}, None).click()
        await user.should_see("Mean of each 20\u202fmin against", retries=SEEN)
