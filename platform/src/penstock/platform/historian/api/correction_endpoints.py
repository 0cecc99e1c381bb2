"""The route that deletes samples: who may, what is asked, and the audit of it."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from penstock.core.errors import RetryLater
from penstock.core.times import format_rfc3339_ns
from penstock.platform.historian.api.asking import Keys, Moment, Tags, moment, need_some, tags_asked
from penstock.platform.historian.api.schemas import Erased
from penstock.platform.historian.erasures import ALWAYS
from penstock.platform.historian.ports import ROWS, Erasing, WriterBatch
from penstock.platform.historian.service import Historian
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.audit import record
from penstock.platform.kit.db import Database
from penstock.platform.kit.ids import new_id
from penstock.platform.kit.problems import busy, invalid
from penstock.platform.registry.service import TagDirectory

DELETE_TAGS_MAX = 100
"""Tags of one deletion: each may want a look for the newest sample that is left."""

Reason = Annotated[str, Query(max_length=200, description="why, for the audit log and the ledger")]


class CorrectionEndpoints:
    """Take samples back."""

    def __init__(
        self, historian: Historian, directory: TagDirectory, db: Database, *, now_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._historian, self._directory, self._db, self._now_ns = historian, directory, db, now_ns

    def router(self) -> APIRouter:
        """Give the route."""
        router = APIRouter(prefix="/v1", tags=["samples"])
        router.delete("/samples")(self.delete)
        return router

    async def delete(
        self,
        principal: Annotated[Principal, requires("samples:delete")],
        tag: Tags = None,
        key: Keys = None,
        start: Moment = None,
        end: Moment = None,
        reason: Reason = "",
    ) -> Erased:
        """Delete the samples with start <= time < end that are there now; answered when that is on disk.

        Asking again deletes what came since, mostly nothing. What was asked stands in the audit log before it is done.
        """
        tags = tags_asked(self._directory, principal.tenant, tag, keys=key, limit=DELETE_TAGS_MAX)
        need_some(tags)
        start_ns, end_ns = self._span(start, end)
        detail = {
            "tags": sorted(tags),
            "start": format_rfc3339_ns(start_ns),
            "end": format_rfc3339_ns(end_ns),
            "reason": reason,
        }
        named = ", ".join(each.key for each in tags.values())
        await asyncio.to_thread(self._note, principal, "samples.delete", named, detail)
        batch = self._batch(principal, Erasing(tuple(sorted(tags)), start_ns, end_ns, reason))
        try:
            outcome = (await self._historian.append([batch])).outcomes[0]
        except RetryLater as error:
            raise busy(error.message, -(-error.after_ms // 1000)) from error
        done = Erased(position=outcome.position, erased=outcome.erased)
        await asyncio.to_thread(self._note, principal, "samples.deleted", named, detail | done.model_dump())
        return done

    def _span(self, start: str | None, end: str | None) -> tuple[int, int]:
        if start is None or end is None:
            msg = "Name start and end of what to delete; a span runs from start (inclusive) to end (exclusive)."
            raise invalid(msg)
        now = self._now_ns()
        start_ns, end_ns = moment(start, start, now), moment(end, end, now)
        if start_ns >= end_ns:
            msg = "start does not lie before end; a span runs from start (inclusive) to end (exclusive)."
            raise invalid(msg)
        return max(start_ns, ALWAYS[0] + 1), end_ns

    def _batch(self, principal: Principal, order: Erasing) -> WriterBatch:
        now = self._now_ns()
        return WriterBatch(
            tenant=principal.tenant,
            writer=principal.writer,
            crc=0,
            rows=ROWS.empty_table(),
            late=np.zeros(0, np.bool_),
            arrival_gateway_ns=now,
            arrival_platform_ns=now,
            key=new_id("delete"),
            deletes=order,
        )

    def _note(self, principal: Principal, action: str, named: str, detail: Mapping[str, Any]) -> None:
        with self._db.session() as session:
            record(session, principal, action, object=named, detail=detail)
