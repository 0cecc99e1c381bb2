"""Following the folder of device files: what was added, changed, removed, or broken.

Polled, since a bind mount or a network file system tells nobody about changes. A file counts as changed when its
content does; a broken one leaves the device's former version running.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.core.device_file import DeviceFile, parse_device_file
from penstock.core.errors import ConfigError

DEVICE_FILE_MAX_BYTES = 4 * 1024 * 1024
"""Some 20,000 tags; a larger file is a mistake."""
POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Changes:
    """Carry one look's outcome: devices to start anew, devices to stop, and every broken file's message."""

    started: tuple[DeviceFile, ...]
    stopped: tuple[str, ...]
    errors: Mapping[str, str]


@dataclass(slots=True)
class DeviceFolder:
    """Remember what the folder held; `look` says what is different now."""

    path: Path
    environ: Mapping[str, str]
    _stamps: dict[str, tuple[int, int]] = field(default_factory=dict)
    _texts: dict[str, str] = field(default_factory=dict)
    _good: dict[str, DeviceFile] = field(default_factory=dict)
    _errors: dict[str, str] = field(default_factory=dict)
    _running: dict[str, DeviceFile] = field(default_factory=dict)

    def look(self) -> Changes:
        """Read what changed since the last look; no error is raised for what stands in a file."""
        found = self._files()
        for name in set(self._stamps) - set(found):
            self._forget(name)
        for name, path in found.items():
            self._read(name, path)
        wanted = self._wanted()
        started = tuple(device for name, device in wanted.items() if self._is_new(name, device))
        stopped = tuple(name for name in self._running if name not in wanted)
        self._running = wanted
        return Changes(started, stopped, dict(self._errors))

    def _files(self) -> dict[str, Path]:
        try:
            paths = [*self.path.glob("*.yaml"), *self.path.glob("*.yml")]
        except OSError:
            return {}
        return {path.name: path for path in sorted(paths) if not path.name.startswith(".")}

    def _forget(self, name: str) -> None:
        for known in (self._stamps, self._texts, self._good, self._errors):
            known.pop(name, None)

    def _read(self, name: str, path: Path) -> None:
        try:
            status = path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if self._stamps.get(name) == stamp:
                return
            if status.st_size > DEVICE_FILE_MAX_BYTES:
                message = f"{status.st_size} bytes, at most {DEVICE_FILE_MAX_BYTES} are read"
                raise ConfigError(message, file=name, line=None, key="")
            text = path.read_text(encoding="utf-8")
            self._stamps[name] = stamp
            if self._texts.get(name) == _digest(text):
                return
            self._texts[name] = _digest(text)
            self._good[name] = parse_device_file(text, file=name, environ=self.environ)
            self._errors.pop(name, None)
        except ConfigError as error:
            self._errors[name] = _all_messages(error)
        except (OSError, UnicodeDecodeError) as error:
            self._errors[name] = f"{name}: cannot be read: {error}"

    def _wanted(self) -> dict[str, DeviceFile]:
        wanted: dict[str, DeviceFile] = {}
        owners: dict[str, str] = {}
        for name, device in sorted(self._good.items()):
            if device.device in owners:
                self._errors[name] = (
                    f"{name}: device: {device.device!r} is already the name in {owners[device.device]}: "
                    "a device's name is unique in the plant"
                )
                self._stamps.pop(name, None)
                self._texts.pop(name, None)
                continue
            owners[device.device] = name
            if device.enabled:
                wanted[device.device] = device
        return wanted

    def _is_new(self, name: str, device: DeviceFile) -> bool:
        running = self._running.get(name)
        return running is None or running.hash != device.hash


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _all_messages(error: ConfigError) -> str:
    return "; ".join(str(one) for one in (error, *error.others))
