"""One watched asset: read what was committed, judge it, write the health back, remember how far.

Order of things: read after `position` → model → write back (idempotency key, in time order) → checkpoint. A crash
anywhere repeats from the last checkpoint: the model gives the same values again, what is not newer than the newest
health written is left out, and the platform stores equal samples once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.apps.maintenance.channels import Channel, Role
from penstock.apps.maintenance.checkpoint import Checkpoint, Checkpoints
from penstock.apps.maintenance.health import SECOND, Assessment, HealthModel
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.windows import Samples
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import GoneError
from penstock.sdk.models import Asset, Rule, Tag

HEALTH = "health_index"
PAGE_ROWS = 20_000
PAGES_A_ROUND = 25
"""Pages of one asset before the next has its turn: half a million rows."""
WRITE_ASSESSMENTS = 2_000
"""Assessments in one write: with ten channels a fifth of what the platform takes."""
AHEAD_MAX_NS = 60 * SECOND
"""Rows further in the future are a wrong clock's: they would close windows that are not over."""
REREAD = "30d-ago"
"""How far back the history is read when commits are older than the platform keeps them in order."""
BAD_FROM = 0x80000000
KEPT = 2_000
log = logging.getLogger("penstock.apps.maintenance")


def loss_property(channel: Channel) -> str:
    """Name the computed property that holds the health points lost to a channel."""
    return f"loss_{channel.name}"


class Watch:
    """An asset under watch; pages read its public attributes."""

    def __init__(
        self,
        client: AsyncClient,
        asset: Asset,
        channels: Sequence[Channel],
        *,
        settings: MaintenanceSettings,
        checkpoints: Checkpoints,
        now_ns: Callable[[], int],
    ) -> None:
        self.asset = asset
        self.channels = tuple(channels)
        self.model = HealthModel(channels, settings.model())
        self.newest: Assessment | None = None
        self.recent: deque[Assessment] = deque(maxlen=KEPT)
        self.rule: Rule | None = None
        self.health_tag: Tag | None = None
        self.ahead = 0
        self.failure: Exception | None = None
        self._client = client
        self._settings = settings
        self._checkpoints = checkpoints
        self._now_ns = now_ns
        self._losses: dict[str, Tag] = {}
        self._position = 0
        self._written_ns = 0
        self._rule_made = False

    @property
    def position(self) -> int:
        """Give the commit up to which everything is judged and written."""
        return self._position

    async def start(self) -> None:
        """Declare what will be written, make the rule once, and take up where the last run ended."""
        kept = await asyncio.to_thread(self._checkpoints.load, self.asset.id)
        if kept.model is not None and self.model.restore(kept.model):
            self._position = kept.position
        self._rule_made = kept.rule_made
        self.health_tag = await self._declare(HEALTH, "Health index: 100 % behaves as when healthy")
        for channel in self.channels:
            if channel.role is not Role.LOAD:
                said = f"Health points lost to {channel.name}"
                self._losses[channel.name] = await self._declare(loss_property(channel), said)
        (latest,) = await self._client.latest(self.health_tag)
        self._written_ns = latest.time or 0
        await self._make_rule()

    async def _declare(self, name: str, description: str) -> Tag:
        return await self._client.declare_tag(
            asset=self.asset, property=name, type="float64", unit="%", description=description
        )

    async def _make_rule(self) -> None:
        assert self.health_tag is not None
        tag = self.health_tag.id
        rules = await self._client.rules.list()
        mine = (r for r in rules if r.tag == tag or (r.asset == self.asset.id and r.property == HEALTH))
        self.rule = next(mine, None)
        if self.rule is not None or self._rule_made:
            return  # there already, or taken away by somebody who did not want it
        wished = self._settings
        name = self.asset.name or self.asset.path
        self.rule = await self._client.rules.create(
            f"Health of {name}"[:120],
            tag=self.health_tag,
            comparison="low",
            limit=wished.limit,
            deadband=wished.deadband,
            on_delay_s=wished.on_delay_s,
            severity=wished.severity,
            message=f"Health index of {name} below {wished.limit:g} %: see the evidence in Maintenance"[:250],
        )
        self._rule_made = True

    async def catch_up(self) -> bool:
        """Judge what was committed since; True while there is more."""
        tags = [c.tag for c in self.channels]
        for _ in range(PAGES_A_ROUND):
            try:
                commits = await self._client.since(self._position, tags, limit=PAGE_ROWS)
            except GoneError as gone:
                await self._reread(tags, gone)
                return True
            moved = commits.position > self._position
            if len(commits.samples):
                await self._judge(commits.samples.table)
            self._position = commits.position
            if len(commits.samples):
                await self._keep()
            if not moved or commits.position >= commits.head:
                return False
        return True

    async def _reread(self, tags: list[int], gone: GoneError) -> None:
        """Read the history in time order, then go on by commits from where that began."""
        log.info("%s: commits after %s are no longer in order; reading by time", self.asset.path, self._position)
        head = (await self._client.since(None, tags, limit=1)).head
        start = self._written_ns - 3600 * SECOND if self._written_ns else REREAD
        async for page in self._client.iterate(tags, start=start, end="now", include_status=True):
            await self._judge(page.table)
        self._position = max(head, gone.oldest or 0)
        await self._keep()

    async def _judge(self, table: pa.Table) -> None:
        assessed = self.model.on_samples(self._rows(table))
        if not assessed:
            return
        fresh = [a for a in assessed if a.time_ns > self._written_ns]
        for first in range(0, len(fresh), WRITE_ASSESSMENTS):
            await self._write(fresh[first : first + WRITE_ASSESSMENTS])
        self.newest = assessed[-1]
        self.recent.extend(assessed[-KEPT:])

    def _rows(self, table: pa.Table) -> Samples:
        """Bring wire rows to the model's form: channel index, numbers, Good or not; rows far ahead are counted."""
        ahead = table.column("time").to_numpy() > self._now_ns() + AHEAD_MAX_NS
        self.ahead += int(np.count_nonzero(ahead))
        numbers = pc.coalesce(table.column("vf"), table.column("vi").cast(pa.float64(), safe=False))
        value = pc.fill_null(numbers, float("nan")).to_numpy()
        status = table.column("status").to_numpy()
        tag = table.column("tag").to_numpy()
        channel = np.full(len(tag), -1, dtype=np.int64)
        for index, known in enumerate(self.channels):
            channel[tag == known.tag] = index
        channel[ahead] = -1
        return Samples(channel, table.column("time").to_numpy(), value, (status < BAD_FROM) & np.isfinite(value))

    async def _write(self, assessed: Sequence[Assessment]) -> None:
        assert self.health_tag is not None
        written: dict[int | str | Tag, list[tuple[int, float, int]]] = {
            self.health_tag: [(a.time_ns, a.health, a.status) for a in assessed]
        }
        for name, tag in self._losses.items():
            lost = [(a.time_ns, f.loss, a.status) for a in assessed for f in a.findings if f.channel.name == name]
            if lost:
                written[tag] = lost
        key = f"health-{self.health_tag.id}-{assessed[0].time_ns}-{assessed[-1].time_ns}"
        await self._client.write_many(written, idempotency_key=key)
        self._written_ns = assessed[-1].time_ns

    async def _keep(self) -> None:
        kept = Checkpoint(self._position, self.model.to_json(), self._rule_made)
        await asyncio.to_thread(self._checkpoints.save, self.asset.id, kept)
