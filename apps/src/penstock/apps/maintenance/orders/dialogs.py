"""What a person is asked when a work order is opened, planned or closed.

A dialog stays open, with what was typed and with what is wrong with it, until it is taken or the person cancels.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta

from nicegui import ui

from penstock.apps.house.shell import Shell
from penstock.apps.house.widgets import answer_of
from penstock.apps.maintenance.orders.order import FAULTS, TEXT_MAX, Found, Order, OrderError, State, Step
from penstock.sdk.app import Context

FOUND_WORDS = {
    Found.AS_SUSPECTED: "What was suspected",
    Found.OTHER_FAULT: "Another fault",
    Found.SENSOR_FAULT: "A faulty sensor, the machine is sound",
    Found.NOTHING: "Nothing wrong",
}
MINUTES = 16
"""Signs of 2026-11-27T08:00."""
Take = Callable[[Step], Awaitable[object]]
"""Records a step; OrderError where it is refused."""


class Question:
    """A dialog of one answer; what is made inside `body` is asked."""

    def __init__(self, heading: str, more: str = "") -> None:
        self._dialog = ui.dialog()
        with self._dialog, ui.card().classes("ps-dialog") as self.body:
            ui.label(heading).classes("ps-name")
            if more:
                ui.label(more).classes("ps-sub ps-long")

    async def answered(self, word: str, take: Callable[[], Awaitable[object]], *, mark: str) -> bool:
        """Ask until `take` takes what was typed, or the person thinks better of it: False."""
        with self.body:
            wrong = ui.label("").classes("ps-wrong").props('role="alert"').mark("order-wrong")
            with ui.row().classes("w-full justify-end"):
                ui.button("Cancel", on_click=lambda: self._dialog.submit(None)).props("flat no-caps")
                button = ui.button(word).props("unelevated no-caps").mark(mark)

        async def attempt() -> None:
            button.disable()  # a second click would take it twice
            try:
                await take()
            except OrderError as refused:
                wrong.set_text(f"Not recorded: {refused}")
            else:
                self._dialog.submit(True)
            finally:
                button.enable()

        button.on_click(attempt)
        return bool(await answer_of(self._dialog))


async def ask_open(suggested: str, take: Callable[[str], Awaitable[object]]) -> bool:
    """Ask what is to be done; False where the person thought better of it."""
    question = Question("Open a work order")
    with question.body:
        title = ui.input("What is to be done", value=suggested).props(f"outlined maxlength={TEXT_MAX} autofocus")
        title.classes("w-full").mark("order-title")
    return await question.answered("Open", lambda: take(title.value or ""), mark="confirm-open")


async def ask_plan(shell: Shell, order: Order, take: Take) -> bool:
    """Ask for which day the work is planned (UTC)."""
    suggested = datetime.fromtimestamp(shell.now_ns // 1_000_000_000, UTC).date() + timedelta(days=1)
    question = Question(f"Plan order {order.number}", order.title)
    with question.body:
        day = ui.input("Day (UTC)", value=suggested.isoformat()).props("outlined type=date")
        day.classes("w-full").mark("order-day")

    async def plan() -> None:
        noon_ns = _noon_ns(day.value or "")
        await take(Step(State.PLANNED, shell.now_ns, who(shell.ctx), planned_for_ns=noon_ns))

    return await question.answered("Plan", plan, mark="confirm-plan")


async def ask_done(shell: Shell, order: Order, take: Take) -> bool:
    """Ask what was found: the answer becomes a label of the machine's condition."""
    question = Question(f"Close order {order.number}", order.title)
    with question.body:
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
        ui.label(f"Recorded as {who(shell.ctx)}; what was found teaches the next judgement.").classes("ps-sub")

    async def done() -> None:
        what = Found(found.value)
        is_fault = what in FAULTS
        await take(
            Step(
                State.DONE,
                shell.now_ns,
                who(shell.ctx),
                found=what,
                part=(part.value or "") if is_fault else "",
                note=note.value or "",
                failed_ns=_failed_ns(failed.value) if is_fault and failed.value else None,
            )
        )

    return await question.answered("Done", done, mark="confirm-done")


async def ask_dismiss(shell: Shell, order: Order, take: Take) -> bool:
    """Ask why nothing will be done."""
    question = Question(f"Dismiss order {order.number}", "Nobody went to look, so it teaches nothing.")
    with question.body:
        why = ui.input("Why").props(f"outlined maxlength={TEXT_MAX} autofocus").classes("w-full").mark("order-why")

    async def dismiss() -> None:
        await take(Step(State.DISMISSED, shell.now_ns, who(shell.ctx), note=why.value or ""))

    return await question.answered("Dismiss", dismiss, mark="confirm-dismiss")


def _noon_ns(text: str) -> int:
    """Read a day; OrderError where it is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        message = f"{text!r} is no day: write it as 2026-03-31" if text else "say for which day the work is planned"
        raise OrderError(message) from error
    return int(datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()) * 1_000_000_000


def _failed_ns(text: str) -> int:
    """Read a time in UTC; OrderError where it is none."""
    try:
        at = datetime.fromisoformat(text[:MINUTES]).replace(tzinfo=UTC)
    except ValueError as error:
        message = f"{text!r} is no time: write it as 2026-03-31T08:00"
        raise OrderError(message) from error
    return int(at.timestamp()) * 1_000_000_000


def who(ctx: Context) -> str:
    """Give the name that a step is recorded under."""
    return ctx.me.name or ctx.me.subject
