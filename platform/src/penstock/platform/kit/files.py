"""Secret files: whole or absent, mode 0600, on the disk before anybody is told of them."""

import os
from pathlib import Path


def write_secret(path: Path, text: str) -> None:
    """Write the file atomically with mode 0600; a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def secret_path(secrets: Path, owner: str, name: str) -> Path:
    """Give where a secret for `owner` goes: secrets/<owner>/ when that folder is there, else secrets/.

    In compose each owner's folder is a volume that only its owner mounts.
    """
    folder = secrets / owner
    return (folder if folder.is_dir() else secrets) / name
