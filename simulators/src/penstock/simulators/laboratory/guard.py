"""The page's door: deny by default, one host name, a session or nothing, and forms that come from here alone.

Its cookie belongs to a host name of its own (`localhost` unless told otherwise): cookies know no ports, and the
platform and its apps on 127.0.0.1 must not even be sent it. A request under another name is sent on to the right one.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.simulators.laboratory.rendering import HEADERS, render
from penstock.simulators.laboratory.sessions import Session, Sessions

OPEN: Final = frozenset({"/health", "/login", "/link"})
"""Paths that need no session: a word on health, and the doors that take a secret of their own."""
OPEN_BELOW: Final = "/static/"
ANY_NAME: Final = frozenset({"/health", "/link"})
"""Paths for programs of this machine, which know the page by its port."""
AGAIN: Final = "`penstock sim laboratory-link` prints a link that lets you in, once."
SAFE: Final = frozenset({"GET", "HEAD"})


def cookie_name(public_url: str) -> str:
    """Give the cookie's name: over TLS it is bound to this very host."""
    return "__Host-penstock_laboratory" if public_url.startswith("https://") else "penstock_laboratory"


def origin_of(url: str) -> str:
    """Give scheme://host:port of a URL."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Guard:
    """Let a request through that comes under the right name with a session, and no form from elsewhere."""

    def __init__(self, app: ASGIApp, sessions: Sessions, public_url: str) -> None:
        self._app, self._sessions = app, sessions
        self._origin = origin_of(public_url)
        self._host = urlsplit(public_url).netloc
        self._cookie = cookie_name(public_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge a request; answer it here or pass it on with its session in `request.state`."""
        if scope["type"] != "http":
            return  # a web socket is not accepted, so it is refused
        request = Request(scope)
        answer = self._judge(request)
        if answer is None:
            scope.setdefault("state", {})["session"] = self._session(request)
        await (answer or self._app)(scope, receive, _with_headers(send))

    def _judge(self, request: Request) -> Response | None:
        path, method = request.url.path, request.method
        if path not in ANY_NAME and request.headers.get("host", "") != self._host:
            return self._elsewhere(request)
        if path not in ANY_NAME and method not in SAFE and request.headers.get("origin", self._origin) != self._origin:
            return refused(403, "This form comes from another site", "Nothing was done.")
        if path in OPEN or path.startswith(OPEN_BELOW):
            return None
        if self._session(request) is not None:
            return None
        if "authorization" in request.headers:
            return refused(403, "No token opens this page", f"Only a session of its own does: {AGAIN}")
        return refused(401, "The laboratory is closed", f"You are not logged in here, or no longer. {AGAIN}")

    def _elsewhere(self, request: Request) -> Response:
        if request.method in SAFE:
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{self._origin}{request.url.path}{query}", 307)
        return refused(421, "The laboratory has another name", f"It is at {self._origin}.")

    def _session(self, request: Request) -> Session | None:
        return self._sessions.find(cookie_of(request, self._cookie))


def cookie_of(request: Request, name: str) -> str:
    """Give a cookie of a request, or an empty text."""
    return request.cookies.get(name, "")


def bearer_is(request: Request, token: str) -> bool:
    """Say whether a request carries this bearer token."""
    given = request.headers.get("authorization", "").encode()
    return hmac.compare_digest(given, f"Bearer {token}".encode())


def refused(status: int, title: str, why: str) -> Response:
    """Say no, in words."""
    return render("message.html", status=status, title=title, why=why, theme="")


def problem(status: int, detail: str) -> Response:
    """Say no to a program."""
    return JSONResponse({"status": status, "detail": detail}, status, media_type="application/problem+json")


def _with_headers(send: Send) -> Callable[[Message], Any]:
    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return with_headers
