"""Files and folders of the gateway's machine that survive a power cut: whole or absent, never half."""

import contextlib
import errno
import os
from pathlib import Path

PRIVATE, PRIVATE_FOLDER = 0o600, 0o700


def write_durably(path: Path, octets: bytes, *, mode: int = PRIVATE) -> None:
    """Write a file whole and synced, in a folder that is there."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def make_folder(folder: Path, *, mode: int = PRIVATE_FOLDER) -> None:
    """Make the folder and its parents where absent, with names that survive a power cut.

    The folder that holds it is synced even when nothing was made: a start that was killed may have made it just before.
    """
    absent = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(absent):
        each.mkdir(mode=mode, exist_ok=True)
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
