"""Rights: who stands behind a request, with the rights of token, subject and client as they are now."""

import logging
import time
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import bindparam, select
from starlette.requests import HTTPConnection

from penstock.platform.identity.keys import SigningKeys
from penstock.platform.identity.model import Client, Gateway, RevokedToken, TokenFamily, User
from penstock.platform.identity.people import People, person
from penstock.platform.identity.roles import SCOPES_OF_ROLE
from penstock.platform.identity.tokens import Claims, TokenRefused, claims_of, signed_payload
from penstock.platform.kit.access import Principal
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import unauthorized

SESSION_COOKIE = "penstock_session"
_S = 1_000_000_000
TOKENS_KEPT = 1_000
"""Tokens whose signature is known to be good: those of a plant's gateways, apps and people."""
log = logging.getLogger(__name__)

_STANDING = (
    select(
        Client.tenant,
        Client.kind,
        Client.generation,
        Client.scopes,
        Client.user_scopes,
        RevokedToken.jti.label("revoked"),
        Gateway.client_id.label("gateway_client"),
        Gateway.tenant.label("gateway_tenant"),
        User.tenant.label("user_tenant"),
        User.generation.label("user_generation"),
        User.role,
        TokenFamily.id.label("family"),
        TokenFamily.user_id.label("family_user"),
        TokenFamily.client_id.label("family_client"),
        TokenFamily.revoked_ns.label("family_revoked_ns"),
    )
    .select_from(Client)
    .outerjoin(RevokedToken, RevokedToken.jti == bindparam("token"))
    .outerjoin(Gateway, Gateway.id == bindparam("subject"))
    .outerjoin(User, User.id == bindparam("subject"))
    .outerjoin(TokenFamily, TokenFamily.id == bindparam("family"))
    .where(Client.id == bindparam("client"))
)
"""All that a token's rights hang on, as it is now, in one look: each request asks."""


class Rights:
    """The platform's authenticator (kit.access.Authenticator)."""

    def __init__(self, db: Database, keys: SigningKeys, people: People, issuer: str) -> None:
        self._reading = db.engine.execution_options(penstock_reading=True)
        self._signed = lru_cache(TOKENS_KEPT)(partial(signed_payload, keys))
        self._people = people
        self._issuer = issuer

    def bearer(self, connection: HTTPConnection) -> Principal:
        """Give the principal of the bearer token; Problem 401, the same for every reason."""
        values = connection.headers.getlist("authorization")
        if not values:
            raise unauthorized(detail="Send `Authorization: Bearer <token>`; /oauth/token gives one.")
        scheme, _, token = values[0].partition(" ")
        if len(values) != 1 or scheme.lower() != "bearer":
            raise unauthorized(detail="Send one Authorization header with a bearer token.")
        try:
            return self._now(claims_of(self._signed(token), self._issuer, time.time()))
        except TokenRefused as refused:
            log.info("token refused: %s", refused)
            raise unauthorized(detail="The token is not valid (any more): get a new one at /oauth/token.") from None

    def session(self, connection: HTTPConnection) -> Principal | None:
        """Give the person of the session cookie, or None."""
        cookie = connection.cookies.get(cookie_name(self._issuer))
        found = self._people.of_session(cookie) if cookie else None
        return person(found[0], expires_ns=found[1].expires_ns) if found else None

    def _now(self, claims: Claims) -> Principal:
        given = {"client": claims.client_id, "token": claims.token_id, "subject": claims.subject}
        with self._reading.connect() as connection:
            found = connection.execute(_STANDING, given | {"family": claims.family}).first()
        if found is None or found.tenant != claims.tenant or found.generation != claims.client_generation:
            raise TokenRefused(reason="client is gone or has new credentials")
        if found.revoked is not None:
            raise TokenRefused(reason="revoked")
        if claims.kind == "person":
            rights = _rights_of_person(found, claims) & frozenset(found.user_scopes)
        elif claims.kind != found.kind:
            raise TokenRefused(reason="kind is not the client's")
        else:
            rights = frozenset(found.scopes)
        return Principal(
            subject=claims.subject,
            kind=claims.kind,
            tenant=claims.tenant,
            scopes=claims.scopes & rights,
            client_id=claims.client_id,
            name=claims.name,
            gateway_id=_gateway(found, claims) if claims.kind == "gateway" else None,
            token_id=claims.token_id,
            expires_ns=claims.expires_s * _S,
        )


def _rights_of_person(found: Any, claims: Claims) -> frozenset[str]:
    if found.user_tenant != claims.tenant or found.user_generation != claims.user_generation:
        raise TokenRefused(reason="person is gone or has new credentials")
    if found.family is None or found.family_revoked_ns is not None:
        raise TokenRefused(reason="the login behind it has ended")
    if (found.family_user, found.family_client) != (claims.subject, claims.client_id):
        raise TokenRefused(reason="the login behind it is another's")
    return SCOPES_OF_ROLE[found.role]


def cookie_name(issuer: str) -> str:
    """Give the session cookie's name; `__Host-` keeps other hosts off, and needs https."""
    return f"__Host-{SESSION_COOKIE}" if issuer.startswith("https://") else SESSION_COOKIE


def _gateway(found: Any, claims: Claims) -> str:
    if found.gateway_client != claims.client_id or found.gateway_tenant != claims.tenant:
        raise TokenRefused(reason="gateway is gone")
    return claims.subject
