"""Pages: own HTML and CSS from this package, no third party, no script; autoescaped."""

import hashlib
import hmac
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.responses import HTMLResponse

from penstock.platform.kit.problems import Problem, request_id
from penstock.platform.kit.settings import is_loopback

STATIC = Path(__file__).parent / "static"
FORM_COOKIE = "penstock_form"
_FORM_COOKIE_S = 3600
REFERRER_POLICY = "same-origin"
"""Not `no-referrer`: under it browsers send `Origin: null` with a form (Fetch, "serializing a request origin"), which
`FormGuard` must refuse."""

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    request: Request, template: str, *, status: int = 200, form_targets: tuple[str, ...] = (), **values: Any
) -> HTMLResponse:
    """Write a page; `form_targets` are origins that a form of it may be redirected to."""
    html = _environment.get_template(template).render(request_id=request_id(request), **values)
    policy = (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action {' '.join(chr(39) + 'self' + chr(39) if t == 'self' else t for t in ('self', *form_targets))}"
    )
    headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": REFERRER_POLICY}
    return HTMLResponse(html, status, headers=headers)


def origin(url: str) -> str:
    """Give scheme://host:port of a URL, or an empty string when it has none."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""


class FormGuard:
    """Prove that a form was made here, for this browser, and is sent from our own page (CSRF).

    The field is an HMAC of the browser's form cookie; cookies are shared by all ports of a host, so the Origin header
    must be ours as well.
    """

    def __init__(self, key: bytes, issuer: str) -> None:
        self._key = key
        self._issuer = issuer

    def field(self, request: Request) -> tuple[str, str]:
        """Give the cookie's value (made when absent) and the hidden field's."""
        cookie = request.cookies.get(FORM_COOKIE, "")
        if len(cookie) != 43:
            cookie = secrets.token_urlsafe(32)
        return cookie, self._sign(cookie)

    def set_cookie(self, response: HTMLResponse, cookie: str) -> None:
        """Hand the browser its form cookie."""
        response.set_cookie(
            FORM_COOKIE,
            cookie,
            max_age=_FORM_COOKIE_S,
            httponly=True,
            samesite="strict",
            secure=self._issuer.startswith("https://"),
        )

    def check(self, request: Request, field: str) -> None:
        """Raise Problem 403 unless the form is ours."""
        cookie = request.cookies.get(FORM_COOKIE, "")
        if not cookie or not hmac.compare_digest(self._sign(cookie), field) or not self._from_here(request):
            raise Problem(403, "form-refused", "The form is too old or not from this site. Load the page again.")

    def _sign(self, cookie: str) -> str:
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()

    def _from_here(self, request: Request) -> bool:
        sent = request.headers.get("origin")
        if sent is None:
            return True  # old browsers leave it out at same-origin posts; the field was checked
        if sent == origin(self._issuer):
            return True
        host = request.headers.get("host", "")
        return urlsplit(sent).netloc == host and is_loopback(urlsplit(sent).hostname or "")
