"""Take the data folder and the port before anything is opened, and say in words who has them."""

import contextlib
import errno
import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.core.errors import PenstockError
from penstock.platform.kit.files import make_folder

BACKLOG = 512
_LISTENING = "0A"  # /proc/net/tcp, state


@contextmanager
def own(data: Path) -> Iterator[None]:
    """Hold the data folder; raise PenstockError naming the process that has it."""
    make_folder(data)
    path = data / "platform.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(100).strip() or "another process"
            message = f"{data} is in use by {owner}: one platform owns a data folder. Stop it, or give another --data."
            raise PenstockError(message) from None
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()}\n")
        file.flush()
        yield


@contextmanager
def bind(host: str, port: int, *, option: str = "--port") -> Iterator[socket.socket]:
    """Give a listening socket; raise PenstockError that says which port is taken and by whom."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                message = f"Port {port} on {host} is taken by {who_listens(port)}. Stop it, or give another {option}."
            else:
                message = f"Cannot listen on {host} port {port}: {error.strerror}."
            raise PenstockError(message) from error
        listener.setblocking(False)
        yield listener


def who_listens(port: int) -> str:
    """Name the process that listens on a port, as far as this user may see it."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _inodes(Path("/proc/net") / table, port)}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                target = str(descriptor.readlink())
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    name = (process / "comm").read_text(encoding="utf-8").strip()
                    return f"process {process.name} ({name})"
    return "another process"


def _inodes(table: Path, port: int) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]
