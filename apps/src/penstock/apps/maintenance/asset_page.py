"""The page of one machine: its health, what it lost points to, the evidence, and the way to the alarm."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from nicegui import ui

from penstock.apps.house.figures import (
    NOTHING,
    age_text,
    duration_text,
    moment_text,
    number_text,
    unit_text,
    value_text,
    words,
)
from penstock.apps.house.said import trouble_of
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.trend import Trend
from penstock.apps.house.widgets import card, chip, empty, loading, title, toned
from penstock.apps.maintenance.advice_card import AdviceCard, unnamed_text
from penstock.apps.maintenance.assessment import Assessment, Finding
from penstock.apps.maintenance.channels import COSTLESS, Role
from penstock.apps.maintenance.condition.bands import bands_of
from penstock.apps.maintenance.condition.operating_card import OperatingCard
from penstock.apps.maintenance.condition.spectrum_card import SpectrumCard
from penstock.apps.maintenance.fleet_row import suspect_text
from penstock.apps.maintenance.frame import ZONE_TONE, change_text, frame, health_tone, phase_text, worst_of
from penstock.apps.maintenance.health import SPREADS
from penstock.apps.maintenance.machine import Machine, asset_of, machine_of
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.page import MachineOrders
from penstock.apps.maintenance.risk.rank import Step
from penstock.apps.maintenance.risk.standing import risk_of
from penstock.apps.maintenance.watch import Watch
from penstock.apps.maintenance.worker import Fleet
from penstock.apps.maintenance.zones import MEANING
from penstock.sdk.app import Context

READ_S = 2.0
STALE_S = 120.0
JUDGED_BY = {
    Role.VELOCITY: "ISO 20816 zones and its baseline",
    Role.BAND: "rise above its baseline, in dB",
    Role.TEMPERATURE: "rise above its baseline",
    Role.LOAD: "operating point",
    Role.SIGN: "sign of a failure mode, costs no points",
    Role.OTHER: "all channels together, as when healthy",
}


async def page(ctx: Context, fleet: Fleet, book: OrderBook, asset_id: str) -> None:
    """Show one machine."""
    with frame(ctx, here="", title="Machine") as shell:
        MachinePage(shell, fleet, book, asset_id=asset_id)


class MachinePage:
    """One machine in one browser tab."""

    def __init__(self, shell: Shell, fleet: Fleet, book: OrderBook, *, asset_id: str) -> None:
        self._shell, self._fleet, self._book, self._id = shell, fleet, book, asset_id
        self._drawn = False
        self._spectrum: SpectrumCard | None = None
        self._title = title("…")
        self._path = ui.label("").classes("ps-path")
        self._laboratory = ui.element("div").classes("ps-path")
        self._holder = ui.element("div").classes("ps-board")
        with self._holder:
            loading(2)
        shell.every(READ_S, self._read)

    async def _read(self) -> None:
        machine = await machine_of(self._shell, self._fleet, self._id)
        if machine is None:
            await self._say_absent()
            return
        if not self._drawn:
            await self._draw(machine)
        self._summary.show(machine, self._shell.now_ns)
        self._losses.show(machine.watch.newest)
        newest = machine.watch.newest
        unnamed = unnamed_text(machine.watch.judging, compares=not lacks_baseline(newest))
        self._advice.show(newest.diagnosis if newest else None, worst_of(newest), self._step(machine), unnamed=unnamed)
        self._evidence.show(evidence_rows(machine.watch, self._shell.now_ns))
        if newest is not None:
            self._operating.show(machine.watch.model.operating(newest))
        if self._spectrum is not None:
            self._spectrum.take(newest)
        needed_s = machine.watch.model.needed_s
        learning = needed_s > 0 and lacks_baseline(machine.watch.newest)
        self._learning.set_text(learning_text(needed_s) if learning else "")

    def _step(self, machine: Machine) -> Step:
        """Say what its risk asks for, as the fleet page does."""
        watch = machine.watch
        return risk_of(watch, watch.asset, self._fleet.costs, alarmed=machine.alarm is not None).step

    async def _say_absent(self) -> None:
        """Say that there is no such asset, or why this one is not watched."""
        is_there = await asset_of(self._shell, self._id) is not None
        self._title.set_text("Not watched" if is_there else "No such asset")
        if self._drawn:
            return
        self._holder.clear()
        with self._holder, card():
            if is_there:
                empty(
                    "vibration",
                    "This machine is not watched",
                    "It has no bound broad-band vibration velocity and no named healthy stretch (see Models), or "
                    "the app is still looking at the plant.",
                )
            else:
                empty("search_off", "This asset is not in the plant", "It may have been removed, or the link is old.")

    async def _draw(self, machine: Machine) -> None:
        self._drawn = True
        asset = machine.watch.asset
        self._title.set_text(asset.name or asset.path)
        self._path.set_text(asset.path.replace("/", " › "))
        if href := laboratory_href(self._fleet.settings.laboratory_url, asset.path):
            with self._laboratory:
                ui.link("Fault laboratory", href, new_tab=True).classes("ps-go")
        ui.page_title(f"{asset.name or asset.path} · Penstock Maintenance")
        alarms_href = await self._alarms_href()
        self._holder.clear()
        with self._holder:
            with ui.element("div").classes("ps-two"):
                with card("Health index"):
                    self._summary = Summary(alarms_href)
                with card("Points lost, by channel"):
                    self._losses = Losses(machine.watch)
            with card("What to do"):
                self._advice = AdviceCard()
            with card("Health over time"):
                trend = Trend(self._shell, span="1 h")
            with card("Evidence"):
                self._evidence = Table(["Channel", "›Reads", "›Expected", "›Change", "·Stands out since", "·Judged by"])
                self._learning = ui.label("").classes("ps-sub ps-caution")
            with card("Operating point"):
                self._operating = OperatingCard()
            if bands := bands_of(machine.watch.channels):
                with card("Vibration by frequency"):
                    self._spectrum = SpectrumCard(self._shell, bands)
            MachineOrders(self._shell, self._book, asset, suspected=self._suspected)
        if machine.watch.health_tag is not None:
            await trend.show(machine.watch.health_tag, limit=machine.limit, y_range=(0, 100))
            tag = machine.watch.health_tag.id
            self._shell.ctx.task(self._follow(trend, tag), name="live health")

    def _suspected(self) -> str:
        """Name the part suspected, else the channel that costs most, as what a work order suspects."""
        watch = self._fleet.watches.get(self._id)
        if watch and watch.newest and watch.newest.diagnosis:
            return suspect_text(watch.newest.diagnosis.part)
        worst = worst_of(watch.newest if watch else None)
        return words(worst.channel.name) if worst else ""

    async def _alarms_href(self) -> str:
        """Give the address of the monitoring app's alarms of this asset, empty where there is no such app."""
        apps = await self._shell.ctx.client.apps.list()
        url = next((a.url for a in apps if a.id == "monitoring"), "")
        return f"{url.rstrip('/')}/alarms?{urlencode({'asset': self._id})}" if url.startswith("http") else ""

    async def _follow(self, trend: Trend, tag: int) -> None:
        async def once() -> None:
            async for batch in self._shell.ctx.client.stream([tag]):
                trend.take(batch.samples)

        while True:
            await self._shell.attempt("live health", once)


def laboratory_href(url: str, asset_path: str) -> str:
    """Give the address of an asset in the fault laboratory, empty where none is named; it has a login of its own."""
    return f"{url}/asset?{urlencode({'path': asset_path})}" if url else ""


class Summary:
    """The big figure, the zone, the model's phase, and the alarm."""

    def __init__(self, alarms_href: str) -> None:
        with ui.element("div").classes("ps-row ps-wrap"):
            self._figure = ui.label(NOTHING).classes("ps-big")
            with ui.element("div").classes("ps-grow"):
                self._zone = chip("")
                self._meaning = ui.label("").classes("ps-sub")
        self._limit = ui.label("").classes("ps-sub")
        self._phase = ui.label("").classes("ps-sub")
        self._trouble = ui.label("").classes("ps-sub ps-value")
        with ui.element("div").classes("ps-row ps-wrap"):
            self._alarm = chip("")
            self._link = ui.link("Open the alarm", alarms_href, new_tab=True).classes("ps-go")
        self._has_link = bool(alarms_href)

    def show(self, machine: Machine, now_ns: int) -> None:
        """Set the newest."""
        watch, health = machine.watch, machine.health
        age_s = (now_ns - machine.latest.time) / 1e9 if machine.latest and machine.latest.time else None
        stale = age_s is not None and age_s > STALE_S
        self._figure.set_text(NOTHING if health is None else f"{health:.0f} %")
        toned(self._figure, "mute" if stale else health_tone(health, machine.limit))
        newest = watch.newest
        self._zone.set_visibility(newest is not None and newest.zone is not None)
        if newest is not None and newest.zone is not None:
            self._zone.set_text(f"Zone {newest.zone.value}")
            toned(self._zone, ZONE_TONE[newest.zone])
            self._meaning.set_text(f"Velocity, ISO 20816: {MEANING[newest.zone]}")
        self._limit.set_text(_limit_text(machine))
        at = f" · {age_text(age_s)} ago" if age_s is not None and age_s >= 2 else ""
        self._phase.set_text(phase_text(watch.model) + at)
        self._trouble.set_text(
            f"Stale: {trouble_of(watch.failure).title}" if watch.failure else _stale_text(stale=stale)
        )
        self._show_alarm(machine, now_ns)

    def _show_alarm(self, machine: Machine, now_ns: int) -> None:
        alarm = machine.alarm
        self._link.set_visibility(alarm is not None and self._has_link)
        if alarm is None:
            self._alarm.set_text("No active alarm")
            toned(self._alarm, "good")
            return
        by = f", acknowledged by {alarm.acknowledged_by}" if alarm.acknowledged is not None else ", to acknowledge"
        self._alarm.set_text(f"Alarm since {moment_text(alarm.activated, now_ns=now_ns)}{by}")
        toned(self._alarm, "bad" if alarm.acknowledged is None else "warn")


def _limit_text(machine: Machine) -> str:
    rule = machine.watch.rule
    if rule is None:
        return "No rule: it was taken away"
    if not machine.watch.judging.by_health:
        return "Alarm while its state is not as when healthy"
    return f"Alarm below {rule.limit:g} % for {duration_text(rule.on_delay_s)}"


def _stale_text(*, stale: bool) -> str:
    return "No new judgement: the machine rests, or its samples do not arrive" if stale else ""


class Losses:
    """A bar a channel: how many of the 100 points it costs."""

    def __init__(self, watch: Watch) -> None:
        self._bars: dict[str, tuple[ui.element, ui.element, ui.label]] = {}
        for channel in watch.channels:
            if channel.role in COSTLESS:
                continue
            with ui.element("div").classes("ps-loss"):
                ui.label(words(channel.name)).classes("ps-label")
                with ui.element("div").classes("ps-meter") as meter:
                    bar = ui.element("div")
                self._bars[channel.name] = (meter, bar, ui.label("").classes("ps-value"))
        self._note = ui.label("").classes("ps-sub")

    def show(self, newest: Assessment | None) -> None:
        """Set the bars."""
        lost = {f.channel.name: f.loss for f in newest.findings} if newest else {}
        for name, (meter, bar, label) in self._bars.items():
            loss = lost.get(name)
            bar.style(f"width: {loss or 0:.1f}%")
            toned(meter, "bad" if (loss or 0) >= 25 else "warn" if (loss or 0) >= 5 else "mute")
            label.set_text("no value" if loss is None else f"{loss:.0f}")
        total = sum(lost.values())
        self._note.set_text(f"{total:.0f} of 100 points lost" if newest else "Follows with the next window of samples")


def lacks_baseline(newest: Assessment | None) -> bool:
    """Say whether some channel could not be compared with what it reads when healthy."""
    judged = [f for f in newest.findings if f.channel.role not in COSTLESS] if newest is not None else []
    return any(f.expected is None for f in judged)


def learning_text(needed_s: float) -> str:
    """Say what learning needs, and what judges before it is done."""
    needed = duration_text(needed_s)
    return (
        f"No baseline yet: learning needs {needed} of healthy running. Until then the zones of ISO 20816 alone judge "
        "the vibration velocity, and other channels cost no points; what is worn now teaches nothing."
    )


def evidence_rows(watch: Watch, now_ns: int) -> Sequence[Row]:
    """Write what each channel reads against what was expected at this operating point."""
    newest = watch.newest
    if newest is None:
        return []
    rows = [_evidence_row(f, now_ns) for f in sorted(newest.findings, key=lambda f: -f.loss)]
    load = next((c for c in watch.channels if c.role is Role.LOAD), None)
    if load is not None:
        reads = value_text(newest.load, load.unit)
        cells = (Cell(words(load.name)), Cell(reads, "num"), Cell(NOTHING, "num"), Cell(NOTHING, "num"), Cell(NOTHING))
        rows.append(Row(load.name, (*cells, Cell(JUDGED_BY[Role.LOAD], "sub"))))
    return rows


def _evidence_row(finding: Finding, now_ns: int) -> Row:
    channel = finding.channel
    unit = unit_text(channel.unit)
    departs = channel.role is Role.SIGN and abs(finding.deviation or 0.0) >= SPREADS
    tone = "bad" if finding.loss >= 25 else "uncertain" if finding.loss >= 5 or departs else "mute"
    expected = NOTHING if finding.expected is None else f"{number_text(finding.expected, digits=3)} {unit}"
    cells = (
        Cell(words(channel.name)),
        Cell(f"{number_text(finding.value, digits=3)} {unit}", "num"),
        Cell(expected, "num"),
        Cell(change_text(finding), "chip", tone if tone != "uncertain" else "warn"),
        Cell(moment_text(finding.since_ns, now_ns=now_ns), "time"),
        Cell(JUDGED_BY[channel.role], "sub"),
    )
    return Row(channel.name, cells)
