"""Assets, asset types and the ISA-95 tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.sdk.errors import ClientError
from penstock.sdk.models import Asset, AssetType, Scalar, TreeNode
from penstock.sdk.transport import Transport


class AsyncAssets:
    """What stands in the plant, and which tags tell of it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def list(
        self,
        *,
        type: str | None = None,
        path: str | None = None,
        parent: str | None = None,
        q: str | None = None,
        limit: int | None = None,
    ) -> Sequence[Asset]:
        """List assets, filtered by asset type, exact path, parent path or a text in path and name."""
        filters = {"type": type, "path": path, "parent": parent, "q": q}
        params = [(k, v) for k, v in filters.items() if v is not None]
        return [Asset.of(item) async for item in self._transport.pages("/v1/assets", params=params, limit=limit)]

    async def retrieve(self, asset: str) -> Asset:
        """Give one asset with its properties, by id (`ast_…`) or path."""
        if not asset.startswith("ast_"):
            asset = (await self.by_path(asset)).id
        return Asset.of(await self._transport.json("GET", f"/v1/assets/{asset}"))

    async def by_path(self, path: str) -> Asset:
        """Give the asset at an ISA-95 path."""
        found = await self.list(path=path, limit=1)
        if not found:
            message = f"no asset at {path!r}: see assets.tree() for the paths there are"
            raise ClientError(message)
        return found[0]

    async def tree(self) -> Sequence[TreeNode]:
        """Give the plant's hierarchy, roots first."""
        body = await self._transport.json("GET", "/v1/assets/tree")
        return [TreeNode.of(node) for node in body.get("items", [body])]

    async def create(
        self, path: str, *, name: str = "", type: str | None = None, attributes: Mapping[str, Scalar] | None = None
    ) -> Asset:
        """Create an asset at an ISA-95 path."""
        body: dict[str, Any] = {
            "path": path,
            "name": name or path.rsplit("/", 1)[-1],
            "attributes": dict(attributes or {}),
        }
        if type is not None:
            body["type"] = type
        return Asset.of(await self._transport.json("POST", "/v1/assets", body=body))

    async def update(self, /, asset_id: str, **changes: Any) -> Asset:
        """Change the fields given."""
        return Asset.of(await self._transport.json("PATCH", f"/v1/assets/{asset_id}", body=changes))

    async def delete(self, asset_id: str) -> None:
        """Delete an asset; its tags and samples stay."""
        await self._transport.json("DELETE", f"/v1/assets/{asset_id}")

    async def types(self) -> Sequence[AssetType]:
        """List every revision of every asset type."""
        return [AssetType.of(item) async for item in self._transport.pages("/v1/asset-types")]

    async def type(self, name: str, revision: int | None = None) -> AssetType:
        """Give an asset type with its properties and failure modes, its newest revision when none is named."""
        params = [("revision", str(revision))] if revision is not None else []
        return AssetType.of(await self._transport.json("GET", f"/v1/asset-types/{name}", params=params))
