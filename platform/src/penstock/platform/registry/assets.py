"""Assets: things of the plant at ISA-95 paths, with properties fed by attributes and tags."""

import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import record
from penstock.platform.kit.db import Database
from penstock.platform.kit.paging import decode_cursor, page_of
from penstock.platform.kit.problems import Problem, invalid, not_found
from penstock.platform.registry.binding import assets_by_path, make_asset, parted
from penstock.platform.registry.model import Asset, AssetType, Binding, HierarchyName, Tag
from penstock.platform.registry.service import TagDirectory
from penstock.platform.registry.types import find_type

WRITTEN_KINDS = ("measurement", "metric")


@dataclass(frozen=True, slots=True)
class Property:
    """A property of an asset with what feeds it: a value, a tag, or an expression (stored, not evaluated yet)."""

    name: str
    kind: str
    type: str
    unit: str | None
    tag: int | None = None
    value: Any = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class AssetView:
    """An asset as the API shows it."""

    row: Asset
    type: AssetType | None
    properties: tuple[Property, ...]


@dataclass(frozen=True, slots=True)
class AssetFilter:
    """Which assets of a tenant."""

    type: str | None = None
    path: str | None = None
    parent: str | None = None
    q: str | None = None


class AssetService:
    """Read and change assets."""

    def __init__(self, db: Database, directory: TagDirectory) -> None:
        self._db = db
        self._directory = directory

    def page(
        self, tenant: str, wanted: AssetFilter, *, limit: int, cursor: str | None
    ) -> tuple[list[AssetView], str | None]:
        """Give a page of assets by path."""
        query = _filtered(select(Asset).where(Asset.tenant == tenant), wanted).order_by(Asset.path)
        if cursor:
            query = query.where(Asset.path > decode_cursor(cursor, str)[0])
        with self._db.reading() as session:
            rows, following = page_of(list(session.execute(query.limit(limit + 1)).scalars()), limit, "path")
            return _views(session, rows), following

    def get(self, tenant: str, reference: str) -> AssetView:
        """Give an asset by its id or path, or Problem 404."""
        with self._db.reading() as session:
            return _views(session, [find_asset(session, tenant, reference)])[0]

    def tree(self, tenant: str) -> list[dict[str, Any]]:
        """Give the hierarchy, roots first: named paths, assets, and the paths between."""
        with self._db.reading() as session:
            assets = {row.path: row for row in session.execute(select(Asset).where(Asset.tenant == tenant)).scalars()}
            query = select(HierarchyName.path, HierarchyName.name).where(HierarchyName.tenant == tenant)
            names = {path: name for path, name in session.execute(query)}
        return _nest(assets, names)

    def create(
        self, by: Principal, path: str, *, name: str, description: str, type: str | None, attributes: Mapping[str, Any]
    ) -> AssetView:
        """Make an asset; Problem 409 when the path is taken."""
        with self._db.session() as session:
            taken = select(Asset.id).where(Asset.tenant == by.tenant, Asset.path == path)
            if session.execute(taken).first() is not None:
                raise Problem(409, "asset-exists", f"There is an asset at {path} already; change that one.")
            asset = make_asset(session, by.tenant, path, origin="api", name=name or None)
            asset.description = description
            asset.type_id = find_type(session, by.tenant, type).id if type else None
            set_attributes(session, asset, attributes)
            record(session, by, "asset.create", object=asset.id, detail={"path": path})
            return _views(session, [asset])[0]

    def change(self, by: Principal, asset_id: str, changes: Mapping[str, Any]) -> AssetView:
        """Change name, description, type, attributes or bindings; Problem 409 where plant.yaml has the say."""
        touched: set[int] = set()
        with self._db.session() as session:
            asset = find_asset(session, by.tenant, asset_id)
            _not_of_plant(asset)
            asset.name = changes.get("name", asset.name)
            asset.description = changes.get("description", asset.description)
            if "type" in changes:
                wanted = changes["type"]
                asset.type_id = find_type(session, by.tenant, wanted).id if wanted else None
            if "attributes" in changes:
                set_attributes(session, asset, changes["attributes"])
            for name, tag_id in changes.get("bind", {}).items():
                touched |= _bind(session, asset, name, tag_id)
            asset.origin = "api" if asset.origin == "device" else asset.origin
            asset.changed_ns = time.time_ns()
            record(session, by, "asset.change", object=asset.id, detail=dict(changes))
            session.flush()
            view = _views(session, [asset])[0]
        self._directory.refresh(touched)
        return view

    def remove(self, by: Principal, asset_id: str) -> None:
        """Remove an asset; its tags and samples stay."""
        with self._db.session() as session:
            asset = find_asset(session, by.tenant, asset_id)
            _not_of_plant(asset)
            bindings = session.execute(select(Binding).where(Binding.asset_id == asset.id)).scalars().all()
            for binding in bindings:
                session.delete(binding)
            session.flush()
            session.delete(asset)
            record(session, by, "asset.remove", object=asset.id, detail={"path": asset.path})
        self._directory.refresh({binding.tag_id for binding in bindings if binding.tag_id is not None})

    def count(self, tenant: str) -> int:
        """Count the tenant's assets."""
        with self._db.reading() as session:
            return len(session.execute(select(Asset.id).where(Asset.tenant == tenant)).all())


def find_asset(session: Session, tenant: str, reference: str) -> Asset:
    """Give the tenant's asset by id or path, or Problem 404."""
    column = Asset.id if reference.startswith("ast_") else Asset.path
    row = session.execute(select(Asset).where(Asset.tenant == tenant, column == reference)).scalar_one_or_none()
    if row is None:
        raise not_found(what="asset", identifier=reference)
    return row


def find_assets(session: Session, tenant: str, references: Collection[str]) -> dict[str, Asset]:
    """Give the tenant's assets by what names them, id or path; what is absent from the answer is not there."""
    found: dict[str, Asset] = {}
    by_id = {each for each in references if each.startswith("ast_")}
    for part in parted(by_id):
        query = select(Asset).where(Asset.tenant == tenant, Asset.id.in_(part))
        found |= {asset.id: asset for asset in session.execute(query).scalars()}
    return found | assets_by_path(session, tenant, set(references) - by_id)


def set_attributes(session: Session, asset: Asset, attributes: Mapping[str, Any]) -> None:
    """Set the attributes; Problem 422 for one that the asset's type does not have."""
    declared = session.get_one(AssetType, asset.type_id).properties if asset.type_id else None
    for name in attributes:
        if declared is not None and declared.get(name, {}).get("kind") != "attribute":
            known = sorted(key for key, spec in declared.items() if spec["kind"] == "attribute")
            raise invalid(detail=f"{name} is no attribute of the asset's type; it has {', '.join(known) or 'none'}.")
    asset.attributes = dict(attributes)


def _bind(session: Session, asset: Asset, name: str, tag_id: int | None) -> set[int]:
    """Bind a property to a tag, None: to none; give the ids of the tags that this concerns."""
    known = session.get(Binding, (asset.id, name))
    before = {known.tag_id} if known is not None and known.tag_id is not None else set()
    if tag_id is None:
        if known is not None:
            session.delete(known)
        return before
    tag = session.execute(select(Tag).where(Tag.tenant == asset.tenant, Tag.id == tag_id)).scalar_one_or_none()
    if tag is None:
        raise not_found(what="tag", identifier=tag_id)
    spec = session.get_one(AssetType, asset.type_id).properties.get(name) if asset.type_id else None
    if spec is not None and (spec["kind"] not in WRITTEN_KINDS or spec["type"] != tag.type):
        raise invalid(detail=f"{name} is a {spec['kind']} of {spec['type']}; the tag is {tag.type}.")
    if known is None:
        known = Binding(asset_id=asset.id, property=name, tenant=asset.tenant)
        session.add(known)
    known.tag_key, known.tag_id, known.origin = tag.key, tag.id, "api"
    return before | {tag.id}


def _not_of_plant(asset: Asset) -> None:
    if asset.origin == "plant":
        detail = f"{asset.path} stands in plant.yaml, which has the say: change it there, it is read at once."
        raise Problem(409, "owned-by-plant-file", detail)


def _filtered(query: Select[Asset], wanted: AssetFilter) -> Select[Asset]:
    if wanted.type is not None:
        query = query.join(AssetType, AssetType.id == Asset.type_id).where(AssetType.name == wanted.type)
    if wanted.path is not None:
        query = query.where(Asset.path == wanted.path)
    if wanted.parent is not None:
        below = Asset.path.startswith(f"{wanted.parent}/", autoescape=True)
        deeper = Asset.path.like(f"{_like(wanted.parent)}/%/%", escape="\\")
        query = query.where(below, ~deeper)
    if wanted.q is not None:
        text = wanted.q
        query = query.where(Asset.path.icontains(text, autoescape=True) | Asset.name.icontains(text, autoescape=True))
    return query


def _like(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _views(session: Session, rows: Sequence[Asset]) -> list[AssetView]:
    ids = [row.id for row in rows]
    types = {row.id: row for row in _types(session, {row.type_id for row in rows if row.type_id})}
    bindings: dict[str, list[Binding]] = defaultdict(list)
    for binding in session.execute(select(Binding).where(Binding.asset_id.in_(ids))).scalars():
        bindings[binding.asset_id].append(binding)
    wanted = {b.tag_id for found in bindings.values() for b in found if b.tag_id is not None}
    tags = {tag.id: tag for tag in session.execute(select(Tag).where(Tag.id.in_(sorted(wanted)))).scalars()}
    views = []
    for row in rows:
        kind = types.get(row.type_id or "")
        views.append(AssetView(row, kind, tuple(_properties(row, kind, bindings[row.id], tags))))
    return views


def _types(session: Session, ids: set[str]) -> Iterable[AssetType]:
    return session.execute(select(AssetType).where(AssetType.id.in_(sorted(ids)))).scalars()


def _properties(
    asset: Asset, kind: AssetType | None, bindings: Sequence[Binding], tags: Mapping[int, Tag]
) -> Iterable[Property]:
    bound = {binding.property: tags.get(binding.tag_id or 0) for binding in bindings}
    declared = kind.properties if kind else {}
    for name, spec in declared.items():
        unit = spec.get("unit") or None
        if spec["kind"] == "attribute":
            value = asset.attributes.get(name, spec.get("default"))
            yield Property(name, "attribute", spec["type"], unit, value=value)
        elif spec["kind"] == "transform":
            yield Property(name, "transform", spec["type"], unit, expression=spec.get("expression"))
        else:
            tag = bound.get(name)
            yield Property(name, spec["kind"], spec["type"], unit, tag=tag.id if tag else None)
    for name in sorted(asset.attributes.keys() - declared.keys()):
        yield Property(name, "attribute", _type_of(asset.attributes[name]), None, value=asset.attributes[name])
    for name in sorted(bound.keys() - declared.keys()):
        tag = bound[name]
        if tag is not None:
            yield Property(name, "measurement" if tag.gateway_id else "metric", tag.type, tag.unit, tag=tag.id)


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int):
        return "int64"
    return "float64" if isinstance(value, float) else "string"


def _nest(assets: Mapping[str, Asset], names: Mapping[str, str]) -> list[dict[str, Any]]:
    nodes: dict[str, dict[str, Any]] = {}
    roots: list[dict[str, Any]] = []
    paths = {part for path in (*assets, *names) for part in _with_parents(path)}
    for path in sorted(paths):
        asset = assets.get(path)
        name = names.get(path) or (asset.name if asset else path.rsplit("/", 1)[-1])
        nodes[path] = {"path": path, "name": name, "asset": asset.id if asset else None, "children": []}
        parent = path.rpartition("/")[0]
        (nodes[parent]["children"] if parent else roots).append(nodes[path])
    return roots


def _with_parents(path: str) -> Iterable[str]:
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts) + 1))
