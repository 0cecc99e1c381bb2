"""What a person is asked when a work order is opened, planned or closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from nicegui import ui

from penstock.apps.house.widgets import answer_of
from penstock.apps.maintenance.orders.order import FAULTS, TEXT_MAX, Found, Order, State, Step
from penstock.sdk.app import Context

FOUND_WORDS = {
    Found.AS_SUSPECTED: "What was suspected",
    Found.OTHER_FAULT: "Another fault",
    Found.SENSOR_FAULT: "A faulty sensor, the machine is sound",
    Found.NOTHING: "Nothing wrong",
}
MINUTES = 16
"""Signs of 2026-11-27T08:00."""


async def ask_title(suggested: str) -> str | None:
    """Ask what is to be done; None where the person thought better of it."""
    with ui.dialog() as dialog, ui.card().classes("ps-dialog"):
        ui.label("Open a work order").classes("ps-name")
        words = ui.input("What is to be done", value=suggested).props(f"outlined maxlength={TEXT_MAX} autofocus")
        words.classes("w-full").mark("order-title")
        _ways_out(dialog, "Open", lambda: dialog.submit(words.value or ""), mark="confirm-open")
    said = await answer_of(dialog)
    return None if said is None else str(said)


async def ask_plan(ctx: Context, order: Order, now_ns: int) -> Step | None:
    """Ask for which day the work is planned (UTC)."""
    suggested = datetime.fromtimestamp(now_ns // 1_000_000_000, UTC).date() + timedelta(days=1)
    with ui.dialog() as dialog, ui.card().classes("ps-dialog"):
        ui.label(f"Plan order {order.number}").classes("ps-name")
        ui.label(order.title).classes("ps-sub")
        day = ui.input("Day (UTC)", value=suggested.isoformat()).props("outlined type=date")
        day.classes("w-full").mark("order-day")
        _ways_out(dialog, "Plan", lambda: dialog.submit(day.value or ""), mark="confirm-plan")
    said = await answer_of(dialog)
    if said is None:
        return None
    try:
        planned = date.fromisoformat(str(said))
    except ValueError:
        ui.notify(f"{said!r} is no day: write it as 2026-03-31", type="negative")
        return None
    noon = datetime(planned.year, planned.month, planned.day, 12, tzinfo=UTC)
    return Step(State.PLANNED, now_ns, who(ctx), planned_for_ns=int(noon.timestamp()) * 1_000_000_000)


async def ask_done(ctx: Context, order: Order, now_ns: int) -> Step | None:
    """Ask what was found: the answer becomes a label of the machine's condition."""
    with ui.dialog() as dialog, ui.card().classes("ps-dialog"):
        ui.label(f"Close order {order.number}").classes("ps-name")
        ui.label(order.title).classes("ps-sub")
        choices = {found.value: words for found, words in FOUND_WORDS.items()}
        found = ui.radio(choices, value=Found.AS_SUSPECTED.value).mark("order-found")
        part = ui.input("Part at fault", value=order.suspected).props(f"outlined maxlength={TEXT_MAX}")
        part.classes("w-full").mark("order-part")
        failed = ui.input("Failed at (UTC); empty where it had not").props("outlined stack-label type=datetime-local")
        failed.classes("w-full").mark("order-failed")
        note = ui.textarea("Note", placeholder="What you saw, what you did").props(
            f"outlined autogrow maxlength={TEXT_MAX}"
        )
        note.classes("w-full").mark("order-note")
        ui.label(f"Recorded as {who(ctx)}; what was found teaches the next judgement.").classes("ps-sub")
        answers = (found, part, note, failed)
        _ways_out(dialog, "Done", lambda: dialog.submit(tuple(a.value for a in answers)), mark="confirm-done")
    said = await answer_of(dialog)
    if not isinstance(said, tuple):
        return None
    what = Found(said[0])
    at_fault = str(said[1] or "") if what in FAULTS else ""
    try:
        failed_ns = _utc_ns(str(said[3])) if said[3] and what in FAULTS else None
    except ValueError:
        ui.notify(f"{said[3]!r} is no time: write it as 2026-03-31T08:00", type="negative")
        return None
    return Step(State.DONE, now_ns, who(ctx), found=what, part=at_fault, note=str(said[2] or ""), failed_ns=failed_ns)


async def ask_dismiss(ctx: Context, order: Order, now_ns: int) -> Step | None:
    """Ask why nothing will be done."""
    with ui.dialog() as dialog, ui.card().classes("ps-dialog"):
        ui.label(f"Dismiss order {order.number}").classes("ps-name")
        ui.label("Nobody went to look, so it teaches nothing.").classes("ps-sub")
        note = ui.input("Why").props(f"outlined maxlength={TEXT_MAX} autofocus").classes("w-full").mark("order-why")
        _ways_out(dialog, "Dismiss", lambda: dialog.submit(note.value or ""), mark="confirm-dismiss")
    said = await answer_of(dialog)
    return None if said is None else Step(State.DISMISSED, now_ns, who(ctx), note=str(said))


def _utc_ns(text: str) -> int:
    return int(datetime.fromisoformat(text[:MINUTES]).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def who(ctx: Context) -> str:
    """Give the name that a step is recorded under."""
    return ctx.me.name or ctx.me.subject


def _ways_out(dialog: ui.dialog, word: str, submit: Callable[[], None], *, mark: str) -> None:
    with ui.row().classes("w-full justify-end"):
        ui.button("Cancel", on_click=lambda: dialog.submit(None)).props("flat no-caps")
        ui.button(word, on_click=submit).props("unelevated no-caps").mark(mark)
