"""History that is delivered behind newer rows gives the health that it gave, or would have given, when it was live."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from penstock.apps.maintenance.marks import Mark, Marks
from penstock.apps.maintenance.watch import DAY_NS
from penstock.apps.maintenance.windows import Samples
from penstock.sdk.errors import ConnectionFailedError
from tests.builders.apps import SECOND, START_NS, join, pump_samples, take
from tests.builders.maintenance import Bench

OLD_S, LIVE_S = 1500, 120


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def history() -> Samples:
    """Give a healthy time, a worn bearing, and the time after its repair."""
    return join(pump_samples(900), pump_samples(300, start_s=900, wear=0.6), pump_samples(300, start_s=1200, seed=3))


def live(start_s: int = OLD_S, seconds: int = LIVE_S) -> Samples:
    return pump_samples(seconds, start_s=start_s, seed=4)


def between(samples: Samples, first_s: int, end_s: int) -> Samples:
    seconds = (samples.time - START_NS) // SECOND
    return take(samples, (seconds >= first_s) & (seconds < end_s))


async def as_live(folder: Path, *parts: Samples) -> Bench:
    """Give the bench of a fleet that saw everything in order."""
    whole = Bench(folder)
    async with whole.client() as client:
        for part in parts:
            whole.feed(part)
            await whole.run(client)
    return whole


async def feed_mixed(bench: Bench, old: Samples, new: Samples, *, parts: int) -> None:
    """Commit a redelivery, cut in parts, with live rows between them; the fleet reads after each."""
    async with bench.client() as client:
        for part in range(parts):
            bench.feed(between(new, OLD_S + part * LIVE_S // parts, OLD_S + (part + 1) * LIVE_S // parts))
            bench.feed(between(old, part * OLD_S // parts, (part + 1) * OLD_S // parts), is_now=False)
            await bench.fleet.round(client)
        await bench.settle(client)


@pytest.mark.parametrize("parts", [1, 4, 10])
async def test_a_redelivery_mixed_with_live_rows_gives_the_health_of_before(
    bench: Bench, tmp_path: Path, parts: int
) -> None:
    whole = await as_live(tmp_path / "whole", history(), live())
    await feed_mixed(bench, history(), live(), parts=parts)
    assert bench.shown("health_index") == whole.shown("health_index")
    for loss in ("loss_vibration_rms", "loss_bearing_band", "loss_bearing_temperature"):
        assert bench.shown(loss) == whole.shown(loss)
    assert bench.watch.late > 0


async def test_after_a_redelivery_the_fleet_goes_on_as_if_it_had_come_in_order(bench: Bench, tmp_path: Path) -> None:
    later = live(OLD_S + LIVE_S, 300)
    whole = await as_live(tmp_path / "whole", history(), live(), later)
    await feed_mixed(bench, history(), live(), parts=4)
    bench.restart()
    async with bench.client() as client:
        bench.feed(later)
        await bench.settle(client)
    assert bench.shown("health_index") == whole.shown("health_index")
    assert bench.watch.model.to_json()["tracks"] == whole.watch.model.to_json()["tracks"]


async def test_commits_no_longer_in_order_are_read_by_time(bench: Bench, tmp_path: Path) -> None:
    whole = await as_live(tmp_path / "whole", history(), live())
    async with bench.client() as client:
        bench.feed(history())
        await bench.run(client)
        bench.feed(live())
        bench.fake.fail_next(410)
        await bench.settle(client)
    assert bench.shown("health_index") == whole.shown("health_index")
    assert [asked for asked in bench.fake.asked if asked.url.path == "/v1/samples"]


async def test_a_reading_that_fails_half_way_begins_anew(bench: Bench, tmp_path: Path) -> None:
    whole = await as_live(tmp_path / "whole", history(), live())
    async with bench.client() as client:
        bench.feed(live())
        bench.feed(history(), is_now=False)
        await bench.fleet.round(client)
        await bench.fleet.round(client)
        bench.fake.fail_next(*[httpx.ConnectError("refused") for _ in range(6)])
        await bench.fleet.round(client)
        assert bench.failures() == [ConnectionFailedError]
        await bench.settle(client)
    assert bench.shown("health_index") == whole.shown("health_index")


async def test_a_restart_in_the_middle_of_a_redelivery_forgets_no_late_row(bench: Bench, tmp_path: Path) -> None:
    whole = await as_live(tmp_path / "whole", history(), live())
    async with bench.client() as client:
        bench.feed(live())
        bench.feed(history(), is_now=False)
        await bench.fleet.round(client)
        bench.restart()
        await bench.settle(client)
    assert bench.shown("health_index") == whole.shown("health_index")


async def test_rows_a_little_late_are_read_again_from_the_nearest_mark_alone(bench: Bench, tmp_path: Path) -> None:
    before, outage, after = (
        pump_samples(7200),
        pump_samples(60, start_s=7200, wear=0.2),
        pump_samples(300, start_s=7260),
    )
    whole = await as_live(tmp_path / "whole", before, outage, after)
    async with bench.client() as client:
        for first in range(0, 7200, 600):
            bench.feed(between(before, first, first + 600))
            await bench.run(client)
        bench.feed(after)
        await bench.run(client)
        bench.fake.asked.clear()
        bench.feed(outage, is_now=False)
        await bench.settle(client)
    starts = [int(asked.url.params["start"]) for asked in bench.fake.asked if asked.url.path == "/v1/samples"]
    assert starts
    assert min(starts) >= START_NS + 3600 * SECOND
    assert bench.shown("health_index") == whole.shown("health_index")


async def test_rows_older_than_what_is_read_again_are_counted_and_left(bench: Bench) -> None:
    async with bench.client() as client:
        bench.feed(pump_samples(300))
        await bench.run(client)
        shown = bench.shown("health_index")
        ancient = START_NS - 31 * DAY_NS
        bench.fake.feed("pump/vibration_rms", [(ancient, 9.0)])
        await bench.settle(client)
    assert bench.shown("health_index") == shown
    assert bench.watch.late == 1


def test_marks_stay_few_over_a_month() -> None:
    marks = Marks()
    for minute in range(0, 45 * 24 * 60, 10):
        marks.add(Mark(minute * 60 * SECOND, {}))
    newest = 45 * DAY_NS
    assert len(marks) <= 30
    for age_s in (1200, 3600, 86_400, 10 * 86_400, 29 * 86_400):
        found = marks.before(newest - age_s * SECOND)
        assert found is not None
        assert newest - found.boundary_ns <= 4 * age_s * SECOND + 1200 * SECOND


async def test_a_platform_restored_from_older_state_is_read_from_the_mark_before(bench: Bench, tmp_path: Path) -> None:
    whole = await as_live(tmp_path / "whole", history(), live())
    async with bench.client() as client:
        bench.feed(history())
        await bench.run(client)
        bench.watch._position += 1_000  # what the app followed reached further than what is there now
        bench.feed(live())
        await bench.settle(client)
    assert bench.shown("health_index") == whole.shown("health_index")
    assert bench.watch.position == bench.fake.state.head
