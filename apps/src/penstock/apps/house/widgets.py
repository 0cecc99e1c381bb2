"""The small components of both apps: tiles, chips, tables, empty and loading states, the banner.

Every text from the plant goes through `ui.label`, which sets text, never markup: a name such as <script> is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nicegui import ui

from penstock.apps.house.said import Trouble

TONES = ("good", "warn", "bad", "stale", "uncertain", "none", "mute")


@contextmanager
def card(title: str = "") -> Iterator[ui.element]:
    """Open a card, with a small heading where one is given."""
    with ui.element("section").classes("ps-card") as element:
        if title:
            heading(title)
        yield element


def heading(text: str) -> ui.label:
    """Write a section's heading."""
    return ui.label(text).classes("ps-h2").props('role="heading" aria-level="2"')


def title(text: str, path: str = "") -> ui.label:
    """Write a page's title, with the path below it; give its label, to be renamed once the name is known."""
    with ui.element("div").classes("ps-head"):
        label = ui.label(text).classes("ps-title").props('role="heading" aria-level="1"')
        if path:
            ui.label(path).classes("ps-path")
    return label


def toned(element: ui.element, tone: str) -> None:
    """Give an element one tone of TONES and take the others away."""
    element.classes(add=f"ps-{tone}", remove=" ".join(f"ps-{t}" for t in TONES if t != tone))


def chip(text: str, tone: str = "mute") -> ui.label:
    """Show a state in a word."""
    return ui.label(text).classes(f"ps-chip ps-{tone}")


def plain_heading(text: str) -> ui.label:
    """Write a heading in which case matters, as in units."""
    return ui.label(text).classes("ps-plain").props('role="heading" aria-level="2"')


async def answer_of(dialog: ui.dialog) -> object:
    """Open a dialog, give what it was submitted with, None where it or its page was closed, and take it away."""
    said: object = await dialog
    if not dialog.is_deleted:
        dialog.delete()
    return said


class Tile:
    """A figure with a name above and a note below."""

    def __init__(self, name: str, *, href: str = "") -> None:
        outer = ui.link("", href).classes("ps-tile ps-link") if href else ui.element("div").classes("ps-tile")
        with outer:
            ui.label(name).classes("ps-label")
            self.figure = ui.label("–").classes("ps-figure")
            self.note = ui.label("").classes("ps-note")
        self._outer = outer

    def show(self, figure: str, note: str = "", tone: str = "mute") -> None:
        """Set figure, note and tone (good, warn, bad, mute)."""
        self.figure.set_text(figure)
        self.note.set_text(note)
        toned(self._outer, tone)


def empty(icon: str, what: str, why: str = "") -> None:
    """Say that there is nothing, and why or what to do."""
    with ui.element("div").classes("ps-empty"):
        ui.icon(icon).classes("ps-icon")
        ui.label(what).classes("ps-name")
        if why:
            ui.label(why)


def loading(count: int = 3) -> None:
    """Hold the place of what is being read."""
    for _ in range(count):
        ui.element("div").classes("ps-skeleton").props('aria-hidden="true"')


class Banner:
    """The line that says what is wrong with the connection, and goes away by itself."""

    def __init__(self, login_href: str) -> None:
        with ui.element("div").classes("ps-banner").props('role="alert"') as self._outer:
            ui.icon("cloud_off").classes("ps-icon")
            with ui.element("div").classes("ps-grow"):
                self._title = ui.label("").classes("ps-name")
                self._reason = ui.label("").classes("ps-sub")
            self._login = ui.link("Log in", login_href).classes("ps-value")
        self.hide()

    def show(self, trouble: Trouble) -> None:
        """Say the trouble."""
        self._title.set_text(trouble.title)
        self._reason.set_text(trouble.reason)
        self._login.set_visibility(trouble.login)
        self._outer.set_visibility(True)

    def hide(self) -> None:
        """Take the banner away: all is well."""
        self._outer.set_visibility(False)


class Segments:
    """A row of choices, one of them taken."""

    def __init__(self, choices: Sequence[str], chosen: str, on_choose: Callable[[str], None]) -> None:
        self._on_choose = on_choose
        self._buttons: dict[str, ui.button] = {}
        with ui.element("div").classes("ps-seg").props('role="group"'):
            for choice in choices:
                button = ui.button(choice, on_click=lambda _, c=choice: self.choose(c), color=None)
                self._buttons[choice] = button.props("flat dense no-caps")
        self.mark(chosen)

    def choose(self, choice: str) -> None:
        """Take a choice and tell it."""
        self.mark(choice)
        self._on_choose(choice)

    def mark(self, choice: str | None) -> None:
        """Mark a choice without telling; None marks nothing."""
        for name, button in self._buttons.items():
            button.classes(add="ps-here") if name == choice else button.classes(remove="ps-here")
