"""Folders and secret files: whole or absent, private, on the disk before anybody is told of them."""

import contextlib
import errno
import os
from pathlib import Path


def write_secret(path: Path, text: str) -> None:
    """Write the file atomically with mode 0600; a reader never sees half of it."""
    make_folder(path.parent)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


def make_folder(folder: Path) -> None:
    """Make the folder and its parents where absent, mode 0700, with names that survive a power cut.

    The folder that holds it is synced even when nothing was made: a start that was killed may have made it just before.
    """
    absent = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(absent):
        each.mkdir(mode=0o700, exist_ok=True)
    for each in absent or [folder]:
        with contextlib.suppress(PermissionError):  # a parent that we may not read was made by somebody else
            sync_folder(each.absolute().parent)


def sync_folder(folder: Path) -> None:
    """Make the folder's own entries durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_readonly(folder: Path) -> bool:
    """Tell whether the folder's disk takes no writes now (EROFS), by touching the folder: nothing is made or locked."""
    try:
        os.utime(folder)
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def secret_path(secrets: Path, owner: str, name: str) -> Path:
    """Give where a secret for `owner` goes: secrets/<owner>/ when that folder is there, else secrets/.

    In compose each owner's folder is a volume that only its owner mounts.
    """
    folder = secrets / owner
    return (folder if folder.is_dir() else secrets) / name
