"""How many machines one core watches: rows a second of the detection, assets that 1 Hz leaves room for, memory.

A fleet of detectors of one model, each with a state of its own, takes blocks of rows in turn, as the app does when a
round of reading brings every asset a few seconds. CPU time counts, not the clock: the machine may be shared.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil

from bench._processes import load
from bench._results import store
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.stream import Stream

FIT_ROWS = 2000
NS = 1_000_000_000


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench maintenance")
    parser.add_argument("--assets", type=int, default=2000)
    parser.add_argument("--channels", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--seconds", type=int, default=30, help="of rows at 1 Hz per asset")
    parser.add_argument("--block", type=int, nargs="+", default=[1, 10], help="rows an asset is given at once")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {"assets": asked.assets, "seconds": asked.seconds, "load_begin": load()}
    figures["runs"] = runs = [
        fleet(asked.assets, channels, seconds=asked.seconds, block=block)
        for channels in asked.channels
        for block in asked.block
    ]
    runs.append(streams(asked.assets, asked.seconds))
    show(runs)
    print(f"stored {store('maintenance', figures, 'numpy')}")
    return 0


def fleet(assets: int, channels: int, *, seconds: int, block: int) -> dict[str, Any]:
    """Give what one core did for a fleet of detectors."""
    random = np.random.default_rng(1)
    healthy = random.normal(size=(FIT_ROWS, channels)) @ random.normal(size=(channels, channels))
    began = time.process_time()
    model = fit(
        Rows(np.arange(FIT_ROWS) * NS, healthy), channels=[f"ch{i:02d}" for i in range(channels)], source="bench"
    )
    fit_s = time.process_time() - began
    before = rss_MiB()
    detectors = [Detector(model) for _ in range(assets)]
    rows = healthy[:seconds]
    began = time.process_time()
    for start in range(0, seconds, block):
        times = (np.arange(start, min(start + block, seconds)) + FIT_ROWS) * NS
        for detector in detectors:
            detector.on_rows(times, rows[start : start + block])
    cpu_s = time.process_time() - began
    return {
        "what": "detection",
        "channels": channels,
        "block": block,
        "fit_s": fit_s,
        "rows_per_s": assets * seconds / cpu_s,
        "core_at_1Hz": cpu_s / seconds,
        "MiB": rss_MiB() - before,
        "state_KiB": len(json.dumps(detectors[0].to_json())) / 1024,
        "model_KiB": len(json.dumps(model.to_json())) / 1024,
    }


def streams(assets: int, seconds: int) -> dict[str, Any]:
    """Give what one core did for as many single series."""
    values = np.random.default_rng(2).normal(size=(seconds + 200, 1))
    times = np.arange(seconds + 200) * NS
    before = rss_MiB()
    judges = [Stream(1) for _ in range(assets)]
    for judge in judges:
        judge.on_rows(times[:200], values[:200])
    began = time.process_time()
    for judge in judges:
        judge.on_rows(times[200:], values[200:])
    cpu_s = time.process_time() - began
    return {
        "what": "stream",
        "channels": 1,
        "block": seconds,
        "fit_s": 0.0,
        "rows_per_s": assets * seconds / cpu_s,
        "core_at_1Hz": cpu_s / seconds,
        "MiB": rss_MiB() - before,
        "state_KiB": len(json.dumps(judges[0].to_json())) / 1024,
        "model_KiB": 0.0,
    }


def rss_MiB() -> float:
    """Give this process's resident memory."""
    return float(psutil.Process().memory_info().rss) / 2**20


def show(runs: Sequence[dict[str, Any]]) -> None:
    """Print a line a run: `assets` is how many a core watches at 1 Hz."""
    print(
        f"{'what':<10}{'channels':>9}{'block':>6}{'fit s':>7}{'rows/s':>10}{'assets × channels × Hz a core':>31}"
        f"{'core used':>10}{'MiB':>7}{'state KiB':>10}{'model KiB':>10}"
    )
    for run in runs:
        room = f"{run['rows_per_s']:,.0f} × {run['channels']} × 1"
        print(
            f"{run['what']:<10}{run['channels']:>9}{run['block']:>6}{run['fit_s']:>7.2f}{run['rows_per_s']:>10,.0f}"
            f"{room:>31}{run['core_at_1Hz']:>10.2f}{run['MiB']:>7.0f}{run['state_KiB']:>10.1f}{run['model_KiB']:>10.1f}"
        )
    print("core used: share of one core that the given assets take at 1 Hz")
