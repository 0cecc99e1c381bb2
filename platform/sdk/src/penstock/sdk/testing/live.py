"""The fake's stream: server-sent events from an in-process queue, which a test may cut."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx

from penstock.sdk.models import Erasure
from penstock.sdk.testing.history import erased_columns, json_columns
from penstock.sdk.testing.state import Row


class Listener(httpx.AsyncByteStream):
    """One open stream. `put` and `cut` may be called from any thread."""

    def __init__(self, tags: frozenset[int], *, alarms: bool) -> None:
        self.tags = tags
        self.alarms = alarms
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = False

    def rows(self, rows: Sequence[Row], position: int) -> None:
        """Send the rows that this listener asked for."""
        wanted = [r for r in rows if not self.tags or r.tag in self.tags]
        if wanted:
            self._put("samples", {"columns": json_columns(wanted)}, position)

    def erased(self, erasures: Sequence[Erasure], position: int) -> None:
        """Send the erasures of the tags that this listener asked for."""
        wanted = [e for e in erasures if not self.tags or e.tag in self.tags]
        if wanted:
            self._put("erasures", {"columns": erased_columns(wanted)}, position)

    def alarm_items(self, items: Sequence[dict[str, Any]], position: int) -> None:
        """Send alarms that changed."""
        if self.alarms and items:
            self._put("alarms", {"items": list(items)}, position)

    def heartbeat(self, position: int) -> None:
        """Send a heartbeat."""
        self._put("heartbeat", {}, position)

    def cut(self) -> None:
        """Break the connection, as a killed server does."""
        self._loop.call_soon_threadsafe(self._queue.put_nowait, None)

    def _put(self, name: str, body: dict[str, Any], position: int) -> None:
        event = f"event: {name}\nid: {position}\ndata: {json.dumps(body)}\n\n".encode()
        self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield events until cut."""
        while True:
            event = await self._queue.get()
            if event is None:
                self.closed = True
                message = "the fake platform cut this stream"
                raise httpx.ReadError(message)
            yield event

    async def aclose(self) -> None:
        """Note that the client has gone."""
        self.closed = True
