"""Bindings: which tag feeds which property. The plant's word comes first, then the API's, then the device's.

A tag whose device names an asset is bound there to the property of its own name, unless that property is taken or
the tag feeds another property of the same asset. So one device file is enough to see a trend.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.platform.kit.ids import new_id
from penstock.platform.registry.model import Asset, Binding, HierarchyName, Tag

_Key = TypeVar("_Key", int, str)

KEYS_A_QUERY = 500
"""SQLite takes 32766 parameters, PostgreSQL's planner is happier with few."""


def bind_device_tags(session: Session, tenant: str, tags: Sequence[Tag]) -> set[int]:
    """Bind the tags to the assets that their devices name, making untyped assets where there are none.

    Give the ids of other tags that lost a binding. A device file may have thousands of tags: the statements grow by
    the page of `KEYS_A_QUERY`, not by the tag.
    """
    left = resolve_waiting(session, tenant, tags)
    paths = {tag.path for tag in tags if tag.path}
    assets = assets_by_path(session, tenant, paths)
    assets |= _make_assets(session, tenant, paths - assets.keys())
    taken = _taken(session, [asset.id for asset in assets.values()])
    for tag in tags:
        if tag.path:
            _bind_by_name(session, assets[tag.path], tag, taken)
    session.flush()
    return left


def resolve_waiting(session: Session, tenant: str, tags: Sequence[Tag]) -> set[int]:
    """Point every binding by key at the tag that now stands under the key; give the ids of those it pointed at."""
    left: set[int] = set()
    by_key = {tag.key: tag for tag in tags}
    for keys in parted(by_key):
        query = select(Binding).where(Binding.tenant == tenant, Binding.tag_key.in_(keys))
        for binding in session.execute(query).scalars():
            tag = by_key[binding.tag_key]
            if binding.tag_id != tag.id:
                left |= {binding.tag_id} if binding.tag_id is not None else set()
                binding.tag_id = tag.id
    session.flush()
    return left


def make_asset(session: Session, tenant: str, path: str, *, origin: str, name: str | None = None) -> Asset:
    """Make an untyped asset at the path; its name is the hierarchy's or the last part of the path."""
    known = session.get(HierarchyName, (tenant, path))
    asset = _asset(tenant, path, name or (known.name if known else None), origin)
    session.add(asset)
    session.flush()
    return asset


def assets_by_path(session: Session, tenant: str, paths: set[str]) -> dict[str, Asset]:
    """Give the tenant's assets at the paths."""
    found: dict[str, Asset] = {}
    for part in parted(paths):
        query = select(Asset).where(Asset.tenant == tenant, Asset.path.in_(part))
        found.update((asset.path, asset) for asset in session.execute(query).scalars())
    return found


def parted(keys: Iterable[_Key]) -> Iterator[list[_Key]]:
    """Give the keys in order, as many at once as a query should carry."""
    ordered = sorted(keys)
    for start in range(0, len(ordered), KEYS_A_QUERY):
        yield ordered[start : start + KEYS_A_QUERY]


def _make_assets(session: Session, tenant: str, paths: set[str]) -> dict[str, Asset]:
    made: dict[str, Asset] = {}
    for part in parted(paths):
        query = select(HierarchyName).where(HierarchyName.tenant == tenant, HierarchyName.path.in_(part))
        names = {known.path: known.name for known in session.execute(query).scalars()}
        made.update((path, _asset(tenant, path, names.get(path), "device")) for path in part)
    session.add_all(made.values())
    session.flush()
    return made


def _asset(tenant: str, path: str, name: str | None, origin: str) -> Asset:
    now = time.time_ns()
    return Asset(
        id=new_id("ast"),
        tenant=tenant,
        path=path,
        name=name or path.rsplit("/", 1)[-1],
        attributes={},
        description="",
        origin=origin,
        created_ns=now,
        changed_ns=now,
    )


def _taken(session: Session, assets: Iterable[str]) -> set[tuple[str, str, str]]:
    """Give what the assets have: (asset, "property", its name) and (asset, "key", the tag's key)."""
    taken: set[tuple[str, str, str]] = set()
    for part in parted(assets):
        query = select(Binding.asset_id, Binding.property, Binding.tag_key).where(Binding.asset_id.in_(part))
        for asset, name, key in session.execute(query):
            taken |= {(asset, "property", name), (asset, "key", key)}
    return taken


def _bind_by_name(session: Session, asset: Asset, tag: Tag, taken: set[tuple[str, str, str]]) -> None:
    ours = {(asset.id, "property", tag.name), (asset.id, "key", tag.key)}
    if taken & ours:
        return
    taken |= ours
    binding = Binding(asset_id=asset.id, property=tag.name, tenant=asset.tenant, tag_key=tag.key, tag_id=tag.id)
    binding.origin = "device"
    session.add(binding)
