"""Query parameters that a route does not know: refused on /v1/, since a default taken quietly is a wrong answer.

Elsewhere they are ignored: RFC 6749 (3.1) asks it of /oauth, and links to pages carry what others add.
"""

import difflib
from collections.abc import Iterable, Mapping

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.requests import Request

from penstock.platform.kit.problems import invalid

CHECKED = "/v1/"
NAMED_MAX = 5
"""Unknown names that an answer lists, each cut to 64 characters."""

KnownQueries = Mapping[tuple[str, str], frozenset[str]]
"""(method, path of the route) → names."""


def known_queries(app: FastAPI) -> KnownQueries:
    """Give the names that each route of the API takes in its query; made once, when the app is."""
    return {
        (method, route.path): frozenset(_names(route.dependant))
        for route in app.routes
        if isinstance(route, APIRoute) and route.path.startswith(CHECKED)
        for method in route.methods or ()
    }


def refuse_unknown(request: Request) -> None:
    """Raise Problem 422 that names each parameter which the route does not take, and the nearest one that it does."""
    if not request.scope.get("query_string"):
        return
    queries: KnownQueries = getattr(request.app.state, "known_queries", {})
    known = queries.get((request.method, request.scope["route"].path))
    if known is None:
        return
    unknown = [name for name in dict.fromkeys(request.query_params.keys()) if name not in known]
    if unknown:
        told = "; ".join(_told(name, known) for name in unknown[:NAMED_MAX])
        takes = ", ".join(sorted(known)) or "none"
        msg = f"The query has {told}. This route takes {takes}."
        raise invalid(msg, unknown=[name[:64] for name in unknown[:NAMED_MAX]])


def _told(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"{name[:64]!r}, which is not known{meant}"


def _names(dependant: Dependant) -> Iterable[str]:
    for field in dependant.query_params:
        yield field.alias
    for child in dependant.dependencies:
        yield from _names(child)
