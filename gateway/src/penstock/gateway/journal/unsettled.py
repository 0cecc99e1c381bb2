"""Closed gaps whose values the device may still have: kept on disk, so that a restart goes on asking."""

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

TABLE = """CREATE TABLE unsettled(
    idx INTEGER NOT NULL, from_ns INTEGER NOT NULL, to_ns INTEGER NOT NULL, after_ns INTEGER NOT NULL,
    cause TEXT NOT NULL, PRIMARY KEY(idx, from_ns)) WITHOUT ROWID;"""


class UnsettledGap(NamedTuple):
    """Name a closed gap of a tag; `to_ns` None says that it is settled. `after_ns`: the newest sample before it."""

    tag: int
    from_ns: int
    to_ns: int | None
    after_ns: int
    cause: str


def put_unsettled(db: sqlite3.Connection, gaps: Iterable[UnsettledGap]) -> None:
    """Keep or forget gaps, in their order, within the caller's transaction."""
    for gap in gaps:
        if gap.to_ns is None:
            db.execute("DELETE FROM unsettled WHERE idx=? AND from_ns=?", (gap.tag, gap.from_ns))
        else:
            db.execute("INSERT OR REPLACE INTO unsettled VALUES(?, ?, ?, ?, ?)", gap)


def unsettled_of(db: sqlite3.Connection) -> list[UnsettledGap]:
    """Give all that are kept, oldest first."""
    rows = db.execute("SELECT idx, from_ns, to_ns, after_ns, cause FROM unsettled ORDER BY from_ns, idx")
    return [UnsettledGap(*row) for row in rows]
