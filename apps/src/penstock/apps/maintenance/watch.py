"""One watched asset: read what was committed, judge it, write the health back, remember how far.

Order of things: read after `position` → model → write back (idempotency key, in time order) → checkpoint. A crash
anywhere repeats from the last checkpoint: the model gives the same values again, and the platform stores equal samples
once.

Rows that come after their window was judged (a redelivery with live rows between, a device back from an outage) are
left out at first. Once they stop coming, the history is read again in time order from the mark before the oldest of
them, by a second model; what it gives from there on is written anew, and it takes the first one's place. So the health
written is in the end that of the samples stored, in whichever order they came. Re-reading goes by turns, rests between
runs for a multiple of what the last one took, and reaches back no further than `ModelSettings.redo_s`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.apps.house.figures import words
from penstock.apps.maintenance.assessment import SECOND, Assessment
from penstock.apps.maintenance.channels import COSTLESS, Channel
from penstock.apps.maintenance.checkpoint import Checkpoint, Checkpoints
from penstock.apps.maintenance.heads import Heads
from penstock.apps.maintenance.judging import HEALTH, Judge, Judging, Written
from penstock.apps.maintenance.marks import Marks
from penstock.apps.maintenance.reading import samples_of
from penstock.apps.maintenance.risk.trend import Trend, width_of
from penstock.apps.maintenance.rowjudge import ANOMALY, SCORE
from penstock.apps.maintenance.state.drift import DRIFT, Drift
from penstock.apps.maintenance.windows import Samples
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import GoneError
from penstock.sdk.models import Asset, ComputedTag, Rule, Tag
from penstock.sdk.samples import Samples as Page

PAGE_ROWS = 20_000
PAGES_A_ROUND = 25
"""Pages of one asset before the next has its turn: half a million rows."""
WRITE_ASSESSMENTS = 2_000
"""Assessments in one write at most: with ten channels a fifth of what the platform takes."""
WRITE_SAMPLES = 50_000
"""Samples in one write at most: half of what the platform takes, however many channels there are."""
AHEAD_MAX_NS = 60 * SECOND
"""Rows further in the future are a wrong clock's: they would close windows that are not over."""
SETTLE_ROUNDS = 15
"""Rounds for which late rows are awaited that keep coming, before the history is read again without the rest."""
REST = 10
"""After a re-reading, or a checkpoint, none begins for this many times as long as it took: at most a tenth of the time
goes into either. A checkpoint of many open rows or many channels takes a second, and a page of rows less.
"""
HOUR_NS = 3600 * SECOND
DAY_NS = 24 * HOUR_NS
log = logging.getLogger("penstock.apps.maintenance")


def loss_property(channel: Channel) -> str:
    """Name the computed property that holds the health points lost to a channel."""
    return f"loss_{channel.name}"


@dataclass(slots=True)
class _Redo:
    """A re-reading under way: what is later than `from_ns` is written; commits up to `head` are in it."""

    model: Judge
    marks: Marks
    pages: AsyncIterator[Page]
    head: int
    from_ns: int
    began_ns: int
    written_ns: int
    trend: Trend
    newest: Assessment | None = None


class Watch:
    """An asset under watch; pages read its public attributes."""

    def __init__(
        self,
        client: AsyncClient,
        asset: Asset,
        judging: Judging,
        *,
        checkpoints: Checkpoints,
        now_ns: Callable[[], int],
        heads: Heads | None = None,
        notice_h: float = 24.0,
    ) -> None:
        self.asset = asset
        self.channels = judging.channels
        self.judging = judging
        self.model: Judge = judging.make()
        self.newest: Assessment | None = None
        self.told: dict[str, tuple[int, float]] = {}
        """Property → time and value of what was said last, also by the run before this one."""
        self.trend = Trend(width_of(notice_h))
        self.drift = Drift.of(judging.expected) if judging.expected else None
        self.rule: Rule | None = None
        self.health_tag: Tag | None = None
        self.ahead = 0
        self.failure: Exception | None = None
        self._client = client
        self._checkpoints = checkpoints
        self._now_ns = now_ns
        self._heads = heads or Heads()
        self._losses: dict[str, Tag] = {}
        self.more: dict[str, Tag] = {}
        self._position = 0
        self._written_ns = 0
        self._rule_made = False
        self._marks = Marks()
        self._redo: _Redo | None = None
        self._late = 0
        self._unsettled = 0
        self._rest_until_ns = 0
        self._kept_ns = self._keep_next_ns = 0

    @property
    def late(self) -> int:
        """Give how many rows came after their window was judged, also those that were read again since."""
        return self._late + self.model.late

    @property
    def position(self) -> int:
        """Give the commit up to which everything is judged and written."""
        return self._position

    async def start(self) -> None:
        """Declare what will be written, make the rule once, and take up where the last run ended."""
        kept = await asyncio.to_thread(self._checkpoints.load, self.asset.id)
        taken_up = kept.model is not None and self.model.restore(kept.model)
        self.trend.restore(kept.trend)
        if self.drift is not None and taken_up:
            self.drift.restore(kept.drift)
        if taken_up:
            self._position, self._marks = kept.position, kept.marks
        self._rule_made = kept.rule_made
        await self._declare()
        assert self.health_tag is not None
        latest, *others = await self._client.latest([self.health_tag, *self.more.values()])
        self.told = {
            name: (each.time, each.value)
            for name, each in zip((HEALTH, *self.more), (latest, *others), strict=True)
            if each.time is not None and isinstance(each.value, float)
        }
        self._written_ns = min(latest.time or 0, self.model.boundary_ns) if taken_up else latest.time or 0
        await self._make_rule()
        if not taken_up and self.model.begin_ns is not None:
            await self._begin(self.model.begin_ns, written_ns=self._written_ns)

    async def _declare(self) -> None:
        """Declare the tags that will be written, in one request: a large machine has dozens."""
        judged = [channel for channel in self.channels if channel.role not in COSTLESS]
        wished = {HEALTH: Written("%", "Health index: 100 % behaves as when healthy")}
        wished |= {loss_property(c): Written("%", f"Health points lost to {c.name}") for c in judged}
        wished |= self.judging.more
        self.health_tag, *others = await self._client.declare_tags(
            ComputedTag(self.asset, name, each.type, each.unit or None, each.said) for name, each in wished.items()
        )
        self._losses = {channel.name: tag for channel, tag in zip(judged, others, strict=False)}
        self.more = dict(zip(self.judging.more, others[len(judged) :], strict=True))

    async def _make_rule(self) -> None:
        assert self.health_tag is not None
        wish = self.judging.rule
        tag = self.more.get(wish.property, self.health_tag)
        rules = await self._client.rules.list()
        mine = (r for r in rules if r.tag == tag.id or (r.asset == self.asset.id and r.property == wish.property))
        self.rule = next(mine, None)
        if self.rule is not None or self._rule_made:
            return  # there already, or taken away by somebody who did not want it
        name = self.asset.name or self.asset.path
        said = words(wish.property)
        self.rule = await self._client.rules.create(
            f"{said} of {name}"[:120] if wish.property != HEALTH else f"Health of {name}"[:120],
            tag=tag,
            comparison=wish.comparison,
            limit=wish.limit,
            deadband=wish.deadband,
            on_delay_s=wish.on_delay_s,
            severity=wish.severity,
            message=f"{said} of {name} {wish.said}"[:250],
        )
        self._rule_made = True

    async def catch_up(self) -> bool:
        """Judge what was committed since; True while there is more."""
        if self._redo is not None:
            return await self._go_on(self._redo)
        late = self.model.late
        more = await self._follow()
        if more or self.model.late_from_ns is None:
            return more
        self._unsettled += 1
        settled = self.model.late == late or self._unsettled >= SETTLE_ROUNDS
        if settled and self._now_ns() >= self._rest_until_ns:
            log.info("%s: %d rows came late; reading the history again", self.asset.path, self.model.late)
            await self._begin(self.model.late_from_ns - 1)  # a row has its own time: the late one is written too
        return self._redo is not None

    async def _follow(self) -> bool:
        """Judge by commits; True while there is more."""
        tags = [c.tag for c in self.channels]
        for _ in range(PAGES_A_ROUND):
            try:
                commits = await self._client.since(self._position, tags, limit=PAGE_ROWS)
            except GoneError:
                await self._begin_after_loss("commits after this are no longer in order")
                return True
            if commits.head < self._position:
                await self._begin_after_loss("the platform has not come so far: is it an older state?")
                return True
            self._heads.saw(commits.head, self._now_ns())
            moved = commits.position > self._position
            if len(commits.samples):
                await self._judge(commits.samples.table)
            self._position = commits.position
            if len(commits.samples):
                await self._keep()
            if not moved or commits.position >= commits.head:
                if not len(commits.samples) and await self._judge(commits.samples.table):
                    await self._keep()
                return False
        return True

    async def _begin_after_loss(self, why: str) -> None:
        """Read again by time what may have been missed: from some time before the newest health that is there."""
        assert self.health_tag is not None
        log.info("%s: at commit %s: %s; reading by time", self.asset.path, self._position, why)
        (latest,) = await self._client.latest(self.health_tag)
        await self._begin((latest.time or 0) - HOUR_NS)

    async def _begin(self, from_ns: int, *, written_ns: int = 0) -> None:
        """Take a second model to the mark before `from_ns`, and the history behind it in hand.

        What is later than `written_ns` is written. So begins, too, who is watched for the first time and knows from
        when on: its own history is read, not the commits of the whole plant.
        """
        tags = [c.tag for c in self.channels]
        now_ns, model, mark = self._now_ns(), self.judging.make(), self._marks.before(from_ns)
        if mark is None or not model.restore(mark.model):
            mark = None
        head = (await self._client.since(None, tags, limit=1)).head
        self._heads.saw(head, now_ns)
        begin_ns = now_ns - int(model.redo_s * SECOND) if model.begin_ns is None else model.begin_ns
        start = mark.boundary_ns if mark else begin_ns
        pages = self._client.iterate(tags, start=start, end=now_ns + AHEAD_MAX_NS, chunk=PAGE_ROWS, include_status=True)
        written_ns = max(from_ns, written_ns)
        trend = self.trend.before(from_ns)
        self._redo = _Redo(model, self._marks.up_to(mark), pages, head, from_ns, now_ns, written_ns, trend)
        self._unsettled = 0

    async def _go_on(self, redo: _Redo) -> bool:
        """Judge some pages of the history; at its end the second model takes over. After a failure it begins anew."""
        self._redo = None
        for _ in range(PAGES_A_ROUND):
            page = await anext(redo.pages, None)
            self._rest_until_ns = self._now_ns() + REST * (self._now_ns() - redo.began_ns)
            if page is None:
                await self._take_over(redo)
                return True
            known = page.table.filter(pc.less_equal(page.table.column("position"), redo.head))
            now_ns = self._now_ns()
            settled = self._heads.settled(now_ns)
            judged = redo.model.on_samples(self._rows(known), now_ns, in_order=True, settled=settled)
            assessed = self._drifted(judged)
            self._mark(redo.model, redo.marks)
            redo.newest = assessed[-1] if assessed else redo.newest
            self._tell(assessed, redo.trend, since_ns=redo.from_ns)
            redo.written_ns = await self._write_later(assessed, redo.written_ns)
        self._redo = redo
        return True

    async def _take_over(self, redo: _Redo) -> None:
        self._late += self.model.late
        self.model, self._marks = redo.model, redo.marks
        self._position, self._written_ns = redo.head, redo.written_ns
        self.newest, self.trend = redo.newest or self.newest, redo.trend
        self._keep_next_ns = 0
        await self._keep()

    async def _judge(self, table: pa.Table) -> bool:
        """Judge rows, or what has waited for some; say whether that gave anything."""
        assessed = self._drifted(self.model.on_samples(self._rows(table), self._now_ns()))
        self._mark(self.model, self._marks)
        if not assessed:
            return False
        self._written_ns = await self._write_later(assessed, self._written_ns)
        self.newest = assessed[-1]
        self._tell(assessed, self.trend)
        return True

    def _drifted(self, assessed: list[Assessment]) -> list[Assessment]:
        """Follow how rows score, and now and then say beside an assessment how far they have drifted."""
        drift = self.drift
        if drift is None:
            return assessed
        for i, each in enumerate(assessed):
            score = each.more.get(SCORE)
            if isinstance(score, float):
                alarmed = each.more.get(ANOMALY) == 1.0
                if drift.on_score(each.time_ns, score, alarmed=alarmed) and drift.psi is not None:
                    assessed[i] = replace(each, more={**each.more, DRIFT: drift.psi})
        return assessed

    def _tell(self, assessed: Sequence[Assessment], trend: Trend, *, since_ns: int = 0) -> None:
        """Remember what was said last, and how the health has moved."""
        for each in assessed:
            if each.time_ns >= since_ns:
                trend.on_health(each.time_ns, each.health)
            for name, value in ((HEALTH, each.health), *each.more.items()):
                if isinstance(value, str):
                    continue
                if name not in self.told or self.told[name][0] <= each.time_ns:
                    self.told[name] = (each.time_ns, value)

    def for_notice(self, notice_h: float) -> None:
        """Follow the health in windows that suit this notice; those of another width begin anew."""
        if self.trend.width_ns != width_of(notice_h):
            self.trend = Trend(width_of(notice_h))

    def _mark(self, model: Judge, marks: Marks) -> None:
        if model.late_from_ns is None and model.boundary_ns > 0 and marks.is_due(model.boundary_ns):
            marks.add(model.mark())

    def _rows(self, table: pa.Table) -> Samples:
        """Bring wire rows to the model's form; rows far ahead are counted and left out."""
        samples = samples_of(table, self.channels)
        ahead = samples.time > self._now_ns() + AHEAD_MAX_NS
        self.ahead += int(np.count_nonzero(ahead))
        samples.channel[ahead] = -1
        return samples

    async def _write_later(self, assessed: Sequence[Assessment], than_ns: int) -> int:
        """Write what is later than `than_ns`; give the time of the newest."""
        later = [a for a in assessed if a.time_ns > than_ns]
        each = 1 + len(self._losses) + len(self.more)
        step = max(1, min(WRITE_ASSESSMENTS, WRITE_SAMPLES // each))
        for first in range(0, len(later), step):
            await self._write(later[first : first + step])
        return later[-1].time_ns if later else than_ns

    async def _write(self, assessed: Sequence[Assessment]) -> None:
        assert self.health_tag is not None
        written: dict[int | str | Tag, list[tuple[int, float | str, int]]] = {
            self.health_tag: [(a.time_ns, a.health, a.status) for a in assessed]
        }
        for name, tag in self._losses.items():
            lost: list[tuple[int, float | str, int]]
            lost = [(a.time_ns, f.loss, a.status) for a in assessed for f in a.findings if f.channel.name == name]
            if lost:
                written[tag] = lost
        for name, tag in self.more.items():
            if told := [(a.time_ns, a.more[name], a.status) for a in assessed if name in a.more]:
                written[tag] = told
        content = hashlib.sha256(repr(sorted((str(tag), samples) for tag, samples in written.items())).encode())
        key = f"health-{self.health_tag.id}-{assessed[0].time_ns}-{content.hexdigest()[:32]}"
        await self._client.write_many(written, idempotency_key=key)

    async def _keep(self) -> None:
        """Keep how far it is, unless keeping takes too much of the time: then a crash repeats a little more."""
        began_ns = self._now_ns()
        if self._kept_ns <= began_ns < self._keep_next_ns:
            return
        beside = (self.trend.to_json(), self.drift.to_json() if self.drift else None)
        kept = Checkpoint(self._position, self.model.to_json(), self._rule_made, self._marks, *beside)
        await asyncio.to_thread(self._checkpoints.save, self.asset.id, kept)
        self._kept_ns = self._now_ns()
        self._keep_next_ns = self._kept_ns + REST * (self._kept_ns - began_ns)
