"""The two sides of one kind of machine, joined for the score: the truth of each machine, and the app's findings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from penstock.lab.experiment.judge import truth_of
from penstock.lab.experiment.plan import HOUR_NS, WATCH_FROM_NS, MachinePlan
from penstock.lab.platform_source import part_of_channel, thinned
from penstock.lab.scoring.words import NS, Alarm, Case, HealthSaid, RulSaid, Window

SAID_EVERY_NS: Final = 300 * 1_000_000_000
"""Health and remaining life are taken every five minutes: more says no more."""


def case_of(
    model: str,
    plans: Sequence[MachinePlan],
    place: Path,
    *,
    state: Path,
    lives: Sequence[Path],
    parts: Mapping[str, str],
    watched_h: float,
) -> Case:
    """Join them; an asset's path is its kind and its name."""
    paths = {plan.name: f"{model}/{plan.name}" for plan in plans}
    episodes = [episode for plan in plans for episode in truth_of(place, plan.name)]
    findings: dict[str, Any] = json.loads((state / "findings.json").read_text())
    alarms = [a for each in findings["assets"] for a in _alarms(paths[each["name"]], each["alarms"], parts)]
    return Case(
        Window(WATCH_FROM_NS, WATCH_FROM_NS + round(watched_h * HOUR_NS)),
        dict.fromkeys(paths.values(), model),
        tuple(replace(episode, asset=paths[episode.device]) for episode in episodes),
        tuple(alarms),
        tuple(said for life in lives for said in _lives(life, paths)),
        tuple(said for plan in plans for said in _health(state / f"{plan.name}.parquet", paths[plan.name])),
    )


def _alarms(asset: str, changes: Sequence[Mapping[str, Any]], parts: Mapping[str, str]) -> Iterator[Alarm]:
    """Give each alarm from where it was raised to where it was cleared."""
    raised: Mapping[str, Any] | None = None
    for number, change in enumerate([*changes, {"raised": False, "time_ns": None}]):
        if change["raised"]:
            raised = change
        elif raised is not None:
            part = raised.get("part") or part_of_channel(_dearest(raised["shares"]), parts)
            yield Alarm(f"{asset}#{number}", asset, int(raised["time_ns"]), change["time_ns"], str(part))
            raised = None


def _dearest(shares: Mapping[str, float]) -> str:
    return max(shares, key=lambda channel: shares[channel], default="")


def _lives(findings: Path, paths: Mapping[str, str]) -> Iterator[RulSaid]:
    for file in sorted(findings.glob("*.parquet")):
        table = pq.read_table(file, columns=["time", "rul_ns", "low_ns", "high_ns"])
        times = table["time"].to_pylist()
        left_s, low_s, high_s = (
            table[name].to_numpy(zero_copy_only=False) / NS for name in ("rul_ns", "low_ns", "high_ns")
        )
        asset = paths[file.stem.partition("r")[0]]
        for time_ns, place in thinned(((t, float(i)) for i, t in enumerate(times)), SAID_EVERY_NS):
            i = int(place)
            if np.isfinite(left_s[i]):
                yield RulSaid(asset, time_ns, float(left_s[i]), float(low_s[i]), float(high_s[i]))


def _health(scores: Path, asset: str) -> Iterator[HealthSaid]:
    table = pq.read_table(scores, columns=["time", "score"])
    times, score = table["time"].to_pylist(), table["score"].to_numpy(zero_copy_only=False)
    lost = np.interp(score, (0.5, 1.0, 2.0, 4.0), (0.0, 40.0, 70.0, 100.0))
    known = ((t, 100.0 - float(v)) for t, v in zip(times, lost, strict=True) if np.isfinite(v))
    for time_ns, value in thinned(known, SAID_EVERY_NS):
        yield HealthSaid(asset, time_ns, value)
