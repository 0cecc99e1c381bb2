"""The routes of processed history: aggregates in calendar windows, and values at given times (OPC UA Part 13)."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from penstock.core.aggregate import ACTUAL_TIME, Aggregate
from penstock.core.errors import RetryLater
from penstock.core.windows import Interval
from penstock.platform.historian.api.aggregate_asking import (
    AggregateName,
    Settings,
    calendar,
    need_few,
    need_numbers,
    need_suitable,
    settings_of,
)
from penstock.platform.historian.api.asking import (
    AN_ASSET,
    TAGS_MAX,
    AssetId,
    Keys,
    Moment,
    Tags,
    moment,
    need_some,
    span,
    tags_asked,
)
from penstock.platform.historian.api.endpoints import ARROW_TOO, RANGE_TAGS_MAX
from penstock.platform.historian.api.schemas import AggregatesPage
from penstock.platform.historian.api.wire import (
    arrow_answer,
    float_column,
    json_answer,
    times_text,
    told_removed,
    wants_arrow,
)
from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.processed.aggregates import Summary
from penstock.platform.historian.processed.columns_by_count import Column
from penstock.platform.historian.processed.plot import Plot
from penstock.platform.historian.service import Historian
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.problems import busy, invalid
from penstock.platform.registry.service import TagDirectory, TagRef

TIMES_MAX = 10_000
"""Times of one question for values at given times."""
PLOT_POINTS_MAX = 20_000
"""Points of a picture: five screens side by side."""
TAGS_A_PASS = 100
"""Tags read in one pass: a large question is read in parts, so that others have their turn."""
AT_ONCE = 2
"""Tags read at once: as many as there are query threads, so that a large question leaves room in the queue."""

Reader = Annotated[Principal, requires("samples:read")]
Names = Annotated[list[AggregateName] | None, Query(alias="aggregate", max_length=len(Aggregate))]
IntervalText = Annotated[str, Query(max_length=16, description="whole number and ms s m h d w mo")]
Zone = Annotated[str, Query(max_length=64, description="IANA zone such as Europe/Berlin")]
Moments = Annotated[
    list[Annotated[str, Query(max_length=64)]] | None,
    Query(alias="time", max_length=TIMES_MAX, description="RFC 3339, integer ns, `now` or relative; may be repeated"),
]
Statuses = Annotated[bool, Query(description="a column `<aggregate>.status` each, as Part 13 defines it")]
T = TypeVar("T")


class AggregateEndpoints:
    """Summarise history."""

    def __init__(
        self, historian: Historian, directory: TagDirectory, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._historian, self._directory, self._now_ns = historian, directory, now_ns

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1", tags=["samples"])
        router.get("/aggregates", response_model=AggregatesPage, responses=ARROW_TOO)(self.aggregates)
        router.get("/interpolated", response_model=AggregatesPage, responses=ARROW_TOO)(self.interpolated)
        router.get("/plot", response_model=AggregatesPage, responses=ARROW_TOO)(self.plot)
        return router

    async def aggregates(
        self,
        request: Request,
        principal: Reader,
        asked: Settings,
        tag: Tags = None,
        key: Keys = None,
        asset: AssetId = None,
        aggregate: Names = None,
        start: Moment = None,
        end: Moment = None,
        interval: IntervalText = "1m",
        zone: Zone = "UTC",
        statuses: Statuses = False,
    ) -> Response:
        """Give aggregates per tag and window; a window that is not complete has the Partial bit in its status."""
        tags = tags_asked(self._directory, principal.tenant, tag, keys=key, asset=asset, limit=TAGS_MAX)
        need_some(tags, asset, or_else=AN_ASSET)
        wanted = list(dict.fromkeys(aggregate or [Aggregate.AVERAGE]))
        need_suitable(tags, wanted)
        now = self._now_ns()
        over = calendar(moment(start, "1h-ago", now), moment(end, "now", now), interval, zone)
        need_few(len(over), tags, (2 if statuses else 1) * len(wanted))

        settings = {each.id: settings_of(each, asked, now) for each in tags.values()}
        found: dict[int, Summary] = {}
        with refusing():
            for part in batched(settings, TAGS_A_PASS):
                found |= await self._historian.aggregate_many({each: settings[each] for each in part}, over, wanted)
        starts = np.array([window.start_ns for window in over], np.int64)
        table = _summary_table(starts, wanted, list(found.values()), statuses=statuses)
        removed = told_removed(self._historian.removed(over[0].start_ns, over[-1].end_ns))
        return _answer(request, dict.fromkeys(found, len(over)), table, removed)

    async def interpolated(
        self,
        request: Request,
        principal: Reader,
        asked: Settings,
        tag: Tags = None,
        key: Keys = None,
        asset: AssetId = None,
        times: Moments = None,
        start: Moment = None,
        end: Moment = None,
        step: IntervalText = "1m",
        simple: Annotated[bool, Query(description="simple bounding values: nothing across Bad samples")] = False,
    ) -> Response:
        """Give each tag's value at the times named, or from start to end in steps (OPC UA ReadAtTime)."""
        tags = tags_asked(self._directory, principal.tenant, tag, keys=key, asset=asset, limit=TAGS_MAX)
        need_some(tags, asset, or_else=AN_ASSET)
        need_numbers(tags, "values at given times need")
        now = self._now_ns()
        if times:
            at = np.array(sorted(moment(text, "now", now) for text in times), np.int64)
        else:
            at = _steps(moment(start, "1h-ago", now), moment(end, "now", now), step)
        need_few(len(at), tags, 1)

        async def read(each: TagRef) -> Column:
            return await self._historian.at_times(each.id, at, settings=settings_of(each, asked, now), simple=simple)

        found = await _of_each(tags, read)
        removed = told_removed(self._historian.removed(int(at[0]), int(at[-1]) + 1))
        table = _point_table([(at, column.value, column.present, column.status) for column in found.values()])
        return _answer(request, dict.fromkeys(found, len(at)), table, removed)

    async def plot(
        self,
        request: Request,
        principal: Reader,
        tag: Tags = None,
        key: Keys = None,
        start: Moment = None,
        end: Moment = None,
        points: Annotated[int, Query(ge=10, le=PLOT_POINTS_MAX, description="as many as the picture is wide")] = 2000,
    ) -> Response:
        """Give each tag's samples to draw: all when few, else those that keep the line's look (MinMaxLTTB)."""
        tags = tags_asked(self._directory, principal.tenant, tag, keys=key, limit=RANGE_TAGS_MAX)
        need_some(tags)
        need_numbers(tags, "a plot needs")
        now = self._now_ns()
        start_ns, end_ns = moment(start, "1h-ago", now), moment(end, "now", now)
        span(start_ns, end_ns)
        need_few(points, tags, 1)

        async def read(each: TagRef) -> Plot:
            return await self._historian.plot(each.id, start_ns, end_ns, points=points)

        found = await _of_each(tags, read)
        parts = [(plot.series, plot.drawn) for plot in found.values()]
        table = _point_table([(series.time, series.value, drawn, series.status) for series, drawn in parts])
        rows = {each: len(plot.drawn) for each, plot in found.items()}
        beside = {"samples": {str(each): plot.samples for each, plot in found.items()}}
        return _answer(request, rows, table, beside | told_removed(self._historian.removed(start_ns, end_ns)))


async def _of_each(tags: Mapping[int, TagRef], read: Callable[[TagRef], Awaitable[T]]) -> dict[int, T]:
    """Read every tag, a few at once; Problem 422 or 429 where one cannot be read."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(tag: TagRef) -> T:
        async with gate:
            return await read(tag)

    with refusing():
        try:
            async with asyncio.TaskGroup() as group:
                tasks = {tag.id: group.create_task(one(tag)) for tag in tags.values()}
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
    return {each: task.result() for each, task in tasks.items()}


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Say in a Problem, 422 or 429, why something cannot be read."""
    try:
        yield
    except TooManyRows as error:
        raise invalid(error.message, limit=error.limit) from error
    except RetryLater as error:
        raise busy(error.message) from error


def batched(tags: Iterable[int], size: int) -> Iterator[list[int]]:
    """Cut tags into parts."""
    every = list(tags)
    for begin in range(0, len(every), size):
        yield every[begin : begin + size]


def _steps(start_ns: int, end_ns: int, step: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    try:
        length = Interval.parse(step)
    except ValueError as error:
        raise invalid(str(error)) from None
    if length.is_calendar or end_ns <= start_ns:
        msg = "steps are of elapsed time (ms s m h), and end must be after start; for days ask /v1/aggregates"
        raise invalid(msg)
    if (end_ns - start_ns) // length.length_ns >= TIMES_MAX:
        msg = f"more than {TIMES_MAX} steps, the limit of one question; take longer steps or a shorter span"
        raise invalid(msg, limit=TIMES_MAX)
    return np.arange(start_ns, end_ns, length.length_ns, dtype=np.int64)


def _schema(wanted: Sequence[Aggregate], *, statuses: bool) -> pa.Schema:
    fields: list[tuple[str, pa.DataType]] = [("start", pa.int64())]
    for name in wanted:
        fields.append((name.value, pa.float64()))
        if name in ACTUAL_TIME:
            fields.append((f"{name}.time", pa.int64()))
        if statuses:
            fields.append((f"{name}.status", pa.uint32()))
    return pa.schema([*fields, ("status", pa.uint32())])


def _summary_table(starts: Any, wanted: Sequence[Aggregate], found: Sequence[Summary], *, statuses: bool) -> pa.Table:
    """Put the windows of all tags into one table, tag after tag."""
    columns = [pa.array(np.tile(starts, len(found)))]
    for name in wanted:
        each = [summary.columns[name] for summary in found]
        columns.append(_masked([column.value for column in each], [column.present for column in each]))
        if name in ACTUAL_TIME:
            columns.append(pa.array(_whole([column.time for column in each], np.int64)))
        if statuses:
            columns.append(pa.array(_whole([column.status for column in each], np.uint32)))
    columns.append(pa.array(_whole([summary.status for summary in found], np.uint32)))
    return pa.table(columns, schema=_schema(wanted, statuses=statuses))


def _point_table(found: Sequence[tuple[Any, Any, Any, Any]]) -> pa.Table:
    """Put times, values, which of these are there, and statuses of all tags into one table, tag after tag."""
    times, values, present, statuses = zip(*found, strict=True) if found else ((), (), (), ())
    schema = pa.schema([("time", pa.int64()), ("value", pa.float64()), ("status", pa.uint32())])
    return pa.table([_whole(times, np.int64), _masked(values, present), _whole(statuses, np.uint32)], schema=schema)


def _masked(values: Sequence[Any], present: Sequence[Any]) -> pa.Array:
    return pa.array(_whole(values, np.float64), mask=~_whole(present, np.bool_))


def _whole(parts: Sequence[Any], kind: type[T]) -> Any:
    return np.concatenate([np.zeros(0, kind), *parts])


def _answer(
    request: Request, rows: Mapping[int, int], table: pa.Table, beside: Mapping[str, Any] | None = None
) -> Response:
    """Answer with one Arrow table of all tags, or JSON columns per tag; `rows` says how many each tag has, in order."""
    if wants_arrow(request.headers.get("accept", "")):
        numbers = pa.array(np.repeat(*(np.array([*each], np.int64) for each in (rows, rows.values()))))
        return arrow_answer(table.add_column(0, "tag", numbers), beside)
    columns = {name: _json(table[name]) for name in table.column_names}
    items, begin = [], 0
    for tag, count in rows.items():
        own = {name: column[begin : begin + count] for name, column in columns.items()}
        items.append({"tag": tag, "columns": own})
        begin += count
    return json_answer({"items": items, **(beside or {})})


def _json(column: pa.ChunkedArray) -> list[Any]:
    values = column.to_numpy()
    if column.type == pa.int64():  # windows are the same for all tags
        times, place = np.unique(values, return_inverse=True)
        texts = times_text(times)
        return [texts[each] for each in place.tolist()]
    if column.type == pa.float64():
        return float_column(values, column.is_valid().to_numpy())
    plain: list[Any] = values.tolist()
    return plain
