"""Builders for the platform's identity, registry and alarms: stores, dictionary entries, and a world of two tenants."""

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from penstock.core.dictionary import DictionaryEntry
from penstock.core.values import ValueType
from penstock.platform.apps.service import APP_SCOPES, APP_USER_SCOPES, Manifest
from penstock.platform.bootstrap import Platform
from penstock.platform.identity.model import Client, Gateway, Tenant
from penstock.platform.identity.people import make_tenant
from penstock.platform.identity.roles import Role
from penstock.platform.kit.audit import Actor
from penstock.platform.kit.db import Database
from penstock.platform.kit.settings import Settings
from tests.builders.historian import batch_of

ISSUER = "http://127.0.0.1:8080"
PASSWORD = "correct horse battery"
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
EPOCH = "a" * 32


def entry(
    index: int, key: str, *, asset: str | None = None, type: str = "float64", unit: str = "", description: str = ""
) -> DictionaryEntry:
    """Make the entry of `device/tag`."""
    device, _, name = key.partition("/")
    return DictionaryEntry(
        index=index,
        key=key,
        asset=asset,
        name=name,
        type=ValueType(type),
        unit=unit,
        description=description,
        device=device,
        file_hash="0" * 64,
    )


def store(url: str, *tenants: str) -> Database:
    """Make a migrated store with these tenants."""
    db = Database(url)
    db.create_or_migrate()
    with db.session() as session:
        session.add_all(Tenant(id=name, name=name, created_ns=1) for name in tenants)
    return db


def sqlite_store(folder: Path, *tenants: str) -> Database:
    """Make a migrated SQLite store with these tenants."""
    return store(f"sqlite:///{folder / 'relational.sqlite'}", *tenants)


@asynccontextmanager
async def running_platform(folder: Path, **settings: Any) -> AsyncIterator[Platform]:
    """Run a platform in this process, without a port."""
    platform = Platform(Settings(data=folder / "platform", secrets=folder / "secrets", public_url=ISSUER, **settings))
    async with platform.running():
        yield platform


def browser(platform: Platform, token: str | None = None) -> httpx.AsyncClient:
    """Give an HTTP client of the platform, from a peer that is not on loopback."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    transport = httpx.ASGITransport(app=platform.app, client=("192.0.2.7", 4711))
    return httpx.AsyncClient(transport=transport, base_url=ISSUER, headers=headers)


@dataclass(slots=True)
class House:
    """One tenant with one of everything; `canary` stands in every text of it."""

    tenant: str
    canary: str
    tokens: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)


def person_token(platform: Platform, name: str, client: Client, *, tenant_name: str = "", scope: str = "") -> str:
    """Log a person in by password and give the token that an app gets for them."""
    login = platform.people.log_in(f"{tenant_name}/{name}" if tenant_name else name, PASSWORD, "192.0.2.1")
    assert login is not None
    found = platform.people.of_session(login.cookie)
    assert found is not None
    user, session = found
    redirect = client.redirect_uris[0]
    code = platform.tokens.authorize(client, user, session, redirect_uri=redirect, scope=scope, challenge=CHALLENGE)
    return platform.tokens.by_code(client, code=code, redirect_uri=redirect, verifier=VERIFIER).access_token


def furnish(platform: Platform, name: str) -> House:
    """Make a tenant with users of every role, an app, a gateway, tags and an asset, and a token of each."""
    with platform.db.session() as session:
        house = House(make_tenant(session, name).id, f"canary-{name}")
    by = Actor(house.tenant, "builder", "builder")
    callback = f"http://127.0.0.1:9000/{house.canary}"
    manifest = Manifest(
        id=f"{house.canary}-app",
        name=house.canary,
        url=callback,
        description=house.canary,
        redirect_uris=(callback,),
        scopes=tuple(APP_SCOPES),
        user_scopes=tuple(APP_USER_SCOPES),
    )
    app, client, secret = platform.apps.register(by, manifest)
    house.ids |= {"app_id": app.id, "client_id": client.id}
    house.secrets["client"] = secret
    for role in Role:
        user = platform.people.create(by, f"{role}-{house.canary}", role, PASSWORD)
        house.tokens[role] = person_token(platform, user.name, client, tenant_name=name)
        house.ids["user_id"] = user.id
    house.tokens["app"] = platform.tokens.by_client(client).access_token
    enrolled = platform.gateways.enrol(platform.gateways.make_token(by, house.canary), house.canary, "192.0.2.1")
    house.ids["gateway"] = enrolled.gateway_id
    with platform.db.reading() as session:
        gateway_client = session.get_one(Client, session.get_one(Gateway, enrolled.gateway_id).client_id)
    house.tokens["gateway"] = platform.tokens.by_client(gateway_client).access_token
    path = f"{house.canary}/hall"
    entries = [
        entry(0, f"{house.canary}/flow", asset=path, description=house.canary),
        entry(1, f"{house.canary}/state", asset=path, type="string"),
    ]
    mapping = platform.directory.register(house.tenant, enrolled.gateway_id, EPOCH, entries)
    house.ids |= {"tag_id": str(mapping[0].id), "asset_id": str(mapping[0].asset_id), "path": path}
    return house


async def commit(platform: Platform, house: House, samples: Sequence[tuple[int, int, float]], *, seq: int) -> int:
    """Commit (time, status, value) of the house's first tag as its gateway; give the position."""
    tag = int(house.ids["tag_id"])
    rows = [(tag, at, status, value) for at, status, value in samples]
    batch = batch_of(
        rows, seq=seq, writer=house.ids["gateway"], epoch=EPOCH, tenant=house.tenant, arrival_ns=time.time_ns()
    )
    return (await platform.historian.append([batch])).outcomes[0].position
