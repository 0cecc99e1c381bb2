"""Builders for tests of the SDK: a small plant on the fake platform, with a clock that stands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.sdk import Client
from penstock.sdk.testing import FakePlatform
from tests.builders.stack import Stack

S = 1_000_000_000
NOW = 1_790_000_000 * S
CALC_SCOPES = ["assets:read", "samples:read", "samples:write", "samples:replace", "alarms:read", "rules:write"]
PUMP = "works/site/hall/pump-1"
BAD_NO_COMMUNICATION = 0x80310000


def small_plant() -> FakePlatform:
    """Give a plant of one pump: flow (float64), starts (int64), running (bool), mode (string)."""
    fake = FakePlatform(now_ns=lambda: NOW)
    fake.add_asset(PUMP, name="Pump 1", type="pump", attributes={"rated_power": 15.0})
    fake.add_tag("plc/flow", unit="m3/h", asset=PUMP, property="flow")
    fake.add_tag("plc/starts", type="int64", asset=PUMP, property="starts")
    fake.add_tag("plc/running", type="bool", asset=PUMP, property="running")
    fake.add_tag("plc/mode", type="string", asset=PUMP, property="mode")
    return fake


def ramp(count: int, *, end_ns: int = NOW, step_ns: int = S) -> list[tuple[int, float]]:
    """Give `count` samples 0.0, 1.0 … the last of them one step before `end_ns`."""
    return [(end_ns - (count - i) * step_ns, float(i)) for i in range(count)]


PLANT = """version: 1
enterprise: works
hierarchy: {works: Works, works/site: Site, works/site/hall: Hall}
assets:
  works/site/hall/pump-1: {name: Pump 1}
"""


def empty_plant(folder: Path) -> Path:
    """Write a plant folder with one asset and no device."""
    for name in ("devices", "types"):
        (folder / name).mkdir(parents=True)
    (folder / "plant.yaml").write_text(PLANT, encoding="utf-8")
    return folder


@contextmanager
def real_platform(folder: Path) -> Iterator[Stack]:
    """Run the real platform alone, on free ports, with an empty plant."""
    stack = Stack(folder, empty_plant(folder / "plant"))
    try:
        stack.start("platform")
        yield stack
    finally:
        stack.close()


def operator(stack: Stack) -> Client:
    """Give a client with the operator's credential."""
    return Client(stack.url("platform"), credentials=stack.folder / "secrets" / "cli.json")


def register_calc(stack: Stack) -> tuple[str, str]:
    """Register an app that may read and write; give its client id and secret."""
    with operator(stack) as client:
        made = client.apps.register(
            "calc",
            name="Calc",
            url="http://127.0.0.1:1",
            redirect_uris=["http://127.0.0.1:1/oauth/callback"],
            scopes=CALC_SCOPES,
            user_scopes=[],
        )
    assert made.client_id
    assert made.client_secret
    return made.client_id, made.client_secret
