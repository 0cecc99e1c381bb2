"""The model of one machine: its versions, how well it still describes the machine, a new fit, two versions compared."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

from nicegui import ui

from penstock.apps.house.figures import NOTHING, duration_text, moment_text, number_text
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import card, empty, title
from penstock.apps.maintenance.channels import all_channels
from penstock.apps.maintenance.detection.fitting import Rows
from penstock.apps.maintenance.detection.model import ModelError
from penstock.apps.maintenance.frame import frame
from penstock.apps.maintenance.machine import asset_of
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.reading import rows_between
from penstock.apps.maintenance.state.alarms import alarm_spans
from penstock.apps.maintenance.state.artefacts import Artefact, ArtefactError
from penstock.apps.maintenance.state.compare import ROWS_MAX, Tried, compared
from penstock.apps.maintenance.state.healthy import ALSO, intervals_text
from penstock.apps.maintenance.state.lessons import Lessons, Precision, Span, lessons_of, precision_of
from penstock.apps.maintenance.state.model_cards import CompareCard, NewVersion, StandingCard
from penstock.apps.maintenance.worker import Fleet
from penstock.sdk.app import Context
from penstock.sdk.models import Asset

READ_S = 2.0
TAUGHT_S = 30.0
"""Between looks at what orders and alarms teach: each alarm's journal is a request."""
MAY_NAME = "assets:write"
"""Who may change an asset may say when it was healthy."""


async def page(ctx: Context, fleet: Fleet, book: OrderBook, asset_id: str) -> None:
    """Show one machine's model."""
    with frame(ctx, here="/models", title="Model") as shell:
        MachineModel(shell, fleet, book, asset_id=asset_id)


@dataclass(frozen=True, slots=True)
class Taught:
    """What orders say of a machine."""

    lessons: Lessons
    precision: Precision


async def taught_of(shell: Shell, book: OrderBook, asset_id: str) -> Taught:
    """Read orders and alarms of a machine with the rights of who looks."""
    labels = await asyncio.to_thread(partial(book.labels, asset=asset_id))
    alarms = await alarm_spans(shell.ctx.client, asset_id, shell.now_ns) if labels else ()
    return Taught(lessons_of(labels, alarms), precision_of(labels))


class MachineModel:
    """The page of one machine's model in one browser tab."""

    def __init__(self, shell: Shell, fleet: Fleet, book: OrderBook, *, asset_id: str) -> None:
        self._shell, self._fleet, self._book, self._id = shell, fleet, book, asset_id
        self._asset: Asset | None = None
        self._versions: list[Artefact] = []
        self._taught = Taught(Lessons(), Precision(0, 0))
        self._taught_ns = 0
        self._title = title("…")
        self._path = ui.label("").classes("ps-path")
        with ui.element("div").classes("ps-two"):
            self._standing = StandingCard()
            self._new = NewVersion(self._fit) if shell.ctx.can(MAY_NAME) else None
        with card("Versions"):
            ui.label("The one in use judges what comes from now on; what was said before stays.").classes("ps-sub")
            self._table = Table(
                ["Version", "·Fitted", "Healthy from", "·until", "›·Rows", "›Highest limit", "·Left out", ""]
            )  # fmt: skip
            with ui.element("div") as self._none:
                empty("monitor_heart", "No model is fitted yet", "Name a healthy stretch under Models.")
        self._none.set_visibility(False)
        self._compare = CompareCard(self._try)
        shell.every(READ_S, self._read)

    async def _read(self) -> None:
        asset = self._asset = await asset_of(self._shell, self._id)
        if asset is None:
            self._title.set_text("No such asset")
            self._path.set_text("It may have been removed, or the link is old.")
            return
        self._title.set_text(f"Model of {asset.name or asset.path}")
        self._path.set_text(asset.path.replace("/", " › "))
        now_ns, artefacts = self._shell.now_ns, self._fleet.artefacts
        self._versions = await asyncio.to_thread(lambda: list(artefacts.whole(self._id)))
        used = await asyncio.to_thread(self._used)
        if now_ns - self._taught_ns > TAUGHT_S * 1e9:
            self._taught = await taught_of(self._shell, self._book, self._id)
            self._taught_ns = now_ns
        watch = self._fleet.watches.get(self._id)
        self._standing.show(watch.drift if watch else None, self._taught.precision)
        self._table.show([self._row(each, used, now_ns) for each in self._versions])
        self._none.set_visibility(not self._versions)
        self._compare.offer([each.number for each in self._versions], used)
        if self._new is not None:
            is_asked = self._fleet.is_asked(self._id)
            newest = next(iter(self._versions), None)
            self._new.show(newest, self._taught.lessons, now_ns=now_ns, is_asked=is_asked)
            self._new.say(self._fleet.fit_failed.get(self._id, "") or self._fleet.unfit.get(self._id, ""))

    def _used(self) -> int | None:
        try:
            used = self._fleet.artefacts.used(self._id)
        except (ArtefactError, ModelError):
            return None
        return used.number if used else None

    def _row(self, each: Artefact, used: int | None, now_ns: int) -> Row:
        on = each.model.fitted_on
        times = [Cell(moment_text(t, now_ns=now_ns), "time") for t in (each.fitted_ns, *each.healthy.fit)]
        more = f", {len(each.healthy.also)} more stretches for the limits" if each.healthy.also else ""
        left = sum(end - begin for begin, end in each.left_out)
        can_use = self._shell.ctx.can(MAY_NAME) and each.number != used
        return Row(
            str(each.number),
            (
                Cell(f"{each.number}, in use" if each.number == used else str(each.number), tip=f"SHA-256 {on.digest}"),
                *times,
                Cell(f"{on.fit_rows} + {on.limit_rows}", "num", tip=f"fitted on, and for the limits{more}"),
                Cell(number_text(float(each.model.limits.max()), digits=3), "num"),
                Cell(duration_text(left / 1e9) if left else NOTHING, tip="An order found a fault there"),
            ),
            actions=(("Use", partial(self._use, each.number)),) if can_use else (),
        )

    async def _use(self, number: int) -> None:
        await asyncio.to_thread(self._fleet.artefacts.use, self._id, number)
        ui.notify(f"Version {number} is used from the next look on", type="positive")
        await self._shell.attempt("model", self._read)

    async def _fit(self, also: tuple[Span, ...]) -> None:
        """Ask for a new version; `also`: stretches in which orders found nothing, whose rows give limits too."""

        async def write() -> None:
            asset = await self._shell.ctx.client.assets.retrieve(self._id)
            kept = {p.name: p.value for p in asset.properties if p.kind == "attribute"}
            named = intervals_text(also)
            if (kept.get(ALSO) or "") != named:
                changed = {**kept, ALSO: named} if named else {n: v for n, v in kept.items() if n != ALSO}
                await self._shell.ctx.client.assets.update(self._id, attributes=changed)
            self._fleet.ask_fit(self._id)

        if await self._shell.attempt("new version", write):
            ui.notify("A new version is fitted at the next look", type="positive")

    async def _try(self, one: int, other: int) -> tuple[Tried, Tried] | str:
        """Run two versions over recent rows; a sentence where they cannot be compared."""
        asset = self._asset
        chosen = [next((v for v in self._versions if v.number == n), None) for n in (one, other)]
        if asset is None or chosen[0] is None or chosen[1] is None:
            return "There is no such version any more."
        channels = all_channels(asset.properties)
        names = tuple(channel.name for channel in channels)
        for each in chosen:
            if each is not None and each.model.fitted_on.channels != names:
                return f"Version {each.number} is of other channels than the machine has now."
        client = self._shell.ctx.client
        newest = [each.time for each in await client.latest([channel.tag for channel in channels]) if each.time]
        if not newest:
            return "There are no rows to compare on."
        span = (max(newest) - ROWS_MAX * max(chosen[0].period_ns, 1), max(newest) + 1)
        rows = Rows(*await rows_between(client, channels, span)).part(0, ROWS_MAX)
        return await asyncio.to_thread(compared, chosen[0], chosen[1], rows, self._taught.lessons.faulty)
