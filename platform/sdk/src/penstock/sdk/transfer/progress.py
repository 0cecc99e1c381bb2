"""How far a transfer came, on disk: written whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from penstock.sdk.errors import ClientError

_SAMPLED_BYTES = 64 * 1024  # of the beginning and of the end: tells a changed file without reading gigabytes


class TransferError(ClientError):
    """A file that cannot be imported or written as asked; says which, where in it, and what to do."""


def identity(path: Path) -> str:
    """Give a mark of a file's content: its size, and a digest of its beginning and its end."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_SAMPLED_BYTES)
        file.seek(max(0, size - _SAMPLED_BYTES))
        return f"{size}-{hashlib.sha256(head + file.read()).hexdigest()[:32]}"


def read_progress(path: Path) -> dict[str, Any] | None:
    """Read what `write_progress` wrote; None where nothing was, TransferError for anything else."""
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as broken:
        message = f"{path} is not the progress of a transfer ({broken}); remove it to begin anew"
        raise TransferError(message) from None
    if not isinstance(body, dict):
        message = f"{path} is not the progress of a transfer; remove it to begin anew"
        raise TransferError(message)
    return body


def write_progress(path: Path, body: dict[str, Any]) -> None:
    """Replace the file; it is on disk when this returns."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    publish(part, path)


def publish(part: Path, path: Path) -> None:
    """Give a whole file its name: content first, then the name, both synced."""
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
