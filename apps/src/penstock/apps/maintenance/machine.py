"""A watched asset with what the historian and the alarms say of it, read with the rights of the person who looks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from penstock.apps.house.shell import Shell
from penstock.apps.maintenance.risk.standing import SUSPECTED
from penstock.apps.maintenance.rowjudge import LIFE, LIFE_HIGH, LIFE_LOW
from penstock.apps.maintenance.watch import Watch
from penstock.apps.maintenance.worker import Fleet
from penstock.sdk.errors import NotFoundError
from penstock.sdk.models import Alarm, Asset, Latest, Tag

ALARMS_MAX: Final = 1000
"""Active alarms that are looked through: one page of the platform's."""
ASSET_ID: Final = "ast_"
"""With this every id of an asset begins; the client takes other words for a path."""
OF_LIFE: Final = (LIFE, LIFE_LOW, LIFE_HIGH)


@dataclass(frozen=True, slots=True)
class Machine:
    """A watched asset with its newest health as the historian has it, its active alarm, and more by property."""

    watch: Watch
    latest: Latest | None
    alarm: Alarm | None
    more: Mapping[str, Latest]

    @property
    def health(self) -> float | None:
        """Give the newest health, None before the first."""
        value = self.latest.value if self.latest else None
        return value if isinstance(value, float) else None

    @property
    def limit(self) -> float:
        """Give the limit of the rule of the health; where the rule watches something else, that of a low health."""
        return limit_of(self.watch)

    @property
    def is_low(self) -> bool:
        """Say whether the health is below the limit."""
        return self.health is not None and self.health < self.limit


def limit_of(watch: Watch) -> float:
    """Give the health below which a machine is in trouble."""
    if not watch.judging.by_health:
        return watch.judging.low_health
    return watch.rule.limit if watch.rule else 0.0


async def active_alarms(shell: Shell) -> dict[str, Alarm]:
    """Give the alarms that this person may see, by rule."""
    found = await shell.ctx.client.alarms.list(active=True, limit=ALARMS_MAX)
    return {a.rule: a for a in found if a.rule is not None}


async def machines_of(
    shell: Shell, watches: Sequence[Watch], alarms: Mapping[str, Alarm], suspects: Mapping[str, Tag] | None = None
) -> list[Machine]:
    """Give these watches as machines, in one request for each hundred of their tags.

    `suspects`: asset → tag of its suspected part, where somebody else writes it.
    """
    tags: dict[int, tuple[Tag, str, str]] = {}
    for watch in watches:
        named = {"": watch.health_tag, **{name: watch.more.get(name) for name in OF_LIFE}}
        named[SUSPECTED] = watch.more.get(SUSPECTED) or (suspects or {}).get(watch.asset.id)
        tags |= {tag.id: (tag, watch.asset.id, name) for name, tag in named.items() if tag is not None}
    newest = await shell.ctx.client.latest([tag for tag, _, _ in tags.values()]) if tags else []
    by: dict[str, dict[str, Latest]] = {watch.asset.id: {} for watch in watches}
    for each in newest:
        _, asset, name = tags[each.tag]
        by[asset][name] = each
    return [_machine(watch, alarms, by[watch.asset.id]) for watch in watches]


def _machine(watch: Watch, alarms: Mapping[str, Alarm], by: Mapping[str, Latest]) -> Machine:
    alarm = alarms.get(watch.rule.id) if watch.rule else None
    return Machine(watch, by.get(""), alarm, {name: each for name, each in by.items() if name})


async def asset_of(shell: Shell, asset_id: str) -> Asset | None:
    """Give an asset; None where there is none of that id, or not for this person to see."""
    if not asset_id.startswith(ASSET_ID):
        return None
    try:
        return await shell.ctx.client.assets.retrieve(asset_id)
    except NotFoundError:
        return None


async def machine_of(shell: Shell, fleet: Fleet, asset_id: str) -> Machine | None:
    """Give one machine; None where it is not watched, or not this person's to see."""
    watch = fleet.watches.get(asset_id)
    if watch is None or watch.health_tag is None:
        return None
    if await asset_of(shell, asset_id) is None:
        return None
    (machine,) = await machines_of(shell, [watch], await active_alarms(shell))
    return machine
