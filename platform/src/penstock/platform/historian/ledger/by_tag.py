"""What the ledger knows of single tags over a span of source time: stored and late samples, and every record's cause.

Late is counted here on demand, from the arrivals that the ledger has for each position: a commit pays nothing for it.
What an import brought is not late, and not counted so: another writer than the tag's owner wrote it.
"""

# ruff: noqa: S608 the pieces are constants; every value is a parameter

from collections.abc import Sequence
from typing import NamedTuple

from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.ledger.entries import NEWEST_OF_GAP, RECORDS_OF_ALL_TIME, TOUCHES
from penstock.platform.historian.ports import CLOCK_SKEW_MAX_NS, REFILLED, RecordKind
from penstock.platform.historian.reading.reader import Reader
from penstock.platform.registry.known import TagRef

NEVER_LATE = 2**62
LATE_ROWS_MAX = 3_000_000
"""Samples that one question may go through: a second or two."""
CAUSES_MAX = 2_000
"""Groups of records that one question gives, those with the most samples first."""


class TagSamples(NamedTuple):
    """Count a tag's samples in a span; `worst_ns`: by how much the latest of the late ones came after its time."""

    tag: int
    stored: int
    late: int
    worst_ns: int | None
    future: int


class Told(NamedTuple):
    """Sum records of one kind, tag, writer and cause; `open`: gaps without an end; `for_ns`: their time in the span.

    `tag` is None where nobody can say whose samples they were.
    """

    kind: str
    tag: int | None
    writer: str
    cause: str
    records: int
    samples: int
    from_ns: int | None
    to_ns: int | None
    open: int
    refilled: int
    for_ns: int


_SAMPLES = (
    "SELECT s.tag, l.arrival_gateway::HUGEINT - s.time AS delay, l.writer = w.owner AS own, w.late, "
    "s.time::HUGEINT > l.arrival_platform::HUGEINT + $skew AS future "
    "FROM $G.sample s JOIN $G.ledger l USING (position) JOIN wanted w ON w.tag = s.tag "
    "WHERE s.tag IN (SELECT unnest($tags)) AND s.time >= $start AND s.time < $end"
)
_WANTED = "WITH wanted AS (SELECT unnest($tags) AS tag, unnest($late) AS late, unnest($owners) AS owner) "
_COUNTS = (
    "SELECT tag, count(*), count(*) FILTER (own AND delay > late), "
    "max(delay) FILTER (own AND delay > late), count(*) FILTER (future)"
)
BY_ANYBODY = f"($tags IS NOT NULL AND kind = '{RecordKind.ERASURE}')"
"""Who has samples of a tag erased is seldom the gateway that wrote them."""
_HOW_MANY = "SELECT count(*) AS n FROM $G.sample WHERE tag IN (SELECT unnest($tags)) AND time >= $start AND time < $end"
_SUMS = (
    "SELECT kind, CASE WHEN $tags IS NOT NULL THEN tag END AS of_tag, writer, cause, count(*), sum(number)::BIGINT, "
    "min(from_ns), max(to_ns), "
    "count(*) FILTER (kind = 'gap' AND to_ns IS NULL), count(*) FILTER (kind = 'gap' AND excerpt = $refilled), "
    "coalesce(sum(greatest(0, least(coalesce(to_ns, $now), $end)::HUGEINT - greatest(from_ns, $start)::HUGEINT)) "
    "FILTER (kind = 'gap' AND excerpt <> $refilled), 0)::BIGINT"
)


class TagLedger:
    """Answer about tags, in the reader's threads."""

    def __init__(self, engine: Engine, reader: Reader) -> None:
        self._engine, self._reader = engine, reader

    async def samples(self, tags: Sequence[TagRef], start_ns: int, end_ns: int) -> dict[int, TagSamples]:
        """Count the samples of tags with start <= time < end; raise TooManyRows above LATE_ROWS_MAX."""
        if not tags:
            return {}
        return await self._reader.run(self._samples, tags, start_ns, end_ns)

    def _samples(self, tags: Sequence[TagRef], start_ns: int, end_ns: int) -> dict[int, TagSamples]:
        ids = [tag.id for tag in tags]
        asked: dict[str, object] = {"tags": ids, "start": start_ns, "end": end_ns}
        late = [NEVER_LATE if tag.late_after_ns is None else min(tag.late_after_ns, NEVER_LATE) for tag in tags]
        more = {"late": late, "owners": [tag.owner for tag in tags], "skew": CLOCK_SKEW_MAX_NS}
        with self._engine.view() as view:
            count = view.samples(_HOW_MANY, ids, start_ns, end_ns)
            if self._engine.rows(f"SELECT sum(n) FROM ({count})", asked)[0][0] > LATE_ROWS_MAX:
                raise TooManyRows(LATE_ROWS_MAX, f"the span of {len(ids)} tags")
            rows = view.samples(_SAMPLES, ids, start_ns, end_ns)
            found = self._engine.rows(f"{_WANTED} {_COUNTS} FROM ({rows}) GROUP BY tag", asked | more)
        return {row[0]: TagSamples(*row) for row in found}

    async def told(
        self,
        tenant: str,
        span: tuple[int, int],
        now_ns: int,
        *,
        tags: Sequence[int] | None = None,
        writers: Sequence[str] | None = None,
    ) -> list[Told]:
        """Sum the records that speak of source times in the span, of these tags and of no tag, by these writers.

        None: of all, the tags then not told apart. What was set aside and is stored since, by a retry, is left out.
        """
        parameters: dict[str, object] = {
            "tenant": tenant,
            "writer": None,
            "start": span[0],
            "end": span[1],
            "now": now_ns,
            "refilled": REFILLED,
            "tags": None if tags is None else list(tags),
            "writers": None if writers is None else list(writers),
            "limit": CAUSES_MAX,
        }
        retried = "SELECT quarantined FROM $G.resolution"
        rows = await self._reader.run(
            self._engine.answer,
            lambda view: (
                f"{_SUMS} FROM (SELECT * FROM ({view.over(RECORDS_OF_ALL_TIME)}) "
                "WHERE ($tags IS NULL OR tag IS NULL OR list_contains($tags, tag)) "
                f"AND ({BY_ANYBODY} OR $writers IS NULL OR list_contains($writers, writer)) QUALIFY {NEWEST_OF_GAP}) "
                f"WHERE {TOUCHES} AND (kind <> '{RecordKind.QUARANTINED}' OR position NOT IN ({view.over(retried)})) "
                "GROUP BY kind, of_tag, writer, cause ORDER BY sum(number) DESC, kind, of_tag, cause LIMIT $limit"
            ),
            parameters,
        )
        return [Told(*row) for row in rows]
