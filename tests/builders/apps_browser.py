"""A person at a real browser: logs in by the platform's pages, walks through both apps, takes pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
WAIT_MS = 20_000
SETTLE_MS = 1_200
WIDE, NARROW = (1280, 860), (420, 860)


class Visitor:
    """One browser window. `errors` collects what the pages complained of; `foreign` requests to other origins."""

    def __init__(self, page: Page, monitoring: str, maintenance: str) -> None:
        self.page = page
        self.monitoring, self.maintenance = monitoring, maintenance
        self.errors: list[str] = []
        self.foreign: list[str] = []
        page.set_default_timeout(WAIT_MS)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._on_request(request.url))

    def log_in(self, link: str) -> None:
        """Log in by the one-time link; the apps then find the platform's session by OAuth."""
        self.page.goto(link)
        expect(self.page.get_by_role("link", name="Monitoring")).to_be_visible(timeout=WAIT_MS)

    def open(self, address: str, *, shows: str) -> None:
        """Go to an address and wait until a text is there."""
        self.page.goto(address)
        expect(self.page.get_by_text(shows).first).to_be_visible(timeout=WAIT_MS)

    def acknowledge(self, comment: str) -> None:
        """Acknowledge the first alarm on the alarms page."""
        self.page.get_by_role("button", name="Acknowledge").first.click()
        self.page.get_by_label("Comment").fill(comment)
        self.page.get_by_role("dialog").get_by_role("button", name="Acknowledge").click()
        expect(self.page.get_by_text("Active, acknowledged").first).to_be_visible(timeout=WAIT_MS)

    def overflows(self) -> int:
        """Give by how many pixels the page is wider than the window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def cut_tables(self) -> int:
        """Give how many tables are wider than the place they have."""
        wide = "t => t.scrollWidth > t.clientWidth"
        return int(self.page.evaluate(f"[...document.querySelectorAll('.ps-scroll')].filter({wide}).length"))

    def picture(self, file: Path) -> None:
        """Take a picture once things have settled."""
        self.page.wait_for_timeout(SETTLE_MS)
        file.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=file)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")):
            self.foreign.append(url)


@contextmanager
def visitor(monitoring: str, maintenance: str, *, dark: bool = False) -> Iterator[Visitor]:
    """Open a window in headless Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(
            viewport={"width": WIDE[0], "height": WIDE[1]}, color_scheme="dark" if dark else "light"
        )
        try:
            yield Visitor(context.new_page(), monitoring, maintenance)
        finally:
            browser.close()
