"""The shell around each page: bar, navigation, banner, and reading that fails in words and goes on by itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from nicegui import app as nicegui_app
from nicegui import ui

from penstock.apps.house.said import TROUBLE, Trouble, trouble_of
from penstock.apps.house.widgets import Banner
from penstock.sdk.app import Context

CSS = Path(__file__).with_name("theme.css")
DARK_KEY = "dark"
MARK = (
    '<svg class="ps-mark" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" '
    'stroke-linecap="round" aria-hidden="true"><path d="M3 5c5 0 4 8 9 8s4-8 9-8"/>'
    '<path d="M3 12c5 0 4 8 9 8s4-8 9-8" opacity=".5"/></svg>'
)
log = logging.getLogger("penstock.apps")
Read = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Place:
    """An entry of the navigation."""

    name: str
    href: str


class Shell:
    """What a page holds on to: the context, the banner, and its timers."""

    def __init__(self, ctx: Context, banner: Banner, main: ui.element) -> None:
        self.ctx = ctx
        self._main = main
        self._banner = banner
        self._troubles: dict[str, Trouble] = {}

    def every(self, seconds: float, read: Read) -> None:
        """Call `read` now and then every so many seconds; its failures are said in the banner until it succeeds."""

        async def tick() -> None:
            await self.attempt(read.__qualname__, read)

        ui.timer(seconds, tick)

    async def attempt(self, name: str, read: Read) -> bool:
        """Call `read` once; say its failure, or take back what was said of it before."""
        try:
            await read()
        except TROUBLE as failed:
            self._say(name, trouble_of(failed))
            return False
        except Exception:  # boundary: a person gets a sentence, the log gets the trace
            log.exception("page task %s failed", name)
            self._say(
                name, Trouble("This part of the page failed", "The app's log says why; it tries again by itself.")
            )
            return False
        self._say(name, None)
        return True

    def _say(self, name: str, trouble: Trouble | None) -> None:
        if trouble is None:
            self._troubles.pop(name, None)
        else:
            self._troubles[name] = trouble
        if self._troubles:
            self._banner.show(next(reversed(self._troubles.values())))
            self._main.classes(add="ps-away")
        else:
            self._banner.hide()
            self._main.classes(remove="ps-away")

    @property
    def now_ns(self) -> int:
        """Give the time at which the page is looked at."""
        return time.time_ns()


@contextmanager
def shell(ctx: Context, *, app_word: str, places: Sequence[Place], here: str, title: str) -> Iterator[Shell]:
    """Lay out a page; what is made inside the `with` is its content."""
    ctx.theme.apply()
    ui.page_title(f"{title} · Penstock {app_word}")
    with bar(app_word, places, here=here):
        _tools(ctx)
    with ui.element("main").classes("ps-page") as main:
        banner = Banner("/oauth/login")
        yield Shell(ctx, banner, main)


@contextmanager
def bar(app_word: str, places: Sequence[Place], *, here: str = "") -> Iterator[None]:
    """Lay out the bar with the way to each place; what is made inside the `with` stands at its end."""
    ui.add_css(CSS)
    with ui.header(elevated=False).classes("ps-bar"):
        with ui.link(target="/").classes("ps-brand"):
            ui.html(MARK, sanitize=False)
            ui.label("Penstock")
            ui.label(app_word).classes("ps-app")
        with ui.element("nav").classes("ps-nav"):
            for place in places:
                link = ui.link(place.name, place.href)
                if place.href == here:
                    link.classes("ps-here").props('aria-current="page"')
        with ui.element("div").classes("ps-tools"):
            yield


def _tools(ctx: Context) -> None:
    ui.label(ctx.me.name or ctx.me.subject).classes("ps-person").tooltip(f"Logged in, tenant {ctx.me.tenant}")
    flat = "flat round dense color=white"
    ui.button(icon="contrast", on_click=_switch_dark).props(f'{flat} aria-label="dark or light"').tooltip(
        "Dark or light"
    )
    with ui.button(icon="apps").props(f'{flat} aria-label="menu"'), ui.menu():
        ui.menu_item("All apps", lambda: ui.navigate.to(ctx.platform_url))
        ui.menu_item("Log out", lambda: ui.navigate.to("/logout"))


async def _switch_dark() -> None:
    """Switch against what is shown now, which may be the browser's own preference."""
    shown = await ui.run_javascript("document.body.classList.contains('body--dark')")
    nicegui_app.storage.user[DARK_KEY] = not shown
    ui.dark_mode(value=not shown)
