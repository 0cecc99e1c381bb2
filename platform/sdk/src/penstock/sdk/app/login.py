"""Login by authorization code with PKCE (RFC 6749 §4.1, RFC 7636 S256, RFC 9700 §2.1).

`Logins` keeps what was begun and not finished; a login is bound to the browser that began it by a cookie, so that a
foreign link cannot log somebody in as somebody else.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlencode

import httpx

from penstock.sdk.credentials import ClientCredentials, TokenSet, token_request
from penstock.sdk.errors import ClientError

PENDING_MAX = 1000  # logins begun and not finished; the oldest is forgotten first
PENDING_AGE_MAX_S = 600.0


class LoginError(ClientError):
    """The login did not come to its end; says why in words for the person."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that has been sent to the platform."""

    verifier: str = field(repr=False)
    next_path: str
    begun_s: float


class Logins:
    """Begin and finish logins of one app."""

    def __init__(
        self,
        client: ClientCredentials,
        *,
        authorize_url: str,
        callback_url: str,
        scope: str,
        random_text: Callable[[], str] = lambda: secrets.token_urlsafe(48),
    ) -> None:
        self._client = client
        self._authorize_url = authorize_url
        self._callback_url = callback_url
        self._scope = scope
        self._random_text = random_text
        self._pending: OrderedDict[str, Pending] = OrderedDict()

    def begin(self, next_path: str, now_s: float) -> tuple[str, str]:
        """Give (state for the browser's cookie, address to send the browser to)."""
        state, verifier = self._random_text(), self._random_text()
        self._pending[state] = Pending(verifier, local_path(next_path), now_s)
        while len(self._pending) > PENDING_MAX:
            self._pending.popitem(last=False)
        query = {
            "response_type": "code",
            "client_id": self._client.client_id,
            "redirect_uri": self._callback_url,
            "scope": self._scope,
            "state": state,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        return state, f"{self._authorize_url}?{urlencode(query)}"

    def finish(self, state: str, cookie_state: str | None, now_s: float) -> Pending:
        """Take the pending login of a callback; LoginError where it is unknown, too old, or another browser's."""
        pending = self._pending.pop(state, None)
        if pending is None or now_s - pending.begun_s > PENDING_AGE_MAX_S:
            message = "this login was begun too long ago, or before the app was restarted: please log in again"
            raise LoginError(message)
        if cookie_state is None or not secrets.compare_digest(state, cookie_state):
            message = "this login was begun in another browser, or cookies are blocked: please log in again"
            raise LoginError(message)
        return pending

    async def exchange(self, http: httpx.AsyncClient, code: str, verifier: str, now_s: float) -> TokenSet:
        """Turn the code into the person's tokens."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._callback_url,
            "code_verifier": verifier,
        }
        return TokenSet.of(await token_request(http, form, self._client.basic), now_s)


def challenge(verifier: str) -> str:
    """Give the S256 challenge of a verifier."""
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def local_path(path: str) -> str:
    """Keep only a path on this app: never another host (`//evil`, `/\\evil`), never back into the login."""
    foreign = not path.startswith("/") or path.startswith(("//", "/\\")) or any(ord(c) < 32 for c in path)
    return "/" if foreign or path.startswith(("/oauth/", "/logout")) else path
