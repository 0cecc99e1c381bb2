"""Compare what was found through the stack with what the same code finds offline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from penstock.lab.study import Stretch, Study, StudyError

VALUES: Final = ("score", "rul_ns", "low_ns", "high_ns")


@dataclass(frozen=True, slots=True)
class Event:
    """A change of an alarm; `part`: the channel that made most of it, None where that is not told."""

    time_ns: int
    raised: bool
    part: str | None


@dataclass(frozen=True, slots=True)
class Difference:
    """How far two findings of one asset lie apart.

    rows: judged by both; alone: by one of the two only; worst: largest relative difference of a value; alarms: changes
    of an alarm that one has and the other has not, by time and channel, or in another order.
    """

    asset: str
    rows: int
    alone: int
    worst: float
    alarms: int

    @property
    def is_none(self) -> bool:
        """Say whether they are equal: to the last digits of a float64."""
        return self.alone == 0 and self.alarms == 0 and self.worst <= 1e-9


def compare(study: Study, one: Path, other: Path) -> list[Difference]:
    """Compare what was said of watched rows; StudyError where the findings are of different assets."""
    bodies = [_body(folder) for folder in (one, other)]
    names = [set(body) for body in bodies]
    if names[0] != names[1]:
        message = f"{one} and {other} are of different assets: {sorted(names[0] ^ names[1])[:5]}"
        raise StudyError(message)
    watched = {a.name: [s for s in a.stretches if s.use == "watch"] for a in study.assets}
    return [
        _difference(name, one, other, alarms=[body[name] for body in bodies], watched=watched.get(name, []))
        for name in sorted(names[0])
    ]


def _body(folder: Path) -> dict[str, list[Event]]:
    try:
        assets: list[Any] = json.loads((folder / "findings.json").read_text())["assets"]
    except (OSError, ValueError, KeyError) as error:
        message = f"{folder}: no findings: {error!r}"
        raise StudyError(message) from error
    told = [each if isinstance(each, dict) else {"name": each} for each in assets]
    return {e["name"]: [_event(a) for a in e.get("alarms", ())] for e in told}


def _event(alarm: dict[str, Any]) -> Event:
    """Give a change of an alarm; a channel is blamed for one that is raised."""
    shares = alarm.get("shares") if alarm["raised"] else None
    return Event(alarm["time_ns"], alarm["raised"], max(shares, key=shares.__getitem__) if shares else None)


def _difference(
    name: str, one: Path, other: Path, *, alarms: list[list[Event]], watched: list[Stretch]
) -> Difference:  # fmt: skip
    tables = [pq.read_table(folder / f"{name}.parquet") for folder in (one, other)]
    columns = [c for c in VALUES if all(c in table.column_names for table in tables)]
    said = [_said(table, columns, watched) for table in tables]
    both = said[0].keys() & said[1].keys()
    worst = max((_apart(said[0][time], said[1][time]) for time in both), default=0.0)
    alone = len(said[0].keys() ^ said[1].keys())
    return Difference(name, len(both), alone, worst, _unlike(*alarms))


def _unlike(one: list[Event], other: list[Event]) -> int:
    """Count what one has and the other has not; at least 1 where they differ in order or number alone."""
    return 0 if one == other else max(1, len(set(one) ^ set(other)))


def _said(table: Any, columns: list[str], watched: list[Stretch]) -> dict[int, tuple[float, ...]]:
    """Give the values by time, of watched rows that have the first one."""
    values = [table.column(name).to_pylist() for name in columns]
    rows = zip(table.column("time").to_pylist(), zip(*values, strict=True), strict=True)
    return {
        time: row
        for time, row in rows
        if row[0] is not None and np.isfinite(row[0]) and any(s.start_ns <= time < s.end_ns for s in watched)
    }


def _apart(one: tuple[float | None, ...], other: tuple[float | None, ...]) -> float:
    """Give the largest relative difference; what is absent is open, as infinity is, and infinitely far from closed."""
    pairs = [
        (np.inf if a is None or np.isnan(a) else a, np.inf if b is None or np.isnan(b) else b)
        for a, b in zip(one, other, strict=True)
    ]
    return max(_relative(a, b) for a, b in pairs)


def _relative(a: float, b: float) -> float:
    if a == b:
        return 0.0
    larger = max(abs(a), abs(b), 1e-300)
    return abs(a - b) / larger if np.isfinite(larger) else np.inf
