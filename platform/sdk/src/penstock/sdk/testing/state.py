"""What the fake platform holds: a small historian, registry and alarm list. Thread-safe by one lock around it."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from penstock.sdk.models import Erasure, Scalar
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
    types: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    rows: dict[int, list[Row]] = field(default_factory=dict)
    committed: list[Row] = field(default_factory=list)
    erasures: list[Erasure] = field(default_factory=list)
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
        asset["type_revision"] = self.type(type_name)["revision"] if type_name else None
        self.assets[asset_id] = asset | {"description": "", "properties": properties}
        return self.assets[asset_id]

    def add_type(
        self, name: str, revision: int, properties: Mapping[str, Any], *, failure_modes: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Publish a revision of a type."""
        made = {"name": name, "revision": revision, "description": "", "properties": dict(properties)}
        self.types[name, revision] = made | {"failure_modes": dict(failure_modes)}
        return self.types[name, revision]

    def type(self, name: str, revision: int | None = None) -> dict[str, Any]:
        """Give a revision of a type, the newest when none is named; a name that nobody published has no content."""
        known = [each for (of, at), each in self.types.items() if of == name and revision in (None, at)]
        nothing = {"name": name, "revision": 1, "description": "", "properties": {}, "failure_modes": {}}
        return max(known, key=lambda each: int(each["revision"]), default=nothing)

    def set_attributes(self, asset: dict[str, Any], attributes: Mapping[str, Any]) -> None:
        """Put these in the place of the attributes that the asset had."""
        others = [p for p in asset["properties"] if p["kind"] != "attribute"]
        asset["properties"] = [*(_property(n, kind="attribute", value=v) for n, v in attributes.items()), *others]

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

    def commit(self, samples: Iterable[tuple[int, int, int, Scalar]], *, replacing: bool = False) -> dict[str, int]:
        """Store (tag, time, status, value) in one commit; an equal sample is counted, not stored again."""
        position, arrival, stored, duplicates = self.head + 1, self.now_ns(), 0, 0
        samples = list(samples)
        gone = self._replaced(samples, position) if replacing else 0
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
        return {"position": self.head, "stored": stored, "duplicates": duplicates, "erased": gone}

    def delete(self, tags: Iterable[int], start: int, end: int) -> dict[str, int]:
        """Take out the samples of tags with start <= time < end; give the commit and how many went."""
        self.head += 1
        return {"position": self.head, "erased": sum(self._erase(tag, start, end, self.head) for tag in tags)}

    def _replaced(self, samples: Iterable[tuple[int, int, int, Scalar]], position: int) -> int:
        """Take out what other samples come in the place of."""
        come: dict[tuple[int, int], list[tuple[int, Scalar]]] = {}
        for tag, time, status, value in samples:
            mine = come.setdefault((tag, time), [])
            if not any(status == s and _same(value, v) for s, v in mine):
                mine.append((status, value))
        gone = 0
        for (tag, time), new in come.items():
            there = _at(self.rows[tag], time)
            same = all(any(r.status == s and _same(r.value, v) for s, v in new) for r in there)
            if not same or len(there) != len(new):
                gone += self._erase(tag, time, time + 1, position)
        return gone

    def _erase(self, tag: int, start: int, end: int, position: int) -> int:
        gone = [row for row in self.rows[tag] if start <= row.time < end]
        if gone:
            self.rows[tag] = [row for row in self.rows[tag] if not start <= row.time < end]
            self.committed = [row for row in self.committed if row.tag != tag or not start <= row.time < end]
            self.erasures.append(Erasure(tag, start, end, position))
        return len(gone)

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
