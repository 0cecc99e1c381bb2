"""Routes of the platform as a whole: probes, metrics, OpenAPI, reference and start page."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from penstock.platform.api.reference import reference
from penstock.platform.api.start import StartPage
from penstock.platform.kit import pages
from penstock.platform.kit.access import Principal, loopback_or, public, session, signed_in
from penstock.platform.kit.authority import Authority
from penstock.platform.kit.problems import Problem

METRICS_MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BUNDLE_LENGTH_MAX = 100_000
"""Characters: more than a hundred certificates, where there are one or two."""


class AuthorityBundle(BaseModel):
    """Certificates of authorities, oldest first."""

    pem: str = Field(max_length=BUNDLE_LENGTH_MAX)


class WholeEndpoints:
    """What belongs to no feature."""

    def __init__(
        self,
        *,
        ready: Callable[[], str | None],
        metrics: Callable[[], bytes],
        start: StartPage,
        forms: pages.FormGuard,
        authority: Authority | None,
    ) -> None:
        self._ready = ready
        self._metrics = metrics
        self._start = start
        self._forms = forms
        self._authority = authority

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter()
        probe = [public("a probe has no credentials, and the answer says nothing")]
        router.get("/health", tags=["health"], dependencies=probe)(self.health)
        router.get("/health/ready", tags=["health"], dependencies=probe)(self.ready)
        trust = [public("certificates hold no secret, and a gateway asks before it has a token")]
        router.get("/v1/ca", tags=["gateways"], dependencies=trust)(self.authorities)
        scrape = router.get(
            "/metrics", tags=["health"], dependencies=[loopback_or("metrics:read")], response_class=Response
        )
        scrape(self.metrics)
        whoever = {"include_in_schema": False, "dependencies": [signed_in()]}
        router.get("/openapi.json", **whoever)(self.openapi)  # type: ignore[arg-type]
        router.get("/docs", **whoever)(self.docs)  # type: ignore[arg-type]
        router.get("/", include_in_schema=False)(self.start)
        return router

    async def health(self) -> dict[str, str]:
        """Tell that the process answers."""
        return {"status": "ok"}

    async def ready(self) -> dict[str, str]:
        """Tell that the stores are open and requests are taken; 503 says what is missing."""
        reason = self._ready()
        if reason is not None:
            raise Problem(503, "not-ready", f"Not ready: {reason}.", headers={"Retry-After": "1"})
        return {"status": "ok"}

    def authorities(self) -> AuthorityBundle:
        """Give the certificates (PEM) by which gateways know this platform; 404 where it has no authority."""
        if self._authority is None:
            message = (
                "This platform has no certificate authority of its own: it has no TLS door, or the plant's own one."
            )
            raise Problem(404, "no-authority", message)
        return AuthorityBundle(pem=self._authority.bundle())

    def metrics(self) -> Response:
        """Give the platform's own figures as Prometheus text."""
        return Response(self._metrics(), media_type=METRICS_MEDIA_TYPE)

    def openapi(self, request: Request) -> Response:
        """Give the OpenAPI file."""
        return JSONResponse(_spec(request))

    def docs(self, request: Request) -> Response:
        """Show the API's reference."""
        return pages.render(request, "docs.html", **reference(_spec(request)))

    def start(self, request: Request, who: Annotated[Principal | None, session()]) -> Response:
        """Show the start page, or the login form."""
        if who is None:
            return RedirectResponse("/login", 303, headers={"Cache-Control": "no-store"})
        cookie, field = self._forms.field(request)
        page = pages.render(request, "start.html", who=who, form=field, **self._start.values(who))
        self._forms.set_cookie(page, cookie)
        return page


def _spec(request: Request) -> dict[str, Any]:
    spec: dict[str, Any] = request.app.openapi()
    return spec
