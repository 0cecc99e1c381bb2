"""Both apps in Chromium against the real stack: login, live values, a fault from its injection to its end, both widths.

With PENSTOCK_PICTURES=docs/images the pictures of the documentation are taken anew.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.builders.apps_browser import NARROW, WAIT_MS, WIDE, Visitor, visitor
from tests.builders.stack import BIN, Stack, free_port

pytestmark = [pytest.mark.full, pytest.mark.timeout(560)]
PLANT = Path(__file__).parents[3] / "plant"
PUMP = "Cooling pump P-101"
LONG_MS = 180_000
PICTURE_MAX_BYTES = 200_000


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    shutil.copytree(PLANT, folder / "plant")
    stack = Stack(folder, folder / "plant")
    stack.environment |= {
        "PENSTOCK_OPCUA_PUMP_PORT": str(free_port()),
        "PENSTOCK_OPCUA_FILLING_PORT": str(free_port()),
        "PENSTOCK_MAINTENANCE_WINDOW_S": "2",
        "PENSTOCK_MAINTENANCE_ON_DELAY_S": "5",
    }
    try:
        for name in ("broker", "platform", "sim", "gateway", "monitoring", "maintenance"):
            stack.start(name)
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wished = os.environ.get("PENSTOCK_PICTURES")
    return Path(wished) if wished else tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def person(stack: Stack) -> Iterator[Visitor]:
    with visitor(stack.url("monitoring"), stack.url("maintenance")) as who:
        who.log_in((stack.folder / "secrets" / "login-link").read_text().strip())
        yield who


def fault(stack: Stack, *words: str) -> None:
    control = stack.folder / "simulators" / "sim-control.json"
    subprocess.run([str(BIN / "penstock"), "fault", *words, "--control", str(control)], check=True, timeout=60)


def test_the_plant_is_live_after_login(person: Visitor, pictures: Path) -> None:
    person.open(person.monitoring + "/", shows=PUMP)
    expect(person.page.get_by_text("m³/h").first).to_be_visible(timeout=WAIT_MS)
    expect(person.page.get_by_text("all connected")).to_be_visible(timeout=WAIT_MS)
    person.picture(pictures / "monitoring-plant.png")


def test_the_asset_page_follows_the_stream(person: Visitor, pictures: Path) -> None:
    person.open(person.monitoring + "/", shows=PUMP)
    person.page.locator("a.ps-asset", has_text=PUMP).click()
    expect(person.page.get_by_text("Live values")).to_be_visible(timeout=WAIT_MS)
    person.page.get_by_role("cell", name="Flow", exact=True).click()
    expect(person.page.get_by_text("Flow in m³/h")).to_be_visible(timeout=WAIT_MS)
    shown = person.page.get_by_role("row", name=re.compile("^Flow")).get_by_role("cell").nth(1)
    before = shown.inner_text()
    expect(shown).not_to_have_text(before, timeout=WAIT_MS)
    person.page.get_by_role("button", name="5 min", exact=True).click()
    expect(person.page.get_by_text(re.compile(r"\d+ samples over 5"))).to_be_visible(timeout=WAIT_MS)
    person.picture(pictures / "monitoring-asset.png")
    person.page.get_by_role("button", name="24 h", exact=True).click()
    expect(person.page.get_by_text(re.compile(r"samples over 24"))).to_be_visible(timeout=WAIT_MS)


def test_zooming_reloads_finer_points(person: Visitor) -> None:
    chart = person.page.locator(".ps-chart").bounding_box()
    assert chart is not None
    person.page.mouse.move(chart["x"] + chart["width"] * 0.95, chart["y"] + chart["height"] * 0.5)
    for _ in range(12):
        person.page.mouse.wheel(0, -400)
    expect(person.page.get_by_text("over 24")).to_be_hidden(timeout=WAIT_MS)
    person.page.get_by_role("button", name="Live").click()
    expect(person.page.get_by_text("over 24")).to_be_visible(timeout=WAIT_MS)


def test_a_fault_is_seen_acknowledged_and_repaired(stack: Stack, person: Visitor, pictures: Path) -> None:
    person.open(person.maintenance + "/", shows=PUMP)
    person.page.get_by_role("link", name=PUMP).click()
    expect(person.page.get_by_text("No active alarm")).to_be_visible(timeout=WAIT_MS)
    fault(stack, "inject", "bearing", "--severity", "0.85", "--growth", "0")
    expect(person.page.get_by_text("Alarm since")).to_be_visible(timeout=LONG_MS)
    person.picture(pictures / "maintenance-machine.png")
    expect(person.page.get_by_text("Mean of each")).to_be_visible(timeout=WAIT_MS)
    expect(person.page.locator(".ps-chart")).to_have_count(2, timeout=WAIT_MS)
    person.open(person.maintenance + "/", shows="Active")
    person.picture(pictures / "maintenance-fleet.png")
    person.open(person.monitoring + "/alarms", shows="Active, to acknowledge")
    assert person.page.get_by_text("Active, to acknowledge").count() == 1
    person.acknowledge("bearing is rough, ordered a new one")
    person.picture(pictures / "monitoring-alarms.png")
    fault(stack, "repair", "bearing")
    person.page.get_by_role("button", name="All", exact=True).click()
    expect(person.page.get_by_text("Returned to normal")).to_be_visible(timeout=LONG_MS)
    with stack.client() as client:
        (alarm,) = client.get("/v1/alarms").json()["items"]
    assert alarm["state"] == "normal"
    assert alarm["acknowledged_by"] == "admin"


def test_a_model_is_fitted_and_what_orders_found_is_offered(stack: Stack, person: Visitor, pictures: Path) -> None:
    page = person.page
    asset = a_feeder_that_was_healthy(stack)
    person.open(f"{person.maintenance}/models", shows="Feeder F-1")
    expect(page.get_by_role("button", name="Versions")).to_be_visible(timeout=LONG_MS)
    person.picture(pictures / "maintenance-models.png")
    person.open(f"{person.maintenance}/asset/{asset}", shows="Open a work order")
    for found in ("What was suspected", "Nothing wrong"):
        page.get_by_role("button", name="Open a work order").click()
        page.get_by_label("What is to be done").fill("Inspect: current")
        page.get_by_role("dialog").get_by_role("button", name="Open").click()
        page.get_by_role("button", name="Done", exact=True).first.click()
        page.get_by_label(found).click()
        page.get_by_label("Part at fault").fill("connector")
        page.get_by_role("dialog").get_by_role("button", name="Done").click()
        expect(page.get_by_text("Nothing to be done")).to_be_visible(timeout=WAIT_MS)
    person.open(f"{person.maintenance}/models/{asset}", shows="1 of 2 visits found something")
    expect(page.get_by_text("1 order says nothing was found")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Fit", exact=True).click()
    expect(page.get_by_text("2, in use")).to_be_visible(timeout=LONG_MS)
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_text("False alarms")).to_be_visible(timeout=LONG_MS)
    person.picture(pictures / "maintenance-model-versions.png")
    person.open(f"{person.maintenance}/orders", shows="Work orders")
    page.get_by_role("button", name="All", exact=True).click()
    expect(page.get_by_text("As suspected: connector")).to_be_visible(timeout=WAIT_MS)
    person.picture(pictures / "maintenance-orders.png")
    person.open(f"{person.maintenance}/asset/{asset}", shows="Open a work order")
    page.get_by_role("button", name="Open a work order").click()
    page.get_by_label("What is to be done").fill("W" * 450)
    page.get_by_role("dialog").get_by_role("button", name="Open").click()
    expect(page.get_by_role("button", name="Dismiss")).to_be_visible(timeout=WAIT_MS)
    assert person.cut_tables() == 0


def a_feeder_that_was_healthy(stack: Stack) -> str:
    """Make an asset of the energy meter's tags, and say that it was healthy in the last five minutes."""
    now = datetime.now(UTC).replace(microsecond=0)
    stretch = {"healthy_from": now - timedelta(minutes=5), "healthy_until": now}
    named = {name: moment.isoformat().replace("+00:00", "Z") for name, moment in stretch.items()}
    with stack.client() as client:
        keys = [f"energy-meter/{name}" for name in ("power", "voltage", "current")]
        tags = {t["name"]: t["id"] for t in client.get("/v1/tags", params={"key": keys}).json()["items"]}
        path = "penstock/riverside/utilities/power/feeder-1"
        made = client.post("/v1/assets", json={"path": path, "name": "Feeder F-1", "attributes": named})
        assert made.status_code == 201, made.text
        bound = client.patch(f"/v1/assets/{made.json()['id']}", json={"bind": tags})
        assert bound.status_code == 200, bound.text
    return str(made.json()["id"])


def test_a_platform_that_stops_is_said_and_recovered_from(stack: Stack, person: Visitor, pictures: Path) -> None:
    person.open(person.monitoring + "/", shows=PUMP)
    stack.stop("platform")
    expect(person.page.get_by_text("The platform does not answer")).to_be_visible(timeout=LONG_MS)
    person.picture(pictures / "monitoring-away.png")
    stack.start("platform")
    expect(person.page.get_by_text("The platform does not answer")).to_be_hidden(timeout=LONG_MS)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["1280", "420"])
def test_every_page_fits_the_window(person: Visitor, size: tuple[int, int], pictures: Path) -> None:
    person.page.set_viewport_size({"width": size[0], "height": size[1]})
    pages = {
        "monitoring-plant": (person.monitoring + "/", PUMP),
        "monitoring-alarms": (person.monitoring + "/alarms", "Alarms"),
        "monitoring-delivery": (person.monitoring + "/delivery", "edge-1"),
        "monitoring-gateways": (person.monitoring + "/gateways", "edge-1"),
        "maintenance-fleet": (person.maintenance + "/", PUMP),
        "maintenance-model": (person.maintenance + "/model", "The baseline"),
        "maintenance-models": (person.maintenance + "/models", "Feeder F-1"),
        "maintenance-orders": (person.maintenance + "/orders", "Work orders"),
    }
    for name, (address, shows) in pages.items():
        person.open(address, shows=shows)
        person.page.wait_for_timeout(500)
        assert person.overflows() <= 0, f"{name} is too wide at {size[0]} px"
        assert person.cut_tables() == 0, f"a table of {name} is cut at {size[0]} px"
        if size == NARROW or name in ("monitoring-delivery", "monitoring-gateways", "maintenance-model"):
            person.picture(pictures / (f"{name}-narrow.png" if size == NARROW else f"{name}.png"))


def test_dark_is_kept(person: Visitor, pictures: Path) -> None:
    person.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})
    person.open(person.monitoring + "/", shows=PUMP)
    person.page.get_by_role("button", name="dark or light").click()
    expect(person.page.locator("body.body--dark")).to_be_visible(timeout=WAIT_MS)
    person.open(person.monitoring + "/", shows=PUMP)
    expect(person.page.locator("body.body--dark")).to_be_visible(timeout=WAIT_MS)
    assert person.page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    person.picture(pictures / "monitoring-plant-dark.png")
    person.open(person.maintenance + "/", shows=PUMP)
    person.page.get_by_role("button", name="dark or light").click()
    expect(person.page.locator("body.body--dark")).to_be_visible(timeout=WAIT_MS)
    person.picture(pictures / "maintenance-fleet-dark.png")


def test_nothing_comes_from_elsewhere_and_pictures_are_small(person: Visitor, pictures: Path) -> None:
    assert person.foreign == []
    assert [e for e in person.errors if "WebSocket" not in e and "ERR_CONNECTION" not in e] == []
    taken = list(pictures.glob("*.png"))
    assert taken
    assert [p.name for p in taken if p.stat().st_size > PICTURE_MAX_BYTES] == []
