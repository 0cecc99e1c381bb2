"""The fleet page: every watched machine, ranked by what may happen to it or by what that would cost.

The order is made of what the app last said of each machine, without a request; only the machines on the page shown are
read from the historian, with the rights of who looks.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nicegui import ui

from penstock.apps.house.figures import NOTHING, count_text
from penstock.apps.house.pager import Pager
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Row, Table
from penstock.apps.house.widgets import Segments, Tile, card, empty, title
from penstock.apps.maintenance.assessment import Phase
from penstock.apps.maintenance.fleet_row import COLUMNS, Told, fleet_row, money_text
from penstock.apps.maintenance.frame import frame
from penstock.apps.maintenance.judging import HEALTH
from penstock.apps.maintenance.machine import Machine, active_alarms, limit_of, machines_of
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.order import Order
from penstock.apps.maintenance.risk.rank import URGENT, By, Risk, Step, ranked, total_loss
from penstock.apps.maintenance.risk.standing import SUSPECTED, Modes, mode_of, modes_of, risk_of
from penstock.apps.maintenance.watch import Watch
from penstock.apps.maintenance.worker import Fleet
from penstock.sdk.app import Context
from penstock.sdk.models import Alarm, Asset, Tag

READ_S = 2.0
LOOK_S = 30.0
"""Between looks at which machines there are and what they cost: the whole plant's answer is large."""
ROWS = 20
"""Machines on a page: with five tags each one request of the platform's most."""
SUSPECTS_MAX = 500
"""Machines whose suspected part is read though they are not shown: those with the least health."""
SOUND = 95.0
"""Health at and above which nobody asks what is suspected."""
ALL, TO_ACT, LOW = "All", "To act on", "Below their limit"


async def page(ctx: Context, fleet: Fleet, book: OrderBook) -> None:
    """Show the fleet."""
    with frame(ctx, here="/", title="Fleet") as shell:
        FleetPage(shell, fleet, book)


@dataclass(frozen=True, slots=True)
class Entry:
    """A machine as it is ranked: the newest health that was said, and its risk."""

    watch: Watch
    risk: Risk
    health: float | None

    @property
    def name(self) -> str:
        """Give its name, or its path."""
        return self.watch.asset.name or self.watch.asset.path

    @property
    def is_low(self) -> bool:
        """Say whether the health is below the limit."""
        return self.health is not None and self.health < limit_of(self.watch)


class FleetPage:
    """The tiles, the choices and the table."""

    def __init__(self, shell: Shell, fleet: Fleet, book: OrderBook) -> None:
        self._shell, self._fleet, self._book = shell, fleet, book
        self._assets: dict[str, Asset] = {}
        self._suspects: dict[str, Tag] = {}
        self._suspected: dict[str, str] = {}
        self._modes: Modes = {}
        self._looked_s = float("-inf")
        self._by, self._only, self._text = By.RISK, ALL, ""
        title("Fleet")
        with ui.element("div").classes("ps-tiles"):
            self._count, self._low = Tile("Machines watched"), Tile("Below their limit")
            self._act, self._loss = Tile("Stop or repair"), Tile("Expected loss")
        with ui.element("div").classes("ps-row ps-wrap"):
            self._filter = ui.input(placeholder="Filter by machine or part", on_change=self._on_filter)
            self._filter.props("outlined dense clearable").classes("ps-filter").mark("fleet-filter")
            Segments([ALL, TO_ACT, LOW], ALL, self._on_only)
            Segments([By.RISK, By.MONEY], By.RISK, self._on_by)
        with card():
            self._table = Table(COLUMNS)
            with ui.element("div") as self._empty:
                empty(
                    "vibration",
                    "No machine is watched yet",
                    "An asset is watched as soon as a vibration velocity (mm/s) is bound to it, or a healthy "
                    "stretch of it is named under Models.",
                )
            with ui.element("div") as self._none:
                empty("filter_alt", "No machine like that", "Take the filter away to see the others.")
            self._pager = Pager(ROWS, self._again)
        self._empty.set_visibility(False)
        self._none.set_visibility(False)
        shell.every(READ_S, self._read)

    def _on_filter(self) -> None:
        self._text = (self._filter.value or "").strip().lower()
        self._from_start()

    def _on_only(self, choice: str) -> None:
        self._only = choice
        self._from_start()

    def _on_by(self, choice: str) -> None:
        self._by = By(choice)
        self._from_start()

    def _from_start(self) -> None:
        self._pager.to_start()
        self._again()

    def _again(self) -> None:
        async def once() -> None:
            await self._shell.attempt("fleet", self._read)

        self._shell.ctx.task(once(), name="fleet")

    async def _read(self) -> None:
        if self._fleet.failure is not None and not self._fleet.watches:
            raise self._fleet.failure
        alarms = await active_alarms(self._shell)
        if time.monotonic() - self._looked_s > LOOK_S:
            await self._look(alarms)
        entries = self._entries(alarms)
        self._show_tiles(entries)
        chosen = [e for e in entries if self._is_wanted(e)]
        by_asset = {e.risk.asset: e for e in chosen}
        order = ranked([e.risk for e in chosen], self._by, currency=self._fleet.costs.default.currency)
        shown = [by_asset[risk.asset] for risk in order[self._pager.part(len(order))]]
        machines = await machines_of(self._shell, [e.watch for e in shown], alarms, self._suspects)
        for machine in machines:
            if (said := machine.more.get(SUSPECTED)) is not None:
                self._suspected[machine.watch.asset.id] = said.value if isinstance(said.value, str) else ""
        orders = await asyncio.to_thread(self._book.open_by_asset)
        self._table.show([self._row(e, machine, orders) for e, machine in zip(shown, machines, strict=True)])
        self._empty.set_visibility(not entries)
        self._none.set_visibility(bool(entries) and not chosen)

    async def _look(self, alarms: Mapping[str, Alarm]) -> None:
        """See which machines there are, what they cost, and what is suspected of those that are not well."""
        client = self._shell.ctx.client
        self._assets = {asset.id: asset for asset in await client.assets.list()}
        tags = await client.tags.list(q=SUSPECTED)
        self._suspects = {t.asset: t for t in tags if t.property == SUSPECTED and t.asset in self._assets}
        self._modes = modes_of(await client.assets.types()) if self._suspects else {}
        unwell = sorted(
            (e.health or 0.0, e.watch.asset.id)
            for e in self._entries(alarms)
            if e.watch.asset.id in self._suspects and (e.risk.step in URGENT or (e.health or 0.0) < SOUND)
        )
        asked = {self._suspects[asset].id: asset for _, asset in unwell[:SUSPECTS_MAX]}
        newest = await client.latest([self._suspects[asset] for asset in asked.values()]) if asked else []
        self._suspected = {asked[each.tag]: each.value for each in newest if isinstance(each.value, str)}
        self._looked_s = time.monotonic()

    def _entries(self, alarms: Mapping[str, Alarm]) -> list[Entry]:
        """Give the machines that this person may see."""
        found = []
        for watch in list(self._fleet.watches.values()):
            asset = self._assets.get(watch.asset.id)
            if asset is None or watch.health_tag is None:
                continue
            alarmed = watch.rule is not None and watch.rule.id in alarms
            suspected = self._suspected.get(asset.id, "")
            risk = risk_of(
                watch, asset, self._fleet.costs, suspected=suspected, alarmed=alarmed, modes=self._modes
            )  # fmt: skip
            found.append(Entry(watch, risk, watch.told[HEALTH][1] if HEALTH in watch.told else None))
        return found

    def _is_wanted(self, entry: Entry) -> bool:
        if self._only == TO_ACT and entry.risk.step not in URGENT:
            return False
        if self._only == LOW and not entry.is_low:
            return False
        said = (entry.name, entry.watch.asset.path, self._suspected.get(entry.risk.asset, ""))
        return not self._text or any(self._text in text.lower() for text in said)

    def _show_tiles(self, entries: Sequence[Entry]) -> None:
        learning = sum(e.watch.model.phase is Phase.LEARNING for e in entries)
        note = (
            f"{learning} still learning, judged by zones alone" if learning else "by vibration, or their healthy state"
        )
        self._count.show(count_text(len(entries)), note)
        low = [e for e in entries if e.is_low]
        worst = min(low, key=lambda e: e.health or 0.0, default=None)
        note = f"lowest: {worst.name}, {worst.health:.0f} %" if worst else "none"
        self._low.show(count_text(len(low)), note, "bad" if low else "mute")
        urgent = [e for e in entries if e.risk.step in (Step.STOP, Step.ORDER)]
        inspect = sum(e.risk.step is Step.INSPECT for e in entries)
        self._act.show(count_text(len(urgent)), f"{inspect} more to inspect", "bad" if urgent else "mute")
        sums = total_loss([e.risk for e in entries])
        first, *others = [money_text(loss, currency) for currency, loss in sorted(sums.items())] or [NOTHING]
        self._loss.show(first, f"and {', '.join(others)}" if others else "within the notice of each")

    def _row(self, entry: Entry, machine: Machine, orders: Mapping[str, Order]) -> Row:
        asset = entry.risk.asset
        suspected = self._suspected.get(asset, "")
        mode = mode_of(self._modes, self._assets[asset].type, suspected)
        told = Told(suspected, mode.action if mode else "", orders.get(asset))
        return fleet_row(machine, entry.risk, told, now_ns=self._shell.now_ns)
