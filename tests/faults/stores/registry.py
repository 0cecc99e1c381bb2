"""Registry, keys, authority and secrets: first start, enrolments, starts again; judged by trying each credential."""

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path

from penstock.core.errors import PenstockError
from penstock.gateway.credential import Credential, load_credential, store_credential
from penstock.platform.apps.service import AppService
from penstock.platform.firststart import FirstStart
from penstock.platform.identity.clients import ClientDoor
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.keys import SigningKeys
from penstock.platform.identity.people import People
from penstock.platform.identity.throttle import Throttle
from penstock.platform.kit.audit import Actor, verify
from penstock.platform.kit.authority import Authority, utc_now
from penstock.platform.kit.db import Database
from penstock.platform.kit.problems import Problem
from penstock.platform.kit.settings import Settings
from tests.faults.plants import plant_writer
from tests.faults.telling import Told, newest, tell

EPOCH = "00" * 16
NOON_NS = 1_790_000_000_000_000_000


def settings_of(folder: Path) -> Settings:
    """Give the platform's settings below a folder."""
    return Settings(
        data=folder / "platform",
        secrets=folder / "secrets",
        bootstrap_gateways=("edge-1",),
        bootstrap_apps={"monitoring": "http://127.0.0.1:8081"},
    )


def write(folder: Path, chance: random.Random, steps: int, plant: str) -> None:
    """First start of the relational store and its secrets, enrolments, new credentials, starts again."""
    plant_writer(plant)
    os.umask(0o077)
    settings = settings_of(folder)
    for step in range(steps):
        db, gateways = first_start(settings)
        tenant = People(db, Throttle()).first_admin().tenant
        told = {path.name: path.read_text() for path in settings.secrets.glob("*.json")}
        kids = list(SigningKeys.open(settings.keys).public()["keys"])
        tell(started=step, tenant=tenant, secrets=told, kids=[key["kid"] for key in kids])
        for number in range(chance.randint(1, 6)):
            name = f"gateway-{step}-{number}"
            token = gateways.make_token(Actor(tenant, "operator", "command line"), name)
            tell(token=token, name=name)
            enrolled = gateways.enrol(token, name, "127.0.0.1")
            credential = Credential(enrolled.gateway_id, enrolled.client_id, enrolled.client_secret)
            store_credential(folder / "gateway" / f"{name}.json", credential)
            tell(enrolled=enrolled.gateway_id, name=name, client=enrolled.client_id, secret=enrolled.client_secret)
            granted = gateways.grant_session(enrolled.gateway_id, EPOCH, number, NOON_NS)
            tell(session=granted, gateway=enrolled.gateway_id)
        db.close()


def first_start(settings: Settings) -> tuple[Database, GatewayDirectory]:
    """Do what the platform does with registry, keys, authority and secrets at each start."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    db = Database(settings.relational_url)
    db.create_or_migrate()
    SigningKeys.open(settings.keys)
    authority = Authority(settings.authority, ("localhost",), now=utc_now)
    authority.prepare()
    throttle = Throttle()
    gateways = GatewayDirectory(db, throttle)
    apps = AppService(db, allow_plain_http=False)
    FirstStart(settings, db, people=People(db, throttle), gateways=gateways, apps=apps).run(authority.bundle())
    gateways.reload()
    return db, gateways


def judge(folder: Path, told: Told) -> list[str]:
    """Credentials, tokens, sessions and keys that were handed out are good; the log is whole; the start heals."""
    settings = settings_of(folder)
    try:
        db, gateways = first_start(settings)
    except (PenstockError, Problem, OSError, ValueError) as error:
        return [f"the platform does not start: {error!r}"]
    try:
        return list(_registry_findings(folder, told, db, gateways))
    finally:
        db.close()


def _registry_findings(folder: Path, told: Told, db: Database, gateways: GatewayDirectory) -> Iterator[str]:
    settings = settings_of(folder)
    door = ClientDoor(db, Throttle())
    yield from _enrolment_findings(folder, told, door, gateways)
    if (started := newest(told, "kids")) is not None:
        keys = {key["kid"] for key in SigningKeys.open(settings.keys).public()["keys"]}
        if not set(started) <= keys:
            yield f"lost: signing keys {set(started) - keys}"
        if People(db, Throttle()).first_admin().tenant != newest(told, "tenant"):
            yield "lost: the tenant"
    for name in ("cli.json", "monitoring.json"):
        secret = json.loads((settings.secrets / name).read_text())
        if (before := newest(told, "secrets")) is not None and json.loads(before[name]) != secret:
            yield f"lost: {name} is another one"
        yield from _enters(door, secret["client_id"], secret["client_secret"], name)
    if not gateways.token_is_good((settings.secrets / "enrol-edge-1.token").read_text().strip()):
        yield "the enrolment token of edge-1 is not good"
    with db.reading() as session:
        if (row := verify(session)) is not None:
            yield f"corrupt: the audit log at row {row}"


def _enrolment_findings(folder: Path, told: Told, door: ClientDoor, gateways: GatewayDirectory) -> Iterator[str]:
    used = {each["name"] for each in told if "enrolled" in each}
    for each in told:
        if "enrolled" in each:
            yield from _enters(door, each["client"], each["secret"], each["name"])
            kept = load_credential(folder / "gateway" / f"{each['name']}.json")
            if kept is None or kept.client_secret != each["secret"]:
                yield f"lost: the credential of {each['name']} at the gateway"
        elif "token" in each and each["name"] not in used and not _known(gateways, each["token"], each["name"]):
            yield f"lost: token of {each['name']}"
        elif "session" in each and gateways.current_session(each["gateway"]) < each["session"]:
            yield f"lost: session of {each['gateway']}"


def _known(gateways: GatewayDirectory, token: str, name: str) -> bool:
    """A token is good, or was used: the cut fell between the enrolment and its telling."""
    try:
        gateways.enrol(token, name, "127.0.0.1")
    except Problem as problem:
        return problem.type == "enrolment-token-used"
    return True


def _enters(door: ClientDoor, client: str, secret: str, name: str) -> Iterator[str]:
    try:
        door.enter(client, secret, "127.0.0.1")
    except Problem as problem:
        yield f"lost: the credential of {name}: {problem}"
