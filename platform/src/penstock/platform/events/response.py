"""An answer that goes on until the caller leaves, stops reading, or its token ends."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

SEND_MAX_S = 20.0
"""How long a subscriber may leave an event in the socket: longer than a lost packet, shorter than patience."""

log = logging.getLogger(__name__)


class EventStream(Response):
    """Send events of several sources; cut off whoever does not take them."""

    media_type = "text/event-stream"

    def __init__(self, sources: Sequence[AsyncIterator[bytes]], *, lasts_s: float | None) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._sources = sources
        self._lasts_s = lasts_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until one of the sources ends, the caller is gone, or the time is up."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        sending = asyncio.Lock()

        async def pump(source: AsyncIterator[bytes]) -> None:
            async for part in source:
                async with sending:
                    message = {"type": "http.response.body", "body": part, "more_body": True}
                    await asyncio.wait_for(send(message), SEND_MAX_S)

        tasks = [asyncio.create_task(pump(source), name="stream-pump") for source in self._sources]
        tasks.append(asyncio.create_task(_left(receive), name="stream-left"))
        stuck = False
        try:
            done, _ = await asyncio.wait(tasks, timeout=self._lasts_s, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = task.exception()
                if isinstance(error, TimeoutError | OSError):
                    stuck = True
                    log.info("a subscriber of the stream took nothing for %g s and was cut off", SEND_MAX_S)
                elif error is not None:
                    raise error
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if not stuck:
            with contextlib.suppress(OSError, TimeoutError):
                end = {"type": "http.response.body", "body": b"", "more_body": False}
                await asyncio.wait_for(send(end), SEND_MAX_S)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
