"""The route of aggregates: named and defined as in OPC UA Part 13, in calendar windows of an IANA zone."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.errors import RetryLater
from penstock.core.windows import Window, windows
from penstock.platform.historian.aggregates import Summary
from penstock.platform.historian.asking import AssetId, Keys, Moment, Tags, moment, need_some, tags_asked
from penstock.platform.historian.endpoints import ARROW_TOO, RANGE_TAGS_MAX
from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.schemas import AggregatesPage
from penstock.platform.historian.service import Historian
from penstock.platform.historian.wire import arrow_answer, float_column, json_answer, times_text, wants_arrow
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.problems import busy, invalid
from penstock.platform.registry.service import TagDirectory

WINDOWS_MAX = 200_000
"""Windows times tags of one question: 10 MB of Arrow."""

Names = Annotated[list[Aggregate] | None, Query(alias="aggregate", max_length=len(Aggregate))]
IntervalText = Annotated[str, Query(max_length=16, description="whole number and ms s m h d w mo")]
Zone = Annotated[str, Query(max_length=64, description="IANA zone such as Europe/Berlin")]


class AggregateEndpoints:
    """Summarise history."""

    def __init__(
        self, historian: Historian, directory: TagDirectory, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._historian, self._directory, self._now_ns = historian, directory, now_ns

    def router(self) -> APIRouter:
        """Give the route."""
        router = APIRouter(prefix="/v1", tags=["samples"])
        router.get("/aggregates", response_model=AggregatesPage, responses=ARROW_TOO)(self.aggregates)
        return router

    async def aggregates(
        self,
        request: Request,
        principal: Annotated[Principal, requires("samples:read")],
        tag: Tags = None,
        key: Keys = None,
        asset: AssetId = None,
        aggregate: Names = None,
        start: Moment = None,
        end: Moment = None,
        interval: IntervalText = "1m",
        zone: Zone = "UTC",
        stepped: Annotated[bool, Query(description="false: the line between samples")] = True,
        treat_uncertain_as_bad: bool = False,
    ) -> Response:
        """Give aggregates per tag and window; a window that the span cuts has the Partial bit in its status."""
        tags = tags_asked(self._directory, principal.tenant, tag, keys=key, asset=asset, limit=RANGE_TAGS_MAX)
        need_some(tags, asset)
        wanted = list(dict.fromkeys(aggregate or [Aggregate.AVERAGE]))
        now = self._now_ns()
        over = _windows(moment(start, "1h-ago", now), moment(end, "now", now), interval, zone)
        if len(over) * len(tags) > WINDOWS_MAX:
            told = f"{len(over)} windows of {len(tags)} tags are more than {WINDOWS_MAX}, the limit of one question"
            msg = f"{told}; take a longer interval, a shorter span or fewer tags."
            raise invalid(msg, limit=WINDOWS_MAX)
        settings = AggregateSettings(stepped=stepped, treat_uncertain_as_bad=treat_uncertain_as_bad)
        try:
            found = {each: await self._historian.aggregate(each, over, wanted, settings=settings) for each in tags}
        except TooManyRows as error:
            raise invalid(error.message, limit=error.limit) from error
        except RetryLater as error:
            raise busy(error.message) from error
        if wants_arrow(request.headers.get("accept", "")):
            return arrow_answer(_arrow(found, over, wanted))
        return json_answer({"items": [_item(each, summary, over) for each, summary in found.items()]})


def _windows(start_ns: int, end_ns: int, interval: str, zone: str) -> list[Window]:
    try:
        return windows(start_ns, end_ns, interval, zone)
    except ValueError as error:
        raise invalid(str(error)) from None


def _item(tag: int, summary: Summary, over: Sequence[Window]) -> dict[str, Any]:
    columns: dict[str, Any] = {"start": times_text(np.array([window.start_ns for window in over], np.int64))}
    for name, values in summary.values.items():
        columns[name.value] = float_column(values, summary.present[name])
    columns["status"] = summary.status.tolist()
    return {"tag": tag, "columns": columns}


def _arrow(found: Mapping[int, Summary], over: Sequence[Window], wanted: Sequence[Aggregate]) -> pa.Table:
    schema = pa.schema(
        [
            ("tag", pa.int64()),
            ("start", pa.int64()),
            *((name.value, pa.float64()) for name in wanted),
            ("status", pa.uint32()),
        ]
    )
    starts = pa.array([window.start_ns for window in over], pa.int64())
    tables = [schema.empty_table()]
    for tag, summary in found.items():
        columns = [pa.array(np.full(len(over), tag, np.int64)), starts]
        columns += [pa.array(summary.values[name], mask=~summary.present[name]) for name in wanted]
        tables.append(pa.table([*columns, pa.array(summary.status)], schema=schema))
    return pa.concat_tables(tables)
