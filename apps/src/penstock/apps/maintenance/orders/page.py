"""The work orders on screen: a page of all of them, and the card of one machine's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from nicegui import ui

from penstock.apps.house.figures import NOTHING, day_text, words
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import Segments, card, empty, title
from penstock.apps.maintenance.frame import frame
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.dialogs import Take, ask_dismiss, ask_done, ask_open, ask_plan, who
from penstock.apps.maintenance.orders.order import Order, State, Step
from penstock.sdk.app import Context
from penstock.sdk.models import Asset

READ_S = 2.0
MAY_WORK = "alarms:ack"
"""Who may acknowledge an alarm may order work on the machine."""
TONE = {State.OPEN: "bad", State.PLANNED: "warn", State.DONE: "good", State.DISMISSED: "mute"}
OPEN, ALL = "To be done", "All"
Ask = Callable[[Shell, Order, Take], Awaitable[bool]]


async def page(ctx: Context, book: OrderBook) -> None:
    """Show all work orders."""
    with frame(ctx, here="/orders", title="Work orders") as shell:
        title("Work orders")
        OrderList(shell, book)


class OrderList:
    """A list that people work with: of all machines, or of one."""

    def __init__(self, shell: Shell, book: OrderBook, asset: Asset | None = None) -> None:
        self._shell, self._book, self._asset = shell, book, asset
        self._names: Mapping[str, str] = {}
        self._only_open = True
        Segments([OPEN, ALL], OPEN, self._on_span)
        with card() if asset is None else ui.element("div") as self._holder:
            columns = ["·No.", "Machine", "To do", "State", "·Planned for", "·Found", "·By", ""]
            self._table = Table(columns if asset is None else [c for c in columns if c != "Machine"])
            with ui.element("div") as self._empty:
                hint = "Open a work order on a machine's page." if asset is None else "No work order is open."
                empty("task_alt", "Nothing to be done", hint)
        self._empty.set_visibility(False)
        shell.every(READ_S, self.read)

    def _on_span(self, choice: str) -> None:
        self._only_open = choice == OPEN
        self._shell.ctx.task(self.read(), name="work orders")

    async def read(self) -> None:
        """Show what the book holds of the machines that this person may see."""
        if self._asset is None:
            self._names = {asset.id: asset.name or asset.path for asset in await self._shell.ctx.client.assets.list()}
        else:
            self._names = {self._asset.id: self._asset.name or self._asset.path}
        wanted = self._asset.id if self._asset else None
        orders = await asyncio.to_thread(partial(self._book.orders, asset=wanted, closed=not self._only_open))
        rows = [self._row(order) for order in orders if order.asset in self._names]
        self._table.show(rows)
        self._empty.set_visibility(not rows)

    def _row(self, order: Order) -> Row:
        found = f"{words(order.found)}: {order.part}" if order.found and order.part else words(order.found or "")
        cells = (
            Cell(str(order.number), "sub"),
            *([Cell(self._names[order.asset], href=f"/asset/{order.asset}")] if self._asset is None else ()),
            Cell(order.title, more=order.note),
            Cell(words(order.state), "chip", TONE[order.state]),
            Cell(day_text(order.planned_for_ns), "time"),
            Cell(found or NOTHING),
            Cell(order.changed_by, "sub"),
        )
        return Row(str(order.number), cells, actions=self._actions(order))

    def _actions(self, order: Order) -> tuple[tuple[str, Callable[[], object]], ...]:
        if order.is_closed or not self._shell.ctx.can(MAY_WORK):
            return ()
        ways: tuple[tuple[str, Ask], ...] = (("Plan", ask_plan), ("Done", ask_done), ("Dismiss", ask_dismiss))
        return tuple((word, partial(self._take, order, ask)) for word, ask in ways)

    async def _take(self, order: Order, ask: Ask) -> None:
        async def take(step: Step) -> None:
            after = await asyncio.to_thread(self._book.take, order.number, step)
            ui.notify(f"Order {order.number}: {words(after.state)}", type="positive")

        with self._holder:  # not the row, which is drawn again where another order appears
            is_taken = await ask(self._shell, order, take)
        if is_taken:
            await self._shell.attempt("work orders", self.read)


class MachineOrders:
    """The card of one machine: its orders, and the way to open one with what the evidence suggests."""

    def __init__(self, shell: Shell, book: OrderBook, asset: Asset, *, suspected: Callable[[], str]) -> None:
        self._shell, self._book, self._asset, self._suspected = shell, book, asset, suspected
        with card("Work orders"):
            if shell.ctx.can(MAY_WORK):
                with ui.element("div").classes("ps-row"):
                    button = ui.button("Open a work order", on_click=self._open, color=None)
                    button.props("outline dense no-caps").classes("ps-action").mark("open-order")
            self._list = OrderList(shell, book, asset)

    async def _open(self) -> None:
        suspected = self._suspected()

        async def take(title: str) -> None:
            opening = partial(self._book.open, self._asset.id, title, suspected=suspected, by=who(self._shell.ctx),
                              at_ns=self._shell.now_ns)  # fmt: skip
            order = await asyncio.to_thread(opening)
            ui.notify(f"Order {order.number} is open", type="positive")

        if await ask_open(f"Inspect: {suspected}" if suspected else "", take):
            await self._shell.attempt("work orders", self._list.read)
