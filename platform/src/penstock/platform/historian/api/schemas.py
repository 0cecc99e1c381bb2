"""What goes out of the historian as JSON."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from penstock.platform.kit.schemas import INT64_MAX

ROWS_MAX = 100_000
"""Rows of a page: 10 MB of JSON, 6 MB of Arrow."""

ERASURES_MAX = 1_000_000
"""Erasures that the historian keeps, and so of a page."""

Count = Annotated[int, Field(ge=0, le=INT64_MAX)]
Int64 = Annotated[int, Field(ge=-(2**63), le=INT64_MAX)]
Stamp = Annotated[str, Field(max_length=40, description="RFC 3339, UTC, nanoseconds")]
Value = float | int | bool | Annotated[str, Field(max_length=8192)] | None


class LatestItem(BaseModel):
    """The newest sample of a tag; `time` null: none yet, status 0x80320000. `late`, `future` as the ledger counts."""

    tag: Int64
    key: str = Field(max_length=700)
    time: Stamp | None = None
    value: Value = None
    status: Count
    quality: str = Field(max_length=10)
    arrival: Stamp | None = None
    age_s: float | None = None
    position: Count | None = None
    late: bool = False
    future: bool = Field(False, description="later stamped samples wait, beyond the allowed clock skew")


class LatestPage(BaseModel):
    """The newest samples of the tags asked for."""

    items: list[LatestItem] = Field(max_length=1_000_000)


class Columns(BaseModel):
    """Rows in columns of one length."""

    tag: list[Int64] = Field(max_length=2 * ROWS_MAX)
    time: list[Stamp] = Field(max_length=2 * ROWS_MAX)
    value: list[Value] = Field(max_length=2 * ROWS_MAX)
    status: list[Count] = Field(max_length=2 * ROWS_MAX)
    position: list[Count] = Field(max_length=2 * ROWS_MAX)
    row: list[Count] = Field(max_length=2 * ROWS_MAX)


class ErasedColumns(BaseModel):
    """Erasures in columns: samples of `tag` with start <= time < end and a position below `position` are gone."""

    tag: list[Int64] = Field(max_length=ERASURES_MAX)
    start: list[Stamp] = Field(max_length=ERASURES_MAX)
    end: list[Stamp] = Field(max_length=ERASURES_MAX)
    position: list[Count] = Field(max_length=ERASURES_MAX)


class Erased(BaseModel):
    """The answer to a deletion: its position, and how many samples it hid."""

    position: Count
    erased: Count


REMOVED = "only where retention has removed samples of the span"


class RemovedPart(BaseModel):
    """Tell that retention has removed samples of the span."""

    until: str = Field(max_length=64, description="the newest source time of what was removed, RFC 3339")
    summaries: bool = Field(description="true: aggregates and plots answer from summaries there")


class SamplesPage(BaseModel):
    """A page of rows ordered by (time, position, row)."""

    columns: Columns
    next: str | None = Field(max_length=512)
    removed: RemovedPart | None = Field(None, description=REMOVED)


class SincePage(SamplesPage):
    """Rows in commit order, whole commits; `position` is where to go on from.

    Rows that were erased meanwhile are left out; `erasures` are those of the page, for what was read before.
    """

    position: Count
    head: Count
    erasures: ErasedColumns


class AggregateItem(BaseModel):
    """A tag's aggregates: `start` of each interval, a column per aggregate (null: no data), `status`."""

    tag: Int64
    columns: dict[str, list[Any]]


class AggregatesPage(BaseModel):
    """Aggregates of the tags asked for."""

    items: list[AggregateItem] = Field(max_length=1000)
    samples: dict[str, int] | None = Field(None, description="plots: samples in the span, by tag")
    removed: RemovedPart | None = Field(None, description=REMOVED)
