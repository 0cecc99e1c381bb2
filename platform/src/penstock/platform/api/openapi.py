"""The OpenAPI 3.1 file: made from the routes, their guards and the problems that each may answer."""

from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from penstock.platform.kit.access import SCOPES, DeclaredRoute
from penstock.platform.kit.problems import PROBLEM_MEDIA_TYPE

TITLE = "Penstock API"
DESCRIPTION = (
    "Industrial IoT: assets, tags, samples with quality and source time, alarms, and the ledger of what was delivered. "
    "Errors are RFC 9457 problems; lists are paged by opaque cursors; times are RFC 3339 with nanoseconds, UTC."
)
_REASONS = {
    "401": "No token, or one that is not valid (any more)",
    "403": "The token lacks the scope, or the caller is not of the right kind",
    "404": "There is no such thing that the caller may see",
    "409": "It contradicts what is there",
    "413": "The body is too large",
    "422": "A value is missing or not acceptable; `errors` names each",
    "429": "Too many tries: wait as Retry-After says",
    "500": "The platform failed; its log has the reason under `instance`",
}
_PROBLEM_SCHEMA = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "format": "uri", "maxLength": 200},
        "title": {"type": "string", "maxLength": 200},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "maxLength": 4000},
        "instance": {"type": "string", "maxLength": 100, "description": "the request's id"},
    },
    "additionalProperties": True,
}


def make_openapi(app: FastAPI, declared: Iterable[DeclaredRoute], *, issuer: str, version: str) -> dict[str, Any]:
    """Make the file; each operation says its scope in `security` and `x-penstock-guard`."""
    spec = get_openapi(
        title=TITLE, version=version, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    spec["servers"] = [{"url": issuer}]
    spec["info"]["license"] = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    spec["info"]["contact"] = {"name": "Penstock", "url": issuer}
    components = spec.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = _PROBLEM_SCHEMA
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["securitySchemes"] = _schemes(issuer)
    guards = {(route.path, method.lower()): route.guard for route in declared for method in route.methods}
    for path, operations in spec["paths"].items():
        for method, operation in operations.items():
            guard = guards[(path, method)]
            operation["x-penstock-guard"] = {"mode": guard.mode, "scopes": list(guard.scopes), "kind": guard.kind}
            operation["security"] = _security(guard.mode, guard.scopes)
            _answers(operation, guard.mode, method, has_path_parameter="{" in path)
    spec["tags"] = [{"name": name} for name in sorted(_groups(spec))]
    return spec


def _schemes(issuer: str) -> dict[str, Any]:
    flows = {
        "clientCredentials": {"tokenUrl": f"{issuer}/oauth/token", "scopes": dict(SCOPES)},
        "authorizationCode": {
            "authorizationUrl": f"{issuer}/oauth/authorize",
            "tokenUrl": f"{issuer}/oauth/token",
            "refreshUrl": f"{issuer}/oauth/token",
            "scopes": dict(SCOPES),
        },
    }
    return {
        "oauth2": {"type": "oauth2", "flows": flows},
        "client": {"type": "http", "scheme": "basic", "description": "OAuth2 client id and secret"},
        "browser": {"type": "apiKey", "in": "cookie", "name": "penstock_session"},
    }


def _security(mode: str, scopes: tuple[str, ...]) -> list[dict[str, list[str]]]:
    if mode == "public":
        return []
    if mode == "client":
        return [{"client": []}, {}]
    if mode == "session":
        return [{"browser": []}]
    if mode == "signed-in":
        return [{"oauth2": []}, {"browser": []}]
    if mode == "scope-or-loopback":
        return [{"oauth2": list(scopes)}, {}]
    return [{"oauth2": [scope]} for scope in scopes] or [{"oauth2": []}]


def _answers(operation: dict[str, Any], mode: str, method: str, *, has_path_parameter: bool) -> None:
    responses = operation["responses"]
    statuses = {"429", "500"}
    if mode != "public" or method == "post":
        statuses |= {"401"}
    if mode in ("scope", "scope-or-loopback"):
        statuses |= {"403"}
    if has_path_parameter or operation.get("parameters"):
        statuses |= {"404"}
    if method != "get":
        statuses |= {"409", "413", "422"}
    if operation.get("parameters") or "422" in responses:
        statuses |= {"422"}
    for status in statuses:
        content = {PROBLEM_MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        answer = {"description": _REASONS[status], "content": content}
        if status == "429":
            answer["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1, "maximum": 3600}}}
        responses[status] = answer


def _groups(spec: dict[str, Any]) -> set[str]:
    return {tag for operations in spec["paths"].values() for op in operations.values() for tag in op.get("tags", [])}
