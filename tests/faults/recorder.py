"""Run a program and record what it does to the files below a folder, by strace.

The recorder follows descriptors and names. What it does not know (a shared writable mapping, a descriptor that it did
not see opened) raises, so that nothing is missed silently. SQLite's `-shm` files are left out: they are an index in
shared memory that every first opening makes anew.
"""

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.disk import ROOT, Name, Record, Sync, Told, Truncate, Write, apply

CALLS = (
    "open,openat,creat,close,lseek,dup,dup2,dup3,write,pwrite64,writev,pwritev,pwritev2,ftruncate,truncate,fallocate,"
    "fsync,fdatasync,sync,syncfs,sync_file_range,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,link,"
    "linkat,symlink,symlinkat,copy_file_range,sendfile,mmap,msync,io_uring_setup"
)
STDOUT = 1
_LINE = re.compile(r"^(\d+) +(.*)$", re.DOTALL)
_CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+|\?|0x[0-9a-f]+)", re.DOTALL)
_RESUMED = re.compile(r"^<\.\.\. \w+ resumed>(.*)$", re.DOTALL)
_UNFINISHED = " <unfinished ...>"
_AT = "AT_FDCWD"


class NotRecordable(Exception):
    """The program did something that the recorder cannot follow."""


def record(command: Sequence[str], folder: Path, log: Path, *, environment: dict[str, str] | None = None) -> Record:
    """Run the command to its end; give what it did below `folder`. It must end with status 0."""
    tracing = ["strace", "-f", "-y", "-xx", "-s", "100000000", "--seccomp-bpf", "-o", str(log), "-e", f"trace={CALLS}"]
    run = subprocess.run([*tracing, *command], capture_output=True, text=True, env=environment, check=False)
    if run.returncode != 0:
        message = f"{' '.join(command)} ended with {run.returncode}: {run.stderr[-4000:]}"
        raise NotRecordable(message)
    return read_log(log, folder)


def read_log(log: Path, folder: Path) -> Record:
    """Read a log of strace into a record."""
    follower = _Follower(folder.resolve())
    begun: dict[str, tuple[str, int]] = {}
    with log.open(encoding="ascii", errors="replace") as lines:
        for line in lines:
            match = _LINE.match(line.rstrip("\n"))
            assert match is not None, line[:200]
            thread, text = match[1], match[2]
            started = len(follower.record.operations)
            if text.endswith(_UNFINISHED):
                begun[thread] = (text.removesuffix(_UNFINISHED), started)
                continue
            if (rest := _RESUMED.match(text)) is not None:
                head, started = begun.pop(thread)
                text = head + rest[1]
            follower.on_call(text, started)
    return follower.record


@dataclass(slots=True)
class _Open:
    inode: int
    at: int
    appends: bool


@dataclass(slots=True)
class _Follower:
    base: Path
    record: Record = field(default_factory=Record)
    names: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})
    live: dict[int, bytearray] = field(default_factory=dict)
    opened: dict[int, _Open] = field(default_factory=dict)
    made: int = ROOT
    pending_line: str = ""

    def on_call(self, text: str, started: int) -> None:
        match = _CALL.match(text)
        if match is None or match[3].startswith("-") or match[3] == "?":
            return  # a signal, an exit, or a call that failed and changed nothing
        arguments = list(_arguments(match[2]))
        handler = getattr(self, f"_on_{match[1]}", None)
        if handler is not None:
            handler(arguments, int(match[3], 0), started)
        elif self._concerns(arguments):
            raise NotRecordable(text[:300])

    def _concerns(self, arguments: list[str]) -> bool:
        paths = [_octets(each).decode("utf-8", "replace") for each in arguments if '"' in each]
        paths += [_path_of(each) for each in arguments[:1] if "<" in each]
        return any(map(self._inside, paths))

    # descriptors

    def _on_openat(self, arguments: list[str], result: int, _started: int) -> None:
        self._open(_joined(arguments[0], arguments[1]), arguments[2], result)

    def _on_open(self, arguments: list[str], result: int, _started: int) -> None:
        self._open(_octets(arguments[0]).decode(), arguments[1], result)

    def _open(self, path: str, flags: str, result: int) -> None:
        self.opened.pop(result, None)
        if not self._inside(path) or path.endswith("-shm"):
            return
        inode = self._find(path)
        if inode is None:
            if "O_CREAT" not in flags:
                message = f"{path} was there before the recording"
                raise NotRecordable(message)
            inode = self._make(path)
        elif "O_TRUNC" in flags:
            self._truncate(inode, 0)
        self.opened[result] = _Open(inode, 0, "O_APPEND" in flags)

    def _on_close(self, arguments: list[str], _result: int, _started: int) -> None:
        self.opened.pop(_number(arguments[0]), None)

    def _on_lseek(self, arguments: list[str], result: int, _started: int) -> None:
        if (one := self.opened.get(_number(arguments[0]))) is not None:
            one.at = result

    def _on_mmap(self, arguments: list[str], _result: int, _started: int) -> None:
        shared = "MAP_SHARED" in arguments[3] and "PROT_WRITE" in arguments[2]
        path = _path_of(arguments[4]) if shared and "<" in arguments[4] else ""
        if self._inside(path) and not path.removesuffix("(deleted)").endswith("-shm"):
            message = f"{path} is written through a mapping"
            raise NotRecordable(message)

    # content

    def _on_write(self, arguments: list[str], result: int, _started: int) -> None:
        descriptor = _number(arguments[0])
        if descriptor == STDOUT:
            self.pending_line += _octets(arguments[1])[:result].decode()
            *whole, self.pending_line = self.pending_line.split("\n")
            self.record.operations.extend(Told(line) for line in whole)
            return
        one = self._followed(arguments[0])
        if one is not None:
            at = len(self._live(one.inode)) if one.appends else one.at
            self._write(one.inode, at, _octets(arguments[1])[:result])
            one.at = at + result

    def _on_pwrite64(self, arguments: list[str], result: int, _started: int) -> None:
        one = self._followed(arguments[0])
        if one is not None:
            self._write(one.inode, int(arguments[3]), _octets(arguments[1])[:result])

    def _write(self, inode: int, at: int, octets: bytes) -> None:
        self._apply(Write(inode, at, octets))

    def _on_sendfile(self, arguments: list[str], result: int, _started: int) -> None:
        target, source = self._followed(arguments[0]), self._followed(arguments[1])
        if target is None or result == 0:
            return
        offset = re.match(r"\[(\d+)\]", arguments[2])
        if source is None or offset is None:
            message = f"a copy of {arguments[1][:200]} from outside"
            raise NotRecordable(message)
        start = int(offset[1])
        self._write(target.inode, target.at, bytes(self._live(source.inode)[start : start + result]))
        target.at += result

    def _apply(self, change: Write | Truncate) -> None:
        self.record.operations.append(change)
        apply(self._live(change.inode), change)

    def _live(self, inode: int) -> bytearray:
        return self.live.setdefault(inode, bytearray())

    def _on_ftruncate(self, arguments: list[str], _result: int, _started: int) -> None:
        one = self._followed(arguments[0])
        if one is not None:
            self._truncate(one.inode, int(arguments[1]))

    def _truncate(self, inode: int, size: int) -> None:
        self._apply(Truncate(inode, size))

    def _on_fsync(self, arguments: list[str], _result: int, started: int) -> None:
        one = self._followed(arguments[0])
        if one is not None:
            self.record.operations.append(Sync(one.inode, started))

    def _on_fdatasync(self, arguments: list[str], result: int, started: int) -> None:
        self._on_fsync(arguments, result, started)

    # names

    def _on_mkdir(self, arguments: list[str], _result: int, _started: int) -> None:
        path = _octets(arguments[0]).decode()
        if self._inside(path):
            inode = self._make(path)
            self.names[inode] = {}
            self.record.folders.add(inode)

    def _on_rename(self, arguments: list[str], _result: int, _started: int) -> None:
        self._rename(_octets(arguments[0]).decode(), _octets(arguments[1]).decode())

    def _rename(self, old: str, new: str) -> None:
        if not (self._inside(old) or self._inside(new)):
            return
        inode, folder = self._find(old), self._folder(old)
        if inode is None or folder is None or folder != self._folder(new):
            message = f"{old} is renamed across folders"
            raise NotRecordable(message)
        self._name(folder, (Path(old).name, None), (Path(new).name, inode))

    def _on_unlink(self, arguments: list[str], _result: int, _started: int) -> None:
        path = _octets(arguments[0]).decode()
        if self._inside(path) and not path.endswith("-shm"):
            folder = self._folder(path)
            assert folder is not None, path
            self._name(folder, (Path(path).name, None))

    def _on_rmdir(self, arguments: list[str], result: int, started: int) -> None:
        self._on_unlink(arguments, result, started)

    def _make(self, path: str) -> int:
        self.made += 1
        folder = self._folder(path)
        assert folder is not None, path
        self._name(folder, (Path(path).name, self.made))
        return self.made

    def _name(self, folder: int, *entries: tuple[str, int | None]) -> None:
        self.record.operations.append(Name(folder, entries))
        for name, inode in entries:
            if inode is None:
                self.names[folder].pop(name)
            else:
                self.names[folder][name] = inode

    # looking up

    def _followed(self, argument: str) -> _Open | None:
        one = self.opened.get(_number(argument))
        if one is None and "<" in argument:
            path = _path_of(argument)
            if self._inside(path) and "-shm" not in path:
                message = f"{path} is written through a descriptor that was not seen opened"
                raise NotRecordable(message)
        return one

    def _inside(self, path: str) -> bool:
        return path == str(self.base) or path.startswith(f"{self.base}/")

    def _find(self, path: str) -> int | None:
        inode = ROOT
        for part in Path(path).relative_to(self.base).parts:
            found = self.names.get(inode, {}).get(part)
            if found is None:
                return None
            inode = found
        return inode

    def _folder(self, path: str) -> int | None:
        return self._find(str(Path(path).parent))


def _arguments(text: str) -> Iterator[str]:
    """Cut arguments at commas outside of strings; strings are hexadecimal, so hold neither quotes nor commas."""
    depth, start = 0, 0
    for at, sign in enumerate(text) if len(text) < 4096 else _signs(text):
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "," and depth == 0:
            yield text[start:at].strip()
            start = at + 1
    if text:
        yield text[start:].strip()


def _signs(text: str) -> Iterator[tuple[int, str]]:
    return ((match.start(), match[0]) for match in re.finditer(r"[\[\]{},]", text))


def _octets(argument: str) -> bytes:
    quoted = argument[argument.index('"') + 1 : argument.rindex('"')]
    return bytes.fromhex(quoted.replace("\\x", ""))


def _number(argument: str) -> int:
    return int(argument.split("<", 1)[0])


def _path_of(argument: str) -> str:
    inner = argument[argument.index("<") + 1 : argument.rindex(">")]
    hexadecimal = re.findall(r"\\x([0-9a-f]{2})", inner)
    return bytes.fromhex("".join(hexadecimal)).decode("utf-8", "replace") if hexadecimal else inner


def _joined(folder: str, name: str) -> str:
    path = _octets(name).decode()
    return path if path.startswith("/") or not folder.startswith(_AT) else str(Path(_path_of(folder)) / path)
