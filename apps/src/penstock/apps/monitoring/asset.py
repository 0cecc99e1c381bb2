"""The asset page: live values with quality and age, a trend of the chosen one, the asset's alarms and attributes."""

from __future__ import annotations

from nicegui import ui

from penstock.apps.house.figures import age_text, moment_text, unit_text, value_text, words
from penstock.apps.house.plant import PlantReader, Reading, Standing, with_latest
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.trend import Trend
from penstock.apps.house.widgets import card, chip, empty, plain_heading, title, toned
from penstock.apps.monitoring.frame import frame
from penstock.apps.monitoring.states import Mark, alarm_words, state_word
from penstock.apps.monitoring.tree import Tree
from penstock.sdk.app import Context
from penstock.sdk.models import Latest
from penstock.sdk.resources.streaming import StreamBatch

ACTIVE_MAX = 500
"""Active alarms looked at for the tree's marks."""
VALUES_S = 5.0
"""The stream brings values at once; this reads what it cannot: new tags, and ages while nothing comes."""
AGES_S = 1.0
STAMPED_AHEAD = "A later sample, stamped in the future, waits; is the device's clock right?"
QUALITY_WORDS = {"good": "Good", "uncertain": "Uncertain", "bad": "Bad", "stale": "Stale", "none": "No value yet"}


async def page(ctx: Context, asset_id: str) -> None:
    """Show one asset."""
    with frame(ctx, here="", title="Asset") as shell:
        AssetPage(shell, asset_id)


class AssetPage:
    """One asset in one browser tab."""

    def __init__(self, shell: Shell, asset_id: str) -> None:
        self._shell, self._id = shell, asset_id
        self._reader = PlantReader(shell.ctx.client)
        self._tree = Tree(asset_id)
        self._chosen: int | None = None
        self._streaming = False
        self._known = False
        self._head()
        with ui.element("div").classes("ps-two") as self._body:
            with card("Live values"):
                self._values = Table(["Property", "›Value", "Quality", "›·Age"])
                self._no_values = ui.label("No tag is bound to this asset yet.").classes("ps-sub")
                self._ahead = ui.label("").classes("ps-sub ps-caution")
            with ui.element("div").classes("ps-stack"):
                with card():
                    self._chart_title = plain_heading("Trend")
                    self._trend = Trend(shell)
                with card("Computed by apps") as self._computed_card:
                    self._computed = Table(["Property", "›Value", "Quality", "›·Age"])
                with card("Alarms of this asset"):
                    self._alarms = Table(["State", "Message", "·Raised", "·Cleared"])
                    self._no_alarms = ui.label("No alarm has been raised here.").classes("ps-sub")
                with card("Attributes"):
                    self._attributes = Table(["Attribute", "›Value"])
                    self._no_attributes = ui.label("None.").classes("ps-sub")
        self._computed_card.set_visibility(False)
        self._no_values.set_visibility(False)
        self._ahead.set_visibility(False)
        shell.every(VALUES_S, self._read)
        shell.every(VALUES_S, self._read_alarms)
        ui.timer(AGES_S, self._show)

    def _head(self) -> None:
        with ui.element("div").classes("ps-row"):
            ui.button(icon="account_tree", on_click=self._tree.drawer.toggle, color=None).props(
                'flat dense round aria-label="asset tree"'
            )
            self._title = title("…")
            self._state = chip("")
            self._state.set_visibility(False)
        self._path = ui.label("").classes("ps-path")

    async def _read(self) -> None:
        roots = await self._shell.ctx.client.assets.tree()
        await self._reader.read()
        standings = {s.asset.id: s for s in self._reader.standings()}
        severities = await self._severities()
        marks = {i: Mark.of(s.freshness.value, severities.get(i, ())) for i, s in standings.items()}
        self._tree.show(roots, marks)
        standing = standings.get(self._id)
        if standing is None:
            self._absent()
            return
        if not self._known:
            self._known = True
            self._describe(standing)
        await self._choose_first(standing)
        self._stream(standing)
        self._show()

    async def _severities(self) -> dict[str, list[int]]:
        """Give the severities of active alarms by asset; none for who may not see alarms."""
        found: dict[str, list[int]] = {}
        if self._shell.ctx.can("alarms:read"):
            for alarm in await self._shell.ctx.client.alarms.list(active=True, limit=ACTIVE_MAX):
                found.setdefault(alarm.asset or "", []).append(alarm.severity)
        return found

    def _absent(self) -> None:
        self._title.set_text("No such asset")
        if not self._known:
            self._body.clear()
            with self._body:
                empty("search_off", "This asset is not in the plant", "It may have been removed, or the link is old.")

    def _describe(self, standing: Standing) -> None:
        asset = standing.asset
        self._title.set_text(asset.name or asset.path.rsplit("/", 1)[-1])
        ui.page_title(f"{asset.name or asset.path} · Penstock Monitoring")
        kind = f" · {words(asset.type)}" if asset.type else ""
        self._path.set_text(asset.path.replace("/", " › ") + kind)
        attributes = [p for p in asset.properties if p.kind == "attribute"]
        self._attributes.show(
            [Row(p.name, (Cell(words(p.name)), Cell(value_text(p.value, p.unit), "num"))) for p in attributes]
        )
        self._no_attributes.set_visibility(not attributes)

    async def _choose_first(self, standing: Standing) -> None:
        if self._chosen is None and standing.readings:
            await self._choose((standing.key_values(1) or list(standing.readings))[0])

    async def _choose(self, reading: Reading) -> None:
        self._chosen = reading.tag.id
        unit = unit_text(reading.tag.unit)
        self._chart_title.set_text(words(reading.name) + (f" in {unit}" if unit else ""))
        self._show()
        await self._trend.show(reading.tag)

    def _stream(self, standing: Standing) -> None:
        """Follow the asset's tags; a new tag of it is read by the timer, and streamed at the next visit."""
        if not self._streaming and standing.readings:
            self._streaming = True
            self._shell.ctx.task(self._follow([r.tag.id for r in standing.readings]), name="live values")

    async def _follow(self, tags: list[int]) -> None:
        while True:
            await self._shell.attempt("live values", lambda: self._follow_once(tags))

    async def _follow_once(self, tags: list[int]) -> None:
        async for batch in self._shell.ctx.client.stream(tags, ignore_bad=False):
            self._take(batch)

    def _take(self, batch: StreamBatch) -> None:
        for sample in batch.samples:
            known = self._reader.latest.get(sample.tag) or Latest(sample.tag, sample.key)
            if known.time is None or sample.time >= known.time:
                newer = with_latest(known, time_ns=sample.time, value=sample.value, status=sample.status)
                self._reader.latest[sample.tag] = newer
        self._trend.take(batch.samples)

    def _show(self) -> None:
        standing = next((s for s in self._reader.standings() if s.asset.id == self._id), None)
        if standing is None:
            return
        kinds = {p.name: p.kind for p in standing.asset.properties}
        computed = [r for r in standing.readings if kinds.get(r.name) == "metric"]
        measured = [r for r in standing.readings if kinds.get(r.name) != "metric"]
        self._values.show([self._row(r) for r in measured])
        self._computed.show([self._row(r) for r in computed])
        self._computed_card.set_visibility(bool(computed))
        self._no_values.set_visibility(not measured)
        ahead = [words(r.name) for r in standing.readings if r.waits_in_future]
        self._ahead.set_visibility(bool(ahead))
        self._ahead.set_text(f"{', '.join(ahead)}: {STAMPED_AHEAD[0].lower()}{STAMPED_AHEAD[1:]}")
        state = standing.state
        self._state.set_visibility(state is not None and state.latest is not None)
        if state is not None and state.latest is not None:
            self._state.set_text(state_word(state.name, state.latest.value))
            toned(self._state, "stale" if state.freshness.value == "stale" else "mute")

    def _row(self, reading: Reading) -> Row:
        value = reading.latest.value if reading.latest else None
        tone = reading.freshness.value
        tip = STAMPED_AHEAD if reading.waits_in_future else ""
        cells = (
            Cell(words(reading.name), tip=tip),
            Cell(value_text(value, reading.tag.unit), "value", tone, tip=tip),
            Cell(QUALITY_WORDS[tone], "chip", tone),
            Cell(age_text(reading.age_s), "num"),
        )
        picked = reading.tag.id == self._chosen
        return Row(str(reading.tag.id), cells, pick=lambda: self._choose(reading), picked=picked)

    async def _read_alarms(self) -> None:
        found = await self._shell.ctx.client.alarms.list(asset=self._id, limit=20)
        now_ns = self._shell.now_ns
        rows = []
        for alarm in found:
            word, tone = alarm_words(alarm.state)
            cells = (
                Cell(word, "chip", tone),
                Cell(alarm.message or "Limit passed", href=f"/alarms?asset={self._id}"),
                Cell(moment_text(alarm.activated, now_ns=now_ns), "time"),
                Cell(moment_text(alarm.cleared, now_ns=now_ns), "time"),
            )
            rows.append(Row(alarm.id, cells))
        self._alarms.show(rows)
        self._no_alarms.set_visibility(not found)
