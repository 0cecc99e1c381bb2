"""The fake's routes of assets, tags, apps, gateways and identity, and the ingest door."""

from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa

from penstock.sdk.frames import VALUE_COLUMNS
from penstock.sdk.models import Scalar, scalar_of
from penstock.sdk.testing.call import Call, paged
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import State
from penstock.sdk.times import to_ns
from penstock.sdk.transport import ARROW

READ_SCOPES = ("assets:read", "samples:read", "alarms:read", "ledger:read", "gateways:read")
DECLARED_MAX = 1000
ALL_SCOPES = (*READ_SCOPES, "alarms:ack", "assets:write", "rules:write", "samples:write")


def me(_: State, call: Call) -> dict[str, Any]:
    """Answer `/v1/me`."""
    who = call.principal
    scopes = sorted(who.scopes) if who.scopes is not None else list(ALL_SCOPES)
    return {"subject": f"usr_{who.name}", "name": who.name, "tenant": "fake", "scopes": scopes, "kind": who.kind}


def assets(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/assets`."""
    found = list(state.assets.values())
    for parameter in ("type", "path", "parent"):
        wanted = call.one(parameter)
        found = [a for a in found if wanted is None or a[parameter] == wanted]
    text = call.one("q")
    found = [a for a in found if not text or text.lower() in f"{a['path']} {a['name']}".lower()]
    return paged(call, found)


def asset(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/assets/{id}`."""
    if call.path[0] not in state.assets:
        raise Refused(404, "not-found", f"no asset {call.path[0]}")
    return state.assets[call.path[0]]


def create_asset(state: State, call: Call) -> tuple[int, dict[str, Any]]:
    """Answer `POST /v1/assets`."""
    body = call.body()
    made = state.add_asset(
        body["path"], name=body.get("name", ""), type_name=body.get("type"), attributes=body.get("attributes") or {}
    )
    return 201, made


def change_asset(state: State, call: Call) -> dict[str, Any]:
    """Answer `PATCH /v1/assets/{id}`."""
    known = asset(state, call)
    changes = call.body()
    known.update({k: v for k, v in changes.items() if k in ("name", "description")})
    if "attributes" in changes:
        state.set_attributes(known, changes["attributes"])
    return known


def delete_asset(state: State, call: Call) -> httpx.Response:
    """Answer `DELETE /v1/assets/{id}`; tags and samples stay."""
    gone = asset(state, call)["id"]
    del state.assets[gone]
    for known in state.tags.values():
        if known["asset"] == gone:
            known["asset"] = None
    return httpx.Response(204)


def asset_types(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/asset-types`: those published, and names in use that have no definition."""
    named = {(a["type"], a["type_revision"]) for a in state.assets.values() if a["type"]}
    return paged(call, [state.type(*each) for each in sorted(named | state.types.keys())])


def asset_type(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/asset-types/{name}`."""
    name, revision = call.path[0], call.one("revision")
    found = state.type(name, int(revision) if revision else None)
    in_use = any(a["type"] == name for a in state.assets.values())
    if (name, found["revision"]) not in state.types and not in_use:
        raise Refused(404, "not-found", f"no asset type {name}")
    return found


def tree(state: State, _: Call) -> dict[str, Any]:
    """Answer `/v1/assets/tree`."""
    nodes: dict[str, dict[str, Any]] = {}
    roots: list[dict[str, Any]] = []
    for known in sorted(state.assets.values(), key=lambda a: str(a["path"])):
        parts = known["path"].split("/")
        for depth in range(1, len(parts) + 1):
            path = "/".join(parts[:depth])
            if path not in nodes:
                nodes[path] = {"path": path, "name": parts[depth - 1], "asset": None, "children": []}
                above = nodes["/".join(parts[: depth - 1])]["children"] if depth > 1 else roots
                above.append(nodes[path])
        nodes[known["path"]] |= {"asset": known["id"], "name": known["name"] or parts[-1]}
    return {"items": roots}


def tags(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/tags`."""
    found = list(state.tags.values())
    keys, stands, text = call.all("key"), call.one("asset"), call.one("q")
    if stands:
        stands = state.asset(stands)["id"]
    found = [t for t in found if not keys or t["key"] in keys]
    found = [t for t in found if not stands or t["asset"] == stands]
    found = [t for t in found if not text or text.lower() in f"{t['key']} {t['description']}".lower()]
    return paged(call, found)


def tag(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/tags/{id}`."""
    known = state.tags.get(int(call.path[0]))
    if known is None:
        raise Refused(404, "not-found", f"no tag {call.path[0]}")
    return known


def change_tag(state: State, call: Call) -> dict[str, Any]:
    """Answer `PATCH /v1/tags/{id}`."""
    known = tag(state, call)
    known.update({k: v for k, v in call.body().items() if k == "description"})
    return known


def declare_tag(state: State, call: Call) -> tuple[int, dict[str, Any]]:
    """Answer `POST /v1/tags`: a computed tag, owned by the caller."""
    made, new = _declared(state, call, call.body())
    return 201 if new else 200, made


def declare_tags(state: State, call: Call) -> tuple[int, dict[str, Any]]:
    """Answer `POST /v1/tags/batch`: all of them or none."""
    items = call.body()["items"]
    if not 1 <= len(items) <= DECLARED_MAX:
        raise Refused(422, "invalid", f"items: from 1 to {DECLARED_MAX} tags, here {len(items)}")
    places = [(state.asset(item["asset"])["id"], item["property"]) for item in items]
    if len(set(places)) < len(places):
        raise Refused(422, "invalid", "an item declares what another one declares too: send it once.")
    told = [_declared(state, call, item) for item in items]
    created = sum(new for _, new in told)
    return 201 if created else 200, {"items": [made for made, _ in told], "created": created}


def _declared(state: State, call: Call, body: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    owner = call.principal.name
    stands = state.asset(body["asset"])
    key = f"{owner}/{stands['path']}/{body['property']}"
    for known in state.tags.values():
        if known["key"] == key:
            return known, False
    made = state.add_tag(
        key,
        value_type=body.get("type", "float64"),
        unit=body.get("unit"),
        asset=stands["id"],
        property_name=body["property"],
        owner=owner,
    )
    made["description"] = body.get("description", "")
    return made, True


def ingest(state: State, call: Call) -> dict[str, int]:
    """Answer `POST /v1/ingest` for small writers, JSON or Arrow; frames are a gateway's and not spoken here."""
    key = call.request.headers.get("idempotency-key")
    if not key:
        raise Refused(422, "idempotency-key-needed", "a writer without a journal sends the header Idempotency-Key")
    if key in state.answered:
        return state.answered[key]
    rows = _arrow_rows(call) if ARROW in call.request.headers.get("content-type", "") else _json_rows(state, call)
    for tag_id in {r[0] for r in rows}:
        known = state.tags.get(tag_id)
        if known is None:
            raise Refused(404, "not-found", f"no tag {tag_id}")
        if known["owner"] != call.principal.name and call.one("import") != "true":
            raise Refused(403, "not-owner", f"{known['key']} belongs to {known['owner']}")
    state.answered[key] = state.commit(rows, replacing=call.one("replace") == "true")
    return state.answered[key]


def _arrow_rows(call: Call) -> list[tuple[int, int, int, Scalar]]:
    try:
        rows = pa.ipc.open_stream(call.request.content).read_all().to_pylist()
    except pa.ArrowInvalid as wrong:
        raise Refused(400, "not-arrow", str(wrong)) from wrong
    values = [next((r[c] for c in VALUE_COLUMNS.values() if r[c] is not None), None) for r in rows]
    return [(r["tag"], r["time"], r["status"], v) for r, v in zip(rows, values, strict=True)]


def _json_rows(state: State, call: Call) -> list[tuple[int, int, int, Scalar]]:
    rows = []
    for item in call.body()["samples"]:
        known = state.tags.get(item["tag"])
        value = scalar_of(item.get("value"), known["type"] if known else "float64")
        rows.append((int(item["tag"]), to_ns(item["time"]), int(item.get("status", 0)), value))
    return rows


def gateways(state: State, call: Call) -> dict[str, Any]:
    """Answer `/v1/gateways`: one, in good health."""
    gateway = {"id": "gtw_1", "name": "edge-1", "state": "connected", "session": 1, "epoch": "0" * 32}
    return paged(call, [gateway | {"head": state.head, "watermark": state.head, "lag_batches": 0, "last_seen": None}])


def apps(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/apps`."""
    return paged(call, [_without_secret(a) for a in state.apps.values()])


def app(state: State, call: Call) -> dict[str, Any]:
    """Answer `GET /v1/apps/{id}`."""
    return _without_secret(_app(state, call))


def register_app(state: State, call: Call) -> tuple[int, dict[str, Any]]:
    """Answer `POST /v1/apps`."""
    body = call.body()
    if body["id"] in state.apps:
        raise Refused(409, "app-exists", f"an app {body['id']} is registered already")
    state.apps[body["id"]] = body | {"client_id": body["id"], "client_secret": f"secret-1-of-{body['id']}"}
    return 201, state.apps[body["id"]]


def change_app(state: State, call: Call) -> dict[str, Any]:
    """Answer `PATCH /v1/apps/{id}`."""
    known = _app(state, call)
    known.update({k: v for k, v in call.body().items() if k not in ("id", "client_id", "client_secret")})
    return _without_secret(known)


def renew_secret(state: State, call: Call) -> dict[str, Any]:
    """Answer `POST /v1/apps/{id}/secret`."""
    known = _app(state, call)
    number = int(known["client_secret"].split("-")[1]) + 1
    known["client_secret"] = f"secret-{number}-of-{known['id']}"
    return {"client_id": known["client_id"], "client_secret": known["client_secret"]}


def delete_app(state: State, call: Call) -> httpx.Response:
    """Answer `DELETE /v1/apps/{id}`."""
    del state.apps[_app(state, call)["id"]]
    return httpx.Response(204)


def _app(state: State, call: Call) -> dict[str, Any]:
    if call.path[0] not in state.apps:
        raise Refused(404, "not-found", f"no app {call.path[0]}")
    return state.apps[call.path[0]]


def _without_secret(registered: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in registered.items() if k != "client_secret"}
