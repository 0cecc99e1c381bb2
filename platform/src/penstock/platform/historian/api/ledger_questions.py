"""Routes of the ledger's two questions: the account of a tag, and whether everything up to a time is safely stored."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from penstock.core.times import NS_PER_S, format_rfc3339_ns
from penstock.core.values import INT64_MIN
from penstock.platform.historian.api import ledger_safe
from penstock.platform.historian.api.aggregate_endpoints import refusing
from penstock.platform.historian.api.asking import Keys, Moment, Tags, moment, span, tags_asked
from penstock.platform.historian.api.ledger_delivery import Holding, Uplink, uplink_of
from penstock.platform.historian.api.ledger_safe import Answer, Reason, worst
from penstock.platform.historian.api.ledger_schemas import (
    CauseItem,
    Safe,
    SafeGateway,
    SafeReason,
    SafeTag,
    TagAccount,
    TagAccounts,
)
from penstock.platform.historian.ledger.by_tag import TagSamples, Told
from penstock.platform.historian.ports import RecordKind
from penstock.platform.historian.service import Historian
from penstock.platform.identity.gateways import GatewayDirectory, GatewayRow
from penstock.platform.kit.access import Principal, requires
from penstock.platform.kit.problems import invalid, not_found
from penstock.platform.kit.schemas import PRINTABLE
from penstock.platform.registry.service import TagDirectory, TagRef

ACCOUNTS_MAX = 100
"""Tags of one question here: each is read sample by sample."""
SAFE_SPAN_NS = 24 * 3600 * NS_PER_S
"""How far before the time asked for a loss counts, where no start is given."""

Auditor = Annotated[Principal, requires("ledger:read")]
Device = Annotated[
    str | None, Query(max_length=64, pattern=r"^[a-z0-9_-]+$", description="all tags of a device, by its name")
]
Gateway = Annotated[
    str | None, Query(min_length=1, max_length=200, pattern=PRINTABLE, description="one gateway, by its id or name")
]


@dataclass(frozen=True, slots=True)
class Named:
    """Hold which tags a question is about."""

    tag: Tags = None
    key: Keys = None
    device: Device = None


Of = Annotated[Named, Depends()]


class LedgerQuestions:
    """Answer about tags and times."""

    def __init__(
        self,
        historian: Historian,
        directory: TagDirectory,
        gateways: GatewayDirectory,
        *,
        holdings: Callable[[], Mapping[str, Holding]],
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._historian, self._directory, self._gateways = historian, directory, gateways
        self._holdings, self._now_ns = holdings, now_ns

    def router(self) -> APIRouter:
        """Give the routes."""
        router = APIRouter(prefix="/v1/ledger", tags=["ledger"])
        router.get("/tags")(self.tags)
        router.get("/safe")(self.safe)
        return router

    async def tags(self, principal: Auditor, of: Of, start: Moment = None, end: Moment = None) -> TagAccounts:
        """Account for tags over a span of source time (absent: the last hour): stored, missing, late, each cause."""
        now_ns = self._now_ns()
        start_ns, end_ns = moment(start, "1h-ago", now_ns), moment(end, "now", now_ns)
        span(start_ns, end_ns)
        tags = self._tags(principal.tenant, of)
        if not tags:
            msg = "Name at least one tag (tag=, key=) or a device (device=)."
            raise invalid(msg)
        with refusing():
            samples = await self._historian.tag_ledger.samples(list(tags.values()), start_ns, end_ns)
            told = await self._told(principal.tenant, (start_ns, end_ns), tags)
        uplinks = await self._uplinks(principal.tenant, {tag.owner for tag in tags.values()})
        missing = {gateway.id: uplink.missing for gateway, uplink in uplinks}
        return TagAccounts(
            start=format_rfc3339_ns(start_ns),
            end=format_rfc3339_ns(end_ns),
            items=[_account(tag, samples.get(tag.id), told, missing.get(tag.owner, 0)) for tag in tags.values()],
        )

    async def safe(
        self, principal: Auditor, of: Of, gateway: Gateway = None, at: Moment = None, start: Moment = None
    ) -> Safe:
        """Say whether everything up to `at` (absent: a minute ago) is safely stored: yes, no or unknown, with reasons.

        Of tags, of a device, of a gateway, or of everything. Losses count from `start` on (absent: 24 h before `at`).
        """
        now_ns = self._now_ns()
        at_ns = moment(at, "1m-ago", now_ns)
        start_ns = max(at_ns - SAFE_SPAN_NS, INT64_MIN) if start is None else moment(start, start, now_ns)
        if at_ns < start_ns:
            msg = "at lies before start; losses count from start up to at."
            raise invalid(msg)
        tags = self._tags(principal.tenant, of)
        if tags and gateway is not None:
            msg = "Ask of tags or of a gateway, not of both: a tag belongs to one gateway."
            raise invalid(msg)
        owners = {tag.owner for tag in tags.values()} if tags else None if gateway is None else {gateway}
        uplinks = await self._uplinks(principal.tenant, owners)
        if gateway is not None and not uplinks:
            msg = "gateway"
            raise not_found(msg, gateway)
        with refusing():
            told = await self._told(
                principal.tenant,
                (start_ns, at_ns + 1),
                tags,
                gateway=uplinks[0][0].id if gateway is not None else None,
            )
        delivered = {row.id: ledger_safe.delivery(row.name, row.id, uplink, at_ns) for row, uplink in uplinks}
        reasons = [*delivered.values(), *ledger_safe.losses(told, of_tags=bool(tags))]
        if at_ns > now_ns:
            reasons.append(ledger_safe.TO_COME)
        return Safe(
            at=format_rfc3339_ns(at_ns),
            start=format_rfc3339_ns(start_ns),
            answer=worst(reasons),
            text=ledger_safe.sentence(at_ns, _what(of, tags, uplinks, gateway), reasons),
            gateways=[_gateway(row, uplink, delivered[row.id]) for row, uplink in uplinks],
            tags=self._safe_tags(tags, reasons),
            reasons=[_reason(reason, tags) for reason in reasons],
        )

    def _tags(self, tenant: str, of: Named) -> Mapping[int, TagRef]:
        found = dict(tags_asked(self._directory, tenant, of.tag, keys=of.key, limit=ACCOUNTS_MAX))
        if of.device is not None:
            mine = {t.id: t for t in self._directory.all(tenant) if t.active and t.key.startswith(f"{of.device}/")}
            if not mine:
                msg = "device"
                raise not_found(msg, of.device)
            found |= mine
        if len(found) > ACCOUNTS_MAX:
            msg = f"{len(found)} tags in one question; the limit is {ACCOUNTS_MAX}. Ask in parts."
            raise invalid(msg, limit=ACCOUNTS_MAX)
        return found

    async def _told(
        self, tenant: str, over: tuple[int, int], tags: Mapping[int, TagRef], *, gateway: str | None = None
    ) -> list[Told]:
        writers = [gateway] if gateway is not None else [tag.owner for tag in tags.values()] or None
        return await self._historian.tag_ledger.told(
            tenant, over, self._now_ns(), tags=list(tags) or None, writers=writers
        )

    async def _uplinks(self, tenant: str, owners: set[str] | None) -> list[tuple[GatewayRow, Uplink]]:
        rows = await asyncio.to_thread(self._gateways.all, tenant)
        holdings = self._holdings()
        wanted = [row for row in rows if owners is None or row.id in owners or row.name in owners]
        return [(row, await uplink_of(self._historian, tenant, row, holdings.get(row.id))) for row in wanted]

    def _safe_tags(self, tags: Mapping[int, TagRef], reasons: Sequence[Reason]) -> list[SafeTag]:
        newest = {sample.tag: sample.time for sample in self._historian.latest(list(tags))}
        found = []
        for tag in tags.values():
            mine = [r for r in reasons if r.tag == tag.id or (r.tag is None and r.gateway == tag.owner)]
            stamp = _text(newest.get(tag.id))
            found.append(SafeTag(tag=tag.id, key=tag.key, answer=worst(mine), newest=stamp))
        return found


def _what(
    of: Named, tags: Mapping[int, TagRef], uplinks: Sequence[tuple[GatewayRow, Uplink]], gateway: str | None
) -> str:
    if of.device is not None and not (of.tag or of.key):
        return f"the data of device {of.device}"
    if len(tags) == 1:
        return f"the data of {next(iter(tags.values())).key}"
    if tags:
        return f"the data of these {len(tags)} tags"
    return f"the data of {uplinks[0][0].name}" if gateway is not None else "the data of all gateways"


def _account(tag: TagRef, samples: TagSamples | None, told: Sequence[Told], missing: int) -> TagAccount:
    mine = [each for each in told if each.tag == tag.id]
    gaps = [each for each in mine if each.kind == RecordKind.GAP]
    late_after_ns = tag.late_after_ns

    def count(kind: RecordKind) -> int:
        return sum(each.samples for each in mine if each.kind == kind)

    return TagAccount(
        tag=tag.id,
        key=tag.key,
        gateway=tag.owner,
        stored=samples.stored if samples else 0,
        late=None if late_after_ns is None else samples.late if samples else 0,
        late_after_s=None if late_after_ns is None else late_after_ns / NS_PER_S,
        worst_s=samples.worst_ns / NS_PER_S if samples and samples.worst_ns is not None else None,
        future=samples.future if samples else 0,
        duplicates=count(RecordKind.DUPLICATE),
        gaps=sum(each.records - each.refilled for each in gaps),
        open_gaps=sum(each.open for each in gaps),
        gap_s=sum(each.for_ns for each in gaps) / NS_PER_S,
        missing_batches=missing,
        quarantined=count(RecordKind.QUARANTINED),
        thinned=count(RecordKind.THINNED),
        erased=count(RecordKind.ERASURE),
        dropped=count(RecordKind.DROP),
        rejected=count(RecordKind.REJECT),
        causes=[_cause(each) for each in told if each.tag == tag.id or (each.tag is None and each.writer == tag.owner)],
    )


def _cause(each: Told) -> CauseItem:
    return CauseItem(
        kind=each.kind,
        cause=each.cause,
        records=each.records,
        samples=0 if each.kind == RecordKind.GAP else each.samples,
        from_=_text(each.from_ns),
        to=_text(each.to_ns),
        open=each.open,
        refilled=each.refilled,
        tag_known=each.tag is not None,
    )


def _gateway(row: GatewayRow, uplink: Uplink, delivered: Reason) -> SafeGateway:
    holding = uplink.holding
    return SafeGateway(
        gateway=row.id,
        name=row.name,
        delivered=delivered.effect or Answer.YES,
        until=_text(uplink.until_ns),
        missing_batches=uplink.missing,
        stated_at=_text(holding.as_of_ns) if holding else None,
        waiting_batches=holding.waiting if holding else None,
        oldest_waiting=_text(holding.oldest_ns) if holding else None,
    )


def _reason(reason: Reason, tags: Mapping[int, TagRef]) -> SafeReason:
    known = tags.get(reason.tag) if reason.tag is not None else None
    return SafeReason(
        kind=reason.kind,
        effect=reason.effect,
        text=reason.text,
        count=reason.count,
        gateway=reason.gateway,
        tag=reason.tag,
        key=known.key if known else None,
        cause=reason.cause,
        from_=_text(reason.from_ns),
        to=_text(reason.to_ns),
    )


def _text(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_rfc3339_ns(time_ns)
