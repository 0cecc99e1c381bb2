"""What goes out of the ledger as JSON."""

from pydantic import BaseModel, Field

from penstock.platform.historian.api.schemas import Count, Int64, Stamp

Word = Field(max_length=700)


class SafeUntil(BaseModel):
    """Everything that the gateway journalled up to this time, by its clock, is in the historian."""

    gateway: str = Field(max_length=64)
    name: str = Field(max_length=200)
    until: Stamp | None


class WriterSummary(BaseModel):
    """The sums of one writer."""

    writer: str = Field(max_length=64)
    name: str = Field(max_length=200)
    stored: Count
    duplicates: Count
    late: Count
    future: Count
    missing_batches: Count
    open_gaps: Count
    drops: Count
    rejects: Count
    thinned: Count
    erased: Count
    quarantined_batches: Count
    quarantined_samples: Count


class Summary(BaseModel):
    """The ledger in figures. `expected` null: no tag declares a rate.

    `drops`, `rejects`, `thinned` and `erased` count samples;
    `quarantined_batches`: of which something was set aside, retried or not; `quarantined_samples`: those in it.
    """

    start: Stamp
    end: Stamp
    expected: Count | None
    stored: Count
    duplicates: Count
    late: Count
    future: Count
    missing_batches: Count
    open_gaps: Count
    drops: Count
    rejects: Count
    thinned: Count
    erased: Count
    quarantined_batches: Count
    quarantined_samples: Count
    safe_until: list[SafeUntil] = Field(max_length=10_000)
    writers: list[WriterSummary] = Field(max_length=10_000)


class BatchItem(BaseModel):
    """One committed batch."""

    position: Count
    writer: str = Field(max_length=64)
    epoch: str | None = Field(max_length=32)
    seq: Count | None
    key: str | None = Field(max_length=200)
    crc: str = Field(max_length=8)
    n: Count
    arrival_gateway: Stamp
    arrival: Stamp
    stored: Count
    duplicates: Count
    late: Count
    future: Count
    quarantined_samples: Count


class RecordItem(BaseModel):
    """One gap, drop or reject record."""

    position: Count
    gateway: str = Field(max_length=64)
    tag: Int64 | None
    key: str | None = Field(max_length=700)
    device: str = Field(max_length=700)
    cause: str = Field(max_length=700)
    time: Stamp | None
    count: Count
    arrival: Stamp


class GapItem(RecordItem):
    """A gap; `to` null: still open. `refilled`: its values came after all (device's history or queue)."""

    from_: Stamp | None = Field(serialization_alias="from")
    to: Stamp | None
    refilled: bool


class DropItem(RecordItem):
    """Samples that a bounded journal had to drop."""

    from_: Stamp | None = Field(serialization_alias="from")
    to: Stamp | None


class CountedItem(RecordItem):
    """Samples that are not stored, and need not be: thinned by a deadband, or equal to stored ones."""

    from_: Stamp | None = Field(serialization_alias="from")
    to: Stamp | None


class ErasureItem(RecordItem):
    """Samples that were stored, and were deleted or replaced on somebody's order; `how` says which."""

    from_: Stamp | None = Field(serialization_alias="from")
    to: Stamp | None
    how: str = Field(max_length=256)


class RejectItem(RecordItem):
    """Readings that could not become samples."""

    reason: str = Field(max_length=700)
    excerpt: str = Field(max_length=256)


class QuarantineItem(BaseModel):
    """A batch of which something was kept aside; `resolved`: the commit that brought it in."""

    id: str = Field(max_length=40)
    position: Count
    gateway: str = Field(max_length=64)
    epoch: str = Field(max_length=32)
    seq: Count
    crc: str = Field(max_length=8)
    reason: str = Field(max_length=100)
    detail: str = Field(max_length=4000)
    rows: Count
    bytes: Count
    arrival: Stamp
    resolved: Count | None


class Retried(BaseModel):
    """What a retry brought in."""

    position: Count
    stored: Count
    duplicates: Count


class CauseItem(BaseModel):
    """Records of one kind and cause summed: `samples` that they stand for, their first and last source time.

    `tag_known` false: nobody can say of which tag of the gateway they were.
    """

    kind: str = Field(max_length=20)
    cause: str = Field(max_length=700)
    records: Count
    samples: Count
    from_: Stamp | None = Field(serialization_alias="from")
    to: Stamp | None
    open: Count
    refilled: Count
    tag_known: bool


class TagAccount(BaseModel):
    """The ledger of one tag over a span of source time. Counts are of samples, `gaps` of gaps that were not refilled.

    `late` is judged by the tag's present `late_after_s` (null: it has none, or the span is too long to be counted);
    `worst_s`: the longest delay. `missing_batches`: holes in its gateway's journal, which may hold samples of it.
    """

    tag: Int64
    key: str = Field(max_length=700)
    gateway: str = Field(max_length=64)
    stored: Count
    late: Count | None
    late_after_s: float | None
    worst_s: float | None
    future: Count
    duplicates: Count
    gaps: Count
    open_gaps: Count
    gap_s: float
    missing_batches: Count
    quarantined: Count
    thinned: Count
    erased: Count
    dropped: Count
    rejected: Count
    causes: list[CauseItem] = Field(max_length=10_000)


class TagAccounts(BaseModel):
    """Accounts of the tags asked for; `start` and `end` are of source time."""

    start: Stamp
    end: Stamp
    items: list[TagAccount] = Field(max_length=1000)


class SafeReason(BaseModel):
    """What an answer rests on; `effect` null: worth knowing, and no hindrance."""

    kind: str = Field(max_length=40)
    effect: str | None = Field(max_length=10, description="`no` or `unknown`: what it makes of the answer")
    text: str = Field(max_length=2000)
    count: Count
    gateway: str | None = Field(max_length=64)
    tag: Int64 | None
    key: str | None = Field(max_length=700)
    cause: str = Field(max_length=700)
    from_: Stamp | None = Field(serialization_alias="from")
    to: Stamp | None


class SafeGateway(BaseModel):
    """A gateway's delivery: `delivered` (yes, no, unknown) of all that it journalled up to then, by its clock.

    `until`: everything journalled up to this is stored. `stated_at`, `waiting_batches`, `oldest_waiting`: what the
    gateway last stated of its journal; null where it has stated nothing since the platform's start.
    """

    gateway: str = Field(max_length=64)
    name: str = Field(max_length=200)
    delivered: str = Field(max_length=10)
    until: Stamp | None
    missing_batches: Count
    stated_at: Stamp | None
    waiting_batches: Count | None
    oldest_waiting: Stamp | None


class SafeTag(BaseModel):
    """The answer for one tag; `newest`: the source time of its newest sample that is stored."""

    tag: Int64
    key: str = Field(max_length=700)
    answer: str = Field(max_length=10)
    newest: Stamp | None


class Safe(BaseModel):
    """Whether everything up to `at` is safely stored: yes, no, unknown; and `text`, the same as a sentence."""

    at: Stamp
    start: Stamp
    answer: str = Field(max_length=10)
    text: str = Field(max_length=20_000)
    gateways: list[SafeGateway] = Field(max_length=10_000)
    tags: list[SafeTag] = Field(max_length=1000)
    reasons: list[SafeReason] = Field(max_length=20_000)
