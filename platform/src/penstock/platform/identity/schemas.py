"""Bodies of identity's routes."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from penstock.platform.identity.passwords import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from penstock.platform.identity.roles import Role
from penstock.platform.kit.schemas import INT64_MAX, Input, Name, Output, Rfc3339, ScopeName, Slug

Secret = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")]
UserName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9@._-]*$")]


class Me(Output):
    """Who asks."""

    subject: str = Field(max_length=40)
    kind: str = Field(max_length=20)
    name: str = Field(max_length=200)
    tenant: str = Field(max_length=40)
    client_id: str | None = Field(max_length=40)
    scopes: list[ScopeName] = Field(max_length=50)


class UserInput(Input):
    """A new user; without a password they come by the login link of the answer."""

    name: UserName
    role: Role
    password: (
        Annotated[str, StringConstraints(min_length=PASSWORD_LENGTH_MIN, max_length=PASSWORD_LENGTH_MAX)] | None
    ) = None


class UserOutput(Output):
    """A user."""

    id: str = Field(max_length=40)
    name: str = Field(max_length=200)
    role: Role
    created: Rfc3339


class UserCreated(UserOutput):
    """A new user, with a one-time login link when no password was given."""

    login_link: str | None = Field(None, max_length=500)


class EnrolTokenInput(Input):
    """For which gateway, and for how long."""

    name: Slug
    expires_s: int = Field(3600, ge=60, le=7 * 24 * 3600)


class EnrolTokenOutput(Output):
    """The token, shown once."""

    token: str = Field(max_length=100)
    name: str = Field(max_length=63)
    expires: Rfc3339


class EnrolInput(Input):
    """A gateway that enrols.

    With a secret of its own choice the request can be sent again until its answer has arrived.
    """

    token: Secret
    name: Slug
    client_secret: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_-]{43,100}$", description="256 random bits that the gateway chose, URL-safe"
    )


class EnrolOutput(Output):
    """The gateway's credential, shown once."""

    gateway: str = Field(max_length=40)
    client_id: str = Field(max_length=40)
    client_secret: str = Field(max_length=100)


class AuditItem(Output):
    """One deed."""

    seq: int = Field(ge=1, le=INT64_MAX)
    time: Rfc3339
    actor: str = Field(max_length=80)
    actor_name: str = Field(max_length=200)
    client_id: str | None = Field(max_length=80)
    action: str = Field(max_length=80)
    object: str = Field(max_length=600)
    detail: dict[str, Any]
    hash: str = Field(max_length=64)


class TokenAnswer(Output):
    """RFC 6749, 5.1."""

    access_token: str = Field(max_length=4096)
    token_type: str = Field("Bearer", max_length=10)
    expires_in: int = Field(ge=1, le=3600, description="seconds")
    scope: str = Field(max_length=1000)
    refresh_token: str | None = Field(None, max_length=100)


AuditAction = Annotated[Name, Field(max_length=80)]
