"""Tags: finding them by id, key, asset or text; declaring computed ones. What is found is remembered."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from penstock.sdk.errors import ClientError
from penstock.sdk.models import Asset, ComputedTag, Tag
from penstock.sdk.transport import Transport

REMEMBERED = 20_000  # tags kept in memory: a large plant's worth, some 10 MB
ONE_BY_ONE_MAX = 20  # unknown ids asked for one by one; more are found by listing all tags
KEYS_A_REQUEST = 50  # keeps the address of a request below 8 KiB

TagLike = int | str | Tag
"""A tag by id, by key (`pump-plc/flow`) or as Tag."""


class AsyncTags:
    """The time series of the plant."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._by_id: OrderedDict[int, Tag] = OrderedDict()
        self._by_key: dict[str, int] = {}

    async def list(
        self,
        *,
        asset: str | Asset | None = None,
        q: str | None = None,
        gateway: str | None = None,
        key: Sequence[str] | str | None = None,
        limit: int | None = None,
    ) -> Sequence[Tag]:
        """List tags of an asset (id, path or Asset), of a gateway, by key, or by a text in key, name or description."""
        params: list[tuple[str, str]] = []
        if asset is not None:
            params.append(("asset", await self._asset_id(asset)))
        params += [(k, v) for k, v in (("q", q), ("gateway", gateway)) if v is not None]
        params += [("key", k) for k in ([key] if isinstance(key, str) else key or [])]
        found = [Tag.of(item) async for item in self._transport.pages("/v1/tags", params=params, limit=limit)]
        self._remember(found)
        return found

    async def retrieve(self, tag: TagLike) -> Tag:
        """Give one tag, always fresh from the platform."""
        if isinstance(tag, str):
            return (await self._by_keys([tag]))[tag]
        body = await self._transport.json("GET", f"/v1/tags/{tag.id if isinstance(tag, Tag) else tag}")
        found = Tag.of(body)
        self._remember([found])
        return found

    async def update(self, /, tag: TagLike, **changes: Any) -> Tag:
        """Change what may be changed of a tag (description, unit of display …)."""
        (known,) = await self.resolve([tag])
        changed = Tag.of(await self._transport.json("PATCH", f"/v1/tags/{known.id}", body=changes))
        self._remember([changed])
        return changed

    async def declare(
        self,
        *,
        asset: str | Asset,
        property: str,
        type: str = "float64",
        unit: str | None = None,
        description: str = "",
    ) -> Tag:
        """Declare a computed tag that this client then owns and may write; declaring again gives the same tag."""
        body = {"asset": await self._asset_id(asset), "property": property, "type": type, "description": description}
        if unit is not None:
            body["unit"] = unit
        declared = Tag.of(await self._transport.json("POST", "/v1/tags", body=body))
        self._remember([declared])
        return declared

    async def declare_many(self, wished: Iterable[ComputedTag]) -> Sequence[Tag]:
        """Declare computed tags, all or none, in one request; give them in order. An error says what is wrong of each.

        The platform takes 1,000 at once.
        """
        items = []
        for wish in wished:
            asset = wish.asset.id if isinstance(wish.asset, Asset) else wish.asset
            body = {"asset": asset, "property": wish.property, "type": wish.type, "description": wish.description}
            items.append(body if wish.unit is None else body | {"unit": wish.unit})
        if not items:
            return []
        answer = await self._transport.json("POST", "/v1/tags/batch", body={"items": items})
        declared = [Tag.of(item) for item in answer["items"]]
        self._remember(declared)
        return declared

    async def resolve(self, tags: Iterable[TagLike]) -> Sequence[Tag]:
        """Give the Tag of each id, key or Tag, in order; asks the platform only for those not known yet."""
        wanted = list(tags)
        keys = [t for t in wanted if isinstance(t, str) and t not in self._by_key]
        if keys:
            await self._by_keys(keys)
        if sum(isinstance(t, int) and t not in self._by_id for t in wanted) > ONE_BY_ONE_MAX:
            await self.list()
        found: list[Tag] = []
        for tag in wanted:
            if isinstance(tag, Tag):
                self._remember([tag])
                found.append(tag)
                continue
            known = self._by_id.get(self._by_key[tag] if isinstance(tag, str) else tag)
            found.append(known or await self.retrieve(tag))
        return found

    async def select(
        self,
        tags: TagLike | Iterable[TagLike] | None,
        asset: str | Asset | None,
        properties: Iterable[str] | None = None,
    ) -> Mapping[int, Tag]:
        """Give the tags that a query names: by `tags`, or those of `asset` (only `properties`, if given)."""
        if (tags is None) == (asset is None):
            message = "name what to read: either tags=… (ids, keys or Tags) or asset=… (id, path or Asset)"
            raise ValueError(message)
        if tags is not None:
            one = isinstance(tags, int | str | Tag)
            resolved = await self.resolve([tags] if one else tags)  # type: ignore[list-item,arg-type]
            return {t.id: t for t in resolved}
        assert asset is not None
        of_asset = await self.list(asset=asset)
        if properties is None:
            return {t.id: t for t in of_asset}
        wanted = list(properties)
        chosen = {t.id: t for t in of_asset if t.property in wanted or t.name in wanted}
        missing = set(wanted) - {t.property for t in chosen.values()} - {t.name for t in chosen.values()}
        if missing:
            have = ", ".join(sorted(t.property or t.name for t in of_asset)) or "none"
            message = f"{asset if isinstance(asset, str) else asset.path} has no {sorted(missing)}; it has: {have}"
            raise ClientError(message)
        return chosen

    def known(self, tag_id: int) -> Tag | None:
        """Give a tag that was seen before, without asking."""
        return self._by_id.get(tag_id)

    async def _by_keys(self, keys: Sequence[str]) -> dict[str, Tag]:
        found: dict[str, Tag] = {}
        for first in range(0, len(keys), KEYS_A_REQUEST):
            found |= {t.key: t for t in await self.list(key=keys[first : first + KEYS_A_REQUEST])}
        missing = [k for k in keys if k not in found]
        if missing:
            message = (
                f"no tag with the key {missing[0]!r}: see tags.list(q=…) for those there are (a key is device/tag)"
            )
            raise ClientError(message)
        return found

    async def _asset_id(self, asset: str | Asset) -> str:
        if isinstance(asset, Asset):
            return asset.id
        if asset.startswith("ast_"):
            return asset
        found = [item async for item in self._transport.pages("/v1/assets", params=[("path", asset)], limit=1)]
        if not found:
            message = f"no asset at {asset!r}: see assets.tree() for the paths there are"
            raise ClientError(message)
        return str(found[0]["id"])

    def _remember(self, tags: Iterable[Tag]) -> None:
        for tag in tags:
            self._by_id[tag.id] = tag
            self._by_id.move_to_end(tag.id)
            self._by_key[tag.key] = tag.id
        while len(self._by_id) > REMEMBERED:
            _, oldest = self._by_id.popitem(last=False)
            self._by_key.pop(oldest.key, None)
