"""Play a study through a running stack, and wait until the app has judged all of it.

The devices are played by `penstock playback`, a process of its own over OPC UA or MQTT. As each comes up its asset is
made and bound, and told what is known of it, a fleet's assets when all of them are there; the app fits itself on what
the historian holds, and judges the rest.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.core.times import NS_PER_S
from penstock.lab.play.collect import collect, word_of
from penstock.lab.play.stage import Cast, attributes_of, cast, heard_of, tags_of, tell
from penstock.lab.play.word import Word
from penstock.lab.study import Study, StudyAsset, StudyError, read_rows, read_study
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.errors import BusyError, ConnectionFailedError

LOOK_S: Final = 1.0
SETTLE_S: Final = 45.0
"""The app waits for late rows that keep coming for half a minute before it reads the history again."""
VALUES_PER_S: Final = 500.0
"""A gateway takes some thousands in a second; one that shares two cores with many others a tenth of that."""
LIMIT_MIN_S: Final = 900.0
"""Devices come up some at a time; each may wait two minutes for the gateway."""
END_S: Final = 10.0
"""A playback that is told to end closes its servers within a second or two."""
RUN: Final = re.compile(r"[a-z0-9]{1,16}")
Say = Callable[[str], None]
NO_ANSWER: Final = (ConnectionFailedError, BusyError)


@dataclass(frozen=True, slots=True)
class Way:
    """How a study is played: `run` names the play and goes into every name; `wait_s`: at most, for the app's word.

    `limit_s`: at most, for the playback; None: what the rows let expect. `clean`: no device file is left.
    `is_played`: the run has been played before, and is only waited for and read back.
    """

    run: str
    plant: Path
    driver: str = "opcua"
    speed: float = 0.0
    wait_s: float = 900.0
    quiet_s: float = 60.0
    limit_s: float | None = None
    clean: bool = False
    is_played: bool = False


async def play(client: AsyncClient, folder: Path, out: Path, *, way: Way, say: Say) -> str:
    """Play, wait, read back; StudyError says what did not come in time."""
    study = read_study(folder)
    if not RUN.fullmatch(way.run):
        message = f"--run {way.run}: up to 16 lower-case letters and digits"
        raise StudyError(message)
    for asset in study.assets:
        attributes_of(study.family, asset, way.run)  # what cannot be played is told before anything is
    casts = await (_cast_before(client, study, way) if way.is_played else _played(client, folder, study, way, say))
    say(f"{len(casts)} assets are played and bound; waiting for the app")
    word = Word(client, casts, word_of(study.family))
    await _judged(word, casts, way=way)
    if not await _settled(word, way=way):
        say(f"the app still writes after {way.wait_s:g} s: what is read back is not its last word")
    return await collect(client, study.family, casts, out)


async def _played(client: AsyncClient, folder: Path, study: Study, way: Way, say: Say) -> list[Cast]:
    devices = _devices(study, way.run)
    with tempfile.TemporaryDirectory(prefix="penstock-play-") as made:
        for asset in study.assets:
            source = (folder / f"{asset.name}.parquet").resolve()
            (Path(made) / f"{devices[asset.name]}.parquet").symlink_to(source)
        limit_s = limit_of(folder, study, way.speed) if way.limit_s is None else way.limit_s
        playing = asyncio.create_task(_playback(Path(made), way, say, limit_s=limit_s))
        try:
            casts = await _all_cast(client, folder, study, devices=devices, way=way, playing=playing)
            await playing
            casts.sort(key=lambda each: study.assets.index(each.studied))
            if study.family == "prognosis":  # a fleet that is told bit by bit would be fitted on its first runs
                await tell(client, casts, study.family, way.run)
        finally:
            playing.cancel()
            await asyncio.wait([playing])  # its process ends before the files that it plays go
    return casts


async def _cast_before(client: AsyncClient, study: Study, way: Way) -> list[Cast]:
    """Give the assets of a run that was played before; StudyError where one is missing."""
    devices = _devices(study, way.run)
    there = {asset.path: asset for asset in await client.assets.list(parent=f"lab/{way.run}")}
    missing = [asset.name for asset in study.assets if _path(way, asset) not in there]
    if missing:
        message = f"run {way.run} has no assets for {', '.join(missing[:5])}: was it played, all of it, and this study?"
        raise StudyError(message)
    return [Cast(asset, devices[asset.name], there[_path(way, asset)], {}) for asset in study.assets]


def _path(way: Way, asset: StudyAsset) -> str:
    return f"lab/{way.run}/{_slug(asset.name)}"


def limit_of(folder: Path, study: Study, speed: float) -> float:
    """Give the seconds after which a playback hangs: thrice what it should take one machine after another.

    With a rate of the recording as it is; as fast as it goes, with `VALUES_PER_S`.
    """
    tables = [read_rows(folder, asset.name) for asset in study.assets]
    if speed > 0:
        times = [table.column("time") for table in tables if table.num_rows]
        takes_s = sum(float(time[-1].as_py() - time[0].as_py()) for time in times) / NS_PER_S / speed
    else:
        takes_s = sum(table.num_rows * table.num_columns for table in tables) / VALUES_PER_S
    return LIMIT_MIN_S + 3 * takes_s


async def _playback(folder: Path, way: Way, say: Say, *, limit_s: float) -> None:
    """Play a folder; StudyError where it fails, or has not ended in time."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(limit_s):
            await _play_folder(folder, way, say, lines=lines)
    except TimeoutError:
        last = f"its last word was: {lines[-1]}" if lines else "it has said nothing"
        message = (
            f"the playback has not ended within {limit_s:g} s and was ended; {last}. Does the gateway run, and follow "
            f"{way.plant}? --limit gives it more time"
        )
        raise StudyError(message) from None


async def _play_folder(folder: Path, way: Way, say: Say, *, lines: list[str]) -> None:
    command = [str(Path(sys.executable).with_name("penstock")), "playback", str(folder), "--plant", str(way.plant)]
    command += ["--driver", way.driver, "--speed", f"{way.speed:g}", "--stamps", "original"]
    command += ["--clean"] if way.clean else []
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        async for line in process.stdout:
            lines[:] = [*lines[-20:], line.decode(errors="replace").rstrip()]
            say(lines[-1])
        if await process.wait():
            message = f"the playback failed: {' | '.join(lines[-3:])}"
            raise StudyError(message)
    finally:
        if process.returncode is None:
            await _ended(process)


async def _ended(process: asyncio.subprocess.Process) -> None:
    """End a process; one that does not heed it is killed."""
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_S)
    except TimeoutError:
        process.kill()
        await process.wait()


async def _all_cast(
    client: AsyncClient, folder: Path, study: Study, *, devices: dict[str, str], way: Way,
    playing: asyncio.Task[None],
) -> list[Cast]:  # fmt: skip
    """Bind each asset as its device comes up; the playback's failure is this one's."""
    channels = {asset.name: read_rows(folder, asset.name).column_names[1:] for asset in study.assets}
    waiting: list[StudyAsset] = list(study.assets)
    casts: list[Cast] = []
    ended_s: float | None = None
    while waiting:
        with contextlib.suppress(*NO_ANSWER):
            heard = await heard_of(client, {f"{devices[a.name]}/{channels[a.name][0]}": a.name for a in waiting})
            for asset in [each for each in waiting if each.name in heard]:
                tags = await tags_of(client, devices[asset.name], channels[asset.name])
                if tags is None:
                    continue
                one = await cast(client, asset, device=devices[asset.name], path=_path(way, asset), tags=tags)
                if study.family != "prognosis":
                    await tell(client, [one], study.family, way.run)
                casts.append(one)
                waiting.remove(asset)
        if playing.done():
            playing.result()
            ended_s = time.monotonic() if ended_s is None else ended_s
            if time.monotonic() - ended_s > way.quiet_s and waiting:
                message = f"played, but the platform has no tags of {', '.join(a.name for a in waiting[:5])}"
                raise StudyError(message)
        await asyncio.sleep(LOOK_S if waiting else 0)
    return casts


async def _judged(word: Word, casts: Sequence[Cast], *, way: Way) -> None:
    """Wait until the app's word has reached the last row of each watched asset, or is quiet for `quiet_s`.

    A row without values has no word, nor has a run that is shorter than the shortest window, so quiet is an end too.
    A platform that does not answer for a while is waited for like the app.
    """
    until_s, moved_s = time.monotonic() + way.wait_s, time.monotonic()
    last = {each.studied.name: each.watched.end_ns for each in casts if each.watched is not None}
    seen: dict[str, int] = dict.fromkeys(last, 0)
    while True:
        try:
            now = await word.newest()
        except NO_ANSWER:
            now, moved_s = seen, time.monotonic()
        if all(now[name] >= end_ns - 1 for name, end_ns in last.items()):
            return
        if now != seen:
            seen, moved_s = now, time.monotonic()
        if any(now.values()) and time.monotonic() - moved_s > way.quiet_s:
            return
        if time.monotonic() > until_s:
            silent = [name for name, newest in now.items() if not newest]
            message = (
                f"the app has said nothing of {len(silent)} assets within {way.wait_s:g} s: {silent[:5]}; wait on with "
                f"--run {way.run} --played"
            )
            raise StudyError(message)
        await asyncio.sleep(LOOK_S)


async def _settled(word: Word, *, way: Way) -> bool:
    """Wait until nothing is added any more: the app reads the history again where rows came late.

    False where something was still added at the end of the wait.
    """
    until_s, seen = time.monotonic() + way.wait_s, -1
    while time.monotonic() < until_s:
        with contextlib.suppress(*NO_ANSWER):
            rows = await word.rows()
            if rows == seen:
                return True
            seen = rows
        await asyncio.sleep(SETTLE_S)
    return False


def _devices(study: Study, run: str) -> dict[str, str]:
    """Name each asset's device; StudyError where two would have one name, or one none."""
    devices = {asset.name: f"{run}-{_slug(asset.name)}" for asset in study.assets}
    if len(set(devices.values())) < len(study.assets) or not all(_slug(name) for name in devices):
        message = f"assets need names that differ in their letters a to z and digits: {', '.join(list(devices)[:5])}"
        raise StudyError(message)
    return devices


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
