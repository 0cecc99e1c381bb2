"""What every request passes: its id, bounds on the body, headers of safety, and the last boundary for failures."""

import logging
import re
import secrets
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.platform.kit.problems import REQUEST_ID_HEADER, Problem, render

BODY_MAX = 1024 * 1024
"""Bytes of a request's body: a rule or an asset type is a few kilobytes."""

INGEST_BODY_MAX = 8 * 1024 * 1024
"""Bytes at the ingest door, as wire.md says."""

INGEST_PATH = "/v1/ingest"

_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_API_POLICY = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

log = logging.getLogger(__name__)


class Boundary:
    """Give each request an id and safe headers, and turn whatever was not foreseen into a problem."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope["headers"])
        scope["penstock_request_id"] = request_id
        started = False

        async def dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                _dress(MutableHeaders(scope=message), scope["path"], request_id)
            await send(message)

        try:
            await self._app(scope, receive, dressed)
        except ClientDisconnect:
            log.info("request %s %s %s was cut off by its caller", request_id, scope["method"], scope["path"][:200])
        except Exception:  # boundary: the last one of a request; the caller gets the id, the log the reason
            log.exception("request %s %s %s failed", request_id, scope["method"], scope["path"][:200])
            if started:
                raise
            detail = "The platform failed at this request; its log has the reason under this id. Nothing was changed."
            await render(Request(scope), Problem(500, "internal", detail))(scope, receive, dressed)


class BodyLimit:
    """Refuse bodies that are too large, by their header or while they arrive."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counting `receive`."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = INGEST_BODY_MAX if scope["path"] == INGEST_PATH else BODY_MAX
        detail = f"The body is larger than {limit} bytes; send less at once."
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or len(declared) > 18 or int(declared) > limit:
            await render(Request(scope), Problem(413, "too-large", detail))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise HTTPException(413, detail)
            return message

        await self._app(scope, counted, send)


def _request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Take the caller's id when it is a harmless word, else make one."""
    sent = dict(headers).get(REQUEST_ID_HEADER.lower().encode(), b"").decode("latin-1")
    return sent if _SAFE_ID.fullmatch(sent) else f"req_{secrets.token_hex(12)}"


def _dress(headers: MutableHeaders, path: str, request_id: str) -> None:
    headers[REQUEST_ID_HEADER] = request_id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Content-Security-Policy", _API_POLICY)
    headers.setdefault("Cache-Control", "public, max-age=3600" if path.startswith("/static/") else "no-store")
