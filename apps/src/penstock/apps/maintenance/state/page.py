"""The models page: which machines are judged by all their channels, on which healthy stretch, by which version."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from nicegui import ui

from penstock.apps.house.figures import NOTHING, moment_text
from penstock.apps.house.pager import Pager
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import card, empty, title
from penstock.apps.maintenance.channels import all_channels
from penstock.apps.maintenance.detection.model import ModelError
from penstock.apps.maintenance.frame import frame
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.order import Label
from penstock.apps.maintenance.state.artefacts import Artefact, ArtefactError
from penstock.apps.maintenance.state.drift import Standing
from penstock.apps.maintenance.state.healthy import FIT
from penstock.apps.maintenance.state.lessons import Precision, precision_of
from penstock.apps.maintenance.state.model_cards import SAID, TONE, precision_text, psi_text
from penstock.apps.maintenance.state.plant_file import OF_PLANT_FILE, attributes_text, tell_plant_file
from penstock.apps.maintenance.state.prognoses import Prognoses
from penstock.apps.maintenance.state.scores_card import scores_card
from penstock.apps.maintenance.worker import Fleet
from penstock.sdk.app import Context
from penstock.sdk.errors import ConflictError
from penstock.sdk.models import Asset

READ_S = 2.0
ROWS = 50
"""Machines on a page."""
COLUMNS = (
    "Machine", "Version", "·Healthy from", "·until", "›·Rows", "›·Channels", "Describes it", "›·Found", "·Trouble", ""
)  # fmt: skip
MAY_NAME = "assets:write"
"""Who may change an asset may say when it was healthy."""
MINUTES = 16
"""Signs of 2026-11-27T08:00."""


async def page(ctx: Context, fleet: Fleet, book: OrderBook) -> None:
    """Show the models."""
    with frame(ctx, here="/models", title="Models") as shell:
        models = ModelsPage(shell, fleet, book)
        Prognoses(shell, fleet, lambda: models.assets)
        scores_card(fleet.settings)


class ModelsPage:
    """The table of models, and the form that names a healthy stretch."""

    def __init__(self, shell: Shell, fleet: Fleet, book: OrderBook) -> None:
        self._shell, self._fleet, self._book = shell, fleet, book
        self.assets: dict[str, Asset] = {}
        self._precision: dict[str, Precision] = {}
        title("Models of the healthy state")
        with card():
            self._table = Table(COLUMNS)
            with ui.element("div") as self._empty:
                empty("monitor_heart", "No machine is judged by its healthy state yet", "Name a stretch below.")
            self._pager = Pager(ROWS, self._again)
        self._empty.set_visibility(False)
        if shell.ctx.can(MAY_NAME):
            with card("Name a healthy stretch"):
                self._form()
        shell.every(READ_S, self._read)

    def _form(self) -> None:
        why = (
            "All numbers bound to the machine are then judged together, from the end of the stretch on. Times are UTC."
        )
        ui.label(why).classes("ps-sub")
        with ui.element("div").classes("ps-row ps-wrap"):
            self._asset = ui.select({}, label="Machine", with_input=True).props("outlined dense").mark("healthy-asset")
            self._asset.classes("ps-filter")
            self._begin = ui.input("Healthy from").props("outlined dense type=datetime-local").mark("healthy-from")
            self._end = ui.input("until").props("outlined dense type=datetime-local").mark("healthy-until")
            button = ui.button("Fit a model", on_click=self._name, color=None)
            button.props("outline dense no-caps").classes("ps-action").mark("healthy-fit")

    def _again(self) -> None:
        async def once() -> None:
            await self._shell.attempt("models", self._read)

        self._shell.ctx.task(once(), name="models")

    async def _read(self) -> None:
        found = await self._shell.ctx.client.assets.list()
        self.assets = {asset.id: asset for asset in found}
        if self._shell.ctx.can(MAY_NAME):
            offered = {a.id: a.name or a.path for a in found if all_channels(a.properties) or not a.properties}
            if self._asset.options != offered:
                self._asset.set_options(offered)
        used, troubles = await asyncio.to_thread(self._used, dict(self.assets), dict(self._fleet.unfit))
        self._precision = await asyncio.to_thread(self._visits)
        listed = [*used, *(asset for asset in troubles if asset not in used)]
        shown = listed[self._pager.part(len(listed))]
        self._table.show([self._row(asset, used.get(asset), troubles.get(asset, "")) for asset in shown])
        self._empty.set_visibility(not used and not troubles)

    def _used(
        self, assets: Mapping[str, Asset], unfit: Mapping[str, str]
    ) -> tuple[dict[str, Artefact], dict[str, str]]:
        """Give the version in use of each machine that this person may see, and why others have none.

        In a thread of its own, so it is given copies: the worker goes on meanwhile.
        """
        used, troubles = {}, {a: why for a, why in unfit.items() if a in assets}
        for asset in assets:
            try:
                artefact = self._fleet.artefacts.used(asset)
            except (ArtefactError, ModelError) as broken:
                troubles[asset] = str(broken)
                continue
            if artefact is not None:
                used[asset] = artefact
                troubles.pop(asset, None)
        return used, troubles

    def _visits(self) -> dict[str, Precision]:
        by: dict[str, list[Label]] = {}
        for label in self._book.labels():
            by.setdefault(label.asset, []).append(label)
        return {asset: precision_of(labels) for asset, labels in by.items()}

    def _row(self, asset_id: str, artefact: Artefact | None, trouble: str) -> Row:
        asset, now_ns = self.assets[asset_id], self._shell.now_ns
        name = Cell(asset.name or asset.path, href=f"/asset/{asset_id}")
        said = Cell(trouble or self._fleet.unfit.get(asset_id, "") or NOTHING, "sub")
        if artefact is None:
            return Row(asset_id, (name, *[Cell(NOTHING)] * (len(COLUMNS) - 3), said))
        on, stretch = artefact.model.fitted_on, artefact.healthy.fit
        visits = self._precision.get(asset_id, Precision(0, 0))
        cells = (
            name,
            Cell(f"{artefact.number}", tip=f"SHA-256 of its rows: {on.digest}"),
            Cell(moment_text(stretch[0], now_ns=now_ns), "time"),
            Cell(moment_text(stretch[1], now_ns=now_ns), "time"),
            Cell(f"{on.fit_rows} + {on.limit_rows}", "num", tip="fitted on, and for the limits"),
            Cell(f"{len(artefact.model.used)} of {len(on.channels)}", "num", tip=_left_out(artefact)),
            self._drift(asset_id),
            Cell(f"{visits.found} of {visits.done}" if visits.done else NOTHING, "num", tip=precision_text(visits)),
            said,
        )
        return Row(asset_id, cells, actions=(("Versions", partial(ui.navigate.to, f"/models/{asset_id}")),))

    def _drift(self, asset_id: str) -> Cell:
        watch = self._fleet.watches.get(asset_id)
        drift = watch.drift if watch else None
        standing = drift.standing if drift else Standing.UNKNOWN
        return Cell(standing.capitalize(), "chip", TONE[standing], tip=psi_text(drift) or SAID[standing])

    async def _name(self) -> None:
        asset_id, begin, end = self._asset.value, self._begin.value or "", self._end.value or ""
        if asset_id not in self.assets:
            ui.notify("Choose a machine", type="negative")
            return
        try:
            stretch = [_utc(text) for text in (begin, end)]
        except ValueError:
            ui.notify("Give both times, as 2026-11-27T08:00", type="negative")
            return
        if stretch[0] >= stretch[1]:
            ui.notify("The stretch must begin before it ends", type="negative")
            return

        if stretch[1].timestamp() > self._shell.now_ns / 1e9:
            ui.notify("The stretch must be over: it ends later than now, in UTC", type="negative")
            return
        named = dict(zip(FIT, (t.isoformat().replace("+00:00", "Z") for t in stretch), strict=True))
        elsewhere: list[tuple[Asset, str]] = []

        async def write() -> None:
            asset = await self._shell.ctx.client.assets.retrieve(asset_id)
            attributes = {p.name: p.value for p in asset.properties if p.kind == "attribute"} | named
            try:
                await self._shell.ctx.client.assets.update(asset_id, attributes=attributes)
            except ConflictError as refused:
                if refused.type != OF_PLANT_FILE:
                    raise
                elsewhere.append((asset, attributes_text(attributes)))

        if not await self._shell.attempt("healthy stretch", write):
            return
        if elsewhere:
            await tell_plant_file(*elsewhere[0])
        else:
            ui.notify("Named: the model is fitted as soon as the history holds all of it", type="positive")


def _utc(text: str) -> datetime:
    return datetime.fromisoformat(text[:MINUTES]).replace(tzinfo=UTC)


def _left_out(artefact: Artefact) -> str:
    """Say which channels are not judged, and which against a level that follows them."""
    said: Sequence[tuple[str, tuple[str, ...]]] = (
        ("never moved while healthy, or only counted: not judged", artefact.model.unjudged),
        ("held against a moving level", artefact.model.wandering),
    )
    return "; ".join(f"{what}: {', '.join(names)}" for what, names in said if names)
