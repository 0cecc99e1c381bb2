"""The file in which `penstock demo` leaves its ports, in its data folder, for commands that are not told any."""

from __future__ import annotations

import json
from typing import Final

PORTS_FILE: Final = "ports.json"


def demo_ports(text: str) -> dict[str, int]:
    """Read the file's text: process → port; what is no port is left out."""
    try:
        said = json.loads(text)
    except ValueError:
        return {}
    found = said.items() if isinstance(said, dict) else ()
    return {name: port for name, port in found if type(port) is int and 0 < port < 65_536}
