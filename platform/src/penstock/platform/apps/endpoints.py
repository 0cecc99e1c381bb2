"""Routes of the app registry."""

from typing import Annotated

from fastapi import APIRouter, Response

from penstock.core.times import format_rfc3339_ns
from penstock.platform.apps.model import App
from penstock.platform.apps.schemas import AppChange, AppCreated, AppInput, AppItem, AppOutput, AppSecret
from penstock.platform.apps.service import AppService, Manifest
from penstock.platform.identity.model import Client
from penstock.platform.kit.access import Principal, any_token, requires
from penstock.platform.kit.paging import Cursor, Limit, Page, page_within
from penstock.platform.kit.schemas import PathId

Admin = Annotated[Principal, requires("apps:admin")]


class AppEndpoints:
    """List, register, change, remove apps."""

    def __init__(self, apps: AppService) -> None:
        self._apps = apps

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1/apps", tags=["apps"])
        router.get("")(self.all)
        router.post("", status_code=201)(self.register)
        router.get("/{app_id}")(self.get)
        router.patch("/{app_id}")(self.change)
        router.delete("/{app_id}", status_code=204)(self.remove)
        router.post("/{app_id}/secret")(self.secret)
        return router

    def all(
        self, principal: Annotated[Principal, any_token()], limit: Limit = 100, cursor: Cursor = None
    ) -> Page[AppItem]:
        """List the apps of the start page, by name."""
        rows = [AppItem.model_validate(app) for app, _ in self._apps.all(principal.tenant)]
        return page_within(rows, limit, cursor)

    def register(self, principal: Admin, body: AppInput) -> AppCreated:
        """Register an app; the secret of the answer is shown this once."""
        manifest = Manifest(
            id=body.id,
            name=body.name,
            url=body.url,
            description=body.description,
            redirect_uris=tuple(body.redirect_uris),
            scopes=tuple(body.scopes),
            user_scopes=tuple(body.user_scopes),
        )
        app, client, secret = self._apps.register(principal, manifest)
        return AppCreated(**_output(app, client).model_dump(), client_secret=secret)

    def get(self, principal: Admin, app_id: PathId) -> AppOutput:
        """Give an app with its client."""
        return _output(*self._apps.get(principal.tenant, app_id))

    def change(self, principal: Admin, app_id: PathId, body: AppChange) -> AppOutput:
        """Change an app; rights that are taken away end at the next request."""
        changes = body.model_dump(exclude_unset=True, exclude_none=True)
        return _output(*self._apps.change(principal, app_id, changes))

    def remove(self, principal: Admin, app_id: PathId) -> Response:
        """Remove an app with its client and tokens."""
        self._apps.remove(principal, app_id)
        return Response(status_code=204)

    def secret(self, principal: Admin, app_id: PathId) -> AppSecret:
        """Make a new secret; the old one ends at once."""
        client, secret = self._apps.new_secret(principal, app_id)
        return AppSecret(client_id=client.id, client_secret=secret)


def _output(app: App, client: Client) -> AppOutput:
    return AppOutput(
        id=app.id,
        name=app.name,
        url=app.url,
        description=app.description,
        client_id=client.id,
        redirect_uris=client.redirect_uris,
        scopes=client.scopes,
        user_scopes=client.user_scopes,
        created=format_rfc3339_ns(app.created_ns),
    )
