"""The door by which a test puts a fake platform behind an app that builds its own clients."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from penstock.sdk.async_client import AsyncClient


class SimulatedPlatform(Protocol):
    """Something that gives clients to itself, such as `penstock.sdk.testing.FakePlatform`."""

    def client(self) -> AsyncClient:
        """Give a client that is logged in."""
        ...


_current: ContextVar[SimulatedPlatform | None] = ContextVar("penstock_simulated_platform", default=None)


def simulated_platform() -> SimulatedPlatform | None:
    """Give the platform that a test has put in place, else None."""
    return _current.get()


@contextmanager
def put_in_place(platform: SimulatedPlatform) -> Iterator[None]:
    """Have apps that are built inside use `platform`, with everybody logged in."""
    token = _current.set(platform)
    try:
        yield
    finally:
        _current.reset(token)
