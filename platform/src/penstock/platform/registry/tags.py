"""Tags as the API shows them, and computed tags that apps declare and write."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.core.units import unit_problem
from penstock.platform.identity.model import Gateway
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import record
from penstock.platform.kit.db import Database
from penstock.platform.kit.paging import decode_cursor, page_of
from penstock.platform.kit.problems import Problem, invalid, not_found
from penstock.platform.registry.assets import WRITTEN_KINDS, find_asset
from penstock.platform.registry.model import Asset, AssetType, Binding, Tag
from penstock.platform.registry.service import TagDirectory, changed_meaning


@dataclass(frozen=True, slots=True)
class TagView:
    """A tag with the property it feeds, if any."""

    row: Tag
    asset: str | None
    property: str | None


@dataclass(frozen=True, slots=True)
class TagFilter:
    """Which tags of a tenant; an asset by id or path, a gateway by id or name."""

    keys: Sequence[str] = ()
    asset: str | None = None
    q: str | None = None
    gateway: str | None = None


@dataclass(frozen=True, slots=True)
class ComputedTag:
    """What an app declares."""

    asset: str
    property: str
    type: str
    unit: str | None
    description: str


class TagService:
    """Read tags, declare computed ones."""

    def __init__(self, db: Database, directory: TagDirectory) -> None:
        self._db = db
        self._directory = directory

    def page(
        self, tenant: str, wanted: TagFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[TagView], str | None]:
        """Give a page of active tags by id; Problem 404 for an asset or a gateway that is not there."""
        query = select(Tag).where(Tag.tenant == tenant, Tag.active).order_by(Tag.id)
        if wanted.keys:
            query = query.where(Tag.key.in_(wanted.keys))
        if wanted.q is not None:
            columns = (Tag.key, Tag.name, Tag.description)
            found = [column.icontains(wanted.q, autoescape=True) for column in columns]
            query = query.where(found[0] | found[1] | found[2])
        if cursor:
            query = query.where(Tag.id > decode_cursor(cursor, int)[0])
        with self._db.reading() as session:
            if wanted.gateway is not None:
                query = query.where(Tag.gateway_id == _gateway(session, tenant, wanted.gateway))
            if wanted.asset is not None:
                asset = find_asset(session, tenant, wanted.asset)
                query = query.where(Tag.id.in_(select(Binding.tag_id).where(Binding.asset_id == asset.id)))
            rows, following = page_of(list(session.execute(query.limit(limit + 1)).scalars()), limit, "id")
            return _views(session, rows), following

    def get(self, tenant: str, tag_id: int) -> TagView:
        """Give a tag, retired ones too, or Problem 404."""
        with self._db.reading() as session:
            return _views(session, [_find(session, tenant, tag_id)])[0]

    def describe(self, by: Principal, tag_id: int, description: str) -> TagView:
        """Change the description of a computed tag; a device's tag is described by its device file."""
        with self._db.session() as session:
            tag = _find(session, by.tenant, tag_id)
            if tag.gateway_id is not None:
                detail = f"{tag.key} is described by its device file, which has the say: change it there."
                raise Problem(409, "owned-by-device-file", detail)
            tag.description = description
            record(session, by, "tag.change", object=str(tag_id))
            return _views(session, [tag])[0]

    def declare(self, by: Principal, wanted: ComputedTag) -> tuple[TagView, bool]:
        """Declare a computed tag owned by the caller's client; give it and whether it is new.

        Another type or unit than before is another series under the same key. Problem 409 when the property is fed by
        somebody else's tag, 422 for a unit that is not known.
        """
        with self._db.session() as session:
            asset = find_asset(session, by.tenant, wanted.asset)
            _fits(session, asset, wanted)
            binding = session.get(Binding, (asset.id, wanted.property))
            bound = session.get(Tag, binding.tag_id) if binding and binding.tag_id else None
            if binding is not None and (bound is None or bound.owner != by.writer):
                detail = f"{wanted.property} of {asset.path} is fed by {binding.tag_key}: take another property."
                raise Problem(409, "property-bound", detail)
            tag, new = _declared(session, by, asset, wanted)
            if binding is None:
                binding = Binding(asset_id=asset.id, property=wanted.property, tenant=by.tenant, origin="api")
                session.add(binding)
            binding.tag_key, binding.tag_id = tag.key, tag.id
            if new:
                record(session, by, "tag.declare", object=str(tag.id), detail={"key": tag.key})
            view = TagView(tag, asset.id, wanted.property)
        self._directory.reload()
        return view, new


def _gateway(session: Session, tenant: str, named: str) -> str:
    """Give a gateway's id, of its id or name."""
    query = select(Gateway.id).where(Gateway.tenant == tenant, (Gateway.id == named) | (Gateway.name == named))
    found = session.execute(query).scalars().first()
    if found is None:
        raise not_found(what="gateway", identifier=named)
    return found


def _find(session: Session, tenant: str, tag_id: int) -> Tag:
    tag = session.execute(select(Tag).where(Tag.tenant == tenant, Tag.id == tag_id)).scalar_one_or_none()
    if tag is None:
        raise not_found(what="tag", identifier=tag_id)
    return tag


def _fits(session: Session, asset: Asset, wanted: ComputedTag) -> None:
    kind = session.get(AssetType, asset.type_id) if asset.type_id else None
    spec = kind.properties.get(wanted.property) if kind else None
    if spec is None:
        return
    if spec["kind"] not in WRITTEN_KINDS:
        raise invalid(detail=f"{wanted.property} is a {spec['kind']} of the asset's type: apps write metrics.")
    if (spec["type"], spec.get("unit") or None) != (wanted.type, wanted.unit or None):
        unit = spec.get("unit") or "no unit"
        raise invalid(detail=f"The asset's type says {wanted.property} is {spec['type']} in {unit}: declare it so.")


def _declared(session: Session, by: Principal, asset: Asset, wanted: ComputedTag) -> tuple[Tag, bool]:
    key = f"{by.name if by.kind != 'person' else by.client_id}/{asset.path}/{wanted.property}"
    query = select(Tag).where(Tag.tenant == by.tenant, Tag.active, Tag.key == key)
    tag = session.execute(query).scalar_one_or_none()
    if tag is not None and tag.owner != by.writer:
        raise Problem(409, "tag-exists", f"The key {key} belongs to another client; take another property.")
    if wanted.unit and (tag is None or tag.unit != wanted.unit):  # not of a unit that is there: it may load pint
        problem = unit_problem(wanted.unit)
        if problem is not None:
            raise invalid(problem)
    if tag is not None and changed_meaning(tag, wanted.type, wanted.unit):
        tag.active = False
        session.flush()
        tag = None
    new = tag is None
    if tag is None:
        tag = Tag(tenant=by.tenant, key=key, active=True, type=wanted.type, owner=by.writer, created_ns=time.time_ns())
        session.add(tag)
    tag.name, tag.unit, tag.path = wanted.property, wanted.unit or None, asset.path
    tag.description = wanted.description
    session.flush()
    return tag, new


def _views(session: Session, rows: Sequence[Tag]) -> list[TagView]:
    query = select(Binding).where(Binding.tag_id.in_([row.id for row in rows])).order_by(Binding.asset_id.desc())
    bound = {binding.tag_id: binding for binding in session.execute(query).scalars()}
    views = []
    for row in rows:
        binding = bound.get(row.id)
        views.append(TagView(row, binding.asset_id if binding else None, binding.property if binding else None))
    return views
