"""Routes of the historian: latest, raw ranges, commits since a position, aggregates."""

import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from penstock.core.errors import RetryLater
from penstock.platform.historian.api.asking import (
    AssetId,
    Keys,
    Moment,
    Tags,
    expired,
    moment,
    need_reached,
    need_some,
    span,
    tags_asked,
)
from penstock.platform.historian.api.latest import latest_json
from penstock.platform.historian.api.schemas import ROWS_MAX, LatestPage, SamplesPage, SincePage
from penstock.platform.historian.api.wire import (
    ARROW,
    JSON,
    arrow_answer,
    json_answer,
    json_columns,
    json_erasures,
    told_removed,
    wants_arrow,
)
from penstock.platform.historian.errors import CursorExpired
from penstock.platform.historian.ports import RowKey, Table
from penstock.platform.historian.service import Historian
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.paging import CURSOR_LENGTH_MAX, decode_cursor, encode_cursor
from penstock.platform.kit.problems import busy
from penstock.platform.registry.service import TagDirectory, TagRef

ROWS_DEFAULT = 10_000
RANGE_TAGS_MAX = 100
"""Tags of one raw range: a trend page; more are asked in parts."""

Reader = Annotated[Principal, requires("samples:read")]
Every = Annotated[bool, Query(alias="all", description="every tag of the tenant, in one answer")]
Rows = Annotated[int, Query(ge=1, le=ROWS_MAX, description="rows a page")]
RowCursor = Annotated[str | None, Query(max_length=CURSOR_LENGTH_MAX, pattern=r"^[A-Za-z0-9_-]*$")]
Position = Annotated[int | None, Query(ge=0, le=2**63 - 1, description="absent: the head")]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
ARROW_TOO: dict[int | str, dict[str, Any]] = {200: {"content": {ARROW: _BINARY}}}


class HistorianEndpoints:
    """Read samples."""

    def __init__(
        self, historian: Historian, directory: TagDirectory, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._historian, self._directory, self._now_ns = historian, directory, now_ns

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1", tags=["samples"])
        router.get("/latest", response_model=LatestPage, responses=ARROW_TOO)(self.latest)
        router.get("/samples", response_model=SamplesPage, responses=ARROW_TOO)(self.samples)
        router.get("/since", response_model=SincePage, responses=ARROW_TOO)(self.since)
        return router

    async def latest(
        self,
        request: Request,
        principal: Reader,
        tag: Tags = None,
        key: Keys = None,
        asset: AssetId = None,
        every: Every = False,
    ) -> Response:
        """Give the newest sample of each tag by source time; in Arrow, of each tag that has one."""
        tags: Mapping[int, TagRef]
        if every:
            tags = {each.id: each for each in self._directory.all(principal.tenant)}
        else:
            tags = tags_asked(self._directory, principal.tenant, tag, keys=key, asset=asset)
            need_some(tags, asset, or_else="an asset (asset=), or everything (all=true)")
        rows = self._historian.latest_table(list(tags))
        if wants_arrow(request.headers.get("accept", "")):
            return arrow_answer(rows, {"now": self._now_ns()})
        return Response(latest_json(tags, rows, self._now_ns()), media_type=JSON)

    async def samples(
        self,
        request: Request,
        principal: Reader,
        tag: Tags = None,
        key: Keys = None,
        start: Moment = None,
        end: Moment = None,
        order: Literal["asc", "desc"] = "asc",
        limit: Rows = ROWS_DEFAULT,
        cursor: RowCursor = None,
    ) -> Response:
        """Give raw samples with start <= time < end, ordered by (time, position, row)."""
        tags = tags_asked(self._directory, principal.tenant, tag, keys=key, limit=RANGE_TAGS_MAX)
        need_some(tags)
        after = None
        if cursor:
            start_ns, end_ns, *place = decode_cursor(cursor, int, int, int, int, int)
            after = RowKey(*place)
        else:
            now = self._now_ns()
            start_ns, end_ns = moment(start, "1h-ago", now), moment(end, "now", now)
            span(start_ns, end_ns)
        try:
            rows = await self._historian.range(
                list(tags), start_ns, end_ns, after=after, limit=limit + 1, descending=order == "desc"
            )
        except RetryLater as error:
            raise busy(error.message) from error
        following = None
        if rows.num_rows > limit:
            rows = rows.slice(0, limit)
            following = encode_cursor(start_ns, end_ns, *_key_of_last(rows))
        beside = {"next": following, **told_removed(self._historian.removed(start_ns, end_ns))}
        if wants_arrow(request.headers.get("accept", "")):
            return arrow_answer(rows, beside)
        return json_answer({"columns": json_columns(rows), **beside})

    async def since(
        self,
        request: Request,
        principal: Reader,
        position: Position = None,
        tag: Tags = None,
        key: Keys = None,
        limit: Rows = ROWS_DEFAULT,
    ) -> Response:
        """Give what was committed after a position, in commit order; absent: where the head is now."""
        tags = tags_asked(self._directory, principal.tenant, tag, keys=key)
        wanted = list(tags) or [each.id for each in self._directory.all(principal.tenant)]
        head = self._historian.head()
        if position is None:
            position = head
        need_reached(position, head)
        try:
            page = await self._historian.since(position, limit=limit, tags=wanted)
        except CursorExpired as error:
            raise expired(error.message, error.oldest) from error
        except RetryLater as error:
            raise busy(error.message) from error
        beside = {"next": None, "position": page.position, "head": page.head, "erasures": json_erasures(page.erasures)}
        if wants_arrow(request.headers.get("accept", "")):
            return arrow_answer(page.rows, beside)
        return json_answer({"columns": json_columns(page.rows), **beside})


def _key_of_last(rows: Table) -> RowKey:
    last = rows.slice(rows.num_rows - 1)
    return RowKey(*(last[name][0].as_py() for name in ("time", "position", "row")))
