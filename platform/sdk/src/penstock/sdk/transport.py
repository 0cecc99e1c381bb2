"""The client's way to the platform: bearer token, retries, problems as exceptions, pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from penstock.sdk.backoff import Backoff, retry_after_s
from penstock.sdk.credentials import Credential
from penstock.sdk.errors import ApiError, BusyError, ConnectionFailedError, error_of

ARROW = "application/vnd.apache.arrow.stream"
PAGE_LIMIT = 1000  # the platform's own maximum for lists
BUSY = frozenset({429, 503})  # refused before any work: every method may repeat
GATEWAY_TROUBLE = frozenset({502, 504})  # unknown whether it was done: only repeatable requests repeat
Params = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Refused:
    token: str


@dataclass(frozen=True, slots=True)
class _Again:
    error: ApiError | None = None
    failure: Exception | None = None
    wished_s: float | None = None


_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Transport:
    """Send requests with the caller's credential; retry what may be repeated."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        credential: Credential,
        *,
        backoff: Backoff | None = None,
        clock_s: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.http = http
        self.credential = credential
        self.backoff = backoff or Backoff()
        self.clock_s = clock_s
        self.sleep = sleep

    async def json(self, method: str, path: str, *, params: Params = (), body: Any = None) -> Any:
        """Request JSON; None for an empty answer."""
        response = await self.request(method, path, params=params, json=body)
        return response.json() if response.content else None

    async def arrow(self, path: str, *, params: Params = ()) -> bytes:
        """Get an Arrow IPC stream."""
        return (await self.request("GET", path, params=params, headers={"Accept": ARROW})).content

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Params = (),
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send until answered; raise the typed error of a refusal or ConnectionFailedError."""
        repeatable = method in ("GET", "HEAD", "PUT", "DELETE") or "Idempotency-Key" in (headers or {})
        arguments: dict[str, Any] = {"params": list(params), "headers": dict(headers or {})}
        if json is not None:
            arguments["json"] = json
        if content is not None:
            arguments["content"] = content
        attempt, refused = 0, None
        while True:
            attempt += 1
            outcome = await self._attempt(method, path, arguments, refused=refused, repeatable=repeatable)
            if isinstance(outcome, httpx.Response):
                return outcome
            if isinstance(outcome, _Refused):
                refused = outcome.token
                continue
            if attempt >= self.backoff.attempts:
                raise outcome.error if outcome.error else self._unreachable(outcome.failure, method, path, attempt)
            await self.sleep(self.backoff.delay_s(attempt, outcome.wished_s))

    async def _attempt(
        self, method: str, path: str, arguments: dict[str, Any], *, refused: str | None, repeatable: bool
    ) -> httpx.Response | _Refused | _Again:
        try:
            token = await self.credential.bearer(self.http, self.clock_s(), refused=refused)
            arguments["headers"]["Authorization"] = f"Bearer {token}"
            response = await self.http.request(method, path, **arguments)
        except BusyError as busy:  # the token endpoint
            return _Again(error=busy)
        except httpx.TransportError as failure:
            if repeatable or isinstance(failure, _NOT_SENT):
                return _Again(failure=failure)
            raise self._unreachable(failure, method, path, 1) from failure
        if response.is_success:
            return response
        if response.status_code == 401 and refused is None:
            return _Refused(token)
        if response.status_code in BUSY or (repeatable and response.status_code in GATEWAY_TROUBLE):
            wished_s = retry_after_s(response.headers.get("retry-after"), self.clock_s())
            return _Again(error=error_of(response), wished_s=wished_s)
        raise error_of(response)

    @asynccontextmanager
    async def open_stream(self, path: str, *, params: Params, read_timeout_s: float) -> AsyncIterator[httpx.Response]:
        """Open a long answer once, without retries: the caller owns reconnecting. Refusals raise as usual."""
        token = await self.credential.bearer(self.http, self.clock_s())
        for last in (False, True):
            headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream", "Cache-Control": "no-store"}
            timeout = httpx.Timeout(10.0, read=read_timeout_s)
            async with self.http.stream("GET", path, params=list(params), headers=headers, timeout=timeout) as response:
                if response.is_success:
                    yield response
                    return
                await response.aread()
                if response.status_code != 401 or last:
                    raise error_of(response)
            token = await self.credential.bearer(self.http, self.clock_s(), refused=token)

    async def pages(self, path: str, *, params: Params = (), limit: int | None = None) -> AsyncIterator[dict[str, Any]]:
        """Walk a list by its cursor and yield items, at most `limit`."""
        left, cursor = limit, None
        while left is None or left > 0:
            asked = PAGE_LIMIT if left is None else min(left, PAGE_LIMIT)
            query = [*params, ("limit", str(asked)), *([("cursor", cursor)] if cursor else [])]
            page = await self.json("GET", path, params=query)
            for item in page["items"][:left]:
                yield item
            if left is not None:
                left -= len(page["items"])
            cursor = page.get("next")
            if not cursor:
                return

    def _unreachable(self, failure: Exception | None, method: str, path: str, attempts: int) -> ConnectionFailedError:
        url = f"{self.http.base_url}".rstrip("/") + path
        said = f"{type(failure).__name__}: {failure}".rstrip(": ")
        message = f"{method} {url}: no answer after {attempts} attempt(s) ({said}); is the platform running there?"
        return ConnectionFailedError(message, url=url, attempts=attempts)
