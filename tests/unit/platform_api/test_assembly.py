"""The finished app: each route says what it needs, and is built once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import HTTPConnection

from penstock.platform.api.assembly import assemble
from penstock.platform.apps.schemas import AppItem
from penstock.platform.bootstrap import Platform
from penstock.platform.kit.access import Principal, public
from penstock.platform.kit.paging import encode_cursor, page_within
from penstock.platform.kit.problems import Problem
from penstock.platform.kit.settings import Settings


class Nobody:
    """Lets nobody in; no route asks."""

    def bearer(self, connection: HTTPConnection) -> Principal:
        raise NotImplementedError

    def session(self, connection: HTTPConnection) -> None:
        return None


@asynccontextmanager
async def running() -> AsyncIterator[None]:
    yield


def app_of(router: APIRouter) -> FastAPI:
    return assemble([router], authenticator=Nobody(), issuer="http://127.0.0.1", running=running)


def _endpoint() -> None: ...


def open_router() -> APIRouter:
    router = APIRouter(prefix="/v1")
    router.get("/said", dependencies=[public("to test")])(_endpoint)
    router.get("/forgotten")(_endpoint)
    return router


def test_a_router_with_a_route_that_says_nothing_stops_the_start() -> None:
    with pytest.raises(RuntimeError, match=r"Not started.*: GET /v1/forgotten declares 0 guards$"):
        app_of(open_router())


def test_a_router_within_a_router_is_looked_into() -> None:
    outer = APIRouter(prefix="/outer")
    outer.include_router(open_router())
    with pytest.raises(RuntimeError, match=r": GET /outer/v1/forgotten declares 0 guards$"):
        app_of(outer)


def test_a_route_is_the_one_that_its_feature_built() -> None:
    router = APIRouter(prefix="/v1", tags=["tests"], dependencies=[public("to test")])
    router.get("/said")(_endpoint)
    app = app_of(router)
    assert [route for route in app.routes if getattr(route, "path", "") == "/v1/said"] == router.routes
    assert app.openapi()["paths"]["/v1/said"]["get"]["tags"] == ["tests"]


def test_a_route_takes_what_the_openapi_file_says_and_no_other(tmp_path: Path) -> None:
    platform = Platform(Settings(data=tmp_path / "data", plant=tmp_path))
    known = platform.app.state.known_queries
    told = {}
    for path, operations in platform.app.openapi()["paths"].items():
        for method, operation in operations.items():
            if path.startswith("/v1/"):
                names = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
                told[method.upper(), path] = names
    assert told == known


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        (
            "strat=1h-ago&tga=5&start=now",
            "The query has 'strat', which is not known (did you mean start?); 'tga', which is not known (did you mean "
            "tag?). This route takes start, tag.",
        ),
        ("zzz=1", "The query has 'zzz', which is not known. This route takes start, tag."),
    ],
)
async def test_an_unknown_parameter_is_named_with_the_nearest_that_is_known(query: str, detail: str) -> None:
    def asked(start: str = "", tag: int = 0) -> str:
        return f"{start}{tag}"

    app = APIRouter(dependencies=[public("to test")])
    for path in ("/v1/asked", "/oauth/asked", "/asked"):
        app.get(path)(asked)
    transport = httpx.ASGITransport(app_of(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
        answer = await client.get(f"/v1/asked?{query}")
        assert (answer.status_code, answer.json()["detail"]) == (422, detail)
        assert answer.json()["unknown"] == [part.split("=")[0] for part in query.split("&") if "start" not in part]
        assert (await client.get("/v1/asked?start=now&tag=5")).json() == "now5"
        for elsewhere in ("/oauth/asked", "/asked"):
            assert (await client.get(f"{elsewhere}?{query}")).status_code == 200


def test_a_list_in_memory_is_paged_to_its_end() -> None:
    items = [AppItem(id=f"app-{n}", name="same", url="http://a", description="") for n in range(5)]
    seen, cursor = [], None
    while True:
        page = page_within(items, 2, cursor)
        seen += page.items
        cursor = page.next
        if cursor is None:
            break
    assert seen == items
    with pytest.raises(Problem):
        page_within(items[:2], 2, encode_cursor("app-4"))
