"""The fleet page: every watched machine, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nicegui import ui

from penstock.apps.house.figures import NOTHING, age_text, moment_text
from penstock.apps.house.said import trouble_of
from penstock.apps.house.shell import Shell
from penstock.apps.house.tables import Cell, Row, Table
from penstock.apps.house.widgets import Tile, card, empty, title
from penstock.apps.maintenance.frame import ZONE_TONE, evidence_text, frame, health_tone, phase_text, worst_of
from penstock.apps.maintenance.watch import Watch
from penstock.apps.maintenance.worker import Fleet
from penstock.sdk.app import Context
from penstock.sdk.models import Alarm, Latest

READ_S = 2.0


async def page(ctx: Context, fleet: Fleet) -> None:
    """Show the fleet."""
    with frame(ctx, here="/", title="Fleet") as shell:
        FleetPage(shell, fleet)


@dataclass(frozen=True, slots=True)
class Machine:
    """A watched asset with its newest health as the historian has it, and its active alarm."""

    watch: Watch
    latest: Latest | None
    alarm: Alarm | None

    @property
    def health(self) -> float | None:
        """Give the newest health, None before the first."""
        value = self.latest.value if self.latest else None
        return value if isinstance(value, float) else None

    @property
    def limit(self) -> float:
        """Give the limit of the rule of the health; where the rule watches something else, that of a low health."""
        rule, judging = self.watch.rule, self.watch.judging
        if not judging.by_health:
            return judging.low_health
        return rule.limit if rule else 0.0

    @property
    def is_low(self) -> bool:
        """Say whether the health is below the limit."""
        return self.health is not None and self.health < self.limit


async def machines(shell: Shell, fleet: Fleet) -> list[Machine]:
    """Give the machines that this person may see, the worst first."""
    client = shell.ctx.client
    seen = {a.id for a in await client.assets.list()}
    watches = [w for w in fleet.watches.values() if w.asset.id in seen and w.health_tag is not None]
    newest = await client.latest([w.health_tag for w in watches if w.health_tag]) if watches else []
    by_tag: Mapping[int, Latest] = {n.tag: n for n in newest}
    active = {a.rule: a for a in await client.alarms.list(active=True, limit=500)}
    found = [
        Machine(w, by_tag.get(w.health_tag.id) if w.health_tag else None, active.get(w.rule.id) if w.rule else None)
        for w in watches
    ]
    return sorted(found, key=lambda m: (m.health if m.health is not None else 101.0, m.watch.asset.path))


class FleetPage:
    """The tiles and the table."""

    def __init__(self, shell: Shell, fleet: Fleet) -> None:
        self._shell, self._fleet = shell, fleet
        title("Fleet health")
        with ui.element("div").classes("ps-tiles"):
            self._count, self._low = Tile("Machines watched"), Tile("Below their limit")
            self._worst, self._learning = Tile("Lowest health"), Tile("Still learning")
        with card():
            self._table = Table(["Machine", "Health", "·Zone", "What stands out", "·Since", "Alarm", "·Model", "›·Age"])
            with ui.element("div") as self._empty:
                empty(
                    "vibration",
                    "No machine is watched yet",
                    "An asset is watched as soon as a vibration velocity (mm/s) is bound to it, or a healthy "
                    "stretch of it is named under Models.",
                )
        self._empty.set_visibility(False)
        shell.every(READ_S, self._read)

    async def _read(self) -> None:
        if self._fleet.failure is not None and not self._fleet.watches:
            raise self._fleet.failure
        found = await machines(self._shell, self._fleet)
        self._show_tiles(found)
        self._table.show([self._row(m) for m in found])
        self._empty.set_visibility(not found)

    def _show_tiles(self, found: Sequence[Machine]) -> None:
        low = sum(m.is_low for m in found)
        self._count.show(str(len(found)), "by vibration, or by their healthy state")
        self._low.show(str(low), "see the evidence" if low else "none", "bad" if low else "mute")
        judged = [m for m in found if m.health is not None]
        if judged:
            worst = judged[0]
            tone = health_tone(worst.health, worst.limit)
            name = worst.watch.asset.name or worst.watch.asset.path
            self._worst.show(f"{worst.health:.0f} %", name, tone if tone in ("bad", "warn") else "mute")
        else:
            self._worst.show(NOTHING, "no health yet")
        learning = sum(m.watch.model.phase.value == "learning" for m in found)
        self._learning.show(str(learning), "judged by zones alone" if learning else "all have a baseline")

    def _row(self, machine: Machine) -> Row:
        watch, now_ns = machine.watch, self._shell.now_ns
        newest = watch.newest
        finding = worst_of(newest)
        age_s = (now_ns - machine.latest.time) / 1e9 if machine.latest and machine.latest.time else None
        trouble = trouble_of(watch.failure).title if watch.failure else ""
        said = trouble or (evidence_text(finding) if finding else "Nothing" if newest else "Waiting for samples")
        alarm = machine.alarm
        word, tone = ("Active", "bad") if alarm and alarm.acknowledged is None else ("Acknowledged", "warn")
        zone_tone = ZONE_TONE[newest.zone] if newest and newest.zone else "mute"
        cells = (
            Cell(watch.asset.name or watch.asset.path, href=f"/asset/{watch.asset.id}"),
            Cell(
                "–" if machine.health is None else f"{machine.health:.0f} %",
                "meter",
                health_tone(machine.health, machine.limit),
                share=machine.health,
            ),
            Cell(newest.zone.value if newest and newest.zone else NOTHING, "chip", zone_tone),
            Cell(said),
            Cell(moment_text(finding.since_ns if finding else None, now_ns=now_ns), "time"),
            Cell(word if alarm else "None", "chip", tone if alarm else "mute"),
            Cell(phase_text(watch.model), "sub"),
            Cell(age_text(age_s), "num"),
        )
        return Row(watch.asset.id, cells)
