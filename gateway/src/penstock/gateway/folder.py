"""Following the folder of device files: what was added, changed, removed, or broken.

Polled, since a bind mount or a network file system tells nobody about changes. A file counts as changed when its
content does; a broken one leaves the device's former version running. People copy files, and a copy is not atomic:
half of a file may well be a device with fewer tags. So a new or changed file is read once it stood still for one look.
"""

import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.core.device_file import DEVICE_FILE_MAX_BYTES, DeviceFile, check_size, parse_device_file
from penstock.core.errors import ConfigError
from penstock.core.times import NS_PER_S

POLL_S = 1.0
Stamp = tuple[int, int, int, int]
"""What changes when a file does: time of content, time of attributes, size, inode."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Carry one look's outcome: devices to start anew, devices to stop, and every broken file's message."""

    started: tuple[DeviceFile, ...]
    stopped: tuple[str, ...]
    errors: Mapping[str, str]


@dataclass(slots=True)
class _Entry:
    """Hold what is known of one file: as it was seen, as it was read, its last good version and what is wrong."""

    seen: Stamp | None = None
    read: Stamp | None = None
    good: DeviceFile | None = None
    error: str | None = None


@dataclass(slots=True)
class DeviceFolder:
    """Remember what the folder held; `look` says what is different now."""

    path: Path
    environ: Mapping[str, str]
    _entries: dict[str, _Entry] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    """Device name → file that has it."""
    _running: dict[str, DeviceFile] = field(default_factory=dict)
    _looked: bool = False

    def look(self) -> Changes:
        """Read what changed and stands still since the last look; no error is raised for what stands in a file.

        The first look takes at once what is older than POLL_S, so that a start does not wait.
        """
        found = self._files()
        self._entries = {name: self._entries.get(name, _Entry()) for name in found}
        for name, path in found.items():
            self._read(name, path, self._entries[name])
        self._looked = True
        errors = {name: entry.error for name, entry in self._entries.items() if entry.error is not None}
        wanted = self._wanted(errors)
        started = tuple(device for name, device in wanted.items() if self._is_new(name, device))
        stopped = tuple(name for name in self._running if name not in wanted)
        self._running = wanted
        return Changes(started, stopped, errors)

    def _files(self) -> dict[str, Path]:
        try:
            paths = [*self.path.glob("*.yaml"), *self.path.glob("*.yml")]
        except OSError:
            return {}
        return {path.name: path for path in sorted(paths) if not path.name.startswith(".")}

    def _read(self, name: str, path: Path, entry: _Entry) -> None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            before, entry.seen = entry.seen, stamp
            aged = not self._looked and time.time_ns() - status.st_mtime_ns > POLL_S * NS_PER_S
            if entry.read == stamp or (before != stamp and not aged):
                return
            if not stat.S_ISREG(status.st_mode):
                message = "not a regular file"
                raise OSError(message)
            octets = path.read_bytes() if status.st_size <= DEVICE_FILE_MAX_BYTES else b""
        except OSError as error:
            entry.read = None
            gone = isinstance(error, FileNotFoundError) and not path.is_symlink()
            entry.error = None if gone else f"{name}: cannot be read: {error}"
            return
        entry.read = stamp
        try:
            check_size(status.st_size, file=name)
            entry.good = parse_device_file(octets.decode("utf-8"), file=name, environ=self.environ)
            entry.error = None
            return
        except ConfigError as error:
            entry.error = _all_messages(error)
        except UnicodeDecodeError as error:
            entry.error = f"{name}: cannot be read: {error}"
        if entry.good is not None and self._owners.get(entry.good.device) != name:
            entry.good = None  # only a version that had its name runs on

    def _wanted(self, errors: dict[str, str]) -> dict[str, DeviceFile]:
        """Give each enabled device; the file that had a name before keeps it, another one is put into `errors`."""
        good = {name: entry.good for name, entry in self._entries.items() if entry.good is not None}
        owners = {device: name for device, name in self._owners.items() if name in good and good[name].device == device}
        wanted: dict[str, DeviceFile] = {}
        for name, device in sorted(good.items()):
            owner = owners.setdefault(device.device, name)
            if owner == name:
                if device.enabled:
                    wanted[device.device] = device
            elif name not in errors:
                errors[name] = (
                    f"{name}: device: {device.device!r} is already the name in {owner}: "
                    "a device's name is unique in the plant"
                )
        self._owners = owners
        return wanted

    def _is_new(self, name: str, device: DeviceFile) -> bool:
        running = self._running.get(name)
        return running is None or running.hash != device.hash


def _all_messages(error: ConfigError) -> str:
    return "; ".join(str(one) for one in (error, *error.others))
