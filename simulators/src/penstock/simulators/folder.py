"""Following the plant folder: which device files appeared, changed or went."""

from __future__ import annotations

import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from penstock.core.device_file import (
    DEVICE_FILE_MAX_BYTES,
    DeviceFile,
    check_devices,
    check_size,
    parse_device_file,
)
from penstock.core.errors import ConfigError
from penstock.core.times import NS_PER_S

STILL_s: Final = 1.0
Stamp = tuple[int, int, int, int]
"""What changes when a file does: time of content, time of attributes, size, inode."""


@dataclass(slots=True)
class Changes:
    """Hold what a look into the folder found; a device whose new file is wrong goes on as it was."""

    added: list[DeviceFile] = field(default_factory=list)
    changed: list[DeviceFile] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


@dataclass(slots=True)
class _Entry:
    """Hold what is known of one file: as it was seen, as it was read, its last good version and what is wrong."""

    seen: Stamp | None = None
    read: Stamp | None = None
    good: DeviceFile | None = None
    error: ConfigError | None = None


class PlantFolder:
    """Read devices/*.yaml again and again; `errors` names what is wrong at present, per file."""

    def __init__(self, plant: Path, environ: Mapping[str, str]) -> None:
        self.plant = plant
        self._devices = plant / "devices"
        self._environ = environ
        self._entries: dict[Path, _Entry] = {}
        self._owners: dict[str, Path] = {}
        self._known: dict[str, str] = {}
        self._looked = False
        self.errors: dict[str, ConfigError] = {}

    def look(self, *, settled: bool = False) -> Changes:
        """Compare the folder with what was seen before. Only enabled devices with `simulate` or signals count.

        A new or changed file is read once it stood still for one look, since half a copy may be a valid device; the
        first look takes at once what is older than STILL_s. `settled`: nobody writes there, take all as it is.
        """
        paths = sorted(path for path in self._devices.glob("*.y*ml") if not path.name.startswith("."))
        self._entries = {path: self._entries.get(path, _Entry()) for path in paths}
        for path, entry in self._entries.items():
            self._read(path, entry, settled=settled)
        self._looked = True
        return self._compare()

    def _read(self, path: Path, entry: _Entry, *, settled: bool) -> None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
            before, entry.seen = entry.seen, stamp
            aged = not self._looked and time.time_ns() - status.st_mtime_ns > STILL_s * NS_PER_S
            if entry.read == stamp or not (settled or aged or before == stamp):
                return
            if not stat.S_ISREG(status.st_mode):
                message = "not a regular file"
                raise OSError(message)
            octets = path.read_bytes() if status.st_size <= DEVICE_FILE_MAX_BYTES else b""
        except OSError as error:
            entry.read = None
            gone = isinstance(error, FileNotFoundError) and not path.is_symlink()
            entry.error = None if gone else _unreadable(path, error)
            return
        entry.read = stamp
        try:
            check_size(status.st_size, file=str(path))
            entry.good = parse_device_file(octets.decode("utf-8"), file=str(path), environ=self._environ)
            entry.error = None
            return
        except ConfigError as error:
            entry.error = error
        except UnicodeDecodeError as error:
            entry.error = _unreadable(path, error)
        if entry.good is not None and self._owners.get(entry.good.device) != path:
            entry.good = None  # only a version that had its name runs on

    def _compare(self) -> Changes:
        good = {path: entry.good for path, entry in self._entries.items() if entry.good is not None}
        owners = {name: path for name, path in self._owners.items() if path in good and good[path].device == name}
        for path, file in good.items():
            owners.setdefault(file.device, path)
        self._owners = owners
        files = sorted(good.values(), key=lambda file: owners[file.device] != Path(file.file))
        self.errors = {error.file: error for error in check_devices(files)}
        self.errors |= {str(path): entry.error for path, entry in self._entries.items() if entry.error is not None}
        owned = {name: good[path] for name, path in owners.items()}
        wanted = {name: file for name, file in owned.items() if file.enabled and is_simulated(file)}
        changes = Changes(removed=[name for name in self._known if name not in wanted])
        for name, file in sorted(wanted.items()):
            if name not in self._known:
                changes.added.append(file)
            elif self._known[name] != file.hash:
                changes.changed.append(file)
        self._known = {name: file.hash for name, file in wanted.items()}
        return changes


def _unreadable(path: Path, error: Exception) -> ConfigError:
    return ConfigError(f"cannot be read: {error}", file=str(path), line=None, key="")


def is_simulated(file: DeviceFile) -> bool:
    """Say whether the simulators make this device: it has `simulate`, or signals alone."""
    return file.simulate is not None or any(tag.signal is not None for tag in file.tags.values())


def write_whole(path: Path, text: str) -> None:
    """Write a device file at once, so that no follower reads half of it; ConfigError where that fails."""
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        message = f"cannot be written: {error.strerror}; name the folder of a running plant"
        raise ConfigError(message, file=str(path), line=None, key="") from error
