"""The family *prognosis*: fit on the runs to failure, estimate at each watched row of the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from penstock.apps.maintenance.backtest.study import Recording, Study, StudyAsset, StudyError, read_rows
from penstock.apps.maintenance.fanout.executor import HERE, Executor
from penstock.apps.maintenance.prognosis.fitting import fit
from penstock.apps.maintenance.prognosis.model import Model, save
from penstock.apps.maintenance.prognosis.predicting import Estimates, predict
from penstock.apps.maintenance.prognosis.runs import Run, RunError
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings

FINDINGS: Final = "findings.json"
VERSION: Final = 1
MODEL: Final = "model"
RUNS_A_PIECE: Final = 16


def backtest(folder: Path, study: Study, out: Path, *, seed: int, executor: Executor = HERE) -> str:
    """Write the model and one Parquet file of estimates per watched asset into `out`; give a line that sums it up."""
    fitted = [asset for asset in study.assets if asset.ended == "failure" and _has(asset, "fit")]
    watched = [asset for asset in study.assets if _has(asset, "watch")]
    recordings = {asset.name: read_rows(folder, asset.name) for asset in [*fitted, *watched]}
    channels = _same_channels(recordings)
    try:
        runs = [_run(asset, recordings[asset.name], use="fit") for asset in fitted]
        settings = replace(PrognosisSettings(), seed=seed)
        model = fit(runs, channels=channels, source=folder.name, settings=settings, executor=executor)
    except RunError as error:
        message = f"{folder}: {error}"
        raise StudyError(message) from error
    digest = save(model, out / MODEL)
    for asset, estimates in zip(watched, _estimates(model, watched, recordings, executor=executor), strict=True):
        pq.write_table(_table(estimates, asset, channels=channels), out / f"{asset.name}.parquet", compression="zstd")
    _write_summary(out, model, digest, watched=watched)
    errors = ", ".join(f"{rung.window}: {e:.2f}" for rung, e in zip(model.rungs, model.out_of_fold, strict=True))
    return f"{len(runs)} runs to failure, {len(watched)} assets watched; error on strangers by window, steps: {errors}"


def _estimates(
    model: Model, watched: Sequence[StudyAsset], recordings: Mapping[str, Recording], *, executor: Executor
) -> Iterator[Estimates]:
    """Estimate some machines at a time: the model, which is large, goes with each piece."""
    runs = [Run(a.name, recordings[a.name].times_ns, recordings[a.name].values) for a in watched]
    pieces = ((model, runs[i : i + RUNS_A_PIECE]) for i in range(0, len(runs), RUNS_A_PIECE))
    for estimated in executor.results(_predict, pieces):
        yield from estimated


def _predict(item: tuple[Model, Sequence[Run]]) -> list[Estimates]:
    model, runs = item
    return [predict(model, run) for run in runs]


def _has(asset: StudyAsset, use: str) -> bool:
    return any(stretch.use == use for stretch in asset.stretches)


def _same_channels(recordings: dict[str, Recording]) -> tuple[str, ...]:
    kinds = {recording.channels for recording in recordings.values()}
    if len(kinds) != 1:
        message = f"the assets of a fleet have the same channels in the same order; found {len(kinds)} kinds"
        raise StudyError(message)
    return kinds.pop()


def _run(asset: StudyAsset, recording: Recording, *, use: str) -> Run:
    own = _within(asset, recording.times_ns, use)
    return Run(asset.name, recording.times_ns[own], recording.values[own], asset.ended == "failure")


def _within(
    asset: StudyAsset, times_ns: np.ndarray[tuple[int], np.dtype[np.int64]], use: str
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    own = np.zeros(len(times_ns), np.bool_)
    for stretch in asset.stretches:
        if stretch.use == use:
            own |= (times_ns >= stretch.start_ns) & (times_ns < stretch.end_ns)
    return own


def _table(estimates: Estimates, asset: StudyAsset, *, channels: tuple[str, ...]) -> pa.Table:
    """Give time, rul_ns, low_ns, high_ns (∞: open above), start_ns and each channel's contribution; null: no estimate.

    start_ns plus the contributions is the estimate before it is held between 0 and the horizon.
    """
    own = _within(asset, estimates.times_ns, "watch")
    columns: dict[str, pa.Array] = {"time": pa.array(estimates.times_ns[own])}
    for name in ("rul_ns", "low_ns", "high_ns", "start_ns"):
        columns[name] = pa.array(getattr(estimates, name)[own], from_pandas=True)
    for j, channel in enumerate(channels):
        columns[channel] = pa.array(estimates.contributions_ns[own, j], from_pandas=True)
    return pa.table(columns)


def _write_summary(out: Path, model: Model, digest: str, *, watched: list[StudyAsset]) -> None:
    body = {
        "version": VERSION,
        "family": "prognosis",
        "model_sha256": digest,
        "fitted_on_sha256": model.fitted_on.digest,
        "horizon_ns": model.horizon_ns,
        "step_ns": model.pace.step_ns,
        "regimes": len(model.scaling.regimes),
        "used_channels": model.used,
        "assets": [asset.name for asset in watched],
    }
    (out / FINDINGS).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
