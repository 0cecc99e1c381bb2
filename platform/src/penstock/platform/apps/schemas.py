"""Bodies of the apps' routes."""

from typing import Annotated

from pydantic import Field

from penstock.platform.kit.schemas import Input, Name, Output, Prose, Rfc3339, ScopeName, Slug, Url

Redirects = Annotated[list[Url], Field(max_length=10)]
Scopes = Annotated[list[ScopeName], Field(max_length=50)]


class AppInput(Input):
    """A new app, as its manifest says."""

    id: Slug
    name: Name
    url: Url
    description: Prose = ""
    redirect_uris: Redirects = Field(default_factory=list)
    scopes: Scopes = Field(default_factory=list)
    user_scopes: Scopes = Field(default_factory=list)


class AppChange(Input):
    """What shall be different."""

    name: Name | None = None
    url: Url | None = None
    description: Prose | None = None
    redirect_uris: Redirects | None = None
    scopes: Scopes | None = None
    user_scopes: Scopes | None = None


class AppItem(Output):
    """An app, for the start page."""

    id: str = Field(max_length=63)
    name: str = Field(max_length=200)
    url: str = Field(max_length=500)
    description: str = Field(max_length=2000)


class AppOutput(AppItem):
    """An app with its client."""

    client_id: str = Field(max_length=40)
    redirect_uris: Redirects
    scopes: Scopes
    user_scopes: Scopes
    created: Rfc3339


class AppCreated(AppOutput):
    """A new app with its secret, shown once."""

    client_secret: str = Field(max_length=100)


class AppSecret(Output):
    """A new secret, shown once."""

    client_id: str = Field(max_length=40)
    client_secret: str = Field(max_length=100)
