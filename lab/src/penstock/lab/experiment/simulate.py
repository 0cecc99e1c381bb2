"""From a plan to rows and truth: a plant folder of one machine and the air around it, simulated by `penstock sim`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from penstock.core.times import format_rfc3339_ns
from penstock.lab.experiment.machines import Kind, sim
from penstock.lab.experiment.plan import HOUR_NS, WATCH_FROM_NS, MachinePlan, PlannedFault

ROW_S: Final = 60.0
HALL: Final = "hall"
TRUTH_EVERY: Final = "10m"
STEP: Final = "5s"


def simulate(kind: Kind, plan: MachinePlan, *, watched_h: float, place: Path) -> None:
    """Write `NAME.parquet` (time and channels) and `NAME.truth` into `place`; what is there already is left."""
    rows, truth = place / f"{plan.name}.parquet", place / f"{plan.name}.truth"
    if rows.is_file() and truth.is_file():
        return
    plant = place / f"{plan.name}.plant"
    shutil.rmtree(plant, ignore_errors=True)
    truth.unlink(missing_ok=True)
    (plant / "devices").mkdir(parents=True)
    hours = plan.commissioned_h + watched_h
    files = {plan.name: _device(kind, plan), HALL: _air(plan)}
    for name, content in files.items():
        (plant / "devices" / f"{name}.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    schedule = plant / "faults.yaml"
    entries = [_entry(plan.name, each) for each in plan.faults]
    schedule.write_text(yaml.safe_dump({"version": 1, "faults": entries}, sort_keys=False))
    until = format_rfc3339_ns(WATCH_FROM_NS + round(watched_h * HOUR_NS))
    told = ["--plant", str(plant), "--schedule", str(schedule), "--hours", f"{hours:.6f}", "--until", until]
    told += ["--step", STEP, "--truth", str(truth), "--truth-every", TRUTH_EVERY, "--device", plan.name]
    sim("generate", "--out", str(plant / "samples.parquet"), *told)
    made = rows.with_suffix(".part")
    pq.write_table(table_of(pq.read_table(plant / "samples.parquet")), made, compression="zstd")
    made.replace(rows)
    shutil.rmtree(plant)


def _device(kind: Kind, plan: MachinePlan) -> dict[str, Any]:
    tags = {name: {**tag, "rate_hz": 1.0 / ROW_S} for name, tag in kind.device_file["tags"].items()}
    parameters = {**kind.parameters, **plan.parameters, "hall": HALL, "repair_after_h": 0.25}
    return {
        **kind.device_file,
        "device": plan.name,
        "asset": f"penstock/lab/{kind.model}/experiment/{plan.name}",
        "simulate": {"model": kind.model, "parameters": parameters, "seed": plan.seed},
        "tags": tags,
    }


def _air(plan: MachinePlan) -> dict[str, Any]:
    source = {"field": "temperature"}
    tag = {"type": "float64", "unit": "degC", "source": source, "signal": {"output": "temperature_degC"}}
    return {
        "version": 1,
        "device": HALL,
        "connection": {"driver": "mqtt", "broker": "mqtt://127.0.0.1:1883", "topic": "hall", "time_field": "time"},
        "simulate": {
            "model": "ambient-air",
            "parameters": {"mean_degC": plan.air_degC, "swing_K": plan.swing_K, "dew_point_degC": 8},
            "seed": plan.seed,
        },
        "tags": {"temperature": {**tag, "rate_hz": 1.0 / ROW_S}},
    }


def _entry(device: str, planned: PlannedFault) -> dict[str, Any]:
    at_ns = WATCH_FROM_NS + round(planned.at_h * HOUR_NS)
    entry: dict[str, Any] = {
        "device": device,
        "fault": planned.fault,
        "at": format_rfc3339_ns(at_ns),
        "severity": planned.severity,
        "growth_per_h": planned.growth_per_h,
        "law": planned.law,
    }
    if planned.clear_h is not None:
        entry["clear_at"] = format_rfc3339_ns(WATCH_FROM_NS + round(planned.clear_h * HOUR_NS))
    return entry


def table_of(samples: pa.Table) -> pa.Table:
    """Turn samples (key, time, status, a column a type) into rows: `time` and every tag that is a number, NaN for Bad.

    Which tags those are is what the app itself would take: numbers, whatever they mean.
    """
    keys = pc.unique(samples["key"]).to_pylist()
    times = np.unique(samples["time"].to_numpy())
    columns: dict[str, Any] = {"time": pa.array(times)}
    for key in sorted(keys):
        own = samples.filter(pc.equal(samples["key"], key))
        values = _numbers(own)
        if values is None:
            continue
        column = np.full(len(times), np.nan)
        column[np.searchsorted(times, own["time"].to_numpy())] = values
        columns[key.partition("/")[2]] = pa.array(column, from_pandas=True)
    return pa.table(columns)


def _numbers(own: pa.Table) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    for name in ("vf", "vi"):
        if own[name].null_count < own.num_rows:
            return np.asarray(own[name].to_numpy(zero_copy_only=False), np.float64)
    return None
