"""The book of work orders: a SQLite file of the app's own. Every step stays in it, with who took it and when."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from penstock.apps.maintenance.orders.order import (
    TEXT_MAX,
    Found,
    Label,
    Order,
    OrderError,
    State,
    Step,
    labels_of,
    stepped,
)
from penstock.core.errors import PenstockError

OPEN_MAX = 10_000
"""Orders that are not closed; more than a plant works off, so it is a loop that opens them."""
SHOWN_MAX = 500
LABELS_MAX = 10_000
VERSION = 2
"""Of the file, in its `user_version`: 1 had none, 2 knows when a machine had failed."""
_TABLES = """
CREATE TABLE IF NOT EXISTS work_order (
    number INTEGER PRIMARY KEY AUTOINCREMENT, asset TEXT NOT NULL, title TEXT NOT NULL, suspected TEXT NOT NULL,
    opened_ns INTEGER NOT NULL, opened_by TEXT NOT NULL, state TEXT NOT NULL, planned_for_ns INTEGER, found TEXT,
    part TEXT NOT NULL, note TEXT NOT NULL, changed_ns INTEGER NOT NULL, changed_by TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS step (
    number INTEGER NOT NULL REFERENCES work_order, state TEXT NOT NULL, at_ns INTEGER NOT NULL, by TEXT NOT NULL,
    planned_for_ns INTEGER, found TEXT, part TEXT NOT NULL, note TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS step_of_order ON step (number);
CREATE INDEX IF NOT EXISTS order_by_asset ON work_order (asset);
"""


_OPEN = "INSERT INTO work_order VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_SINCE = {2: ("ALTER TABLE {} ADD COLUMN failed_ns INTEGER",)}
"""Version → what makes it of the one before, for each table."""


class BookError(PenstockError):
    """Say why the file of work orders cannot be used."""


class OrderBook:
    """Keep work orders; safe to call from any thread. A step is on disk when its call returns."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / "orders.sqlite"
        path.touch(mode=0o600)
        self._lock = threading.Lock()
        self._con = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._con.execute("PRAGMA journal_mode=WAL")
        self._con.execute("PRAGMA synchronous=FULL")
        self._con.execute("PRAGMA foreign_keys=ON")
        self._prepare(path)

    def _prepare(self, path: Path) -> None:
        """Make the tables, or bring those of an older version up to this one; BookError for a newer one's."""
        (version,) = self._con.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            self._con.close()
            message = (
                f"{path} is of version {version}, this app reads up to {VERSION}: start the newer app that wrote it, "
                "or move the file away to begin a new book"
            )
            raise BookError(message)
        with self._con:
            self._con.execute("BEGIN IMMEDIATE")
            for statement in filter(str.strip, _TABLES.split(";")):
                self._con.execute(statement)
            for later in range(version or 1, VERSION):
                for statement, table in product(_SINCE[later + 1], ("work_order", "step")):
                    self._con.execute(statement.format(table))
            self._con.execute(f"PRAGMA user_version = {VERSION}")

    def open(self, asset: str, title: str, *, suspected: str, by: str, at_ns: int) -> Order:
        """Open an order; OrderError where there is no title, or where the book is full."""
        words = title.strip()[:TEXT_MAX]
        if not words:
            message = "say what is to be done"
            raise OrderError(message)
        with self._lock:
            if self._open_count() >= OPEN_MAX:
                message = f"{OPEN_MAX} orders are open: close some first"
                raise OrderError(message)
            row = (asset, words, suspected[:TEXT_MAX], at_ns, by, State.OPEN, None, None, "", "", at_ns, by, None)
            cursor = self._con.execute(_OPEN, row)
            assert cursor.lastrowid is not None
            return self._order(cursor.lastrowid)

    def take(self, number: int, step: Step) -> Order:
        """Take a step; OrderError where there is no such order, or where it does not allow the step."""
        with self._lock:
            after, note = stepped(self._order(number), step), step.note.strip()[:TEXT_MAX]
            with self._con:
                self._con.execute("BEGIN IMMEDIATE")
                self._con.execute(
                    "INSERT INTO step VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        number,
                        step.to,
                        step.at_ns,
                        step.by,
                        step.planned_for_ns,
                        step.found,
                        after.part,
                        note,
                        step.failed_ns,
                    ),
                )
                self._con.execute(
                    "UPDATE work_order SET state = ?, planned_for_ns = ?, found = ?, part = ?, note = ?, "
                    "changed_ns = ?, changed_by = ?, failed_ns = ? WHERE number = ?",
                    (*_changing(after), number),
                )
            return after

    def orders(self, *, asset: str | None = None, closed: bool = True, limit: int = SHOWN_MAX) -> list[Order]:
        """Give orders, the newest first; `closed` says whether the closed ones too."""
        with self._lock:
            rows = self._con.execute(
                "SELECT * FROM work_order WHERE (?1 IS NULL OR asset = ?1) AND (?2 OR state NOT IN (?3, ?4)) "
                "ORDER BY number DESC LIMIT ?5",
                (asset, closed, State.DONE, State.DISMISSED, limit),
            ).fetchall()
        return [_order_of(row) for row in rows]

    def open_by_asset(self) -> dict[str, Order]:
        """Give the newest order of each asset that has one which is not closed."""
        return {order.asset: order for order in reversed(self.orders(closed=False, limit=OPEN_MAX))}

    def labels(self, *, asset: str | None = None) -> list[Label]:
        """Give what was found where somebody looked, oldest first: of the newest `LABELS_MAX` orders."""
        return labels_of(self.orders(asset=asset, limit=LABELS_MAX))

    def history(self, number: int) -> list[Step]:
        """Give the steps of an order, oldest first."""
        with self._lock:
            rows = self._con.execute("SELECT * FROM step WHERE number = ? ORDER BY rowid", (number,)).fetchall()
        return [
            Step(State(state), at_ns, by, planned_for_ns, Found(found) if found else None, part, note, failed_ns)
            for _, state, at_ns, by, planned_for_ns, found, part, note, failed_ns in rows
        ]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._con.close()

    def _open_count(self) -> int:
        question = "SELECT count(*) FROM work_order WHERE state NOT IN (?, ?)"
        (count,) = self._con.execute(question, (State.DONE, State.DISMISSED)).fetchone()
        return int(count)

    def _order(self, number: int) -> Order:
        row = self._con.execute("SELECT * FROM work_order WHERE number = ?", (number,)).fetchone()
        if row is None:
            message = f"there is no work order {number}"
            raise OrderError(message)
        return _order_of(row)


def _changing(order: Order) -> tuple[object, ...]:
    """Give what a step may change, in the order of the columns."""
    kept = (order.state, order.planned_for_ns, order.found, order.part, order.note)
    return (*kept, order.changed_ns, order.changed_by, order.failed_ns)


def _order_of(row: tuple[Any, ...]) -> Order:
    number, asset, title, suspected, opened_ns, opened_by, state, planned_for_ns, found, *rest = row
    part, note, changed_ns, changed_by, failed_ns = rest
    known = Found(found) if found else None
    order = Order(number, asset, title, suspected, opened_ns, opened_by, State(state), planned_for_ns, known)
    return replace(order, part=part, note=note, changed_ns=changed_ns, changed_by=changed_by, failed_ns=failed_ns)
