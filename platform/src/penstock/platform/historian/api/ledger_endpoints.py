"""Routes of the ledger: proof of delivery."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, TypedDict, TypeVar

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel
from starlette.responses import Response

from penstock.core.times import format_rfc3339_ns
from penstock.platform.historian.api.asking import Moment, Tags, moment, span
from penstock.platform.historian.api.ledger_delivery import Holding
from penstock.platform.historian.api.ledger_schemas import (
    BatchItem,
    CountedItem,
    DropItem,
    ErasureItem,
    GapItem,
    QuarantineItem,
    RejectItem,
    Retried,
    Summary,
)
from penstock.platform.historian.api.ledger_summary import summarise
from penstock.platform.historian.ledger.entries import NEWEST_FIRST, BatchEntry, QuarantineEntry, RecordEntry, Span
from penstock.platform.historian.ports import REFILLED, BatchOutcome
from penstock.platform.historian.service import Historian
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.paging import Cursor, Limit, Page, decode_cursor, encode_cursor
from penstock.platform.kit.problems import not_found
from penstock.platform.kit.schemas import PRINTABLE
from penstock.platform.registry.service import TagDirectory, TagRef

QUARANTINE_PREFIX = "qua_"
ALWAYS = str(-(2**63) + 1)

Auditor = Annotated[Principal, requires("ledger:read")]
Writer = Annotated[
    str | None,
    Query(
        alias="gateway",
        min_length=1,
        max_length=200,
        pattern=PRINTABLE,
        description="one writer only: a gateway or an app's client, by its id or name",
    ),
]
QuarantineId = Annotated[str, Path(max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
By = Annotated[
    Literal["arrival", "time"],
    Query(description="what start and end are of: arrivals here, or the source times that a record speaks of"),
]
Retry = Callable[[str, QuarantineEntry, bytes], Awaitable[BatchOutcome]]


@dataclass(frozen=True, slots=True)
class Spanned:
    """Hold what every question about the ledger may narrow: arrivals in [start, end), one writer."""

    start: Moment = None
    end: Moment = None
    gateway: Writer = None


@dataclass(frozen=True, slots=True)
class Listed(Spanned):
    """Hold what every list of the ledger takes besides."""

    limit: Limit = 100
    cursor: Cursor = None


@dataclass(frozen=True, slots=True)
class ListedOfTags(Listed):
    """Hold what a list takes that can be asked tag by tag."""

    tag: Tags = None


@dataclass(frozen=True, slots=True)
class ListedRecords(ListedOfTags):
    """Hold what a list of records takes."""

    by: By = "arrival"


Asked = Annotated[Listed, Depends()]
AskedOfTags = Annotated[ListedOfTags, Depends()]
AskedRecords = Annotated[ListedRecords, Depends()]
Entry = TypeVar("Entry", BatchEntry, RecordEntry, QuarantineEntry)
Item = TypeVar("Item", bound=BaseModel)
Shown = Callable[[RecordEntry, Mapping[str, Any]], Item]


Names = Callable[[str], Mapping[str, str]]
"""Give a tenant's writers that are no gateways, by id, with the names that people know them by."""


class LedgerEndpoints:
    """Answer what came, what is missing, and why."""

    def __init__(
        self,
        historian: Historian,
        directory: TagDirectory,
        gateways: GatewayDirectory,
        *,
        retry: Retry,
        names: Names,
        holdings: Callable[[], Mapping[str, Holding]],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._historian, self._directory, self._gateways = historian, directory, gateways
        self._retry, self._names, self._holdings, self._now_ns = retry, names, holdings, now_ns

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1/ledger", tags=["ledger"])
        router.get("/summary")(self.summary)
        router.get("/batches")(self.batches)
        router.get("/gaps")(self.gaps)
        router.get("/drops")(self.drops)
        router.get("/rejects")(self.rejects)
        router.get("/thinned")(self.thinned)
        router.get("/erasures")(self.erasures)
        router.get("/duplicates")(self.duplicates)
        router.get("/quarantine")(self.quarantine)
        payload = router.get("/quarantine/{quarantine_id}/payload", responses={200: {"content": {BYTES: _BINARY}}})
        payload(self.payload)
        router.post("/quarantine/{quarantine_id}/retry")(self.retry)
        return router

    async def summary(self, principal: Auditor, asked: Annotated[Spanned, Depends()]) -> Summary:
        """Sum the arrivals of a span (absent: the last hour), and say what is missing now."""
        tags = self._directory.all(principal.tenant)
        gateways = await asyncio.to_thread(self._gateways.all, principal.tenant)
        others = await asyncio.to_thread(self._names, principal.tenant)
        within = await self._span(principal, replace(asked, start=asked.start or "1h-ago"))
        return await summarise(
            self._historian,
            principal.tenant,
            within,
            gateways=gateways,
            holdings=self._holdings(),
            others=others,
            tags=tags,
            now_ns=self._now_ns(),
        )

    async def batches(self, principal: Auditor, asked: Asked) -> Page[BatchItem]:
        """List committed batches, newest first; the span is of their arrival here."""
        within = await self._span(principal, asked)
        found = await self._historian.ledger.batches(principal.tenant, within, **_bounds(asked))
        return _page(found, asked, _batch)

    async def gaps(self, principal: Auditor, asked: AskedRecords, open: bool = False) -> Page[GapItem]:
        """List gaps, newest first; `open=true`: those without an end only."""
        return await self._records(principal, asked, "gap", _gap, open_only=open)

    async def drops(self, principal: Auditor, asked: AskedRecords) -> Page[DropItem]:
        """List declared drops, newest first."""
        return await self._records(principal, asked, "drop", _drop)

    async def rejects(self, principal: Auditor, asked: AskedRecords) -> Page[RejectItem]:
        """List readings that could not become samples, newest first."""
        return await self._records(principal, asked, "reject", _reject)

    async def thinned(self, principal: Auditor, asked: AskedRecords) -> Page[CountedItem]:
        """List what deadbands left out, a record per tag and minute, newest first."""
        return await self._records(principal, asked, "thinned", _counted)

    async def erasures(self, principal: Auditor, asked: AskedRecords) -> Page[ErasureItem]:
        """List what was deleted or replaced on order, a record per tag and order, newest first; `gateway`: by whom."""
        return await self._records(principal, asked, "erasure", _erasure)

    async def duplicates(self, principal: Auditor, asked: AskedRecords) -> Page[CountedItem]:
        """List samples that came again and are stored once, a record per batch and tag, newest first."""
        return await self._records(principal, asked, "duplicate", _counted)

    async def quarantine(self, principal: Auditor, asked: AskedOfTags) -> Page[QuarantineItem]:
        """List batches of which something was kept aside, newest first; of tags: those with samples of them."""
        within = await self._span(principal, asked)
        found = await self._historian.ledger.quarantine(principal.tenant, within, tags=asked.tag, **_bounds(asked))
        return _page(found, asked, _quarantined)

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
        outcome = await self._retry(principal.tenant, found[0], payload)
        return Retried(position=outcome.position, stored=outcome.stored, duplicates=outcome.duplicates)

    async def _span(self, principal: Principal, asked: Spanned) -> Span:
        now = self._now_ns()
        end_ns = moment(asked.end, "now", now) + (asked.end is None)
        start_ns = moment(asked.start, ALWAYS, now)
        span(start_ns, end_ns)
        writer = None
        if asked.gateway is not None:
            writer = await asyncio.to_thread(self._writer, principal.tenant, asked.gateway)
        return Span(start_ns, end_ns, writer)

    def _writer(self, tenant: str, named: str) -> str:
        """Give the id of a gateway, or else of another writer, by its id or name; Problem 404."""
        gateways = {row.id: row.name for row in self._gateways.all(tenant)}
        for known in (gateways, self._names(tenant)):
            if named in known:
                return named
            for writer, name in known.items():
                if name == named:
                    return writer
        msg = "gateway"
        raise not_found(msg, named)

    async def _records(
        self, principal: Principal, asked: ListedRecords, kind: str, shown: Shown[Item], *, open_only: bool = False
    ) -> Page[Item]:
        found = await self._historian.ledger.records(
            principal.tenant,
            replace(await self._span(principal, asked), by_time=asked.by == "time"),
            kind,
            open_only=open_only,
            tags=asked.tag,
            **_bounds(asked),
        )
        tags = self._directory.by_id(principal.tenant, {entry.tag for entry in found if entry.tag is not None})
        return _page(found, asked, lambda entry: shown(entry, _record(entry, tags)))


BYTES = "application/octet-stream"
_BINARY = {"schema": {"type": "string", "format": "binary"}}


class _Bounds(TypedDict):
    before: tuple[int, int]
    limit: int


def _bounds(asked: Listed) -> _Bounds:
    """Ask for one entry more than the page holds: whether there is a next page."""
    position, ordinal = decode_cursor(asked.cursor, int, int) if asked.cursor else NEWEST_FIRST
    return {"before": (position, ordinal), "limit": asked.limit + 1}


def _page(found: Sequence[Entry], asked: Listed, shown: Callable[[Entry], Item]) -> Page[Item]:
    """Make the page, and the next cursor of the last entry's position and ordinal."""
    kept, following = found[: asked.limit], None
    if len(found) > asked.limit:
        following = encode_cursor(kept[-1].position, kept[-1].ordinal if isinstance(kept[-1], RecordEntry) else 0)
    return Page(items=[shown(entry) for entry in kept], next=following)


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


def _gap(entry: RecordEntry, told: Mapping[str, Any]) -> GapItem:
    return GapItem(**told, from_=_text(entry.from_ns), to=_text(entry.to_ns), refilled=entry.excerpt == REFILLED)


def _drop(entry: RecordEntry, told: Mapping[str, Any]) -> DropItem:
    return DropItem(**told, from_=_text(entry.from_ns), to=_text(entry.to_ns))


def _counted(entry: RecordEntry, told: Mapping[str, Any]) -> CountedItem:
    return CountedItem(**told, from_=_text(entry.from_ns), to=_text(entry.to_ns))


def _erasure(entry: RecordEntry, told: Mapping[str, Any]) -> ErasureItem:
    return ErasureItem(**told, from_=_text(entry.from_ns), to=_text(entry.to_ns), how=entry.excerpt)


def _reject(entry: RecordEntry, told: Mapping[str, Any]) -> RejectItem:
    return RejectItem(**told, reason=entry.cause, excerpt=entry.excerpt)


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
