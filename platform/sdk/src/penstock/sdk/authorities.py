"""The authorities that connections trust, loaded once: httpx would load them anew for each client, 40 ms of CPU."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


def trust_for(url: str) -> ssl.SSLContext:
    """Give what a client of this URL trusts: over plain HTTP nothing, which is checked never and loads nothing."""
    return _none() if url.startswith("http://") else _usual()


@cache
def _none() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@cache
def _usual() -> ssl.SSLContext:
    return httpx.create_ssl_context()
