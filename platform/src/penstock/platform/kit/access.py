"""Access: who asks, what may they do, and the rule that every route says what it needs.

A route declares exactly one guard, as a parameter or in `dependencies`:

    def read(principal: Annotated[Principal, requires("samples:read")]) -> ...
    @router.get("/health", dependencies=[public("a probe needs no rights")])

`check_all_routes_declare` walks the finished app and refuses to start when a route has none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

from fastapi import Depends, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from starlette.requests import HTTPConnection, Request
from starlette.routing import Mount

from penstock.platform.kit.problems import Problem, forbidden, unauthorized
from penstock.platform.kit.queries import refuse_unknown
from penstock.platform.kit.settings import is_loopback

PrincipalKind = Literal["person", "app", "gateway", "operator"]

SCOPES: dict[str, str] = {
    "ingest": "Send batches of a gateway",
    "samples:read": "Read samples, aggregates and the live stream",
    "samples:write": "Write samples of tags one owns, and make computed tags",
    "samples:import": "Import history: write samples of every tag of the tenant, whoever owns it",
    "samples:replace": "Replace samples: write in the place of those at the same times",
    "samples:delete": "Delete samples of every tag of the tenant, whoever owns it",
    "assets:read": "Read asset types, assets and tags",
    "assets:write": "Change asset types, assets and tags",
    "ledger:read": "Read the ledger: what is missing, duplicated, late, quarantined",
    "ledger:admin": "Retry quarantined batches",
    "alarms:read": "Read rules, alarms and their journal",
    "alarms:ack": "Acknowledge an alarm, as a person",
    "rules:write": "Make, change and remove alarm rules",
    "gateways:read": "See the gateways and their health",
    "gateways:admin": "Make enrolment tokens",
    "apps:admin": "Register apps and give them credentials",
    "users:admin": "Make, change and remove users",
    "audit:read": "Read the audit log",
    "metrics:read": "Read the platform's own metrics",
}
"""Every scope there is; a guard that names another one fails at import."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Say who asks: the rights are those of token, subject and client at this moment, cut together."""

    subject: str
    kind: PrincipalKind
    tenant: str
    scopes: frozenset[str]
    client_id: str | None
    name: str
    gateway_id: str | None = None
    token_id: str | None = None
    expires_ns: int | None = None

    @property
    def writer(self) -> str:
        """Give the id under which this principal owns tags: the gateway, else the client, else the subject."""
        return self.gateway_id or self.client_id or self.subject

    def allows(self, scope: str) -> bool:
        """Tell whether the scope is among the rights."""
        return scope in self.scopes


class Authenticator(Protocol):
    """Find out who asks; `app.state.authenticator` is one. Called in a worker thread."""

    def bearer(self, connection: HTTPConnection) -> Principal:
        """Give the principal of the bearer token, or raise Problem 401."""
        ...

    def session(self, connection: HTTPConnection) -> Principal | None:
        """Give the person of the browser's session cookie, or None."""
        ...


GuardMode = Literal["scope", "scope-or-loopback", "signed-in", "session", "public", "client"]


@dataclass(frozen=True)
class Guard:
    """Let a request pass and give its principal, or raise Problem 401 or 403."""

    mode: GuardMode
    scopes: tuple[str, ...] = ()
    kind: PrincipalKind | None = None
    why: str = ""

    def __call__(self, request: Request) -> Principal | None:
        """Judge the request; None for public routes and for a session that is absent (the page redirects).

        Who may ask is then told which parameters of the query the route does not take.
        """
        principal = self._judge(request)
        refuse_unknown(request)
        return principal

    def _judge(self, request: Request) -> Principal | None:
        if self.mode in ("public", "client"):
            return None
        authenticator = cast(Authenticator, request.app.state.authenticator)
        if self.mode == "session":
            return authenticator.session(request)
        if self.mode == "signed-in" and "authorization" not in request.headers:
            person = authenticator.session(request)
            if person is None:
                raise unauthorized(detail="Log in at /login, or send a bearer token.", error="invalid_request")
            return person
        if self.mode == "scope-or-loopback" and _from_this_machine(request):
            return None
        principal = authenticator.bearer(request)
        if self.scopes and principal.scopes.isdisjoint(self.scopes):
            raise _insufficient(self.scopes)
        if self.kind and principal.kind != self.kind:
            raise forbidden(
                detail=f"Only a {self.kind} may do this, with a token of their own; yours is of a {principal.kind}."
            )
        return principal


def requires(*scopes: str, kind: PrincipalKind | None = None) -> Any:
    """Make the dependency that gives a Principal with (one of) the scopes; `kind` narrows who may."""
    unknown = set(scopes) - set(SCOPES)
    assert scopes, "name a scope, or use any_token()"
    assert not unknown, f"unknown scopes {sorted(unknown)}; kit.access.SCOPES lists them"
    return Depends(Guard("scope", scopes, kind))


def any_token() -> Any:
    """Make the dependency that gives the Principal of any good bearer token."""
    return Depends(Guard("scope"))


def signed_in() -> Any:
    """Make the dependency for pages that a token or a browser session may read."""
    return Depends(Guard("signed-in"))


def loopback_or(*scopes: str) -> Any:
    """Make the dependency that lets programs of this machine pass without a token, others with a scope."""
    return Depends(Guard("scope-or-loopback", scopes))


def session() -> Any:
    """Make the dependency that gives the person of the session cookie or None; pages only, never /v1."""
    return Depends(Guard("session"))


def client_secret() -> Any:
    """Declare a route that authenticates an OAuth2 client by itself."""
    return Depends(Guard("client"))


def public(why: str) -> Any:
    """Declare a route that anybody may call, and why that is right."""
    assert why
    return Depends(Guard("public", why=why))


@dataclass(frozen=True, slots=True)
class DeclaredRoute:
    """Name a route, its methods and the one guard that it declares."""

    path: str
    methods: frozenset[str]
    guard: Guard


def check_all_routes_declare(app: FastAPI, *, mounts: frozenset[str] = frozenset({"/static"})) -> list[DeclaredRoute]:
    """List the routes with their guards; raise RuntimeError naming those without exactly one.

    `mounts` are the only folders of files that may be served to anybody.
    """
    declared: list[DeclaredRoute] = []
    wrong: list[str] = []
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, Mount):
            if context.path not in mounts:
                wrong.append(f"mount {context.path} is not among {sorted(mounts)}")
            continue
        guards = list(_guards(getattr(context, "dependant", None)))
        if len(guards) != 1:
            wrong.append(f"{_name(context)} declares {len(guards)} guards")
            continue
        declared.append(DeclaredRoute(str(context.path), frozenset(context.methods or ()), guards[0]))
    if wrong:
        message = "Not started, each route must declare one of requires(), any_token(), public() …: " + "; ".join(wrong)
        raise RuntimeError(message)
    return declared


def _guards(dependant: Dependant | None) -> Iterator[Guard]:
    if dependant is None:
        return
    found: Callable[..., Any] | None = dependant.call
    if isinstance(found, Guard):
        yield found
    for child in dependant.dependencies:
        yield from _guards(child)


def _from_this_machine(request: Request) -> bool:
    """Tell whether the peer is on loopback and nobody's proxy; a request with a token is judged by its token."""
    proxied = {"x-forwarded-for", "forwarded", "x-real-ip", "via"} & set(request.headers.keys())
    local = request.client is not None and is_loopback(request.client.host)
    return local and not proxied and "authorization" not in request.headers


def _name(context: RouteContext) -> str:
    return f"{'/'.join(sorted(context.methods or {'?'}))} {context.path}"


def _insufficient(scopes: tuple[str, ...]) -> Problem:
    needed = " or ".join(scopes)
    header = f'Bearer realm="penstock", error="insufficient_scope", scope="{" ".join(scopes)}"'
    problem = forbidden(
        f"This needs the scope {needed}; ask for it in the token, and for the right in your role or app."
    )
    problem.headers["WWW-Authenticate"] = header
    return problem
