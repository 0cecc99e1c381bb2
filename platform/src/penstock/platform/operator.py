"""What the operator does at the command line, beside a platform that may be running: on its store, not by HTTP."""

from collections.abc import Callable

from sqlalchemy import select

from penstock.core.errors import PenstockError
from penstock.platform.firststart import write_login_link
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.keys import SigningKeys
from penstock.platform.identity.model import Client, scope_text
from penstock.platform.identity.people import People
from penstock.platform.identity.throttle import Throttle
from penstock.platform.identity.tokens import mint
from penstock.platform.kit.audit import Actor, record, verify
from penstock.platform.kit.db import Database
from penstock.platform.kit.files import write_secret
from penstock.platform.kit.settings import Settings

ISSUER_FILE = "issuer"


def remember_issuer(settings: Settings) -> None:
    """Note how browsers reach the platform, for commands that are not told its port."""
    write_secret(settings.data / ISSUER_FILE, settings.issuer + "\n")


def as_it_ran(settings: Settings) -> Settings:
    """Give the settings with the public URL under which the platform ran last, unless one is set."""
    path = settings.data / ISSUER_FILE
    if settings.public_url is not None or not path.exists():
        return settings
    return settings.model_copy(update={"public_url": path.read_text(encoding="utf-8").strip()})


class Operator:
    """Open the relational store and the keys of a platform."""

    def __init__(self, settings: Settings, *, now_s: Callable[[], int]) -> None:
        if settings.database_url is None and not (settings.data / "relational.sqlite").exists():
            message = f"There is no platform in {settings.data}. Give its folder with --data or PENSTOCK_PLATFORM_DATA."
            raise PenstockError(message)
        self._settings = as_it_ran(settings)
        self._now_s = now_s
        self._db = Database(settings.relational_url, settings.database_password_file)
        self._db.create_or_migrate()
        throttle = Throttle()
        self._people = People(self._db, throttle)
        self._gateways = GatewayDirectory(self._db, throttle)

    def login_link(self) -> str:
        """Make a one-time link of the first admin."""
        path = write_login_link(self._settings, self._people.login_link(self._people.first_admin().id))
        return path.read_text(encoding="utf-8").strip()

    def reset_admin(self) -> str:
        """Take the first admin's password and sessions away, and make a link."""
        self._people.reset(self._people.first_admin().id)
        return self.login_link()

    def token(self, scope: str, minutes: int) -> str:
        """Sign an access token of the operator's client."""
        admin = self._people.first_admin()
        with self._db.session() as session:
            query = select(Client).where(Client.tenant == admin.tenant, Client.kind == "operator")
            client = session.execute(query).scalars().first()
            if client is None:
                message = "The platform has not started once with this store; run it first."
                raise PenstockError(message)
            own = frozenset(client.scopes)
            wanted = frozenset(scope.split()) or own
            if wanted - own:
                message = f"The operator has not the scopes {scope_text(wanted - own)}; it has {scope_text(own)}."
                raise PenstockError(message)
            claims = {
                "sub": client.id,
                "kind": "operator",
                "tenant": client.tenant,
                "client_id": client.id,
                "name": client.name,
                "scope": scope_text(wanted),
                "cgen": client.generation,
            }
            keys = SigningKeys.open(self._settings.keys)
            token, token_id = mint(keys, self._settings.issuer, self._now_s(), claims=claims, lifetime_s=minutes * 60)
            actor = Actor(client.tenant, client.id, client.name, client.id)
            record(session, actor, "token.print", object=token_id, detail={"scope": claims["scope"]})
        return token

    def enrol_token(self, name: str, minutes: int) -> str:
        """Make a single-use enrolment token."""
        tenant = self._people.first_admin().tenant
        return self._gateways.make_token(Actor(tenant, "operator", "command line"), name, minutes * 60)

    def verify_audit(self) -> int | None:
        """Give the first row of the audit log that was edited, or None."""
        with self._db.reading() as session:
            return verify(session)
