"""Assemble the app from the features' routers; refuse to start when a route does not say what it needs."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.staticfiles import StaticFiles

from penstock.platform.api.middleware import BodyLimit, Boundary
from penstock.platform.api.openapi import make_openapi
from penstock.platform.api.start import VERSION
from penstock.platform.kit.access import Authenticator, check_all_routes_declare
from penstock.platform.kit.pages import STATIC
from penstock.platform.kit.problems import install_problem_handlers


def assemble(
    routers: Iterable[APIRouter],
    *,
    authenticator: Authenticator,
    issuer: str,
    running: Callable[[], AbstractAsyncContextManager[None]],
) -> FastAPI:
    """Give the finished app; `running` is entered at start and left at stop."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with running():
            yield

    app = FastAPI(title="Penstock", version=VERSION, openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.authenticator = authenticator
    for router in routers:
        app.router.routes.extend(router.routes)  # whole already: include_router would build each a second time
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    install_problem_handlers(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Boundary)
    declared = check_all_routes_declare(app)
    made: dict[str, Any] = {}

    def openapi() -> dict[str, Any]:
        if not made:
            made.update(make_openapi(app, declared, issuer=issuer, version=VERSION))
        return made

    app.openapi = openapi  # type: ignore[method-assign]
    app.state.declared_routes = declared
    return app
