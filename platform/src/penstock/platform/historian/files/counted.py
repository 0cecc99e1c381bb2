"""Ledger records that count samples tag by tag: those that came again, and those that were set aside.

They are made where there is something to count, so a batch of new samples pays nothing. A record has no more tags than
its batch, and says less than the samples did.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from penstock.platform.historian.ports import LedgerRecord, RecordKind

CAME_AGAIN = "equal sample came again"


def records_per_tag(
    kind: RecordKind, cause: str, tag: NDArray[np.int64], time: NDArray[np.int64]
) -> tuple[LedgerRecord, ...]:
    """Give a record per tag with the number of its samples and the first and last of their times."""
    if not len(tag):
        return ()
    order = np.lexsort((time, tag))
    tags, times = tag[order], time[order]
    first = np.flatnonzero(np.concatenate([[True], tags[1:] != tags[:-1]]))
    ends = np.append(first[1:], len(tags))
    columns = (tags[first], times[first], times[ends - 1], ends - first)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(LedgerRecord(kind, one, cause, from_ns, to_ns, count) for one, from_ns, to_ns, count in rows)


def duplicates_of(
    owner: NDArray[np.int64], tag: NDArray[np.int64], time: NDArray[np.int64]
) -> Sequence[tuple[int, tuple[LedgerRecord, ...]]]:
    """Give, per batch (`owner`, rising) that brought samples which are stored already, its records."""
    batches, starts = np.unique(owner, return_index=True)
    ends = np.append(starts[1:], len(owner))
    return [
        (batch, records_per_tag(RecordKind.DUPLICATE, CAME_AGAIN, tag[start:end], time[start:end]))
        for batch, start, end in zip(batches.tolist(), starts.tolist(), ends.tolist(), strict=True)
    ]
