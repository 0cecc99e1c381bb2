"""From a frame to what the historian commits: translated, judged row by row, in columns.

A batch that cannot be read at all is quarantined whole. Rows of another type than their tag's, rows of a tag that the
gateway does not own, and rows of an index that stays unknown after the dictionary came are left out and counted, the
batch's bytes are kept for a retry, and the rest is committed.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.batch import Drop, Gap, Record, Reject, Thinned, decode_batch
from penstock.core.columns import SampleColumns
from penstock.core.errors import PeerError
from penstock.core.frames import Frame, encode_frame
from penstock.core.values import INT64_MIN
from penstock.platform.historian.files.counted import records_per_tag
from penstock.platform.historian.ports import (
    REFILLED,
    ROWS,
    LedgerRecord,
    Quarantine,
    RecordKind,
    Table,
    WriterBatch,
)
from penstock.platform.ingest.errors import DictionaryNeeded
from penstock.platform.ingest.tagmap import ABSENT, TagMap

ROW_COUNT_LIES = "row-count"
WRONG_TYPE = "wrong-type"
NOT_OWNER = "not-owner"
UNKNOWN_INDEX = "unknown-index"
NO_TIME = "time-out-of-range"
OF_ROWS = frozenset({UNKNOWN_INDEX, NOT_OWNER, WRONG_TYPE, NO_TIME})
"""Reasons that leave rows out; what else a batch holds is committed."""


def batch_of_frame(
    frame: Frame, tags: TagMap, *, tenant: str, gateway: str, arrival_platform_ns: int, dictionary_came: bool
) -> WriterBatch:
    """Make the batch to commit; raise DictionaryNeeded for an unknown index unless the dictionary came since."""
    raw = encode_frame(frame)
    columns, records, quarantine = _read(frame, raw)
    known = tags.kinds[tags.places(columns.tag)] != ABSENT
    if not dictionary_came:
        _need_dictionary(frame, columns.tag[~known], records, tags)
    places = tags.places(columns.tag)
    kept, reasons = _judge(columns, places, known, tags)
    told = tuple(_ledger_record(record, tags) for record in records)
    if reasons:
        told += _set_aside_per_tag(reasons, columns, tags)
        quarantine = Quarantine(reasons[0][0], _detail(reasons, columns, tags), int((~kept).sum()), raw)
        columns, places = columns.take(kept), places[kept]
    elif quarantine is not None:
        told = (LedgerRecord(RecordKind.QUARANTINED, None, quarantine.reason, count=quarantine.rows),)
    late = frame.arrival_ns - columns.time > tags.late_after[places]
    return WriterBatch(
        tenant=tenant,
        writer=gateway,
        crc=frame.crc,
        rows=rows_of_columns(columns, tags.ids[places]),
        late=late,
        arrival_gateway_ns=frame.arrival_ns,
        arrival_platform_ns=arrival_platform_ns,
        epoch=frame.epoch,
        seq=frame.seq,
        records=told,
        quarantine=quarantine,
        frame=raw,
    )


def rows_of_columns(columns: SampleColumns, ids: NDArray[np.int64]) -> Table:
    """Make the historian's rows of core's columns and platform tag ids."""
    batch = columns.to_arrow()
    return pa.table([pa.array(ids), *batch.columns[1:]], schema=ROWS)


def _read(frame: Frame, raw: bytes) -> tuple[SampleColumns, tuple[Record, ...], Quarantine | None]:
    try:
        columns, records = decode_batch(frame.payload)
    except PeerError as error:
        return SampleColumns.empty(), (), Quarantine(error.problem, error.message, frame.n, raw)
    if len(columns) != frame.n:
        detail = f"the header states {frame.n} rows, the payload holds {len(columns)}"
        return SampleColumns.empty(), (), Quarantine(ROW_COUNT_LIES, detail, frame.n, raw)
    return columns, records, None


def _need_dictionary(frame: Frame, unknown: NDArray[np.uint32], records: Sequence[Record], tags: TagMap) -> None:
    if len(unknown):
        raise DictionaryNeeded(frame.epoch, frame.seq, int(unknown[0]))
    for record in records:
        if record.tag is not None and record.tag not in tags.source:
            raise DictionaryNeeded(frame.epoch, frame.seq, record.tag)


Reason = tuple[str, NDArray[np.bool_]]


def _judge(
    columns: SampleColumns, places: NDArray[np.int64], known: NDArray[np.bool_], tags: TagMap
) -> tuple[NDArray[np.bool_], list[Reason]]:
    owned = tags.owned[places] | ~known
    typed = (columns.kind == 0) | (columns.kind == tags.kinds[places]) | ~known
    dated = columns.time != INT64_MIN
    kept = known & owned & typed & dated
    if kept.all():
        return kept, []
    judged = ((UNKNOWN_INDEX, ~known), (NOT_OWNER, ~owned), (WRONG_TYPE, ~typed), (NO_TIME, ~dated))
    return kept, [(reason, wrong) for reason, wrong in judged if wrong.any()]


def _detail(reasons: Sequence[Reason], columns: SampleColumns, tags: TagMap) -> str:
    told = []
    for reason, wrong in reasons:
        first = int(np.flatnonzero(wrong)[0])
        name = tags.name(int(columns.tag[first]))
        told.append(f"{reason}: {int(wrong.sum())} of {len(columns)} rows, the first is row {first} of {name}")
    return "; ".join(told)


def _set_aside_per_tag(reasons: Sequence[Reason], columns: SampleColumns, tags: TagMap) -> tuple[LedgerRecord, ...]:
    """Count the rows that are left out, each by its first reason; those of an unknown index belong to no tag."""
    found: list[LedgerRecord] = []
    counted = np.zeros(len(columns), np.bool_)
    for reason, wrong in reasons:
        mine = wrong & ~counted
        counted |= wrong
        for one in records_per_tag(
            RecordKind.QUARANTINED, reason, columns.tag[mine].astype(np.int64), columns.time[mine]
        ):
            assert one.tag is not None
            known = tags.source.get(one.tag)
            cause = reason if known is not None else f"{reason}: {one.tag}"
            found.append(replace(one, tag=known.id if known is not None else None, cause=cause))
    return tuple(found)


def _ledger_record(record: Record, tags: TagMap) -> LedgerRecord:
    known = tags.source.get(record.tag) if record.tag is not None else None
    tag = known.id if known is not None else None
    match record:
        case Gap():
            refilled = REFILLED if record.refilled else ""
            return LedgerRecord(RecordKind.GAP, tag, record.cause, record.from_ns, record.to_ns, excerpt=refilled)
        case Drop() | Thinned():
            kind = RecordKind.DROP if isinstance(record, Drop) else RecordKind.THINNED
            return LedgerRecord(kind, tag, record.cause, record.from_ns, record.to_ns, record.count)
        case Reject():
            return LedgerRecord(
                RecordKind.REJECT,
                tag,
                record.reason,
                record.time_ns,
                record.time_ns,
                record.count,
                record.device,
                record.excerpt,
            )
