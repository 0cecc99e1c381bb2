"""What is said to a person when something fails: what, why, and what happens next. Never a stack trace."""

from __future__ import annotations

from dataclasses import dataclass

import httpx

from penstock.sdk.errors import (
    ApiError,
    BusyError,
    ClientError,
    ConnectionFailedError,
    CredentialError,
    ForbiddenError,
    NotFoundError,
    UnauthorizedError,
)

TROUBLE = (ClientError, httpx.HTTPError, OSError, TimeoutError)
"""What a page expects to go wrong when it asks the platform."""


SERVER_FAULT = 500
"""Statuses below it say that the question was wrong: asking again does not help."""
NOT_NOW = frozenset({408, 425, 429})
"""Except these (RFC 9110 §15.5.9, RFC 8470, RFC 6585): the answer to the same question is another one later."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A title, a reason, and whether logging in again is the way out."""

    title: str
    reason: str
    login: bool = False


def trouble_of(error: BaseException) -> Trouble:
    """Put a failure into words."""
    match error:
        case CredentialError() | UnauthorizedError():
            return Trouble("Your login has ended", "Log in again to go on.", login=True)
        case ForbiddenError():
            return Trouble("Your role does not allow this", f"{error.detail or error.title}. An admin can change it.")
        case NotFoundError():
            return Trouble("Not there", error.detail or "It may have been removed.")
        case BusyError():
            return Trouble("The platform is busy", "It asked to wait; this page tries again by itself.")
        case ApiError():
            request = f" Request {error.request_id}." if error.request_id else ""
            said = error.detail or error.title or f"status {error.status}"
            if error.status < SERVER_FAULT and error.status not in NOT_NOW:
                return Trouble("The platform refused this", f"{said.rstrip('.')}.{request}")
            return Trouble("The platform could not answer", f"{said.rstrip('.')}.{request} Trying again.")
        case ConnectionFailedError():
            return Trouble(
                "The platform does not answer",
                f"Nothing answers at {error.url.split('/v1')[0]}. What you see is the last that was read; "
                "this page goes on by itself as soon as the platform is back.",
            )
        case ClientError() | httpx.HTTPError() | OSError():
            return Trouble("The platform does not answer", "The connection failed; this page tries again by itself.")
        case _:
            return Trouble("The app failed here", "Its log says why; it tries again by itself.")
