"""Credentials: how a client obtains and renews its bearer token.

Three kinds: client credentials (an app's or operator's own), a person's token with refresh, and a fixed token.
A token is renewed shortly before it expires, and once more when the platform answers 401.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from penstock.sdk.errors import CredentialError, UnauthorizedError, error_of

CREDENTIALS_VARIABLE = "PENSTOCK_APP_CREDENTIALS"
RENEW_BEFORE_S = 60.0  # renew while the old token still works, so that no request meets an expired one
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path, not a secret


class Credential(Protocol):
    """Give the bearer token for a request, renewing it through `http` when needed."""

    async def bearer(self, http: httpx.AsyncClient, now_s: float, *, refused: str | None = None) -> str:
        """Give a token; `refused` is one that the platform has just answered with 401."""
        ...


@dataclass(slots=True)
class FixedToken:
    """A token that cannot be renewed: good until it expires."""

    token: str = field(repr=False)

    async def bearer(self, http: httpx.AsyncClient, now_s: float, *, refused: str | None = None) -> str:
        """Give the token; CredentialError once the platform has refused it."""
        if refused == self.token:
            message = "the token was refused and cannot be renewed: log in again or use client credentials"
            raise CredentialError(message)
        return self.token


@dataclass(frozen=True, slots=True)
class TokenSet:
    """What `/oauth/token` answered; `expires_at_s` on the clock that was given as `now_s`."""

    access: str = field(repr=False)
    expires_at_s: float
    refresh: str | None = field(default=None, repr=False)
    scope: str = ""

    @classmethod
    def of(cls, body: dict[str, Any], now_s: float, *, refresh: str | None = None) -> TokenSet:
        """Read a token response; `refresh` is kept where the answer does not rotate it."""
        return cls(
            access=str(body["access_token"]),
            expires_at_s=now_s + float(body.get("expires_in", 900)),
            refresh=body.get("refresh_token") or refresh,
            scope=str(body.get("scope", "")),
        )


class _Renewing:
    """Hold the newest token set and let only one task renew it."""

    def __init__(self, tokens: TokenSet | None) -> None:
        self.tokens = tokens
        self._lock = asyncio.Lock()

    async def bearer(self, http: httpx.AsyncClient, now_s: float, *, refused: str | None = None) -> str:
        async with self._lock:
            tokens = self.tokens
            if tokens is None or tokens.access == refused or now_s >= tokens.expires_at_s - RENEW_BEFORE_S:
                self.tokens = tokens = await self._renew(http, now_s)
            return tokens.access

    async def _renew(self, http: httpx.AsyncClient, now_s: float) -> TokenSet:
        raise NotImplementedError


class ClientCredentials(_Renewing):
    """The client's own credential (OAuth2 client credentials, RFC 6749 §4.4)."""

    def __init__(self, client_id: str, client_secret: str, *, scope: str | None = None) -> None:
        super().__init__(None)
        self.client_id = client_id
        self._client_secret = client_secret
        self._scope = scope

    def __repr__(self) -> str:
        return f"ClientCredentials({self.client_id!r})"

    @classmethod
    def from_file(cls, path: str | Path) -> ClientCredentials:
        """Read `{"client_id": …, "client_secret": …}`."""
        try:
            body = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(str(body["client_id"]), str(body["client_secret"]))
        except FileNotFoundError:
            message = f"{path}: no such credentials file; `penstock app run` or the platform's first start makes it"
            raise CredentialError(message) from None
        except PermissionError:
            message = f"{path}: not readable for this user; it belongs to who started the platform"
            raise CredentialError(message) from None
        except (ValueError, KeyError, TypeError) as broken:
            message = f'{path}: not a credentials file: expected JSON {{"client_id", "client_secret"}}, got {broken!r}'
            raise CredentialError(message) from None

    @property
    def basic(self) -> tuple[str, str]:
        """Give id and secret for HTTP Basic at the token endpoint."""
        return self.client_id, self._client_secret

    async def _renew(self, http: httpx.AsyncClient, now_s: float) -> TokenSet:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        return TokenSet.of(await token_request(http, form, self.basic), now_s)


class PersonToken(_Renewing):
    """A person's token given to an app, renewed by its refresh token with the app's client authentication."""

    def __init__(self, tokens: TokenSet, client: ClientCredentials) -> None:
        super().__init__(tokens)
        self._client = client

    async def _renew(self, http: httpx.AsyncClient, now_s: float) -> TokenSet:
        refresh = self.tokens.refresh if self.tokens else None
        if refresh is None:
            message = "the person's login has expired and carries no refresh token: log in again"
            raise CredentialError(message)
        form = {"grant_type": "refresh_token", "refresh_token": refresh}
        try:
            body = await token_request(http, form, self._client.basic)
        except UnauthorizedError as refused:
            message = "the person's login has ended: log in again"
            raise CredentialError(message) from refused
        return TokenSet.of(body, now_s, refresh=refresh)


async def token_request(http: httpx.AsyncClient, form: dict[str, str], basic: tuple[str, str]) -> dict[str, Any]:
    """Ask the token endpoint; an OAuth error (400 invalid_grant, 401 invalid_client) raises UnauthorizedError."""
    response = await http.post(TOKEN_PATH, data={**form, "client_id": basic[0], "client_secret": basic[1]})
    if response.status_code == 200:
        body = response.json()
        assert isinstance(body, dict)
        return body
    error = error_of(response)
    if error.status in (400, 401) and not isinstance(error, UnauthorizedError):
        problem = {"type": error.type, "title": error.title, "detail": error.detail, "instance": error.request_id}
        raise UnauthorizedError(error.status, problem, method=error.method, url=error.url)
    raise error


def find_credential(
    *,
    credentials: Credential | str | Path | tuple[str, str] | None,
    token: str | None,
    environ: Callable[[str], str | None] = os.environ.get,
) -> Credential:
    """Choose the credential from what the caller gave, else from the file that PENSTOCK_APP_CREDENTIALS names."""
    if credentials is not None and token is not None:
        message = "give either credentials or token, not both"
        raise CredentialError(message)
    if token is not None:
        return FixedToken(token)
    if isinstance(credentials, str | Path):
        return ClientCredentials.from_file(credentials)
    if isinstance(credentials, tuple):
        return ClientCredentials(*credentials)
    if credentials is not None:
        return credentials
    path = environ(CREDENTIALS_VARIABLE)
    if path:
        return ClientCredentials.from_file(path)
    message = f"no credential: give credentials= or token=, or set {CREDENTIALS_VARIABLE} to a credentials file"
    raise CredentialError(message)
