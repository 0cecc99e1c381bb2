"""Tags as the API shows them, and computed tags that apps declare and write."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from penstock.platform.identity.model import Gateway
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import record
from penstock.platform.kit.db import Database
from penstock.platform.kit.paging import decode_cursor, page_of
from penstock.platform.kit.problems import Problem, not_found
from penstock.platform.registry.assets import find_asset
from penstock.platform.registry.declaring import ComputedTag as ComputedTag
from penstock.platform.registry.declaring import declare_all
from penstock.platform.registry.model import Binding, Tag
from penstock.platform.registry.service import TagDirectory


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
        """Declare a computed tag owned by the caller's client; give it and whether it is new. See declare_all."""
        [(view, new)] = self.declare_all(by, [wanted])
        return view, new

    def declare_all(self, by: Principal, wanted: Sequence[ComputedTag]) -> list[tuple[TagView, bool]]:
        """Declare computed tags, all or none; give each with whether it is new. See declaring.declare_all."""
        with self._db.session() as session:
            told, touched = declare_all(session, by, wanted)
        self._directory.refresh(touched)
        return [(TagView(each.row, each.asset, each.property), each.is_new) for each in told]


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


def _views(session: Session, rows: Sequence[Tag]) -> list[TagView]:
    query = select(Binding).where(Binding.tag_id.in_([row.id for row in rows])).order_by(Binding.asset_id.desc())
    bound = {binding.tag_id: binding for binding in session.execute(query).scalars()}
    views = []
    for row in rows:
        binding = bound.get(row.id)
        views.append(TagView(row, binding.asset_id if binding else None, binding.property if binding else None))
    return views
