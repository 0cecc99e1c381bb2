"""The rule that every route says what it needs."""

from typing import Annotated

import pytest
from fastapi import FastAPI
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from penstock.platform.kit.access import Principal, any_token, check_all_routes_declare, public, requires


def _endpoint() -> None:
    return None


def test_route_without_guard_stops_the_start() -> None:
    app = FastAPI(openapi_url=None)
    app.get("/open")(_endpoint)
    with pytest.raises(RuntimeError, match="GET /open declares 0 guards"):
        check_all_routes_declare(app)


def test_frameworks_own_routes_count_too() -> None:
    with pytest.raises(RuntimeError, match=r"/openapi\.json"):
        check_all_routes_declare(FastAPI())


def test_two_guards_are_one_too_many() -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/both", dependencies=[public("to test")])
    def both(principal: Annotated[Principal, any_token()]) -> None: ...

    with pytest.raises(RuntimeError, match="declares 2 guards"):
        check_all_routes_declare(app)


def test_guard_as_parameter_or_dependency_is_listed() -> None:
    app = FastAPI(openapi_url=None)
    app.get("/health", dependencies=[public("a probe")])(_endpoint)

    @app.get("/tags")
    def tags(principal: Annotated[Principal, requires("assets:read")]) -> None: ...

    declared = {route.path: route.guard for route in check_all_routes_declare(app)}
    assert declared["/health"].mode == "public"
    assert declared["/tags"].scopes == ("assets:read",)


def test_plain_starlette_route_and_unknown_mount_stop_the_start(tmp_path: object) -> None:
    app = FastAPI(openapi_url=None)
    app.router.routes.append(Route("/raw", _endpoint))
    app.router.routes.append(Mount("/files", StaticFiles(directory=str(tmp_path))))
    with pytest.raises(RuntimeError, match=r"/raw.*/files"):
        check_all_routes_declare(app)


def test_unknown_scope_fails_at_import() -> None:
    with pytest.raises(AssertionError, match="sample:read"):
        requires("sample:read")
