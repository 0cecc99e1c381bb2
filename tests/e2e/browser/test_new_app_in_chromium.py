"""What `penstock app new` writes, in Chromium, on a phone's screen and on a wide one."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from penstock.sdk.scaffold import write_app
from tests.builders import web
from tests.builders.apps_browser import CHROMIUM, NARROW, WAIT_MS, WIDE
from tests.builders.stack import free_port, wait_for

pytestmark = [pytest.mark.full, pytest.mark.timeout(240)]
SERVE = """
import runpy, sys, time
from penstock.sdk.testing import FakePlatform

fake = FakePlatform()
fake.add_asset("works/site/hall/line/pump-1", name="Pump 1")
for key, unit in (("pump-plc/flow", "m3/h"), ("pump-vibration/acceleration_bearing_band", "m/s2")):
    fake.add_tag(key, unit=unit, asset="works/site/hall/line/pump-1")
    fake.feed(key, [(time.time_ns() - k * 10**9, 1318.31 + k) for k in range(60)][::-1])
sys.argv = sys.argv[1:]
with fake.in_place():
    runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("new"), free_port()
    main = write_app("hello", folder) / "main.py"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PENSTOCK_", "PYTEST_"))}
    with (folder / "log").open("wb") as log:
        serving = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(main)],
            env=kept | {"PENSTOCK_APP_PORT": str(port)},
            cwd=folder,
            stdout=log,
            stderr=log,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        wait_for(lambda: web.get(url, timeout=5).is_success, f"the app, see {folder / 'log'}")
        yield url
    finally:
        serving.terminate()
        serving.wait(30)


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            yield browser.new_page()
        finally:
            browser.close()


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["420", "1280"])
def test_a_new_app_s_page_has_every_value_on_the_screen(size: tuple[int, int], address: str, page: Page) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(address)
    value = page.get_by_text("1318.31 m/s2")
    expect(value).to_be_visible(timeout=WAIT_MS)
    tables = page.locator(".q-table__container")
    assert tables.count() == 2
    for table in tables.all():
        edge = table.bounding_box()
        assert edge is not None
        assert edge["x"] + edge["width"] <= size[0]
        cells = [cell for cell in table.locator("th, td").all() if cell.is_visible()]
        boxes = [box for cell in cells if (box := cell.bounding_box())]
        assert len(boxes) >= 9
        assert max(box["x"] + box["width"] for box in boxes) <= edge["x"] + edge["width"] + 1, "no column is cut off"
    assert page.get_by_text("at (UTC)").is_visible() is (size == WIDE)
