"""Gathering samples and records into batches, and the batches into synced commits.

Everything that arrives while a commit is under way goes into the next one (group commit); a quiet gateway lingers,
so that a batch is worth its header. Rows that are taken and not yet synced are bounded; so are the bytes that wait
for the historian: beyond either, `add` waits, and so do the drivers. A disk that fails or is full holds everything
as it is, tries again for ever, and says so.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from penstock.core.batch import Record, encode_batch
from penstock.core.columns import SampleColumns
from penstock.core.values import ValueKind
from penstock.edge.durable import is_readonly
from penstock.gateway.journal.store import Appended, GapMark, Heard, JournalStore, NewBatch, TagState
from penstock.gateway.journal.thinned import ThinnedCounts
from penstock.gateway.journal.unsettled import UnsettledGap

log = logging.getLogger(__name__)

ROWS_IN_FLIGHT_MAX = 100_000
"""Rows in memory that are not yet synced: some 10 MB, and a second of the fastest plant."""
RECORDS_PER_BATCH_MAX = 2_000
TEXT_PER_BATCH_MAX_BYTES = 2 * 1024 * 1024
"""Strings in one batch: far below the 8 MiB of a request even where they do not compress."""
RETRY_S = 0.5
"""How often a failing disk is tried again."""


@dataclass(slots=True)
class Draft:
    """A batch that is being gathered."""

    pieces: list[SampleColumns] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    gaps: dict[int, GapMark] = field(default_factory=dict)
    receipts: list[asyncio.Future[None]] = field(default_factory=list)
    tags: list[TagState] = field(default_factory=list)
    thinned: list[ThinnedCounts] = field(default_factory=list)
    unsettled: list[UnsettledGap] = field(default_factory=list)
    rows: int = 0
    text_bytes: int = 0
    began_s: float = 0.0

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing to journal."""
        return not (self.rows or self.records or self.tags or self.receipts)


@dataclass(slots=True)
class Counts:
    """Count what the batcher did since start."""

    samples: int = 0
    batches: int = 0
    commits: int = 0
    waited_s: float = 0.0


class Batcher:
    """Own the journal's appending side; `on_journalled` hears of each synced batch before its receipts are done."""

    def __init__(
        self,
        store: JournalStore,
        *,
        now_ns: Callable[[], int],
        batch_rows: int,
        linger_s: float,
        has_room: Callable[[], bool],
        on_journalled: Callable[[Appended], None],
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._batch_rows = batch_rows
        self._linger_s = linger_s
        self._has_room = has_room
        self._on_journalled = on_journalled
        self._drafts: list[Draft] = [Draft()]
        self._work = asyncio.Event()
        self._full_or_hurried = asyncio.Event()
        self._changed = asyncio.Condition()
        self._closing = False
        self.rows_in_flight = 0
        self.counts = Counts()
        self.blocked = ""
        self._writing_ns: int | None = None

    async def wait_for_room(self) -> None:
        """Wait while too much is in memory or in the journal: this is where drivers are held back."""
        if self._roomy():
            return
        began_s = time.monotonic()
        try:
            async with self._changed:
                await self._changed.wait_for(self._roomy)
        finally:
            self.counts.waited_s += time.monotonic() - began_s

    def add(
        self,
        columns: SampleColumns,
        records: Sequence[Record],
        gaps: Iterable[GapMark],
        *,
        tags: Sequence[TagState] = (),
        thinned: ThinnedCounts | None = None,
        unsettled: Sequence[UnsettledGap] = (),
        hurry: bool = False,
    ) -> asyncio.Future[None]:
        """Take what belongs together into one batch, at once; the answer is done when it is synced."""
        draft = self._drafts[-1]
        if self._is_full(draft, len(columns)):
            draft = Draft()
            self._drafts.append(draft)
        if draft.is_empty:
            draft.began_s = time.monotonic()
        draft.pieces.append(columns)
        draft.records.extend(records)
        draft.gaps.update({mark.index: mark for mark in gaps})
        draft.tags.extend(tags)
        if thinned is not None:
            draft.thinned.append(thinned)
        draft.unsettled.extend(unsettled)
        draft.rows += len(columns)
        draft.text_bytes += _text_bytes(columns)
        self.rows_in_flight += len(columns)
        receipt: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        draft.receipts.append(receipt)
        if hurry or len(self._drafts) > 1 or self._is_full(draft, 1):
            self._full_or_hurried.set()
        self._work.set()
        return receipt

    async def room_changed(self) -> None:
        """Look again whether drivers may go on: the historian has committed, or the reserve was trimmed."""
        async with self._changed:
            self._changed.notify_all()

    async def run(self) -> None:
        """Commit until `close`, which commits what is left."""
        while True:
            await self._work.wait()
            if self._closing and self._drafts[-1].is_empty and len(self._drafts) == 1:
                return
            await self._linger()
            drafts, self._drafts = self._drafts, [Draft()]
            self._work.clear()
            self._full_or_hurried.clear()
            if self._closing:
                self._work.set()
            await self._commit([draft for draft in drafts if not draft.is_empty])

    def settled_ns(self) -> int:
        """Give the time up to which batches are journalled: any that is stamped so is on disk."""
        now_ns = self._now_ns()
        return now_ns if self._writing_ns is None else min(now_ns, self._writing_ns - 1)

    def close(self) -> None:
        """Let `run` commit what is left and end."""
        self._closing = True
        self._work.set()
        self._full_or_hurried.set()

    def _is_full(self, draft: Draft, more_rows: int) -> bool:
        return (
            (draft.rows > 0 and draft.rows + more_rows > self._batch_rows)
            or len(draft.records) >= RECORDS_PER_BATCH_MAX
            or draft.text_bytes >= TEXT_PER_BATCH_MAX_BYTES
        )

    def _roomy(self) -> bool:
        return self.rows_in_flight < ROWS_IN_FLIGHT_MAX and not self.blocked and self._has_room()

    async def _linger(self) -> None:
        left_s = self._drafts[0].began_s + self._linger_s - time.monotonic()
        if left_s > 0 and not self._closing:
            try:
                async with asyncio.timeout(left_s):
                    await self._full_or_hurried.wait()
            except TimeoutError:
                return

    async def _commit(self, drafts: list[Draft]) -> None:
        if not drafts:
            return
        encoded: list[NewBatch] = []
        self._writing_ns = self._now_ns()
        while True:
            try:
                written = await asyncio.to_thread(self._write, drafts, encoded)
                break
            except sqlite3.Error as error:
                await self._on_disk_error(error)
        if self.blocked:
            log.warning("journal: writing again")
            self.blocked = ""
        self.counts.commits += 1
        self.counts.batches += len(written.batches)
        self._on_journalled(written)
        self._writing_ns = None
        for draft in drafts:
            self.rows_in_flight -= draft.rows
            self.counts.samples += draft.rows
            for receipt in draft.receipts:
                if not receipt.done():
                    receipt.set_result(None)
        await self.room_changed()

    async def _on_disk_error(self, error: sqlite3.Error) -> None:
        readonly = await asyncio.to_thread(is_readonly, self._store.path.parent)
        advice = "its disk is read-only, make it writable" if readonly else "free space on its disk"
        text = f"the journal {self._store.path} cannot be written ({error}): drivers wait; {advice}"
        if self.blocked != text:
            log.error(text)
            self.blocked = text
        await asyncio.sleep(RETRY_S)

    def _write(self, drafts: Sequence[Draft], encoded: list[NewBatch]) -> Appended:
        """Encode once, into `encoded`, and append: in one go, since each hand-over to a thread wakes two."""
        if not encoded:
            encoded.extend(self._encode(drafts))
        return self._store.append(
            encoded,
            [tag for draft in drafts for tag in draft.tags],
            thinned=[counts for draft in drafts for counts in draft.thinned],
            unsettled=[gap for draft in drafts for gap in draft.unsettled],
        )

    def _encode(self, drafts: Sequence[Draft]) -> list[NewBatch]:
        now_ns = self._now_ns()
        batches = []
        for draft in drafts:
            if draft.rows or draft.records:
                columns = SampleColumns.concat([piece for piece in draft.pieces if len(piece)])
                payload = encode_batch(columns, draft.records)
                heard = Heard(columns.tag, columns.time)
                batches.append(NewBatch(payload, draft.rows, now_ns, heard, tuple(draft.gaps.values())))
        return batches


def _text_bytes(columns: SampleColumns) -> int:
    if not (columns.kind == ValueKind.STRING).any():
        return 0
    return sum(len(text) for text in columns.vs if text is not None)
