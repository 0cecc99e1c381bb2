"""The delivery page: is it all stored, the ledger in figures, and each hole and drop and reject with its cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from penstock.apps.house.figures import NOTHING, age_text, count_text, moment_text, shortened, words
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import Segments, Tile, card, title, toned
from penstock.apps.monitoring.frame import frame
from penstock.sdk.app import Context
from penstock.sdk.times import spoken, to_ns

READ_S = 4.0
ASK_S = 15.0
"""A gateway states its journal each ten seconds."""
SPANS = {"15 min": "15m-ago", "1 h": "1h-ago", "24 h": "24h-ago", "7 d": "7d-ago"}
LISTED_MAX = 50
WIDTHS = dict.fromkeys(("From", "To", "Time", "Came"), "158px") | {"Count": "84px", "Rows": "84px", "State": "104px"}
FIGURES = (
    ("expected", "Expected", "by declared rates", ""),
    ("stored", "Stored", "samples, each once", ""),
    ("duplicates", "Duplicates", "came again, stored once", ""),
    ("late", "Late", "above their tag's bound", "warn"),
    ("future", "Future", "stamped ahead: is the clock right?", "warn"),
    ("missing_batches", "Missing batches", "holes below the gateway's head", "bad"),
    ("open_gaps", "Open gaps", "not refilled", "warn"),
    ("drops", "Dropped", "declared by a full journal", "bad"),
    ("rejects", "Rejected", "with their reasons below", "warn"),
    ("thinned", "Thinned", "left out by deadbands", ""),
    ("erased", "Erased", "deleted or replaced on order", ""),
    ("quarantined_batches", "Quarantined batches", "kept for a look and a retry", "bad"),
    ("quarantined_samples", "Quarantined samples", "in those batches", "bad"),
)
"""Key in the ledger's summary, name, note, and the tone of anything above 0."""


async def page(ctx: Context) -> None:
    """Show the proof of delivery."""
    with frame(ctx, here="/delivery", title="Delivery") as shell:
        DeliveryPage(shell)


class DeliveryPage:
    """The ledger in one browser tab."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._since = SPANS["1 h"]
        title("Delivery", "What the ledger knows: every sample that a gateway has journalled, and where it is now")
        self._question = SafeQuestion(shell)
        Segments(list(SPANS), "1 h", self._on_span)
        with ui.element("div").classes("ps-tiles"):
            self._tiles = {key: Tile(name) for key, name, _, _ in FIGURES}
        with card("Safe until"):
            self._safe = Table(["Gateway", "›Everything journalled until", "›Age"])
            self._safe_empty = ui.label("No gateway has delivered yet.").classes("ps-sub")
        self._lists = {
            "gaps": Listing("Gaps", ("Tag", "Cause", "From", "To", "State"), "No gap in this span."),
            "drops": Listing("Drops", ("Tag", "Cause", "From", "To", "›Count"), "Nothing was dropped."),
            "thinned": Listing("Thinned", ("Tag", "Cause", "From", "To", "›Count"), "No deadband left anything out."),
            "erasures": Listing("Erased", ("Tag", "Reason", "From", "To", "›Count"), "Nothing was erased on order."),
            "rejects": Listing("Rejects", ("Device", "Reason", "Excerpt", "Time", "›Count"), "Nothing was rejected."),
            "quarantine": Listing(
                "Quarantine", ("Gateway", "Reason", "Detail", "Came", "›Rows"), "No batch is in quarantine."
            ),
        }
        shell.every(READ_S, self._read)
        shell.every(ASK_S, self._question.read)

    def _on_span(self, choice: str) -> None:
        self._since = SPANS[choice]
        ui.timer(0, self._reread, once=True)

    async def _reread(self) -> None:
        await self._shell.attempt("ledger", self._read)

    async def _read(self) -> None:
        ledger, since, now_ns = self._shell.ctx.client.ledger, self._since, self._shell.now_ns
        summary = await ledger.summary(start=since)
        self._show_figures(summary)
        self._show_safe(summary.get("safe_until") or [], now_ns)
        gateways = {str(s.get("gateway")): str(s.get("name")) for s in summary.get("safe_until") or []}
        names = {t.id: t.key for t in await self._shell.ctx.client.tags.list()}
        gaps = await ledger.gaps(limit=LISTED_MAX, start=since)
        self._lists["gaps"].show([_gap(g, names, now_ns) for g in gaps])
        drops = await ledger.drops(limit=LISTED_MAX, start=since)
        self._lists["drops"].show([_drop(d, names, now_ns) for d in drops])
        thinned = await ledger.thinned(limit=LISTED_MAX, start=since)
        self._lists["thinned"].show([_drop(t, names, now_ns) for t in thinned])
        erased = await ledger.erasures(limit=LISTED_MAX, start=since)
        self._lists["erasures"].show([_drop(e, names, now_ns) for e in erased])
        rejects = await ledger.rejects(limit=LISTED_MAX, start=since)
        self._lists["rejects"].show([reject_cells(r, now_ns) for r in rejects])
        quarantined = await ledger.quarantine(limit=LISTED_MAX, start=since)
        self._lists["quarantine"].show([_quarantined(q, gateways, now_ns) for q in quarantined])

    def _show_figures(self, summary: Mapping[str, Any]) -> None:
        for key, _, note, tone in FIGURES:
            count = summary.get(key)
            if key == "expected" and count is None:
                note = "no tag declares a rate"
            self._tiles[key].show(count_text(count), note, tone if tone and count else "mute")

    def _show_safe(self, safe: Sequence[Mapping[str, Any]], now_ns: int) -> None:
        rows = []
        for entry in safe:
            until = time_of(entry.get("until"))
            age = age_text((now_ns - until) / 1e9) if until is not None else NOTHING
            name = str(entry.get("name") or entry.get("gateway"))
            cells = (Cell(name), Cell(moment_text(until, now_ns=now_ns), "time"), Cell(age, "num"))
            rows.append(Row(str(entry.get("gateway")), cells))
        self._safe.show(rows)
        self._safe_empty.set_visibility(not rows)


TONES = {"yes": "good", "no": "bad", "unknown": "warn"}


class SafeQuestion:
    """Ask until when all is safely stored, and show the answer as the ledger says it."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        with card("Is my data safely stored?") as self._card:
            self._at = ui.input("Up to", placeholder="10:32, 2026-11-26 10:32, 2h-ago").props("dense clearable")
            self._at.on("keydown.enter", self._ask).on("clear", self._ask)
            self._at.tooltip("UTC; empty: up to a minute ago. Enter asks.")
            self._answer = ui.label("").classes("ps-said").props('aria-live="polite"')

    async def _ask(self) -> None:
        await self._shell.attempt("ledger", self.read)

    async def read(self) -> None:
        """Ask about the time that is typed in."""
        try:
            at = spoken(str(self._at.value), self._shell.now_ns) if self._at.value else None
        except ValueError as wrong:
            self._show("unknown", f"{str(wrong)[:1].upper()}{str(wrong)[1:]}.")
            return
        said = await self._shell.ctx.client.ledger.safe(at=at)
        self._show(str(said.get("answer")), str(said.get("text")))

    def _show(self, answer: str, text: str) -> None:
        self._answer.set_text(text)
        toned(self._card, TONES.get(answer, "warn"))


class Listing:
    """A titled table, or a sentence when it is empty."""

    def __init__(self, name: str, columns: Sequence[str], nothing: str) -> None:
        marked = [f"·{c}" if c in ("Excerpt", "To", "Detail") else c for c in columns]
        with card(name):
            self._table = Table(marked, WIDTHS)
            self._nothing = ui.label(nothing).classes("ps-sub")
        self._nothing.set_visibility(False)

    def show(self, rows: Sequence[tuple[Cell, ...]]) -> None:
        """Show these rows."""
        self._table.show([Row(str(i), cells) for i, cells in enumerate(rows)])
        self._nothing.set_visibility(not rows)


def time_of(value: Any) -> int | None:
    """Give ns of RFC 3339 text or ns; None for anything else."""
    return to_ns(value) if isinstance(value, int | str) and value != "" else None


def _tag(record: Mapping[str, Any], names: Mapping[int, str]) -> str:
    tag = record.get("tag")
    return str(record.get("key") or (names.get(tag) if isinstance(tag, int) else None) or record.get("device") or "–")


def _gap(record: Mapping[str, Any], names: Mapping[int, str], now_ns: int) -> tuple[Cell, ...]:
    start, end = (time_of(record.get(k)) for k in ("from", "to"))
    state, tone = ("Refilled", "good") if record.get("refilled") else ("Closed", "mute") if end else ("Open", "warn")
    return (
        Cell(_tag(record, names)),
        Cell(str(record.get("cause") or "–")),
        Cell(moment_text(start, now_ns=now_ns), "time"),
        Cell(moment_text(end, now_ns=now_ns), "time"),
        Cell(state, "chip", tone),
    )


def _drop(record: Mapping[str, Any], names: Mapping[int, str], now_ns: int) -> tuple[Cell, ...]:
    return (
        Cell(_tag(record, names)),
        Cell(str(record.get("cause") or "–")),
        Cell(moment_text(time_of(record.get("from")), now_ns=now_ns), "time"),
        Cell(moment_text(time_of(record.get("to")), now_ns=now_ns), "time"),
        Cell(count_text(record.get("count")), "num"),
    )


def _cut(said: object) -> Cell:
    """Show one line of a text that may be anything; the whole when hovered."""
    text = str(said or "")
    return Cell(shortened(text), "cut", tip=text)


def reject_cells(record: Mapping[str, Any], now_ns: int) -> tuple[Cell, ...]:
    """Write one reject."""
    return (
        Cell(str(record.get("key") or record.get("device") or "–")),
        Cell(str(record.get("reason") or "–")),
        _cut(record.get("excerpt")),
        Cell(
            moment_text(time_of(record.get("time") or record.get("arrival")), now_ns=now_ns),
            "time",
        ),
        Cell(count_text(record.get("count") or 1), "num"),
    )


def _quarantined(record: Mapping[str, Any], gateways: Mapping[str, str], now_ns: int) -> tuple[Cell, ...]:
    return (
        Cell(gateways.get(str(record.get("gateway")), str(record.get("gateway") or "–"))),
        Cell(words(str(record.get("reason") or "–"))),
        _cut(record.get("detail")),
        Cell(moment_text(time_of(record.get("arrival")), now_ns=now_ns), "time"),
        Cell(count_text(record.get("rows")), "num"),
    )
