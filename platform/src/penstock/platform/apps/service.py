"""Apps: registered once, listed on the start page, each with a client of its own."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from penstock.platform.apps.model import App
from penstock.platform.identity.clients import check_redirects, check_scopes, make_client, renew_secret
from penstock.platform.identity.model import Client
from penstock.platform.identity.roles import OPERATOR_SCOPES, SCOPES_OF_ROLE, Role
from penstock.platform.kit.access import Principal
from penstock.platform.kit.audit import Actor, record
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import conflict, not_found

APP_SCOPES = frozenset(SCOPES_OF_ROLE[Role.ENGINEER] - {"alarms:ack"}) | {"samples:replace"}
"""What an app's own token may hold: no administration, no acknowledging; it may correct what it computed itself."""

APP_USER_SCOPES = frozenset(SCOPES_OF_ROLE[Role.ADMIN])


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an app says of itself."""

    id: str
    name: str
    url: str
    description: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    user_scopes: tuple[str, ...]


class AppService:
    """Register apps and give them credentials."""

    def __init__(self, db: Database, *, allow_plain_http: bool) -> None:
        self._db = db
        self._allow_plain_http = allow_plain_http

    def register(self, by: Principal | Actor, manifest: Manifest) -> tuple[App, Client, str]:
        """Register an app; give it, its client and the secret, shown once. Problem 409 `app-exists`."""
        scopes = check_scopes(manifest.scopes, APP_SCOPES)
        user_scopes = check_scopes(manifest.user_scopes, APP_USER_SCOPES)
        redirects = check_redirects(manifest.redirect_uris, allow_plain_http=self._allow_plain_http)
        try:
            with self._db.session() as session:
                client, secret = make_client(
                    session, by.tenant, "app", manifest.id,
                    scopes=scopes, user_scopes=user_scopes, redirect_uris=redirects,
                )  # fmt: skip
                app = App(tenant=by.tenant, id=manifest.id, client_id=client.id, name=manifest.name, url=manifest.url)
                app.description, app.created_ns, app.hidden = manifest.description, time.time_ns(), False
                session.add(app)
                session.flush()
                record(session, by, "app.create", object=app.id, detail={"client_id": client.id, "scopes": scopes})
        except IntegrityError:
            detail = f"There is an app {manifest.id} already. Take another id, or a new secret for that one."
            raise conflict(type="app-exists", detail=detail) from None
        return app, client, secret

    def all(self, tenant: str) -> Sequence[tuple[App, Client]]:
        """Give the tenant's apps by name."""
        with self._db.reading() as session:
            query = select(App, Client).join(Client, Client.id == App.client_id).where(App.tenant == tenant)
            return [(app, client) for app, client in session.execute(query.order_by(App.name))]

    def names_of_clients(self, tenant: str) -> dict[str, str]:
        """Give a name for each of the tenant's clients: the app's that it belongs to, else its own."""
        with self._db.reading() as session:
            query = select(Client.id, App.name, Client.name).join(App, App.client_id == Client.id, isouter=True)
            return {client: app or own for client, app, own in session.execute(query.where(Client.tenant == tenant))}

    def get(self, tenant: str, app_id: str) -> tuple[App, Client]:
        """Give one app, or Problem 404."""
        with self._db.reading() as session:
            return _app(session, tenant, app_id)

    def change(self, by: Principal | Actor, app_id: str, changes: dict[str, object]) -> tuple[App, Client]:
        """Change what the keys of `changes` name; rights that are taken away end at the next request."""
        with self._db.session() as session:
            app, client = _app(session, by.tenant, app_id)
            if "scopes" in changes:
                client.scopes = check_scopes(_texts(changes["scopes"]), APP_SCOPES)
            if "user_scopes" in changes:
                client.user_scopes = check_scopes(_texts(changes["user_scopes"]), APP_USER_SCOPES)
            if "redirect_uris" in changes:
                uris = _texts(changes["redirect_uris"])
                client.redirect_uris = check_redirects(uris, allow_plain_http=self._allow_plain_http)
            for name in ("name", "url", "description"):
                if name in changes:
                    setattr(app, name, str(changes[name]))
            record(session, by, "app.change", object=app_id, detail=changes)
        return app, client

    def new_secret(self, by: Principal | Actor, app_id: str) -> tuple[Client, str]:
        """Give the app a new secret; the old one and its tokens end."""
        with self._db.session() as session:
            _, client = _app(session, by.tenant, app_id)
            secret = renew_secret(client)
            record(session, by, "app.secret", object=app_id)
        return client, secret

    def remove(self, by: Principal, app_id: str) -> None:
        """Remove the app and its client; its tags stay readable."""
        with self._db.session() as session:
            app, client = _app(session, by.tenant, app_id)
            session.delete(app)
            session.flush()
            session.delete(client)
            record(session, by, "app.remove", object=app_id)


def default_scopes() -> tuple[str, ...]:
    """Give the scopes of an app that asks for none by name: what the shipped apps need."""
    return tuple(sorted(APP_SCOPES - {"metrics:read"}))


def operator_scopes() -> list[str]:
    """Give the scopes of the command line's credential."""
    return sorted(OPERATOR_SCOPES)


def _app(session: Session, tenant: str, app_id: str) -> tuple[App, Client]:
    app = session.get(App, (tenant, app_id))
    if app is None:
        raise not_found(what="app", identifier=app_id)
    return app, session.get_one(Client, app.client_id)


def _texts(value: object) -> list[str]:
    assert isinstance(value, list)
    return [str(item) for item in value]
