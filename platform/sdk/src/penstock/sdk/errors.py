"""Typed errors of the client: each carries the platform's problem details (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

BODY_EXCERPT_CHARS = 300  # enough to recognise a proxy's error page, short enough for a log line


class ClientError(Exception):
    """Base of everything that the client raises on purpose."""


class CredentialError(ClientError):
    """No usable credential: says where one was looked for and how to get one."""


class ConnectionFailedError(ClientError):
    """The platform could not be reached within the allowed attempts; `attempts` and `url` say how hard it was tried."""

    def __init__(self, message: str, *, url: str, attempts: int) -> None:
        super().__init__(message)
        self.url = url
        self.attempts = attempts


class MissingExtraError(ClientError, ImportError):
    """An optional library is absent; the message names the extra that brings it."""

    def __init__(self, library: str, extra: str) -> None:
        super().__init__(f"{library} is not installed: run  pip install 'penstock-sdk[{extra}]'")


class ApiError(ClientError):
    """The platform refused a request.

    `status`, `type` (short problem name), `title`, `detail`, `request_id`, and in `fields` what else the problem said.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], *, method: str, url: str) -> None:
        self.status = status
        self.type = str(problem.get("type", "about:blank")).rsplit("/", 1)[-1]
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail", ""))
        self.request_id = str(problem.get("instance", ""))
        self.fields = {k: v for k, v in problem.items() if k not in ("type", "title", "detail", "status", "instance")}
        self.method = method
        self.url = url
        said = self.detail or self.title or "no detail"
        request = f" [request {self.request_id}]" if self.request_id else ""
        super().__init__(f"{method} {url}: {status} {self.type}: {said}{request}")


class UnauthorizedError(ApiError):
    """401: the token is absent, expired, revoked or forged."""


class ForbiddenError(ApiError):
    """403: the caller lacks the scope, or does not own what it would change."""


class NotFoundError(ApiError):
    """404: no such id in the caller's tenant."""


class ConflictError(ApiError):
    """409: the request contradicts what is there."""


class GoneError(ApiError):
    """410: the cursor is older than the platform keeps; re-read the range by `samples`."""

    @property
    def oldest(self) -> int | None:
        """Give the oldest position that can still be followed, if the platform stated it."""
        value = self.fields.get("oldest")
        return value if isinstance(value, int) else None


class InvalidRequestError(ApiError):
    """400, 413, 415 or 422: the request itself is wrong."""


class BusyError(ApiError):
    """429 or 503, and still so after all attempts."""


class ServerError(ApiError):
    """5xx: the platform failed."""


_BY_STATUS: dict[int, type[ApiError]] = {
    400: InvalidRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: GoneError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: BusyError,
    503: BusyError,
}


def error_of(response: httpx.Response) -> ApiError:
    """Make the typed error of a refused response whose body has been read."""
    kind = _BY_STATUS.get(response.status_code, ServerError if response.status_code >= 500 else ApiError)
    request = response.request
    return kind(response.status_code, _problem(response), method=request.method, url=str(request.url))


def _problem(response: httpx.Response) -> Mapping[str, Any]:
    if "json" in response.headers.get("content-type", ""):
        try:
            body = response.json()
        except ValueError:
            body = None
        if isinstance(body, dict):
            return _oauth_as_problem(body) if "error" in body and "title" not in body else body
    return {"title": response.reason_phrase, "detail": response.text[:BODY_EXCERPT_CHARS]}


def _oauth_as_problem(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Read the error form of RFC 6749 §5.2 as a problem."""
    return {"type": body["error"], "title": body["error"], "detail": body.get("error_description", "")}
