"""Find taken ports before anything is started, and say by whom they are taken."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

LISTEN = "0A"


def is_taken(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether a server could not listen on the port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def holder(port: int) -> str:
    """Name the process that listens on a port, as far as this user may see (Linux); else "another program"."""
    wanted = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for process in Path("/proc").glob("[0-9]*"):
        if wanted & _open_files(process):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
            return f"process {process.name} ({command[:80]})"
    return "another program"


def _open_files(process: Path) -> set[str]:
    """Give what a process has open; nothing where it is another user's or has ended."""
    found = set()
    with suppress(OSError):
        for file in (process / "fd").iterdir():
            with suppress(OSError):  # closed in between
                found.add(str(file.readlink()))
    return found


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found
