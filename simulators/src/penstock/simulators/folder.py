"""Following the plant folder: which device files appeared, changed or went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.core.device_file import DeviceFile, check_devices, parse_device_file
from penstock.core.errors import ConfigError


@dataclass(slots=True)
class Changes:
    """Hold what a look into the folder found; a device whose new file is wrong goes on as it was."""

    added: list[DeviceFile] = field(default_factory=list)
    changed: list[DeviceFile] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class PlantFolder:
    """Read devices/*.yaml again and again; `errors` names what is wrong at present, per file."""

    def __init__(self, plant: Path, environ: Mapping[str, str]) -> None:
        self.plant = plant
        self._devices = plant / "devices"
        self._environ = environ
        self._stamps: dict[Path, tuple[int, int, int]] = {}
        self._parsed: dict[Path, DeviceFile] = {}
        self._known: dict[str, str] = {}
        self._wrong: dict[str, ConfigError] = {}
        self.errors: dict[str, ConfigError] = {}

    def look(self) -> Changes:
        """Compare the folder with what was seen before. Only enabled devices with `simulate` or signals count."""
        paths = sorted(path for path in self._devices.glob("*.y*ml") if not path.name.startswith("."))
        for gone in set(self._stamps) - set(paths):
            del self._stamps[gone]
            self._parsed.pop(gone, None)
            self._wrong.pop(str(gone), None)
        for path in paths:
            self._read(path)
        return self._compare()

    def _read(self, path: Path) -> None:
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if self._stamps.get(path) == stamp:
                return
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        except (OSError, UnicodeDecodeError) as error:
            self._wrong[str(path)] = ConfigError(f"cannot be read: {error}", file=str(path), line=None, key="")
            return
        self._stamps[path] = stamp
        try:
            self._parsed[path] = parse_device_file(text, file=str(path), environ=self._environ)
            self._wrong.pop(str(path), None)
        except ConfigError as error:
            self._wrong[str(path)] = error

    def _compare(self) -> Changes:
        files = [self._parsed[path] for path in sorted(self._parsed)]
        self.errors = {**self._wrong, **{error.file: error for error in check_devices(files)}}
        wanted = {file.device: file for file in reversed(files) if file.enabled and is_simulated(file)}
        changes = Changes(removed=[name for name in self._known if name not in wanted])
        for name, file in sorted(wanted.items()):
            if name not in self._known:
                changes.added.append(file)
            elif self._known[name] != file.hash:
                changes.changed.append(file)
        self._known = {name: file.hash for name, file in wanted.items()}
        return changes


def is_simulated(file: DeviceFile) -> bool:
    """Say whether the simulators make this device: it has `simulate`, or signals alone."""
    return file.simulate is not None or any(tag.signal is not None for tag in file.tags.values())


def write_whole(path: Path, text: str) -> None:
    """Write a device file at once, so that no follower reads half of it."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
