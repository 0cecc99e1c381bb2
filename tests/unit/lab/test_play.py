"""Findings are compared to the last digit; a play ends with its playback, and refuses names that it cannot play."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.lab.play import play
from penstock.lab.play.compare import compare
from penstock.lab.play.stage import Cast
from penstock.lab.study import Stretch, Study, StudyAsset, StudyError
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.models import Asset
from tests.builders.studies import write_detection_study

STUDY = Study("prognosis", (StudyAsset("m1", (Stretch("watch", 0, 10),)),))


def findings(folder: Path, highs: list[float | None]) -> Path:
    folder.mkdir()
    count = len(highs)
    columns = {"time": pa.array(range(count), pa.int64()), "rul_ns": [5.0] * count, "low_ns": [1.0] * count}
    pq.write_table(pa.table(columns | {"high_ns": pa.array(highs, pa.float64())}), folder / "m1.parquet")
    (folder / "findings.json").write_text(json.dumps({"assets": ["m1"]}))
    return folder


def test_an_interval_open_above_is_not_equal_to_a_closed_one(tmp_path: Path) -> None:
    one, other = findings(tmp_path / "a", [9.0, float("inf")]), findings(tmp_path / "b", [9.0, 9.0])
    (found,) = compare(STUDY, one, other)
    assert not found.is_none
    assert found.worst == float("inf")
    (same,) = compare(STUDY, one, findings(tmp_path / "c", [9.0, None]))
    assert same.is_none


Change = tuple[int, bool, dict[str, float]]
RAISED, CLEARED = (3, True, {"ch00": 0.2, "ch01": 0.8}), (7, False, {"ch00": 1.0, "ch01": 0.0})


@pytest.mark.parametrize(
    ("changes", "differences"),
    [
        ([RAISED, CLEARED], 0),
        ([RAISED, (7, False, {})], 0),
        ([(4, True, RAISED[2]), CLEARED], 2),
        ([(3, True, {"ch00": 0.8, "ch01": 0.2}), CLEARED], 2),
        ([RAISED], 1),
        ([RAISED, CLEARED, CLEARED], 1),
        ([CLEARED, RAISED], 1),
    ],
    ids=["same", "nobody is blamed for the end", "a row later", "another channel", "missing", "twice", "other order"],
)
def test_alarms_are_held_against_each_other_event_by_event(
    tmp_path: Path, changes: list[Change], differences: int
) -> None:
    def folder(name: str, told: list[Change]) -> Path:
        made = findings(tmp_path / name, [9.0])
        alarms = [{"time_ns": time_ns, "raised": raised, "shares": shares} for time_ns, raised, shares in told]
        (made / "findings.json").write_text(json.dumps({"assets": [{"name": "m1", "alarms": alarms}]}))
        return made

    (found,) = compare(STUDY, folder("one", [RAISED, CLEARED]), folder("other", changes))
    assert (found.alarms, found.is_none) == (differences, differences == 0)


async def test_a_playback_that_heeds_no_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "END_S", 0.05)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", deaf, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    await play._ended(process)
    assert process.returncode == -9


async def test_a_playback_that_hangs_is_ended_with_its_last_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = tmp_path / "penstock"
    deaf.write_text('#!/bin/sh\necho "$$ $@"\nexec sleep 1000\n')
    deaf.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    said: list[str] = []
    heard = asyncio.Event()

    def say(line: str) -> None:
        said.append(line)
        heard.set()

    way = play.Way("run1", Path("the-plant"), speed=20.0, clean=True)
    playing = asyncio.create_task(play._playback(tmp_path, way, say, limit_s=2.0))
    await heard.wait()
    with pytest.raises(StudyError, match=r"not ended within 2 s.*last word was: .*--clean.*the-plant.*--limit"):
        await playing
    with pytest.raises(ProcessLookupError):
        os.kill(int(said[0].split()[0]), 0)


@pytest.mark.parametrize(("speed", "seconds"), [(20.0, 3 * 3 * 899 / 20), (0.0, 3 * 3 * 900 * 7 / play.VALUES_PER_S)])
def test_how_long_a_playback_may_take_is_told_by_its_rows(tmp_path: Path, speed: float, seconds: float) -> None:
    study = write_detection_study(tmp_path / "study")
    assert play.limit_of(tmp_path / "study", study, speed) == pytest.approx(play.LIMIT_MIN_S + seconds)


@pytest.mark.parametrize("names", [("A 1", "a-1"), ("泵", "x")])
def test_assets_that_would_share_a_device_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(StudyError, match="names that differ"):
        play._devices(Study("detection", tuple(StudyAsset(name, ()) for name in names)), "run1")


@pytest.mark.parametrize(("grows", "settled"), [(True, False), (False, True)])
async def test_a_play_knows_whether_the_app_had_its_last_word(
    monkeypatch: pytest.MonkeyPatch, grows: bool, settled: bool
) -> None:
    said = itertools.count(1) if grows else itertools.repeat(5)

    async def said_rows(*_: object) -> int:
        return next(said)

    monkeypatch.setattr(play, "SETTLE_S", 0.001)
    monkeypatch.setattr(play, "said_rows", said_rows)
    (studied,) = STUDY.assets
    way = play.Way("run1", Path(), wait_s=0.02)
    one = Cast(studied, "m1", cast(Asset, None), {})
    assert await play._settled(cast(AsyncClient, None), "prognosis", [one], way=way) is settled
