"""How far the historian is behind a gateway's journal: from what it committed, and from what the gateway states."""

from collections.abc import Mapping
from dataclasses import dataclass

from penstock.platform.historian.ledger.entries import Span
from penstock.platform.historian.service import Historian
from penstock.platform.identity.gateways import GatewayRow


@dataclass(frozen=True, slots=True)
class Holding:
    """Hold what a gateway stated of its journal: all that it journalled up to `as_of_ns`, by its clock.

    `heads` are the newest seqs by epoch, of epochs with something that the gateway does not know to be committed; the
    oldest of that was journalled at `oldest_ns` (None: there is nothing).
    """

    as_of_ns: int
    waiting: int
    oldest_ns: int | None
    heads: Mapping[str, int]

    @property
    def until_ns(self) -> int:
        """Give the time up to which everything journalled was committed when it was stated."""
        return self.as_of_ns if self.oldest_ns is None else min(self.as_of_ns, self.oldest_ns - 1)


@dataclass(frozen=True, slots=True)
class Uplink:
    """What is known of a gateway's delivery: holes below its head, and the time up to which nothing is missing."""

    missing: int
    until_ns: int | None
    holding: Holding | None = None


async def uplink_of(historian: Historian, tenant: str, gateway: GatewayRow, holding: Holding | None) -> Uplink:
    """Judge every epoch: the oldest hole bounds what is safe; without a hole it is the newest arrival.

    What the gateway stated may reach further: that nothing was journalled since, or that the holes are newer.
    """
    missing, until_ns = await _committed(historian, tenant, gateway, holding.heads if holding else {})
    if holding is not None:
        until_ns = max(holding.until_ns, until_ns) if until_ns is not None else holding.until_ns
    return Uplink(missing, until_ns, holding)


async def _committed(
    historian: Historian, tenant: str, gateway: GatewayRow, stated: Mapping[str, int]
) -> tuple[int, int | None]:
    totals = await historian.ledger.epoch_totals(tenant, Span(writer=gateway.id))
    heads = dict(stated)
    if gateway.epoch is not None:
        heads[gateway.epoch] = max(heads.get(gateway.epoch, 0), gateway.head or 0)
    arrivals = {each.epoch: each.arrival_max for each in totals if each.epoch}
    for each in totals:
        if each.epoch:
            heads[each.epoch] = max(heads.get(each.epoch, 0), each.seq_max)
    whole: list[int] = []
    broken: list[int | None] = []
    missing = 0
    for epoch, head in heads.items():
        watermark, above = historian.watermark(gateway.id, epoch)
        holes = max(head - watermark - len(above), 0)
        missing += holes
        if not holes:
            whole += [arrivals[epoch]] if epoch in arrivals else []
        elif watermark:
            found = await historian.ledger.arrival_of(tenant, gateway.id, epoch, watermark)
            broken.append(found if found is not None else arrivals.get(epoch))
        else:
            broken.append(None)
    if not broken:
        return missing, max(whole, default=None)
    known = [each for each in broken if each is not None]
    if len(known) == len(broken):
        return missing, min(known)
    return missing, None
