"""Routes of the registry: asset types, assets, tree, tags, plant status."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response

from penstock.core.plant import Signal
from penstock.core.times import format_rfc3339_ns
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.paging import Cursor, Limit, Page
from penstock.platform.kit.schemas import PRINTABLE, PathId, PathTag
from penstock.platform.registry.assets import AssetFilter, AssetService, AssetView
from penstock.platform.registry.model import AssetType
from penstock.platform.registry.plant import PlantFolder
from penstock.platform.registry.schemas import (
    AssetChange,
    AssetInput,
    AssetOutput,
    AssetTypeInput,
    AssetTypeOutput,
    FailureModeOutput,
    PlantStatusOutput,
    PropertyOutput,
    TagChange,
    TagInput,
    TagOutput,
    TagsInput,
    TagsOutput,
    Tree,
)
from penstock.platform.registry.tags import ComputedTag, TagFilter, TagService, TagView
from penstock.platform.registry.types import TypeContent, TypeService

Reader = Annotated[Principal, requires("assets:read")]
Writer = Annotated[Principal, requires("assets:write")]
SENSED = ("signal", Signal.SENSOR)
SearchText = Annotated[str | None, Query(min_length=1, max_length=200, pattern=PRINTABLE)]
PathText = Annotated[str | None, Query(max_length=512, pattern=PRINTABLE)]
Keys = Annotated[list[Annotated[str, Query(max_length=900, pattern=PRINTABLE)]], Query(max_length=500)]
TypeName = Annotated[str, Path(max_length=63, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
Revision = Annotated[int | None, Query(ge=1, le=1_000_000)]


class AssetEndpoints:
    """Asset types, assets and the tree."""

    def __init__(self, assets: AssetService, types: TypeService, plant: PlantFolder) -> None:
        self._assets = assets
        self._types = types
        self._plant = plant

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1", tags=["assets"])
        router.get("/asset-types")(self.types)
        router.post("/asset-types", status_code=201)(self.publish)
        router.get("/asset-types/{name}")(self.type)
        router.get("/assets")(self.assets)
        router.post("/assets", status_code=201)(self.create)
        router.get("/assets/tree")(self.tree)
        router.get("/assets/{asset_id}")(self.asset)
        router.patch("/assets/{asset_id}")(self.change)
        router.delete("/assets/{asset_id}", status_code=204)(self.remove)
        router.get("/plant/status")(self.plant_status)
        return router

    def types(self, principal: Reader, limit: Limit = 100, cursor: Cursor = None) -> Page[AssetTypeOutput]:
        """List every revision of every asset type."""
        rows, following = self._types.page(principal.tenant, limit, cursor)
        return Page(items=[_type(row) for row in rows], next=following)

    def type(self, principal: Reader, name: TypeName, revision: Revision = None) -> AssetTypeOutput:
        """Give an asset type, its newest revision when none is named."""
        return _type(self._types.get(principal.tenant, name, revision))

    def publish(self, principal: Writer, body: AssetTypeInput, response: Response) -> AssetTypeOutput:
        """Publish a revision of an asset type; the same once more is answered 200."""
        properties = {name: _spec(spec.model_dump(mode="json")) for name, spec in body.properties.items()}
        modes = {name: mode.model_dump(mode="json", exclude_defaults=True) for name, mode in body.failure_modes.items()}
        content = TypeContent(body.description, properties, modes)
        row, new = self._types.publish(principal, body.name, body.revision, content=content)
        response.status_code = 201 if new else 200
        return _type(row)

    def assets(
        self,
        principal: Reader,
        limit: Limit = 100,
        cursor: Cursor = None,
        type: Annotated[str | None, Query(max_length=63, pattern=PRINTABLE)] = None,
        path: PathText = None,
        parent: PathText = None,
        q: SearchText = None,
    ) -> Page[AssetOutput]:
        """List assets by path: of a type, at a path, right below a path, or with a text in path or name."""
        wanted = AssetFilter(type=type, path=path, parent=parent, q=q)
        views, following = self._assets.page(principal.tenant, wanted, limit=limit, cursor=cursor)
        return Page(items=[_asset(view) for view in views], next=following)

    def tree(self, principal: Reader) -> Tree:
        """Give the hierarchy of the plant with its assets."""
        return Tree.model_validate({"items": self._assets.tree(principal.tenant)})

    def create(self, principal: Writer, body: AssetInput) -> AssetOutput:
        """Make an asset at a path."""
        view = self._assets.create(
            principal,
            body.path,
            name=body.name,
            description=body.description,
            type=body.type,
            attributes=body.attributes,
        )
        return _asset(view)

    def asset(self, principal: Reader, asset_id: PathId) -> AssetOutput:
        """Give an asset with its properties."""
        return _asset(self._assets.get(principal.tenant, asset_id))

    def change(self, principal: Writer, asset_id: PathId, body: AssetChange) -> AssetOutput:
        """Change an asset that plant.yaml does not name."""
        changes = body.model_dump(exclude_unset=True)
        kept = {name: value for name, value in changes.items() if value is not None or name == "type"}
        return _asset(self._assets.change(principal, asset_id, kept))

    def remove(self, principal: Writer, asset_id: PathId) -> Response:
        """Remove an asset; its tags and samples stay."""
        self._assets.remove(principal, asset_id)
        return Response(status_code=204)

    def plant_status(self, principal: Reader) -> PlantStatusOutput:
        """Tell how the plant folder was read last, with file, line and key of what is wrong in it."""
        status = self._plant.status(principal.tenant)
        return PlantStatusOutput.model_validate(
            {
                "followed": status.followed,
                "read": format_rfc3339_ns(status.read_ns) if status.read_ns else None,
                "types": status.types,
                "assets": status.assets,
                "errors": [
                    {"file": error.file, "line": error.line, "key": error.key, "message": error.message}
                    for error in status.errors[:1000]
                ],
            }
        )


class TagEndpoints:
    """Tags."""

    def __init__(self, tags: TagService) -> None:
        self._tags = tags

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1/tags", tags=["tags"])
        router.get("")(self.tags)
        router.post("", status_code=201)(self.declare)
        router.post("/batch", status_code=201)(self.declare_all)
        router.get("/{tag_id}")(self.tag)
        router.patch("/{tag_id}")(self.change)
        return router

    def tags(
        self,
        principal: Reader,
        limit: Limit = 100,
        cursor: Cursor = None,
        key: Keys = [],  # noqa: B006 (FastAPI copies it)
        asset: PathText = None,
        q: SearchText = None,
        gateway: Annotated[str | None, Query(min_length=1, max_length=200, pattern=PRINTABLE)] = None,
    ) -> Page[TagOutput]:
        """List active tags: by key, of an asset (id or path), of a gateway (id or name), or with a text in them."""
        wanted = TagFilter(keys=tuple(key), asset=asset, q=q, gateway=gateway)
        views, following = self._tags.page(principal.tenant, wanted, limit=limit, cursor=cursor)
        return Page(items=[_tag(view) for view in views], next=following)

    def tag(self, principal: Reader, tag_id: PathTag) -> TagOutput:
        """Give a tag."""
        return _tag(self._tags.get(principal.tenant, tag_id))

    def change(self, principal: Writer, tag_id: PathTag, body: TagChange) -> TagOutput:
        """Change the description of a computed tag."""
        return _tag(self._tags.describe(principal, tag_id, body.description))

    def declare(
        self, principal: Annotated[Principal, requires("samples:write")], body: TagInput, response: Response
    ) -> TagOutput:
        """Declare a computed tag, owned by the caller's client; the same once more is answered 200."""
        view, new = self._tags.declare(principal, _computed(body))
        response.status_code = 201 if new else 200
        return _tag(view)

    def declare_all(
        self, principal: Annotated[Principal, requires("samples:write")], body: TagsInput, response: Response
    ) -> TagsOutput:
        """Declare computed tags, all or none; where none is new the answer is 200."""
        told = self._tags.declare_all(principal, [_computed(each) for each in body.items])
        created = sum(new for _, new in told)
        response.status_code = 201 if created else 200
        return TagsOutput(items=[_tag(view) for view, _ in told], created=created)


def _computed(body: TagInput) -> ComputedTag:
    return ComputedTag(body.asset, body.property, body.type, body.unit, body.description)


def _spec(spec: dict[str, Any]) -> dict[str, Any]:
    """Leave out what says nothing: the same words are the same content, from a file or not."""
    usual = (None, "")
    return {name: value for name, value in spec.items() if value not in usual and (name, value) != SENSED}


def _type(row: AssetType) -> AssetTypeOutput:
    return AssetTypeOutput(
        name=row.name,
        revision=row.revision,
        description=row.description,
        properties=row.properties,
        failure_modes={name: FailureModeOutput.model_validate(mode) for name, mode in row.failure_modes.items()},
        created=format_rfc3339_ns(row.created_ns),
    )


def _asset(view: AssetView) -> AssetOutput:
    row = view.row
    return AssetOutput(
        id=row.id,
        path=row.path,
        name=row.name,
        description=row.description,
        type=view.type.name if view.type else None,
        type_revision=view.type.revision if view.type else None,
        parent=row.path.rpartition("/")[0] or None,
        origin=row.origin,
        properties=[PropertyOutput.model_validate(found) for found in view.properties],
    )


def _tag(view: TagView) -> TagOutput:
    row = view.row
    return TagOutput.model_validate(
        {
            "id": row.id,
            "key": row.key,
            "name": row.name,
            "path": row.path,
            "type": row.type,
            "unit": row.unit,
            "description": row.description,
            "asset": view.asset,
            "property": view.property,
            "owner": row.owner,
            "gateway": row.gateway_id,
            "device": row.device,
            "active": row.active,
            "rate_hz": row.rate_hz,
            "late_after_ns": row.late_after_ns,
        }
    )
