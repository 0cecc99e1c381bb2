"""Read back through the API what the app said of the assets of a play: findings that are scored like offline ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.lab.play.stage import Cast
from penstock.lab.study import Family, Stretch
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.times import to_ns

FINDINGS: Final = "findings.json"
VERSION: Final = 1
HOUR_NS: Final = 3_600_000_000_000
STATES: Final = ("detection", "stream")
"""The families whose word is a score and an alarm."""
SCORE, ANOMALY, LOSS = "anomaly_score", "anomaly", "loss_"
LIFE: Final = {
    "rul_ns": "remaining_useful_life",
    "low_ns": "remaining_useful_life_low",
    "high_ns": "remaining_useful_life_high",
}
ACTIVATE, CLEAR = "activate", "clear"


async def collect(client: AsyncClient, family: Family, casts: Sequence[Cast], out: Path) -> str:
    """Write findings.json and one Parquet file a watched asset; give a line that sums it up."""
    await asyncio.to_thread(out.mkdir, parents=True, exist_ok=True)
    told: list[dict[str, Any]] = []
    for cast in casts:
        watched = cast.watched
        if watched is None:
            continue
        properties = {p.name: p.tag for p in (await client.assets.retrieve(cast.asset.id)).properties if p.tag}
        if family in STATES:
            table = await _of_state(client, properties, watched)
            alarms = await _alarms(client, properties, watched)
            told.append({"name": cast.studied.name, "rows": table.num_rows, "alarms": alarms})
        else:
            table = await _of_life(client, properties, watched)
            told.append({"name": cast.studied.name, "rows": table.num_rows})
        pq.write_table(table, out / f"{cast.studied.name}.parquet", compression="zstd")
    names: Any = told if family in STATES else [each["name"] for each in told]
    body = {"version": VERSION, "family": family, "by": "platform", "assets": names}
    (out / FINDINGS).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    raised = sum(alarm["raised"] for each in told for alarm in each.get("alarms", ()))
    return f"{len(told)} assets watched, {sum(each['rows'] for each in told):,} rows judged, {raised} alarms"


def word_of(family: Family) -> str:
    """Name the property that holds the app's word on each row."""
    return SCORE if family in STATES else LIFE["rul_ns"]


async def _of_state(client: AsyncClient, properties: Mapping[str, int], watched: Stretch) -> pa.Table:
    scores = await _series(client, properties.get(SCORE), watched)
    active = await _series(client, properties.get(ANOMALY), watched)
    times = sorted(scores)
    return pa.table(
        {
            "time": pa.array(times, pa.int64()),
            "score": pa.array([scores[time] for time in times], pa.float64()),
            "active": pa.array([active.get(time, 0.0) > 0.5 for time in times], pa.bool_()),
        }
    )


async def _of_life(client: AsyncClient, properties: Mapping[str, int], watched: Stretch) -> pa.Table:
    columns = {name: await _series(client, properties.get(tag), watched) for name, tag in LIFE.items()}
    times = sorted(columns["rul_ns"])
    absent = {"rul_ns": np.nan, "low_ns": np.nan, "high_ns": np.inf}
    written = {
        name: pa.array([of.get(time, absent[name]) * HOUR_NS for time in times], pa.float64())
        for name, of in columns.items()
    }
    return pa.table({"time": pa.array(times, pa.int64()), **written})


async def _series(client: AsyncClient, tag: int | None, watched: Stretch) -> dict[int, float]:
    """Give a tag's values by source time; of several at one time the one that was committed last."""
    if tag is None:
        return {}
    found: dict[int, float] = {}
    async for page in client.iterate([tag], start=watched.start_ns, end=watched.end_ns):
        table = page.table.sort_by("position")
        found |= dict(zip(table.column("time").to_pylist(), table.column("vf").to_pylist(), strict=True))
    return found


async def _alarms(client: AsyncClient, properties: Mapping[str, int], watched: Stretch) -> list[dict[str, Any]]:
    """Give the transitions of the anomaly's alarms within the stretch, by the time of the sample that made them.

    `shares`: of the channels in the health that was lost then; empty where none was.
    """
    changes: list[tuple[int, bool]] = []
    for alarm in await client.alarms.list():
        if alarm.tag is None or alarm.tag != properties.get(ANOMALY):
            continue
        for entry in await client.alarms.journal(alarm.id):
            event = str(entry.get("event"))
            if event in (ACTIVATE, CLEAR):
                changes.append((to_ns(entry["time"]), event == ACTIVATE))
    inside = sorted(change for change in changes if watched.start_ns <= change[0] < watched.end_ns)
    told = []
    for time_ns, raised in inside:
        told.append({"time_ns": time_ns, "raised": raised, "shares": await _shares(client, properties, time_ns)})
    return told


async def _shares(client: AsyncClient, properties: Mapping[str, int], time_ns: int) -> dict[str, float]:
    channels = {tag: name.removeprefix(LOSS) for name, tag in properties.items() if name.startswith(LOSS)}
    lost: dict[str, float] = {}
    async for page in client.iterate(list(channels), start=time_ns, end=time_ns + 1):
        table = page.table.sort_by("position")  # of several at one time the one that was committed last
        for tag, value in zip(table.column("tag").to_pylist(), table.column("vf").to_pylist(), strict=True):
            lost[channels[tag]] = value
    total = sum(lost.values())
    return {name: points / total for name, points in sorted(lost.items())} if total > 0 else {}
