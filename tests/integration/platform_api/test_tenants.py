"""B4: every route of the OpenAPI file × every kind of caller, with ids of the other tenant in path, query and body.

The matrix is made from the file: a route that CASES does not know, or one in CASES that is gone, fails the test.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

from penstock.platform.bootstrap import Platform
from penstock.platform.historian.ports import ROWS, Quarantine
from penstock.sdk.frames import write_arrow
from tests.builders.historian import batch_of
from tests.builders.platform_control import EPOCH, House, browser, commit, furnish, running_platform

pytestmark = pytest.mark.integration

NOW = time.time_ns()
PROBLEM_KEYS = {"type", "title", "status", "detail", "instance"}


@dataclass(frozen=True, slots=True)
class Case:
    """How a route is called with things of the other tenant; values name keys of House.ids."""

    query: dict[str, str] = field(default_factory=dict)
    body: Any = None
    form: dict[str, str] | None = None
    stream: bool = False


NONE = Case()
NEW_TAG = {"asset": "$asset_id", "property": "stolen"}
RULE = {"name": "r", "comparison": "high", "limit": 1}
CASES: dict[tuple[str, str], list[Case]] = {
    ("get", "/health"): [NONE],
    ("get", "/health/ready"): [NONE],
    ("get", "/metrics"): [NONE],
    ("get", "/v1/ca"): [NONE],
    ("get", "/.well-known/oauth-authorization-server"): [NONE],
    ("get", "/oauth/jwks.json"): [NONE],
    ("get", "/oauth/authorize"): [NONE, Case(query={"client_id": "$client_id"})],
    ("post", "/oauth/token"): [
        Case(form={"grant_type": "client_credentials", "client_id": "$client_id", "client_secret": "guess"})
    ],
    ("post", "/oauth/revoke"): [Case(form={"token": "x", "client_id": "$client_id", "client_secret": "guess"})],
    ("get", "/v1/me"): [NONE],
    ("get", "/v1/users"): [NONE],
    ("post", "/v1/users"): [Case(body={"name": "mallory", "role": "admin", "tenant": "$tenant"})],
    ("delete", "/v1/users/{user_id}"): [NONE],
    ("post", "/v1/gateways/enrol-tokens"): [Case(body={"name": "g", "tenant": "$tenant"})],
    ("post", "/v1/gateways/enrol"): [Case(body={"token": "guess", "name": "$gateway_name"})],
    ("post", "/v1/gateways/session"): [Case(body={"epoch": EPOCH, "head": 1, "gateway": "$gateway"})],
    ("get", "/v1/gateways"): [NONE],
    ("get", "/v1/audit"): [NONE],
    ("get", "/v1/apps"): [NONE],
    ("post", "/v1/apps"): [Case(body={"id": "x", "name": "x", "url": "http://127.0.0.1:1", "client_id": "$client_id"})],
    ("get", "/v1/apps/{app_id}"): [NONE],
    ("patch", "/v1/apps/{app_id}"): [Case(body={"name": "stolen"})],
    ("delete", "/v1/apps/{app_id}"): [NONE],
    ("post", "/v1/apps/{app_id}/secret"): [NONE],
    ("get", "/v1/asset-types"): [NONE],
    ("post", "/v1/asset-types"): [Case(body={"name": "t", "properties": {}, "tenant": "$tenant"})],
    ("get", "/v1/asset-types/{name}"): [NONE],
    ("get", "/v1/assets"): [NONE, Case(query={"path": "$path"}), Case(query={"q": "canary"})],
    ("post", "/v1/assets"): [
        Case(body={"path": "own/one", "type": "$name"}),
        Case(body={"path": "a", "id": "$asset_id"}),
    ],
    ("get", "/v1/assets/tree"): [NONE],
    ("get", "/v1/assets/{asset_id}"): [NONE],
    ("patch", "/v1/assets/{asset_id}"): [Case(body={"name": "stolen", "bind": {"x": "#tag_id"}})],
    ("delete", "/v1/assets/{asset_id}"): [NONE],
    ("get", "/v1/plant/status"): [NONE],
    ("get", "/v1/tags"): [
        NONE,
        Case(query={"asset": "$asset_id"}),
        Case(query={"key": "$key"}),
        Case(query={"gateway": "$gateway"}),
        Case(query={"q": "canary"}),
    ],
    ("post", "/v1/tags"): [
        Case(body=NEW_TAG),
        Case(body=NEW_TAG | {"asset": "$path"}),
        Case(body=NEW_TAG | {"owner": "x"}),
    ],
    ("post", "/v1/tags/batch"): [
        Case(body={"items": [NEW_TAG]}),
        Case(body={"items": [{"asset": "$path", "property": "stolen"}, NEW_TAG]}),
    ],
    ("get", "/v1/tags/{tag_id}"): [NONE],
    ("patch", "/v1/tags/{tag_id}"): [Case(body={"description": "stolen"})],
    ("post", "/v1/ingest"): [
        Case(body={"samples": [{"tag": "#tag_id", "time": "2026-01-01T00:00:00Z", "value": 1.0, "status": 0}]})
    ],
    ("get", "/v1/latest"): [
        NONE,
        Case(query={"all": "true"}),
        Case(query={"tag": "$tag_id"}),
        Case(query={"asset": "$asset_id"}),
        Case(query={"key": "$key"}),
    ],
    ("get", "/v1/samples"): [
        Case(query={"tag": "$tag_id", "start": "7d-ago", "end": "now"}),
        Case(query={"key": "$key", "start": "7d-ago", "end": "now"}),
    ],
    ("delete", "/v1/samples"): [
        Case(query={"tag": "$tag_id", "start": "7d-ago", "end": "now"}),
        Case(query={"key": "$key", "start": "0", "end": "now"}),
    ],
    ("get", "/v1/since"): [Case(query={"position": "0"}), Case(query={"position": "0", "tag": "$tag_id"})],
    ("get", "/v1/aggregates"): [
        Case(query={"tag": "$tag_id", "start": "1h-ago", "end": "now", "interval": "1m", "aggregate": "Average"}),
        Case(query={"asset": "$asset_id", "start": "1h-ago", "end": "now", "interval": "1m", "aggregate": "Count"}),
    ],
    ("get", "/v1/interpolated"): [
        Case(query={"tag": "$tag_id", "start": "1h-ago", "end": "now", "step": "1m"}),
        Case(query={"asset": "$asset_id", "time": "now"}),
    ],
    ("get", "/v1/plot"): [
        Case(query={"tag": "$tag_id", "start": "1h-ago", "end": "now"}),
        Case(query={"key": "$key", "start": "1h-ago", "end": "now"}),
    ],
    ("post", "/v1/gateways/holding"): [
        Case(body={"as_of": 1, "waiting": 1, "epochs": [{"epoch": EPOCH, "head": 1}], "gateway": "$gateway"})
    ],
    ("get", "/v1/ledger/safe"): [
        NONE,
        Case(query={"gateway": "$gateway"}),
        Case(query={"tag": "$tag_id"}),
        Case(query={"key": "$key", "at": "now", "start": "7d-ago"}),
    ],
    ("get", "/v1/ledger/tags"): [
        Case(query={"tag": "$tag_id", "start": "7d-ago"}),
        Case(query={"key": "$key", "start": "7d-ago"}),
    ],
    ("get", "/v1/ledger/erasures"): [NONE, Case(query={"gateway": "$gateway"}), Case(query={"tag": "$tag_id"})],
    ("get", "/v1/ledger/thinned"): [NONE, Case(query={"gateway": "$gateway"}), Case(query={"tag": "$tag_id"})],
    ("get", "/v1/ledger/duplicates"): [NONE, Case(query={"gateway": "$gateway"}), Case(query={"tag": "$tag_id"})],
    ("get", "/v1/ledger/summary"): [NONE, Case(query={"gateway": "$gateway"})],
    ("get", "/v1/ledger/batches"): [NONE, Case(query={"gateway": "$gateway"})],
    ("get", "/v1/ledger/gaps"): [NONE, Case(query={"gateway": "$gateway"})],
    ("get", "/v1/ledger/drops"): [NONE, Case(query={"gateway": "$gateway"})],
    ("get", "/v1/ledger/rejects"): [NONE, Case(query={"gateway": "$gateway"})],
    ("get", "/v1/ledger/quarantine"): [NONE, Case(query={"gateway": "$gateway"})],
    ("get", "/v1/ledger/quarantine/{quarantine_id}/payload"): [NONE],
    ("post", "/v1/ledger/quarantine/{quarantine_id}/retry"): [NONE],
    ("get", "/v1/stream"): [
        Case(query={"tag": "$tag_id"}, stream=True),
        Case(query={"asset": "$asset_id"}, stream=True),
    ],
    ("get", "/v1/rules"): [NONE],
    ("post", "/v1/rules"): [
        Case(body=RULE | {"tag": "#tag_id"}),
        Case(body=RULE | {"asset": "$asset_id", "property": "flow"}),
        Case(body=RULE | {"asset": "$path", "property": "flow"}),
    ],
    ("get", "/v1/rules/{rule_id}"): [NONE],
    ("patch", "/v1/rules/{rule_id}"): [Case(body={"limit": 5})],
    ("delete", "/v1/rules/{rule_id}"): [NONE],
    ("get", "/v1/alarms"): [NONE, Case(query={"asset": "$asset_id"})],
    ("get", "/v1/alarms/{alarm_id}"): [NONE],
    ("get", "/v1/alarms/{alarm_id}/journal"): [NONE],
    ("post", "/v1/alarms/{alarm_id}/acknowledge"): [Case(body={"comment": "mine"})],
}
OWN_THINGS_ONLY = {"/v1/me", "/v1/gateways/session"}


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Platform, House, House]]:
    async with running_platform(tmp_path) as platform:
        north, south = furnish(platform, "north"), furnish(platform, "south")
        await fill(platform, north)
        yield platform, north, south


async def fill(platform: Platform, house: House) -> None:
    """Give the house a type, a rule, an alarm and a quarantined batch."""
    async with browser(platform, house.tokens["admin"]) as http:
        made = await http.post("/v1/asset-types", json={"name": f"{house.canary}-type", "properties": {}})
        assert made.status_code == 201, made.text
        rule = RULE | {"name": house.canary, "tag": int(house.ids["tag_id"]), "message": house.canary}
        made = await http.post("/v1/rules", json=rule)
        assert made.status_code == 201, made.text
        house.ids |= {"rule_id": made.json()["id"], "name": f"{house.canary}-type", "tenant": house.tenant}
        house.ids |= {"key": f"{house.canary}/flow", "gateway_name": house.canary}
        await commit(platform, house, [(NOW, 0, 99.0)], seq=1)
        broken = Quarantine(reason="rows-malformed", detail=house.canary, rows=1, payload=house.canary.encode())
        batch = batch_of([], seq=2, writer=house.ids["gateway"], epoch=EPOCH, tenant=house.tenant, quarantine=broken)
        await platform.historian.append([batch])
        for _ in range(100):
            alarms = (await http.get("/v1/alarms")).json()["items"]
            if alarms:
                break
            await asyncio.sleep(0.1)
        house.ids["alarm_id"] = alarms[0]["id"]
        quarantined = (await http.get("/v1/ledger/quarantine")).json()["items"]
        house.ids["quarantine_id"] = str(quarantined[0]["id"])


def fit(value: Any, ids: dict[str, str]) -> Any:
    """Put the other tenant's ids in: `$name` as text, `#name` as number."""
    if isinstance(value, dict):
        return {key: fit(inner, ids) for key, inner in value.items()}
    if isinstance(value, list):
        return [fit(inner, ids) for inner in value]
    if isinstance(value, str) and value[:1] == "$":
        return ids[value[1:]]
    if isinstance(value, str) and value[:1] == "#":
        return int(ids[value[1:]])
    return value


async def call(http: httpx.AsyncClient, method: str, path: str, *, case: Case, ids: dict[str, str]) -> httpx.Response:
    headers = {"Idempotency-Key": "k"} if path == "/v1/ingest" else {}
    return await http.request(
        method,
        path.format(**ids),
        params=fit(case.query, ids),
        json=fit(case.body, ids) if case.body is not None else None,
        data=fit(case.form, ids) if case.form is not None else None,
        headers=headers,
        timeout=10,
    )


def sent_texts(case: Case, ids: dict[str, str], path: str) -> set[str]:
    """Give what the caller told itself: a detail may repeat it."""
    told = [path.format(**ids), *(str(fit(v, ids)) for v in case.query.values())]
    return {*told, str(fit(case.body, ids)), str(fit(case.form, ids))}


def leaks(answer: httpx.Response, house: House, told: set[str]) -> bool:
    text = answer.text
    for part in sorted({ids for said in told for ids in house.ids.values() if ids in said}, key=len, reverse=True):
        text = text.replace(part, "")
    return house.canary in text or house.tenant in text


def routes_of(platform: Platform) -> dict[tuple[str, str], str]:
    spec = platform.app.openapi()
    return {
        (method, path): operation["x-penstock-guard"]["mode"]
        for path, operations in spec["paths"].items()
        for method, operation in operations.items()
    }


async def test_an_import_into_a_tag_of_another_tenant_finds_no_tag(world: tuple[Platform, House, House]) -> None:
    platform, north, south = world
    row = pa.table([[int(south.ids["tag_id"])], [NOW], [0], [1.0], [None], [None], [None]], schema=ROWS)
    headers = {"Content-Type": "application/vnd.apache.arrow.stream", "Idempotency-Key": "import"}
    async with browser(platform, north.tokens["admin"]) as http:
        answer = await http.post("/v1/ingest", params={"import": "true"}, content=write_arrow(row), headers=headers)
    assert answer.status_code == 404, answer.text
    assert not leaks(answer, south, {south.ids["tag_id"]})


async def test_a_replacement_in_a_tag_of_another_tenant_finds_no_tag(world: tuple[Platform, House, House]) -> None:
    platform, north, south = world
    body = {"samples": [{"tag": int(south.ids["tag_id"]), "time": NOW, "value": 1.0}]}
    headers = {"Idempotency-Key": "replace"}
    async with browser(platform, north.tokens["admin"]) as http:
        answer = await http.post("/v1/ingest", params={"replace": "true"}, json=body, headers=headers)
    assert answer.status_code == 404, answer.text
    assert not leaks(answer, south, {south.ids["tag_id"]})


async def test_matrix_knows_every_route(world: tuple[Platform, House, House]) -> None:
    assert set(CASES) == set(routes_of(world[0]))


async def test_no_token_and_garbage_are_401_of_one_shape(world: tuple[Platform, House, House]) -> None:
    platform, north, _ = world
    bad = [None, "garbage", north.tokens["admin"][:-4] + "AAAA", "a.b.c"]
    checked = 0
    for (method, path), mode in routes_of(platform).items():
        if mode in ("public", "session"):
            continue
        for token in bad if mode != "client" else [None]:
            for case in CASES[(method, path)]:
                async with browser(platform, token) as http:
                    answer = await call(http, method, path, case=case, ids=north.ids)
                assert answer.status_code == 401, f"{method} {path} {token}: {answer.status_code}"
                assert answer.json().keys() >= PROBLEM_KEYS
                assert answer.headers["content-type"] == "application/problem+json"
                assert not leaks(answer, north, sent_texts(case, north.ids, path))
                checked += 1
    assert checked > 200


async def test_other_tenants_callers_reach_nothing(world: tuple[Platform, House, House]) -> None:
    platform, north, south = world
    before = await snapshot(platform, north)
    checked = 0
    for (method, path), mode in routes_of(platform).items():
        for who, token in south.tokens.items():
            for case in CASES[(method, path)]:
                async with browser(platform, token) as http:
                    if case.stream:
                        answer = await first_of_stream(platform, token, path, case=case, ids=north.ids)
                    else:
                        answer = await call(http, method, path, case=case, ids=north.ids)
                where = f"{who}: {method} {path} {case.query} {case.body}: {answer.status_code} {answer.text[:300]}"
                assert answer.status_code < 500, where
                assert not leaks(answer, north, sent_texts(case, north.ids, path)), where
                if "{" in path:
                    assert answer.status_code in (403, 404), where
                if mode == "scope" and answer.status_code >= 400:
                    assert answer.json().keys() >= PROBLEM_KEYS, where
                checked += 1
    assert checked > 400
    assert await snapshot(platform, north) == before


async def test_absent_and_foreign_ids_look_the_same(world: tuple[Platform, House, House]) -> None:
    platform, north, south = world
    absent = {
        "user_id": "usr_" + "a" * 24,
        "app_id": "nothing",
        "name": "nothing",
        "asset_id": "ast_" + "a" * 24,
        "tag_id": "999999",
        "rule_id": "rul_" + "a" * 24,
        "alarm_id": "alm_" + "a" * 24,
        "quarantine_id": "qua_" + "a" * 24,
    }
    checked = 0
    async with browser(platform, south.tokens["admin"]) as http:
        for (method, path), _ in routes_of(platform).items():
            if "{" not in path:
                continue
            case = Case(body=CASES[(method, path)][0].body)
            foreign = await call(http, method, path, case=case, ids=north.ids)
            missing = await call(http, method, path, case=case, ids=north.ids | absent)
            assert foreign.status_code == missing.status_code == 404, f"{method} {path}: {foreign.text} {missing.text}"
            assert shape(foreign, north.ids) == shape(missing, absent), f"{method} {path}"
            checked += 1
    assert checked >= 14


async def test_own_admin_reaches_what_others_could_not(world: tuple[Platform, House, House]) -> None:
    platform, north, _ = world
    async with browser(platform, north.tokens["admin"]) as http:
        for (method, path), _ in routes_of(platform).items():
            if "{" in path and method == "get":
                answer = await call(http, method, path, case=NONE, ids=north.ids)
                assert answer.status_code == 200, f"{path}: {answer.text}"
        latest = await http.get("/v1/latest", params={"tag": north.ids["tag_id"]})
        assert latest.json()["items"][0]["value"] == 99.0


async def test_roles_are_held_to_their_scopes(world: tuple[Platform, House, House]) -> None:
    platform, north, _ = world
    spec = platform.app.openapi()
    checked = 0
    for (method, path), mode in routes_of(platform).items():
        wanted = set(spec["paths"][path][method]["x-penstock-guard"]["scopes"])
        if mode != "scope" or not wanted:
            continue
        for who, token in north.tokens.items():
            async with browser(platform, token) as http:
                scopes = set((await http.get("/v1/me")).json()["scopes"])
                if scopes & wanted:
                    continue
                answer = await call(http, method, path, case=Case(body=CASES[(method, path)][0].body), ids=north.ids)
            assert answer.status_code == 403, f"{who} {method} {path}: {answer.status_code}"
            checked += 1
    assert checked > 60


async def first_of_stream(
    platform: Platform, token: str, path: str, *, case: Case, ids: dict[str, str]
) -> httpx.Response:
    """Ask for a stream of foreign things; give the refusal, or what came in a moment when it began."""
    told: list[Any] = []
    query = httpx.QueryParams(fit(case.query, ids))
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": str(query).encode(),
        "headers": [(b"authorization", f"Bearer {token}".encode())],
        "client": ("192.0.2.7", 4711),
        "server": ("127.0.0.1", 8080),
    }
    silent = asyncio.Event()

    async def receive() -> Any:
        await silent.wait()

    async def send(message: Any) -> None:
        told.append(message)

    task = asyncio.ensure_future(platform.app(scope, receive, send))
    await asyncio.wait({task}, timeout=0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    body = b"".join(message.get("body", b"") for message in told[1:])
    return httpx.Response(told[0]["status"], content=body, headers=[*told[0]["headers"]])


async def snapshot(platform: Platform, house: House) -> dict[str, Any]:
    """Read everything of the house as its admin."""
    history = {"tag": house.ids["tag_id"], "start": "7d-ago", "end": str(NOW + 1)}
    lists = ("users", "apps", "asset-types", "assets", "assets/tree", "tags", "rules", "alarms", "ledger/quarantine")
    async with browser(platform, house.tokens["admin"]) as http:
        samples = (await http.get("/v1/samples", params=history)).json()
        return {"samples": samples} | {name: (await http.get(f"/v1/{name}")).json() for name in lists}


def shape(answer: httpx.Response, ids: dict[str, str]) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    body.pop("instance")
    for value in sorted(ids.values(), key=len, reverse=True):
        body["detail"] = body["detail"].replace(value, "ID")
    return body
