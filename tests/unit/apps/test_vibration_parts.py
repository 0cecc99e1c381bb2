"""The part of a pump that is judged by its vibration is written with its health, as its failure modes tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.diagnosis import Urgency
from penstock.apps.maintenance.advice.modes import read_known
from penstock.apps.maintenance.advice.naming import Namer
from penstock.apps.maintenance.advice.telling import PART, URGENCY
from penstock.apps.maintenance.channels import Channel, Role
from penstock.apps.maintenance.health import HealthModel, ModelSettings
from penstock.apps.maintenance.risk.costs import CostBook, Costs
from penstock.apps.maintenance.risk.rank import Step
from penstock.apps.maintenance.risk.standing import risk_of
from penstock.apps.maintenance.windows import Samples
from tests.builders.apps import PUMP, SECOND, START_NS, join, pump_samples, rows, take
from tests.builders.maintenance import PATH, Bench

SIGNS = {"bearing_band": "rises", "vibration_rms": "rises", "bearing_temperature": "rises"}
MODES = {
    "bearing": {"part": "drive-end bearing", "signs": SIGNS, "action": "Change it"},
    "imbalance": {"part": "impeller", "signs": {"vibration_rms": "rises"}},
    "cavitation": {"part": "strainer", "signs": {"suction_pressure": "falls", "bearing_band": "rises"}},
}


def of_type(bench: Bench, modes: Mapping[str, Any]) -> Bench:
    """Say of what type the pump is."""
    bench.fake.add_type("pump", failure_modes=modes)
    next(a for a in bench.fake.state.assets.values() if a["path"] == PATH).update({"type": "pump", "type_revision": 1})
    return bench


def texts(bench: Bench, name: str) -> list[tuple[int, str]]:
    (tag,) = (t["id"] for t in bench.fake.state.tags.values() if t["property"] == name)
    return [(r.time, str(r.value)) for r in bench.fake.state.committed if r.tag == tag]


def worn_and_repaired() -> Iterator[Samples]:
    """Give twenty minutes in parts of 100 s."""
    whole = join(pump_samples(600), pump_samples(300, start_s=600, wear=0.5), pump_samples(300, start_s=900))
    for begin in range(0, 1200, 100):
        yield between(whole, begin, begin + 100)


def between(whole: Samples, begin_s: int, end_s: int) -> Samples:
    return take(whole, (whole.time >= START_NS + begin_s * SECOND) & (whole.time < START_NS + end_s * SECOND))


@pytest.mark.parametrize("restarts", [False, True], ids=["in one run", "with a restart after each batch"])
async def test_the_part_stands_from_the_window_in_which_the_health_fell_until_the_repair(
    tmp_path: Path, *, restarts: bool
) -> None:
    bench = of_type(Bench(tmp_path), MODES)
    async with bench.client() as client:
        for part in worn_and_repaired():
            bench.feed(part)
            await bench.run(client)
            if restarts:
                bench.restart()
        await bench.run(client)
    fell_ns = next(time for time, health in bench.health() if health < 60.0)
    rose_ns = next(time for time, health in bench.health() if health >= 70.0 and time > fell_ns)
    assert [part for part in texts(bench, PART) if part[1]] == [(fell_ns, "drive-end bearing")]
    assert texts(bench, PART)[0][1] == ""
    assert texts(bench, PART)[-1] == (rose_ns, "")
    assert texts(bench, URGENCY)[-1] == (rose_ns, "")
    (alarm,) = bench.fake.alarm_state.alarms.values()
    assert alarm["state"] == "rtn_unacknowledged"


async def test_the_fleet_asks_for_what_the_part_s_urgency_says(tmp_path: Path) -> None:
    bench = of_type(Bench(tmp_path), MODES)
    async with bench.client() as client:
        bench.feed(join(pump_samples(600), pump_samples(100, start_s=600, wear=0.9)))
        await bench.run(client)
    newest = bench.watch.newest
    assert newest is not None
    assert newest.diagnosis is not None
    assert newest.diagnosis.urgency is Urgency.NOW
    risk = risk_of(bench.watch, bench.watch.asset, CostBook(Costs("EUR", 10_000.0, 2_000.0, 1_500.0, 150.0, 24.0)))
    assert risk.chance is not None
    assert risk.chance.within >= 0.5
    assert risk.step is Step.STOP


async def test_late_rows_bring_the_same_part_in_the_end(tmp_path: Path) -> None:
    bench, whole = of_type(Bench(tmp_path / "late"), MODES), of_type(Bench(tmp_path / "whole"), MODES)
    parts = list(worn_and_repaired())
    for each, order in ((whole, range(12)), (bench, (*range(5), 6, 7, 5, 8, 9, 10, 11))):
        async with each.client() as client:
            for i in order:
                each.feed(parts[i])
                await each.run(client)
            each.now_ns += 3600 * SECOND
            await each.settle(client)
    late, in_order = dict(texts(bench, PART)), dict(texts(whole, PART))
    assert in_order.items() <= late.items()
    assert "drive-end bearing" in in_order.values()
    assert bench.shown("health_index") == whole.shown("health_index")


async def test_without_failure_modes_no_part_is_written_and_the_reason_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.client() as client:
        bench.feed(join(pump_samples(600), pump_samples(200, start_s=600, wear=0.5)))
        await bench.run(client)
    assert PART not in {t["property"] for t in bench.fake.state.tags.values()}
    assert "no failure modes" in bench.watch.judging.unnamed
    assert bench.watch.newest is not None
    assert bench.watch.newest.diagnosis is None


async def test_a_measured_sign_is_watched_and_costs_nothing(tmp_path: Path) -> None:
    bench = of_type(Bench(tmp_path), MODES)
    bench.fake.add_tag("pump/suction_pressure", unit="bar", asset=PATH, property="suction_pressure")
    samples = join(pump_samples(600), pump_samples(200, start_s=600, wear=0.12))
    times = START_NS + np.arange(800) * SECOND
    pressure = np.where(np.arange(800) < 600, 0.8, 0.1) + 0.001 * np.random.default_rng(1).normal(size=800)
    async with bench.client() as client:
        for begin in range(0, 800, 50):
            now = slice(begin, begin + 50)
            fed = zip(times[now].tolist(), pressure[now].tolist(), strict=True)
            bench.fake.feed("pump/suction_pressure", list(fed))
            bench.feed(between(samples, begin, begin + 50))
            await bench.run(client)
    assert bench.watch.channels[-1] == Channel("suction_pressure", bench.watch.channels[-1].tag, "bar", Role.SIGN)
    newest = bench.watch.newest
    assert newest is not None
    (sign,) = (finding for finding in newest.findings if finding.channel.role is Role.SIGN)
    assert sign.loss == 0.0
    assert sign.deviation is not None
    assert sign.deviation < -20.0
    assert "loss_suction_pressure" not in {t["property"] for t in bench.fake.state.tags.values()}


WITH_SIGN = (*PUMP, Channel("flow", 5, "m3/h", Role.SIGN))


def with_sign(values: NDArray[np.float64]) -> Samples:
    """Give the pump's healthy rows with a fifth channel."""
    pump = pump_samples(len(values))
    table = pump.value.reshape(len(values), 4)
    return rows(pump.time[::4], np.column_stack([table, values]))


def test_a_sign_changes_no_health() -> None:
    settings = ModelSettings(baseline_windows=60)
    flow = 100.0 + np.random.default_rng(2).normal(size=900)
    flow[700:] = 20.0
    alone, beside = HealthModel(PUMP, settings), HealthModel(WITH_SIGN, settings)
    without = [(a.time_ns, a.health, a.status) for a in alone.on_samples(pump_samples(900))]
    assert [(a.time_ns, a.health, a.status) for a in beside.on_samples(with_sign(flow))] == without
    assert len(without) > 80


def test_a_sign_that_only_counts_says_nothing() -> None:
    model = HealthModel(WITH_SIGN, ModelSettings(baseline_windows=60))
    last = model.on_samples(with_sign(np.arange(900, dtype=np.float64) / 2))[-1]
    assert [f.channel.name for f in last.findings if f.channel.role is Role.SIGN] == []


def test_deviations_are_told_in_quarters_of_a_step() -> None:
    settings = ModelSettings(baseline_windows=60)
    model = HealthModel(PUMP, settings)
    model.on_samples(pump_samples(1200))
    worn = model.on_samples(pump_samples(300, start_s=1200, wear=0.2))[-1]
    of = {finding.channel.name: finding for finding in worn.findings}
    hot, fast, band = of["bearing_temperature"], of["vibration_rms"], of["bearing_band"]
    assert hot.expected is not None
    assert hot.deviation == pytest.approx((hot.value - hot.expected) / (settings.temperature_step_k / 4))
    assert fast.expected is not None
    assert fast.deviation == pytest.approx((fast.value - fast.expected) / (settings.zones.significant_change / 4))
    assert band.expected is not None
    decibel = 20 * np.log10(band.value / band.expected)
    assert band.deviation == pytest.approx(decibel / (settings.band_step_db / 4), rel=1e-6)


def test_a_state_of_before_parts_were_named_is_taken_up() -> None:
    plain = HealthModel(PUMP, ModelSettings())
    plain.on_samples(pump_samples(300))
    known = read_known(MODES, None)
    naming = HealthModel(PUMP, ModelSettings(), lambda: Namer(PUMP, known, limit=60.0, deadband=10.0))
    assert naming.restore(plain.to_json())
    assert naming.to_json()["tracks"] == plain.to_json()["tracks"]
