"""A folder of recordings: which devices become of it, on which common shift of time, and what is refused beforehand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.core.times import format_rfc3339_ns
from penstock.simulators.playback import PlaybackError, Played, check_past, shift_of
from penstock.simulators.recording import RecordingError, Span, read_span

SUFFIXES: Final = (".parquet", ".csv")
NAME_MAX_CHARS: Final = 63


@dataclass(frozen=True, slots=True)
class Entry:
    """Hold a recording of the folder: its path below it, its device, and what is known before it is read."""

    path: str
    device: str
    span: Span | None
    refused: str = ""
    """Why it cannot be played."""


@dataclass(frozen=True, slots=True)
class FolderPlan:
    """Hold what is to be played in this order, with what shift, and what is not."""

    entries: tuple[Entry, ...]
    refused: tuple[Entry, ...]
    shift_ns: int


def device_name_of(path: str) -> str:
    """Make a device's name of a file's path below the folder: `asset_7f3a.parquet` → `asset-7f3a`."""
    stem = re.sub(r"\.[a-z0-9]+$", "", path.lower())
    return re.sub(r"[^a-z0-9]+", "-", stem).strip("-")[:NAME_MAX_CHARS].rstrip("-")


def find_recordings(folder: Path) -> list[str]:
    """Give the recordings below a folder, sorted; other files, and what begins with a dot, are left alone."""
    found = []
    for path in folder.rglob("*"):
        below = path.relative_to(folder)
        if path.suffix in SUFFIXES and path.is_file() and not any(part.startswith(".") for part in below.parts):
            found.append(below.as_posix())
    if not found:
        message = f"{folder}: no {' and no '.join(f'*{suffix}' for suffix in SUFFIXES)} below it"
        raise PlaybackError(message)
    return sorted(found)


def name_devices(paths: Sequence[str]) -> list[Entry]:
    """Name each recording's device; those that would share a name are refused, all of them."""
    names = {path: device_name_of(path) for path in paths}
    entries = []
    for path, name in names.items():
        others = [other for other in paths if other != path and names[other] == name]
        why = ""
        if not name:
            why = "its name has neither letter nor digit to make a device's name of"
        elif others:
            why = f"{', '.join(others)} would be the same device {name}: rename one"
        entries.append(Entry(path, name or path, None, why))
    return entries


def look_at(folder: Path, entry: Entry) -> Entry:
    """Read a recording's times; one that cannot be read is refused with its reason."""
    if entry.refused:
        return entry
    try:
        return Entry(entry.path, entry.device, read_span(folder / entry.path))
    except (RecordingError, OSError) as error:
        return Entry(entry.path, entry.device, None, str(error))


def plan_folder(entries: Sequence[Entry], *, stamps: str, speed: float, now_ns: int) -> FolderPlan:
    """Choose the one shift of all that can be read, and refuse what would be stamped in the future."""
    spans = [entry.span for entry in entries if entry.span is not None]
    shift_ns = shift_of(spans, stamps=stamps, speed=speed, now_ns=now_ns)
    playable, refused = [], []
    for entry in entries:
        if entry.span is None:
            refused.append(entry)
            continue
        try:
            check_past(entry.span, shift_ns=shift_ns, speed=speed, now_ns=now_ns)
            playable.append(entry)
        except PlaybackError as error:
            refused.append(Entry(entry.path, entry.device, entry.span, str(error)))
    return FolderPlan(tuple(playable), tuple(refused), shift_ns)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Tell how a device ended: what was played, or why it was not."""

    device: str
    played: Played | None
    failure: str = ""


def folder_summary(outcomes: Sequence[Outcome], *, seconds: float) -> str:
    """Say in a line what was played in all, and which devices failed."""
    played = [outcome.played for outcome in outcomes if outcome.played is not None]
    failed = [outcome.device for outcome in outcomes if outcome.played is None]
    rows, values = sum(one.rows for one in played), sum(one.values for one in played)
    line = f"{len(played)} of {len(outcomes)} devices played: {rows} rows, {values} values in {seconds:.1f} s"
    if played:
        first, last = min(one.first_ns for one in played), max(one.last_ns for one in played)
        line += f", stamped {format_rfc3339_ns(first)} to {format_rfc3339_ns(last)}"
    return f"{line}; not played: {', '.join(failed)}" if failed else line
