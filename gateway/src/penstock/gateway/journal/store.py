"""The journal's transactions, each whole and synced when it returns. Blocking: the writer calls them in its thread."""

import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from penstock.core.frames import Frame, FrameKind, encode_frame, iter_frames
from penstock.gateway.journal.broken import CAUSE, FRAMES_KEPT, drop_frame, is_whole
from penstock.gateway.journal.newest import newest_of, put_newest
from penstock.gateway.journal.schema import connect
from penstock.gateway.journal.thinned import ThinnedCounts, put_thinned, thinned_of
from penstock.gateway.journal.unsettled import UnsettledGap, put_unsettled, unsettled_of

log = logging.getLogger(__name__)

ADOPT_CHUNK = 200
"""Batches renumbered in one transaction."""
VACUUM_PAGES = 2_000
"""Pages given back to the file system at one trim: 8 MiB, some milliseconds."""


@dataclass(frozen=True, slots=True)
class TagState:
    """Carry what the journal knows of a tag: its dictionary entry, newest source time and open gap."""

    index: int
    key: str
    device: str
    entry: str
    newest_ns: int | None
    gap_from_ns: int | None
    gap_cause: str | None


@dataclass(frozen=True, slots=True)
class GapMark:
    """Say that a batch opens or closes (`from_ns` None) a tag's gap."""

    index: int
    from_ns: int | None
    cause: str


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """Give tags and source times, in any order and often: what may be newer than what the journal knows."""

    tags: npt.NDArray[np.uint32]
    times: npt.NDArray[np.int64]


NOTHING_HEARD = Heard(np.zeros(0, np.uint32), np.zeros(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class NewBatch:
    """Carry an encoded batch that has no seq yet, and the tag states that hold once it is journalled."""

    payload: bytes
    n: int
    arrival_ns: int
    heard: Heard = NOTHING_HEARD
    gaps: tuple[GapMark, ...] = ()


@dataclass(frozen=True, slots=True)
class Journalled:
    """Name a synced batch."""

    seq: int
    size: int
    n: int


@dataclass(frozen=True, slots=True)
class Appended:
    """Name the epoch that was appended to, and what was synced."""

    epoch: str
    batches: tuple[Journalled, ...]


@dataclass(frozen=True, slots=True)
class Epoch:
    """Name an epoch of this journal: its row, its random id (32 hex digits), and what the file holds of it.

    Batches trimmed+1 … head are in the file; those up to `released` are in reserve.
    """

    row: int
    id: str
    head: int = 0
    released: int = 0
    trimmed: int = 0


@dataclass(frozen=True, slots=True)
class Sizes:
    """Count what the journal holds, in batches and bytes."""

    waiting: int
    waiting_bytes: int
    reserve: int
    reserve_bytes: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Count the batches that are not released, when the oldest was journalled, and the head of each of their epochs."""

    batches: int
    oldest_ns: int | None
    heads: dict[str, int]


class JournalStore:
    """Be the journal file. One instance per file; the process holds it alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._db = connect(path)
        self._alone = threading.RLock()
        ((self.broken,),) = self._all("SELECT count(*) FROM broken")
        """Batches ever that could not be read back as they were written."""
        self.broken_since_start = 0

    def close(self) -> None:
        """Fold the write-ahead log in and close the file."""
        with self._alone:
            self._db.close()

    def epochs(self) -> list[Epoch]:
        """List all epochs with something left in the file, and the current one last."""
        query = (
            "SELECT id, epoch, head, released, "
            "coalesce((SELECT min(seq) - 1 FROM batch WHERE batch.epoch = epoch.id), head) FROM epoch ORDER BY id"
        )
        return [Epoch(*row) for row in self._all(query)]

    def open_epoch(self, epoch: str, now_ns: int) -> Epoch:
        """Begin a new epoch, which is the current one from now on; older ones without a batch are forgotten."""
        with self._transaction():
            row = self._db.execute("INSERT INTO epoch(epoch, opened_ns) VALUES(?, ?)", (epoch, now_ns)).lastrowid
            self._forget_empty_epochs()
        assert row is not None
        return Epoch(row, epoch)

    def append(
        self,
        batches: Sequence[NewBatch],
        tags: Iterable[TagState],
        *,
        thinned: Iterable[ThinnedCounts] = (),
        unsettled: Iterable[UnsettledGap] = (),
    ) -> Appended:
        """Journal batches under the next seqs of the current epoch, and what stands beside them, in one synced commit.

        Of several counts of a tag, or states of a gap, the last one holds.
        """
        written: list[Journalled] = []
        with self._transaction():
            row, epoch, head = self._db.execute(_CURRENT_EPOCH).fetchone()
            self._db.executemany(_UPSERT_TAG, [(t.index, t.key, t.device, t.entry) for t in tags])
            for batch in batches:
                head += 1
                frame = encode_frame(Frame(FrameKind.BATCH, epoch, head, batch.arrival_ns, batch.n, batch.payload))
                self._db.execute(_INSERT_BATCH, (row, head, batch.arrival_ns, batch.n, len(frame), frame))
                put_newest(self._db, batch.heard.tags, batch.heard.times)
                self._mark_gaps(batch.gaps)
                written.append(Journalled(head, len(frame), batch.n))
            put_unsettled(self._db, unsettled)
            for counts in thinned:
                put_thinned(self._db, counts)
                heard = counts.count > 0
                put_newest(self._db, counts.tag[heard], counts.to_ns[heard])
            self._db.execute("UPDATE epoch SET head=? WHERE id=?", (head, row))
        return Appended(epoch, tuple(written))

    def put_tags(self, tags: Iterable[TagState]) -> None:
        """Store dictionary entries alone."""
        with self._transaction():
            self._db.executemany(_UPSERT_TAG, [(t.index, t.key, t.device, t.entry) for t in tags])

    def tags(self) -> list[TagState]:
        """List the dictionary with each tag's newest source time and open gap, by index."""
        query = "SELECT idx, key, device, entry, from_ns, cause FROM tag LEFT JOIN gap USING(idx) ORDER BY idx"
        rows = self._all(query)
        with self._alone:
            newest = newest_of(self._db, [row[0] for row in rows])
        return [
            TagState(index, key, device, entry, newest.get(index), from_ns, cause)
            for index, key, device, entry, from_ns, cause in rows
        ]

    def thinned(self) -> ThinnedCounts:
        """Give what was thinned and no record tells of yet."""
        with self._alone:
            return thinned_of(self._db)

    def unsettled(self) -> list[UnsettledGap]:
        """Give the closed gaps that wait for their device's history, oldest first."""
        with self._alone:
            return unsettled_of(self._db)

    def _mark_gaps(self, marks: Sequence[GapMark]) -> None:
        opened = [(mark.index, mark.from_ns, mark.cause) for mark in marks if mark.from_ns is not None]
        self._db.executemany("INSERT OR REPLACE INTO gap(idx, from_ns, cause) VALUES(?, ?, ?)", opened)
        closed = [(mark.index,) for mark in marks if mark.from_ns is None]
        self._db.executemany("DELETE FROM gap WHERE idx=?", closed)

    def frames(self, epoch: str, seqs: Sequence[int]) -> list[tuple[int, bytes]]:
        """Give the frames of those seqs that the journal still has; of a broken one, what stands for it from now on."""
        marks = ",".join("?" * len(seqs))
        query = (  # marks are question marks only
            "SELECT seq, frame FROM batch WHERE epoch=(SELECT id FROM epoch WHERE epoch=?) "  # noqa: S608
            f"AND seq IN ({marks}) ORDER BY seq"
        )
        found = self._all(query, (epoch, *seqs))
        return [(seq, frame if is_whole(frame, epoch, seq) else self._mend(epoch, seq)) for seq, frame in found]

    def _mend(self, epoch: str, seq: int) -> bytes:
        with self._transaction():
            return self._set_aside(self._row(epoch), epoch, seq)

    def _set_aside(self, row: int | None, epoch: str, seq: int) -> bytes:
        """Keep a broken frame apart and put the record of the drop in its place, within a transaction."""
        found = self._db.execute("SELECT arrival_ns, n FROM batch WHERE epoch=? AND seq=?", (row, seq)).fetchone()
        if found is None:
            message = f"{self.path}: batch {seq} is in the index and not in the table; the file is damaged"
            raise sqlite3.DatabaseError(message)
        arrival_ns, n = found
        before = "SELECT arrival_ns FROM batch WHERE epoch=? AND seq<? ORDER BY seq DESC LIMIT 1"
        (from_ns,) = self._db.execute(before, (row, seq)).fetchone() or (arrival_ns,)
        instead = drop_frame(epoch, seq, from_ns=from_ns, arrival_ns=arrival_ns, n=n)
        last = self._db.execute(
            "INSERT INTO broken(epoch, seq, arrival_ns, n, frame) "
            "SELECT ?, seq, arrival_ns, n, frame FROM batch WHERE epoch=? AND seq=?",
            (epoch, row, seq),
        ).lastrowid
        assert last is not None
        self._db.execute("UPDATE broken SET frame=NULL WHERE id<=? AND frame IS NOT NULL", (last - FRAMES_KEPT,))
        self._db.execute(
            "UPDATE batch SET frame=?, size=?, n=0 WHERE epoch=? AND seq=?", (instead, len(instead), row, seq)
        )
        self.broken += 1
        self.broken_since_start += 1
        log.error("%s: batch %d of epoch %s, %d samples: %s; set aside", self.path, seq, epoch, n, CAUSE)
        return instead

    def release(self, epoch: str, *, up_to: int, now_ns: int) -> None:
        """Move what the historian has committed into the reserve."""
        with self._transaction():
            row = self._row(epoch)
            self._db.execute(
                "UPDATE batch SET released_ns=? WHERE epoch=? AND seq<=? AND released_ns IS NULL", (now_ns, row, up_to)
            )
            self._db.execute("UPDATE epoch SET released=max(released, ?) WHERE id=?", (up_to, row))

    def rewind(self, epoch: str, seq: int) -> int:
        """Take what the reserve holds above seq back into delivery; give how many batches."""
        with self._transaction():
            row = self._row(epoch)
            self._db.execute("UPDATE epoch SET released=min(released, ?) WHERE id=?", (seq, row))
            return self._db.execute(
                "UPDATE batch SET released_ns=NULL WHERE epoch=? AND seq>? AND released_ns IS NOT NULL", (row, seq)
            ).rowcount

    def trim(self, *, older_than_ns: int, most_bytes: int) -> list[Epoch]:
        """Delete what the reserve holds beyond its age or size, oldest first; give the epochs that it touched.

        An epoch that is not the current one and has nothing left is forgotten.
        """
        with self._transaction():
            before = {epoch.row: epoch for epoch in self.epochs()}
            self._db.execute("DELETE FROM batch WHERE released_ns < ?", (older_than_ns,))
            surplus = self.sizes().reserve_bytes - most_bytes
            if surplus > 0:
                self._delete_oldest(surplus)
            touched = [epoch for epoch in self.epochs() if epoch.trimmed > before[epoch.row].trimmed]
            self._forget_empty_epochs()
        if touched:
            self._all(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
        return touched

    def adopt(self, epoch: str, now_ns: int) -> int:
        """Number all that the file holds anew under a new epoch, to be delivered again; give how many batches.

        For a platform that knows nothing of this gateway: it would else wait for ever for what the reserve no longer
        has. Goes by chunks, each whole: interrupted, the rest is still delivered under its old epoch.
        """
        old = self.epochs()
        new = self.open_epoch(epoch, now_ns)
        moved = 0
        for one in old:
            while chunk := self._all(_OLDEST_FRAMES, (one.row, ADOPT_CHUNK)):
                self._renumber(new, one, chunk)
                moved += len(chunk)
        with self._transaction():
            self._forget_empty_epochs()
        return moved

    def _renumber(self, new: Epoch, old: Epoch, chunk: Sequence[tuple[int, bytes]]) -> None:
        with self._transaction():
            (head,) = self._db.execute("SELECT head FROM epoch WHERE id=?", (new.row,)).fetchone()
            for seq, octets in chunk:
                whole = octets if is_whole(octets, old.id, seq) else self._set_aside(old.row, old.id, seq)
                (frame,) = iter_frames(whole)
                head += 1
                again = encode_frame(Frame(frame.kind, new.id, head, frame.arrival_ns, frame.n, frame.payload))
                self._db.execute(_INSERT_BATCH, (new.row, head, frame.arrival_ns, frame.n, len(again), again))
                self._db.execute("DELETE FROM batch WHERE epoch=? AND seq=?", (old.row, seq))
            self._db.execute("UPDATE epoch SET head=? WHERE id=?", (head, new.row))

    def _forget_empty_epochs(self) -> None:
        self._db.execute(
            "DELETE FROM epoch WHERE id < (SELECT max(id) FROM epoch) "
            "AND NOT EXISTS (SELECT 1 FROM batch WHERE batch.epoch = epoch.id)"
        )

    def _delete_oldest(self, surplus: int) -> None:
        doomed: list[tuple[int, int]] = []
        query = "SELECT epoch, seq, size FROM batch WHERE released_ns IS NOT NULL ORDER BY epoch, seq"
        for epoch, seq, size in self._db.execute(query):
            if surplus <= 0:
                break
            doomed.append((epoch, seq))
            surplus -= size
        self._db.executemany("DELETE FROM batch WHERE epoch=? AND seq=?", doomed)

    def meta(self, key: str) -> str | None:
        """Give a remembered word, such as the gateway id that the journal was delivered under."""
        rows = self._all("SELECT value FROM meta WHERE key=?", (key,))
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Remember a word."""
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", (key, value))

    def _row(self, epoch: str) -> int | None:
        """Give the epoch's row, None (which no batch has) where all of it was trimmed meanwhile."""
        (row,) = self._db.execute("SELECT id FROM epoch WHERE epoch=?", (epoch,)).fetchone() or (None,)
        return row

    def sizes(self) -> Sizes:
        """Count batches and bytes, waiting and in reserve."""
        total = "SELECT count(*), coalesce(sum(size), 0) FROM batch WHERE released_ns IS "
        (waiting,) = self._all(total + "NULL")
        (reserve,) = self._all(total + "NOT NULL")
        return Sizes(*waiting, *reserve)

    def waiting(self) -> Waiting:
        """Say what waits to be committed."""
        with self._alone:
            found = self._all(
                "SELECT epoch.id, epoch.epoch, epoch.head, count(*), min(seq) FROM batch "
                "JOIN epoch ON epoch.id = batch.epoch WHERE released_ns IS NULL GROUP BY batch.epoch"
            )
            first = "SELECT arrival_ns FROM batch WHERE epoch=? AND seq=?"
            arrivals = [self._all(first, (row, seq))[0][0] for row, _, _, _, seq in found]
        heads = {epoch: head for _, epoch, head, _, _ in found}
        return Waiting(sum(count for _, _, _, count, _ in found), min(arrivals, default=None), heads)

    def _all(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._alone:
            return self._db.execute(query, parameters).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._alone:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise


_UPSERT_TAG = (
    "INSERT INTO tag(idx, key, device, entry) VALUES(?, ?, ?, ?) "
    "ON CONFLICT(idx) DO UPDATE SET device=excluded.device, entry=excluded.entry"
)
_CURRENT_EPOCH = "SELECT id, epoch, head FROM epoch ORDER BY id DESC LIMIT 1"
_OLDEST_FRAMES = "SELECT seq, frame FROM batch WHERE epoch=? ORDER BY seq LIMIT ?"
_INSERT_BATCH = "INSERT INTO batch(epoch, seq, arrival_ns, n, size, frame) VALUES(?, ?, ?, ?, ?, ?)"
