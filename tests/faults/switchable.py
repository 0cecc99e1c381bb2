"""A disk that becomes read-only under open files, and writable again: a FUSE file system that passes through.

The kernel refuses to remount a disk read-only while a file is open for writing. It does so by itself when the disk
fails (`errors=remount-ro`), and a file server may at any time: then each write, sync, new name and opening for writing
gives EROFS, also on files that are open. This file system does just that while a switch file exists.

`python -m tests.faults.switchable REAL MOUNT SWITCH` serves it until it is unmounted. It needs libfuse 3 and /dev/fuse.
SQLite's `-shm` files are written through at any time: they are memory shared by mapping, which a real disk does not
refuse either while they are open.
"""

import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MOUNTED_S = 20.0
TIMES = ("st_atime", "st_mtime", "st_ctime")
FIELDS = ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_ino", "st_blocks", "st_blksize")
SPACE = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_namemax")


@dataclass(frozen=True, slots=True)
class Disk:
    """Switch a mounted disk."""

    switch: Path

    def make_readonly(self) -> None:
        """Refuse every write from now on."""
        self.switch.touch()

    def make_writable(self) -> None:
        """Take writes again."""
        self.switch.unlink(missing_ok=True)


@contextmanager
def switchable_disk(folder: Path) -> Iterator[Disk | None]:
    """Mount one at an empty folder; what it holds lies beside it. None where no FUSE can be mounted."""
    real, switch = folder.with_name(folder.name + "-real"), folder.with_name(folder.name + "-readonly")
    real.mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    switch.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.faults.switchable", str(real), str(folder), str(switch)]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ends_s = time.monotonic() + MOUNTED_S
    while not os.path.ismount(folder) and server.poll() is None and time.monotonic() < ends_s:
        time.sleep(0.02)
    if not os.path.ismount(folder):
        server.kill()
        server.wait()
        yield None
        return
    try:
        yield Disk(switch)
    finally:
        switch.unlink(missing_ok=True)
        subprocess.run(["fusermount3", "-u", "-z", str(folder)], check=True)
        server.kill()  # whatever is still open on it
        server.wait()


class Passing:
    """Do on the real folder what is asked of the mounted one, or refuse it; the operations of libfuse by name."""

    use_ns = True

    def __init__(self, real: str, switch: str) -> None:
        self._real, self._switch = real, switch

    def _at(self, path: str) -> str:
        return self._real + path

    def _writing(self) -> None:
        if os.path.exists(self._switch):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    # reading

    def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
        found = os.lstat(self._at(path)) if fh is None else os.fstat(fh)
        return {name: getattr(found, name) for name in FIELDS} | {name: getattr(found, f"{name}_ns") for name in TIMES}

    def readdir(self, path: str, _fh: int) -> list[tuple[str, dict[str, int], int]]:
        with os.scandir(self._at(path)) as entries:
            found = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
        return [(name, {"st_mode": each.st_mode, "st_ino": each.st_ino}, 0) for name, each in found]

    def readlink(self, path: str) -> str:
        return os.readlink(self._at(path))

    def statfs(self, path: str) -> dict[str, int]:
        found = os.statvfs(self._at(path))
        return {name: getattr(found, name) for name in SPACE}

    def read(self, _path: str, size: int, offset: int, fh: int) -> bytes:
        return os.pread(fh, size, offset)

    def release(self, _path: str, fh: int) -> int:
        os.close(fh)
        return 0

    # writing

    def open(self, path: str, flags: int) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_TRUNC):
            self._writing()
        return os.open(self._at(path), flags & ~os.O_APPEND)  # the kernel gives each write its offset

    def create(self, path: str, mode: int, _fi: int | None = None) -> int:
        self._writing()
        return os.open(self._at(path), os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

    def write(self, path: str, octets: bytes, offset: int, fh: int) -> int:
        if not path.endswith("-shm"):
            self._writing()
        return os.pwrite(fh, octets, offset)

    def truncate(self, path: str, length: int, fh: int | None = None) -> int:
        self._writing()
        os.truncate(self._at(path) if fh is None else fh, length)
        return 0

    def fsync(self, path: str, _datasync: int, fh: int) -> int:
        if not path.endswith("-shm"):
            self._writing()
        os.fsync(fh)
        return 0

    def fsyncdir(self, path: str, _datasync: int, _fh: int) -> int:
        self._writing()
        folder = os.open(self._at(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return 0

    def mkdir(self, path: str, mode: int) -> int:
        self._writing()
        os.mkdir(self._at(path), mode)
        return 0

    def rmdir(self, path: str) -> int:
        self._writing()
        os.rmdir(self._at(path))
        return 0

    def unlink(self, path: str) -> int:
        self._writing()
        os.unlink(self._at(path))
        return 0

    def rename(self, old: str, new: str) -> int:
        self._writing()
        os.rename(self._at(old), self._at(new))
        return 0

    def link(self, target: str, source: str) -> int:
        self._writing()
        os.link(self._at(source), self._at(target))
        return 0

    def symlink(self, target: str, source: str) -> int:
        self._writing()
        os.symlink(source, self._at(target))
        return 0

    def chmod(self, path: str, mode: int) -> int:
        self._writing()
        os.chmod(self._at(path), mode)
        return 0

    def utimens(self, path: str, times: tuple[int, int] | None = None) -> int:
        self._writing()
        os.utime(self._at(path), ns=times) if times else os.utime(self._at(path))
        return 0


def main() -> None:
    """Serve until unmounted."""
    from mfusepy import FUSE

    real, mount, switch = sys.argv[1:]
    FUSE(
        Passing(os.path.realpath(real), switch),
        mount,
        foreground=True,
        nothreads=True,
        use_ino=True,
        hard_remove=True,
        fsname="penstock-switchable",
    )


if __name__ == "__main__":
    main()
