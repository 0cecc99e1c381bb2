"""A page at a time of a list that is too long for one."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from penstock.apps.house.figures import count_text


class Pager:
    """Which part of a list is shown, with the buttons to go on and back; hidden while one page holds it all."""

    def __init__(self, rows: int, on_turn: Callable[[], None]) -> None:
        self._rows, self._on_turn = rows, on_turn
        self._first = self._count = 0
        with ui.element("div").classes("ps-row") as self._outer:
            self._said = ui.label("").classes("ps-sub ps-grow")
            self._back = self._button("chevron_left", "Page before", pages=-1)
            self._on = self._button("chevron_right", "Next page", pages=1)
        self._outer.set_visibility(False)

    def _button(self, icon: str, label: str, *, pages: int) -> ui.button:
        button = ui.button(icon=icon, on_click=lambda: self._turn(pages), color=None)
        button.props(f'outline dense aria-label="{label}"').classes("ps-action")
        return button.mark("page-on" if pages > 0 else "page-back")

    def part(self, count: int) -> slice:
        """Give which rows of so many are shown, and say so."""
        self._count = count
        self._first = max(0, min(self._first, (count - 1) // self._rows * self._rows))
        last = min(self._first + self._rows, count)
        self._said.set_text(f"{count_text(self._first + 1)} to {count_text(last)} of {count_text(count)}")
        self._back.set_enabled(self._first > 0)
        self._on.set_enabled(last < count)
        self._outer.set_visibility(count > self._rows)
        return slice(self._first, last)

    def to_start(self) -> None:
        """Show the first page next."""
        self._first = 0

    def _turn(self, pages: int) -> None:
        self._first = max(0, min(self._first + pages * self._rows, max(0, self._count - 1)))
        self._on_turn()
