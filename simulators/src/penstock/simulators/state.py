"""The simulators' state file: wear and counters, so that machines go on over a restart."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any, Final

VERSION: Final = 1


class StateFile:
    """Keep one JSON object, replaced whole and synced; a broken one is set aside, never fatal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writing = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.devices: dict[str, Any] = self._read()

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._path.read_text())
            devices = content["devices"]
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            self._path.replace(self._path.with_suffix(".broken"))
            return {}
        return devices if isinstance(devices, dict) else {}

    def write(self, devices: dict[str, Any]) -> None:
        """Keep the state of these devices, and of those known before that are absent now. Threads may call it."""
        with self._writing:
            self.devices = {**self.devices, **devices}
            content = json.dumps({"version": VERSION, "devices": self.devices}).encode()
            part = self._path.with_suffix(".part")
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._path)
