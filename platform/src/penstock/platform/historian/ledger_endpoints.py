"""Routes of the ledger: proof of delivery."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from penstock.core.times import format_rfc3339_ns
from penstock.platform.historian.asking import Moment, moment, span
from penstock.platform.historian.ledger import NEWEST_FIRST, BatchEntry, QuarantineEntry, RecordEntry, Span
from penstock.platform.historian.ledger_schemas import (
    BatchItem,
    DropItem,
    GapItem,
    QuarantineItem,
    RejectItem,
    Retried,
    Summary,
)
from penstock.platform.historian.ledger_summary import summarise
from penstock.platform.historian.ports import BatchOutcome
from penstock.platform.historian.service import Historian
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from penstock.platform.kit.problems import not_found
from penstock.platform.registry.service import TagDirectory, TagRef

QUARANTINE_PREFIX = "qua_"
ALWAYS = str(-(2**63) + 1)

Auditor = Annotated[Principal, requires("ledger:read")]
Writer = Annotated[
    str | None, Query(alias="gateway", max_length=64, pattern=r"^[A-Za-z0-9_-]+$", description="one writer only")
]
QuarantineId = Annotated[str, Path(max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
Retry = Callable[[str, str, int, bytes], Awaitable[BatchOutcome]]


class LedgerEndpoints:
    """Answer what came, what is missing, and why."""

    def __init__(
        self,
        historian: Historian,
        directory: TagDirectory,
        gateways: GatewayDirectory,
        *,
        retry: Retry,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._historian, self._directory, self._gateways = historian, directory, gateways
        self._retry, self._now_ns = retry, now_ns

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1/ledger", tags=["ledger"])
        router.get("/summary")(self.summary)
        router.get("/batches")(self.batches)
        router.get("/gaps")(self.gaps)
        router.get("/drops")(self.drops)
        router.get("/rejects")(self.rejects)
        router.get("/quarantine")(self.quarantine)
        payload = router.get("/quarantine/{quarantine_id}/payload", responses={200: {"content": {BYTES: _BINARY}}})
        payload(self.payload)
        router.post("/quarantine/{quarantine_id}/retry")(self.retry)
        return router

    async def summary(
        self, principal: Auditor, start: Moment = None, end: Moment = None, gateway: Writer = None
    ) -> Summary:
        """Sum the arrivals of a span (absent: the last hour), and say what is missing now."""
        tags = self._directory.all(principal.tenant)
        gateways = await asyncio.to_thread(self._gateways.all, principal.tenant)
        within = self._span(start or "1h-ago", end, gateway)
        return await summarise(
            self._historian, principal.tenant, within, gateways=gateways, tags=tags, now_ns=self._now_ns()
        )

    async def batches(
        self,
        principal: Auditor,
        start: Moment = None,
        end: Moment = None,
        gateway: Writer = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[BatchItem]:
        """List committed batches, newest first; the span is of their arrival here."""
        within = self._span(start, end, gateway)
        found = await self._historian.ledger.batches(principal.tenant, within, before=_place(cursor), limit=limit + 1)
        following = encode_cursor(found[limit - 1].position, 0) if len(found) > limit else None
        return Page[BatchItem](items=[_batch(entry) for entry in found[:limit]], next=following)

    async def gaps(
        self,
        principal: Auditor,
        start: Moment = None,
        end: Moment = None,
        gateway: Writer = None,
        open: bool = False,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[GapItem]:
        """List gaps, newest first; `open=true`: those without an end only."""
        within = self._span(start, end, gateway)
        found, following = await self._records(principal, within, "gap", limit, cursor, open_only=open)
        tags = self._tags(principal, found)
        return Page[GapItem](items=[GapItem(**_record(entry, tags), **_gap(entry)) for entry in found], next=following)

    async def drops(
        self,
        principal: Auditor,
        start: Moment = None,
        end: Moment = None,
        gateway: Writer = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[DropItem]:
        """List declared drops, newest first."""
        within = self._span(start, end, gateway)
        found, following = await self._records(principal, within, "drop", limit, cursor)
        tags = self._tags(principal, found)
        items = [DropItem(**_record(entry, tags), from_=_text(entry.from_ns), to=_text(entry.to_ns)) for entry in found]
        return Page[DropItem](items=items, next=following)

    async def rejects(
        self,
        principal: Auditor,
        start: Moment = None,
        end: Moment = None,
        gateway: Writer = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[RejectItem]:
        """List readings that could not become samples, newest first."""
        within = self._span(start, end, gateway)
        found, following = await self._records(principal, within, "reject", limit, cursor)
        tags = self._tags(principal, found)
        items = [RejectItem(**_record(entry, tags), reason=entry.cause, excerpt=entry.excerpt) for entry in found]
        return Page[RejectItem](items=items, next=following)

    async def quarantine(
        self,
        principal: Auditor,
        start: Moment = None,
        end: Moment = None,
        gateway: Writer = None,
        limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Page[QuarantineItem]:
        """List batches of which something was kept aside, newest first."""
        within = self._span(start, end, gateway)
        found = await self._historian.ledger.quarantine(
            principal.tenant, within, before=_place(cursor), limit=limit + 1
        )
        following = encode_cursor(found[limit - 1].position, 0) if len(found) > limit else None
        return Page[QuarantineItem](items=[_quarantined(entry) for entry in found[:limit]], next=following)

    async def payload(self, principal: Auditor, quarantine_id: QuarantineId) -> Response:
        """Export the frame of a quarantined batch, as it came."""
        position = _position(quarantine_id)
        payload = await self._historian.ledger.payload(principal.tenant, position)
        if payload is None:
            msg = "quarantined batch"
            raise not_found(msg, quarantine_id)
        name = f'attachment; filename="{QUARANTINE_PREFIX}{position}.frame"'
        return Response(payload, media_type=BYTES, headers={"Content-Disposition": name})

    async def retry(
        self, principal: Annotated[Principal, requires("ledger:admin")], quarantine_id: QuarantineId
    ) -> Retried:
        """Commit a quarantined batch now that its cause is mended; what it held and is stored already counts once."""
        position = _position(quarantine_id)
        ledger = self._historian.ledger
        found = await ledger.quarantine(principal.tenant, Span(), limit=1, position=position)
        payload = await ledger.payload(principal.tenant, position)
        if not found or payload is None:
            msg = "quarantined batch"
            raise not_found(msg, quarantine_id)
        outcome = await self._retry(principal.tenant, found[0].writer, position, payload)
        return Retried(position=outcome.position, stored=outcome.stored, duplicates=outcome.duplicates)

    def _span(self, start: str | None, end: str | None, gateway: str | None) -> Span:
        now = self._now_ns()
        within = Span(moment(start, ALWAYS, now), moment(end, "now", now) + (end is None), gateway)
        span(within.start_ns, within.end_ns)
        return within

    async def _records(
        self, principal: Principal, within: Span, kind: str, limit: int, cursor: str | None, *, open_only: bool = False
    ) -> tuple[list[RecordEntry], str | None]:
        found = await self._historian.ledger.records(
            principal.tenant, within, kind, before=_place(cursor), limit=limit + 1, open_only=open_only
        )
        if len(found) <= limit:
            return found, None
        return found[:limit], encode_cursor(found[limit - 1].position, found[limit - 1].ordinal)

    def _tags(self, principal: Principal, entries: Sequence[RecordEntry]) -> Mapping[int, TagRef]:
        return self._directory.by_id(principal.tenant, {entry.tag for entry in entries if entry.tag is not None})


BYTES = "application/octet-stream"
_BINARY = {"schema": {"type": "string", "format": "binary"}}


def _place(cursor: str | None) -> tuple[int, int]:
    if not cursor:
        return NEWEST_FIRST
    position, ordinal = decode_cursor(cursor, int, int)
    return position, ordinal


def _position(quarantine_id: str) -> int:
    number = quarantine_id.removeprefix(QUARANTINE_PREFIX)
    if number == quarantine_id or not number.isdecimal() or len(number) > 18:
        msg = "quarantined batch"
        raise not_found(msg, quarantine_id)
    return int(number)


def _text(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_rfc3339_ns(time_ns)


def _batch(entry: BatchEntry) -> BatchItem:
    return BatchItem(
        position=entry.position,
        writer=entry.writer,
        epoch=entry.epoch or None,
        seq=entry.seq or None,
        key=entry.key,
        crc=f"{entry.crc:08x}",
        n=entry.n,
        arrival_gateway=format_rfc3339_ns(entry.arrival_gateway),
        arrival=format_rfc3339_ns(entry.arrival_platform),
        stored=entry.stored,
        duplicates=entry.duplicates,
        late=entry.late,
        future=entry.future,
        quarantined_samples=entry.quarantined_samples,
    )


def _record(entry: RecordEntry, tags: Mapping[int, TagRef]) -> dict[str, object]:
    known = tags.get(entry.tag) if entry.tag is not None else None
    return {
        "position": entry.position,
        "gateway": entry.writer,
        "tag": entry.tag,
        "key": known.key if known else None,
        "device": entry.device,
        "cause": entry.cause,
        "time": _text(entry.from_ns),
        "count": entry.number,
        "arrival": format_rfc3339_ns(entry.arrival_platform),
    }


def _gap(entry: RecordEntry) -> dict[str, object]:
    return {"from_": _text(entry.from_ns), "to": _text(entry.to_ns), "refilled": False}


def _quarantined(entry: QuarantineEntry) -> QuarantineItem:
    return QuarantineItem(
        id=f"{QUARANTINE_PREFIX}{entry.position}",
        position=entry.position,
        gateway=entry.writer,
        epoch=entry.epoch,
        seq=entry.seq,
        crc=f"{entry.crc:08x}",
        reason=entry.reason,
        detail=entry.detail[:4000],
        rows=entry.rows,
        bytes=entry.size,
        arrival=format_rfc3339_ns(entry.arrival_platform),
        resolved=entry.resolved,
    )
