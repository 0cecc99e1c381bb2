"""The writing side of the historian: one group of batches, one transaction; used by the committer's thread alone."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.platform.historian.erasures import NOTHING
from penstock.platform.historian.files.counted import duplicates_of
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.generation import Generation
from penstock.platform.historian.files.group import SEQ_CONFLICT, BatchKey, Earlier, Judged, identity, judge
from penstock.platform.historian.files.proof import proof_row, proved
from penstock.platform.historian.files.tables import ledger_rows, quarantine_rows, record_rows, resolution_rows
from penstock.platform.historian.files.upkeep import BUSY_ROWS_S, SEAL_AFTER_NS, rewrite_due_ns
from penstock.platform.historian.files.view import Source, over
from penstock.platform.historian.ports import CLOCK_SKEW_MAX_NS, ROWS, STORED_ROWS, Table, Verdict, WriterBatch
from penstock.platform.historian.repeats import column_i64, repeats, twins
from penstock.platform.historian.writing.correcting import Correction, deletion, erased_by, newest_left, replacement
from penstock.platform.historian.writing.newest import BIRTH_NEWEST, Newest
from penstock.platform.historian.writing.rebuild import rebuild, rebuild_from_runs
from penstock.platform.historian.writing.tail import Tail
from penstock.platform.historian.writing.writers import Writers

QUICK_ROWS_MIN = 50_000
"""Fewer rows than that do not tell how quickly they come."""
KEY_WINDOW_NS = 24 * 3600 * 1_000_000_000
"""How long an idempotency key is remembered: longer than any client retries."""


class Store:
    """Commit groups of batches to the current generation, and keep what memory holds of them in step."""

    def __init__(self, engine: Engine, *, generation_rows: int, fold_rows: int) -> None:
        self._engine = engine
        self._generation_rows, self._fold_rows = generation_rows, fold_rows
        self._folded, self._folded_s = 0, time.monotonic()
        """So many rows of the current generation were there when its log was last folded, or tried to be; and when."""
        self.newest = Newest()
        self.writers = Writers()
        self.tail = Tail()
        self.head = 0
        self._seal_ns: int | None = None
        self.counts = {"stored": 0, "duplicates": 0, "late": 0, "future": 0, "commits": 0}
        self.counts |= {"quarantined_batches": 0, "quarantined_samples": 0, "corrections": 0, "erased": 0}

    def load(self) -> None:
        """Rebuild what memory holds from the files; makes the first generation in an empty folder."""
        if not self._engine.generations:
            self.newest, self.writers, self.head = rebuild_from_runs(self._engine, CLOCK_SKEW_MAX_NS)
            self._engine.add_generation(self.head, time.time_ns(), self._birth())
        self.newest, self.writers, self.head = rebuild(self._engine, CLOCK_SKEW_MAX_NS)
        self._engine.views.advance(self.head)
        self._correct_newest(self._engine.views.current.erasures.tags())
        self._note_erased()
        self.tail = Tail(self.head)
        self._folded, self._folded_s = self._engine.generations[-1].extent.rows, time.monotonic()

    def commit(self, batches: Sequence[WriterBatch]) -> list[Judged]:
        """Write the batches in one transaction and give their verdicts; on any exception nothing is written."""
        group = judge(batches, self.head, earlier=self._earlier)
        new = [each for each in group if each.verdict is Verdict.COMMITTED]
        written = [each for each in group if each.position]
        if not written:
            return self._told_again(group)
        correction = self._correction(new)
        rows, future = self._new_rows(new, correction)
        rows = rows.cast(STORED_ROWS)
        generation = self._engine.generations[-1]
        tables = {
            "sample": rows,
            "ledger": ledger_rows(new),
            "record": record_rows(written),
            "quarantine": quarantine_rows(written),
            "resolution": resolution_rows(new),
            "erasure": (correction.erased if correction else NOTHING).table(),
        }
        proof = proof_row(written[0].position, written[-1].position, proved(tables))
        self._write(generation, tables | {"proof": proof})
        self._follow(generation, new, written, rows, future=future, correction=correction)
        return group

    def _correction(self, new: Sequence[Judged]) -> Correction | None:
        """Judge what a batch that corrects erases; such a one is alone in its group."""
        if not any(each.batch.corrects for each in new):
            return None
        [judged] = new
        batch, at = judged.batch, judged.position
        if batch.deletes is not None:
            found = deletion(self._engine, batch.deletes, at, made_ns=batch.arrival_platform_ns)
        else:
            tag, stamp = column_i64(batch.rows, "tag"), column_i64(batch.rows, "time")
            older = self.newest.may_be_stored(tag, stamp)
            stored = self._stored_at(tag[older], stamp[older])
            found = replacement(self._engine, batch.rows, stored, at, made_ns=batch.arrival_platform_ns)
        judged.erased = found.samples
        judged.records += found.records
        return found

    def _told_again(self, group: list[Judged]) -> list[Judged]:
        for each in group:
            if each.batch.corrects and each.earlier is not None:
                each.erased = erased_by(self._engine, each.earlier.position)
        return group

    def _write(self, generation: Generation, tables: Mapping[str, Table]) -> None:
        inserts = self._engine.inserts(generation.name)
        filled = {table: rows for table, rows in tables.items() if rows.num_rows}
        for table, rows in filled.items():
            inserts.prepare(table, rows.schema)
        with self._engine.transaction():
            for table, rows in filled.items():
                inserts.insert(table, rows)

    def rotate_if_full(self) -> Generation | None:
        """Begin a new generation when the current one is full, or has held erased rows for a day; give that one."""
        full = self._engine.generations[-1]
        has_waited = self._seal_ns is not None and full.extent.arrival_max >= self._seal_ns
        if full.extent.rows < self._generation_rows and not has_waited:
            return None
        self._engine.add_generation(self.head, time.time_ns(), self._birth())
        self._note_erased()
        self._folded, self._folded_s = 0, time.monotonic()
        return full

    @property
    def is_quick(self) -> bool:
        """Say whether rows have come quickly since the log was last folded."""
        rest = self._engine.generations[-1].extent.rows - self._folded
        return rest >= QUICK_ROWS_MIN and rest > BUSY_ROWS_S * (time.monotonic() - self._folded_s)

    def fold_if_due(self) -> None:
        """Let go of the memory that rows since the last time hold; what fails is tried again after as many more.

        A full file is folded before the next one is begun, unless little is left: it waits for its seal without a log.
        """
        current = self._engine.generations[-1]
        rest = current.extent.rows - self._folded
        is_full = current.extent.rows >= self._generation_rows
        if rest >= self._fold_rows or (is_full and 2 * rest >= self._fold_rows):
            self._folded, self._folded_s = current.extent.rows, time.monotonic()
            self._engine.fold(current)

    def _note_erased(self) -> None:
        """Note from which arrival on the hot file is to be sealed for the erased rows in it."""
        self._seal_ns = rewrite_due_ns(self._engine.views.current, self._engine.generations[-1], SEAL_AFTER_NS)

    def _birth(self) -> dict[str, Table]:
        newest, future = self.newest.snapshot()
        return {"birth_newest": newest, "birth_future": future, "birth_writer": self.writers.snapshot()}

    def _new_rows(self, new: Sequence[Judged], correction: Correction | None) -> tuple[Table, NDArray[np.bool_]]:
        lengths = np.array([each.batch.rows.num_rows for each in new], np.int64)
        rows = pa.concat_tables([each.batch.rows for each in new]) if new else ROWS.empty_table()
        owner = np.repeat(np.arange(len(new)), lengths)
        first = np.repeat(np.cumsum(lengths) - lengths, lengths)
        position = np.repeat(np.array([each.position for each in new], np.int64), lengths)
        rows = rows.append_column("position", pa.array(position))
        rows = rows.append_column("row", pa.array(np.arange(len(owner), dtype=np.int64) - first))
        late = np.concatenate([each.batch.late for each in new]) if new else np.zeros(0, np.bool_)
        limit = np.array([each.batch.arrival_platform_ns + CLOCK_SKEW_MAX_NS for each in new], np.int64)
        future = column_i64(rows, "time") > np.repeat(limit, lengths)
        kept = ~self._repeated(rows) if correction is None else correction.kept
        for name, marked in (("stored", kept), ("duplicates", ~kept), ("late", late & kept), ("future", future & kept)):
            for each, count in zip(new, np.bincount(owner[marked], minlength=len(new)), strict=True):
                setattr(each, name, int(count))
        if not kept.all():
            again = (owner[~kept], column_i64(rows, "tag")[~kept], column_i64(rows, "time")[~kept])
            for place, records in duplicates_of(*again):
                new[place].records += records
            return rows.filter(pa.array(kept)), future[kept]
        return rows, future

    def _repeated(self, rows: Table) -> NDArray[np.bool_]:
        """Mark rows that equal a stored row or an earlier one of the group."""
        tag, stamp = column_i64(rows, "tag"), column_i64(rows, "time")
        older = self.newest.may_be_stored(tag, stamp)
        suspect = older | twins(tag, stamp)
        if not suspect.any():
            return suspect
        suspects = rows.select(ROWS.names).filter(pa.array(suspect))
        stored = self._stored_at(tag[older], stamp[older])
        marked = repeats(pa.concat_tables([stored, suspects]))[stored.num_rows :]
        suspect[suspect] = marked
        return suspect

    def _stored_at(self, tag: NDArray[np.int64], stamp: NDArray[np.int64]) -> Table:
        if len(tag) == 0:
            return ROWS.empty_table()
        low, high, tags = int(stamp.min()), int(stamp.max()), np.unique(tag)
        select = (
            "SELECT s.tag, s.time, s.status, s.vf, s.vi, s.vb, s.vs FROM $G.sample s "
            "SEMI JOIN wanted w ON s.tag = w.tag AND s.time = w.time WHERE s.time BETWEEN $low AND $high"
        )
        cursor = self._engine.cursor()
        cursor.register("wanted", pa.table({"tag": tag, "time": stamp}))
        try:
            with self._engine.view() as view:
                sql = view.samples(select, tags, low, high + 1)
                return self._engine.query(sql, {"low": low, "high": high}).cast(ROWS)
        finally:
            cursor.unregister("wanted")

    def _earlier(self, batches: Sequence[WriterBatch]) -> dict[BatchKey, Earlier]:
        """Look up the first commit of batches whose seq or key was seen.

        One whose ledger row retention has removed repeats what nobody can compare any more: position 0.
        """
        found: dict[BatchKey, Earlier] = {}
        seen = [each for each in batches if each.key is None and self.writers.seen(each.writer, each.epoch, each.seq)]
        keyed = [each for each in batches if each.key is not None]
        with self._engine.view() as view:
            if seen:
                asked = {(each.writer, each.epoch, each.seq) for each in seen}
                sources = [each for each in view.sources if any(each.may_hold_batch(*batch) for batch in asked)]
                retired = {identity(each): Earlier(each.crc, 0, 0, 0, None) for each in seen}
                found |= retired | self._find(seen, sources)
            if keyed:
                oldest = min(each.arrival_platform_ns for each in keyed) - KEY_WINDOW_NS
                found |= self._find(keyed, [each for each in view.sources if each.extent.arrival_max >= oldest])
        return found

    def _find(self, batches: Sequence[WriterBatch], sources: Sequence[Source]) -> dict[BatchKey, Earlier]:
        if not sources:
            return {}
        select = (
            "SELECT l.writer, l.epoch, l.seq, l.key, l.crc, l.position, l.stored, l.duplicates, q.reason "
            "FROM $G.ledger l JOIN asked a ON l.writer = a.writer AND l.epoch = a.epoch AND l.seq = a.seq "
            "AND l.key IS NOT DISTINCT FROM a.key LEFT JOIN $G.quarantine q ON q.position = l.position"
        )
        conflicts = (
            "SELECT q.writer, q.epoch, q.seq, q.crc, q.position FROM $G.quarantine q "
            "JOIN asked a ON q.writer = a.writer AND q.epoch = a.epoch AND q.seq = a.seq "
            "WHERE a.key IS NULL AND q.reason = $reason"
        )
        asked = pa.table(
            {
                "writer": pa.array([each.writer for each in batches], pa.string()),
                "epoch": pa.array([each.epoch for each in batches], pa.string()),
                "seq": pa.array([each.seq for each in batches], pa.int64()),
                "key": pa.array([each.key for each in batches], pa.string()),
            }
        )
        cursor = self._engine.cursor()
        cursor.register("asked", asked.group_by(asked.column_names).aggregate([]))
        try:
            rows = self._engine.rows(over(sources, select))
            kept = self._engine.rows(over(sources, conflicts), {"reason": SEQ_CONFLICT})
        finally:
            cursor.unregister("asked")
        aside: defaultdict[BatchKey, dict[int, int]] = defaultdict(dict)
        for writer, epoch, seq, crc, position in kept:
            aside[writer, epoch, seq, None][crc] = position
        found = {(row[0], row[1], row[2], row[3]): Earlier(*row[4:]) for row in rows}
        return {key: earlier._replace(conflicts=aside.get(key, {})) for key, earlier in found.items()}

    def _follow(
        self,
        generation: Generation,
        new: Sequence[Judged],
        written: Sequence[Judged],
        rows: Table,
        *,
        future: NDArray[np.bool_],
        correction: Correction | None,
    ) -> None:
        """Bring memory in step with what has just been committed."""
        self.head = written[-1].position
        self._engine.views.advance(self.head, correction.erased if correction else None)
        for each in new:
            if each.batch.key is None:
                self.writers.mark(each.batch.writer, each.batch.epoch, each.batch.seq)
            for name in ("stored", "duplicates", "late", "future"):
                self.counts[name] += getattr(each, name)
        aside = [each.quarantine.rows for each in written if each.quarantine is not None]
        self.counts["quarantined_batches"] += len(aside)
        self.counts["quarantined_samples"] += sum(aside)
        self.counts["commits"] += 1
        _extend(generation, written, rows)
        self.newest.take(_with_arrivals(rows, new), future)
        if correction is not None:
            self._follow_correction(correction)
        self.tail.add(self.head, rows)

    def _follow_correction(self, correction: Correction) -> None:
        self.counts["corrections"] += 1
        self.counts["erased"] += correction.samples
        self._note_erased()
        self._correct_newest(np.unique(correction.erased.tag).tolist())

    def _correct_newest(self, tags: Iterable[int]) -> None:
        """Find the newest samples that are left of tags whose newest ones were erased."""
        if hidden := self.newest.hidden(self._engine.views.current.erasures, tags):
            rows, future = newest_left(self._engine, hidden, skew_ns=CLOCK_SKEW_MAX_NS)
            self.newest.correct(list(hidden), rows, future)


def _extend(generation: Generation, written: Sequence[Judged], rows: Table) -> None:
    extent = generation.extent
    if rows.num_rows:
        stamp = column_i64(rows, "time")
        extent.time_min = min(extent.time_min, int(stamp.min()))
        extent.time_max = max(extent.time_max, int(stamp.max()))
        extent.rows += rows.num_rows
    extent.position_min = min(extent.position_min, written[0].position)
    extent.position_max = written[-1].position
    extent.arrival_min = min(extent.arrival_min, *(each.batch.arrival_platform_ns for each in written))
    extent.arrival_max = max(extent.arrival_max, *(each.batch.arrival_platform_ns for each in written))


def _with_arrivals(rows: Table, new: Sequence[Judged]) -> Table:
    positions = np.array([each.position for each in new], np.int64)
    place = np.searchsorted(positions, column_i64(rows, "position"))
    gateway = np.array([each.batch.arrival_gateway_ns for each in new], np.int64)
    platform = np.array([each.batch.arrival_platform_ns for each in new], np.int64)
    rows = rows.append_column("arrival_gateway", pa.array(gateway[place]))
    return rows.append_column("arrival_platform", pa.array(platform[place])).cast(BIRTH_NEWEST)
