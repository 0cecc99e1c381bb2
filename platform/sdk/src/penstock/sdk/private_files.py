"""Secrets of an app on disk: made at first start, readable by their owner alone."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

FILE_MODE = 0o600


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read; it is never there half-written or readable to others."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_private_json(path: Path, body: dict[str, Any]) -> None:
    """Write JSON likewise."""
    write_private(path, json.dumps(body, indent=2) + "\n")


def storage_secret(folder: Path) -> str:
    """Give the secret that signs this app's cookies; made once."""
    path = folder / "storage-secret"
    if not path.exists():
        write_private(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="utf-8").strip()
