"""The asynchronous client: one object, a resource per noun, the readings at the top."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from penstock.sdk.authorities import trust_for
from penstock.sdk.backoff import Backoff
from penstock.sdk.credentials import Credential, find_credential
from penstock.sdk.models import Me
from penstock.sdk.resources.alarms import AsyncAlarms, AsyncRules
from penstock.sdk.resources.apps import AsyncApps
from penstock.sdk.resources.assets import AsyncAssets
from penstock.sdk.resources.history import AsyncHistory
from penstock.sdk.resources.ledger import AsyncGateways, AsyncLedger
from penstock.sdk.resources.streaming import AsyncStreaming
from penstock.sdk.resources.tags import AsyncTags
from penstock.sdk.resources.writing import AsyncWriting
from penstock.sdk.transport import Transport

URL_VARIABLE = "PENSTOCK_APP_PLATFORM_URL"
DEFAULT_URL = "http://127.0.0.1:8080"
TIMEOUT = httpx.Timeout(30.0, connect=5.0)


class AsyncClient:
    """Talk to a Penstock platform.

    `url`: the platform (else PENSTOCK_APP_PLATFORM_URL, else http://127.0.0.1:8080). `credentials`: path of a
    credentials file, (client_id, client_secret) or a Credential; `token`: a person's access token; without both, the
    file that PENSTOCK_APP_CREDENTIALS names. Use as `async with`, or call `aclose()`.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        credentials: Credential | str | Path | tuple[str, str] | None = None,
        token: str | None = None,
        backoff: Backoff | None = None,
        timeout: httpx.Timeout | float = TIMEOUT,
        http_transport: httpx.AsyncBaseTransport | None = None,
        clock_s: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = (url or os.environ.get(URL_VARIABLE) or DEFAULT_URL).rstrip("/")
        credential = find_credential(credentials=credentials, token=token)
        http = httpx.AsyncClient(
            base_url=self.url,
            timeout=timeout,
            transport=http_transport,
            headers={"User-Agent": "penstock-sdk"},
            verify=trust_for(self.url),
        )
        self.transport = Transport(http, credential, backoff=backoff, clock_s=clock_s, sleep=sleep)
        self.assets = AsyncAssets(self.transport)
        self.tags = AsyncTags(self.transport)
        self.alarms = AsyncAlarms(self.transport)
        self.rules = AsyncRules(self.transport, self.tags)
        self.ledger = AsyncLedger(self.transport)
        self.gateways = AsyncGateways(self.transport)
        self.apps = AsyncApps(self.transport)
        self.history = AsyncHistory(self.transport, self.tags)
        self.streaming = AsyncStreaming(self.transport, self.tags)
        self.writing = AsyncWriting(self.transport, self.tags)
        self.latest = self.history.latest
        self.samples = self.history.samples
        self.iterate = self.history.iterate
        self.aggregates = self.history.aggregates
        self.interpolated = self.history.interpolated
        self.plot = self.history.plot
        self.since = self.history.since
        self.stream = self.streaming.stream
        self.write = self.writing.write
        self.write_many = self.writing.write_many
        self.replace = self.writing.replace
        self.replace_many = self.writing.replace_many
        self.delete = self.writing.delete
        self.declare_tag = self.tags.declare
        self.declare_tags = self.tags.declare_many

    async def me(self) -> Me:
        """Say who this client's token speaks for."""
        return Me.of(await self.transport.json("GET", "/v1/me"))

    async def aclose(self) -> None:
        """Close the connections."""
        await self.transport.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
