"""What goes out of the ledger as JSON."""

from pydantic import BaseModel, Field

from penstock.platform.historian.schemas import Count, Int64, Stamp

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
    quarantined_batches: Count
    quarantined_samples: Count


class Summary(BaseModel):
    """The ledger in figures. `expected` null: no tag declares a rate. `drops` and `rejects` count samples.

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
