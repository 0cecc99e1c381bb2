"""Retention by policy: samples go, summaries stay and answer, then they go too; whatever is killed in between."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.times import format_rfc3339_ns
from penstock.core.windows import windows
from penstock.platform.historian.api.wire import ARROW
from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.files.manifest import MANIFEST_FILE
from penstock.platform.historian.files.upkeep import Deletion
from penstock.platform.historian.ports import Removed
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing.sealing import KEPT_STEPS, SUMMARY_STEPS
from penstock.platform.kit.audit import AuditRow
from penstock.platform.kit.settings import Settings
from penstock.sdk import Removed as Told
from penstock.sdk.frames import read_arrow
from tests.builders.historian import NOON_NS, SECOND_NS, Sample, batch_of, historian_process
from tests.builders.platform_control import browser, furnish, running_platform

pytestmark = pytest.mark.integration
DAY_NS = 86_400 * SECOND_NS
HOUR_NS = 3600 * SECOND_NS
BEGIN = NOON_NS // HOUR_NS * HOUR_NS
SPAN = (BEGIN, BEGIN + 4 * HOUR_NS)
WANTED = [Aggregate.AVERAGE, Aggregate.COUNT, Aggregate.MINIMUM, Aggregate.TIME_AVERAGE2, Aggregate.PERCENT_GOOD]
BAD = 0x8031_0000
PROGRAM = """
import asyncio, os, signal, sys
from pathlib import Path
from tests.integration.platform_historian.test_summary_retention import DAY_NS, NOON_NS, opened

async def main(folder, fatal):
    def step(name):
        if name == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
    historian = await opened(Path(folder), NOON_NS + 40 * DAY_NS, [], step)
    await historian.wait_sealed()

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


async def opened(folder: Path, now_ns: int, told: list[Deletion], step: object = lambda _: None) -> Historian:
    historian = Historian(
        folder,
        generation_rows=500,
        now_ns=lambda: now_ns,
        retention_ns=30 * DAY_NS,
        summary_retention_ns=60 * DAY_NS,
        on_deletion=told.append,
        sealing_step=step,  # type: ignore[arg-type]
    )
    await historian.start()
    return historian


def rows(hour: int) -> list[Sample]:
    """An hour of a quick tag, now and then Bad, and of one with a sample in twenty minutes."""
    at = [BEGIN + hour * HOUR_NS + second * SECOND_NS for second in range(0, 3600, 5)]
    quick: list[Sample] = [(1, time, BAD if place % 50 == 0 else 0, float(place % 7)) for place, time in enumerate(at)]
    return quick + [(2, BEGIN + hour * HOUR_NS + minute * 60 * SECOND_NS, 0, float(minute)) for minute in (0, 20, 40)]


async def filled(folder: Path) -> None:
    historian = await opened(folder, NOON_NS + DAY_NS, [])
    for seq in range(1, 5):
        await historian.append([batch_of(rows(seq - 1), seq=seq)])
    assert await historian.wait_sealed()
    await historian.stop()


async def hours(historian: Historian, stepped: bool = True) -> dict[int, list[list[object]]]:
    """Give the hourly values of both tags, and the status of each window."""
    settings = AggregateSettings(stepped=stepped, covered_until_ns=BEGIN + DAY_NS)
    found = await historian.aggregate_many({1: settings, 2: settings}, windows(*SPAN, "1h", "UTC"), WANTED)
    return {
        tag: [
            *[[round(v, 9) for v in found[tag].columns[name].value.tolist()] for name in WANTED],
            found[tag].status.tolist(),
        ]
        for tag in (1, 2)
    }


def listed(folder: Path) -> tuple[int, int, int]:
    """Give the numbers of runs, of kept summaries and of deletions in the manifest; the folders must agree."""
    with closing(sqlite3.connect(folder / MANIFEST_FILE)) as manifest:
        counts = [
            {name for (name,) in manifest.execute(f"SELECT folder FROM {table}")}
            for table in ("run", "kept", "deleted")
        ]
    assert {path.name for path in (folder / "runs").iterdir()} == counts[0]
    kept = folder / "kept"
    assert ({path.name for path in kept.iterdir()} if kept.exists() else set()) == counts[1]
    return len(counts[0]), len(counts[1]), len(counts[2])


async def test_samples_go_summaries_stay_and_answer_and_go_in_their_turn(tmp_path: Path) -> None:
    folder, told = tmp_path / "h", list[Deletion]()
    await filled(folder)
    before = await opened(folder, NOON_NS + DAY_NS, told)
    expected, plot = await hours(before), await before.plot(1, *SPAN, points=100)
    assert before.removed(*SPAN) is None
    await before.stop()
    runs = listed(folder)[0]
    assert runs >= 1

    after = await opened(folder, NOON_NS + 40 * DAY_NS, told)
    assert await after.wait_sealed()
    assert listed(folder) == (0, runs, runs)
    assert (await after.range([1, 2], *SPAN, limit=9999)).num_rows == 0
    assert await hours(after) == expected
    drawn = await after.plot(1, *SPAN, points=100)
    assert drawn.samples == plot.samples == 4 * 720
    assert drawn.series.value[drawn.drawn].max() == plot.series.value[plot.drawn].max() == 6.0
    newest = max(each.time_max for each in told)
    assert after.removed(*SPAN) == Removed(newest, True)
    assert after.removed(BEGIN - 9, BEGIN) is None
    assert after.removed(NOON_NS + DAY_NS, NOON_NS + 2 * DAY_NS) is None
    assert [(each.what, sum(each.rows_by_tenant.values()) > 0) for each in told] == [
        ("samples, summaries stay", True)
    ] * runs
    figures = after.counters()
    assert (figures["deleted_runs"], figures["kept_summaries"], figures["deleted_summaries"]) == (runs, runs, 0)
    await after.stop()

    last = await opened(folder, NOON_NS + 70 * DAY_NS, told)
    assert await last.wait_sealed()
    assert listed(folder) == (0, 0, runs)
    assert [each.what for each in told[runs:]] == ["summaries"] * runs
    assert sum(sum(each.rows_by_tenant.values()) for each in told[runs:]) == 4 * 723
    assert last.removed(*SPAN) == Removed(newest, False)
    assert last.counters()["deleted_summaries"] == runs
    await last.stop()


async def test_samples_that_come_after_their_quarter_was_removed_are_seen_raw_alone(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    await filled(folder)
    historian = await opened(folder, NOON_NS + 40 * DAY_NS, [])
    assert await historian.wait_sealed()
    expected = await hours(historian)
    late: list[Sample] = [(1, BEGIN + HOUR_NS + 7 * SECOND_NS, 0, 99.0), (2, BEGIN + 30 * HOUR_NS, 0, 5.0)]
    await historian.append([batch_of(late, seq=9)])
    assert await hours(historian) == expected
    assert (await historian.range([1], *SPAN, limit=9)).num_rows == 1
    await historian.stop()


OF_EVERY_PUSH = KEPT_STEPS[-1]
"""Where a kill is most likely to lose; the others run with test-full."""


@pytest.mark.parametrize(
    "step", [step if step == OF_EVERY_PUSH else pytest.param(step, marks=pytest.mark.full) for step in KEPT_STEPS]
)
async def test_a_kill_while_samples_go_loses_neither_them_nor_their_summaries(tmp_path: Path, step: str) -> None:
    folder = tmp_path / "h"
    await filled(folder)
    historian = await opened(folder, NOON_NS + DAY_NS, [])
    expected = await hours(historian)
    await historian.stop()
    command = historian_process(PROGRAM, str(folder), step)
    died = await asyncio.to_thread(subprocess.run, command, capture_output=True, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr[-4000:]
    told = list[Deletion]()
    for _ in range(2):
        historian = await opened(folder, NOON_NS + 40 * DAY_NS, told)
        assert await hours(historian) == expected
        assert await historian.wait_sealed()
        assert await hours(historian) == expected
        await historian.stop()
        assert listed(folder)[0] == 0
        assert list(folder.rglob("*.new")) == []


async def test_a_run_of_before_there_were_summaries_gets_one(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    await filled(folder)
    with closing(sqlite3.connect(folder / MANIFEST_FILE)) as manifest:
        manifest.execute("DELETE FROM file WHERE name = 'summary.parquet'")
        for statement in ("DROP TABLE kept", "DROP TABLE erasure", "ALTER TABLE run DROP COLUMN erased_to"):
            manifest.execute(statement)
        manifest.execute("PRAGMA user_version = 1")
        manifest.commit()
    for path in folder.rglob("summary.parquet"):
        path.unlink()
    steps: list[str] = []
    historian = await opened(folder, NOON_NS + DAY_NS, [], steps.append)
    assert await historian.wait_sealed()
    assert tuple(steps[:2]) == SUMMARY_STEPS
    assert len(list(folder.rglob("summary.parquet"))) == len(historian._engine.runs)
    assert all(run.has_summary for run in historian._engine.runs)
    await historian.stop()
    historian = await opened(folder, NOON_NS + DAY_NS, [])
    assert all(run.has_summary for run in historian._engine.runs)
    await historian.stop()


async def test_kept_summaries_that_no_manifest_knows_stop_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    await filled(folder)
    (folder / "kept" / "run-000077-000077").mkdir(parents=True)
    with pytest.raises(HistorianDamaged, match="kept/run-000077-000077 is not listed"):
        await opened(folder, NOON_NS + DAY_NS, [])


async def test_answers_say_what_retention_has_removed(tmp_path: Path) -> None:
    old_ns = time.time_ns() - 40 * DAY_NS
    settings = {"generation_rows": 1000, "retention_days": 30, "summary_retention_days": 60}
    async with running_platform(tmp_path, **settings) as platform:
        house = furnish(platform, "acme")
        tag = house.ids["tag_id"]
        samples: list[Sample] = [(int(tag), old_ns + k * 5 * SECOND_NS, 0, float(k % 9)) for k in range(1400)]
        await platform.historian.append([batch_of(samples, arrival_ns=old_ns, tenant=house.tenant)])
        assert await platform.historian.wait_sealed()
        span = {"start": str(old_ns), "end": str(old_ns + 7000 * SECOND_NS)}
        until = format_rfc3339_ns(samples[-1][1])
        async with browser(platform, house.tokens["viewer"]) as http:
            for path, more in (
                ("samples", {}),
                ("aggregates", {"aggregate": "Count", "interval": "1h"}),
                ("interpolated", {"step": "10m"}),
                ("plot", {}),
            ):
                asked = {"tag": tag, **span, **more}
                answer = (await http.get(f"/v1/{path}", params=asked)).raise_for_status()
                assert answer.json()["removed"] == {"until": until, "summaries": True}, path
                later = asked | {"start": "1h-ago", "end": "now"}
                assert "removed" not in (await http.get(f"/v1/{path}", params=later)).raise_for_status().json()
                arrow = await http.get(f"/v1/{path}", params=asked, headers={"Accept": ARROW})
                assert Told.of(read_arrow(arrow.content)[1]) == Told(until, True)
            counted = await http.get(
                "/v1/aggregates", params={"tag": tag, **span, "aggregate": "Count", "interval": "1h"}
            )
            assert sum(counted.json()["items"][0]["columns"]["Count"]) > 1000
        with platform.db.reading() as session:
            (noted,) = session.scalars(select(AuditRow.detail).where(AuditRow.action == "history.delete")).all()
        assert json.loads(noted)["what"] == "samples, summaries stay"


def test_summaries_that_would_go_before_their_samples_stop_the_start() -> None:
    for given in ({"summary_retention_days": 60}, {"retention_days": 60, "summary_retention_days": 60}):
        with pytest.raises(
            ValidationError, match="SUMMARY_RETENTION_DAYS must be more than PENSTOCK_PLATFORM_RETENTION_DAYS"
        ):
            Settings(**given)  # type: ignore[arg-type]
