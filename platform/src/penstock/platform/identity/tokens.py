"""Access tokens: signed JWT (RFC 9068) that say who asks; what they may do is looked up at each request.

Verification takes nothing from the token on trust: one algorithm, our own key ids, canonical base64url (so that no
two texts are the same token), exact header, issuer, audience and times.
"""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Literal

from joserfc import jwt
from joserfc.errors import JoseError

from penstock.platform.identity.keys import ALGORITHM, SigningKeys
from penstock.platform.kit.ids import new_id

AUDIENCE = "penstock"
TYPE = "at+jwt"
LIFETIME_S = 15 * 60
CLOCK_LEEWAY_S = 5
LENGTH_MAX = 4096

TokenKind = Literal["person", "app", "gateway", "operator"]
_KINDS = ("person", "app", "gateway", "operator")
_S = 1_000_000_000


class TokenRefused(Exception):
    """Say why a token is not good; the reason is for the log and the tests, not for the caller."""

    def __init__(self, *, reason: str) -> None:
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says. `client_generation` and `user_generation` die with a revocation of client or user."""

    subject: str
    kind: TokenKind
    tenant: str
    client_id: str
    name: str
    scopes: frozenset[str]
    client_generation: int
    user_generation: int | None
    family: str | None
    token_id: str
    expires_s: int


def mint(
    keys: SigningKeys, issuer: str, now_s: int, *, claims: dict[str, Any], lifetime_s: int = LIFETIME_S
) -> tuple[str, str]:
    """Sign a token; give it and its id. `claims` are those of the principal (see `Claims`)."""
    token_id = new_id("tok")
    times = {"iat": now_s, "exp": now_s + lifetime_s, "jti": token_id}
    header = {"alg": ALGORITHM, "typ": TYPE, "kid": keys.newest}
    payload = {"iss": issuer, "aud": AUDIENCE, **times, **{k: v for k, v in claims.items() if v is not None}}
    return jwt.encode(header, payload, keys.signing(), algorithms=[ALGORITHM]), token_id


def verify(keys: SigningKeys, issuer: str, token: str, now_s: float) -> Claims:
    """Check signature, header, issuer, audience and times; raise TokenRefused."""
    return claims_of(signed_payload(keys, token), issuer, now_s)


def signed_payload(keys: SigningKeys, token: str) -> dict[str, Any]:
    """Check signature and header alone, which do not change with time; raise TokenRefused."""
    if len(token) > LENGTH_MAX or not token.isascii():
        raise TokenRefused(reason="too long or not ASCII")
    parts = token.split(".")
    if len(parts) != 3 or not all(parts):
        raise TokenRefused(reason="not three parts")
    header = _json(_canonical(parts[0]))
    _canonical(parts[1])
    _canonical(parts[2])
    key = keys.get(header.get("kid"))
    if header.keys() != {"alg", "typ", "kid"} or header["alg"] != ALGORITHM or header["typ"] != TYPE or key is None:
        raise TokenRefused(reason="header is not ours")
    try:
        return jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError) as error:
        raise TokenRefused(reason=type(error).__name__) from error


def claims_of(payload: dict[str, Any], issuer: str, now_s: float) -> Claims:
    """Check issuer, audience, times and claims of a signed payload; raise TokenRefused."""
    if payload.get("iss") != issuer or payload.get("aud") != AUDIENCE:
        raise TokenRefused(reason="issuer or audience")
    issued, expires = payload.get("iat"), payload.get("exp")
    if type(issued) is not int or type(expires) is not int:
        raise TokenRefused(reason="times are not whole seconds")
    if not now_s < expires or issued > now_s + CLOCK_LEEWAY_S:
        raise TokenRefused(reason="expired or of the future")
    texts = [payload.get(name) for name in ("sub", "kind", "tenant", "client_id", "name", "scope", "jti")]
    subject, kind, tenant, client_id, name, scope, token_id = (t if isinstance(t, str) else None for t in texts)
    if None in (subject, tenant, client_id, name, scope, token_id) or kind not in _KINDS:
        raise TokenRefused(reason="a claim is absent")
    client_generation, user_generation = payload.get("cgen"), payload.get("ugen")
    if type(client_generation) is not int or (kind == "person") != (type(user_generation) is int):
        raise TokenRefused(reason="generation")
    family = payload.get("family")
    if not (family is None or isinstance(family, str)):
        raise TokenRefused(reason="family")
    return Claims(
        subject=str(subject),
        kind=kind,  # type: ignore[arg-type]  # checked against _KINDS
        tenant=str(tenant),
        client_id=str(client_id),
        name=str(name),
        scopes=frozenset(str(scope).split()),
        client_generation=client_generation,
        user_generation=user_generation,
        family=family,
        token_id=str(token_id),
        expires_s=expires,
    )


def _canonical(part: str) -> bytes:
    try:
        raw = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise TokenRefused(reason="not base64url") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise TokenRefused(reason="not canonical base64url")
    return raw


def _json(raw: bytes) -> dict[str, Any]:
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise TokenRefused(reason="header is not JSON") from error
    if not isinstance(header, dict):
        raise TokenRefused(reason="header is not an object")
    return header
