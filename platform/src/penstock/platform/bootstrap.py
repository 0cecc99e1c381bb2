"""Build the platform: every object once, in the order in which they need each other."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError

from penstock.core.alarm import AlarmSample
from penstock.core.times import format_rfc3339_ns
from penstock.platform.alarms.endpoints import AlarmEndpoints, RuleEndpoints
from penstock.platform.alarms.feed import LiveAlarms
from penstock.platform.alarms.log import AlarmLog
from penstock.platform.alarms.service import RuleService
from penstock.platform.alarms.system import RivalAlarms
from penstock.platform.api.assembly import assemble
from penstock.platform.api.endpoints import WholeEndpoints
from penstock.platform.api.metrics import metrics
from penstock.platform.api.start import Figure, StartPage
from penstock.platform.apps.endpoints import AppEndpoints
from penstock.platform.apps.service import AppService
from penstock.platform.compute.evaluator import RuleEvaluator
from penstock.platform.compute.follower import AlarmFollower
from penstock.platform.events.endpoints import StreamEndpoints
from penstock.platform.firststart import FirstStart
from penstock.platform.historian import bootstrap as historian_bootstrap
from penstock.platform.historian.api.aggregate_endpoints import AggregateEndpoints
from penstock.platform.historian.api.correction_endpoints import CorrectionEndpoints
from penstock.platform.historian.api.endpoints import HistorianEndpoints
from penstock.platform.historian.api.ledger_endpoints import LedgerEndpoints
from penstock.platform.historian.api.ledger_questions import LedgerQuestions
from penstock.platform.historian.files.upkeep import Deletion
from penstock.platform.identity.clients import ClientDoor
from penstock.platform.identity.endpoints import IdentityEndpoints
from penstock.platform.identity.gateways import GatewayDirectory
from penstock.platform.identity.keys import SigningKeys, cookie_secret
from penstock.platform.identity.oauth import TokenService
from penstock.platform.identity.oauth_endpoints import OAuthEndpoints
from penstock.platform.identity.pages import IdentityPages
from penstock.platform.identity.people import People
from penstock.platform.identity.rights import Rights
from penstock.platform.identity.throttle import Throttle
from penstock.platform.ingest.endpoints import IngestEndpoints
from penstock.platform.ingest.gateways import Uplinks
from penstock.platform.ingest.service import Ingest
from penstock.platform.kit.audit import Actor, record
from penstock.platform.kit.authority import Authority, utc_now
from penstock.platform.kit.db import Database
from penstock.platform.kit.files import make_folder
from penstock.platform.kit.pages import FormGuard
from penstock.platform.kit.serving import Certificate
from penstock.platform.kit.settings import Settings
from penstock.platform.registry.assets import AssetService
from penstock.platform.registry.endpoints import AssetEndpoints, TagEndpoints
from penstock.platform.registry.plant import PlantFolder
from penstock.platform.registry.service import TagDirectory
from penstock.platform.registry.tags import TagService
from penstock.platform.registry.types import TypeService

PLANT_POLL_S = 2.0
"""A changed plant file is read within this time; polling works on every mount, notifications do not."""

SYSTEM_ALARMS_POLL_S = 15.0
"""How often it is looked whether a system alarm may clear, which takes minutes."""

PLANT_ERRORS_SHOWN = 10

log = logging.getLogger(__name__)


class Platform:
    """Hold the graph; `app` is what uvicorn runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        issuer = settings.issuer
        make_folder(settings.data)
        self.db = Database(settings.relational_url, settings.database_password_file)
        self.db.create_or_migrate()
        self.keys = SigningKeys.open(settings.keys)
        self.throttle = Throttle()
        self.people = People(self.db, self.throttle)
        self.gateways = GatewayDirectory(self.db, self.throttle)
        self.apps = AppService(self.db, allow_plain_http=settings.allow_plain_http)
        self.tokens = TokenService(self.db, self.keys, issuer)
        self.directory = TagDirectory(self.db)
        self.assets = AssetService(self.db, self.directory)
        self.plant = PlantFolder(self.db, settings.plant, os.environ)
        self.historian = historian_bootstrap.open(settings, on_deletion=self._note_deletion)
        self.live = LiveAlarms()
        self.rival_alarms = RivalAlarms(self.db, self.live.announce)
        self.ingest = Ingest(
            self.historian, self.directory, self.gateways, self.db, on_rivals=self.rival_alarms.on_rivals
        )
        self.alarms = AlarmLog(self.db, self.live.announce)
        self.evaluator = RuleEvaluator(self.db, self._newest, time.time_ns)
        self.follower = AlarmFollower(self.historian, self.evaluator, self.live.announce)
        self.rules = RuleService(self.db, self.follower.rules_changed)
        self.authority, self.certificate = _tls(settings)
        self.forms = FormGuard(cookie_secret(settings.keys), issuer)
        self._ready = False
        self.app = self._assemble(issuer)

    def _assemble(self, issuer: str) -> FastAPI:
        start = StartPage(self.apps, self.gateways, figures=self._figures, errors=self._plant_errors)
        sources: dict[str, Callable[[], Mapping[str, float]]] = {
            "historian": self.historian.counters,
            "ingest": self.ingest.counters,
            "alarms": self._alarm_counters,
        }
        door = ClientDoor(self.db, self.throttle)
        whole = WholeEndpoints(
            ready=self._why_not_ready, metrics=metrics(sources), start=start, forms=self.forms, authority=self.authority
        )
        oauth = OAuthEndpoints(
            self.db, keys=self.keys, people=self.people, tokens=self.tokens, door=door, issuer=issuer
        )
        routers = [
            whole.router(),
            IdentityPages(self.people, self.forms, issuer=issuer, secrets=self.settings.secrets).router(),
            oauth.router(),
            IdentityEndpoints(self.db, self.people, self.gateways, issuer).router(),
            AppEndpoints(self.apps).router(),
            AssetEndpoints(self.assets, TypeService(self.db), self.plant).router(),
            TagEndpoints(TagService(self.db, self.directory)).router(),
            IngestEndpoints(self.ingest, Uplinks(self.historian, self.gateways, self.ingest)).router(),
            HistorianEndpoints(self.historian, self.directory).router(),
            CorrectionEndpoints(self.historian, self.directory, self.db).router(),
            AggregateEndpoints(self.historian, self.directory).router(),
            LedgerEndpoints(
                self.historian,
                self.directory,
                self.gateways,
                retry=self.ingest.retry,
                names=self.apps.names_of_clients,
                holdings=lambda: self.ingest.holdings,
            ).router(),
            LedgerQuestions(
                self.historian, self.directory, self.gateways, holdings=lambda: self.ingest.holdings
            ).router(),
            StreamEndpoints(self.historian, self.directory, self.live).router(),
            RuleEndpoints(self.rules).router(),
            AlarmEndpoints(self.alarms).router(),
        ]
        rights = Rights(self.db, self.keys, self.people, issuer)
        return assemble(routers, authenticator=rights, issuer=issuer, running=self.running)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open the stores, follow the plant folder and the commits; close all at the end."""
        await self.historian.start(upkeep=False)
        try:
            await asyncio.to_thread(self._open)
            await self.live.start(self.alarms)
            async with asyncio.TaskGroup() as tasks:
                following = [
                    tasks.create_task(self._follow_plant(), name="plant folder"),
                    tasks.create_task(self.follower.run(), name="alarms"),
                    tasks.create_task(self._clear_rival_alarms(), name="system alarms"),
                ]
                self._ready = True
                self.historian.begin_upkeep()  # a merge would take half of the start's CPU
                yield
                for task in following:
                    task.cancel()
        finally:
            self._ready = False
            await self.historian.stop()
            await asyncio.to_thread(self.ingest.stop)
            self.db.close()

    def _open(self) -> None:
        first = FirstStart(self.settings, self.db, people=self.people, gateways=self.gateways, apps=self.apps)
        first.run(self.authority.bundle() if self.authority else None)
        self.gateways.reload()
        self.rival_alarms.load(time.time_ns())
        self.plant.belongs_to(self.people.first_admin().tenant)
        self.plant.poll()
        self.directory.reload()

    async def _follow_plant(self) -> None:
        while True:
            await asyncio.sleep(PLANT_POLL_S)
            try:
                if await asyncio.to_thread(self.plant.poll):
                    await asyncio.to_thread(self.directory.reload)
            except (SQLAlchemyError, OSError):
                log.exception("the plant folder could not be taken over; tried again at its next change")

    async def _clear_rival_alarms(self) -> None:
        while True:
            await asyncio.sleep(SYSTEM_ALARMS_POLL_S)
            try:
                await asyncio.to_thread(self.rival_alarms.tick, time.time_ns())
            except SQLAlchemyError:
                log.exception("system alarms could not be cleared; tried again")

    def _why_not_ready(self) -> str | None:
        return None if self._ready else "the stores are being opened"

    def _newest(self, tags: Sequence[int]) -> dict[int, AlarmSample]:
        newest: dict[int, AlarmSample] = {}
        for found in self.historian.latest(tags):
            number = None if found.value is None or isinstance(found.value, str) else float(found.value)
            newest[found.tag] = AlarmSample(found.time, found.status, number, found.position, found.row)
        return newest

    def _note_deletion(self, deletion: Deletion) -> None:
        """Put what retention deletes into each tenant's audit log, before it goes; in the historian's thread."""
        span = {"start": format_rfc3339_ns(deletion.time_min), "end": format_rfc3339_ns(deletion.time_max)}
        with self.db.session() as session:
            for tenant, rows in deletion.rows_by_tenant.items():
                actor = Actor(tenant, "platform", "Penstock")
                record(
                    session,
                    actor,
                    "history.delete",
                    object=deletion.folder,
                    detail={"rows": rows, "what": deletion.what, **span},
                )

    def _alarm_counters(self) -> dict[str, int]:
        active, waiting = self.alarms.counts()
        figures = {"active": active, "unacknowledged": waiting, "cursor": self.follower.position}
        return figures | asdict(self.evaluator.counters)

    def _figures(self, tenant: str) -> list[Figure]:
        active, waiting = self.alarms.counts(tenant)
        return [
            Figure("Active alarms", str(active), "bad" if active else "good"),
            Figure("To acknowledge", str(waiting), "bad" if waiting else "good"),
            Figure("Assets", str(self.assets.count(tenant))),
            Figure("Tags", str(len(self.directory.all(tenant)))),
        ]

    def _plant_errors(self, tenant: str) -> list[str]:
        return [str(error) for error in self.plant.status(tenant).errors[:PLANT_ERRORS_SHOWN]]


def _tls(settings: Settings) -> tuple[Authority | None, Certificate | None]:
    """Give the authority, unless the plant brings a certificate, and the certificate of the TLS door."""
    if settings.tls_port is None:
        return None, None
    if settings.tls_certificate is not None:
        return None, Certificate(None, settings.tls_certificate, settings.tls_key)
    authority = Authority(settings.authority, settings.tls_alternatives, now=utc_now)
    return authority, Certificate(authority, authority.server)


def build(settings: Settings) -> FastAPI:
    """Give the app of a platform with these settings; its lifespan opens and closes the stores."""
    return Platform(settings).app
