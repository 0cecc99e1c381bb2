"""The finished app: each route says what it needs, and is built once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import HTTPConnection

from penstock.platform.api.assembly import assemble
from penstock.platform.kit.access import Principal, public


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
