"""The card "Operating point": where the machine works, against where its model has learned what to expect."""

from __future__ import annotations

from typing import Final

from nicegui import ui

from penstock.apps.house.figures import number_text, unit_text, value_text, words
from penstock.apps.house.widgets import toned
from penstock.apps.maintenance.condition.operating import Operating, Point, Regime

NOTHING_STANDS = "No channel stands for an operating point: each is held against a level of its own"
STILL_LEARNS = "Nothing is learned yet that it could be held against"
NAMED_MAX: Final = 4


class OperatingCard:
    """Made inside a card; `show` sets what is known."""

    def __init__(self) -> None:
        self._rows = ui.element("div").classes("ps-stack")
        self._note = ui.label(STILL_LEARNS).classes("ps-sub")
        self._regime = ui.label("").classes("ps-sub")
        self._drawn: dict[str, tuple[ui.element, ui.element, ui.label, ui.label]] = {}

    def show(self, operating: Operating) -> None:
        """Set the newest."""
        if [point.channel.name for point in operating.points] != list(self._drawn):
            self._draw(operating)
        for point in operating.points:
            meter, bar, value, range_ = self._drawn[point.channel.name]
            bar.style(f"width: {100 * point.share:.0f}%")
            toned(meter, "warn" if point.is_beyond else "mute")
            value.set_text(value_text(point.value, point.channel.unit))
            range_.set_text(range_text(point))
        self._note.set_text(note_text(operating))
        self._regime.set_text(regime_text(operating.regime))
        self._regime.set_visibility(operating.regime is not None)

    def _draw(self, operating: Operating) -> None:
        self._rows.clear()
        self._drawn.clear()
        with self._rows:
            for point in operating.points:
                with ui.element("div"):
                    with ui.element("div").classes("ps-point"):
                        ui.label(words(point.channel.name)).classes("ps-label")
                        with ui.element("div").classes("ps-meter") as meter:
                            bar = ui.element("div")
                        value = ui.label("").classes("ps-value")
                    range_ = ui.label("").classes("ps-sub")
                self._drawn[point.channel.name] = (meter, bar, value, range_)


def range_text(point: Point) -> str:
    """Say what was learned, and what it means to be beyond it."""
    low, high = (number_text(end, digits=3) for end in (point.low, point.high))
    learned = f"Learned from {low} to {high} {unit_text(point.channel.unit)}"
    if not point.is_beyond:
        return learned
    return f"{learned}; now beyond: what is expected here is what is expected at the nearest end"


def note_text(operating: Operating) -> str:
    """Say which channels are held against it."""
    if not operating.points:
        return NOTHING_STANDS if operating.learned else STILL_LEARNS
    named = [words(name) for name in operating.follows[:NAMED_MAX]]
    more = len(operating.follows) - len(named)
    return "Held against what this lets expect: " + ", ".join(named) + (f" and {more} more" if more else "")


def regime_text(regime: Regime | None) -> str:
    """Say in which regime of its fleet the machine runs."""
    if regime is None:
        return ""
    told = ", told by " + ", ".join(words(name) for name in regime.told_by)
    if regime.number is None:
        return f"None of the {regime.count} regimes that its fleet ran in{told}: no remaining life can be read here"
    return f"Regime {regime.number} of the {regime.count} that its fleet ran in{told}"
