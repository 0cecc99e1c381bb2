"""The truth's own door: GET /truth/devices, /truth/events, /truth/states, on loopback, with a token of its own.

No other credential opens it: not the control API's, and none that the platform ever gave to anybody. A wrong or missing
token is answered 401 on every path, so that nothing is told of what there is.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from typing import Any, Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from penstock.core.times import parse_asked_time
from penstock.simulators.truth.store import PAGE_MAX, BEGIN_ns, END_ns, Page, TruthStore, parse_cursor

LIMIT: Final = 1000
PARAMETERS: Final = ("device", "start", "end", "limit", "cursor")


class Guard:
    """Let nothing through without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on whose token is right."""
        assert scope["type"] == "http", "the door has no web sockets"
        given = Request(scope).headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, self._expected):
            refused = _problem(
                401, "unauthorized", "the token stands in truth/truth.json in the simulators' data folder"
            )
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)


def truth_app(store: TruthStore, token: str, *, now_ns: Callable[[], int] = time.time_ns) -> Starlette:
    """Make the API; it only reads."""

    async def devices(request: Request) -> Response:
        return JSONResponse({"items": await asyncio.to_thread(store.devices)})

    async def events(request: Request) -> Response:
        return await _page(request, store.events)

    async def states(request: Request) -> Response:
        return await _page(request, store.states)

    async def _page(request: Request, ask: Callable[..., Page]) -> Response:
        try:
            asked = _asked(request, now_ns())
        except ValueError as error:
            return _problem(422, "invalid", str(error))
        items, following = await asyncio.to_thread(lambda: ask(**asked))
        return JSONResponse({"items": items, "next": following})

    routes = [Route("/truth/devices", devices), Route("/truth/events", events), Route("/truth/states", states)]
    return Starlette(routes=routes, middleware=[Middleware(Guard, token=token)])


def _asked(request: Request, now_ns: int) -> dict[str, Any]:
    given = request.query_params
    for name in given:
        if name not in PARAMETERS:
            message = f"no parameter {name!r}; there are: {', '.join(PARAMETERS)}"
            raise ValueError(message)
    limit = int(given.get("limit", LIMIT))
    if not 1 <= limit <= PAGE_MAX:
        message = f"limit {limit} is outside 1 to {PAGE_MAX}"
        raise ValueError(message)
    parse_cursor(given.get("cursor", ""))
    return {
        "device": given.get("device", ""),
        "start_ns": parse_asked_time(given["start"], now_ns) if "start" in given else BEGIN_ns,
        "end_ns": parse_asked_time(given["end"], now_ns) if "end" in given else END_ns,
        "limit": limit,
        "cursor": given.get("cursor", ""),
    }


def _problem(status: int, name: str, detail: str) -> Response:
    body = {
        "type": f"https://penstock.invalid/problems/{name}",
        "title": name.replace("-", " "),
        "status": status,
        "detail": detail,
    }
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
