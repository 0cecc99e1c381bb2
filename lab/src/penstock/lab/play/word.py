"""How far the app's word on the watched assets of a play goes: asked of all of them at once.

The wait asks every second: a request an asset would keep a busy platform from the work that is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from penstock.lab.play.stage import Cast
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Tag

TAGS_A_RANGE: Final = 100
"""Tags of one raw range, at most."""
FIND_S: Final = 15.0
"""How often tags are looked for that are not there yet: a look goes through every tag of the platform."""


class Word:
    """The property `name` of the watched assets; its tags are found once, as the app declares them."""

    def __init__(self, client: AsyncClient, casts: Sequence[Cast], name: str) -> None:
        self._client = client
        self._name = name
        self._watched = {each.asset.path: each for each in casts if each.watched is not None}
        self._tags: dict[str, Tag] = {}
        self._looked_s = float("-inf")

    async def newest(self) -> dict[str, int]:
        """Give the newest time that the app has told of each asset, 0 where there is none yet."""
        await self._find()
        told = await self._client.latest(list(self._tags.values())) if self._tags else []
        latest = {each.tag: each.time or 0 for each in told}
        return {
            cast.studied.name: latest.get(self._tags[path].id, 0) if path in self._tags else 0
            for path, cast in self._watched.items()
        }

    async def rows(self) -> int:
        """Count the samples of the app's word, those that it wrote anew as well."""
        await self._find()
        tags, count = list(self._tags.values()), 0
        start, end = (pick(spans) for pick, spans in zip((min, max), self._spans(), strict=True))
        for first in range(0, len(tags), TAGS_A_RANGE):
            part = tags[first : first + TAGS_A_RANGE]
            async for page in self._client.iterate(part, start=start, end=end, include_status=True):
                count += len(page)
        return count

    def _spans(self) -> tuple[list[int], list[int]]:
        watched = [each.watched for each in self._watched.values() if each.watched is not None]
        return [stretch.start_ns for stretch in watched], [stretch.end_ns for stretch in watched]

    async def _find(self) -> None:
        if len(self._tags) < len(self._watched) and time.monotonic() - self._looked_s >= FIND_S:
            self._looked_s = time.monotonic()
            found = await self._client.tags.list(q=self._name)
            self._tags = {tag.path: tag for tag in found if tag.property == self._name and tag.path in self._watched}
