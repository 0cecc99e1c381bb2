"""The cards of a machine's model: does it still describe the machine, a new version, two versions compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from nicegui import ui

from penstock.apps.house.figures import NARROW, NOTHING, count_text, duration_text, moment_text, number_text
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import card, chip, toned
from penstock.apps.maintenance.state.artefacts import Artefact
from penstock.apps.maintenance.state.compare import Tried
from penstock.apps.maintenance.state.drift import REFIT, WATCH, Drift, Standing
from penstock.apps.maintenance.state.lessons import Lessons, Precision, Span, overlap_ns

TONE: Final = {Standing.OK: "good", Standing.WATCH: "warn", Standing.REFIT: "bad", Standing.UNKNOWN: "none"}
SAID: Final = {
    Standing.OK: "Rows without an alarm score as the healthy ones did.",
    Standing.WATCH: "More rows than expected score high without an alarm: did season, product or sensor change?",
    Standing.REFIT: "Rows without an alarm no longer look like the healthy ones. Look at the machine first: a slow "
    "fault does the same. If it is sound, name a newer healthy stretch and fit anew.",
    Standing.UNKNOWN: "Too few rows to tell, or the version is older than this figure: fit a new one.",
}


class StandingCard:
    """How well the model still describes the machine, and how often a visit found something."""

    def __init__(self) -> None:
        with card("Does it still describe the machine?"):
            self._chip = chip("")
            self._said = ui.label("").classes("ps-sub")
            self._psi = ui.label("").classes("ps-sub")
            self._visits = ui.label("").classes("ps-sub")

    def show(self, drift: Drift | None, precision: Precision) -> None:
        """Set the newest."""
        standing = drift.standing if drift else Standing.UNKNOWN
        self._chip.set_text(standing.capitalize())
        toned(self._chip, TONE[standing])
        self._said.set_text(SAID[standing])
        self._psi.set_text(psi_text(drift))
        self._visits.set_text(precision_text(precision))


def psi_text(drift: Drift | None) -> str:
    """Write the index with what it is of, and its limits."""
    if drift is None or drift.psi is None:
        return ""
    index = f"Population stability index {number_text(drift.psi, digits=2)} over {count_text(drift.rows)} rows"
    return f"{index}: watch from {WATCH:g}, refit from {REFIT:g}"


def precision_text(precision: Precision) -> str:
    """Say how often somebody who looked found something."""
    if precision.share is None:
        return "No work order is done yet, so none says how often an alarm was right."
    share = f"{100 * precision.share:.0f}{NARROW}%"
    visits = "visit" if precision.done == 1 else "visits"
    return f"{precision.found} of {precision.done} {visits} found something ({share})."


class NewVersion:
    """The proposal of a new fit: what is left out, what may be included, and the button."""

    def __init__(self, fit: Callable[[tuple[Span, ...]], Awaitable[None]]) -> None:
        self._fit_with = fit
        self._offered = ""
        self._sound: tuple[Span, ...] = ()
        with card("Fit a new version"):
            self._faulty = ui.label("").classes("ps-sub")
            self._include = ui.checkbox("").props("dense").mark("include-sound")
            self._trouble = ui.label("").classes("ps-sub ps-caution")
            button = ui.button("Fit", on_click=self._on_fit, color=None)
            self._button = button.props("outline dense no-caps").classes("ps-action").mark("fit-again")

    def show(self, newest: Artefact | None, lessons: Lessons, *, now_ns: int, is_asked: bool) -> None:
        """Say what the next fit would do with what orders found; `newest`: of the stretch that it is fitted on."""
        self._faulty.set_text(faulty_text(newest, lessons))
        self._button.set_enabled(newest is not None and not is_asked)
        self._button.set_text("Is fitted at the next look" if is_asked else "Fit")
        offered, self._sound = sound_text(lessons, now_ns), lessons.sound
        self._include.set_visibility(bool(offered))
        if offered != self._offered:
            self._offered = offered
            self._include.set_text(offered)
            included = newest.healthy.also if newest else ()
            self._include.set_value(bool(included) and included == lessons.sound)

    def say(self, trouble: str) -> None:
        """Say why the last fit gave nothing; empty takes it back."""
        self._trouble.set_text(trouble)

    async def _on_fit(self) -> None:
        await self._fit_with(self._sound if self._include.value else ())


def faulty_text(newest: Artefact | None, lessons: Lessons) -> str:
    """Say which rows orders take out of the healthy stretch."""
    if newest is None:
        return "Name a healthy stretch under Models first."
    named: list[Span] = [newest.healthy.fit, *((newest.healthy.check,) if newest.healthy.check else ())]
    inside = [s for s in lessons.faulty if overlap_ns([s], named)]
    if not inside:
        return "On the same healthy stretch. No order found a fault in it, so all its rows are taken."
    lost = duration_text(overlap_ns(inside, named) / 1e9)
    times = "once" if len(inside) == 1 else f"{len(inside)} times"
    return f"Orders found a fault in the healthy stretch {times}: {lost} from alarm to repair are left out."


def sound_text(lessons: Lessons, now_ns: int) -> str:
    """Offer the rows that turned out sound; empty where there are none."""
    if not lessons.sound:
        return ""
    count = len(lessons.nothing_found)
    say = "1 order says" if count == 1 else f"{count} orders say"
    lasts = duration_text(sum(end - begin for begin, end in lessons.sound) / 1e9)
    last = moment_text(lessons.sound[-1][1], now_ns=now_ns)
    return f"{say} nothing was found: include these rows, {lasts} up to {last}, so that the limits hold them too"


class CompareCard:
    """Two versions on the same recent rows."""

    def __init__(self, compare: Callable[[int, int], Awaitable[tuple[Tried, Tried] | str]]) -> None:
        self._compare_with = compare
        with card("Compare two versions") as self._outer:
            why = "Both judge the newest rows, 20,000 at most, that neither knows from its fit."
            ui.label(f"{why} An alarm is false where no order found a fault.").classes("ps-sub")
            with ui.element("div").classes("ps-row ps-wrap"):
                self._one = (
                    ui.select([], label="Version").props("outlined dense").classes("ps-short").mark("compare-one")
                )
                self._other = (
                    ui.select([], label="with").props("outlined dense").classes("ps-short").mark("compare-other")
                )
                button = ui.button("Compare", on_click=self._on_compare, color=None)
                button.props("outline dense no-caps").classes("ps-action").mark("compare")
            self._said = ui.label("").classes("ps-sub ps-caution")
            self._table = Table(["", "›First", "›Second"])
        self._outer.set_visibility(False)

    def offer(self, numbers: Sequence[int], used: int | None) -> None:
        """Let versions be chosen: the one in use and the newest other, unless told."""
        self._outer.set_visibility(len(numbers) > 1)
        if list(self._one.options) == list(numbers) or len(numbers) < 2:
            return
        first = used if used in numbers else numbers[0]
        self._one.set_options(list(numbers), value=first)
        self._other.set_options(list(numbers), value=next(n for n in numbers if n != first))

    async def _on_compare(self) -> None:
        if self._one.value == self._other.value:
            self._said.set_text("Choose two different versions.")
            return
        self._said.set_text("Judging the rows …")
        found = await self._compare_with(int(self._one.value), int(self._other.value))
        if isinstance(found, str):
            self._said.set_text(found)
            self._table.show([])
            return
        self._said.set_text("" if found[0].rows else "All recent rows are known to one of them: let some more come.")
        self._table.show(compare_rows(*found))


def compare_rows(one: Tried, other: Tried) -> list[Row]:
    """Write what each version made of the rows."""

    def faults(tried: Tried) -> str:
        return f"{tried.faults_seen} of {tried.faults}" if tried.faults else NOTHING

    lines = (
        ("Version", [str(t.number) for t in (one, other)]),
        ("Rows judged, sound as far as known", [count_text(t.rows) for t in (one, other)]),
        ("They last", [duration_text(t.watched_ns / 1e9) for t in (one, other)]),
        ("False alarms", [count_text(t.false_alarms) for t in (one, other)]),
        ("Time in alarm", [f"{100 * t.in_alarm:.2f}{NARROW}%" for t in (one, other)]),
        ("Faults found by orders, seen", [faults(t) for t in (one, other)]),
        ("Score that 1 % of rows exceed (1: limit)", [number_text(t.high, digits=3) for t in (one, other)]),
    )
    return [Row(name, (Cell(name), *(Cell(text, "num") for text in texts))) for name, texts in lines]
