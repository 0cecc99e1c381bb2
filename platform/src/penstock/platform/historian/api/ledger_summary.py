"""The ledger's summary: sums of a span, what is missing now, and until when all is safe."""

from collections.abc import Mapping, Sequence

from penstock.core.times import NS_PER_S, format_rfc3339_ns
from penstock.platform.historian.api.ledger_delivery import Holding, Uplink, uplink_of
from penstock.platform.historian.api.ledger_schemas import SafeUntil, Summary, WriterSummary
from penstock.platform.historian.ledger.entries import EpochTotals, QuarantineTotals, RecordTotals, Span
from penstock.platform.historian.service import Historian
from penstock.platform.identity.gateways import GatewayRow
from penstock.platform.registry.service import TagRef


async def summarise(
    historian: Historian,
    tenant: str,
    span: Span,
    *,
    gateways: Sequence[GatewayRow],
    holdings: Mapping[str, Holding],
    others: Mapping[str, str],
    tags: Sequence[TagRef],
    now_ns: int,
) -> Summary:
    """Give the summary of a tenant's span; `gateways` and `tags` are the tenant's, `others` names its other writers."""
    ledger = historian.ledger
    totals = await ledger.epoch_totals(tenant, span)
    records = await ledger.record_totals(tenant, span)
    set_aside = await ledger.quarantine_totals(tenant, span)
    shown = [gateway for gateway in gateways if span.writer in (None, gateway.id)]
    uplinks = {gateway.id: await uplink_of(historian, tenant, gateway, holdings.get(gateway.id)) for gateway in shown}
    names = {**others, **{gateway.id: gateway.name for gateway in gateways}}
    seen = {*uplinks, *(each.writer for each in totals), *(each.writer for each in records), *set_aside}
    writers = [
        _writer(writer, names.get(writer, writer), totals, records, set_aside.get(writer), uplinks.get(writer))
        for writer in sorted(seen)
    ]
    sums = {name: sum(getattr(each, name) for each in writers) for name in _SUMMED}
    return Summary(
        start=format_rfc3339_ns(span.start_ns),
        end=format_rfc3339_ns(span.end_ns),
        expected=expected(tags, span, now_ns),
        safe_until=[
            SafeUntil(gateway=gateway.id, name=gateway.name, until=_text(uplinks[gateway.id].until_ns))
            for gateway in shown
        ],
        writers=writers,
        **sums,
    )


_SUMMED = (
    "stored", "duplicates", "late", "future", "missing_batches", "open_gaps", "drops", "rejects", "thinned", "erased",
    "quarantined_batches", "quarantined_samples",
)  # fmt: skip


def expected(tags: Sequence[TagRef], span: Span, now_ns: int) -> int | None:
    """Give the samples that the declared rates make in the span, of each tag from its creation here and up to now.

    None where no tag in use declares a rate. A tag whose device was disabled or removed is not known as such here: it
    is still expected.
    """
    rated = [
        (tag.rate_hz, max(span.start_ns, tag.created_ns))
        for tag in tags
        if tag.active and tag.rate_hz is not None and span.writer in (None, tag.owner)
    ]
    if not rated:
        return None
    end_ns = min(span.end_ns, now_ns)
    return int(sum(rate * max(0, end_ns - start_ns) / NS_PER_S for rate, start_ns in rated))


def _writer(
    writer: str,
    name: str,
    totals: Sequence[EpochTotals],
    records: Sequence[RecordTotals],
    set_aside: QuarantineTotals | None,
    uplink: Uplink | None,
) -> WriterSummary:
    mine = [each for each in totals if each.writer == writer]
    kinds: Mapping[str, RecordTotals] = {each.kind: each for each in records if each.writer == writer}
    return WriterSummary(
        writer=writer,
        name=name,
        stored=sum(each.stored for each in mine),
        duplicates=sum(each.duplicates for each in mine),
        late=sum(each.late for each in mine),
        future=sum(each.future for each in mine),
        missing_batches=uplink.missing if uplink else 0,
        open_gaps=kinds["gap"].open if "gap" in kinds else 0,
        drops=kinds["drop"].number if "drop" in kinds else 0,
        rejects=kinds["reject"].number if "reject" in kinds else 0,
        thinned=kinds["thinned"].number if "thinned" in kinds else 0,
        erased=kinds["erasure"].number if "erasure" in kinds else 0,
        quarantined_batches=set_aside.batches if set_aside else 0,
        quarantined_samples=set_aside.samples if set_aside else 0,
    )


def _text(time_ns: int | None) -> str | None:
    return None if time_ns is None else format_rfc3339_ns(time_ns)
