"""Reads the hidden truth: through the door of running simulators, or from a truth file (SQLite).

The lab may not import the simulators: it reads what docs/reference/simulators.md says of door and file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from penstock.core.errors import PenstockError
from penstock.core.times import parse_rfc3339_ns
from penstock.lab.scoring.words import NS, TruthEvent

TIMEOUT_s: Final = 30.0
PAGE: Final = 10_000
FILE_VERSION: Final = 1
_NAMES: Final = ("device", "asset", "action", "fault", "kind", "component", "severity", "cause")
_EVENTS: Final = """
SELECT time_ns, device, asset, action, fault, kind, component, severity, cause, detail FROM events ORDER BY time_ns, id
"""
_DEVICES: Final = """
SELECT a.device, n.asset, n.machine, a.first, a.last, n.faults
FROM (SELECT device, min(time_ns) AS first, max(time_ns) AS last, max(id) AS newest FROM states GROUP BY device) a
JOIN states n ON n.id = a.newest ORDER BY a.device
"""


class TruthError(PenstockError):
    """Say why the truth cannot be read, and what to do."""


@dataclass(frozen=True, slots=True)
class Watched:
    """A device that the truth watches. `left_ns`: fault that is still there → its failure by the growth law."""

    device: str
    asset: str
    machine: bool
    first_ns: int
    last_ns: int
    left_ns: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Truth:
    """All that a score needs of the truth."""

    devices: tuple[Watched, ...]
    events: tuple[TruthEvent, ...]


def read_door(place: Path) -> Truth:
    """Read through the door that a truth.json names."""
    try:
        content = json.loads(place.read_text())
        url, token = str(content["url"]), str(content["token"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        message = f"{place}: no truth to read ({error}); start the simulators, or give --truth or --truth-file"
        raise TruthError(message) from error
    bearer = {"Authorization": f"Bearer {token}"}
    try:
        with httpx.Client(base_url=url, headers=bearer, timeout=TIMEOUT_s, trust_env=False) as client:
            devices = tuple(_watched(item) for item in _asked(client, "/truth/devices", {})["items"])
            return Truth(devices, tuple(_event(item) for item in _pages(client, "/truth/events")))
    except httpx.HTTPError as error:
        message = f"no simulators answer at {url} ({error}); their copy of the truth is read with --truth-file"
        raise TruthError(message) from error


def _pages(client: httpx.Client, path: str) -> Iterator[dict[str, Any]]:
    cursor: str | None = ""
    while cursor is not None:
        page = _asked(client, path, {"limit": str(PAGE), "cursor": cursor})
        yield from page["items"]
        cursor = page["next"]


def _asked(client: httpx.Client, path: str, params: dict[str, str]) -> dict[str, Any]:
    response = client.get(path, params=params)
    if not response.is_success:
        message = f"{client.base_url}{path}: {response.status_code}: {response.text[:200]}"
        raise TruthError(message)
    content: dict[str, Any] = response.json()
    return content


def read_file(path: Path) -> Truth:
    """Read a truth file, as `penstock sim generate --truth` and `penstock sim truth` write it."""
    if not path.is_file():
        message = f"{path}: no such truth file"
        raise TruthError(message)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            if version != FILE_VERSION:
                message = f"{path}: truth of version {version}; this lab reads version {FILE_VERSION}"
                raise TruthError(message)
            return Truth(
                tuple(_watched_row(row) for row in db.execute(_DEVICES)),
                tuple(_event_row(row) for row in db.execute(_EVENTS)),
            )
    except sqlite3.Error as error:
        message = f"{path}: no truth file: {error}"
        raise TruthError(message) from error


def _watched_row(row: tuple[Any, ...]) -> Watched:
    device, asset, machine, first_ns, last_ns, faults = row
    return Watched(device, asset, bool(machine), first_ns, last_ns, _left(json.loads(faults), last_ns))


def _watched(item: Mapping[str, Any]) -> Watched:
    first_ns, last_ns = parse_rfc3339_ns(item["first"]), parse_rfc3339_ns(item["last"])
    return Watched(item["device"], item["asset"], item["machine"], first_ns, last_ns, _left(item["faults"], last_ns))


def _left(faults: list[dict[str, Any]], last_ns: int) -> dict[str, int]:
    return {one["fault"]: last_ns + round(one["rul_s"] * NS) for one in faults if one["rul_s"] is not None}


def _event_row(row: tuple[Any, ...]) -> TruthEvent:
    said = dict(zip(("time_ns", *_NAMES), row[:9], strict=True))
    return TruthEvent(**said, rul_s=json.loads(row[9]).get("rul_s"))


def _event(item: Mapping[str, Any]) -> TruthEvent:
    said = {name: item[name] for name in _NAMES}
    return TruthEvent(parse_rfc3339_ns(item["time"]), **said, rul_s=item["detail"].get("rul_s"))
