"""Directory entries that survive a power cut.

DuckDB syncs its log at each commit but not the directory in which the log is made anew after each checkpoint, so a cut
could leave synced bytes without a name. Hence: whenever a name in the folder is new, the folder is synced before anyone
is told that a commit is durable.
"""

import os
from pathlib import Path


class DurableFolder:
    """Remember which files of the folder have a durable name."""

    def __init__(self, folder: Path) -> None:
        self.path = folder
        self._known: set[tuple[str, int]] = set()

    def sync_new_names(self) -> None:
        """Sync the folder when it holds a file that was not there at the last call."""
        with os.scandir(self.path) as entries:
            names = {(entry.name, entry.inode()) for entry in entries}
        if not names <= self._known:
            sync_folder(self.path)
        self._known = names


def sync_folder(path: Path) -> None:
    """Make the folder's own entries durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
