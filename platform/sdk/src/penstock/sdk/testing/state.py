"""What the fake platform holds: a small historian, registry and alarm list. Thread-safe by one lock around it."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.sdk.models import Scalar
from penstock.sdk.testing.problem import Refused

SKEW_MAX_NS = 60 * 1_000_000_000
Key = tuple[int, int, int]
"""(source time, position, row): the order of a query."""


@dataclass(frozen=True, slots=True)
class Row:
    """One stored sample."""

    tag: int
    time: int
    status: int
    value: Scalar
    position: int
    row: int
    arrival: int

    @property
    def key(self) -> Key:
        """Give the order of a query."""
        return self.time, self.position, self.row


@dataclass(slots=True)
class State:
    """Everything the fake knows. `tags` and `assets` hold the API's JSON objects."""

    now_ns: Callable[[], int]
    tags: dict[int, dict[str, Any]] = field(default_factory=dict)
    assets: dict[str, dict[str, Any]] = field(default_factory=dict)
    rows: dict[int, list[Row]] = field(default_factory=dict)
    committed: list[Row] = field(default_factory=list)
    head: int = 0
    answered: dict[str, dict[str, int]] = field(default_factory=dict)
    duplicates: int = 0
    unsafe: str = ""
    """Why not all is stored, for who asks; nothing is ever lost in here."""
    apps: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add_asset(
        self, path: str, *, name: str, type_name: str | None, attributes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Add an asset; its parents exist as hierarchy only."""
        for known in self.assets.values():
            if known["path"] == path:
                raise Refused(409, "asset-exists", f"an asset stands at {path} already")
        asset_id = f"ast_{len(self.assets) + 1}"
        properties = [_property(n, kind="attribute", value=v) for n, v in attributes.items()]
        parent = path.rpartition("/")[0] or None
        asset = {"id": asset_id, "path": path, "name": name, "type": type_name, "parent": parent}
        self.assets[asset_id] = asset | {"description": "", "properties": properties}
        return self.assets[asset_id]

    def asset(self, id_or_path: str) -> dict[str, Any]:
        """Give an asset by id or path."""
        for asset in self.assets.values():
            if id_or_path in (asset["id"], asset["path"]):
                return asset
        raise Refused(404, "not-found", f"no asset {id_or_path}")

    def add_tag(
        self,
        key: str,
        *,
        value_type: str,
        unit: str | None,
        asset: str | None,
        property_name: str | None,
        owner: str | None,
    ) -> dict[str, Any]:
        """Add a tag; with an asset it is bound to a property of it."""
        tag_id = len(self.tags) + 1
        name = key.rpartition("/")[2]
        stands_at = self.asset(asset) if asset else None
        tag = {"id": tag_id, "key": key, "name": name, "type": value_type, "unit": unit, "owner": owner or "gtw_1"}
        tag |= {"description": "", "rate_hz": None, "late_after_ns": None}
        tag |= {"asset": stands_at["id"] if stands_at else None, "property": property_name or name}
        tag["path"] = stands_at["path"] if stands_at else None
        tag |= {
            "gateway": None if owner else "gtw_1",
            "device": None if owner else key.partition("/")[0],
            "active": True,
        }
        self.tags[tag_id] = tag
        self.rows[tag_id] = []
        if stands_at is not None:
            kind = "metric" if owner else "measurement"
            bound = _property(str(tag["property"]), kind=kind, value_type=value_type, unit=unit, tag=tag_id)
            stands_at["properties"] = [p for p in stands_at["properties"] if p["name"] != bound["name"]] + [bound]
        return tag

    def tag_by_key(self, key: str) -> dict[str, Any]:
        """Give a tag by key."""
        for tag in self.tags.values():
            if tag["key"] == key:
                return tag
        raise Refused(404, "not-found", f"no tag {key}")

    def commit(self, samples: Iterable[tuple[int, int, int, Scalar]]) -> dict[str, int]:
        """Store (tag, time, status, value) in one commit; an equal sample is counted, not stored again."""
        position, arrival, stored, duplicates = self.head + 1, self.now_ns(), 0, 0
        for index, (tag, time, status, value) in enumerate(samples):
            rows = self.rows[tag]
            if any(r.time == time and r.status == status and _same(r.value, value) for r in _at(rows, time)):
                duplicates += 1
                continue
            row = Row(tag, time, status, value, position, index, arrival)
            bisect.insort(rows, row, key=lambda r: r.key)
            self.committed.append(row)
            stored += 1
        self.head = position  # a commit of nothing but duplicates has its position too
        self.duplicates += duplicates
        return {"position": self.head, "stored": stored, "duplicates": duplicates}

    def newest(self, tag: int) -> Row | None:
        """Give the newest sample by source time that is not further ahead than a minute."""
        horizon = self.now_ns() + SKEW_MAX_NS
        return next((r for r in reversed(self.rows[tag]) if r.time <= horizon), None)

    def future_rows(self, tag: int) -> int:
        """Count the samples stamped further ahead than a minute when they came."""
        return sum(r.time > r.arrival + SKEW_MAX_NS for r in self.rows[tag])


def _property(
    name: str,
    *,
    kind: str,
    value_type: str = "float64",
    unit: str | None = None,
    tag: int | None = None,
    value: Any = None,
) -> dict[str, Any]:
    shape = {"name": name, "kind": kind, "type": value_type, "unit": unit}
    return shape | {"tag": tag, "value": value, "expression": None}


def _at(rows: list[Row], time: int) -> list[Row]:
    first = bisect.bisect_left(rows, (time, 0, 0), key=lambda r: r.key)
    last = bisect.bisect_left(rows, (time + 1, 0, 0), key=lambda r: r.key)
    return rows[first:last]


def _same(one: Scalar, other: Scalar) -> bool:
    return one == other or (one != one and other != other)  # NaN equals NaN here, as its bits do
