"""A table that is updated in place: cells keep their elements while the same rows are shown, so nothing flickers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nicegui import ui

from penstock.apps.house.widgets import toned


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: text, and how it looks; `href` makes a link.

    `kind`: text, sub, num, time, value (toned figure), chip, cut (one line, cut where the column ends), or
    meter (a bar of `share` percent beside the text). `tip`: what hovering shows. `more`: a second line, small.
    """

    text: str
    kind: str = "text"
    tone: str = "mute"
    href: str = ""
    share: float | None = None
    tip: str = ""
    more: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row with the key it is known by. `actions`: words and what a click on them does; `pick`: a click on the row."""

    key: str
    cells: tuple[Cell, ...]
    actions: tuple[tuple[str, Callable[[], object]], ...] = ()
    pick: Callable[[], object] | None = None
    picked: bool = False


BRIEF = 12
"""Signs up to which a chip stays on one line on a narrow screen."""
BUTTON = "outline dense no-caps"
_CLASSES = {
    "text": "",
    "sub": "ps-sub",
    "num": "ps-num",
    "time": "ps-time",
    "value": "ps-value",
    "chip": "ps-chip",
    "cut": "ps-sub ps-cut",
    "meter": "ps-value",
}


class Table:
    """Columns by name; a name that starts with "›" is right-aligned, one with "·" is hidden on a narrow screen."""

    def __init__(self, columns: Sequence[str], widths: Mapping[str, str] | None = None) -> None:
        """Draw the head; with `widths` (CSS, by column) the layout is fixed: what is long never moves a column."""
        self._shape: tuple[object, ...] = ()
        self._labels: dict[str, list[ui.label]] = {}
        self._rows: dict[str, ui.element] = {}
        self._bars: dict[ui.label, tuple[ui.element, ui.element]] = {}
        self._more: dict[ui.label, ui.label] = {}
        with ui.element("div").classes("ps-scroll"), ui.element("table") as table:
            table.classes("ps-table" if widths is None else "ps-table ps-fixed")
            with ui.element("thead"), ui.element("tr"):
                for column in columns:
                    name = column.lstrip("›·")
                    with ui.element("th").classes(_column_classes(column)) as head:
                        ui.label(name)
                    if widths and name in widths:
                        head.style(f"width: {widths[name]}")
            self._body = ui.element("tbody")
        self._columns = list(columns)

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, in this order."""
        shape = tuple(
            (r.key, tuple((c.kind, c.href, bool(c.more)) for c in r.cells), tuple(word for word, _ in r.actions))
            for r in rows
        )
        if shape != self._shape:
            self._shape = shape
            self._build(rows)
        for row in rows:
            element = self._rows[row.key]
            element.classes(add="ps-picked") if row.picked else element.classes(remove="ps-picked")
            for label, cell in zip(self._labels[row.key], row.cells, strict=True):
                label.set_text(cell.text)
                _set_tip(label, cell.tip)
                if cell.kind in ("value", "chip"):
                    toned(label, cell.tone)
                if cell.kind == "chip":
                    is_brief = len(cell.text) <= BRIEF
                    label.classes(add="ps-brief") if is_brief else label.classes(remove="ps-brief")
                if cell.more:
                    self._more[label].set_text(cell.more)
                if label in self._bars:
                    meter, bar = self._bars[label]
                    toned(meter, cell.tone)
                    bar.style(f"width: {cell.share or 0:.1f}%")

    def _build(self, rows: Sequence[Row]) -> None:
        self._body.clear()
        self._labels.clear()
        self._rows.clear()
        self._bars.clear()
        self._more.clear()
        with self._body:
            for row in rows:
                with ui.element("tr") as element:
                    self._rows[row.key] = element
                    self._labels[row.key] = [
                        self._cell(column, cell) for column, cell in zip(self._columns, row.cells, strict=False)
                    ]
                    if row.actions:
                        element.classes("ps-acting")  # on a narrow screen they stand below the row
                        with ui.element("td").classes("ps-num ps-acts"):
                            for word, act in row.actions:
                                ui.button(word, on_click=act, color=None).props(BUTTON).classes("ps-action")
                if row.pick:
                    element.classes("ps-pick").props('tabindex="0"').on("click", row.pick).on("keydown.enter", row.pick)

    def _cell(self, column: str, cell: Cell) -> ui.label:
        with ui.element("td").classes(_column_classes(column)):
            if cell.href:
                with ui.link(target=cell.href):
                    return ui.label(cell.text).classes(_CLASSES[cell.kind])
            if cell.kind == "meter":
                return self._meter(cell)
            label = ui.label(cell.text).classes(_CLASSES[cell.kind])
            if cell.more:
                self._more[label] = ui.label(cell.more).classes("ps-sub")
            return label

    def _meter(self, cell: Cell) -> ui.label:
        with ui.element("div").classes("ps-row ps-gauge"):
            label = ui.label(cell.text).classes(_CLASSES["meter"])
            with ui.element("div").classes("ps-meter") as meter:
                self._bars[label] = (meter, ui.element("div"))
        return label


def _set_tip(label: ui.label, tip: str) -> None:
    if label.props.get("title", "") != tip:
        label.props["title"] = tip
        label.update()


def _column_classes(column: str) -> str:
    return " ".join(c for mark, c in (("›", "ps-num"), ("·", "ps-wide")) if mark in column[:2])
