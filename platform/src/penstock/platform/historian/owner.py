"""One process owns the historian's folder; a second one is told who."""

import fcntl
import os
from pathlib import Path
from typing import IO

from penstock.platform.historian.errors import HistorianInUse

LOCK_FILE = "owner.lock"


class OwnerLock:
    """Hold the folder until release; the kernel lets go when the process dies, however it dies."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / LOCK_FILE
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Take the folder, or raise HistorianInUse naming the process that has it."""
        file = self._path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(200).strip() or "an unknown process"
            file.close()
            message = (
                f"{self._path.parent} is in use by {owner}. A historian has one owner: stop that process, "
                "or give this one another folder (PENSTOCK_PLATFORM_DATA)."
            )
            raise HistorianInUse(message, path=str(self._path), owner=owner) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}\n")
        file.flush()
        self._file = file

    def release(self) -> None:
        """Let go; harmless when it was not held."""
        if self._file is not None:
            self._file.close()
            self._file = None
