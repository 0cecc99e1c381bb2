"""The families of state detection in a backtest: fit where rows are named healthy, then judge what comes behind.

The detector sees the rows of an asset in time order, once: those of its healthy stretches too, since its state at the
first watched row is that of a machine that has run before. Only alarms of watched rows are findings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.apps.maintenance.backtest.study import Asset, Study, StudyError, within
from penstock.apps.maintenance.detection.detector import Detector, Judged
from penstock.apps.maintenance.detection.fitting import FitError, Rows, fit
from penstock.apps.maintenance.detection.model import STATISTICS, Model
from penstock.apps.maintenance.detection.stream import FEATURES, Stream

BLOCK_ROWS = 4096


def detect(study: Study, asset: Asset, out: Path) -> dict[str, Any]:
    """Fit, judge, write the scores of an asset; give what findings.json says of it."""
    rows, channels = study.rows(asset)
    if "fit" not in asset.stretches:
        message = f"{asset.name}: no stretch is named healthy (use: fit)"
        raise StudyError(message)
    healthy = within(rows, asset.stretches["fit"])
    limits = within(rows, asset.stretches["limits"]) if "limits" in asset.stretches else None
    try:
        model = fit(healthy, limits, channels=channels, source=asset.name)
    except FitError as error:
        message = f"{asset.name}: {error}"
        raise StudyError(message) from error
    judged = _judge(Detector(model), rows)
    names = [f"{STATISTICS[s]}, λ {model.lambdas[a]:g}" if a >= 0 else None for a, s in judged.reasons.tolist()]
    said = _write(asset, judged, channels, out=out, reasons=names)
    return said | {"model": _model(model)}


def stream(study: Study, asset: Asset, out: Path) -> dict[str, Any]:
    """Judge a series from its first row on, write its scores; give what findings.json says of it."""
    rows, channels = study.rows(asset)
    judged = _judge(Stream(len(channels)), rows)
    names = [FEATURES[feature] if feature >= 0 else None for _, feature in judged.reasons.tolist()]
    return _write(asset, judged, channels, out=out, reasons=names)


def _judge(by: Detector | Stream, rows: Rows) -> Judged:
    parts = []
    for start in range(0, len(rows), BLOCK_ROWS):
        block = rows.part(start, start + BLOCK_ROWS)
        parts.append(by.on_rows(block.times_ns, block.values))
    return Judged(
        rows.times_ns,
        np.concatenate([p.scores for p in parts]),
        np.concatenate([p.shares for p in parts]),
        np.concatenate([p.reasons for p in parts]),
        np.concatenate([p.active for p in parts]),
        tuple(alarm for p in parts for alarm in p.alarms),
    )


def _write(
    asset: Asset, judged: Judged, channels: tuple[str, ...], *, out: Path, reasons: list[str | None]
) -> dict[str, Any]:
    watched = asset.stretches.get("watch", ())
    shares = {f"share_{name}": judged.shares[:, i] for i, name in enumerate(channels)}
    columns = {"time": judged.times_ns, "score": judged.scores, "active": judged.active, "reason": reasons}
    pq.write_table(pa.table({**columns, **shares}), out / f"{asset.name}.parquet", compression="zstd")
    alarms = [
        {
            "time_ns": alarm.time_ns,
            "raised": alarm.raised,
            "score": alarm.score,
            "shares": dict(zip(channels, alarm.shares, strict=True)),
        }
        for alarm in judged.alarms
        if any(start <= alarm.time_ns < end for start, end in watched)
    ]
    return {"name": asset.name, "rows": len(judged.times_ns), "alarms": alarms}


def _model(model: Model) -> dict[str, Any]:
    on = model.fitted_on
    return {
        "fit": [on.fit_from_ns, on.fit_to_ns, on.fit_rows],
        "limits": [on.limit_from_ns, on.limit_to_ns, on.limit_rows],
        "digest": on.digest,
        "constant": list(model.constant),
        "wandering": list(model.wandering),
    }
