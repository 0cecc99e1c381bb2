"""Builders for the fault laboratory's tests: events, alarms, a plant of facts, a client that is logged in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from penstock.core.times import NS_PER_S, parse_rfc3339_ns
from penstock.simulators.laboratory.episodes import Alarm
from penstock.simulators.laboratory.facts import DeviceFacts
from penstock.simulators.laboratory.pages import Parts, laboratory_app
from penstock.simulators.laboratory.platform_alarms import PlatformAlarms
from penstock.simulators.laboratory.sessions import Sessions
from penstock.simulators.models.fault import FaultError, FaultRequest, FaultState
from penstock.simulators.truth.records import Action, Cause, FaultTruth, TruthEvent, TruthState
from penstock.simulators.truth.store import TruthStore

BEGIN = parse_rfc3339_ns("2026-11-27T10:00:00Z")
MINUTE = 60 * NS_PER_S
ASSET = "works/hall/pump-101"
URL = "http://localhost:8092"
TOKEN = "the-laboratory-s-own-token"
FORM = re.compile(r'name="form" value="([^"]+)"')


def event(
    at_min: float,
    action: Action,
    *,
    fault: str = "bearing",
    device: str = "pump",
    severity: float = 0.2,
    **detail: object,
) -> TruthEvent:
    kind = "sensor" if ":" in fault else "machine"
    at_ns = BEGIN + round(at_min * MINUTE)
    return TruthEvent(at_ns, device, ASSET, action, fault, kind, "drive-end bearing", severity, Cause.REQUEST, detail)


def alarm(
    raised_min: float, cleared_min: float | None = None, *, asset: str = ASSET, message: str = "health is low"
) -> Alarm:
    cleared_ns = None if cleared_min is None else BEGIN + round(cleared_min * MINUTE)
    return Alarm("alm_1", asset, "health", message, 700, BEGIN + round(raised_min * MINUTE), cleared_ns=cleared_ns)


def fault(severity: float, *, name: str = "bearing", growth_per_h: float = 2.0, onset_s: float = 0.0) -> FaultTruth:
    rul_s = 3600.0 * (1.0 - severity) / growth_per_h if growth_per_h else None
    kind = "sensor" if ":" in name else "machine"
    return FaultTruth(
        name, kind, "drive-end bearing", severity, growth_per_h, onset_s, cause=Cause.REQUEST, start=0.2, rul_s=rul_s
    )  # fmt: skip


def state(at_min: float, *faults: FaultTruth, device: str = "pump", failed: str = "") -> TruthState:
    states = {"shaft_power_kW": 12.5}
    return TruthState(BEGIN + round(at_min * MINUTE), device, ASSET, failed, states, faults)


def facts(*faults: FaultTruth, device: str = "pump", failed: str = "", **more: object) -> DeviceFacts:
    possible = tuple(
        FaultState(name, False, 0.0, 0.0, 0.0, component=part)
        for name, part in (("bearing", "drive-end bearing"), ("seal-leak", "shaft seal"))
    )
    values: dict[str, object] = {
        "asset": ASSET,
        "model": "centrifugal-pump",
        "description": "PLC of the pump",
        "driver": "opcua",
        "possible": possible,
        "sensors": {"flow": ("bias", "drift", "stuck"), "running": ("stuck",)},
        "truth": state(0, *faults, device=device, failed=failed),
        "running": True,
    }
    return DeviceFacts(device=device, **{**values, **more})  # type: ignore[arg-type]


@dataclass
class FakePlant:
    """A plant of facts that notes what is done to it."""

    found: list[DeviceFacts] = field(default_factory=lambda: [facts()])
    done: list[tuple[object, ...]] = field(default_factory=list)
    at_ns: int = BEGIN

    def now_ns(self) -> int:
        return self.at_ns

    def devices(self) -> Sequence[DeviceFacts]:
        return self.found

    def inject(self, device: str, request: FaultRequest) -> None:
        self._check(device)
        self.done.append(("inject", device, request))

    def clear(self, device: str, fault: str) -> None:
        self._check(device)
        self.done.append(("clear", device, fault))

    def repair(self, device: str, fault: str) -> None:
        self._check(device)
        self.done.append(("repair", device, fault))

    def _check(self, device: str) -> None:
        if device not in {one.device for one in self.found}:
            message = f"device {device!r} is not simulated here"
            raise FaultError(message, device=device)


@dataclass
class Clock:
    """A clock that stands until it is set on."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Laboratory:
    """The pages over a fake plant and a real store, and a client below them."""

    store: TruthStore
    plant: FakePlant = field(default_factory=FakePlant)
    clock: Clock = field(default_factory=Clock)
    alarms: PlatformAlarms | None = None
    url: str = URL

    def __post_init__(self) -> None:
        self.sessions = Sessions(self.clock)
        self.parts = Parts(self.plant, self.store, self.sessions, TOKEN, self.url, self.alarms)
        self.app = laboratory_app(self.parts)

    def client(self, base_url: str = "") -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=base_url or self.url)

    @asynccontextmanager
    async def logged_in(self) -> AsyncIterator[httpx.AsyncClient]:
        async with self.client() as client:
            answer = await client.get("/login", params={"token": self.sessions.new_link()})
            assert answer.status_code == 303, answer.text
            yield client


async def form_of(client: httpx.AsyncClient, path: str = "/") -> str:
    """Give the token that the forms of a page carry."""
    found = FORM.search((await client.get(path)).text)
    assert found is not None, path
    return found.group(1)


def store_in(folder: Path) -> TruthStore:
    return TruthStore(folder / "truth" / "truth.sqlite")
