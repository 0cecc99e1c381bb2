"""Rights: who stands behind a request, with the rights of token, subject and client as they are now."""

import logging
import time

from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from penstock.platform.identity.keys import SigningKeys
from penstock.platform.identity.model import Client, Gateway, RevokedToken, TokenFamily, User
from penstock.platform.identity.people import People, person
from penstock.platform.identity.roles import SCOPES_OF_ROLE
from penstock.platform.identity.tokens import Claims, TokenRefused, verify
from penstock.platform.kit.access import Principal
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import unauthorized

SESSION_COOKIE = "penstock_session"
_S = 1_000_000_000
log = logging.getLogger(__name__)


class Rights:
    """The platform's authenticator (kit.access.Authenticator)."""

    def __init__(self, db: Database, keys: SigningKeys, people: People, issuer: str) -> None:
        self._db = db
        self._keys = keys
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
            claims = verify(self._keys, self._issuer, token, time.time())
            with self._db.reading() as session:
                return self._now(session, claims)
        except TokenRefused as refused:
            log.info("token refused: %s", refused)
            raise unauthorized(detail="The token is not valid (any more): get a new one at /oauth/token.") from None

    def session(self, connection: HTTPConnection) -> Principal | None:
        """Give the person of the session cookie, or None."""
        cookie = connection.cookies.get(cookie_name(self._issuer))
        found = self._people.of_session(cookie) if cookie else None
        return person(found[0], expires_ns=found[1].expires_ns) if found else None

    def _now(self, session: Session, claims: Claims) -> Principal:
        client = session.get(Client, claims.client_id)
        if client is None or client.tenant != claims.tenant or client.generation != claims.client_generation:
            raise TokenRefused(reason="client is gone or has new credentials")
        if session.get(RevokedToken, claims.token_id) is not None:
            raise TokenRefused(reason="revoked")
        if claims.kind == "person":
            rights = self._of_person(session, claims) & frozenset(client.user_scopes)
        elif claims.kind != client.kind:
            raise TokenRefused(reason="kind is not the client's")
        else:
            rights = frozenset(client.scopes)
        gateway_id = _gateway(session, claims) if claims.kind == "gateway" else None
        return Principal(
            subject=claims.subject,
            kind=claims.kind,
            tenant=claims.tenant,
            scopes=claims.scopes & rights,
            client_id=claims.client_id,
            name=claims.name,
            gateway_id=gateway_id,
            token_id=claims.token_id,
            expires_ns=claims.expires_s * _S,
        )

    @staticmethod
    def _of_person(session: Session, claims: Claims) -> frozenset[str]:
        user = session.get(User, claims.subject)
        if user is None or user.tenant != claims.tenant or user.generation != claims.user_generation:
            raise TokenRefused(reason="person is gone or has new credentials")
        family = session.get(TokenFamily, claims.family) if claims.family else None
        if family is None or family.revoked_ns is not None:
            raise TokenRefused(reason="the login behind it has ended")
        if (family.user_id, family.client_id) != (claims.subject, claims.client_id):
            raise TokenRefused(reason="the login behind it is another's")
        return SCOPES_OF_ROLE[user.role]


def cookie_name(issuer: str) -> str:
    """Give the session cookie's name; `__Host-` keeps other hosts off, and needs https."""
    return f"__Host-{SESSION_COOKIE}" if issuer.startswith("https://") else SESSION_COOKIE


def _gateway(session: Session, claims: Claims) -> str:
    gateway = session.get(Gateway, claims.subject)
    if gateway is None or gateway.client_id != claims.client_id or gateway.tenant != claims.tenant:
        raise TokenRefused(reason="gateway is gone")
    return gateway.id
