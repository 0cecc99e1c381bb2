"""Tables of identity. Secrets are never stored: passwords as argon2, high-entropy secrets as SHA-256."""

from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from penstock.platform.kit.db import Base

ID = String(40)
HASH = String(64)
NAME = String(200)


class Tenant(Base):
    """A company on a platform; its id stands in every row that belongs to it."""

    __tablename__ = "tenants"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    name: Mapped[str] = mapped_column(NAME, unique=True)
    created_ns: Mapped[int] = mapped_column(BigInteger)


class User(Base):
    """A person. `generation` rises when all their tokens and sessions must die."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(NAME)
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(String(200))
    generation: Mapped[int] = mapped_column(Integer, default=0)
    created_ns: Mapped[int] = mapped_column(BigInteger)


class LoginLink(Base):
    """A one-time link that logs a person in, and lets them set a password."""

    __tablename__ = "login_links"

    token_hash: Mapped[str] = mapped_column(HASH, primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    expires_ns: Mapped[int] = mapped_column(BigInteger)


class BrowserSession(Base):
    """A login of a browser; the cookie holds the secret, this row its hash."""

    __tablename__ = "sessions"

    id_hash: Mapped[str] = mapped_column(HASH, primary_key=True)
    tenant: Mapped[str] = mapped_column(ID)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf: Mapped[str] = mapped_column(HASH)
    generation: Mapped[int] = mapped_column(Integer)
    created_ns: Mapped[int] = mapped_column(BigInteger)
    expires_ns: Mapped[int] = mapped_column(BigInteger, index=True)


class Client(Base):
    """An OAuth2 client: an app, a gateway or the operator's command line."""

    __tablename__ = "clients"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(NAME)
    secret_hash: Mapped[str] = mapped_column(HASH)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    user_scopes: Mapped[list[str]] = mapped_column(JSON)
    redirect_uris: Mapped[list[str]] = mapped_column(JSON)
    generation: Mapped[int] = mapped_column(Integer, default=0)
    created_ns: Mapped[int] = mapped_column(BigInteger)


class Gateway(Base):
    """A gateway that enrolled; `session` is the newest uplink session granted to it."""

    __tablename__ = "gateways"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(NAME)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id"))
    enrolled_ns: Mapped[int] = mapped_column(BigInteger)
    session: Mapped[int] = mapped_column(BigInteger, default=0)
    session_ns: Mapped[int | None] = mapped_column(BigInteger)
    epoch: Mapped[str | None] = mapped_column(String(32))
    head: Mapped[int | None] = mapped_column(BigInteger)


class EnrolToken(Base):
    """A single-use token with which a gateway of that name enrols."""

    __tablename__ = "enrol_tokens"

    token_hash: Mapped[str] = mapped_column(HASH, primary_key=True)
    tenant: Mapped[str] = mapped_column(ForeignKey("tenants.id"))
    name: Mapped[str] = mapped_column(NAME)
    expires_ns: Mapped[int] = mapped_column(BigInteger)
    used_ns: Mapped[int | None] = mapped_column(BigInteger)


class TokenFamily(Base):
    """All tokens that came of one authorization code; revoked together."""

    __tablename__ = "token_families"

    id: Mapped[str] = mapped_column(ID, primary_key=True)
    tenant: Mapped[str] = mapped_column(ID)
    client_id: Mapped[str] = mapped_column(ForeignKey("clients.id", ondelete="CASCADE"), index=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    session_hash: Mapped[str | None] = mapped_column(HASH, index=True)
    revoked_ns: Mapped[int | None] = mapped_column(BigInteger)
    expires_ns: Mapped[int] = mapped_column(BigInteger, index=True)


class AuthorizationCode(Base):
    """A code between /oauth/authorize and /oauth/token, good for a minute and once."""

    __tablename__ = "authorization_codes"

    code_hash: Mapped[str] = mapped_column(HASH, primary_key=True)
    family_id: Mapped[str] = mapped_column(ForeignKey("token_families.id", ondelete="CASCADE"))
    redirect_uri: Mapped[str] = mapped_column(String(500))
    scope: Mapped[str] = mapped_column(String(1000))
    challenge: Mapped[str] = mapped_column(String(64))
    expires_ns: Mapped[int] = mapped_column(BigInteger, index=True)
    used_ns: Mapped[int | None] = mapped_column(BigInteger)


class RefreshToken(Base):
    """One link in the chain of a family; used once, the next is handed out."""

    __tablename__ = "refresh_tokens"

    token_hash: Mapped[str] = mapped_column(HASH, primary_key=True)
    family_id: Mapped[str] = mapped_column(ForeignKey("token_families.id", ondelete="CASCADE"), index=True)
    scope: Mapped[str] = mapped_column(String(1000))
    expires_ns: Mapped[int] = mapped_column(BigInteger, index=True)
    used_ns: Mapped[int | None] = mapped_column(BigInteger)


class RevokedToken(Base):
    """An access token that was revoked before its end."""

    __tablename__ = "revoked_tokens"

    jti: Mapped[str] = mapped_column(ID, primary_key=True)
    expires_ns: Mapped[int] = mapped_column(BigInteger, index=True)


def scope_text(scopes: Any) -> str:
    """Write scopes as OAuth2 does: sorted, one space between."""
    return " ".join(sorted(scopes))
