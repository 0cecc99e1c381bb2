"""The plant as pages need it: assets with their tags and newest values. Pure, but for `PlantReader`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from penstock.apps.house.figures import Freshness, freshness, stale_after_s
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Asset, Latest, Tag

LOOK_FOR_NEW_S = 6.0
"""New devices show up after at most this."""
KEY_VALUES = 4
_UNIT_ORDER = ("%", "kW", "m3/h", "mm/s", "degC", "bar", "A", "rpm", "kWh")
_DULL = ("counter", "count", "setpoint", "loss_")


@dataclass(frozen=True, slots=True)
class Reading:
    """One tag with its newest sample and how far it can be trusted."""

    tag: Tag
    latest: Latest | None
    age_s: float | None
    freshness: Freshness

    @property
    def name(self) -> str:
        """Give the property's name, or the tag's where it is bound to none."""
        return self.tag.property or self.tag.name or self.tag.key

    @property
    def waits_in_future(self) -> bool:
        """Say whether a later sample is stored that is stamped too far ahead to be the newest."""
        return self.latest is not None and self.latest.future

    @classmethod
    def of(cls, tag: Tag, latest: Latest | None, now_ns: int) -> Reading:
        """Judge a newest sample by its age at `now_ns`."""
        age_s = None if latest is None or latest.time is None else (now_ns - latest.time) / 1e9
        quality = latest.quality if latest else "good"
        stale_s = stale_after_s(tag.rate_hz, tag.late_after_ns, on_change=tag.type == "string")
        return cls(tag, latest, age_s, freshness(quality, age_s, stale_s))


@dataclass(frozen=True, slots=True)
class Standing:
    """An asset with all its readings."""

    asset: Asset
    readings: tuple[Reading, ...]

    @property
    def freshness(self) -> Freshness:
        """Give the asset's own: that of most of its measured values, Bad and stale winning a tie."""
        order = (Freshness.BAD, Freshness.STALE, Freshness.UNCERTAIN, Freshness.GOOD, Freshness.NONE)
        seen = [r.freshness for r in self.readings]
        return max(order, key=seen.count) if seen else Freshness.NONE

    @property
    def state(self) -> Reading | None:
        """Give the reading that says what the machine does: a property called state, or running."""
        named = {r.name: r for r in self.readings}
        return named.get("state") or named.get("running")

    def key_values(self, count: int = KEY_VALUES) -> list[Reading]:
        """Choose the readings for the card: numbers, each unit once, those that operators look for first."""
        numbers = [r for r in self.readings if r.tag.type in ("float64", "int64") and not _is_dull(r)]
        ranked = sorted(numbers, key=lambda r: (_rank(r.tag.unit), r.name))
        first_of_unit = [r for i, r in enumerate(ranked) if all(r.tag.unit != o.tag.unit for o in ranked[:i])]
        rest = [r for r in ranked if r not in first_of_unit]
        return (first_of_unit + rest)[:count]


def _is_dull(reading: Reading) -> bool:
    return reading.name == "state" or any(word in reading.name for word in _DULL)


def _rank(unit: str | None) -> int:
    return _UNIT_ORDER.index(unit) if unit in _UNIT_ORDER else len(_UNIT_ORDER)


def standings(
    assets: Sequence[Asset], tags: Iterable[Tag], latest: Mapping[int, Latest], now_ns: int
) -> list[Standing]:
    """Join assets, tags and newest values, by path; an asset without any tag stands there empty."""
    of_asset: dict[str, list[Reading]] = {}
    for tag in tags:
        if tag.asset:
            of_asset.setdefault(tag.asset, []).append(Reading.of(tag, latest.get(tag.id), now_ns))
    found = []
    for asset in sorted(assets, key=lambda a: a.path):
        order = {p.name: i for i, p in enumerate(asset.properties)}
        readings = of_asset.get(asset.id, []) + of_asset.get(asset.path, [])
        readings.sort(key=lambda r: (order.get(r.name, len(order)), r.name))
        found.append(Standing(asset, tuple(readings)))
    return found


def area_of(path: str) -> str:
    """Give site and area of an ISA-95 path (enterprise/site/area/…), for grouping."""
    parts = path.split("/")
    return "/".join(parts[1:3]) if len(parts) > 3 else "/".join(parts[1:-1]) or path


class PlantReader:
    """Keep assets and tags, look for new ones now and then, and read the newest values each time."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client
        self._looked_s = float("-inf")
        self.assets: Sequence[Asset] = ()
        self.tags: Sequence[Tag] = ()
        self.latest: dict[int, Latest] = {}
        self.read_ns: int | None = None

    async def read(self) -> None:
        """Read from the platform; on failure everything keeps what it was."""
        now_s = time.monotonic()
        if now_s - self._looked_s > LOOK_FOR_NEW_S:
            self.assets, self.tags = await self._client.assets.list(), await self._client.tags.list()
            self._looked_s = now_s
        newest = await self._client.latest(self.tags) if self.tags else []
        self.latest = {n.tag: n for n in newest}
        self.read_ns = time.time_ns()

    def standings(self) -> list[Standing]:
        """Give the plant, aged to this moment."""
        return standings(self.assets, self.tags, self.latest, time.time_ns())

    def named(self, asset_id: str) -> Asset | None:
        """Give an asset that has been read."""
        return next((a for a in self.assets if a.id == asset_id), None)


def with_latest(latest: Latest, *, time_ns: int, value: object, status: int) -> Latest:
    """Give a newest sample as a later row of the stream makes it."""
    quality = "bad" if status >= 0x80000000 else "uncertain" if status >= 0x40000000 else "good"
    return replace(latest, time=time_ns, value=value, status=status, quality=quality)  # type: ignore[arg-type]
