"""The live stream: samples and alarms as they are committed, without a hole over reconnects.

Theory of operation. Every event of the platform carries the commit position as its id. The stream remembers the last
one and reconnects with it as cursor, so the platform goes on exactly behind it; rows at or below it are dropped, should
a server repeat them. A connection that is silent for longer than three heartbeats counts as lost. Until the caller
stops, connection errors and busy answers are met with back-off; refusals (401 without renewal, 403, 410) are raised.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import httpx
import pyarrow.compute as pc

from penstock.sdk.errors import BusyError, NotFoundError, ServerError
from penstock.sdk.frames import read_columns
from penstock.sdk.models import Alarm, Asset, Tag
from penstock.sdk.resources.tags import AsyncTags, TagLike
from penstock.sdk.samples import Samples, empty_rows
from penstock.sdk.sse import Event, EventParser
from penstock.sdk.transport import Transport

HEARTBEAT_S = 15.0  # the platform's interval
SILENCE_MAX_S = 3 * HEARTBEAT_S
_LOST = (httpx.TransportError, httpx.StreamError, BusyError, ServerError)


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """What one event brought; `position` is the cursor behind it: keep it to go on after a restart of your own."""

    samples: Samples
    alarms: tuple[Alarm, ...]
    position: int
    reconnects: int = 0


class AsyncStreaming:
    """Follow what the historian commits."""

    def __init__(self, transport: Transport, tags: AsyncTags) -> None:
        self._transport = transport
        self._tags = tags

    async def stream(
        self,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        asset: str | Asset | None = None,
        properties: Iterable[str] | None = None,
        alarms: bool = False,
        cursor: int | None = None,
        heartbeats: bool = False,
        include_status: bool = True,
        ignore_bad: bool | None = None,
        silence_max_s: float = SILENCE_MAX_S,
    ) -> AsyncIterator[StreamBatch]:
        """Yield batches for ever, from `cursor` or from now; neither tags nor asset means all tags of the tenant.

        `heartbeats=True` also yields empty batches, so that a caller can tell quiet from dead. Raises GoneError where
        the cursor is older than the platform keeps.
        """
        chosen = {} if tags is None and asset is None else await self._tags.select(tags, asset, properties)
        position, failures, reconnects = cursor, 0, 0
        while True:
            params = [("tag", str(i)) for i in chosen] + ([("alarms", "true")] if alarms else [])
            if position is not None:
                params.append(("cursor", str(position)))
            try:
                async for event in self._events(params, silence_max_s):
                    failures = 0
                    batch = await self._batch(event, chosen, position, include_status, ignore_bad, reconnects)
                    position = batch.position
                    if heartbeats or len(batch.samples) or batch.alarms:
                        yield batch
                failures += 1  # closed in good order: the platform stops, or sheds a slow reader
            except _LOST as lost:
                if isinstance(lost, NotFoundError):
                    raise
                failures += 1
            reconnects += 1
            await self._transport.sleep(self._transport.backoff.delay_s(failures))

    async def _events(self, params: list[tuple[str, str]], silence_max_s: float) -> AsyncIterator[Event]:
        parser = EventParser()
        async with self._transport.open_stream("/v1/stream", params=params, read_timeout_s=silence_max_s) as response:
            async for chunk in response.aiter_bytes():
                for event in parser.feed(chunk):
                    yield event

    async def _batch(
        self,
        event: Event,
        chosen: Mapping[int, Tag],
        position: int | None,
        include_status: bool,
        ignore_bad: bool | None,
        reconnects: int,
    ) -> StreamBatch:
        reached = int(event.id) if event.id else (position or 0)
        rows, tags = empty_rows(), dict(chosen)
        alarms: tuple[Alarm, ...] = ()
        if event.name == "samples":
            columns = json.loads(event.data)
            columns = columns.get("columns", columns)
            tags = tags or {t.id: t for t in await self._tags.resolve({int(i) for i in columns["tag"]})}
            rows = read_columns(columns, {i: t.type for i, t in tags.items()})
            if position is not None:
                rows = rows.filter(pc.greater(rows.column("position"), position))
        elif event.name == "alarms":
            alarms = tuple(Alarm.of(item) for item in json.loads(event.data)["items"])
        samples = Samples.of(rows, tags, include_status=include_status, ignore_bad=ignore_bad)
        return StreamBatch(samples, alarms, reached, reconnects)
