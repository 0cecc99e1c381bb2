"""At start: what memory holds is read back from the last generation, from its birth and what came since.

Where the last generation's file is gone, the sealed runs tell what they know.
"""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

import numpy as np

from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.view import Source, over
from penstock.platform.historian.repeats import column_i64
from penstock.platform.historian.writing.newest import BIRTH_NEWEST, Newest
from penstock.platform.historian.writing.writers import Writers

_ROWS = 's.tag, s.time, s.status, s.vf, s.vi, s.vb, s.vs, s.position, s."row", l.arrival_gateway, l.arrival_platform'
_NOT_AHEAD = "FROM $G.sample s JOIN $G.ledger l USING (position) WHERE s.time <= l.arrival_platform + $skew"
NEWEST = (
    f"SELECT {_ROWS} {_NOT_AHEAD} AND (s.tag, s.time) IN (SELECT (s.tag, max(s.time)) {_NOT_AHEAD} GROUP BY s.tag) "
    'QUALIFY row_number() OVER (PARTITION BY s.tag ORDER BY s.position DESC, s."row" DESC) = 1'
)
"""The newest time of each tag first: ordering all rows of a full generation took a second."""
FUTURE = (
    "SELECT s.tag, min(s.time) AS low, max(s.time) AS high FROM $G.sample s JOIN $G.ledger l USING (position) "
    "WHERE s.time > l.arrival_platform + $skew GROUP BY s.tag"
)


def rebuild(engine: Engine, skew_ns: int) -> tuple[Newest, Writers, int]:
    """Give the newest samples, the writers' watermarks and the head; a newest one that is erased stays for a while.

    Newest.hidden tells which; correcting.newest_left finds what is left.
    """
    generation = engine.generations[-1]
    name = generation.name
    newest, writers = Newest(), Writers()
    with engine.view() as view:
        _take_newest(engine, newest, f"SELECT * FROM {name}.birth_newest", {})
        _take_future(engine, newest, f"SELECT * FROM {name}.birth_future", {})
        _take_future(engine, newest, view.visible([generation], FUTURE), {"skew": skew_ns})
        _take_newest(engine, newest, view.visible([generation], NEWEST), {"skew": skew_ns})
    for row in engine.rows(f"SELECT * FROM {name}.birth_writer"):
        writers.restore(*row)
    _mark_seqs(engine, writers, generation)
    return newest, writers, _head(engine, name)


def rebuild_from_runs(engine: Engine, skew_ns: int) -> tuple[Newest, Writers, int]:
    """Give the same from the sealed runs alone: slower, it reads them all."""
    newest, writers = Newest(), Writers()
    head = max((each.position_max for each in engine.deleted), default=0)
    with engine.view() as view:
        for run in engine.runs:
            _take_future(engine, newest, view.visible([run], FUTURE), {"skew": skew_ns})
            _take_newest(engine, newest, view.visible([run], NEWEST), {"skew": skew_ns})
            _mark_seqs(engine, writers, run)
            head = max(head, run.extent.position_max)
    return newest, writers, head


def _mark_seqs(engine: Engine, writers: Writers, source: Source) -> None:
    select = "SELECT writer, epoch, seq FROM $G.ledger WHERE key IS NULL ORDER BY position"
    seqs = engine.rows(over([source], select))
    for writer, epoch, seq in seqs:
        writers.mark(writer, epoch, seq)


def _take_newest(engine: Engine, newest: Newest, sql: str, parameters: dict[str, object]) -> None:
    rows = engine.query(sql, parameters).cast(BIRTH_NEWEST)
    newest.take(rows, np.zeros(rows.num_rows, np.bool_))


def _take_future(engine: Engine, newest: Newest, sql: str, parameters: dict[str, object]) -> None:
    rows = engine.query(sql, parameters)
    if rows.num_rows:
        newest.take_future_spans(*(column_i64(rows, column) for column in ("tag", "low", "high")))


def _head(engine: Engine, name: str) -> int:
    parts = [
        f"SELECT max({column}) FROM {name}.{table}"
        for table, column in (("birth", "head"), ("ledger", "position"), ("quarantine", "position"))
    ]
    found = engine.rows(" UNION ALL ".join(parts))
    return max(value or 0 for (value,) in found)
