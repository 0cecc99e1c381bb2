"""Computed tags that apps declare: one or many in one transaction, all of them or none.

The statements grow by the page of `KEYS_A_QUERY`, not by the tag: everything that the items name is read first, all
are judged, and only where nothing is wrong with any of them something is written.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from penstock.core.units import unit_problem
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import record_all
from penstock.platform.kit.problems import ERRORS_SHOWN_MAX, Problem, invalid, not_found
from penstock.platform.registry.assets import WRITTEN_KINDS, find_assets
from penstock.platform.registry.binding import parted
from penstock.platform.registry.model import Asset, AssetType, Binding, Tag
from penstock.platform.registry.service import changed_meaning, tags_by_key


@dataclass(frozen=True, slots=True)
class ComputedTag:
    """What an app declares."""

    asset: str
    property: str
    type: str
    unit: str | None
    description: str


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared tag with the asset and the property that it feeds, and whether it is new."""

    row: Tag
    asset: str
    property: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Item:
    """An item that fits, with what is there already."""

    wanted: ComputedTag
    asset: Asset
    key: str
    binding: Binding | None
    tag: Tag | None


@dataclass(frozen=True, slots=True)
class _There:
    """What the store holds of the items: assets by what names them, types by id, bindings and tags."""

    assets: Mapping[str, Asset]
    types: Mapping[str, AssetType]
    bindings: Mapping[tuple[str, str], Binding]
    owners: Mapping[int, str]
    tags: Mapping[str, Tag]


def declare_all(
    session: Session, by: Principal, wanted: Sequence[ComputedTag]
) -> tuple[list[Declared], set[int]]:  # fmt: skip
    """Declare tags owned by the caller's client; give them in order, and the ids of all tags that this concerns.

    Another type or unit than before is another series under the same key. Problem 404 for an asset that is not there,
    409 for a property that somebody else's tag feeds, 422 for a unit that is not known; of several items `errors` says
    it of each, and nothing is declared.
    """
    there = _read(session, by, wanted)
    items, refused = [], []
    places: dict[tuple[str, str], int] = {}
    for number, each in enumerate(wanted):
        try:
            item = _fitting(by, each, there)
            first = places.setdefault((item.asset.id, each.property), number)
            if first != number:
                msg = f"items.{first} declares it too: send it once."
                raise invalid(msg)
            items.append(item)
        except Problem as problem:
            refused.append((number, problem))
    if refused:
        raise refused[0][1] if len(wanted) == 1 else _all_refused(wanted, refused)
    return _written(session, by, items)


def _read(session: Session, by: Principal, wanted: Sequence[ComputedTag]) -> _There:
    assets = find_assets(session, by.tenant, {each.asset for each in wanted})
    rows = {asset.id: asset for asset in assets.values()}
    types: dict[str, AssetType] = {}
    bindings: dict[tuple[str, str], Binding] = {}
    for part in parted({asset.type_id for asset in rows.values() if asset.type_id}):
        types |= {row.id: row for row in session.execute(select(AssetType).where(AssetType.id.in_(part))).scalars()}
    properties = {each.property for each in wanted}
    for part in parted(rows):
        for names in parted(properties):
            query = select(Binding).where(Binding.asset_id.in_(part), Binding.property.in_(names))
            bindings |= {(row.asset_id, row.property): row for row in session.execute(query).scalars()}
    owners: dict[int, str] = {}
    for ids in parted({row.tag_id for row in bindings.values() if row.tag_id is not None}):
        owners |= {tag: owner for tag, owner in session.execute(select(Tag.id, Tag.owner).where(Tag.id.in_(ids)))}
    keys = {_key(by, assets[each.asset], each.property) for each in wanted if each.asset in assets}
    return _There(assets, types, bindings, owners, tags_by_key(session, by.tenant, keys))


def _key(by: Principal, asset: Asset, name: str) -> str:
    return f"{by.name if by.kind != 'person' else by.client_id}/{asset.path}/{name}"


def _fitting(by: Principal, wanted: ComputedTag, there: _There) -> _Item:
    """Judge one item against what is there; raise Problem."""
    asset = there.assets.get(wanted.asset)
    if asset is None:
        raise not_found(what="asset", identifier=wanted.asset)
    _fits_type(there.types.get(asset.type_id or ""), wanted)
    binding = there.bindings.get((asset.id, wanted.property))
    if binding is not None and there.owners.get(binding.tag_id or 0) != by.writer:
        detail = f"{wanted.property} of {asset.path} is fed by {binding.tag_key}: take another property."
        raise Problem(409, "property-bound", detail)
    key = _key(by, asset, wanted.property)
    tag = there.tags.get(key)
    if tag is not None and tag.owner != by.writer:
        raise Problem(409, "tag-exists", f"The key {key} belongs to another client; take another property.")
    if wanted.unit and (tag is None or tag.unit != wanted.unit):  # not of a unit that is there: it may load pint
        problem = unit_problem(wanted.unit)
        if problem is not None:
            raise invalid(problem)
    return _Item(wanted, asset, key, binding, tag)


def _fits_type(kind: AssetType | None, wanted: ComputedTag) -> None:
    spec = kind.properties.get(wanted.property) if kind else None
    if spec is None:
        return
    if spec["kind"] not in WRITTEN_KINDS:
        raise invalid(detail=f"{wanted.property} is a {spec['kind']} of the asset's type: apps write metrics.")
    if (spec["type"], spec.get("unit") or None) != (wanted.type, wanted.unit or None):
        unit = spec.get("unit") or "no unit"
        raise invalid(detail=f"The asset's type says {wanted.property} is {spec['type']} in {unit}: declare it so.")


def _all_refused(wanted: Sequence[ComputedTag], refused: Sequence[tuple[int, Problem]]) -> Problem:
    """Make one problem of them: status and type are the first one's, `errors` has each."""
    errors = [
        {
            "where": f"body.items.{number}",
            "message": f"{wanted[number].property} of {wanted[number].asset}: {problem.detail}",
            "status": problem.status,
            "type": problem.type,
        }
        for number, problem in refused[:ERRORS_SHOWN_MAX]
    ]
    number, first = refused[0]
    detail = (
        f"Nothing was declared: {len(refused)} of {len(wanted)} items cannot be. The first, items.{number} "
        f"({wanted[number].property} of {wanted[number].asset}): {first.detail}"
    )
    return Problem(first.status, first.type, detail, errors=errors)


def _written(session: Session, by: Principal, items: Sequence[_Item]) -> tuple[list[Declared], set[int]]:
    retired = [item.tag for item in items if item.tag and changed_meaning(item.tag, item.wanted.type, item.wanted.unit)]
    touched = {tag.id for tag in retired} | {i.binding.tag_id for i in items if i.binding and i.binding.tag_id}
    for tag in retired:
        tag.active = False
    session.flush()  # the new ones need the keys to be free
    tags = {item.key: item.tag for item in items if item.tag is not None and item.tag.active}
    missing = [item for item in items if item.key not in tags]
    tags |= _made(session, by, missing)
    new = {item.key for item in missing}
    for item in items:
        _put(session, item, tags[item.key])
    session.flush()
    deeds = [(str(tags[item.key].id), {"key": item.key}) for item in missing]
    record_all(session, by, "tag.declare", deeds)
    told = [Declared(tags[i.key], i.asset.id, i.wanted.property, i.key in new) for i in items]
    return told, touched | {tag.id for tag in tags.values()}


def _made(session: Session, by: Principal, items: Iterable[_Item]) -> dict[str, Tag]:
    """Make tags in one statement and read them back: an insert that gives the ids goes row by row in SQLite."""
    fixed = {"tenant": by.tenant, "active": True, "owner": by.writer, "created_ns": time.time_ns()}
    rows: list[dict[str, Any]] = [
        {**fixed, "key": item.key, "type": item.wanted.type, **_words(item)} for item in items
    ]  # fmt: skip
    if not rows:
        return {}
    session.execute(insert(Tag), rows)
    return tags_by_key(session, by.tenant, {row["key"] for row in rows})


def _words(item: _Item) -> dict[str, Any]:
    """Give what an app may say anew about a tag."""
    wanted = item.wanted
    unit = wanted.unit or None
    return {"name": wanted.property, "unit": unit, "path": item.asset.path, "description": wanted.description}


def _put(session: Session, item: _Item, tag: Tag) -> None:
    for name, value in _words(item).items():
        if getattr(tag, name) != value:
            setattr(tag, name, value)
    binding = item.binding
    if binding is None:
        binding = Binding(asset_id=item.asset.id, property=item.wanted.property, tenant=tag.tenant, origin="api")
        session.add(binding)
    binding.tag_key, binding.tag_id = tag.key, tag.id
