"""Reading samples: newest, ranges, aggregates, commit order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from typing import Any, TypedDict, Unpack

import pyarrow as pa

from penstock.sdk.frames import Page, Removed, read_arrow, read_page
from penstock.sdk.models import Asset, Erasure, Latest, Tag, scalar_of
from penstock.sdk.processed import INTERPOLATED_SCHEMA, Aggregates, Interpolated, Plot, aggregates_schema
from penstock.sdk.resources.tags import AsyncTags, TagLike
from penstock.sdk.samples import Samples, empty_rows
from penstock.sdk.times import When, parameter
from penstock.sdk.transport import Params, Transport

PAGE_ROWS = 100_000  # the platform's maximum for samples
TAGS_A_REQUEST = 100  # the platform's maximum for a raw range
TAGS_PROCESSED = 1000  # the platform's maximum for aggregates and values at given times


class AggregateOptions(TypedDict, total=False):
    """How aggregates are computed (OPC UA Part 13, 4.2.1.2); what is not named has the platform's default."""

    stepped: bool
    treat_uncertain_as_bad: bool
    percent_data_good: float
    percent_data_bad: float
    use_sloped_extrapolation: bool


@dataclass(frozen=True, slots=True)
class Commits:
    """Rows in commit order, the position to go on from, and the historian's head.

    Rows that were erased meanwhile are not among them; `erasures` tell what of earlier pages is gone: apply them first.
    """

    samples: Samples
    position: int
    head: int
    erasures: tuple[Erasure, ...] = ()


class AsyncHistory:
    """What the historian holds."""

    def __init__(self, transport: Transport, tags: AsyncTags) -> None:
        self._transport = transport
        self._tags = tags

    async def latest(
        self,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        asset: str | Asset | None = None,
        properties: Iterable[str] | None = None,
        everything: bool = False,
    ) -> Sequence[Latest]:
        """Give the newest sample of each tag by source time, in the order asked; time None: no sample yet.

        `everything`: of every tag of the tenant, in one request.
        """
        if everything:
            return await self._latest_of_all()
        chosen = await self._tags.select(tags, asset, properties)
        newest: dict[int, Latest] = {}
        for part in _parts(chosen):
            body = await self._transport.json("GET", "/v1/latest", params=_tag_params(part))
            for item in body["items"]:
                latest = Latest.of(item)
                tag = chosen.get(latest.tag)
                value = scalar_of(latest.value, tag.type if tag else "float64")
                newest[latest.tag] = changed(latest, value=value)
        return [newest.get(i) or Latest(i, t.key) for i, t in chosen.items()]

    async def _latest_of_all(self) -> Sequence[Latest]:
        types = {tag.id: tag.type for tag in await self._tags.list()}
        body = await self._transport.json("GET", "/v1/latest", params=[("all", "true")])
        found = [Latest.of(item) for item in body["items"]]
        return [changed(each, value=scalar_of(each.value, types.get(each.tag, "float64"))) for each in found]

    async def samples(
        self,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        asset: str | Asset | None = None,
        properties: Iterable[str] | None = None,
        start: When = "1h-ago",
        end: When = "now",
        limit: int | None = None,
        include_status: bool = False,
        ignore_bad: bool | None = None,
    ) -> Samples:
        """Read raw samples, start inclusive, end exclusive, all pages; `limit` caps the rows fetched (oldest first).

        Bad samples are left out unless `include_status=True` shows what they are, or `ignore_bad` says otherwise.
        """
        chosen = await self._tags.select(tags, asset, properties)
        tables, left, removed = [empty_rows()], limit, set[Removed]()
        for part in _parts(chosen):
            params = [*_tag_params(part), ("start", parameter(start)), ("end", parameter(end))]
            async for page in self._pages(params, left):
                tables.append(page.table)
                removed |= {page.removed} if page.removed else set()
                left = None if left is None else left - page.table.num_rows
        rows = pa.concat_tables(tables)
        if len(chosen) > TAGS_A_REQUEST:
            rows = rows.sort_by([("time", "ascending"), ("position", "ascending"), ("row", "ascending")])
        samples = Samples.of(rows, chosen, include_status=include_status, ignore_bad=ignore_bad)
        samples.removed = max(removed, key=lambda each: each.until, default=None)
        return samples

    async def iterate(
        self,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        asset: str | Asset | None = None,
        properties: Iterable[str] | None = None,
        start: When = "1h-ago",
        end: When = "now",
        chunk: int = PAGE_ROWS,
        include_status: bool = False,
        ignore_bad: bool | None = None,
    ) -> AsyncIterator[Samples]:
        """Read a range too large for memory, as chunks of at most `chunk` rows (at most 100 tags)."""
        chosen = await self._tags.select(tags, asset, properties)
        if len(chosen) > TAGS_A_REQUEST:
            message = f"iterate() takes at most {TAGS_A_REQUEST} tags, got {len(chosen)}: call it in parts"
            raise ValueError(message)
        params = [*_tag_params(chosen), ("start", parameter(start)), ("end", parameter(end))]
        async for page in self._pages(params, None, rows=chunk):
            samples = Samples.of(page.table, chosen, include_status=include_status, ignore_bad=ignore_bad)
            samples.removed = page.removed
            yield samples

    async def aggregates(
        self,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        asset: str | Asset | None = None,
        properties: Iterable[str] | None = None,
        aggregates: Sequence[str] = ("Average",),
        interval: str = "1m",
        start: When = "1h-ago",
        end: When = "now",
        zone: str = "UTC",
        include_status: bool = False,
        **settings: Unpack[AggregateOptions],
    ) -> Aggregates:
        """Read aggregates as OPC UA Part 13 names them, in windows of `interval` (s m h d w mo) in the IANA `zone`.

        `include_status` adds the status of the windows and of each result. Settings: docs/reference/aggregates.md.
        """
        chosen = await self._tags.select(tags, asset, properties)
        asked = [("start", parameter(start)), ("end", parameter(end)), ("interval", interval), ("zone", zone)]
        asked += [("aggregate", name) for name in aggregates]
        asked += _options(settings) + ([("statuses", "true")] if include_status else [])
        tables, removed = await self._processed("/v1/aggregates", chosen, asked)
        schema = aggregates_schema(aggregates, statuses=include_status)
        whole = pa.concat_tables([schema.empty_table(), *(table.select(schema.names).cast(schema) for table in tables)])
        found = Aggregates(whole, chosen, include_status=include_status)
        found.removed = removed
        return found

    async def interpolated(
        self,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        asset: str | Asset | None = None,
        properties: Iterable[str] | None = None,
        times: Iterable[When] | None = None,
        start: When = "1h-ago",
        end: When = "now",
        step: str = "1m",
        simple: bool = False,
        include_status: bool = False,
        **settings: Unpack[AggregateOptions],
    ) -> Interpolated:
        """Read the value at each of `times`, or from `start` to `end` in steps of elapsed time (ms s m h).

        Between samples the last one holds, with `stepped=False` the line counts; `simple=True`: nothing across Bad.
        """
        chosen = await self._tags.select(tags, asset, properties)
        asked = [("time", parameter(each)) for each in times or ()]
        asked = asked or [("start", parameter(start)), ("end", parameter(end)), ("step", step)]
        asked += _options(settings) + ([("simple", "true")] if simple else [])
        tables, removed = await self._processed("/v1/interpolated", chosen, asked)
        whole = pa.concat_tables([INTERPOLATED_SCHEMA.empty_table(), *(t.cast(INTERPOLATED_SCHEMA) for t in tables)])
        found = Interpolated(whole, chosen, include_status=include_status)
        found.removed = removed
        return found

    async def plot(
        self,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        asset: str | Asset | None = None,
        properties: Iterable[str] | None = None,
        start: When = "1h-ago",
        end: When = "now",
        points: int = 2000,
    ) -> Plot:
        """Read what a picture of `points` width needs: all samples when few, else those that keep the line's look."""
        chosen = await self._tags.select(tags, asset, properties)
        asked = [("start", parameter(start)), ("end", parameter(end)), ("points", str(points))]
        tables, samples, besides = [INTERPOLATED_SCHEMA.empty_table()], dict[int, int](), list[Mapping[str, Any]]()
        for part in _parts(chosen):
            found, beside = read_arrow(await self._transport.arrow("/v1/plot", params=[*_tag_params(part), *asked]))
            tables.append(found.cast(INTERPOLATED_SCHEMA))
            samples |= {int(tag): int(count) for tag, count in beside["samples"].items()}
            besides.append(beside)
        plot = Plot(pa.concat_tables(tables), chosen, samples)
        plot.removed = Removed.of(*besides)
        return plot

    async def _processed(
        self, path: str, chosen: Mapping[int, Tag], asked: Params
    ) -> tuple[list[pa.Table], Removed | None]:
        parts = _parts(chosen, TAGS_PROCESSED)
        read = [read_arrow(await self._transport.arrow(path, params=[*_tag_params(part), *asked])) for part in parts]
        return [table for table, _ in read], Removed.of(*(beside for _, beside in read))

    async def since(
        self,
        position: int | None = None,
        tags: TagLike | Iterable[TagLike] | None = None,
        *,
        limit: int = 10_000,
        include_status: bool = True,
        ignore_bad: bool | None = None,
    ) -> Commits:
        """Read what was committed after `position`, in commit order; without it, where the head stands now.

        Raises GoneError where the position is older than the platform keeps, or lies beyond its head (the platform was
        restored): re-read by `samples`.
        """
        chosen = {} if tags is None else await self._tags.select(tags, None)
        params = [*_tag_params(chosen), ("limit", str(limit))]
        if position is not None:
            params.append(("position", str(position)))
        page = read_page(await self._transport.arrow("/v1/since", params=params))
        known = chosen or await self.name_tags(page.table)
        samples = Samples.of(page.table, known, include_status=include_status, ignore_bad=ignore_bad)
        reached = page.position if page.position is not None else (position or 0)
        return Commits(samples, reached, page.head if page.head is not None else reached, page.erasures)

    async def name_tags(self, table: pa.Table) -> Mapping[int, Tag]:
        """Give the Tag of each tag id in the rows."""
        ids: list[int] = table.column("tag").unique().to_pylist()
        return {t.id: t for t in await self._tags.resolve(ids)}

    async def page(self, tags: Sequence[int], start: int | str, end: int | str, *, cursor: str | None = None) -> Page:
        """Read one page of a raw range as it travels: at most 100,000 rows of at most 100 tag ids, and a cursor."""
        span = [("start", str(start)), ("end", str(end)), ("limit", str(PAGE_ROWS))]
        query = [*(("tag", str(tag)) for tag in tags), *span, *([("cursor", cursor)] if cursor else [])]
        return read_page(await self._transport.arrow("/v1/samples", params=query))

    async def _pages(self, params: Params, limit: int | None, *, rows: int = PAGE_ROWS) -> AsyncIterator[Page]:
        left, cursor = limit, None
        while left is None or left > 0:
            asked = rows if left is None else min(left, rows)
            query = [*params, ("limit", str(asked)), *([("cursor", cursor)] if cursor else [])]
            page = read_page(await self._transport.arrow("/v1/samples", params=query))
            yield page
            left = None if left is None else left - page.table.num_rows
            cursor = page.next
            if cursor is None:
                return


def _parts(chosen: Mapping[int, Tag], size: int = TAGS_A_REQUEST) -> list[dict[int, Tag]]:
    items = list(chosen.items())
    return [dict(items[i : i + size]) for i in range(0, len(items), size)]


def _options(settings: AggregateOptions) -> list[tuple[str, str]]:
    return [(name, str(value).lower()) for name, value in settings.items()]


def _tag_params(chosen: Mapping[int, Tag]) -> list[tuple[str, str]]:
    return [("tag", str(i)) for i in chosen]
