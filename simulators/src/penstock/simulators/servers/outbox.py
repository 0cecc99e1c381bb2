"""The outbox of the MQTT devices: messages stay in it until the broker has acknowledged them, over restarts too."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MESSAGES_MAX: Final = 200_000
"""About an hour and a half of the demo plant's MQTT messages with the broker away; the oldest go first, counted."""
IN_MEMORY: Final = Path(":memory:")
"""The place of an outbox that goes with its process."""


@dataclass(frozen=True, slots=True)
class Message:
    """Hold one message, and which values of the ledger (device, first n, last n) it carries; first 0: none."""

    topic: str
    payload: bytes
    device: str = ""
    first: int = 0
    last: int = 0


class Outbox:
    """Keep messages in order in SQLite; used from one thread. A power cut may take the newest, a kill takes nothing."""

    def __init__(self, path: Path, messages_max: int = MESSAGES_MAX) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._max = messages_max
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL,"
            " payload BLOB NOT NULL, device TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL)"
        )
        self._of = Counter(dict(self._db.execute("SELECT device, count(*) FROM outbox GROUP BY device").fetchall()))
        self._size = self._of.total()
        self.dropped = 0

    def __len__(self) -> int:
        return self._size

    def of(self, device: str) -> int:
        """Give the number of a device's messages."""
        return self._of[device]

    def add(self, messages: Sequence[Message]) -> list[Message]:
        """Keep messages; give those oldest ones that had to go because the outbox is full."""
        out: list[Message] = []
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO outbox (topic, payload, device, first, last) VALUES (?, ?, ?, ?, ?)",
            [(m.topic, m.payload, m.device, m.first, m.last) for m in messages],
        )
        self._size += len(messages)
        self._of.update(m.device for m in messages)
        if self._size > self._max:
            out = self._drop(self._size - self._max)
        self._db.execute("COMMIT")
        return out

    def _drop(self, n: int) -> list[Message]:
        rows = self._db.execute(
            "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT ?)"
            " RETURNING topic, payload, device, first, last",
            (n,),
        ).fetchall()
        self._size -= len(rows)
        self._of.subtract(row[2] for row in rows)
        self.dropped += len(rows)
        return [Message(*row) for row in rows]

    def after(self, message_id: int, n: int) -> list[tuple[int, Message]]:
        """Give up to n messages with an id above `message_id`, oldest first."""
        rows = self._db.execute(
            "SELECT id, topic, payload, device, first, last FROM outbox WHERE id > ? ORDER BY id LIMIT ?",
            (message_id, n),
        )
        return [(row[0], Message(*row[1:])) for row in rows]

    def done(self, ids: Iterable[int]) -> None:
        """Forget messages that the broker has acknowledged."""
        self._db.execute("BEGIN")
        for message_id in ids:
            rows = self._db.execute("DELETE FROM outbox WHERE id = ? RETURNING device", (message_id,)).fetchall()
            self._size -= len(rows)
            self._of.subtract(row[0] for row in rows)
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._db.close()
