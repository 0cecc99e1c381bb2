"""OAuth2 clients: apps, gateways and the operator's command line; each with a secret of its own."""

import time
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from penstock.platform.identity.model import Client
from penstock.platform.identity.passwords import digest, new_secret, secret_matches
from penstock.platform.identity.throttle import Throttle
from penstock.platform.kit.access import SCOPES
from penstock.platform.kit.db import Database
from penstock.platform.kit.ids import new_id
from penstock.platform.kit.problems import Problem, invalid
from penstock.platform.kit.settings import is_loopback

_PREFIX = {"app": "cla", "gateway": "clg", "operator": "clo"}


def make_client(
    session: Session,
    tenant: str,
    kind: str,
    name: str,
    *,
    scopes: Iterable[str],
    user_scopes: Iterable[str] = (),
    redirect_uris: Sequence[str] = (),
    secret: str | None = None,
) -> tuple[Client, str]:
    """Make a client; give it and its secret, which is not kept; absent, one is made."""
    secret = secret or new_secret()
    client = Client(
        id=new_id(_PREFIX[kind]),
        tenant=tenant,
        kind=kind,
        name=name,
        secret_hash=digest(secret),
        scopes=sorted(scopes),
        user_scopes=sorted(user_scopes),
        redirect_uris=list(redirect_uris),
        generation=0,
        created_ns=time.time_ns(),
    )
    session.add(client)
    session.flush()
    return client, secret


def renew_secret(client: Client, secret: str | None = None) -> str:
    """Give the client a new secret, made here where absent; the old one and all its tokens end."""
    secret = secret or new_secret()
    client.secret_hash = digest(secret)
    client.generation += 1
    return secret


class ClientDoor:
    """Let clients in by id and secret, and hold off who guesses."""

    def __init__(self, db: Database, throttle: Throttle) -> None:
        self._db = db
        self._throttle = throttle

    def enter(self, client_id: str, secret: str, address: str) -> Client:
        """Give the client; OAuth error invalid_client (401), or Problem 429 after ten wrong tries a minute."""
        self._throttle.check("client", client_id, address)
        with self._db.reading() as session:
            client = session.get(Client, client_id)
        if not secret_matches(client.secret_hash if client else "0" * 64, secret) or client is None:
            self._throttle.count("client", client_id, address)
            raise oauth_error(error="invalid_client", description="Client id or secret is wrong.", status=401)
        return client


def oauth_error(error: str, description: str, *, status: int = 400) -> Problem:
    """Make a problem that OAuth2 clients understand too (RFC 6749, 5.2)."""
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="penstock"'
    kind = error.replace("_", "-")
    return Problem(status, kind, description, headers=headers, error=error, error_description=description)


def check_scopes(scopes: Iterable[str], allowed: frozenset[str]) -> list[str]:
    """Give the scopes sorted; Problem 422 names those that are unknown or beyond what the caller may give."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in SCOPES]
    if unknown:
        raise invalid(detail=f"Unknown scopes {unknown}; there are {', '.join(SCOPES)}.")
    beyond = [scope for scope in wanted if scope not in allowed]
    if beyond:
        raise invalid(detail=f"The scopes {beyond} cannot be given to an app.")
    return wanted


def check_redirects(uris: Iterable[str], *, allow_plain_http: bool) -> list[str]:
    """Give the redirect URIs as they are; Problem 422 for one that would leak the code."""
    checked = list(uris)
    for uri in checked:
        parts = urlsplit(uri)
        host = parts.hostname or ""
        plain = parts.scheme == "http" and (is_loopback(host) or allow_plain_http)
        if not host or parts.fragment or parts.username or not (parts.scheme == "https" or plain):
            raise invalid(
                detail=f"The redirect URI {uri[:200]!r} must be https, or http on loopback, absolute, no fragment."
            )
    return checked
