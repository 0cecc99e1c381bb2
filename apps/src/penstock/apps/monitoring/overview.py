"""The plant overview: figures of the whole, and a card for each asset by site and area."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from nicegui import ui

from penstock.apps.house.figures import NARROW, Freshness, age_text, count_text, value_text, words
from penstock.apps.house.plant import PlantReader, Reading, Standing, area_of
from penstock.apps.house.shell import Shell
from penstock.apps.house.widgets import Tile, chip, empty, heading, loading, title, toned
from penstock.apps.monitoring.frame import frame
from penstock.apps.monitoring.states import Live, Mark, is_unacknowledged, state_word
from penstock.apps.monitoring.tree import show_mark
from penstock.sdk.app import Context
from penstock.sdk.models import Alarm, Gateway

VALUES_S = 2.0
FIGURES_S = 5.0


async def page(ctx: Context) -> None:
    """Show the plant."""
    with frame(ctx, here="/", title="Plant") as shell:
        title("Plant")
        with ui.element("div").classes("ps-tiles"):
            tiles = Figures()
        board = Board(ui.element("div").classes("ps-board"))
        reader = PlantReader(ctx.client)
        alarms: dict[str, list[Alarm]] = {}

        async def read_values() -> None:
            try:
                await reader.read()
            finally:  # without the platform the values go on ageing
                if reader.read_ns is not None:
                    found = reader.standings()
                    tiles.show_values(found)
                    board.show(found, alarms)

        async def read_figures() -> None:
            active = await ctx.client.alarms.list(active=True, limit=500)
            alarms.clear()
            for alarm in active:
                alarms.setdefault(alarm.asset or "", []).append(alarm)
            tiles.show_alarms(active)
            await _read_delivery(shell, tiles)

        shell.every(VALUES_S, read_values)
        shell.every(FIGURES_S, read_figures)


async def _read_delivery(shell: Shell, tiles: Figures) -> None:
    client = shell.ctx.client
    if shell.ctx.can("ledger:read"):
        tiles.show_delivery(await client.ledger.summary(start="1h-ago"))
    if shell.ctx.can("gateways:read"):
        tiles.show_gateways(await client.gateways.list())


class Figures:
    """The tiles on top."""

    def __init__(self) -> None:
        self._assets = Tile("Assets")
        self._fresh = Tile("Live values")
        self._alarms = Tile("Active alarms", href="/alarms")
        self._delivery = Tile("Samples in the last hour", href="/delivery")
        self._gateways = Tile("Gateways", href="/gateways")

    def show_values(self, found: Sequence[Standing]) -> None:
        """Count assets, and values that are live and Good."""
        areas = len({area_of(s.asset.path) for s in found})
        self._assets.show(str(len(found)), f"in {areas} area{'s' if areas != 1 else ''}")
        readings = [r for s in found for r in s.readings if r.freshness is not Freshness.NONE]
        count = {f: sum(r.freshness is f for r in readings) for f in Freshness}
        worst = "bad" if count[Freshness.BAD] else "warn" if count[Freshness.STALE] else "mute"
        parts = [f"{count[f]} {f.value}" for f in (Freshness.BAD, Freshness.STALE, Freshness.UNCERTAIN) if count[f]]
        note = ", ".join(parts) or ("all Good" if readings else "none yet")
        self._fresh.show(f"{count[Freshness.GOOD]}{NARROW}/{NARROW}{len(readings)}", note, worst)

    def show_alarms(self, active: Sequence[Alarm]) -> None:
        """Count active alarms and those nobody has acknowledged."""
        unacknowledged = sum(is_unacknowledged(a.state) for a in active)
        tone = "bad" if unacknowledged else "warn" if active else "mute"
        note = f"{unacknowledged} to acknowledge" if unacknowledged else "all acknowledged" if active else "none"
        self._alarms.show(str(len(active)), note, tone)

    def show_delivery(self, summary: Mapping[str, Any]) -> None:
        """Show what was stored, and whatever the ledger finds wrong."""
        wrong = [
            f"{count_text(summary.get(key))} {word}"
            for key, word in (
                ("missing_batches", "missing"),
                ("future", "stamped in the future"),
                ("open_gaps", "open gaps"),
                ("drops", "dropped"),
                ("rejects", "rejected"),
                ("quarantined_batches", "batches quarantined"),
            )
            if summary.get(key)
        ]
        tone = (
            "bad"
            if summary.get("missing_batches") or summary.get("quarantined_batches")
            else "warn"
            if wrong
            else "mute"
        )
        self._delivery.show(count_text(summary.get("stored")), ", ".join(wrong) or "nothing missing", tone)

    def show_gateways(self, gateways: Sequence[Gateway]) -> None:
        """Count the gateways that are connected."""
        online = sum(Live.of(g.state).tone == "good" for g in gateways)
        note = "all connected" if online == len(gateways) else f"{len(gateways) - online} away"
        tone = "mute" if online == len(gateways) else "bad"
        self._gateways.show(f"{online}{NARROW}/{NARROW}{len(gateways)}", note if gateways else "none enrolled", tone)


class Board:
    """The cards, rebuilt only when assets or their key values come or go."""

    def __init__(self, holder: ui.element) -> None:
        self._holder = holder
        self._shape: list[Any] | None = None
        self._cards: dict[str, Card] = {}
        with holder:
            loading()

    def show(self, found: Sequence[Standing], alarms: Mapping[str, list[Alarm]]) -> None:
        """Show the assets, grouped by area."""
        shape = [(s.asset.id, s.asset.name, [r.tag.id for r in s.key_values()]) for s in found]
        if shape != self._shape:
            self._shape = shape
            self._build(found)
        for standing in found:
            self._cards[standing.asset.id].show(standing, alarms.get(standing.asset.id, []))

    def _build(self, found: Sequence[Standing]) -> None:
        self._holder.clear()
        self._cards.clear()
        with self._holder:
            if not found:
                empty(
                    "precision_manufacturing",
                    "No asset yet",
                    "Drop a device file into the plant's devices folder: the device shows up here by itself.",
                )
            ordered = sorted(found, key=lambda s: (area_of(s.asset.path), s.asset.path))
            for area, standing_here in groupby(ordered, key=lambda s: area_of(s.asset.path)):
                heading(" › ".join(words(part) for part in area.split("/")))
                with ui.element("div").classes("ps-grid"):
                    for standing in standing_here:
                        self._cards[standing.asset.id] = Card(standing)


class Card:
    """One asset."""

    def __init__(self, standing: Standing) -> None:
        asset = standing.asset
        with ui.link(target=f"/asset/{asset.id}").classes("ps-card ps-link ps-asset") as self._outer:
            with ui.element("div").classes("ps-row"):
                self._dot = ui.element("span").classes("ps-dot")
                with ui.element("div").classes("ps-grow"):
                    ui.label(asset.name or asset.path.rsplit("/", 1)[-1]).classes("ps-name")
                self._state = chip("")
                self._alarms = chip("", "bad")
            self._values: list[ui.label] = []
            with ui.element("dl").classes("ps-values"):
                for reading in standing.key_values():
                    with ui.element("div"):
                        ui.label(words(reading.name)).classes("ps-sub")
                        self._values.append(ui.label("").classes("ps-value"))
            self._foot = ui.label("").classes("ps-sub")

    def show(self, standing: Standing, alarms: Sequence[Alarm]) -> None:
        """Set the newest values."""
        mark = Mark.of(standing.freshness.value, [a.severity for a in alarms])
        show_mark(self._dot, mark)
        state = standing.state
        self._state.set_visibility(state is not None and state.latest is not None and state.latest.value is not None)
        if state is not None and state.latest is not None:
            toned(self._state, "stale" if state.freshness is Freshness.STALE else "mute")
            self._state.set_text(state_word(state.name, state.latest.value))
        self._alarms.set_visibility(bool(alarms))
        toned(self._alarms, mark.tone)
        self._alarms.set_text("1 alarm" if len(alarms) == 1 else f"{len(alarms)} alarms")
        for label, reading in zip(self._values, standing.key_values(), strict=False):
            label.set_text(value_text(reading.latest.value if reading.latest else None, reading.tag.unit))
            toned(label, reading.freshness.value)
        self._foot.set_text(_foot(standing))


def _foot(standing: Standing) -> str:
    if not standing.readings:
        return "No tag is bound to this asset yet"
    ages = [r.age_s for r in standing.readings if r.age_s is not None]
    if not ages:
        return f"{len(standing.readings)} values, nothing received yet"
    ahead = sum(r.waits_in_future for r in standing.readings)
    waits = f" · {ahead} stamped in the future" if ahead else ""
    return f"{len(standing.readings)} values · newest {_when(min(ages))}{_worst(standing.readings)}{waits}"


def _when(age_s: float) -> str:
    text = age_text(age_s)
    return text if text == "now" else f"{text} ago"


def _worst(readings: Sequence[Reading]) -> str:
    counts = [(f, sum(r.freshness is f for r in readings)) for f in (Freshness.BAD, Freshness.STALE)]
    return "".join(f" · {n} {f.value}" for f, n in counts if n)
