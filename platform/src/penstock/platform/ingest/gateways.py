"""Gateways as the platform sees them: sessions, and how far the historian is behind their journals."""

import asyncio
import time
from collections.abc import Callable

from penstock.core.times import format_rfc3339_ns
from penstock.platform.historian.api.ledger_delivery import Holding
from penstock.platform.historian.service import Historian
from penstock.platform.identity.gateways import GatewayDirectory, GatewayRow
from penstock.platform.ingest.schemas import (
    GatewayItem,
    HoldingInput,
    SessionInput,
    SessionOutput,
    Superseded,
    Taken,
    WatermarkOutput,
)
from penstock.platform.ingest.service import Ingest

ONLINE_NS = 60_000_000_000
"""A gateway heard of in the last minute counts as online."""


class Uplinks:
    """Grant sessions and tell the state of each gateway's uplink."""

    def __init__(
        self,
        historian: Historian,
        gateways: GatewayDirectory,
        ingest: Ingest,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._historian, self._gateways, self._ingest, self._now_ns = historian, gateways, ingest, now_ns

    async def grant(self, gateway: str, asked: SessionInput) -> SessionOutput:
        """Grant the next session; the one before is over from now on."""
        now = self._now_ns()
        session = await asyncio.to_thread(self._gateways.grant_session, gateway, asked.epoch, asked.head, now)
        self._ingest.last_seen_ns[gateway] = now
        epochs = dict.fromkeys([asked.epoch, *asked.epochs])
        self._ingest.rivals.on_granted(gateway, session, epochs)
        return SessionOutput(
            session=session,
            position=self._historian.head(),
            watermarks={epoch: self._watermark(gateway, epoch) for epoch in epochs},
        )

    def state_holding(self, gateway: str, stated: HoldingInput) -> Taken:
        """Remember what a gateway holds; in memory only, it states it again within seconds."""
        heads = {each.epoch: each.head for each in stated.epochs}
        self._ingest.holdings[gateway] = Holding(stated.as_of, stated.waiting, stated.oldest, heads)
        return Taken(position=self._historian.head())

    async def states(self, tenant: str) -> list[GatewayItem]:
        """List the tenant's gateways by name."""
        rows = await asyncio.to_thread(self._gateways.all, tenant)
        return [self._item(row) for row in rows]

    def _watermark(self, gateway: str, epoch: str) -> WatermarkOutput:
        committed = self._historian.watermark(gateway, epoch)
        return WatermarkOutput(watermark=committed.watermark, above=list(committed.above))

    def _superseded(self, gateway: str) -> Superseded | None:
        last = self._ingest.refusals.get(gateway)
        if last is None:
            return None
        return Superseded(count=last.count, session=last.session, by=last.by, at=format_rfc3339_ns(last.at_ns))

    def _item(self, row: GatewayRow) -> GatewayItem:
        seen = self._ingest.last_seen_ns.get(row.id, row.session_ns)
        watermark, above = self._historian.watermark(row.id, row.epoch or "")
        head = None if row.head is None else max(row.head, watermark, *above)
        state = "never" if seen is None else "online" if self._now_ns() - seen < ONLINE_NS else "offline"
        return GatewayItem(
            id=row.id,
            name=row.name,
            last_seen=None if seen is None else format_rfc3339_ns(seen),
            session=row.session,
            epoch=row.epoch,
            head=head,
            watermark=watermark,
            lag_batches=0 if head is None else head - watermark - len(above),
            state=state,
            superseded=self._superseded(row.id),
        )
