"""Findings are compared to the last digit; a play ends with its playback, and refuses names that it cannot play."""

from __future__ import annotations

import asyncio
import itertools
import json
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


async def test_a_playback_that_heeds_no_signal_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "END_S", 0.05)
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); signal.pause()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", deaf, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    await play._ended(process)
    assert process.returncode == -9


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
