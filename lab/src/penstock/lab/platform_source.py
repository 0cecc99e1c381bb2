"""Reads what the platform said of its assets, through the SDK: alarms, health, remaining useful life.

An alarm belongs to the asset that it names, else to that of its tag. By default the alarms of computed tags count:
those that an app owns. What an alarm names as broken is, in this order: what the parts file says of its own property;
the text that a property such as `suspected_part` of the asset had last, at most a minute after the alarm was raised;
what the parts file says of the channel that cost most health then (`loss_CHANNEL`), nothing where it does not know it.

The platform's alarm goes from normal to normal, and one that nobody acknowledges never gets there: its condition comes
and goes within one alarm. So each *activation* in its journal is an alarm to be scored, from there to its clearing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from penstock.core.errors import PenstockError
from penstock.core.times import parse_rfc3339_ns
from penstock.core.units import conversion
from penstock.lab.scoring.words import NS, Alarm, HealthSaid, RulSaid, Window
from penstock.sdk.client import Client
from penstock.sdk.models import Alarm as AlarmSaid
from penstock.sdk.models import Rule, Tag

HEALTH: Final = "health_index"
RUL: Final = "remaining_useful_life"
PART: Final = "suspected_part"
LOSS: Final = "loss_"
"""Begins the name of a property that holds the health points lost to a channel."""
GATEWAYS: Final = "gtw_"
"""Ids of gateways begin so: their tags are the machines' own, not an app's."""
ENDS: Final = ("clear", "rule-changed", "end")
"""Events of an alarm's journal after which its condition does not hold; `end`: of the journal."""
PART_AFTER_ns: Final = 60 * NS
PART_BEFORE_ns: Final = 3600 * NS
HEALTH_EVERY_ns: Final = 60 * NS
"""Health and remaining life are taken once a minute at most: more says no more."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Say by which names the platform speaks. `rules`: only alarms of rules whose name holds one of these texts."""

    health: str = HEALTH
    rul: str = RUL
    part: str = PART
    parts: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    every_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What the platform said in a window.

    `types`: asset path → asset type, of every asset that it has. `watched`: assets that have a health index or a rule.
    `devices`: device → the asset that most of its tags are bound to.
    """

    types: Mapping[str, str]
    alarms: tuple[Alarm, ...]
    ruls: tuple[RulSaid, ...]
    health: tuple[HealthSaid, ...]
    watched: frozenset[str]
    devices: Mapping[str, str]


def read_said(client: Client, window: Window, wanted: Wanted) -> Said:
    """Read it all."""
    assets = {asset.id: asset for asset in client.assets.list()}
    tags = {tag.id: tag for tag in client.tags.list()}
    all_rules = client.rules.list()
    rules = {rule.id: rule.name for rule in all_rules}
    paths = {id_: asset.path for id_, asset in assets.items()}
    asset_ids = {path: id_ for id_, path in paths.items()}
    found = [each for each in client.alarms.list(end=window.end_ns) if _counts(each, tags, rules, wanted=wanted)]
    spoken = [one for each in found for one in _activations(client, each, paths, tags=tags, rules=rules)]
    raised = [each for each in spoken if window.holds(each[0].raised_ns)]
    return Said(
        {asset.path: asset.type or "" for asset in assets.values()},
        tuple(_named(client, each, tag, assets=asset_ids, tags=tags, wanted=wanted) for each, tag in raised),
        tuple(_ruls(client, window, _of_property(tags, paths), name=wanted.rul)),
        tuple(_health(client, window, _of_property(tags, paths), name=wanted.health)),
        frozenset(paths[each] for each in _watched(all_rules, tags, wanted=wanted) if each in paths),
        _devices(tags.values(), paths),
    )


def _devices(tags: Iterable[Tag], paths: Mapping[str, str]) -> dict[str, str]:
    bound = Counter((tag.key.partition("/")[0], paths[tag.asset]) for tag in tags if tag.asset and tag.asset in paths)
    return {device: asset for (device, asset), _ in reversed(bound.most_common())}


def _watched(rules: Iterable[Rule], tags: Mapping[int, Tag], *, wanted: Wanted) -> Iterator[str]:
    """Give the ids of assets that an app looks at."""
    for tag in tags.values():
        if tag.property == wanted.health and tag.asset is not None:
            yield tag.asset
    for rule in rules:
        on = tags.get(rule.tag) if rule.tag is not None else None
        owner = (on.owner or "") if on is not None else ""
        asset = rule.asset or (on.asset if on is not None else None)
        if asset is not None and (wanted.every_alarm or (owner and not owner.startswith(GATEWAYS))):
            yield asset


def _counts(alarm: AlarmSaid, tags: Mapping[int, Tag], rules: Mapping[str, str], *, wanted: Wanted) -> bool:
    if wanted.rules:
        name = rules.get(alarm.rule or "", "").casefold()
        return any(text.casefold() in name for text in wanted.rules)
    tag = tags.get(alarm.tag) if alarm.tag is not None else None
    owner = (tag.owner or "") if tag is not None else ""
    return wanted.every_alarm or (owner != "" and not owner.startswith(GATEWAYS))


def _activations(
    client: Client, said: AlarmSaid, paths: Mapping[str, str], *, tags: Mapping[int, Tag], rules: Mapping[str, str]
) -> Iterator[tuple[Alarm, Tag | None]]:
    """Give each time that an alarm's condition came, with the alarm's tag."""
    tag = tags.get(said.tag) if said.tag is not None else None
    asset = said.asset or (tag.asset if tag is not None else None) or ""
    raised_ns, number = None, 0
    for entry in [*client.alarms.journal(said.id), {"event": "end", "time": None}]:
        event, time_ns = entry["event"], entry["time"] and parse_rfc3339_ns(entry["time"])
        if event == "activate" and raised_ns is None:
            raised_ns, number = time_ns, number + 1
        elif event in ENDS and raised_ns is not None:
            rule = rules.get(said.rule or "", "")
            yield Alarm(f"{said.id}#{number}", paths.get(asset, asset), raised_ns, time_ns, "", rule), tag
            raised_ns = None


def _named(
    client: Client,
    alarm: Alarm,
    tag: Tag | None,
    *,
    assets: Mapping[str, str],
    tags: Mapping[int, Tag],
    wanted: Wanted,
) -> Alarm:
    part = wanted.parts.get((tag.property or "") if tag is not None else "", "")
    if not part:
        own = [each for each in tags.values() if each.asset == assets.get(alarm.asset, "")]
        text = _text_at(client, own, name=wanted.part, time_ns=alarm.raised_ns)
        part = wanted.parts.get(text, text)
        part = part or part_of_channel(_dearest_at(client, own, time_ns=alarm.raised_ns), wanted.parts)
    return replace(alarm, part=part)


def _text_at(client: Client, own: Sequence[Tag], *, name: str, time_ns: int) -> str:
    """Give the text that an asset's property had at a time, or shortly after."""
    tag = next((each for each in own if each.property == name and each.type == "string"), None)
    if tag is None:
        return ""
    samples = client.samples(tag, start=time_ns - PART_BEFORE_ns, end=time_ns + PART_AFTER_ns)
    texts = [each.value for each in samples]
    return str(texts[-1] or "") if texts else ""


def _dearest_at(client: Client, own: Sequence[Tag], *, time_ns: int) -> str:
    """Give the channel to which an asset had lost most health at a time, or shortly after; empty for none."""
    losses = {each.id: each for each in own if (each.property or "").startswith(LOSS)}
    if not losses:
        return ""
    samples = client.samples(list(losses.values()), start=time_ns - PART_BEFORE_ns, end=time_ns + PART_AFTER_ns)
    newest = {each.tag: float(each.value) for each in samples if isinstance(each.value, int | float)}
    dearest = max(newest, key=lambda id_: newest[id_], default=None)
    if dearest is None or newest[dearest] <= 0.0:
        return ""
    return (losses[dearest].property or "").removeprefix(LOSS)


def part_of_channel(channel: str, parts: Mapping[str, str]) -> str:
    """Give what the parts file says of a channel, by its name or the longest beginning of it."""
    fitting = [name for name in parts if channel.startswith(name)]
    return parts[max(fitting, key=len)] if fitting else ""


Named = Mapping[tuple[str, str], Tag]
"""(asset path, property) → tag."""


def _of_property(tags: Mapping[int, Tag], paths: Mapping[str, str]) -> Named:
    return {
        (paths[tag.asset], tag.property): tag
        for tag in tags.values()
        if tag.asset is not None and tag.asset in paths and tag.property
    }


def _health(client: Client, window: Window, named: Named, *, name: str) -> Iterator[HealthSaid]:
    for (asset, property_), tag in named.items():
        if property_ == name:
            for time_ns, value in thinned(_numbers(client, tag, window)):
                yield HealthSaid(asset, time_ns, value)


def _ruls(client: Client, window: Window, named: Named, *, name: str) -> Iterator[RulSaid]:
    for (asset, property_), tag in named.items():
        if property_ != name:
            continue
        low, high = (_by_time(client, named.get((asset, f"{name}_{end}")), window) for end in ("low", "high"))
        seconds = _seconds(tag)
        for time_ns, value in thinned(_numbers(client, tag, window)):
            open_above = math.inf if time_ns in low else None
            yield RulSaid(asset, time_ns, value * seconds, low.get(time_ns), high.get(time_ns, open_above))


def _by_time(client: Client, tag: Tag | None, window: Window) -> dict[int, float]:
    if tag is None:
        return {}
    seconds = _seconds(tag)
    return {time_ns: value * seconds for time_ns, value in _numbers(client, tag, window)}


def _seconds(tag: Tag) -> float:
    try:
        return conversion(tag.unit or "h", "s").scale
    except ValueError as error:
        message = f"{tag.key}: a remaining useful life needs a unit of time: {error}"
        raise PenstockError(message) from error


def _numbers(client: Client, tag: Tag, window: Window) -> Iterator[tuple[int, float]]:
    """Give (time, value) of Good and Uncertain samples with a number, in the order of time."""
    for page in client.iterate(tag, start=window.start_ns, end=window.end_ns):
        times = page.table.column("time").to_numpy()
        values = page.table.column("vf").to_numpy(zero_copy_only=False).astype(float)
        fit = np.isfinite(values)
        yield from zip(times[fit].tolist(), values[fit].tolist(), strict=True)


def thinned(points: Iterable[tuple[int, float]], every_ns: int = HEALTH_EVERY_ns) -> Iterator[tuple[int, float]]:
    """Give the first point, and each that comes at least `every_ns` after the last one given."""
    last_ns: int | None = None
    for time_ns, value in points:
        if last_ns is None or time_ns - last_ns >= every_ns:
            last_ns = time_ns
            yield time_ns, value


def unknown_assets(truth: Sequence[str], said: Said) -> list[str]:
    """Name the assets of the truth that the platform does not have."""
    return sorted(set(truth) - said.types.keys())
