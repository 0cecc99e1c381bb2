"""The two narrow ports of the historian, and what goes through them.

*Hot* takes batches and answers for rows as they arrived; *Sealed* answers for aggregates over history. Both are
remotable: nothing in them is a file or a connection. Tables are Arrow; `ROWS` goes in, `STORED_ROWS` comes out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.erasures import NOTHING, Entries
from penstock.platform.historian.processed.aggregates import Summary
from penstock.platform.historian.processed.columns_by_count import Column
from penstock.platform.historian.processed.plot import Plot

Table = Any
"""A pyarrow.Table (pyarrow brings no types)."""

VALUE_FIELDS = [("vf", pa.float64()), ("vi", pa.int64()), ("vb", pa.bool_()), ("vs", pa.string())]
ROWS = pa.schema([("tag", pa.int64()), ("time", pa.int64()), ("status", pa.uint32()), *VALUE_FIELDS])
STORED_ROWS = pa.schema([*ROWS, pa.field("position", pa.int64()), pa.field("row", pa.int64())])

CLOCK_SKEW_MAX_NS = 60_000_000_000
"""How far a source time may lie after the arrival and still be latest: clocks of a plant differ by less."""


class RecordKind(StrEnum):
    """Name what a ledger record tells of."""

    GAP = "gap"
    DROP = "drop"
    REJECT = "reject"
    THINNED = "thinned"
    DUPLICATE = "duplicate"
    QUARANTINED = "quarantined"
    ERASURE = "erasure"


REFILLED = "refilled"
"""What a gap record has as its excerpt once its values came after all."""


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """Tell of samples that are not there, and why: see RecordKind.

    `tag` is the platform's id, None where the reading belongs to no tag. A gap with `to_ns` None is open; a later
    record of the same tag and `from_ns` closes it, and one with the excerpt REFILLED says that nothing is missing.
    """

    kind: RecordKind
    tag: int | None
    cause: str
    from_ns: int | None = None
    to_ns: int | None = None
    count: int = 1
    device: str = ""
    excerpt: str = ""


@dataclass(frozen=True, slots=True)
class Quarantine:
    """Keep the bytes of a batch that could not be stored whole, with the reason and the number of rows left out."""

    reason: str
    detail: str
    rows: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Erasing:
    """Ask for the samples of tags with start <= time < end to be erased, and say why."""

    tags: tuple[int, ...]
    start_ns: int
    end_ns: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class WriterBatch:
    """Carry one batch of one writer to the historian.

    A journalled writer has `epoch` and `seq` (from 1); another has `key`, its idempotency key. `rows` has the schema
    `ROWS` and platform tag ids, `late` says per row whether it came later than its tag allows. `frame` is what would be
    quarantined if the same seq came before with another CRC.
    """

    tenant: str
    writer: str
    crc: int
    rows: Table
    late: NDArray[np.bool_]
    arrival_gateway_ns: int
    arrival_platform_ns: int
    epoch: str = ""
    seq: int = 0
    key: str | None = None
    records: tuple[LedgerRecord, ...] = ()
    quarantine: Quarantine | None = None
    frame: bytes = field(default=b"", repr=False)
    resolves: int | None = None
    """Position of the quarantined batch that this one is a retry of."""
    deletes: Erasing | None = None
    """Samples to erase that are committed before it; such a batch brings no rows."""
    replaces: bool = False
    """Its samples take the place of other ones at the same times."""

    @property
    def corrects(self) -> bool:
        """Say whether it erases samples."""
        return self.replaces or self.deletes is not None


class Verdict(StrEnum):
    """Say what became of a batch."""

    COMMITTED = "committed"
    REPEATED = "repeated"
    CONFLICT = "conflict"


class BatchOutcome(NamedTuple):
    """Answer for one batch; a repeated one is answered with the counts of its first commit."""

    verdict: Verdict
    position: int
    stored: int
    duplicates: int
    quarantined: str | None
    erased: int = 0
    """Samples that it hid, by deletion or by replacing them."""


@dataclass(frozen=True, slots=True)
class CommitResult:
    """Answer for an append: one outcome per batch, in order, and the head after the commit."""

    head: int
    outcomes: tuple[BatchOutcome, ...]


class Watermark(NamedTuple):
    """Say what has been committed of an epoch: every seq up to `watermark`, and those `above` it."""

    watermark: int
    above: tuple[int, ...]


class RowKey(NamedTuple):
    """Order rows of a query: by source time, then commit, then place in the batch."""

    time: int
    position: int
    row: int


class Removed(NamedTuple):
    """Say that retention has removed samples of a span up to `until_ns`, and whether summaries of them stay."""

    until_ns: int
    summaries: bool


class LatestSample(NamedTuple):
    """Hold the newest sample of a tag; `newer_is_future` says that later stamped ones wait beyond the allowed skew."""

    tag: int
    time: int
    status: int
    value: float | int | bool | str | None
    position: int
    row: int
    arrival_gateway_ns: int
    arrival_platform_ns: int
    newer_is_future: bool


@dataclass(frozen=True, slots=True)
class Since:
    """Hold rows in commit order, whole commits only; `position` is where to go on from, `head` the newest there is.

    Rows that were erased meanwhile are left out; `erasures` are those committed in the page, for what was read earlier.
    """

    rows: Table
    position: int
    head: int
    erasures: Entries = NOTHING


class Hot(Protocol):
    """Take batches durably, exactly once, and answer for single rows."""

    async def append(self, batches: Sequence[WriterBatch]) -> CommitResult:
        """Commit the batches; return when they are on disk. Raise RetryLater when the queue or the disk is full."""
        ...

    async def range(
        self,
        tags: Sequence[int],
        start_ns: int,
        end_ns: int,
        *,
        after: RowKey | None = None,
        limit: int,
        descending: bool = False,
    ) -> Table:
        """Give rows with start <= time < end as STORED_ROWS ordered by (time, position, row), at most `limit`."""
        ...

    async def since(self, position: int, *, limit: int, tags: Sequence[int] | None = None) -> Since:
        """Give what was committed after `position`; about `limit` rows, whole commits. Raise CursorExpired."""
        ...

    def latest(self, tags: Sequence[int]) -> list[LatestSample]:
        """Give the newest sample of each tag that has one; in memory, never waits."""
        ...

    def latest_table(self, tags: Sequence[int]) -> Table:
        """Give the same in the columns of newest.LATEST."""
        ...

    def head(self) -> int:
        """Give the position of the newest commit, 0 before the first."""
        ...

    def watermark(self, writer: str, epoch: str) -> Watermark:
        """Give what has been committed of the writer's epoch."""
        ...


class Sealed(Protocol):
    """Answer over history."""

    async def aggregate(
        self, tag: int, over: Sequence[Window], wanted: Sequence[Aggregate], *, settings: AggregateSettings
    ) -> Summary:
        """Give a tag's aggregates over adjoining windows (OPC UA Part 13). Raise TooManyRows, RetryLater."""
        ...

    async def aggregate_many(
        self, settings: Mapping[int, AggregateSettings], over: Sequence[Window], wanted: Sequence[Aggregate]
    ) -> dict[int, Summary]:
        """Give the same of several tags, each with its settings, in one pass."""
        ...

    async def at_times(
        self, tag: int, times: NDArray[np.int64], *, settings: AggregateSettings, simple: bool = False
    ) -> Column:
        """Give a tag's value at each of the ascending times (OPC UA Part 11, 6.5.5). Raise TooManyRows, RetryLater."""
        ...

    async def plot(self, tag: int, start_ns: int, end_ns: int, *, points: int) -> Plot:
        """Give at most `points` of a tag's samples in start <= time < end to draw, and those next to it."""
        ...
