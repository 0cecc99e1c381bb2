"""Is a process ready? Asked from outside, as its users would."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx

Check = Callable[[], Awaitable[bool]]
CHECK_TIMEOUT_S = 3.0

_NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""What is asked is plain HTTP on this machine; loading authorities would cost 25 ms of CPU a check, while all start."""


def http_ok(url: str) -> Check:
    """Ready when the address answers 2xx."""

    async def check() -> bool:
        try:
            async with _client() as http:
                return (await http.get(url)).is_success
        except httpx.HTTPError:
            return False

    return check


async def delivery_problem(url: str, *, patience_s: float = 10.0, pause_s: float = 0.3) -> str:
    """Give what keeps the gateway at `url` from delivering, once it knows; "" where it delivers or does not say."""
    async with _client() as http:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while True:
                    with suppress(httpx.HTTPError, ValueError, KeyError):
                        uplink = (await http.get(url)).json()["uplink"]
                        if uplink["problem"] or uplink["state"] == "connected":
                            return str(uplink["problem"])
                    await asyncio.sleep(pause_s)
    return ""


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=CHECK_TIMEOUT_S, trust_env=False, verify=_NO_AUTHORITIES)


class Patience:
    """Wait while a process says that it is `starting`, for at most max_s; then it counts as ready all the same."""

    def __init__(self, max_s: float) -> None:
        self._max_s = max_s
        self._since_s: float | None = None

    def is_ready(self, said: object, now_s: float) -> bool:
        """Judge a health answer; None: there was none."""
        if not isinstance(said, dict):
            self._since_s = None
            return False
        if said.get("status") == "starting":
            self._since_s = now_s if self._since_s is None else self._since_s
            if now_s - self._since_s < self._max_s:
                return False
        self._since_s = None
        return True


def serves(url: str, *, starting_max_s: float) -> Check:
    """Ready when the health answer is 2xx and no longer `starting`, or has been that for starting_max_s."""
    patience = Patience(starting_max_s)

    async def check() -> bool:
        said: object = None
        with suppress(httpx.HTTPError, ValueError):
            async with _client() as http:
                answer = await http.get(url)
            said = answer.json() if answer.is_success else None
        return patience.is_ready(said, asyncio.get_running_loop().time())

    return check


def mqtt_login(port: int, user: str, password: str) -> Check:
    """Ready when the broker accepts a login (MQTT 3.1.1 CONNECT answered by CONNACK 0)."""

    async def check() -> bool:
        try:
            async with asyncio.timeout(CHECK_TIMEOUT_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(connect_packet(user, password))
                    await writer.drain()
                    return await reader.readexactly(4) == b"\x20\x02\x00\x00"
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False

    return check


def connect_packet(user: str, password: str) -> bytes:
    """Give a CONNECT with clean session, user and password (MQTT 3.1.1 §3.1)."""

    def text(value: str) -> bytes:
        encoded = value.encode()
        return struct.pack("!H", len(encoded)) + encoded

    body = text("MQTT") + bytes([4, 0b1100_0010]) + struct.pack("!H", 30)
    body += text("penstock-demo-check") + text(user) + text(password)
    assert len(body) < 128, "one length byte suffices for names and passwords of ours"
    return b"\x10" + bytes([len(body)]) + body
