"""The models page in NiceGUI's user simulation: name a healthy stretch, see the model, take an older version back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import yaml
from nicegui import ui
from nicegui.testing import User

from penstock.apps.maintenance import bootstrap as maintenance
from penstock.apps.maintenance import worker
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.order import Found, State, Step
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import ConflictError
from penstock.sdk.resources.assets import AsyncAssets
from penstock.sdk.testing import FakePlatform
from tests.integration.apps.test_pages import EVIL, SEEN, opened

pytestmark = pytest.mark.integration
BEGIN = datetime(2026, 11, 1, 8, tzinfo=UTC)
SECOND = 1_000_000_000


def plant_of(fake: FakePlatform, **attributes: str) -> FakePlatform:
    fake.add_asset("works/tank", name=EVIL, attributes=attributes)
    values = np.random.default_rng(1).normal(size=(900, 2))
    begin = int(BEGIN.timestamp()) * SECOND
    for i in range(2):
        fake.add_tag(f"tank/ch{i}", asset="works/tank", property=f"ch{i}")
    for first in range(0, 900, 30):
        for i in range(2):
            rows = [(begin + n * SECOND, float(values[n, i])) for n in range(first, first + 30)]
            fake.feed(f"tank/ch{i}", rows)
    return fake


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_APP_DATA", str(tmp_path / "app"))
    monkeypatch.setenv("PENSTOCK_MAINTENANCE_POLL_S", "0.1")
    monkeypatch.setattr(worker, "LOOK_FOR_NEW_S", 0.2)


async def name_stretch(user: User, until: str, *, begin: str = "2026-11-01T08:00") -> None:
    user.find(marker="healthy-asset").elements.pop().set_value("ast_1")  # type: ignore[attr-defined]
    user.find(marker="healthy-from").elements.pop().set_value(begin)  # type: ignore[attr-defined]
    user.find(marker="healthy-until").elements.pop().set_value(until)  # type: ignore[attr-defined]
    user.find(marker="healthy-fit").click()


async def test_a_named_stretch_becomes_a_model_and_an_older_version_can_be_used(tmp_path: Path) -> None:
    async with opened(plant_of(FakePlatform()), maintenance.build) as user:
        await user.open("/models")
        await user.should_see("No machine is judged by its healthy state yet", retries=SEEN)
        await name_stretch(user, "2026-11-01T08:05")
        await user.should_see("180 + 120", retries=2 * SEEN)
        await user.should_see("2 of 2")
        await name_stretch(user, "2026-11-01T08:10")
        await user.should_see("360 + 240", retries=2 * SEEN)
        await user.should_see(kind=ui.button, content="Versions", retries=SEEN)
        await user.open("/models/ast_1")
        await user.should_see("2, in use", retries=SEEN)
        user.find(kind=ui.button, content="Use").click()
        await user.should_see("1, in use", retries=2 * SEEN)
    assert len(list((tmp_path / "app").rglob("models/ast_1/0*.json"))) == 2


def book_of(tmp_path: Path) -> OrderBook:
    (found,) = (tmp_path / "app").rglob("orders.sqlite")
    return OrderBook(found.parent)


def at(second: int) -> int:
    return (int(BEGIN.timestamp()) + second) * SECOND


def visit(book: OrderBook, opened: int, done: int, found: Found) -> None:
    number = book.open("ast_1", "look", suspected="", by="x", at_ns=at(opened)).number
    part = "seal" if found is Found.AS_SUSPECTED else ""
    book.take(number, Step(State.DONE, at(done), "x", found=found, part=part))


async def test_a_new_version_says_what_orders_found_and_includes_what_was_sound(tmp_path: Path) -> None:
    fake = plant_of(FakePlatform())
    async with opened(fake, maintenance.build) as user:
        await user.open("/models")
        await user.should_see("No machine is judged", retries=SEEN)
        await name_stretch(user, "2026-11-01T08:10")
        await user.should_see("360 + 240", retries=2 * SEEN)
        visit(book_of(tmp_path), 100, 160, Found.AS_SUSPECTED)
        visit(book_of(tmp_path), 700, 760, Found.NOTHING)
        await user.open("/models/ast_1")
        await user.should_see("a fault in the healthy stretch once: 60\u202fs from alarm to repair", retries=2 * SEEN)
        await user.should_see("1 order says nothing was found: include these rows", retries=SEEN)
        await user.should_see("1 of 2 visits found something (50\u202f%)", retries=SEEN)
        user.find(marker="include-sound").elements.pop().set_value(True)  # type: ignore[attr-defined]
        user.find(marker="fit-again").click()
        await user.should_see("324 + 336", retries=4 * SEEN)
        await user.should_see("2, in use", retries=SEEN)
        user.find(marker="compare").click()
        await user.should_see("False alarms", retries=2 * SEEN)
    kept = fake.state.assets["ast_1"]["properties"]
    also = next(p["value"] for p in kept if p["name"] == "check_also")
    assert also == "2026-11-01T08:10:40.000000000Z/2026-11-01T08:12:40.000000000Z"


async def test_scores_are_shown_and_a_broken_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "scores.json"
    figures = {"detected": 0.9806, "false": 0.0}
    score = {"family": "detection", "set": "tep", "how": "as it is", "scored": "2026-11-27", "command": "x"}
    place.write_text(json.dumps({"version": 1, "scores": [score | {"figures": figures}]}))
    monkeypatch.setenv("PENSTOCK_MAINTENANCE_SCORES", str(place))
    monkeypatch.setenv("PENSTOCK_MAINTENANCE_TRUTH_SCORE", str(tmp_path / "none.json"))
    async with opened(FakePlatform(), maintenance.build) as user:
        await user.open("/models")
        await user.should_see("detected 0.981", retries=SEEN)
        await user.should_see("none.json cannot be read", retries=SEEN)


async def test_what_cannot_be_fitted_says_why() -> None:
    async with opened(plant_of(FakePlatform()), maintenance.build) as user:
        await user.open("/models")
        await user.should_see(marker="healthy-fit", retries=SEEN)
        await user.should_see("No machine is judged", retries=SEEN)
        user.find(marker="healthy-fit").click()
        await user.should_see("Choose a machine", retries=SEEN)
        await name_stretch(user, "2026-11-01T07:00")
        await user.should_see("must begin before it ends", retries=SEEN)
        await name_stretch(user, "2026-11-01T07:30", begin="2026-11-01T07:00")
        await user.should_see("are needed", retries=2 * SEEN)


async def test_a_stretch_that_is_not_over_is_refused() -> None:
    async with opened(plant_of(FakePlatform()), maintenance.build) as user:
        await user.open("/models")
        await user.should_see("No machine is judged", retries=SEEN)
        await name_stretch(user, "2999-01-01T08:00")
        await user.should_see("The stretch must be over", retries=SEEN)


async def test_an_asset_of_the_plant_file_says_what_to_write_there(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: AsyncAssets, asset: str, **__: object) -> None:
        raise ConflictError(409, {"type": "x/owned-by-plant-file"}, method="PATCH", url=asset)

    monkeypatch.setattr(AsyncAssets, "update", refuse)
    async with opened(plant_of(FakePlatform(), made='by "us"'), maintenance.build) as user:
        await user.open("/models")
        await user.should_see("No machine is judged", retries=SEEN)
        await name_stretch(user, "2026-11-01T08:05")
        await user.should_see(marker="plant-line", retries=SEEN)
        (line,) = user.find(kind=ui.label, marker="plant-line").elements
    stretch = {"healthy_from": "2026-11-01T08:00:00Z", "healthy_until": "2026-11-01T08:05:00Z"}
    assert yaml.safe_load(line.text) == {"attributes": {"made": 'by "us"'} | stretch}


class Viewing(FakePlatform):
    """A platform on which nobody may change an asset."""

    def client(
        self, *, person: str = "Test Person", app: str | None = None, scopes: Iterable[str] | None = None
    ) -> AsyncClient:
        mine = ("assets:read", "samples:read", "samples:write", "alarms:read", "rules:write")
        return super().client(person=person, app=app, scopes=mine)


async def test_who_may_not_change_assets_has_no_form() -> None:
    async with opened(plant_of(Viewing()), maintenance.build) as user:
        await user.open("/models")
        await user.should_see("No machine is judged", retries=SEEN)
        await user.should_not_see("Name a healthy stretch")
