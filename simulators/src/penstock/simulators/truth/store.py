"""The truth store: events and states in one SQLite file, mode 0600 in a folder of mode 0700. Threads may call it.

Retention: states older than `keep_ns` go, and the oldest beyond STATES_MAX; events stay, up to EVENTS_MAX. A state with
its indexes is some 500 bytes: STATES_MAX are about 2.5 GB, at one every 10 s 19 days of thirty machines.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from penstock.core.errors import PenstockError
from penstock.core.times import format_rfc3339_ns
from penstock.simulators.truth.records import Action, Cause, FaultTruth, Told, TruthEvent, TruthState

log = logging.getLogger(__name__)
VERSION: Final = 1
STATES_MAX: Final = 5_000_000
EVENTS_MAX: Final = 1_000_000
PRUNE_EVERY: Final = 1000
"""Writes between two looks for what is too old."""
PAGE_MAX: Final = 10_000
Item = dict[str, Any]
Page = tuple[list[Item], str | None]
"""Items and the cursor of the next page, None at the end."""

_SCHEMA: Final = """
BEGIN;
CREATE TABLE events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, device TEXT NOT NULL, asset TEXT NOT NULL,
  action TEXT NOT NULL, fault TEXT NOT NULL, kind TEXT NOT NULL, component TEXT NOT NULL, severity REAL NOT NULL,
  cause TEXT NOT NULL, detail TEXT NOT NULL);
CREATE INDEX events_by_time ON events (time_ns);
CREATE INDEX events_by_device ON events (device, time_ns);
CREATE TABLE states (
  id INTEGER PRIMARY KEY AUTOINCREMENT, time_ns INTEGER NOT NULL, device TEXT NOT NULL, asset TEXT NOT NULL,
  machine INTEGER NOT NULL, failed TEXT NOT NULL, rul_s REAL, states TEXT NOT NULL, faults TEXT NOT NULL);
CREATE INDEX states_by_time ON states (time_ns);
CREATE INDEX states_by_device ON states (device, time_ns);
PRAGMA user_version = 1;
COMMIT;
"""
_EVENTS: Final = """
SELECT id, time_ns, device, asset, action, fault, kind, component, severity, cause, detail FROM events
WHERE (:device = '' OR device = :device) AND time_ns >= :start AND time_ns < :end AND (time_ns, id) > (:time, :id)
ORDER BY time_ns, id LIMIT :limit
"""
_STATES: Final = """
SELECT s.id, s.time_ns, s.device, s.asset, s.failed, s.rul_s, s.states, s.faults, f.time_ns, f.fault, f.component
FROM states s LEFT JOIN events f ON f.id = (
  SELECT e.id FROM events e WHERE e.device = s.device AND e.time_ns >= s.time_ns AND e.action = 'failed'
  AND e.kind = 'machine' ORDER BY e.time_ns, e.id LIMIT 1)
  AND NOT EXISTS (
    SELECT 1 FROM events r WHERE r.device = f.device AND r.fault = f.fault AND r.action IN ('repaired', 'cleared')
    AND r.time_ns >= s.time_ns AND r.time_ns < f.time_ns)
WHERE (:device = '' OR s.device = :device) AND s.time_ns >= :start AND s.time_ns < :end
AND (s.time_ns, s.id) > (:time, :id)
ORDER BY s.time_ns, s.id LIMIT :limit
"""
_LAST_EVENTS: Final = """
SELECT time_ns, device, asset, action, fault, kind, component, severity, cause, detail FROM events
WHERE :device = '' OR device = :device ORDER BY time_ns DESC, id DESC LIMIT :limit
"""
_STATE_AT: Final = """
SELECT time_ns, device, asset, machine, failed, states, faults FROM states
WHERE device = :device AND time_ns <= :time ORDER BY time_ns DESC, id DESC LIMIT 1
"""
_THINNED: Final = """
SELECT time_ns, device, asset, machine, failed, states, faults FROM (
  SELECT *, row_number() OVER (ORDER BY time_ns, id) AS n, count(*) OVER () AS total FROM states
  WHERE device = :device AND time_ns >= :start AND time_ns <= :end)
WHERE n % max(1, total / :points) = 0 OR n = 1 OR n = total ORDER BY time_ns, n
"""
_DEVICES: Final = """
SELECT a.device, n.asset, n.machine, a.first, a.last, a.states, n.faults
FROM (SELECT device, min(time_ns) AS first, max(time_ns) AS last, count(*) AS states, max(id) AS newest
  FROM states GROUP BY device) a JOIN states n ON n.id = a.newest
ORDER BY a.device
"""
_NEWEST: Final = """
SELECT time_ns, device, asset, machine, failed, states, faults FROM states
WHERE id IN (SELECT max(id) FROM states GROUP BY device)
"""
BEGIN_ns: Final = -(2**63)
END_ns: Final = 2**63 - 1


class TruthStore:
    """Keep the truth durably; a batch run gives no `keep_ns`, its store is bounded by its rows alone."""

    def __init__(
        self, path: Path, *, keep_ns: int | None = None, states_max: int = STATES_MAX, events_max: int = EVENTS_MAX
    ) -> None:
        self.path = path
        self._keep_ns, self._states_max, self._events_max = keep_ns, states_max, events_max
        self._lock = threading.Lock()
        self._writes = 0
        self._open = True
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's own files beside it take its mode
        path.chmod(0o600)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=FULL")
            self._make()
        except (sqlite3.Error, PenstockError):
            self._db.close()
            raise
        self._asking = threading.Lock()
        self._asked = sqlite3.connect(path, isolation_level=None, check_same_thread=False)  # reads beside a write

    def _make(self) -> None:
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            self._db.executescript(_SCHEMA)
        elif version != VERSION:
            message = f"{self.path}: a truth store of version {version}; this one reads version {VERSION}: move it away"
            raise PenstockError(message)

    def write(self, told: Told) -> None:
        """Store records in one transaction, synced."""
        with self._lock, self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT INTO events (time_ns, device, asset, action, fault, kind, component, severity, cause, detail)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_event_row(event) for event in told.events],
            )
            self._db.executemany(
                "INSERT INTO states (time_ns, device, asset, machine, failed, rul_s, states, faults)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [_state_row(state) for state in told.states],
            )
            self._writes += 1
            if self._writes % PRUNE_EVERY == 1:
                self._prune()

    def _prune(self) -> None:
        """Let go of what is beyond retention, counted from the newest state."""
        if self._keep_ns is not None:
            (newest,) = self._db.execute("SELECT max(time_ns) FROM states").fetchone()
            if newest is not None:
                self._db.execute("DELETE FROM states WHERE time_ns < ?", (newest - self._keep_ns,))
        self._db.execute("DELETE FROM states WHERE id <= (SELECT max(id) FROM states) - ?", (self._states_max,))
        self._db.execute("DELETE FROM events WHERE id <= (SELECT max(id) FROM events) - ?", (self._events_max,))

    def newest(self) -> dict[str, TruthState]:
        """Give the newest state of each device."""
        with self._asking:
            rows = self._asked.execute(_NEWEST).fetchall()
        return {row[1]: _state(row) for row in rows}

    def state_at(self, device: str, time_ns: int) -> TruthState | None:
        """Give a device as it was noted last at or before a time."""
        with self._asking:
            row = self._asked.execute(_STATE_AT, {"device": device, "time": time_ns}).fetchone()
        return None if row is None else _state(row)

    def thinned(self, device: str, *, start_ns: int, end_ns: int, points: int) -> list[TruthState]:
        """Give a device's states with start <= time <= end in the order of time; of many each so-manyth."""
        asked = {"device": device, "start": start_ns, "end": end_ns, "points": points}
        with self._asking:
            rows = self._asked.execute(_THINNED, asked).fetchall()
        return [_state(row) for row in rows]

    def last_events(self, *, device: str = "", limit: int = 1000) -> list[TruthEvent]:
        """Give the newest events, of one device or of all, in the order of time."""
        with self._asking:
            rows = self._asked.execute(_LAST_EVENTS, {"device": device, "limit": limit}).fetchall()
        return [_event(row) for row in reversed(rows)]

    def devices(self) -> list[Item]:
        """Give each device: its asset, whether it can fail, the span it was looked at, its faults at the last look."""
        with self._asking:
            rows = self._asked.execute(_DEVICES).fetchall()
        return [
            {
                "device": device,
                "asset": asset,
                "machine": bool(machine),
                "first": _text(first),
                "last": _text(last),
                "states": states,
                "faults": json.loads(faults),
            }
            for device, asset, machine, first, last, states, faults in rows
        ]

    def events(
        self, *, device: str = "", start_ns: int = BEGIN_ns, end_ns: int = END_ns, limit: int = 1000, cursor: str = ""
    ) -> Page:
        """Give events with start <= time < end in the order of time."""
        rows = self._ask(_EVENTS, device=device, start=start_ns, end=end_ns, limit=limit, cursor=cursor)
        return [_event_item(row) for row in rows[:limit]], _next(rows, limit)

    def states(
        self, *, device: str = "", start_ns: int = BEGIN_ns, end_ns: int = END_ns, limit: int = 1000, cursor: str = ""
    ) -> Page:
        """Give states likewise, each with the failure that in hindsight ended the life of what it describes."""
        rows = self._ask(_STATES, device=device, start=start_ns, end=end_ns, limit=limit, cursor=cursor)
        return [_state_item(row) for row in rows[:limit]], _next(rows, limit)

    def _ask(self, question: str, *, cursor: str, limit: int, **asked: Any) -> list[tuple[Any, ...]]:
        time_ns, number = parse_cursor(cursor)
        bound = {**asked, "time": time_ns, "id": number, "limit": limit + 1}
        with self._asking:
            return self._asked.execute(question, bound).fetchall()

    def copy_to(self, path: Path) -> None:
        """Write a copy that another process may read at leisure, mode 0600, replaced whole."""
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        copy = sqlite3.connect(part)
        with self._lock:
            self._db.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        copy.close()
        part.replace(path)

    def close(self) -> None:
        """Close the file; its log is folded into it. Safe to call again."""
        with self._lock, self._asking:
            if not self._open:
                return
            self._open = False
            self._asked.close()
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._db.close()


def open_store(path: Path, *, keep_ns: int) -> TruthStore:
    """Open the store of running simulators; one that is no database is set aside: machines go on without their past."""
    try:
        return TruthStore(path, keep_ns=keep_ns)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        aside = path.with_suffix(".broken")
        log.error("%s: %s; set aside as %s, a new one is begun", path, error, aside)
        path.replace(aside)
        for tail in ("-wal", "-shm"):
            path.with_name(path.name + tail).unlink(missing_ok=True)
        return TruthStore(path, keep_ns=keep_ns)


def parse_cursor(cursor: str) -> tuple[int, int]:
    """Read a cursor, `TIME.NUMBER`; ValueError for what is none."""
    if not cursor:
        return BEGIN_ns, 0
    parts = cursor.partition(".")
    time_ns, number = int(parts[0]), int(parts[2])
    if not (BEGIN_ns <= time_ns <= END_ns and 0 <= number <= END_ns):
        message = f"no cursor: {cursor[:64]!r}"
        raise ValueError(message)
    return time_ns, number


def _next(rows: Sequence[tuple[Any, ...]], limit: int) -> str | None:
    return f"{rows[limit - 1][1]}.{rows[limit - 1][0]}" if len(rows) > limit else None


def _event_row(event: TruthEvent) -> tuple[Any, ...]:
    one = event
    what = (one.time_ns, one.device, one.asset, one.action, one.fault, one.kind, one.component, one.severity)
    return (*what, one.cause, json.dumps(one.detail))


def _state_row(state: TruthState) -> tuple[Any, ...]:
    faults = json.dumps([asdict(one) for one in state.faults])
    what = (state.time_ns, state.device, state.asset, state.machine, state.failed, state.rul_s)
    return (*what, json.dumps(state.states), faults)


def _state(row: tuple[Any, ...]) -> TruthState:
    time_ns, device, asset, machine, failed, states, faults = row
    told = _faults(json.loads(faults))
    return TruthState(time_ns, device, asset, failed, json.loads(states), told, machine=bool(machine))


def _event(row: tuple[Any, ...]) -> TruthEvent:
    time_ns, device, asset, action, fault, kind, component, severity, cause, detail = row
    what = (time_ns, device, asset, Action(action), fault, kind, component, severity, Cause(cause))
    return TruthEvent(*what, json.loads(detail))


def _faults(items: Sequence[Mapping[str, Any]]) -> tuple[FaultTruth, ...]:
    return tuple(FaultTruth(**{**item, "cause": Cause(item["cause"])}) for item in items)


def _event_item(row: tuple[Any, ...]) -> Item:
    names = ("device", "asset", "action", "fault", "kind", "component", "severity", "cause")
    return {"time": _text(row[1]), **dict(zip(names, row[2:10], strict=True)), "detail": json.loads(row[10])}


def _state_item(row: tuple[Any, ...]) -> Item:
    failure_ns = row[8]
    return {
        "time": _text(row[1]),
        "device": row[2],
        "asset": row[3],
        "failed": row[4],
        "rul_s": row[5],
        "rul_hindsight_s": None if failure_ns is None else (failure_ns - row[1]) / 1e9,
        "failure": None if failure_ns is None else {"fault": row[9], "component": row[10]},
        "states": json.loads(row[6]),
        "faults": json.loads(row[7]),
    }


def _text(time_ns: int) -> str:
    return format_rfc3339_ns(time_ns)
