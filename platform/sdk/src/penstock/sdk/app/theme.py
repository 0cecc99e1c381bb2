"""House style: colours, header, dark and light. All assets come from the wheel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nicegui import app as nicegui_app
from nicegui import ui

DARK_KEY = "dark"


@dataclass(frozen=True, slots=True)
class Theme:
    """The palette; quality colours follow the field's habit (green good, amber uncertain, red bad, grey stale)."""

    primary: str = "#0b6e8f"
    secondary: str = "#26445c"
    accent: str = "#e07a1f"
    good: str = "#2f9e62"
    uncertain: str = "#d99a16"
    bad: str = "#d0453e"
    stale: str = "#8a97a3"

    def apply(self) -> None:
        """Set colours and the person's dark or light choice (None follows the browser) on this page."""
        ui.colors(
            primary=self.primary,
            secondary=self.secondary,
            accent=self.accent,
            positive=self.good,
            warning=self.uncertain,
            negative=self.bad,
            dark="#16202a",
            dark_page="#0f161d",
        )
        ui.dark_mode(value=nicegui_app.storage.user.get(DARK_KEY))

    def quality_colour(self, quality: str) -> str:
        """Give the colour of good, uncertain, bad or anything else (stale)."""
        return {"good": self.good, "uncertain": self.uncertain, "bad": self.bad}.get(quality, self.stale)


@contextmanager
def frame(theme: Theme, *, app_name: str, title: str, person: str, platform_url: str) -> Iterator[None]:
    """Lay out a page: header with the app's name, title, dark switch and logout; the body is the content."""
    theme.apply()
    ui.page_title(f"{title} · {app_name}" if title else app_name)
    with ui.header(elevated=False).classes("items-center gap-4 px-4 py-2"):
        ui.link("Penstock", platform_url).classes("text-white text-weight-bold no-underline").tooltip("All apps")
        ui.label(app_name).classes("text-white")
        ui.label(title).classes("text-white opacity-70")
        ui.space()
        ui.button(icon="contrast", on_click=_switch_dark).props(
            "flat round dense color=white aria-label='dark or light'"
        )
        with ui.button(person, icon="person").props("flat dense no-caps color=white"), ui.menu():
            ui.menu_item("Log out", lambda: ui.navigate.to("/logout"))
    with ui.column().classes("w-full max-w-screen-xl mx-auto p-0 sm:p-4 gap-4"):
        yield


def _switch_dark() -> None:
    dark = not (nicegui_app.storage.user.get(DARK_KEY) or False)
    nicegui_app.storage.user[DARK_KEY] = dark
    ui.dark_mode(value=dark)
