"""Problems: every error of the API is one JSON object of RFC 9457, made here.

`type` is https://penstock.invalid/problems/<name>; `detail` says what, where and what to do; `instance` is the
request's id, which stands in the log too.
"""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from penstock.platform.kit.db import is_busy, is_unwritable

PROBLEM_TYPE_ROOT = "https://penstock.invalid/problems/"
PROBLEM_MEDIA_TYPE = "application/problem+json"
REQUEST_ID_HEADER = "Penstock-Request-Id"
DISK_RETRY_S = 5
ERRORS_SHOWN_MAX = 20  # a thousand wrong rows need not be listed one by one

log = logging.getLogger(__name__)


class Problem(Exception):
    """Refuse a request: HTTP status, problem type (its short name), and a detail that says what to do."""

    def __init__(
        self,
        status: int,
        type: str,
        detail: str,
        *,
        title: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{status} {type}: {detail}")
        self.status = status
        self.type = type
        self.detail = detail
        self.title = title or HTTPStatus(status).phrase
        self.headers = dict(headers or {})
        self.extra = extra


def not_found(what: str, identifier: object) -> Problem:
    """Make the 404 for a thing that is absent or belongs to another tenant: the two must look the same."""
    return Problem(
        404, "not-found", f"There is no {what} {identifier!s:.200} that you may see. List them to find its id."
    )


def unauthorized(detail: str, *, error: str = "invalid_token") -> Problem:
    """Make the 401 of a bearer token (RFC 6750)."""
    return Problem(
        401, "unauthorized", detail, headers={"WWW-Authenticate": f'Bearer realm="penstock", error="{error}"'}
    )


def forbidden(detail: str, **extra: Any) -> Problem:
    """Make the 403 of a known caller without the right."""
    return Problem(403, "forbidden", detail, **extra)


def conflict(type: str, detail: str, **extra: Any) -> Problem:
    """Make a 409 with a type of its own."""
    return Problem(409, type, detail, **extra)


def invalid(detail: str, *, errors: Sequence[Mapping[str, Any]] = (), **extra: Any) -> Problem:
    """Make the 422 of a well-formed request whose content cannot be accepted."""
    if errors:
        extra["errors"] = list(errors)
    return Problem(422, "invalid", detail, **extra)


def too_many(detail: str, retry_after_s: int) -> Problem:
    """Make the 429 of a caller who must wait."""
    return Problem(429, "too-many-requests", detail, headers={"Retry-After": str(retry_after_s)})


def busy(detail: str, retry_after_s: int = 1) -> Problem:
    """Make the 503 of a platform that cannot take more now; the caller keeps and waits."""
    return Problem(503, "busy", detail, headers={"Retry-After": str(retry_after_s)})


def request_id(request: Request) -> str:
    """Give the id that the request-id middleware gave this request, or an empty string outside it."""
    return str(request.scope.get("penstock_request_id", ""))


def render(request: Request, problem: Problem) -> JSONResponse:
    """Write the problem as the answer."""
    body: dict[str, Any] = {
        "type": PROBLEM_TYPE_ROOT + problem.type,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        "instance": request_id(request),
        **problem.extra,
    }
    return JSONResponse(body, problem.status, headers=problem.headers, media_type=PROBLEM_MEDIA_TYPE)


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of the app as a problem: our own, a busy store's, the framework's, validation."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(SQLAlchemyError, _on_store)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)


_HTTP_TYPES = {400: "bad-request", 404: "not-found", 405: "method-not-allowed", 413: "too-large"}


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return render(request, error)


async def _on_store(request: Request, error: Exception) -> Response:
    """Answer 503 while other writers hold the store or its disk takes nothing; all else is a failure of ours."""
    assert isinstance(error, SQLAlchemyError)
    if is_busy(error):
        state = "is busy"
        problem = busy("The store is busy with other writers; nothing was changed. Send the same again.")
    elif is_unwritable(error):
        state = "cannot be written"
        problem = busy(
            "The disk of the relational store takes no writes: it is full, read-only or fails. What was asked is not "
            "done. Send the same again when it is mended.",
            DISK_RETRY_S,
        )
    else:
        raise error
    why = str(getattr(error, "orig", None) or error).split("\n", 1)[0]
    log.warning(
        "request %s %s %s: the store %s: %s", request_id(request), request.method, request.url.path[:200], state, why
    )
    return render(request, problem)


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        detail = f"There is no {request.method} {request.url.path[:200]} here; /docs lists the routes."
    else:
        detail = str(error.detail)
    kind = _HTTP_TYPES.get(error.status_code, HTTPStatus(error.status_code).phrase.lower().replace(" ", "-"))
    return render(request, Problem(error.status_code, kind, detail, headers=error.headers))


async def _on_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    # The value itself is left out: it may be a password.
    shown = [
        {"where": ".".join(str(part) for part in item["loc"])[:200], "message": str(item["msg"])[:300]}
        for item in found[:ERRORS_SHOWN_MAX]
    ]
    first = f"{shown[0]['where']}: {shown[0]['message']}" if shown else "unreadable request"
    if any(item["type"] == "json_invalid" for item in found):
        return render(request, Problem(400, "bad-json", f"The body is not JSON: {first}", errors=shown))
    return render(request, invalid(f"{first}. {len(found)} error(s) in all; /docs has the schema.", errors=shown))
