"""What DuckDB leaves open about power cuts: directory entries, and blocks torn by a checkpoint.

DuckDB syncs its log at each commit but not the directory in which the log is made anew after each checkpoint, so a cut
could leave synced bytes without a name. Hence: whenever a name in the folder is new, the folder is synced before anyone
is told that a commit is durable.

A checkpoint writes a block of 256 KiB in place that the valid header may still need (it holds metadata of old and new).
Torn by a power cut or a SIGKILL, its checksum is wrong and the file cannot be read. Hence: before a checkpoint the file
is copied; a start that finds the copy and the log takes the copy back, and with the log it is all that was committed.
"""

import logging
import os
import shutil
from pathlib import Path

from penstock.platform.kit.files import sync_folder

BEFORE_SUFFIX = ".before"
LOG_SUFFIX = ".wal"

log = logging.getLogger(__name__)


class DurableFolder:
    """Remember which files of the folder have a durable name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._known: set[tuple[str, int]] = set()

    def sync_new_names(self) -> None:
        """Sync the folder when it holds a file that was not there at the last call."""
        names = self._names()
        if not names <= self._known:
            sync_folder(self.path)
        self._known = names

    def sync(self) -> None:
        """Sync the folder whatever is new in it: names that went are then gone for good, and may come again."""
        self._known = self._names()
        sync_folder(self.path)

    def _names(self) -> set[tuple[str, int]]:
        with os.scandir(self.path) as entries:
            return {(entry.name, entry.inode()) for entry in entries}


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def keep_before(path: Path) -> None:
    """Keep a durable copy of a database file that is about to be checkpointed; one that is there already is the better.

    The caller knows that nothing is committed to the file until `forget_before`, and the folder synced after it: a copy
    that comes back beside the next log would take the file back to before what that log follows.
    """
    kept = _beside(path, BEFORE_SUFFIX)
    if kept.exists():
        return
    part = _beside(kept, ".part")
    shutil.copyfile(path, part)
    sync_file(part)
    part.rename(kept)
    sync_folder(path.parent)


def forget_before(path: Path) -> None:
    """Remove the copy, once the removal of the log that belongs to it is durable."""
    sync_folder(path.parent)
    _beside(path, BEFORE_SUFFIX).unlink()


def log_of(path: Path) -> Path:
    """Give the path of a database file's log."""
    return _beside(path, LOG_SUFFIX)


def settle(path: Path) -> None:
    """Undo a checkpoint that did not end: it had ended if the log is gone."""
    kept = _beside(path, BEFORE_SUFFIX)
    _beside(kept, ".part").unlink(missing_ok=True)
    if not kept.exists():
        return
    if log_of(path).exists():
        log.warning("%s: a checkpoint was cut short; the file is taken back to before it, its log has the rest", path)
        kept.rename(path)
    else:
        kept.unlink()
    sync_folder(path.parent)


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
