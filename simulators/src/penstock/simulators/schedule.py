"""A schedule of faults: a YAML file that says what breaks when, for `penstock sim run` and `penstock sim generate`.

```yaml
version: 1
faults:
  - {device: pump-plc, fault: bearing, at: 2h, severity: 0.1, growth_per_h: 0.2, law: gamma, repair_at: 6h}
  - {device: pump-plc, fault: "drift:flow", at: 2026-11-27T10:00:00Z, clear_at: 2026-11-27T11:00:00Z}
```
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Final, Literal, Protocol

from pydantic import Field

from penstock.core.config_file import NOWHERE, FileModel, Origin, Path, combined, read_yaml, suggestion, validate
from penstock.core.device_file import DEVICE_PATTERN
from penstock.core.errors import ConfigError
from penstock.core.times import parse_duration_ns, parse_rfc3339_ns
from penstock.simulators.models.fault import FaultError, FaultRequest, Law, NotBrokenError

ENTRIES_MAX: Final = 10_000
Action = Literal["inject", "clear", "repair"]


class FaultEntry(FileModel):
    """Describe one fault of the file; times are durations after the start, or RFC 3339."""

    device: str = Field(pattern=DEVICE_PATTERN)
    fault: str = Field(min_length=1, max_length=160)
    at: str = "0s"
    severity: float = Field(default=0.2, ge=0.0, le=1.0)
    growth_per_h: float = Field(default=2.0, ge=0.0, le=3600.0)
    law: Law = Law.LINEAR
    clear_at: str | None = None
    repair_at: str | None = None


class ScheduleFile(FileModel):
    """Describe the file."""

    version: Literal[1]
    faults: list[FaultEntry] = Field(max_length=ENTRIES_MAX)


@dataclass(frozen=True, slots=True)
class Step:
    """Hold one thing to do; `error_at` is where the file says so."""

    at_ns: int
    device: str
    action: Action
    request: FaultRequest
    path: Path


class Breakable(Protocol):
    """What a schedule works on: a plant, or the runner that also notes the truth."""

    def inject(self, device: str, request: FaultRequest) -> None:
        """Start a fault; FaultError where that cannot be."""

    def clear(self, device: str, fault: str) -> None:
        """Take a fault back."""

    def repair(self, device: str, fault: str) -> None:
        """Repair it."""


class Schedule:
    """Hold what is still to be done, in the order of time."""

    def __init__(self, steps: Iterable[Step] = (), *, origin: Origin = NOWHERE) -> None:
        self._waiting = sorted(steps, key=lambda step: step.at_ns)
        self._origin = origin

    def __len__(self) -> int:
        return len(self._waiting)

    def skip_before(self, time_ns: int) -> int:
        """Leave out what lies before a time, such as the start of a process that runs again; give how many."""
        kept = [step for step in self._waiting if step.at_ns >= time_ns]
        left_out, self._waiting = len(self._waiting) - len(kept), kept
        return left_out

    def check(self, devices: Iterable[str]) -> None:
        """Raise ConfigError for a device that is none of `devices`, where all of them are known."""
        known = set(devices)
        found = [
            self._error(f"no device {step.device!r} here{suggestion(step.device, known)}", step, "device")
            for step in self._waiting
            if step.device not in known
        ]
        if found:
            raise combined(found)

    def play(self, until_ns: int, on: Breakable, *, present: Iterable[str] | None = None) -> None:
        """Do what is due at or before until_ns; what concerns a device that is not `present` waits for it.

        ConfigError with file, line and key for a fault that the device does not have; that step is then done with. A
        sensor that is to be repaired and is no longer broken, since somebody was there before, is left as it is.
        """
        here = None if present is None else set(present)
        for step in [one for one in self._waiting if one.at_ns <= until_ns]:
            if here is not None and step.device not in here:
                continue
            self._waiting.remove(step)
            try:
                _do(step, on)
            except NotBrokenError:
                continue
            except FaultError as error:
                raise self._error(error.message, step, "fault") from error

    def _error(self, message: str, step: Step, key: str) -> ConfigError:
        return self._origin.error(message, (*step.path, key))


def _do(step: Step, on: Breakable) -> None:
    match step.action:
        case "inject":
            on.inject(step.device, step.request)
        case "clear":
            on.clear(step.device, step.request.fault)
        case "repair":
            on.repair(step.device, step.request.fault)


def parse_schedule(text: str, *, file: str, start_ns: int, environ: Mapping[str, str]) -> Schedule:
    """Read a schedule whose durations count from start_ns; ConfigError with file, line and key."""
    values, origin = read_yaml(text, file=file, environ=environ)
    content = validate(ScheduleFile, values, origin)
    steps: list[Step] = []
    errors: list[ConfigError] = []
    for index, entry in enumerate(content.faults):
        try:
            steps.extend(_steps(entry, ("faults", index), start_ns))
        except _WrongTime as error:
            errors.append(origin.error(str(error), ("faults", index, error.key)))
    if errors:
        raise combined(errors)
    return Schedule(steps, origin=origin)


def read_schedule(path: FilePath, *, start_ns: int, environ: Mapping[str, str]) -> Schedule:
    """Read a schedule file; ConfigError names it, the line and the key."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot be read: {error}"
        raise ConfigError(message, file=str(path), line=None, key="") from error
    return parse_schedule(text, file=str(path), start_ns=start_ns, environ=environ)


class _WrongTime(ValueError):
    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


def _steps(entry: FaultEntry, path: Path, start_ns: int) -> Iterable[Step]:
    request = FaultRequest(entry.fault, entry.severity, entry.growth_per_h, 0.0, entry.law)
    at_ns = _time(entry.at, start_ns, "at")
    yield Step(at_ns, entry.device, "inject", request, path)
    ends: tuple[tuple[Action, str, str | None], ...] = (
        ("clear", "clear_at", entry.clear_at),
        ("repair", "repair_at", entry.repair_at),
    )
    for action, key, text in ends:
        if text is None:
            continue
        end_ns = _time(text, start_ns, key)
        if end_ns <= at_ns:
            message = f"{text} is not after `at`, {entry.at}"
            raise _WrongTime(message, key=key)
        yield Step(end_ns, entry.device, action, request, path)


def _time(text: str, start_ns: int, key: str) -> int:
    try:
        return parse_rfc3339_ns(text) if "T" in text.upper() else start_ns + parse_duration_ns(text)
    except ValueError as error:
        message = f"{error}; write a duration after the start (90m, 6h, 2d) or 2026-11-23T04:00:00Z"
        raise _WrongTime(message, key=key) from None
