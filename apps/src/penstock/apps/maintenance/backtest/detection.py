"""The families *detection* (fit where rows are named healthy, judge what comes behind) and *stream* (learn and judge).

The detector sees the rows of an asset in time order, once: those of its healthy stretches too, since its state at the
first watched row is that of a machine that has run before. Only alarms of watched rows are findings. Each asset is
a piece of work of its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from penstock.apps.maintenance.advice.advisor import Advisor, Said
from penstock.apps.maintenance.advice.diagnosis import Diagnosis
from penstock.apps.maintenance.backtest.study import Recording, Study, StudyAsset, StudyError, read_rows
from penstock.apps.maintenance.detection.detector import Detector, Judged
from penstock.apps.maintenance.detection.fitting import FitError, Rows, fit
from penstock.apps.maintenance.detection.model import STATISTICS, Model
from penstock.apps.maintenance.detection.stream import FEATURES, Stream
from penstock.apps.maintenance.fanout.executor import HERE, Executor

FINDINGS: Final = "findings.json"
VERSION: Final = 1
BLOCK_ROWS = 4096


def backtest(folder: Path, study: Study, out: Path, *, executor: Executor = HERE) -> str:
    """Write findings.json and one Parquet file of scores per asset into `out`; give a line that sums it up."""
    items = ((study.family, asset, read_rows(folder, asset.name)) for asset in study.assets)
    assets: list[dict[str, Any]] = []
    for asset, (table, said) in zip(study.assets, executor.results(_judge, items), strict=True):
        pq.write_table(table, out / f"{asset.name}.parquet", compression="zstd")
        assets.append(said)
    body = {"version": VERSION, "family": study.family, "assets": assets}
    (out / FINDINGS).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
    raised = sum(alarm["raised"] for asset in assets for alarm in asset["alarms"])
    return f"{len(assets)} assets watched, {raised} alarms"


def _judge(item: tuple[str, StudyAsset, Recording]) -> tuple[pa.Table, dict[str, Any]]:
    """Judge one asset: the table of its scores, and what the findings say of it."""
    family, asset, recording = item
    judged, reasons, said, more = (_detect if family == "detection" else _stream)(asset, recording)
    alarms = _alarms(asset, judged, recording.channels, said)
    told = {"name": asset.name, "rows": len(judged.times_ns), "alarms": alarms} | more
    return _table(judged, recording.channels, reasons), told


_Outcome = tuple[Judged, list[str | None], list[Said], dict[str, Any]]
"""Judgements, the reason of each row, what was suspected from when on, and what stands beside the alarms."""


def _detect(asset: StudyAsset, recording: Recording) -> _Outcome:
    healthy, limits = _rows(asset, recording, "fit"), _rows(asset, recording, "limits")
    if not len(healthy):
        message = f"{asset.name}: no row is named healthy (use: fit)"
        raise StudyError(message)
    try:
        model = fit(
            healthy, limits if len(limits) else None, channels=recording.channels, source=asset.name,
            damage=asset.known.signs,
        )  # fmt: skip
    except FitError as error:
        message = f"{asset.name}: {error}"
        raise StudyError(message) from error
    advisor = Advisor(model, asset.known)
    judged = _judged(Detector(model, advisor), recording)
    reasons = [f"{STATISTICS[s]}, λ {model.lambdas[a]:g}" if a >= 0 else None for a, s in judged.reasons.tolist()]
    said = advisor.take()
    watched = _within(asset, np.array([each.time_ns for each in said], np.int64), "watch")
    suspected = [_suspected(each) for each, own in zip(said, watched, strict=True) if own]
    return judged, reasons, said, {"model": _said_of(model), "suspected": suspected}


def _stream(_: StudyAsset, recording: Recording) -> _Outcome:
    judged = _judged(Stream(len(recording.channels)), recording)
    return judged, [FEATURES[f] if f >= 0 else None for _, f in judged.reasons.tolist()], [], {}


def _judged(by: Detector | Stream, recording: Recording) -> Judged:
    cuts = range(0, len(recording.times_ns), BLOCK_ROWS)
    parts = [by.on_rows(recording.times_ns[a : a + BLOCK_ROWS], recording.values[a : a + BLOCK_ROWS]) for a in cuts]
    if not parts:
        return by.on_rows(recording.times_ns, recording.values)
    joined = [np.concatenate([getattr(p, name) for p in parts]) for name in ("scores", "shares", "reasons", "active")]
    alarms = tuple(alarm for part in parts for alarm in part.alarms)
    return Judged(recording.times_ns, joined[0], joined[1], joined[2], joined[3], alarms)


def _rows(asset: StudyAsset, recording: Recording, use: str) -> Rows:
    own = _within(asset, recording.times_ns, use)
    return Rows(recording.times_ns[own], recording.values[own])


def _within(asset: StudyAsset, times_ns: NDArray[np.int64], use: str) -> NDArray[np.bool_]:
    own = np.zeros(len(times_ns), np.bool_)
    for stretch in asset.stretches:
        if stretch.use == use:
            own |= (times_ns >= stretch.start_ns) & (times_ns < stretch.end_ns)
    return own


def _table(judged: Judged, channels: tuple[str, ...], reasons: list[str | None]) -> pa.Table:
    """Give time, score (1 is the limit), active, reason, and each channel's share in the score."""
    shares = {name: judged.shares[:, j] for j, name in enumerate(channels)}
    scores = pa.array(judged.scores, from_pandas=True)
    return pa.table({"time": judged.times_ns, "score": scores, "active": judged.active, "reason": reasons, **shares})


def _alarms(
    asset: StudyAsset, judged: Judged, channels: tuple[str, ...], said: list[Said]
) -> list[dict[str, Any]]:  # fmt: skip
    """Give the alarms of watched rows; one that is raised tells what was suspected at that row."""
    watched = set(judged.times_ns[_within(asset, judged.times_ns, "watch")].tolist())
    return [
        {
            "time_ns": alarm.time_ns,
            "raised": alarm.raised,
            "score": alarm.score,
            "shares": dict(zip(channels, alarm.shares, strict=True)),
            **(_told(_at(said, alarm.time_ns)) if alarm.raised else {}),
        }
        for alarm in judged.alarms
        if alarm.time_ns in watched
    ]


def _at(said: list[Said], time_ns: int) -> Diagnosis | None:
    return next((each.diagnosis for each in reversed(said) if each.time_ns <= time_ns), None)


def _suspected(said: Said) -> dict[str, Any]:
    return {"time_ns": said.time_ns} | (_told(said.diagnosis) or {"part": ""})


def _told(diagnosis: Diagnosis | None) -> dict[str, Any]:
    return {} if diagnosis is None else diagnosis.to_json()


def _said_of(model: Model) -> dict[str, Any]:
    on = model.fitted_on
    return {
        "fit": [on.fit_from_ns, on.fit_to_ns, on.fit_rows],
        "limits": [on.limit_from_ns, on.limit_to_ns, on.limit_rows],
        "sha256": on.digest,
        "unjudged": list(model.unjudged),
        "wandering": list(model.wandering),
        "drivers": list(model.drivers),
        "modelled": list(model.modelled),
    }
