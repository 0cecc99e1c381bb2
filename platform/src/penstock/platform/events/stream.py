"""One subscriber of the live stream: pulls what is new, so that a slow one costs a page and nothing more.

Theory of operation. Nothing is queued per subscriber. After a hint from the commit hub it reads on from its own
position by `since`, as everybody does who follows the historian; while it sends, commits pass it by and are read
afterwards. A subscriber that does not take an event within SEND_MAX_S is cut off and goes on from its last id. The id
of an event is the position that is complete with it, so a commit is never cut in two.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import numpy as np
import orjson

from penstock.core.errors import RetryLater
from penstock.platform.events.schemas import AlarmFeed
from penstock.platform.historian.api.wire import json_columns, json_erasures
from penstock.platform.historian.errors import CursorExpired
from penstock.platform.historian.ports import Since, Table
from penstock.platform.historian.repeats import column_i64
from penstock.platform.historian.service import Historian

HEARTBEAT_S = 15.0
EVENT_ROWS = 2_000
"""Rows of an event, or one commit where that is larger: 200 kB of JSON, held for a subscriber that does not read."""
PAGE_ROWS = 10_000
BUSY_WAIT_S = 1.0


class SampleStream:
    """Follow the commits of some tags from a position."""

    def __init__(self, historian: Historian, position: int, tags: Callable[[], Sequence[int]]) -> None:
        self._historian, self._tags = historian, tags
        self.position = position

    async def events(self) -> AsyncIterator[bytes]:
        """Yield events for ever: a heartbeat at once and in each quiet interval, samples as they are committed."""
        yield self._heartbeat()
        due = time.monotonic() + HEARTBEAT_S
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._historian.hub.wait_beyond(self.position), max(0.0, due - time.monotonic()))
            try:
                page = await self._historian.since(self.position, limit=PAGE_ROWS, tags=self._tags())
            except RetryLater:
                await asyncio.sleep(BUSY_WAIT_S)
                continue
            except CursorExpired as error:
                yield event("expired", self.position, {"detail": error.message, "oldest": error.oldest})
                return
            if page.erasures.size:
                yield event("erasures", self.position, {"columns": json_erasures(page.erasures)})
                due = time.monotonic() + HEARTBEAT_S
            for part in self._parts(page):
                yield part
                due = time.monotonic() + HEARTBEAT_S
            self.position = page.position
            if time.monotonic() >= due:
                yield self._heartbeat()
                due = time.monotonic() + HEARTBEAT_S

    def _heartbeat(self) -> bytes:
        return event("heartbeat", self.position, {"position": self.position})

    def _parts(self, page: Since) -> Iterator[bytes]:
        for rows, complete in split(page.rows, page.position):
            self.position = max(self.position, complete)
            yield event("samples", self.position, {"columns": json_columns(rows)})


class AlarmStream:
    """Follow the alarms of a tenant: those that stand first, then every change."""

    def __init__(self, feed: AlarmFeed, tenant: str, position: Callable[[], int]) -> None:
        self._feed, self._tenant, self._position = feed, tenant, position

    async def events(self) -> AsyncIterator[bytes]:
        """Yield events for ever; their id is the samples' position, which they do not move."""
        number = self._feed.head()
        items = await self._feed.standing(self._tenant)
        while True:
            if items:
                yield event("alarms", self._position(), {"items": list(items)})
            await self._feed.wait_beyond(number)
            items, number = await self._feed.changed(self._tenant, number)


def split(rows: Table, end: int) -> Iterator[tuple[Table, int]]:
    """Cut a page into events of about EVENT_ROWS, whole commits each; give with each the position it completes."""
    position = column_i64(rows, "position")
    start = 0
    while start < rows.num_rows:
        stop = int(np.searchsorted(position, position[min(start + EVENT_ROWS, rows.num_rows) - 1], side="right"))
        yield rows.slice(start, stop - start), end if stop == rows.num_rows else int(position[stop - 1])
        start = stop


def event(name: str, position: int, content: object) -> bytes:
    """Write one event of text/event-stream."""
    body = orjson.dumps(content, option=orjson.OPT_NON_STR_KEYS)
    return b"event: %s\nid: %d\ndata: %s\n\n" % (name.encode(), position, body)
