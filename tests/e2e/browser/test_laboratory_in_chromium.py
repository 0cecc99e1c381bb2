"""The fault laboratory in Chromium against the real stack: a fault from its injection to its repair, and its alarm.

With PENSTOCK_PICTURES=docs/images pictures in dark and of a narrow window are taken there; those of
docs/guide/fault-laboratory.md are of the very run that it tells.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from penstock.cli.demo.layout import Layout, Ports
from penstock.cli.demo.reader import READER_FILE, make_reader
from tests.builders.apps_browser import CHROMIUM, NARROW, WAIT_MS, WIDE, Visitor
from tests.builders.stack import BIN, Stack, free_port

pytestmark = [pytest.mark.full, pytest.mark.timeout(560)]
PLANT = Path(__file__).parents[3] / "plant"
LONG_MS = 240_000
PICTURE_MAX_BYTES = 200_000
SHOTS = {"light": WIDE, "dark": WIDE, "narrow": NARROW}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    shutil.copytree(PLANT, folder / "plant")
    stack = Stack(folder, folder / "plant")
    stack.ports["laboratory"] = free_port()
    url = f"http://localhost:{stack.ports['laboratory']}"
    stack.environment |= {
        "PENSTOCK_OPCUA_PUMP_PORT": str(free_port()),
        "PENSTOCK_OPCUA_FILLING_PORT": str(free_port()),
        "PENSTOCK_SIM_LABORATORY_PORT": str(stack.ports["laboratory"]),
        "PENSTOCK_SIM_LABORATORY_PLATFORM_URL": stack.url("platform"),
        "PENSTOCK_SIM_LABORATORY_PLATFORM_CREDENTIALS": str(folder / "secrets" / READER_FILE),
        "PENSTOCK_MAINTENANCE_LABORATORY_URL": url,
        "PENSTOCK_MAINTENANCE_WINDOW_S": "2",
        "PENSTOCK_MAINTENANCE_ON_DELAY_S": "5",
    }
    try:
        for name in ("broker", "platform", "sim", "gateway", "maintenance"):
            stack.start(name)
        ports = Ports(platform=stack.ports["platform"], laboratory=stack.ports["laboratory"])
        assert make_reader(Layout(folder), ports) == ""
        yield stack
    finally:
        stack.close()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    wished = os.environ.get("PENSTOCK_PICTURES")
    return Path(wished) if wished else tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    return browser.new_context(viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme="light")


@pytest.fixture(scope="module")
def person(stack: Stack, context: BrowserContext) -> Visitor:
    who = Visitor(context.new_page(), stack.url("monitoring"), stack.url("maintenance"))
    who.page.goto(new_link(stack))
    expect(who.page.get_by_role("heading", name="Fault laboratory")).to_be_visible(timeout=WAIT_MS)
    return who


def new_link(stack: Stack) -> str:
    environ = {**os.environ, "PENSTOCK_SIM_DATA": str(stack.folder / "simulators")}
    told = subprocess.run(
        [str(BIN / "penstock"), "sim", "laboratory-link"], env=environ, check=True, timeout=60, capture_output=True
    )
    return told.stdout.decode().strip()


def address(stack: Stack, path: str = "/") -> str:
    return f"http://localhost:{stack.ports['laboratory']}{path}"


def test_the_maintenance_app_leads_to_the_machine_and_its_login_does_not_open_it(
    stack: Stack, person: Visitor, browser: Browser
) -> None:
    stranger = browser.new_context()
    page = stranger.new_page()
    page.goto((stack.folder / "secrets" / "login-link").read_text().strip())
    page.goto(stack.url("maintenance") + "/")
    page.get_by_role("link", name="Cooling pump P-101").click(timeout=LONG_MS)
    link = page.get_by_role("link", name="Fault laboratory")
    expect(link).to_be_visible(timeout=WAIT_MS)
    href = link.get_attribute("href") or ""
    page.goto(href)
    expect(page.get_by_text("The laboratory is closed")).to_be_visible(timeout=WAIT_MS)
    stranger.close()
    person.page.goto(href)
    expect(person.page.get_by_role("heading", name="pump-plc")).to_be_visible(timeout=WAIT_MS)


def test_its_cookie_is_not_sent_to_the_platform_and_the_apps(stack: Stack, context: BrowserContext) -> None:
    own = [one["name"] for one in context.cookies([address(stack)])]
    assert "penstock_laboratory" in own
    elsewhere = context.cookies([stack.url(name) for name in ("platform", "monitoring", "maintenance")])
    assert [one["name"] for one in elsewhere if "laboratory" in one["name"]] == []


def test_a_fault_is_injected_by_keyboard_and_its_onset_comes_by_itself(person: Visitor, stack: Stack) -> None:
    page = person.page
    page.goto(address(stack, "/machines/pump-plc"))
    page.get_by_role("link", name="Choose bearing to inject").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Fault", exact=True)).to_have_value("bearing")
    page.get_by_label("Severity at the onset, 0 to 1").fill("0.85")
    page.get_by_label("Growth, per hour of running").fill("0.05")
    page.get_by_label("Onset, in seconds from now").fill("3")
    expect(page.get_by_text("Complete after some 3.0 h of running")).to_be_visible()
    page.get_by_role("button", name="Inject").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("bearing is injected, it begins in 3 s.")
    expect(page.locator(".timeline")).to_contain_text("bearing injected")
    expect(page.locator(".timeline")).to_contain_text("bearing begins", timeout=WAIT_MS)
    expect(page.get_by_role("img", name="bearing severity 85 %").first).to_be_visible(timeout=WAIT_MS)


def test_the_tag_is_asked_for_where_a_sensor_breaks(person: Visitor) -> None:
    page = person.page
    expect(page.get_by_label("Tag, for a sensor’s fault")).to_be_hidden()
    page.get_by_label("Fault", exact=True).select_option("drift")
    page.get_by_label("Tag, for a sensor’s fault").select_option("flow")
    page.get_by_role("button", name="Inject").click()
    expect(page.get_by_role("button", name="Clear drift:flow")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Clear drift:flow").click()
    expect(page.get_by_role("status")).to_contain_text("drift:flow is cleared")


def test_the_platform_s_alarm_stands_beside_the_onset(person: Visitor, stack: Stack) -> None:
    page = person.page
    page.goto(address(stack))
    row = page.get_by_role("row", name=re.compile("bearing.*pump-plc"))
    expect(row).to_contain_text("later", timeout=LONG_MS)
    expect(row).to_contain_text("severity 0.85")
    expect(page.locator(".timeline .platform")).to_contain_text("platform's alarm")
    page.goto(address(stack, "/machines/pump-plc"))
    expect(page.locator(".chart")).to_contain_text("platform's alarm")


@pytest.mark.parametrize("shot", SHOTS)
def test_every_page_fits_in_both_widths_and_themes(browser: Browser, stack: Stack, shot: str, pictures: Path) -> None:
    width, height = SHOTS[shot]
    other = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme="dark" if shot == "dark" else "light"
    )
    page = other.new_page()
    page.goto(new_link(stack))
    for name, path in (("plant", "/"), ("machine", "/machines/pump-plc")):
        page.goto(address(stack, path))
        expect(page.get_by_text("Onset and detection")).to_be_visible(timeout=WAIT_MS)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, (name, shot)
        assert is_dark(page) is (shot == "dark")
        if shot != "light":
            pictures.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=pictures / f"laboratory-{name}-{shot}.png")
    other.close()


def test_dark_is_kept(person: Visitor, stack: Stack) -> None:
    page = person.page
    page.goto(address(stack))
    assert not is_dark(page)
    page.get_by_role("button", name="Dark or light").click()
    assert is_dark(page)
    page.goto(address(stack, "/machines/pump-plc"))
    assert is_dark(page)
    page.get_by_role("button", name="Dark or light").click()
    assert not is_dark(page)


def is_dark(page: Page) -> bool:
    """Say whether the page's own background is dark, as drawn."""
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    return sum(int(part) for part in re.findall(r"\d+", colour)[:3]) < 300


def test_a_repair_ends_it_and_what_is_typed_is_not_lost_to_the_refresh(person: Visitor, stack: Stack) -> None:
    page = person.page
    page.goto(address(stack, "/machines/pump-plc"))
    page.get_by_label("Severity at the onset, 0 to 1").fill("0.77")
    before = page.locator("#live-hidden").inner_text()
    expect(page.locator("#live-hidden")).not_to_have_text(before, timeout=WAIT_MS)
    assert page.get_by_label("Severity at the onset, 0 to 1").input_value() == "0.77"
    page.get_by_role("button", name="Repair bearing").click()
    expect(page.locator(".timeline")).to_contain_text("bearing repaired", timeout=WAIT_MS)
    expect(page.get_by_role("link", name="Choose bearing to inject")).to_be_visible()


def test_simulators_that_stop_are_said_and_nothing_came_from_elsewhere(
    person: Visitor, stack: Stack, pictures: Path
) -> None:
    page = person.page
    errors = list(person.errors)
    foreign = [url for url in person.foreign if not url.startswith(address(stack, ""))]
    assert errors == []
    assert foreign == []
    stack.stop("sim")
    expect(page.get_by_role("alert")).to_contain_text("The simulators do not answer", timeout=WAIT_MS)
    assert [one.name for one in pictures.glob("laboratory-*.png") if one.stat().st_size > PICTURE_MAX_BYTES] == []
