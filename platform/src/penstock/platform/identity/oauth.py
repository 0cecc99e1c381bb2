"""OAuth2: authorization code with PKCE S256, client credentials, refresh with rotation, revocation.

RFC 6749, 7636, 7009, 9068, 9207. Codes and refresh tokens are kept as hashes. Whoever shows a used code or a used
refresh token ends its whole family: either the app was robbed or the robber came first.
"""

import base64
import hashlib
import hmac
import re
import time
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from penstock.platform.identity.clients import oauth_error
from penstock.platform.identity.keys import SigningKeys
from penstock.platform.identity.logins import end_login
from penstock.platform.identity.model import (
    AuthorizationCode,
    BrowserSession,
    Client,
    Gateway,
    RefreshToken,
    RevokedToken,
    TokenFamily,
    User,
    scope_text,
)
from penstock.platform.identity.passwords import digest, new_secret
from penstock.platform.identity.roles import SCOPES_OF_ROLE
from penstock.platform.identity.tokens import LIFETIME_S, TokenRefused, mint, verify
from penstock.platform.kit.audit import Actor, record
from penstock.platform.kit.db import Database
from penstock.platform.kit.ids import new_id

CODE_S = 60
REFRESH_S = 12 * 3600
FAMILY_S = 7 * 24 * 3600
_S = 1_000_000_000
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Grant:
    """What /oauth/token answers."""

    access_token: str
    scope: str
    expires_s: int
    refresh_token: str | None = None


class TokenService:
    """Give out and take back tokens."""

    def __init__(self, db: Database, keys: SigningKeys, issuer: str) -> None:
        self._db = db
        self._keys = keys
        self._issuer = issuer

    def authorize(
        self, client: Client, user: User, browser: BrowserSession, *, redirect_uri: str, scope: str, challenge: str
    ) -> str:
        """Make the code that the browser carries to the app; what it may do is cut to role and app now."""
        assert redirect_uri in client.redirect_uris
        now, code = time.time_ns(), new_secret()
        asked = frozenset(scope.split()) or frozenset(client.user_scopes)
        granted = asked & frozenset(client.user_scopes) & SCOPES_OF_ROLE[user.role]
        with self._db.session() as session:
            _forget_expired(session, now)
            family = TokenFamily(id=new_id("fam"), tenant=user.tenant, client_id=client.id, user_id=user.id)
            family.session_hash, family.expires_ns = browser.id_hash, now + FAMILY_S * _S
            session.add(family)
            session.flush()
            row = AuthorizationCode(code_hash=digest(code), family_id=family.id, redirect_uri=redirect_uri)
            row.scope, row.challenge, row.expires_ns = scope_text(granted), challenge, now + CODE_S * _S
            session.add(row)
            actor = Actor(user.tenant, user.id, user.name, client.id)
            record(session, actor, "token.authorize", object=client.id, detail={"scope": row.scope})
        return code

    def by_code(self, client: Client, *, code: str, redirect_uri: str, verifier: str) -> Grant:
        """Exchange a code; a second use ends every token that came of the first."""
        now = time.time_ns()
        with self._db.session() as session:
            row = session.get(AuthorizationCode, digest(code), with_for_update=True)
            family = session.get(TokenFamily, row.family_id) if row else None
            robbed = row is not None and row.used_ns is not None
            if row and family and family.client_id == client.id:
                if robbed:
                    _revoke(family, now)
                row.used_ns = row.used_ns or now
        if row is None or family is None or family.client_id != client.id or robbed or row.expires_ns <= now:
            raise oauth_error(
                error="invalid_grant", description="The code is unknown, used or older than a minute: log in again."
            )
        if row.redirect_uri != redirect_uri or not _proves(verifier, row.challenge):
            raise oauth_error(
                error="invalid_grant", description="redirect_uri or code_verifier is not that of the authorization."
            )
        with self._db.session() as session:
            return self._person_grant(session, client, family, scope=row.scope, now=now)

    def by_refresh(self, client: Client, token: str, scope: str = "") -> Grant:
        """Exchange a refresh token for the next one; a used one ends the family."""
        now = time.time_ns()
        with self._db.session() as session:
            row = session.get(RefreshToken, digest(token), with_for_update=True)
            family = session.get(TokenFamily, row.family_id) if row else None
            own = family is not None and family.client_id == client.id
            robbed = row is not None and row.used_ns is not None
            if family and own and robbed:
                _revoke(family, now)
            elif row and own:
                row.used_ns = now
        if row is None or family is None or not own or robbed or min(row.expires_ns, family.expires_ns) <= now:
            raise oauth_error(
                error="invalid_grant", description="The refresh token is unknown, used or too old: log in again."
            )
        narrowed = frozenset(scope.split()) & frozenset(row.scope.split()) if scope else frozenset(row.scope.split())
        with self._db.session() as session:
            return self._person_grant(session, client, family, scope=scope_text(narrowed), now=now)

    def by_client(self, client: Client, scope: str = "") -> Grant:
        """Give a client its own token: all its scopes, or those of them that it asks for."""
        own = frozenset(client.scopes)
        granted = own & frozenset(scope.split()) if scope else own
        if scope and not granted:
            raise oauth_error(error="invalid_scope", description=f"This client has the scopes {scope_text(own)!r}.")
        with self._db.reading() as session:
            subject = client.id
            if client.kind == "gateway":
                gateway = session.query(Gateway).filter(Gateway.client_id == client.id).one()
                subject = gateway.id
        claims = {
            "sub": subject,
            "kind": client.kind,
            "tenant": client.tenant,
            "client_id": client.id,
            "name": client.name,
            "scope": scope_text(granted),
            "cgen": client.generation,
        }
        token, _ = mint(self._keys, self._issuer, int(time.time()), claims=claims)
        return Grant(token, scope_text(granted), LIFETIME_S)

    def revoke(self, client: Client, token: str, *, end_session: bool = False) -> None:
        """Take back a token of this client (RFC 7009): refresh token with its family, access token by its id.

        `end_session` with a refresh token logs its person out of the browser session behind it, and so of every app.
        """
        now = time.time_ns()
        with self._db.session() as session:
            row = session.get(RefreshToken, digest(token))
            family = session.get(TokenFamily, row.family_id) if row else None
            actor = Actor(client.tenant, client.id, client.name, client.id)
            if family is not None:
                if family.client_id == client.id:
                    _revoke(family, now)
                    record(session, actor, "token.revoke", object=family.id)
                    login = session.get(BrowserSession, family.session_hash) if family.session_hash else None
                    if end_session and login is not None:
                        end_login(session, login, now, by=client.name)
                return
            try:
                claims = verify(self._keys, self._issuer, token, time.time())
            except TokenRefused:
                return
            if claims.client_id == client.id and session.get(RevokedToken, claims.token_id) is None:
                session.add(RevokedToken(jti=claims.token_id, expires_ns=claims.expires_s * _S))
                record(session, actor, "token.revoke", object=claims.token_id)

    def _person_grant(self, session: Session, client: Client, family: TokenFamily, *, scope: str, now: int) -> Grant:
        user = session.get(User, family.user_id)
        if user is None or family.revoked_ns is not None:
            raise oauth_error(error="invalid_grant", description="The login behind this token has ended: log in again.")
        refresh = new_secret()
        row = RefreshToken(token_hash=digest(refresh), family_id=family.id, scope=scope)
        row.expires_ns = min(now + REFRESH_S * _S, family.expires_ns)
        session.add(row)
        now_scopes = frozenset(scope.split()) & frozenset(client.user_scopes) & SCOPES_OF_ROLE[user.role]
        claims = {
            "sub": user.id,
            "kind": "person",
            "tenant": user.tenant,
            "client_id": client.id,
            "name": user.name,
            "scope": scope_text(now_scopes),
            "cgen": client.generation,
            "ugen": user.generation,
            "family": family.id,
        }
        token, _ = mint(self._keys, self._issuer, now // _S, claims=claims)
        return Grant(token, scope_text(now_scopes), LIFETIME_S, refresh)


def _proves(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    made = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return hmac.compare_digest(made, challenge)


def _revoke(family: TokenFamily, now: int) -> None:
    family.revoked_ns = family.revoked_ns or now


def _forget_expired(session: Session, now: int) -> None:
    session.execute(delete(RevokedToken).where(RevokedToken.expires_ns <= now))
    session.execute(delete(TokenFamily).where(TokenFamily.expires_ns <= now))
    session.execute(delete(BrowserSession).where(BrowserSession.expires_ns <= now))
