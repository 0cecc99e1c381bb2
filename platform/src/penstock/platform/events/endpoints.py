"""The live stream: samples and alarms as they are committed, resumable by position."""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from penstock.core.times import NS_PER_S
from penstock.platform.events.response import EventStream
from penstock.platform.events.schemas import AlarmFeed
from penstock.platform.events.stream import AlarmStream, SampleStream
from penstock.platform.historian.api.asking import AssetId, Keys, Tags, expired, need_reached, tags_asked
from penstock.platform.historian.errors import CursorExpired
from penstock.platform.historian.service import Historian
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.problems import busy, forbidden
from penstock.platform.registry.service import TagDirectory

STREAMS_MAX = 500
"""Subscribers at once: each costs a task and at most one page."""

Position = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="go on after this position")]
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=20, pattern=r"^\d*$")]


class StreamEndpoints:
    """Let apps follow what is committed."""

    def __init__(self, historian: Historian, directory: TagDirectory, alarms: AlarmFeed | None = None) -> None:
        self._historian, self._directory, self._alarms = historian, directory, alarms
        self._open = 0

    def router(self) -> APIRouter:
        """Give the route."""
        router = APIRouter(prefix="/v1", tags=["samples"])
        content = {"text/event-stream": {"schema": {"type": "string"}}}
        router.get("/stream", response_class=Response, responses={200: {"content": content}})(self.stream)
        return router

    async def stream(
        self,
        principal: Annotated[Principal, requires("samples:read")],
        tag: Tags = None,
        key: Keys = None,
        asset: AssetId = None,
        alarms: bool = False,
        cursor: Position = None,
        last_event_id: LastEventId = None,
    ) -> Response:
        """Follow commits: `samples`, `alarms` and `heartbeat` events, each with the position to go on from as id."""
        if alarms and not principal.allows("alarms:read"):
            msg = "alarms=true needs the scope alarms:read as well."
            raise forbidden(msg)
        if self._open >= STREAMS_MAX:
            msg = f"{self._open} streams are open, the limit; try again later"
            raise busy(msg, 10)
        named = tags_asked(self._directory, principal.tenant, tag, keys=key, asset=asset)
        every = not (tag or key or asset)

        def wanted() -> Sequence[int]:
            return [each.id for each in self._directory.all(principal.tenant)] if every else list(named)

        start = int(last_event_id) if last_event_id else cursor
        head = self._historian.head()
        if start is not None:
            need_reached(start, head)
        samples = SampleStream(self._historian, head if start is None else start, wanted)
        if start is not None and start < head:
            try:
                await self._historian.since(samples.position, limit=1, tags=[])
            except CursorExpired as error:
                raise expired(error.message, error.oldest) from error
        sources = [self._counted(samples.events())]
        if alarms and self._alarms is not None:
            sources.append(AlarmStream(self._alarms, principal.tenant, lambda: samples.position).events())
        lasts_s = None if principal.expires_ns is None else max(0.0, (principal.expires_ns - time.time_ns()) / NS_PER_S)
        return EventStream(sources, lasts_s=lasts_s)

    async def _counted(self, events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            async for each in events:
                yield each
        finally:
            self._open -= 1
