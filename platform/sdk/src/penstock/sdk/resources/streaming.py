"""The live stream: samples and alarms as they are committed, without a hole over reconnects.

Theory of operation. Every event of the platform carries the commit position as its id. The stream remembers the last
one and reconnects with it as cursor, so the platform goes on exactly behind it. The id is the position that is complete
with the event: where a connection breaks inside a large commit, its first rows come again and are dropped here, by
(position, row). A connection that is silent for longer than three heartbeats counts as lost. Until the caller
stops, connection errors and busy answers are met with back-off; refusals (401 without renewal, 403, 410) are raised.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from penstock.sdk.errors import BusyError, GoneError, ServerError
from penstock.sdk.frames import read_columns
from penstock.sdk.models import Alarm, Asset, Erasure, Tag
from penstock.sdk.resources.tags import AsyncTags, TagLike
from penstock.sdk.samples import Samples, empty_rows
from penstock.sdk.sse import Event, EventParser
from penstock.sdk.transport import Transport

HEARTBEAT_S = 15.0  # the platform's interval
SILENCE_MAX_S = 3 * HEARTBEAT_S
ROW_MAX = 2**62  # beyond every row of a commit
Seen = tuple[int, int]
"""(position, row) of the last row yielded, in commit order."""
_LOST = (httpx.TransportError, httpx.StreamError, BusyError, ServerError)


@dataclass(frozen=True, slots=True)
class StreamBatch:
    """What one event brought; `position` is the cursor behind it: keep it to go on after a restart of your own.

    `erasures`: samples yielded earlier that are gone, because somebody deleted or replaced them; they may come twice.
    """

    samples: Samples
    alarms: tuple[Alarm, ...]
    position: int
    reconnects: int = 0
    erasures: tuple[Erasure, ...] = ()


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
        the cursor, or the last event after a reconnect, is older than the platform keeps, or lies beyond its head (the
        platform was restored).
        """
        chosen = {} if tags is None and asset is None else await self._tags.select(tags, asset, properties)
        position, failures, reconnects = cursor, 0, 0
        seen: Seen = (cursor, ROW_MAX) if cursor is not None else (-1, ROW_MAX)
        while True:
            params = [("tag", str(i)) for i in chosen] + ([("alarms", "true")] if alarms else [])
            if position is not None:
                params.append(("cursor", str(position)))
            try:
                async for event in self._events(params, silence_max_s):
                    failures = 0
                    rows, tags, changed = await self._read(event, chosen, seen)
                    position = int(event.id) if event.id else position
                    seen = _newest(rows, seen)
                    samples = Samples.of(rows, tags, include_status=include_status, ignore_bad=ignore_bad)
                    batch = StreamBatch(samples, changed, position or 0, reconnects, _erasures(event))
                    if heartbeats or len(batch.samples) or batch.alarms or batch.erasures:
                        yield batch
                failures += 1  # closed in good order: the platform stops, or sheds a slow reader
            except _LOST:
                failures += 1
            reconnects += 1
            await self._transport.sleep(self._transport.backoff.delay_s(failures))

    async def _events(self, params: list[tuple[str, str]], silence_max_s: float) -> AsyncIterator[Event]:
        parser = EventParser()
        async with self._transport.open_stream("/v1/stream", params=params, read_timeout_s=silence_max_s) as response:
            async for chunk in response.aiter_bytes():
                for event in parser.feed(chunk):
                    yield event

    async def _read(
        self, event: Event, chosen: Mapping[int, Tag], seen: Seen
    ) -> tuple[pa.Table, Mapping[int, Tag], tuple[Alarm, ...]]:
        """Give an event's rows beyond `seen`, their tags, and its alarms."""
        if event.name == "alarms":
            return empty_rows(), chosen, tuple(Alarm.of(item) for item in json.loads(event.data)["items"])
        if event.name == "expired":
            raise GoneError(410, {"type": "cursor-expired", **json.loads(event.data)}, method="GET", url="/v1/stream")
        if event.name != "samples":
            return empty_rows(), chosen, ()
        columns = json.loads(event.data)["columns"]
        tags = chosen or {t.id: t for t in await self._tags.resolve({int(i) for i in columns["tag"]})}
        rows = read_columns(columns, {i: t.type for i, t in tags.items()})
        position, row = rows.column("position"), rows.column("row")
        same_commit = pc.and_(pc.equal(position, seen[0]), pc.greater(row, seen[1]))
        return rows.filter(pc.or_(pc.greater(position, seen[0]), same_commit)), tags, ()


def _erasures(event: Event) -> tuple[Erasure, ...]:
    return Erasure.all_of(json.loads(event.data)["columns"]) if event.name == "erasures" else ()


def _newest(rows: pa.Table, seen: Seen) -> Seen:
    """Give (position, row) of the last row in commit order."""
    if not rows.num_rows:
        return seen
    last = rows.select(["position", "row"]).slice(rows.num_rows - 1).to_pylist()[0]
    return max(seen, (last["position"], last["row"]))
