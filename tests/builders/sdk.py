"""Builders for tests of the SDK: a small plant on the fake platform, with a clock that stands."""

from __future__ import annotations

from penstock.sdk.testing import FakePlatform

S = 1_000_000_000
NOW = 1_790_000_000 * S
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
