"""The platform's own forms in Chromium: set a password, log out, log in with it; and out of an app, everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.builders.apps_browser import WAIT_MS, Visitor, visitor
from tests.builders.sdk import empty_plant
from tests.builders.stack import Stack

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]
PASSWORD = "correct horse battery staple"


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", empty_plant(tmp_path / "plant"))
    try:
        stack.start("platform")
        stack.start("monitoring")
        yield stack
    finally:
        stack.close()


def test_password_login_and_logout_work_in_a_real_browser(stack: Stack) -> None:
    link = (stack.folder / "secrets" / "login-link").read_text().strip()
    platform = stack.url("platform")
    with visitor(stack.url("monitoring"), stack.url("maintenance")) as guest:
        page = guest.page
        guest.log_in(link)
        assert page.locator(".mark").all_inner_texts() == ["Ma", "Mo"]
        page.goto(f"{platform}/account")
        for field in page.locator("input[type=password]").all():
            field.fill(PASSWORD)
        page.get_by_role("button", name="Set password").click()
        expect(page.get_by_text("The password is set.")).to_be_visible(timeout=WAIT_MS)
        page.goto(f"{platform}/")
        page.get_by_role("button", name="Log out").click()
        is_logged_out(page, platform)
        log_in_by_password(guest, stack.url("monitoring"))
        page.goto(f"{stack.url('monitoring')}/logout")
        is_logged_out(page, platform)
        for address in (platform, stack.url("monitoring")):
            page.goto(f"{address}/")
            expect(page.get_by_label("Password")).to_be_visible(timeout=WAIT_MS)


def is_logged_out(page: Page, platform: str) -> None:
    expect(page.get_by_text("You are logged out of Penstock and its apps.")).to_be_visible(timeout=WAIT_MS)
    assert page.url == f"{platform}/login?out=true"


def log_in_by_password(guest: Visitor, app: str) -> None:
    """Begin at the app, as one who has its address: the platform's form leads back to it."""
    guest.page.goto(f"{app}/")
    guest.page.get_by_label("Name").fill("admin")
    guest.page.get_by_label("Password").fill(PASSWORD)
    guest.page.get_by_role("button", name="Log in").click()
    guest.page.wait_for_url(f"{app}/**", timeout=WAIT_MS * 3)
