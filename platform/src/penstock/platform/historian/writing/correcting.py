"""What a correction erases: judged by the committer before it writes, and what is newest once it is committed.

A deletion erases spans of time. A replacement erases what is stored at the very times of its samples, where that is not
the same already; neighbouring times between which nothing else is stored are one span, so that replacing a day of
samples is one erasure and not a day of them. That is exact: an erasure concerns only rows committed before it.
"""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from penstock.platform.historian.erasures import ALWAYS, NOTHING, Bools, Entries, Ints, entries
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.run import Run
from penstock.platform.historian.files.view import View
from penstock.platform.historian.ports import Erasing, LedgerRecord, RecordKind, Table
from penstock.platform.historian.repeats import column_i64, repeats
from penstock.platform.historian.writing.newest import BIRTH_FUTURE, BIRTH_NEWEST
from penstock.platform.historian.writing.rebuild import FUTURE, NEWEST

JOINED_MIN = 16
"""Replaced samples from which it is worth looking what lies between them."""
JOINED_SHARE = 4
"""Where more than so many times as many samples lie between, the replaced ones stay single erasures."""
_HOUR_NS = 3_600 * 1_000_000_000
REACHES_NS = (_HOUR_NS, 24 * _HOUR_NS, 30 * 24 * _HOUR_NS)
"""How far before an erasure the newest sample left is looked for, step by step; then everywhere."""


class Correction(NamedTuple):
    """Say what a batch erases, what is told of it in the ledger, and which of its own rows are stored."""

    erased: Entries
    records: tuple[LedgerRecord, ...]
    kept: Bools

    @property
    def samples(self) -> int:
        """Give how many visible samples it hides."""
        return sum(record.count for record in self.records)


def deletion(engine: Engine, order: Erasing, position: int, *, made_ns: int) -> Correction:
    """Judge a deletion; of tags without a visible sample in the span nothing is erased.

    Where retention has left summaries of the span, these may tell of such a tag.
    """
    with engine.view() as view:
        counts = _count(engine, view, order)
        may_be_told = any(each.holds_time(order.start_ns, order.end_ns) for each in view.kept)
    tags = np.array(sorted(tag for tag, count in counts.items() if count or may_be_told), np.int64)
    start, end = np.full(len(tags), order.start_ns), np.full(len(tags), order.end_ns)
    records = tuple(
        _record(tag, order.start_ns, order.end_ns, count=counts[tag], cause=order.reason or "deleted", how="delete")
        for tag in tags.tolist()
        if counts[tag]
    )
    return Correction(entries(position, tags, start, end, made_ns=made_ns), records, np.zeros(0, np.bool_))


def _count(engine: Engine, view: View, order: Erasing) -> dict[int, int]:
    """Count the visible samples of a span; a run that lies within it tells its number without being read."""
    counts = dict.fromkeys(order.tags, 0)
    start_ns, end_ns = order.start_ns, order.end_ns
    for source in view.sources:
        unread = []
        for tag in counts:
            span = source.span(tag)
            if span is None or not view.shows(source, (tag,), start_ns, end_ns):
                continue
            whole = start_ns <= span[0] and span[1] < end_ns and not view.touched(source, (tag,), *ALWAYS)
            if whole and isinstance(source, Run):
                counts[tag] += source.tags.rows_of(tag)
            else:
                unread.append(tag)
        if unread:
            select = (
                "SELECT tag, count(*) FROM $G.sample "
                "WHERE tag IN (SELECT unnest($tags)) AND time >= $start AND time < $end GROUP BY tag"
            )
            sql = view.visible([source], select, unread, start_ns, end_ns)
            for tag, count in engine.rows(sql, {"tags": unread, "start": start_ns, "end": end_ns}):
                counts[tag] += count
    return counts


def replacement(engine: Engine, rows: Table, stored: Table, position: int, *, made_ns: int) -> Correction:
    """Judge a batch whose `rows` take the place of those `stored` at the same times, both beginning with ROWS' columns.

    Where a time has just the samples that the batch brings, nothing is erased and nothing stored again.
    """
    told = rows.select(stored.column_names)
    inner = repeats(told)
    equal = repeats(pa.concat_tables([stored, told]))[stored.num_rows :]
    both = [np.concatenate([column_i64(stored, name), column_i64(told, name)]) for name in ("tag", "time")]
    tag, time, ids = _keys(*both)
    before, mine = ids[: stored.num_rows], ids[stored.num_rows :]
    were = np.bincount(before, minlength=len(tag))
    come = np.bincount(mine[~inner], minlength=len(tag))
    alike = np.bincount(mine[~inner & equal], minlength=len(tag))
    same = (were == come) & (alike == come)
    gone = np.flatnonzero((were > 0) & ~same)
    erased, records = NOTHING, []
    if len(gone):
        start, end = time[gone], time[gone] + 1
        of_tag, start, end = _joined(engine, tag[gone], start, end)
        erased = entries(position, of_tag, start, end, made_ns=made_ns)
        for each in np.unique(tag[gone]).tolist():
            at = gone[tag[gone] == each]
            low, high = int(time[at].min()), int(time[at].max()) + 1
            records.append(_record(each, low, high, count=int(were[at].sum()), cause="replaced", how="replace"))
    return Correction(erased, tuple(records), ~inner & ~same[mine])


def _keys(tag: Ints, time: Ints) -> tuple[Ints, Ints, Ints]:
    """Give the different (tag, time) in order, and for each row which of them it has."""
    order = np.lexsort((time, tag))
    new = np.ones(len(order), np.bool_)
    new[1:] = (tag[order][1:] != tag[order][:-1]) | (time[order][1:] != time[order][:-1])
    ids = np.empty(len(order), np.int64)
    ids[order] = np.cumsum(new) - 1
    return tag[order][new], time[order][new], ids


def _joined(engine: Engine, tag: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
    """Join erasures of single times between which the tag has no other visible sample."""
    if len(tag) < JOINED_MIN:
        return tag, start, end
    low, high, limit = int(start.min()), int(end.max()), JOINED_SHARE * len(tag)
    tags = np.unique(tag)
    select = (
        "SELECT tag, time FROM $G.sample "
        "WHERE tag IN (SELECT unnest($tags)) AND time >= $low AND time < $high LIMIT $limit"
    )
    with engine.view() as view:
        sql = f"SELECT * FROM ({view.samples(select, tags, low, high)}) LIMIT $limit"
        found = engine.query(sql, {"tags": tags.tolist(), "low": low, "high": high, "limit": limit + 1})
    if found.num_rows > limit:
        return tag, start, end
    every, at, ids = _keys(
        np.concatenate([tag, column_i64(found, "tag")]), np.concatenate([start, column_i64(found, "time")])
    )
    gone = np.zeros(len(every), np.bool_)
    gone[ids[: len(tag)]] = True
    goes_on = gone[1:] & gone[:-1] & (every[1:] == every[:-1])
    first = np.flatnonzero(gone & ~np.concatenate([[False], goes_on]))
    last = np.flatnonzero(gone & ~np.concatenate([goes_on, [False]]))
    return every[first], at[first], at[last] + 1


def _record(tag: int, from_ns: int, to_ns: int, *, count: int, cause: str, how: str) -> LedgerRecord:
    return LedgerRecord(RecordKind.ERASURE, tag, cause, from_ns, to_ns, count, excerpt=how)


def erased_by(engine: Engine, position: int) -> int:
    """Give how many samples the commit of a position erased."""
    select = f"SELECT sum(count)::BIGINT FROM $G.record WHERE position = $p AND kind = '{RecordKind.ERASURE.value}'"
    found = engine.answer(
        lambda view: view.over(select, lambda source: source.extent.holds_positions(position, position)),
        {"p": position},
    )
    return sum(count or 0 for (count,) in found)


def newest_left(engine: Engine, at_ns: Mapping[int, int], *, skew_ns: int) -> tuple[Table, Table]:
    """Find the newest visible samples of tags whose former ones, at the times `at_ns`, were erased, and future spans.

    Give tables of BIRTH_NEWEST and BIRTH_FUTURE.
    """
    newest, future = [BIRTH_NEWEST.empty_table()], [BIRTH_FUTURE.empty_table()]
    for tag, at in at_ns.items():
        with engine.view() as view:
            newest.append(_newest_of(engine, view, tag, at, skew_ns=skew_ns))
            low = newest[-1]["time"][0].as_py() if newest[-1].num_rows else ALWAYS[0]
            sql = view.samples(_of_tags(FUTURE), (tag,), low, ALWAYS[1])
            parts = engine.query(sql, {"tags": [tag], "low": low, "skew": skew_ns})
            future.append(parts.cast(BIRTH_FUTURE))
    in_order = pa.concat_tables(newest).sort_by([("position", "ascending"), ("row", "ascending")])
    return in_order, pa.concat_tables(future)


def _newest_of(engine: Engine, view: View, tag: int, at_ns: int, *, skew_ns: int) -> Table:
    """Look before the erasure, in steps: what is left is seldom far away."""
    steps = view.erasures.steps(tag)
    hiding = None if steps is None else steps.between(at_ns, at_ns + 1)
    begins = int(hiding.start[0]) if hiding is not None and len(hiding.start) else at_ns
    reaches = [begins - reach for reach in REACHES_NS if begins - reach > ALWAYS[0]]
    for low in [*reaches, ALWAYS[0]]:
        sql = view.samples(_of_tags(NEWEST), (tag,), low, ALWAYS[1])
        found: Table = engine.query(sql, {"tags": [tag], "low": low, "skew": skew_ns}).cast(BIRTH_NEWEST)
        if found.num_rows:
            return found
    return BIRTH_NEWEST.empty_table()


def _of_tags(select: str) -> str:
    return select.replace("WHERE ", "WHERE s.tag IN (SELECT unnest($tags)) AND s.time >= $low AND ")
