"""FakePlatform: the platform's API in the process, for tests of apps and of the client itself.

>>> fake = FakePlatform()
>>> fake.add_asset("works/hall/pump-1", name="Pump 1")
>>> fake.add_tag("pump-plc/flow", unit="m3/h", asset="works/hall/pump-1")
>>> fake.feed("pump-plc/flow", [(1_000_000_000, 42.0)])
>>> async with fake.client() as client: ...

It answers by the same contract as the platform (an integration test holds it to that), without network, disk or time of
its own: `now_ns` may be given.
"""

from __future__ import annotations

import bisect
import json
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from penstock.sdk.async_client import AsyncClient
from penstock.sdk.backoff import Backoff
from penstock.sdk.client import Client
from penstock.sdk.models import Asset, AssetType, Scalar, Tag
from penstock.sdk.simulated import put_in_place
from penstock.sdk.testing import alarms as alarm_routes
from penstock.sdk.testing import history, ledger, registry
from penstock.sdk.testing.alarms import Alarms
from penstock.sdk.testing.call import Call, Principal, paged
from penstock.sdk.testing.live import Listener
from penstock.sdk.testing.problem import Refused
from penstock.sdk.testing.state import State
from penstock.sdk.times import to_ns

URL = "http://fake.penstock.invalid"
Route = tuple[str, re.Pattern[str], str, Callable[[Call], Any]]
Fed = tuple[Any, Scalar] | tuple[Any, Scalar, int]


class FakePlatform(httpx.AsyncBaseTransport):
    """See the module. Everything is allowed to everybody, unless a client is made with `scopes`."""

    def __init__(self, *, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.now_ns = now_ns
        self.state = State(now_ns)
        self.alarm_state = Alarms()
        self.requests: list[httpx.Request] = []
        self._lock = threading.RLock()
        self._listeners: list[Listener] = []
        self._faults: list[Refused | Exception] = []
        self._retry_after: str | None = None
        self._principals: dict[str, Principal] = {}
        self._routes = list(self._table())

    # What a test arranges

    def add_asset(
        self, path: str, *, name: str = "", type: str | None = None, attributes: Mapping[str, Scalar] | None = None
    ) -> Asset:
        """Put an asset into the plant."""
        with self._lock:
            made = self.state.add_asset(path, name=name, type_name=type, attributes=attributes or {})
        return Asset.of(made)

    def add_type(
        self,
        name: str,
        *,
        revision: int = 1,
        properties: Mapping[str, Mapping[str, Any]] | None = None,
        failure_modes: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> AssetType:
        """Publish a revision of an asset type in the API's words; assets that name it do not get its properties."""
        with self._lock:
            made = self.state.add_type(name, revision, properties or {}, failure_modes=failure_modes or {})
        return AssetType.of(made)

    def add_tag(
        self,
        key: str,
        *,
        type: str = "float64",
        unit: str | None = None,
        asset: str | None = None,
        property: str | None = None,
    ) -> Tag:
        """Put a tag of a gateway into the plant, bound to an asset given by path or id."""
        with self._lock:
            made = self.state.add_tag(key, value_type=type, unit=unit, asset=asset, property_name=property, owner=None)
        return Tag.of(made)

    def feed(self, key: str, samples: Iterable[Fed]) -> int:
        """Commit (time, value[, status]) samples as a gateway would, evaluate rules, tell streams."""
        with self._lock:
            tag = self.state.tag_by_key(key)["id"]
            rows = [(tag, to_ns(s[0]), s[2] if len(s) > 2 else 0, s[1]) for s in samples]
            return self._commit(rows)["position"]

    def feed_now(self, key: str, value: Scalar, status: int = 0) -> int:
        """Commit one sample with the present time."""
        return self.feed(key, [(self.now_ns(), value, status)])

    def lose(self, why: str) -> None:
        """Let the ledger say from now on that not all is safely stored, for that reason; "" takes it back."""
        with self._lock:
            self.state.unsafe = why

    def fail_next(self, *faults: int | Exception, retry_after: str | None = None) -> None:
        """Answer the next requests with these statuses, or raise these (say `httpx.ReadError("cut")`)."""
        for fault in faults:
            made = (
                Refused(fault, "busy" if fault in (429, 503) else "planted", "planted")
                if isinstance(fault, int)
                else fault
            )
            self._faults.append(made)
        self._retry_after = retry_after

    def cut_streams(self) -> None:
        """Break all open streams, as a killed platform does; commits meanwhile are found by the cursor."""
        with self._lock:
            for listener in self._listeners:
                listener.cut()
            self._listeners.clear()

    def heartbeat(self) -> None:
        """Send a heartbeat on all open streams."""
        with self._lock:
            for listener in self._listeners:
                listener.heartbeat(self.state.head)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Have each `App` built inside use this platform, with everybody logged in."""
        with put_in_place(self):
            yield

    # Clients

    def client(
        self, *, person: str = "Test Person", app: str | None = None, scopes: Iterable[str] | None = None
    ) -> AsyncClient:
        """Give an asynchronous client that speaks for a person, or for an app."""
        return AsyncClient(URL, **self._arguments(person, app, scopes))

    def sync_client(
        self, *, person: str = "Test Person", app: str | None = None, scopes: Iterable[str] | None = None
    ) -> Client:
        """Give a synchronous client likewise."""
        return Client(URL, **self._arguments(person, app, scopes))

    def _arguments(self, person: str, app: str | None, scopes: Iterable[str] | None) -> dict[str, Any]:
        kind = "app" if app else "person"
        token = f"fake-{len(self._principals)}"
        allowed = None if scopes is None else frozenset(scopes)
        self._principals[token] = Principal(kind, app or person, allowed)
        quick = Backoff(first_s=0.0, max_s=0.0)
        return {"token": token, "http_transport": self, "backoff": quick}

    # The server's side

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        await request.aread()
        self.requests.append(request)
        if self._faults:
            fault = self._faults.pop(0)
            if isinstance(fault, Refused):
                return fault.answer({"retry-after": self._retry_after} if self._retry_after else None)
            raise fault
        try:
            with self._lock:
                return self._dispatch(request)
        except Refused as refused:
            return refused.answer()
        except (KeyError, TypeError, ValueError) as wrong:
            return Refused(422, "invalid-body", f"the request's body lacks or mistakes {wrong}").answer()

    def _dispatch(self, request: httpx.Request) -> httpx.Response:
        for method, pattern, scope, handler in self._routes:
            match = pattern.fullmatch(request.url.path)
            if match is None or method != request.method:
                continue
            principal = self._principal(request)
            if scope and principal.scopes is not None and scope not in principal.scopes:
                raise Refused(403, "forbidden", f"this needs the scope {scope}")
            return _answer(handler(Call(request, principal, self.now_ns(), match.groups())))
        raise Refused(404, "not-found", f"no route {request.method} {request.url.path}")

    def _principal(self, request: httpx.Request) -> Principal:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._principals:
            raise Refused(401, "unauthorized", "this token is not one of ours")
        return self._principals[token]

    def _commit(self, rows: Iterable[tuple[int, int, int, Scalar]]) -> dict[str, int]:
        before = self.state.head
        result = self.state.commit(rows)
        self._announce(before)
        return result

    def _announce(self, before: int) -> None:
        committed = self.state.committed
        new = committed[bisect.bisect_right(committed, before, key=lambda row: row.position) :]
        erased = [each for each in self.state.erasures if each.position > before]
        changed = self.alarm_state.on_rows(new)
        for listener in [one for one in self._listeners if not one.closed]:
            listener.erased(erased, before)
            listener.rows(new, self.state.head)
            listener.alarm_items(changed, self.state.head)

    def _ingest(self, call: Call) -> dict[str, int]:
        wanted = "samples:replace" if call.one("replace") == "true" else "samples:write"
        if call.principal.scopes is not None and wanted not in call.principal.scopes:
            raise Refused(403, "forbidden", f"this needs the scope {wanted}")
        before = self.state.head
        result = registry.ingest(self.state, call)
        self._announce(before)
        return result

    def _delete(self, call: Call) -> dict[str, int]:
        before = self.state.head
        result = history.delete(self.state, call)
        self._announce(before)
        return result

    def _stream(self, call: Call) -> httpx.Response:
        tags = frozenset(history.chosen_tags(self.state, call)) if call.all("tag") or call.one("asset") else frozenset()
        listener = Listener(tags, alarms=call.one("alarms") == "true")
        cursor = call.one("cursor") or call.request.headers.get("last-event-id")
        position = self.state.head if cursor is None else int(cursor)
        history.need_reached(self.state, position)
        listener.heartbeat(position)
        listener.erased([each for each in self.state.erasures if each.position > position], position)
        missed = [r for r in self.state.committed if r.position > position]
        listener.rows(missed, self.state.head)
        self._listeners.append(listener)
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=listener)

    def _table(self) -> Iterator[Route]:
        state, alarms = self.state, self.alarm_state
        plain: list[tuple[str, str, str, Callable[[State, Call], Any]]] = [
            ("GET", "/v1/me", "", registry.me),
            ("GET", "/v1/assets", "assets:read", registry.assets),
            ("POST", "/v1/assets", "assets:write", registry.create_asset),
            ("GET", "/v1/assets/tree", "assets:read", registry.tree),
            ("GET", "/v1/assets/(ast_[^/]+)", "assets:read", registry.asset),
            ("PATCH", "/v1/assets/(ast_[^/]+)", "assets:write", registry.change_asset),
            ("DELETE", "/v1/assets/(ast_[^/]+)", "assets:write", registry.delete_asset),
            ("GET", "/v1/asset-types", "assets:read", registry.asset_types),
            ("GET", "/v1/asset-types/([^/]+)", "assets:read", registry.asset_type),
            ("GET", "/v1/tags", "assets:read", registry.tags),
            ("POST", "/v1/tags", "samples:write", registry.declare_tag),
            ("POST", "/v1/tags/batch", "samples:write", registry.declare_tags),
            ("GET", r"/v1/tags/(\d+)", "assets:read", registry.tag),
            ("PATCH", r"/v1/tags/(\d+)", "assets:write", registry.change_tag),
            ("GET", "/v1/latest", "samples:read", history.latest),
            ("GET", "/v1/samples", "samples:read", history.samples),
            ("GET", "/v1/since", "samples:read", history.since),
            ("GET", "/v1/aggregates", "samples:read", history.aggregates),
            ("GET", "/v1/interpolated", "samples:read", history.interpolated),
            ("GET", "/v1/plot", "samples:read", history.plot),
            ("GET", "/v1/gateways", "gateways:read", registry.gateways),
            ("GET", "/v1/ledger/summary", "ledger:read", ledger.summary),
            ("GET", "/v1/ledger/safe", "ledger:read", ledger.safe),
            ("GET", "/v1/ledger/tags", "ledger:read", ledger.accounts),
            ("GET", f"/v1/ledger/({ledger.LISTS})", "ledger:read", ledger.listing),
            ("GET", "/v1/apps", "", registry.apps),
            ("POST", "/v1/apps", "apps:admin", registry.register_app),
            ("GET", "/v1/apps/([^/]+)", "apps:admin", registry.app),
            ("PATCH", "/v1/apps/([^/]+)", "apps:admin", registry.change_app),
            ("DELETE", "/v1/apps/([^/]+)", "apps:admin", registry.delete_app),
            ("POST", "/v1/apps/([^/]+)/secret", "apps:admin", registry.renew_secret),
        ]
        for method, path, scope, handler in plain:
            yield method, re.compile(path), scope, partial(handler, state)
        own: list[tuple[str, str, str, Callable[[Call], Any]]] = [
            ("POST", "/v1/ingest", "", self._ingest),
            ("DELETE", "/v1/samples", "samples:delete", self._delete),
            ("GET", "/v1/stream", "samples:read", self._stream),
            ("GET", "/v1/rules", "alarms:read", lambda c: paged(c, list(alarms.rules.values()))),
            ("POST", "/v1/rules", "rules:write", lambda c: alarm_routes.create_rule(state, alarms, c)),
            ("GET", "/v1/rules/([^/]+)", "alarms:read", lambda c: alarms.rule(c.path[0])),
            ("PATCH", "/v1/rules/([^/]+)", "rules:write", lambda c: alarm_routes.change_rule(alarms, c)),
            ("DELETE", "/v1/rules/([^/]+)", "rules:write", lambda c: alarms.disarm(c.path[0])),
            ("GET", "/v1/alarms", "alarms:read", lambda c: alarm_routes.list_alarms(state, alarms, c)),
            ("GET", "/v1/alarms/([^/]+)", "alarms:read", lambda c: alarms.find(c.path[0])),
            ("GET", "/v1/alarms/([^/]+)/journal", "alarms:read", lambda c: paged(c, self._journal(c))),
            ("POST", "/v1/alarms/([^/]+)/acknowledge", "alarms:ack", lambda c: alarm_routes.acknowledge(alarms, c)),
        ]
        for method, path, scope, own_handler in own:
            yield method, re.compile(path), scope, own_handler

    def _journal(self, call: Call) -> list[dict[str, Any]]:
        return self.alarm_state.journals[self.alarm_state.find(call.path[0])["id"]]


def _answer(result: Any) -> httpx.Response:
    if isinstance(result, httpx.Response):
        return result
    if result is None:
        return httpx.Response(204)
    status, body = result if isinstance(result, tuple) else (200, result)
    return httpx.Response(status, headers={"content-type": "application/json"}, content=json.dumps(body).encode())
