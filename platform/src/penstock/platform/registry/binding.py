"""Bindings: which tag feeds which property. The plant's word comes first, then the API's, then the device's.

A tag whose device names an asset is bound there to the property of its own name, unless that property is taken or
the tag feeds another property of the same asset. So one device file is enough to see a trend.
"""

import time
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.platform.kit.ids import new_id
from penstock.platform.registry.model import Asset, Binding, HierarchyName, Tag


def bind_device_tags(session: Session, tenant: str, tags: Sequence[Tag]) -> None:
    """Bind the tags to the assets that their devices name, making untyped assets where there are none."""
    resolve_waiting(session, tenant, tags)
    assets = assets_by_path(session, tenant, {tag.path for tag in tags if tag.path})
    for tag in tags:
        if not tag.path:
            continue
        asset = assets.get(tag.path)
        if asset is None:
            asset = assets[tag.path] = make_asset(session, tenant, tag.path, origin="device")
        _bind_by_name(session, asset, tag)


def resolve_waiting(session: Session, tenant: str, tags: Sequence[Tag]) -> None:
    """Point every binding by key at the tag that now stands under the key."""
    by_key = {tag.key: tag for tag in tags}
    query = select(Binding).where(Binding.tenant == tenant)
    for binding in session.execute(query).scalars():
        tag = by_key.get(binding.tag_key)
        if tag is not None and binding.tag_id != tag.id:
            binding.tag_id = tag.id
    session.flush()


def make_asset(session: Session, tenant: str, path: str, *, origin: str, name: str | None = None) -> Asset:
    """Make an untyped asset at the path; its name is the hierarchy's or the last part of the path."""
    known = session.get(HierarchyName, (tenant, path))
    now = time.time_ns()
    asset = Asset(
        id=new_id("ast"),
        tenant=tenant,
        path=path,
        name=name or (known.name if known else path.rsplit("/", 1)[-1]),
        attributes={},
        description="",
        origin=origin,
        created_ns=now,
        changed_ns=now,
    )
    session.add(asset)
    session.flush()
    return asset


def assets_by_path(session: Session, tenant: str, paths: set[str]) -> dict[str, Asset]:
    """Give the tenant's assets at the paths."""
    query = select(Asset).where(Asset.tenant == tenant, Asset.path.in_(sorted(paths)))
    return {asset.path: asset for asset in session.execute(query).scalars()}


def _bind_by_name(session: Session, asset: Asset, tag: Tag) -> None:
    rows = session.execute(select(Binding).where(Binding.asset_id == asset.id)).scalars().all()
    if any(row.tag_key == tag.key or row.property == tag.name for row in rows):
        return
    binding = Binding(asset_id=asset.id, property=tag.name, tenant=asset.tenant, tag_key=tag.key, tag_id=tag.id)
    binding.origin = "device"
    session.add(binding)
    session.flush()
