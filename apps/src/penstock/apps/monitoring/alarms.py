"""The alarms page: what is active, what was, who acknowledged it and why; acknowledging in the person's own name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from penstock.apps.house.figures import moment_text, value_text, words
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import Segments, answer_of, card, empty, title
from penstock.apps.monitoring.frame import frame
from penstock.apps.monitoring.states import alarm_words, is_active, is_unacknowledged, severity_words
from penstock.sdk.app import Context
from penstock.sdk.models import Alarm, Asset
from penstock.sdk.times import to_ns

READ_S = 2.0
SHOWN_MAX = 300
COMMENT_MAX = 500
OPEN, ALL = "Needs attention", "All"


async def page(ctx: Context, asset: str = "") -> None:
    """Show the alarms, of one asset where the address names it."""
    with frame(ctx, here="/alarms", title="Alarms") as shell:
        AlarmsPage(shell, asset)


class AlarmsPage:
    """The list, its filters, and the dialogs for acknowledging and for the journal."""

    def __init__(self, shell: Shell, asset: str) -> None:
        self._shell = shell
        self._asset = asset or None
        self._only_open = True
        self._text = ""
        self._alarms: Sequence[Alarm] = ()
        self._assets: dict[str, Asset] = {}
        title("Alarms")
        with ui.element("div").classes("ps-row ps-wrap"):
            Segments([OPEN, ALL], OPEN, self._on_span)
            self._filter = ui.input(placeholder="Filter by asset or message", on_change=self._on_filter)
            self._filter.props("outlined dense clearable").classes("ps-filter").mark("filter")
        with card():
            self._table = Table(["·Severity", "Asset", "Message", "State", "›·Value", "·Raised", "·Cleared", "·By", ""])
            with ui.element("div") as self._empty:
                empty("verified", "No alarm needs attention", "What happened before stands under All.")
        self._empty.set_visibility(False)
        shell.every(READ_S, self._read)

    def _on_span(self, choice: str) -> None:
        self._only_open = choice == OPEN
        self._show()

    def _on_filter(self) -> None:
        self._text = (self._filter.value or "").strip().lower()
        self._show()

    async def _read(self) -> None:
        client = self._shell.ctx.client
        self._alarms = await client.alarms.list(asset=self._asset, limit=SHOWN_MAX)
        if any(a.asset and a.asset not in self._assets for a in self._alarms):
            self._assets = {a.id: a for a in await client.assets.list()}
        self._show()

    def _show(self) -> None:
        rows = [self._row(a) for a in self._alarms if self._is_wanted(a)]
        self._table.show(rows)
        self._empty.set_visibility(not rows)

    def _is_wanted(self, alarm: Alarm) -> bool:
        if self._only_open and not (is_active(alarm.state) or is_unacknowledged(alarm.state)):
            return False
        return self._text in f"{self._asset_name(alarm)} {alarm.message}".lower()

    def _asset_name(self, alarm: Alarm) -> str:
        asset = self._assets.get(alarm.asset or "")
        unknown = alarm.asset or ("–" if alarm.rule else "Platform")
        return (asset.name or asset.path) if asset else unknown

    def _row(self, alarm: Alarm) -> Row:
        word, tone = alarm_words(alarm.state)
        grade, grade_tone = severity_words(alarm.severity)
        now_ns = self._shell.now_ns
        may = is_unacknowledged(alarm.state) and self._shell.ctx.can("alarms:ack")
        limit = f" (limit {alarm.limit:g})" if alarm.limit is not None else ""
        cells = (
            Cell(grade, "chip", grade_tone),
            Cell(self._asset_name(alarm), href=f"/asset/{alarm.asset}" if alarm.asset else ""),
            Cell(alarm.message or "Limit passed"),
            Cell(word, "chip", tone),
            Cell(f"{value_text(alarm.value)}{limit}", "num"),
            Cell(moment_text(alarm.activated, now_ns=now_ns), "time"),
            Cell(moment_text(alarm.cleared, now_ns=now_ns), "time"),
            Cell(alarm.acknowledged_by or "–", "sub"),
        )
        actions = [("Journal", partial(self._journal, alarm))]
        if may:
            actions.insert(0, ("Acknowledge", partial(self._acknowledge, alarm)))
        return Row(alarm.id, cells, actions=tuple(actions))

    async def _acknowledge(self, alarm: Alarm) -> None:
        with ui.dialog() as dialog, ui.card().classes("ps-dialog"):
            ui.label("Acknowledge").classes("ps-name")
            ui.label(f"{self._asset_name(alarm)}: {alarm.message or 'limit passed'}").classes("ps-sub")
            comment = ui.textarea("Comment", placeholder="What you saw, what you do").props(
                f"outlined autogrow maxlength={COMMENT_MAX} autofocus"
            )
            comment.classes("w-full").mark("comment")
            ui.label(f"Recorded as {self._shell.ctx.me.name or self._shell.ctx.me.subject}.").classes("ps-sub")
            with ui.row().classes("w-full justify-end"):
                ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat no-caps")
                confirm = ui.button("Acknowledge", on_click=lambda: dialog.submit(comment.value or ""))
                confirm.props("unelevated no-caps").mark("confirm-acknowledge")
        said = await answer_of(dialog)
        if said is None:
            return

        async def acknowledge() -> None:
            await self._shell.ctx.client.alarms.acknowledge(alarm.id, str(said)[:COMMENT_MAX])

        if await self._shell.attempt("acknowledge", acknowledge):
            ui.notify("Acknowledged", type="positive")
            await self._shell.attempt("alarms", self._read)

    async def _journal(self, alarm: Alarm) -> None:
        entries: list[Mapping[str, Any]] = []

        async def read() -> None:
            entries.extend(await self._shell.ctx.client.alarms.journal(alarm.id))

        if not await self._shell.attempt("journal", read):
            return
        with ui.dialog() as dialog, ui.card().classes("ps-dialog"):
            ui.label("Journal").classes("ps-name")
            ui.label(f"{self._asset_name(alarm)}: {alarm.message or 'limit passed'}").classes("ps-sub")
            table = Table(["Time", "What", "Who", "Comment"])
            table.show([journal_row(i, entry, self._shell.now_ns) for i, entry in enumerate(entries)])
            with ui.row().classes("w-full justify-end"):
                ui.button("Close", on_click=lambda: dialog.submit(None)).props("flat no-caps")
        await answer_of(dialog)


def journal_row(index: int, entry: Mapping[str, Any], now_ns: int) -> Row:
    """Write one transition."""
    at = entry.get("time")
    time_ns = to_ns(at) if isinstance(at, int | str) else None
    what = entry.get("event") or entry.get("after") or entry.get("to") or ""
    who = entry.get("who_name") or entry.get("who") or "–"
    cells = (
        Cell(moment_text(time_ns, now_ns=now_ns), "time"),
        Cell(words(str(what))),
        Cell(str(who), "sub"),
        Cell(str(entry.get("comment") or "–"), "sub"),
    )
    return Row(str(index), cells)
