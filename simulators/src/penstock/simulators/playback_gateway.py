"""What the gateway says of the devices that are played: its /health, asked once for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

EVERY_s: Final = 0.2
SELDOM_s: Final = 1.0
"""Where only a refusal is to be heard of: as often as the gateway looks at its folder."""
TIMEOUT_s: Final = 5.0
READING: Final = "connected"


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what the gateway said of a device: its state, why, and what it counted since its start."""

    state: str
    detail: str
    error: str | None
    acknowledged: int
    """Messages that are journalled and acknowledged to the broker."""
    again: int
    """Of these, those that the broker flagged as sent before."""


@dataclass(slots=True)
class GatewayWatch:
    """Keep the newest answer; `answers` counts them, `looks` the tries. Without a gateway nothing is known."""

    url: str
    every_s: float = EVERY_s
    answers: int = 0
    looks: int = 0
    on_the_way: dict[str, int] = field(default_factory=dict)
    """Values of each device that were offered and not acknowledged, for all that play to see."""
    _devices: Mapping[str, Any] = field(default_factory=dict)
    _files: Mapping[str, Any] = field(default_factory=dict)

    async def follow(self) -> None:
        """Ask until cancelled; what goes wrong is no answer."""
        async with httpx.AsyncClient(timeout=TIMEOUT_s, trust_env=False) as client:
            while True:
                try:
                    self.on_answer((await client.get(f"{self.url.rstrip('/')}/health")).json())
                except (httpx.HTTPError, httpx.InvalidURL, ValueError):
                    self.on_answer({})
                await asyncio.sleep(self.every_s)

    def on_answer(self, content: object) -> None:
        """Take an answer; what has not the form of one says nothing."""
        said = content if isinstance(content, dict) else {}
        devices, files = said.get("devices"), said.get("files")
        self._devices = devices if isinstance(devices, dict) else {}
        self._files = files if isinstance(files, dict) else {}
        self.answers += isinstance(devices, dict)
        self.looks += 1

    def device(self, name: str) -> Seen | None:
        """Give what was said of a device, None where the gateway does not know it."""
        found = self._devices.get(name)
        if not isinstance(found, dict):
            return None
        error = found.get("error")
        return Seen(
            str(found.get("state", "")),
            str(found.get("detail", "")),
            str(error) if error else None,
            _count(found, "acknowledged"),
            _count(found, "acknowledged_again"),
        )

    def refusal(self, device: str) -> str | None:
        """Say why the gateway does not take the device, None where it says no such thing."""
        error = self._files.get(f"{device}.yaml")
        seen = self.device(device)
        return str(error) if error else (seen.error if seen is not None else None)

    def detail(self, device: str) -> str:
        """Say what is known of a device that is not read."""
        if not self.answers:
            return f"no gateway answers at {self.url}"
        seen = self.device(device)
        return "the gateway does not know it" if seen is None else f"the gateway says: {seen.state}, {seen.detail}"


def _count(device: Mapping[str, Any], name: str) -> int:
    counters = device.get("counters")
    count = counters.get(name) if isinstance(counters, dict) else None
    return count if isinstance(count, int) else 0
