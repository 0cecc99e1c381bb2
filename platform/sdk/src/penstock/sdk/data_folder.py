"""Which platform belongs to a data folder, for commands that are not told its address."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from penstock.core.demo_ports import PORTS_FILE, demo_ports

DEFAULT_PLATFORM = "http://127.0.0.1:8080"
PLATFORM_HELP = "The platform's address; else where the demo of --data ran last, else http://127.0.0.1:8080."


def platform_of(given: str | None, data: Path) -> str:
    """Give the address that was given, else that of the demo that keeps `data`, else the usual one."""
    if given is not None:
        return given
    with suppress(OSError, UnicodeDecodeError):
        port = demo_ports((data / PORTS_FILE).read_text(encoding="utf-8")).get("platform")
        if port is not None:
            return f"http://127.0.0.1:{port}"
    return DEFAULT_PLATFORM
