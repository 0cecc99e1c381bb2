"""A run faster than real time writes the truth of its machines beside what they said."""

from pathlib import Path

import pytest

from penstock.core.times import NS_PER_S, parse_rfc3339_ns
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.generate import PlannedFault, simulate
from penstock.simulators.truth.keeper import TruthKeeper
from penstock.simulators.truth.store import TruthStore
from tests.builders.simulators import plant_folder

UNTIL = parse_rfc3339_ns("2026-01-01T01:00:00Z")
START = UNTIL - 3600 * NS_PER_S


def run(path: Path, *faults: str) -> TruthStore:
    keeper = TruthKeeper(TruthStore(path), look_ns=10 * NS_PER_S)
    planned = tuple(PlannedFault.parse(text) for text in faults)
    for _ in simulate(
        DEMO_PLANT,
        start_ns=START,
        until_ns=UNTIL,
        step_s=1.0,
        faults=planned,
        devices=frozenset({"pump-vibration"}),
        truth=keeper,
    ):
        pass
    keeper.flush()
    return keeper.store


def test_a_bearing_lives_from_injection_to_failure(tmp_path: Path) -> None:
    store = run(tmp_path / "truth.sqlite", "pump-plc:bearing:at=10m,severity=0.4,growth=1.2")
    events, _ = store.events(device="pump-plc")
    assert [one["action"] for one in events][:2] == ["injected", "onset"]
    assert events[-1]["action"] == "failed"
    assert {(one["fault"], one["cause"]) for one in events} == {("bearing", "request")}
    failed_ns = parse_rfc3339_ns(events[-1]["time"])
    assert (failed_ns - parse_rfc3339_ns(events[1]["time"])) / 1e9 == pytest.approx(0.6 / 1.2 * 3600, abs=10)
    states, _ = store.states(device="pump-plc", limit=10_000)
    assert len(states) == pytest.approx(361, abs=15)
    worn = [one for one in states if one["faults"] and not one["failed"]]
    assert len(worn) > 150
    for one in worn:
        assert one["rul_s"] == pytest.approx(one["rul_hindsight_s"], abs=15), "the law foretells what came"
    store.close()


def test_healthy_machines_are_noted_too(tmp_path: Path) -> None:
    store = run(tmp_path / "truth.sqlite")
    assert store.events() == ([], None)
    assert "pump-plc" in {one["device"] for one in store.devices()}
    store.close()


WORN = """\
version: 1
device: fan-1
asset: works/hall/fan-1
connection: {driver: mqtt, broker: "mqtt://127.0.0.1:1883", topic: plant/fan-1, time_field: time}
simulate: {model: fan, parameters: {wear: 20000, repair_after_h: 0.1}, seed: 3}
tags:
  flow: {type: float64, unit: m3/h, source: {field: flow}, signal: {output: flow_m3h}, rate_hz: 0.1}
"""


def test_natural_wear_fails_and_is_repaired_by_the_machines_own_crew(tmp_path: Path) -> None:
    plant = plant_folder(tmp_path / "plant", fan=WORN)
    keeper = TruthKeeper(TruthStore(tmp_path / "truth.sqlite"), every_ns=60 * NS_PER_S, look_ns=10 * NS_PER_S)
    for _ in simulate(plant, start_ns=UNTIL - 8 * 3600 * NS_PER_S, until_ns=UNTIL, step_s=1.0, truth=keeper):
        pass
    keeper.flush()
    events, _ = keeper.store.events(limit=10_000)
    lives = [[one["action"] for one in events if one["fault"] == fault] for fault in {one["fault"] for one in events}]
    ended = [life for life in lives if "failed" in life]
    assert ended, "a fan that wears 20,000 times as fast fails within 8 h"
    for life in ended:
        first = life[: life.index("failed") + 2]
        assert first[0] == "onset"
        assert set(first[1:-2]) <= {"step"}
        assert first[-1] == "repaired"
    assert {one["cause"] for one in events} == {"wear", "crew"}
    assert {one["cause"] for one in events if one["action"] == "repaired"} == {"crew"}
    states, _ = keeper.store.states(limit=10_000)
    assert any(one["failed"] for one in states)
    assert all(one["rul_s"] == 0.0 for one in states if one["failed"])
    keeper.close()
