"""A group commit being made: what is judged about each batch before anything is written.

One pass over the batches in order gives each a verdict: new, seen before with the same CRC, or seen before with
another. Repeats inside the group count like repeats of what is stored. Only new batches bring rows. A batch whose seq
came before with other content is set aside once: sent again after a lost answer, it repeats what is set aside.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from penstock.platform.historian.errors import KeyReused
from penstock.platform.historian.files.counted import records_per_tag
from penstock.platform.historian.ports import (
    BatchOutcome,
    LedgerRecord,
    Quarantine,
    RecordKind,
    Verdict,
    WriterBatch,
)
from penstock.platform.historian.repeats import column_i64

SEQ_CONFLICT = "seq-conflict"


class Earlier(NamedTuple):
    """Tell of the first commit of a batch; `conflicts`: positions of other contents of its seq, set aside, by CRC."""

    crc: int
    position: int
    stored: int
    duplicates: int
    quarantined: str | None
    conflicts: Mapping[int, int] = MappingProxyType({})


BatchKey = tuple[str, str, int, str | None]


@dataclass(slots=True)
class Judged:
    """Hold a batch with its verdict; `twin` is the batch of the same group that it repeats."""

    batch: WriterBatch
    verdict: Verdict
    position: int
    earlier: Earlier | None = None
    twin: "Judged | None" = None
    quarantine: Quarantine | None = None
    stored: int = 0
    duplicates: int = 0
    late: int = 0
    future: int = 0
    erased: int = 0
    records: tuple[LedgerRecord, ...] = ()
    """What is told of its samples beside the batch's own records."""
    error: KeyReused | None = field(default=None)

    @property
    def told(self) -> tuple[LedgerRecord, ...]:
        """Give the records to commit; of a batch that is set aside its own wait for the retry."""
        return self.records if self.verdict is Verdict.CONFLICT else (*self.batch.records, *self.records)

    def outcome(self) -> BatchOutcome:
        """Give the answer for this batch."""
        if self.twin is not None and self.verdict is Verdict.REPEATED:
            return self.twin.outcome()._replace(verdict=Verdict.REPEATED)
        if self.earlier is not None and self.verdict is Verdict.REPEATED:
            first = self.earlier
            counts = (first.stored, first.duplicates, first.quarantined, self.erased)
            return BatchOutcome(self.verdict, first.position, *counts)
        reason = self.quarantine.reason if self.quarantine else None
        return BatchOutcome(self.verdict, self.position, self.stored, self.duplicates, reason, self.erased)


def identity(batch: WriterBatch) -> BatchKey:
    """Give what makes a batch the same batch: its seq in an epoch, or its key."""
    return (batch.writer, batch.epoch, batch.seq, batch.key)


def judge(
    batches: Iterable[WriterBatch], head: int, *, earlier: Callable[[Sequence[WriterBatch]], dict[BatchKey, Earlier]]
) -> list[Judged]:
    """Give each batch its verdict, and new ones their position from `head` + 1; `earlier` looks up what is stored."""
    batches = list(batches)
    stored = earlier(batches)
    first: dict[BatchKey, Judged] = {}
    aside: dict[tuple[BatchKey, int], Judged] = {}
    judged = []
    for batch in batches:
        key = identity(batch)
        twin = first.get(key)
        before = stored.get(key)
        crc = twin.batch.crc if twin else before.crc if before else None
        if crc is None:
            head += 1
            verdict = Judged(batch, Verdict.COMMITTED, head, quarantine=batch.quarantine)
            first[key] = verdict
        elif crc == batch.crc:
            verdict = Judged(batch, Verdict.REPEATED, 0, before, twin)
        elif batch.key is not None:
            verdict = Judged(batch, Verdict.CONFLICT, 0, before, twin, error=_key_reused(batch))
        elif kept := aside.get((key, batch.crc)):
            verdict = Judged(batch, Verdict.REPEATED, 0, before, kept)
        elif before and batch.crc in before.conflicts:
            verdict = Judged(batch, Verdict.REPEATED, 0, _set_aside(before, batch.crc))
        else:
            head += 1
            verdict = Judged(batch, Verdict.CONFLICT, head, before, twin, _conflict(batch, crc))
            verdict.records = _set_aside_per_tag(batch)
            aside[key, batch.crc] = verdict
        judged.append(verdict)
    return judged


def _conflict(batch: WriterBatch, crc: int) -> Quarantine:
    detail = (
        f"seq {batch.seq} of epoch {batch.epoch} was committed with CRC {crc:08x}; this one has {batch.crc:08x}. "
        "Two journals write under one epoch, or a journal's file was restored: give one of them a new epoch."
    )
    return Quarantine(SEQ_CONFLICT, detail, batch.rows.num_rows, batch.frame)


def _set_aside_per_tag(batch: WriterBatch) -> tuple[LedgerRecord, ...]:
    tag, stamp = (column_i64(batch.rows, name) for name in ("tag", "time"))
    return records_per_tag(RecordKind.QUARANTINED, SEQ_CONFLICT, tag, stamp)


def _set_aside(before: Earlier, crc: int) -> Earlier:
    return Earlier(crc, before.conflicts[crc], stored=0, duplicates=0, quarantined=SEQ_CONFLICT)


def _key_reused(batch: WriterBatch) -> KeyReused:
    return KeyReused(
        f"the idempotency key {batch.key!s:.80} came before with other content; take a new key for new samples",
        key=batch.key,
    )
