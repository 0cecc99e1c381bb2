"""The fleet: find assets that can be judged, watch each of them, and keep one's trouble from the others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from penstock.apps.house.said import TROUBLE
from penstock.apps.maintenance.advice.modes import NOTHING, Known, known_of_types
from penstock.apps.maintenance.assessment import SECOND
from penstock.apps.maintenance.channels import Channel, all_channels, find_channels
from penstock.apps.maintenance.checkpoint import Checkpoints
from penstock.apps.maintenance.detection.fitting import FitError
from penstock.apps.maintenance.detection.model import ModelError
from penstock.apps.maintenance.heads import Heads
from penstock.apps.maintenance.judging import Judging, Written, by_vibration
from penstock.apps.maintenance.life.fleets import Fleets, Member
from penstock.apps.maintenance.life.repairs import runs_of
from penstock.apps.maintenance.life.run import RunAttributeError, run_of
from penstock.apps.maintenance.orders.book import OrderBook
from penstock.apps.maintenance.orders.order import Label
from penstock.apps.maintenance.risk.costs import read_costs
from penstock.apps.maintenance.rowjudge import Life, State, by_rows
from penstock.apps.maintenance.settings import MaintenanceSettings
from penstock.apps.maintenance.state.alarms import alarm_spans
from penstock.apps.maintenance.state.artefacts import ArtefactError, Artefacts
from penstock.apps.maintenance.state.drift import DRIFT
from penstock.apps.maintenance.state.fitting import Settling, fitted, healthy_rows, lacking_of
from penstock.apps.maintenance.state.healthy import Healthy, HealthyError, healthy_of
from penstock.apps.maintenance.state.lessons import Lessons, lessons_of
from penstock.apps.maintenance.state.streamed import JUDGED_BY, STREAM, Streamed, StreamedError, is_streamed
from penstock.apps.maintenance.watch import Watch
from penstock.apps.maintenance.zones import boundaries_of
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import ApiError
from penstock.sdk.models import Asset, Property

LOOK_FOR_NEW_S = 10.0
FIT_AGAIN_NS = 600 * SECOND
"""A fit reads up to 200,000 rows and takes seconds in which nothing else is judged; what it lacked may come late."""
DRIFTS = "Population stability index of the rows' scores; above 0.25: fit anew"
TROUBLE_OF_ONE = (ApiError, HealthyError, StreamedError, FitError, ModelError, ArtefactError, RunAttributeError)
log = logging.getLogger("penstock.apps.maintenance")


@dataclass(frozen=True, slots=True)
class _Unfitted:
    """A fit that failed: of which stretch and channels, when and why."""

    of: tuple[Healthy, tuple[Channel, ...]]
    at_ns: int
    why: str


class Fleet:
    """All watched assets by id; `failure` is what kept the last look at the plant from succeeding.

    `unfit`: why an asset whose healthy stretch is named is not judged by it, or not yet.
    """

    def __init__(
        self,
        settings: MaintenanceSettings,
        folder: Path,
        *,
        book: OrderBook | None = None,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.settings = settings
        self.costs = read_costs(settings.costs)
        self.watches: dict[str, Watch] = {}
        self.failure: Exception | None = None
        self.unfit: dict[str, str] = {}
        self.fit_failed: dict[str, str] = {}
        """Why the last fit that somebody asked for gave no new version."""
        self._book = book
        self._labels: dict[str, list[Label]] = {}
        self._asked: set[str] = set()
        self._due: frozenset[str] = frozenset()
        """Asked for before the look that goes on: what is asked during it may go with what it has not read."""
        self._folder = folder
        self._now_ns = now_ns
        self._looked_s = float("-inf")
        self._said: dict[str, str] = {}
        self.artefacts = Artefacts(folder / "models")
        self.fleets = Fleets(folder / "fleets", settings.place())
        self.members: list[Member] = []
        self._known: dict[tuple[str, int], Known] = {}
        self._awaited: dict[str, str] = {}
        self._unfitted: dict[str, _Unfitted] = {}
        self._heads = Heads()
        self._settling = Settling()
        self._broken: set[str] = set()
        """Watched assets that failed in a way that nobody foresaw: taken up anew from their checkpoints."""

    async def run(self, client: AsyncClient) -> None:
        """Work for ever."""
        while True:
            more = await self.round(client)
            if not more:
                await asyncio.sleep(self.settings.poll_s)

    async def round(self, client: AsyncClient) -> bool:
        """Look for new assets now and then, and judge what came; True while there is more to read."""
        if time.monotonic() - self._looked_s > LOOK_FOR_NEW_S:
            try:
                await self.look(client)
                self.failure = None
                self._looked_s = time.monotonic() if self._asked <= self._due else float("-inf")
            except TROUBLE as failed:
                self.failure = failed
                self._say("plant", failed)
                return False
        more = False
        for watch in list(self.watches.values()):
            more = await self._catch_up(watch) or more
        return more

    async def look(self, client: AsyncClient) -> None:
        """Take assets that can be judged, take anew what changed, let go what is gone."""
        self._heads.saw((await client.since(None, limit=1)).head, self._now_ns())
        self._due = frozenset(self._asked)
        plant = await client.assets.list()
        self._known = known_of_types(await client.assets.types())
        self.members = []
        self._labels = await self._labels_by_asset()
        there = {asset.id for asset in plant}
        for gone in self.watches.keys() - there:
            del self.watches[gone]
        self._asked &= there
        for told in (self.unfit, self._unfitted, self._awaited, self.fit_failed):
            for gone in told.keys() - there:
                del told[gone]
        self._broken &= there
        for listed in plant:
            why = await self._look_at(client, listed)
            if why:
                self.unfit[listed.id] = why
            elif self.unfit.pop(listed.id, None) is not None:
                self._said.pop(listed.id, None)
        await self.fleets.look(client, self.members)

    async def _labels_by_asset(self) -> dict[str, list[Label]]:
        by: dict[str, list[Label]] = {}
        for label in await asyncio.to_thread(self._book.labels) if self._book else ():
            by.setdefault(label.asset, []).append(label)
        return by

    def ask_fit(self, asset_id: str) -> None:
        """Fit a new version of an asset's model at the next look, also where its healthy stretch has not changed."""
        self._unfitted.pop(asset_id, None)
        self.fit_failed.pop(asset_id, None)
        self._asked.add(asset_id)
        self._looked_s = float("-inf")

    def is_asked(self, asset_id: str) -> bool:
        """Say whether a fit that was asked for is still to come."""
        return asset_id in self._asked

    async def _look_at(self, client: AsyncClient, listed: Asset) -> str:
        """Take an asset or leave it; give why it is not judged as it should be. Tried again at the next look."""
        try:
            asset = listed if listed.properties else await client.assets.retrieve(listed.id)
            await self._take_if_due(client, asset)
        except TROUBLE_OF_ONE as refused:  # it is not the others'
            self._say(listed.id, refused)
            return str(refused)
        except TROUBLE:
            raise
        except Exception as failed:  # boundary: what nobody foresaw of one machine must not stop the others' judging
            if self._is_news(listed.id, said := f"{type(failed).__name__}: {failed}"):
                log.exception("%s: %s", listed.path, said)
            return said
        return self._awaited.get(listed.id, "")

    async def _take_if_due(self, client: AsyncClient, asset: Asset) -> None:
        self._awaited.pop(asset.id, None)
        notice_h = self.costs.of(asset.type, asset.properties).notice_h
        judging = await self._judging_of(client, asset)
        known = self.watches.get(asset.id)
        is_broken = asset.id in self._broken
        if judging is None and not _is_asked(asset):
            self.watches.pop(asset.id, None)  # what it was judged by was taken away
        if known is not None:
            known.for_notice(notice_h)
        if judging is None or (known is not None and known.judging.key == judging.key and not is_broken):
            return
        await self._take(client, asset, judging, notice_h=notice_h)
        if not is_broken:
            self._said.pop(asset.id, None)
        self._broken.discard(asset.id)

    async def _judging_of(self, client: AsyncClient, asset: Asset) -> Judging | None:
        """Choose: by its healthy stretch where one is named, as a stream where that is asked, else by its vibration.

        None: not judged, or not yet.
        """
        bound = await self._bound(client, asset)
        healthy, run, streamed = healthy_of(asset.properties), run_of(asset.properties), is_streamed(asset.properties)
        if healthy is not None and streamed:
            message = f"a healthy stretch is named, and {JUDGED_BY}: {STREAM} is asked: take one of them away"
            raise StreamedError(message)
        if healthy is None and run is None and not streamed:
            kind = self._known_of(asset)
            vibration, zones = find_channels(bound, kind.signs), boundaries_of(asset.properties)
            return by_vibration(vibration, self.settings, kind, zones=zones) if vibration else None
        channels = all_channels(bound)
        state: State | Streamed | None = Streamed(len(channels)) if streamed else None
        if healthy and channels:
            state = await self._state_of(client, asset, channels, healthy)
        life = self._life_of(Member(asset, run, channels)) if run and channels else None
        if not state and not life:
            return None
        judging = by_rows(channels, state, life, settings=self.settings)
        used = self.artefacts.used(asset.id) if isinstance(state, State) else None
        if used is None or used.expected is None:
            return judging
        more = {**judging.more, DRIFT: Written("", DRIFTS)}
        return replace(judging, more=more, expected=used.expected)

    async def _state_of(
        self, client: AsyncClient, asset: Asset, channels: tuple[Channel, ...], healthy: Healthy
    ) -> State | None:
        """Give the model of its healthy state, fitted where that has become possible; None: not yet."""
        names = tuple(channel.name for channel in channels)
        if not await asyncio.to_thread(self.artefacts.suits, asset.id, healthy, names):
            if lacking := await lacking_of(client, channels, healthy, self._now_ns()):
                self._awaited[asset.id] = f"waits for a value of {', '.join(lacking)} behind its healthy stretch"
                return None
            if not await self._fit(client, asset, channels, healthy):
                self._awaited[asset.id] = "waits whether rows that its healthy stretch lacks still come"
                return None
        elif asset.id in self._due:
            try:
                await self._fit(client, asset, channels, healthy)
            except ValueError as failure:
                self.fit_failed[asset.id] = str(failure)
        used = await asyncio.to_thread(self.artefacts.used, asset.id)
        if used is None or used.model.fitted_on.channels != names:
            message = "the version of its model in use is of other channels: take another, or name a new stretch"
            raise ArtefactError(message)
        return State(
            used.model, used.healthy.fit[0], used.healthy.until_ns, used.period_ns, self._known_of(asset)
        )  # fmt: skip

    def _known_of(self, asset: Asset) -> Known:
        """Give what is known of machines of its type; nothing where it has no type, or nobody has said."""
        if asset.type is None or asset.type_revision is None:
            return NOTHING
        return self._known.get((asset.type, asset.type_revision), NOTHING)

    async def _fit(
        self, client: AsyncClient, asset: Asset, channels: tuple[Channel, ...], healthy: Healthy
    ) -> bool:  # fmt: skip
        """Fit; what could not be fitted is left alone for a while, unless something else is asked.

        False: not yet, rows may still come.
        """
        now_ns, asked = self._now_ns(), asset.id in self._asked
        self._asked.discard(asset.id)
        failed = self._unfitted.get(asset.id)
        if failed is not None and failed.of == (healthy, channels) and now_ns - failed.at_ns < FIT_AGAIN_NS:
            raise FitError(failed.why)
        try:
            rows = await healthy_rows(client, channels, healthy)
            if not self._settling.is_settled(asset, rows, healthy, now_ns=now_ns):
                if asked:
                    self._asked.add(asset.id)
                return False
            lessons = await self._lessons(client, asset.id)
            made = await fitted(
                rows, asset, channels, healthy=healthy, artefacts=self.artefacts, now_ns=now_ns, lessons=lessons,
                known=self._known_of(asset),
            )  # fmt: skip
        except ValueError as failure:  # FitError, and what linear algebra refuses
            self._unfitted[asset.id] = _Unfitted((healthy, channels), now_ns, str(failure))
            raise
        self._unfitted.pop(asset.id, None)
        log.info("fitted version %d of the model of %s", made.number, asset.path)
        return True

    async def _lessons(self, client: AsyncClient, asset_id: str) -> Lessons | None:
        """Give what done work orders teach of an asset; None where none is done."""
        labels = self._labels.get(asset_id)
        return lessons_of(labels, await alarm_spans(client, asset_id, self._now_ns())) if labels else None

    def _life_of(self, member: Member) -> Life | None:
        """Give the prognosis of its fleet; None while there is none of these channels.

        Repairs end runs: those that ended in failure are fitted on, the newest is judged.
        """
        newest, ended = runs_of(member.run, self._labels.get(member.asset.id, ()))
        self.members += [replace(member, run=run) for run in (*ended, newest)]
        member = replace(member, run=newest)
        model = self.fleets.model(member.run.fleet)
        if model is None or model.fitted_on.channels != member.names:
            if why := self.fleets.trouble.get(member.run.fleet):
                self._awaited.setdefault(member.asset.id, f"fleet {member.run.fleet}: {why}")
            return None
        return Life(model, member.run.from_ns)

    async def _bound(self, client: AsyncClient, asset: Asset) -> list[Property]:
        """Give the asset's properties; for an asset without any those of its tags."""
        if asset.properties:
            return list(asset.properties)
        tags = await client.tags.list(asset=asset)
        return [Property(t.property or t.name, "measurement", t.type, t.unit, t.id) for t in tags]

    async def _take(self, client: AsyncClient, asset: Asset, judging: Judging, *, notice_h: float) -> None:
        checkpoints = Checkpoints(self._folder / judging.kind)
        watch = Watch(
            client, asset, judging, checkpoints=checkpoints, now_ns=self._now_ns, heads=self._heads, notice_h=notice_h
        )
        await watch.start()
        self.watches[asset.id] = watch
        log.info("watching %s by %s", asset.path, ", ".join(c.name for c in judging.channels))

    async def _catch_up(self, watch: Watch) -> bool:
        if watch.asset.id in self._broken:
            return False
        try:
            more = await watch.catch_up()
        except TROUBLE as failed:
            watch.failure = failed
            self._say(watch.asset.id, failed)
            return False
        except Exception as failed:  # boundary: what nobody foresaw of one machine must not stop the others' judging
            watch.failure = failed
            self._broken.add(watch.asset.id)
            if self._is_news(watch.asset.id, f"{type(failed).__name__}: {failed}"):
                log.exception("%s: judging failed, to be taken up from its checkpoint", watch.asset.path)
            return False
        watch.failure = None
        self._said.pop(watch.asset.id, None)
        return more

    def _say(self, of: str, failed: BaseException) -> None:
        """Log a failure once, not at each round."""
        if self._is_news(of, f"{failed}"):
            log.warning("%s: %s", of, failed)

    def _is_news(self, of: str, text: str) -> bool:
        is_news = self._said.get(of) != text
        self._said[of] = text
        return is_news


def _is_asked(asset: Asset) -> bool:
    """Say whether its attributes ask for it to be judged, though it may not be possible yet."""
    attributes = asset.properties
    return healthy_of(attributes) is not None or run_of(attributes) is not None or is_streamed(attributes)
