"""Findings are compared to the last digit; a play ends with its playback, and refuses names that it cannot play."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from penstock.lab.play import play
from penstock.lab.play import word as word_module
from penstock.lab.play.compare import compare
from penstock.lab.play.stage import Cast
from penstock.lab.play.word import Word
from penstock.lab.study import Family, Stretch, Study, StudyAsset, StudyError, channel_name
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import ConnectionFailedError
from penstock.sdk.models import Asset, ComputedTag
from penstock.sdk.testing import FakePlatform
from tests.builders.studies import CHANNELS, write_detection_study

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


T = 1_700_000_000_000_000_000
WATCHED = StudyAsset("m1", (Stretch("watch", T, T + 10),))
LEARNED = StudyAsset("m2", (Stretch("fit", T, T + 10),), ended="failure")


class Told:
    """A platform on which the app has told something of a run."""

    def __init__(self) -> None:
        self.fake = FakePlatform()
        for name in ("m1", "m2", "m3"):
            self.fake.add_asset(f"lab/run1/{name}", name=name)

    def client(self) -> AsyncClient:
        return self.fake.client(app="maintenance", scopes=("assets:read", "samples:read", "samples:write"))

    async def casts(self, client: AsyncClient) -> list[Cast]:
        return [Cast(each, each.name, await client.assets.by_path(f"lab/run1/{each.name}"), {}) for each in
                (WATCHED, LEARNED, StudyAsset("m3", (Stretch("watch", T, T + 20),)))]  # fmt: skip


async def test_the_word_on_all_assets_is_asked_at_once_and_its_tags_are_found_as_they_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told = Told()
    monkeypatch.setattr(word_module, "FIND_S", 0.0)
    async with told.client() as client:
        word = Word(client, await told.casts(client), "remaining_useful_life")
        assert await word.newest() == {"m1": 0, "m3": 0}
        assert await word.rows() == 0
        names = ("remaining_useful_life", "remaining_useful_life_low")
        tags = await client.declare_tags(ComputedTag(f"lab/run1/{m}", n) for m in ("m1", "m2", "m3") for n in names)
        await client.write_many(
            {tags[0]: [(T + 5, 1.0), (T + 7, 2.0)], tags[1]: [(T + 8, 0.0)], tags[2]: [(T + 9, 0.0)]}
        )
        assert await word.newest() == {"m1": T + 7, "m3": 0}
        await client.write_many({tags[4]: [(T + 19, None, 0x80310000)]})
        asked: list[str] = []
        request = client.transport.request

        async def counted(method: str, path: str, **more: Any) -> Any:
            asked.append(path)
            return await request(method, path, **more)

        monkeypatch.setattr(client.transport, "request", counted)
        assert await word.newest() == {"m1": T + 7, "m3": T + 19}
        assert await word.rows() == 3
    assert asked == ["/v1/latest", "/v1/samples"]


class Script:
    """A word that goes on as it is written here; an exception is raised."""

    def __init__(self, *told: int | Exception) -> None:
        self._told = list(told)

    async def newest(self) -> dict[str, int]:
        return {"m1": self._next()}

    async def rows(self) -> int:
        return self._next()

    def _next(self) -> int:
        one = self._told.pop(0) if len(self._told) > 1 else self._told[0]
        if isinstance(one, Exception):
            raise one
        return one


NO_ANSWER = ConnectionFailedError("no answer", url="http://x", attempts=6)


async def test_a_platform_that_does_not_answer_for_a_while_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "LOOK_S", 0.001)
    monkeypatch.setattr(play, "SETTLE_S", 0.001)
    one = Cast(WATCHED, "m1", cast(Asset, None), {})
    way = play.Way("run1", Path(), wait_s=5.0)
    await play._judged(cast(Word, Script(NO_ANSWER, T + 3, NO_ANSWER, T + 9)), [one], way=way)
    assert await play._settled(cast(Word, Script(4, NO_ANSWER, 4)), way=way)
    with pytest.raises(StudyError, match="--run run1 --played"):
        await play._judged(cast(Word, Script(0)), [one], way=play.Way("run1", Path(), wait_s=0.01))


@pytest.mark.parametrize(("grows", "settled"), [(True, False), (False, True)])
async def test_a_play_knows_whether_the_app_had_its_last_word(
    monkeypatch: pytest.MonkeyPatch, grows: bool, settled: bool
) -> None:
    monkeypatch.setattr(play, "SETTLE_S", 0.0)
    monkeypatch.setattr(play, "time", SimpleNamespace(monotonic=itertools.count().__next__))  # a second at each look
    word = Script(*range(1, 1000)) if grows else Script(5)
    assert await play._settled(cast(Word, word), way=play.Way("run1", Path(), wait_s=10.0)) is settled


async def test_a_run_that_was_played_is_found_again_and_one_that_was_not_is_told() -> None:
    told = Told()
    async with told.client() as client:
        study = Study("prognosis", (WATCHED, LEARNED))
        found = await play._cast_before(client, study, play.Way("run1", Path(), is_played=True))
        assert [(each.studied.name, each.asset.path) for each in found] == [
            ("m1", "lab/run1/m1"), ("m2", "lab/run1/m2"),
        ]  # fmt: skip
        with pytest.raises(StudyError, match="run2 has no assets for m1, m2"):
            await play._cast_before(client, study, play.Way("run2", Path(), is_played=True))


@pytest.mark.parametrize(
    ("family", "known"),
    [
        ("detection", {"healthy_from", "healthy_until", "check_from", "check_until"}),
        ("stream", {"judged_by"}),
        ("prognosis", set()),  # a fleet is told once all of it is there
    ],
)
async def test_an_asset_is_told_what_is_known_of_it_as_its_device_comes_up(
    tmp_path: Path, family: Family, known: set[str]
) -> None:
    study = replace(write_detection_study(tmp_path / "study", machines=1), family=family)
    told = FakePlatform()
    for channel in range(CHANNELS):
        told.add_tag(f"run1-m000/{channel_name(channel)}")
    playing = asyncio.create_task(asyncio.sleep(3600))
    async with told.client(app="lab", scopes=("assets:read", "assets:write", "tags:read")) as client:
        made = await play._all_cast(
            client, tmp_path / "study", study, devices={"m000": "run1-m000"}, way=play.Way("run1", Path()),
            playing=playing,
        )  # fmt: skip
        asset = await client.assets.retrieve(made[0].asset.id)
    playing.cancel()
    assert {each.name for each in asset.properties if each.kind == "attribute"} == known
