"""What the tag directory knows at one moment: never changed in place, so that a reader sees one state throughout."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TagRef:
    """Say what a tag is: surrogate id, key, value type and who may write it."""

    id: int
    key: str
    value_type: str
    tenant: str
    owner: str
    late_after_ns: int | None
    rate_hz: float | None
    asset_id: str | None
    gateway_id: str | None = None
    unit: str | None = None
    created_ns: int = 0
    active: bool = True
    """False once a tag of another type or unit took its key."""


@dataclass(frozen=True, slots=True)
class Known:
    """Tags by tenant and id, active ones by (tenant, key), those of an asset by (tenant, asset), assets by tag."""

    tags: Mapping[str, Mapping[int, TagRef]] = field(default_factory=dict)
    keys: Mapping[tuple[str, str], int] = field(default_factory=dict)
    assets: Mapping[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    bound: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    def having(self, refs: Sequence[TagRef], bound: Mapping[int, Iterable[str]]) -> Known:
        """Give what is known with these tags as they are now; `bound` has every asset that one of them feeds."""
        tags = {tenant: dict(theirs) for tenant, theirs in self.tags.items()}
        keys, assets, assets_of = dict(self.keys), dict(self.assets), dict(self.bound)
        turned: dict[tuple[str, str], set[int]] = defaultdict(set)
        for ref in refs:
            tags.setdefault(ref.tenant, {})[ref.id] = ref
            if ref.active:
                keys[(ref.tenant, ref.key)] = ref.id
            elif keys.get((ref.tenant, ref.key)) == ref.id:
                del keys[(ref.tenant, ref.key)]
            now = tuple(sorted(set(bound.get(ref.id, ()))))
            for asset in set(now) ^ set(assets_of.pop(ref.id, ())):
                turned[(ref.tenant, asset)].add(ref.id)
            if now:
                assets_of[ref.id] = now
        for place, ids in turned.items():
            there = tuple(sorted(ids ^ set(assets.pop(place, ()))))
            if there:
                assets[place] = there
        return Known(tags, keys, assets, assets_of)
