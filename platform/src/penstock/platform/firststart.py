"""First start: what the platform makes for its neighbours, in files of mode 0600, re-made only when absent or spent.

login-link           one-time link of the first admin, until they have a password
cli.json             the operator's credential for the command line
enrol-<name>.token   enrolment token, until the gateway has enrolled
ca.pem               the authorities by which gateways know the TLS door; no secret
<app>.json           client credential of an app of the start page
"""

import json
import logging
import time
from pathlib import Path

from sqlalchemy import select

from penstock.platform.apps.model import App
from penstock.platform.apps.service import AppService, Manifest
from penstock.platform.identity.clients import make_client, renew_secret
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.model import Client, User
from penstock.platform.identity.people import People
from penstock.platform.identity.roles import OPERATOR_SCOPES
from penstock.platform.kit.audit import Actor, record
from penstock.platform.kit.db import Database
from penstock.platform.kit.files import make_folder, secret_path, write_secret
from penstock.platform.kit.problems import Problem
from penstock.platform.kit.settings import Settings

BOOTSTRAP_ENROL_S = 7 * 24 * 3600
OPERATOR = "operator"
LINK_FILE = "login-link"
AUTHORITY_FILE = "ca.pem"

APP_SCOPES = (
    "alarms:read", "assets:read", "gateways:read", "ledger:read", "rules:write", "samples:read", "samples:write",
)  # fmt: skip
USER_SCOPES = (*APP_SCOPES, "alarms:ack", "assets:write")

log = logging.getLogger(__name__)


class FirstStart:
    """Make what is absent; safe to run at every start."""

    def __init__(
        self, settings: Settings, db: Database, *, people: People, gateways: GatewayDirectory, apps: AppService
    ) -> None:
        self._settings = settings
        self._db = db
        self._people = people
        self._gateways = gateways
        self._apps = apps

    def run(self, authorities: str | None) -> None:
        """Make tenant, admin, login link, operator credential, enrolment tokens and app credentials.

        `authorities` (PEM) is put beside each enrolment token, for the gateway to know the platform by.
        """
        make_folder(self._settings.secrets)
        admin = self._people.first_admin()
        platform = Actor(admin.tenant, "platform", "Penstock")
        self._login_link(admin)
        self._operator(platform)
        for name in self._settings.bootstrap_gateways:
            self._enrol_token(platform, name)
            if authorities is not None:
                write_secret(secret_path(self._settings.secrets, name, AUTHORITY_FILE), authorities)
        for name, url in self._settings.bootstrap_apps.items():
            self._app(platform, name, url)

    def _login_link(self, admin: User) -> None:
        """Keep an unused link, under the address by which browsers come now; a spent one is of no use."""
        path = secret_path(self._settings.secrets, OPERATOR, LINK_FILE)
        kept = path.read_text(encoding="utf-8").strip() if path.exists() else ""
        token = kept.rpartition("token=")[2]
        if token and self._people.link_is_good(token):
            if kept != _link(self._settings, token):
                write_login_link(self._settings, token)
        elif admin.password_hash is None:
            write_login_link(self._settings, self._people.login_link(admin.id))
        else:
            path.unlink(missing_ok=True)

    def _operator(self, platform: Actor) -> None:
        path = secret_path(self._settings.secrets, OPERATOR, "cli.json")
        with self._db.session() as session:
            query = select(Client).where(Client.tenant == platform.tenant, Client.kind == "operator")
            client = session.execute(query).scalars().first()
            if client is not None:
                client.scopes = sorted(OPERATOR_SCOPES)  # a newer release may know scopes that the first start did not
                if path.exists():
                    return
            if client is None:
                client, secret = make_client(session, platform.tenant, "operator", OPERATOR, scopes=OPERATOR_SCOPES)
            else:
                secret = renew_secret(client)
            record(session, platform, "client.credential", object=client.id, detail={"kind": "operator"})
        _write_credential(path, client.id, secret)

    def _enrol_token(self, platform: Actor, name: str) -> None:
        path = secret_path(self._settings.secrets, name, f"enrol-{name}.token")
        if self._gateways.is_enrolled(platform.tenant, name):
            path.unlink(missing_ok=True)
            return
        if path.exists() and self._gateways.token_is_good(path.read_text(encoding="utf-8").strip()):
            return
        write_secret(path, self._gateways.make_token(platform, name, BOOTSTRAP_ENROL_S) + "\n")

    def _app(self, platform: Actor, name: str, url: str) -> None:
        path = secret_path(self._settings.secrets, name, f"{name}.json")
        redirects = (f"{url}/oauth/callback",)
        with self._db.reading() as session:
            known = session.get(App, (platform.tenant, name))
        if known is None:
            manifest = Manifest(
                id=name,
                name=name.replace("-", " ").capitalize(),
                url=url,
                description="",
                redirect_uris=redirects,
                scopes=APP_SCOPES,
                user_scopes=USER_SCOPES,
            )
            _, client, secret = self._apps.register(platform, manifest)
        elif not path.exists():
            client, secret = self._apps.new_secret(platform, name)
        else:
            if known.url != url:
                self._apps.change(platform, name, {"url": url, "redirect_uris": list(redirects)})
            return
        _write_credential(path, client.id, secret)


def write_login_link(settings: Settings, token: str) -> Path:
    """Write the one-time link where the operator finds it; give the file."""
    path = secret_path(settings.secrets, OPERATOR, LINK_FILE)
    write_secret(path, _link(settings, token) + "\n")
    log.info("a one-time login link is in %s", path)
    return path


def _link(settings: Settings, token: str) -> str:
    return f"{settings.issuer}/login/link?token={token}"


def _write_credential(path: Path, client_id: str, secret: str) -> None:
    body = {"client_id": client_id, "client_secret": secret, "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    try:
        write_secret(path, json.dumps(body) + "\n")
    except OSError as error:
        message = (
            f"{path} cannot be written ({error.strerror}); give the platform a folder of its own to write secrets to."
        )
        raise Problem(500, "secrets-not-writable", message) from error
