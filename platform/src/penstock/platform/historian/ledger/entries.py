"""The ledger's answers: what came, what is missing, what was doubled, late, dropped, rejected, quarantined.

Every question names its tenant. Lists go from the newest to the oldest; their cursor is (position, ordinal).
"""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.view import View
from penstock.platform.historian.ports import RecordKind
from penstock.platform.historian.reading.reader import Reader

TIME_MIN, TIME_MAX = -(2**63), 2**63 - 1
NEWEST_FIRST = (TIME_MAX, TIME_MAX)


class BatchEntry(NamedTuple):
    """One committed batch, as the ledger has it."""

    position: int
    writer: str
    epoch: str
    seq: int
    key: str | None
    crc: int
    n: int
    arrival_gateway: int
    arrival_platform: int
    stored: int
    duplicates: int
    late: int
    future: int
    quarantined_samples: int


class RecordEntry(NamedTuple):
    """One gap, drop or reject record."""

    position: int
    ordinal: int
    writer: str
    kind: str
    tag: int | None
    from_ns: int | None
    to_ns: int | None
    number: int
    device: str
    cause: str
    excerpt: str
    arrival_platform: int


class QuarantineEntry(NamedTuple):
    """One quarantined batch without its bytes; `resolved` is the position of the retry that brought it in."""

    position: int
    writer: str
    epoch: str
    seq: int
    crc: int
    reason: str
    detail: str
    rows: int
    arrival_platform: int
    size: int
    resolved: int | None


class EpochTotals(NamedTuple):
    """The sums of one writer's epoch over the arrivals asked for."""

    writer: str
    epoch: str
    batches: int
    seq_max: int
    rows: int
    stored: int
    duplicates: int
    late: int
    future: int
    first_position: int
    arrival_max: int


class QuarantineTotals(NamedTuple):
    """What was set aside of one writer's: whole batches or parts of them, and the samples in what was set aside."""

    batches: int = 0
    samples: int = 0


class RecordTotals(NamedTuple):
    """The sums of one writer's records of a kind: records, samples they stand for, gaps without an end."""

    writer: str
    kind: str
    records: int
    number: int
    open: int


@dataclass(frozen=True, slots=True)
class Span:
    """Narrow a question: arrivals at the platform in [start, end), one writer or all.

    `by_time`: instead of the arrivals the span is of the source times that a record speaks of; for records only.
    """

    start_ns: int = TIME_MIN
    end_ns: int = TIME_MAX
    writer: str | None = None
    by_time: bool = False


_WITHIN = (
    "tenant = $tenant AND arrival_platform >= $start AND arrival_platform < $end "
    "AND ($writer IS NULL OR writer = $writer)"
)
_RECORD_COLUMNS = ", ".join(RecordEntry._fields).replace("number", "count AS number")
_BATCH_COLUMNS = ", ".join(BatchEntry._fields).replace("quarantined_samples", "quarantined AS quarantined_samples")
_BATCHES = f"SELECT {_BATCH_COLUMNS} FROM $G.ledger WHERE {_WITHIN} AND position < $position"
_RECORDS = f"SELECT {_RECORD_COLUMNS}, tenant FROM $G.record WHERE {_WITHIN}"
RECORDS_OF_ALL_TIME = (
    f"SELECT {_RECORD_COLUMNS}, tenant FROM $G.record WHERE tenant = $tenant AND ($writer IS NULL OR writer = $writer)"
)
TOUCHES = (
    "coalesce(from_ns, arrival_platform) < $end AND "
    "CASE WHEN kind = 'gap' AND to_ns IS NULL THEN true ELSE coalesce(to_ns, from_ns, arrival_platform) >= $start END"
)
"""Whether what a record speaks of lies in the span; one without times stands at its arrival."""
NEWEST_OF_GAP = (
    "row_number() OVER (PARTITION BY writer, kind, tag, device, from_ns, "
    "CASE WHEN kind = 'gap' THEN 0 ELSE position END, CASE WHEN kind = 'gap' THEN 0 ELSE ordinal END "
    "ORDER BY position DESC, ordinal DESC) = 1"
)
_QUARANTINE = (
    "SELECT position, writer, epoch, seq, crc, reason, detail, rows, arrival_platform, octet_length(payload) AS size "
    f"FROM $G.quarantine WHERE {_WITHIN}"
)


_LEDGER = f"SELECT * FROM $G.ledger WHERE {_WITHIN}"


class Ledger:
    """Answer questions about the ledger, in the reader's threads."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine = engine
        self._reader = reader

    async def batches(
        self, tenant: str, span: Span, *, before: tuple[int, int] = NEWEST_FIRST, limit: int
    ) -> list[BatchEntry]:
        """List committed batches."""
        parameters = {**_parameters(tenant, span), "position": before[0], "limit": limit}
        rows = await self._rows(
            lambda view: f"{_within(view, _BATCHES, span)} ORDER BY position DESC LIMIT $limit", parameters
        )
        return [BatchEntry(*row) for row in rows]

    async def records(
        self,
        tenant: str,
        span: Span,
        kind: str,
        *,
        before: tuple[int, int] = NEWEST_FIRST,
        limit: int,
        open_only: bool = False,
        tags: Sequence[int] | None = None,
    ) -> list[RecordEntry]:
        """List records of a kind; of a gap only the newest record, which may have closed it."""
        parameters = _parameters(tenant, span) | {
            "kind": kind,
            "position": before[0],
            "ordinal": before[1],
            "open": open_only,
            "tags": None if tags is None else list(tags),
            "limit": limit,
        }
        rows = await self._rows(
            lambda view: (
                f"SELECT {', '.join(RecordEntry._fields)} FROM ("
                f"SELECT * FROM ({_records(view, span)}) WHERE kind = $kind QUALIFY {NEWEST_OF_GAP}) "
                f"WHERE {TOUCHES if span.by_time else 'true'} "
                "AND (position < $position OR (position = $position AND ordinal < $ordinal)) "
                "AND (NOT $open OR to_ns IS NULL) AND ($tags IS NULL OR list_contains($tags, tag)) "
                "ORDER BY position DESC, ordinal DESC LIMIT $limit"
            ),
            parameters,
        )
        return [RecordEntry(*row) for row in rows]

    async def quarantine(
        self,
        tenant: str,
        span: Span,
        *,
        before: tuple[int, int] = NEWEST_FIRST,
        limit: int,
        position: int | None = None,
        tags: Sequence[int] | None = None,
    ) -> list[QuarantineEntry]:
        """List quarantined batches, or the one at `position`; `tags`: those with samples of these tags set aside."""
        resolutions = "SELECT quarantined, position FROM $G.resolution"
        parameters = {**_parameters(tenant, span), "position": before[0], "limit": limit, "one": position}
        of_tags = ""
        if tags is not None:
            parameters["tags"] = list(tags)
            of_tags = f"AND position IN (SELECT position FROM $R WHERE kind = '{RecordKind.QUARANTINED}' "
            of_tags += "AND list_contains($tags, tag)) "
        rows = await self._rows(
            lambda view: (
                "SELECT q.*, r.resolved FROM ("
                f"SELECT * FROM ({_within(view, _QUARANTINE, span)}) "
                "WHERE position < $position AND ($one IS NULL OR position = $one) "
                f"{of_tags.replace('$R', f'({_within(view, _RECORDS, span)})')}) q LEFT JOIN ("
                f"SELECT quarantined, max(position) AS resolved FROM ({view.over(resolutions)}) GROUP BY quarantined"
                ") r ON r.quarantined = q.position ORDER BY q.position DESC LIMIT $limit"
            ),
            parameters,
        )
        return [QuarantineEntry(*row) for row in rows]

    async def payload(self, tenant: str, position: int) -> bytes | None:
        """Give the bytes of a quarantined batch."""
        select = "SELECT payload FROM $G.quarantine WHERE tenant = $tenant AND position = $position"
        rows = await self._rows(
            lambda view: view.over(select, lambda source: source.extent.holds_positions(position, position)),
            {"tenant": tenant, "position": position},
        )
        return bytes(rows[0][0]) if rows else None

    async def epoch_totals(self, tenant: str, span: Span) -> list[EpochTotals]:
        """Sum what was committed, per writer and epoch."""
        sums = (
            "SELECT writer, epoch, count(*), max(seq), sum(n)::BIGINT, sum(stored)::BIGINT, sum(duplicates)::BIGINT, "
            "sum(late)::BIGINT, sum(future)::BIGINT, min(position), max(arrival_gateway)"
        )
        rows = await self._rows(
            lambda view: f"{sums} FROM ({_within(view, _LEDGER, span)}) GROUP BY writer, epoch ORDER BY min(position)",
            _parameters(tenant, span),
        )
        return [EpochTotals(*row) for row in rows]

    async def record_totals(self, tenant: str, span: Span) -> list[RecordTotals]:
        """Sum the records, per writer and kind."""
        sums = "SELECT writer, kind, count(*), sum(number)::BIGINT, count(*) FILTER (kind = 'gap' AND to_ns IS NULL)"
        rows = await self._rows(
            lambda view: (
                f"{sums} FROM (SELECT * FROM ({_within(view, _RECORDS, span)}) QUALIFY {NEWEST_OF_GAP}) "
                "GROUP BY writer, kind ORDER BY 1, 2"
            ),
            _parameters(tenant, span),
        )
        return [RecordTotals(*row) for row in rows]

    async def quarantine_totals(self, tenant: str, span: Span) -> dict[str, QuarantineTotals]:
        """Count what was set aside per writer, retried or not."""
        sums = "SELECT writer, count(*), sum(rows)::BIGINT"
        rows = await self._rows(
            lambda view: f"{sums} FROM ({_within(view, _QUARANTINE, span)}) GROUP BY writer",
            _parameters(tenant, span),
        )
        return {row[0]: QuarantineTotals(*row[1:]) for row in rows}

    async def arrival_of(self, tenant: str, writer: str, epoch: str, seq: int) -> int | None:
        """Give the gateway's arrival time of a committed seq."""
        select = (
            "SELECT arrival_gateway FROM $G.ledger "
            "WHERE tenant = $tenant AND writer = $writer AND epoch = $epoch AND seq = $seq"
        )
        rows = await self._rows(
            lambda view: view.over(select, lambda source: source.may_hold_batch(writer, epoch, seq)),
            {"tenant": tenant, "writer": writer, "epoch": epoch, "seq": seq},
        )
        return int(rows[0][0]) if rows else None

    async def _rows(self, build: Callable[[View], str], parameters: dict[str, object]) -> list[tuple[Any, ...]]:
        return await self._reader.run(self._engine.answer, build, parameters)


def _records(view: View, span: Span) -> str:
    return view.over(RECORDS_OF_ALL_TIME) if span.by_time else _within(view, _RECORDS, span)


def _within(view: View, select: str, span: Span) -> str:
    return view.over(select, lambda source: source.extent.holds_arrival(span.start_ns, span.end_ns))


def _parameters(tenant: str, span: Span) -> dict[str, object]:
    return {"tenant": tenant, "start": span.start_ns, "end": span.end_ns, "writer": span.writer}
