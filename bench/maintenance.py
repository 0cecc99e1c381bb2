"""How many machines one core watches: rows a second of the detection, assets that 1 Hz leaves room for, memory.

A fleet of detectors of one model, each with a state of its own, takes blocks of rows in turn, as the app does when a
round of reading brings every asset a few seconds. *Advised* machines follow a load that changes, so that the operating
point is expected of their channels, and have an advisory block with failure modes of their own, which looks at its
sensors now and then; a tenth of them is judged, for ten times as long. CPU time counts, not the clock: the machine may
be shared.
"""

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from bench._processes import load
from bench._results import store
from penstock.apps.maintenance.advice.advisor import Advisor
from penstock.apps.maintenance.advice.modes import Known, read_modes
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.detection.stream import Stream

FIT_ROWS = 2000
LONGER = 10
ADVISED_BLOCK = 10
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
    runs += [advised(asked.assets, channels, seconds=asked.seconds) for channels in asked.channels]
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


def advised(assets: int, channels: int, *, seconds: int) -> dict[str, Any]:
    """Give what one core did for a fleet whose channels follow a load and whose troubles are diagnosed."""
    names = [f"ch{i:02d}" for i in range(channels)]
    signs = {name: {"part": name, "signs": {name: "rises", names[0]: "rises"}} for name in names[2:8]}
    known = Known(read_modes(signs))
    healthy = following(FIT_ROWS, channels, seed=1)
    began = time.process_time()
    rows = Rows(np.arange(FIT_ROWS) * NS, healthy)
    model = fit(rows, channels=names, source="bench", damage=known.signs)
    fit_s = time.process_time() - began
    before = rss_MiB()
    fleet = [Advisor(model, known) for _ in range(assets)]
    detectors = [Detector(model, advisor) for advisor in fleet]
    fed, steps = max(1, assets // LONGER), seconds * LONGER
    seen = following(steps, channels, seed=2)
    times = (np.arange(steps) + FIT_ROWS) * NS
    began = time.process_time()
    for start in range(0, steps, ADVISED_BLOCK):
        for detector, advisor in zip(detectors[:fed], fleet, strict=False):
            detector.on_rows(times[start : start + ADVISED_BLOCK], seen[start : start + ADVISED_BLOCK])
            advisor.take()
    cpu_s = time.process_time() - began
    return {
        "what": "advised",
        "channels": channels,
        "block": ADVISED_BLOCK,
        "fit_s": fit_s,
        "rows_per_s": fed * steps / cpu_s,
        "core_at_1Hz": cpu_s / steps * assets / fed,
        "MiB": rss_MiB() - before,
        "state_KiB": len(json.dumps([detectors[0].to_json(), fleet[0].to_json()])) / 1024,
        "model_KiB": len(json.dumps(model.to_json())) / 1024,
        "modelled": len(model.modelled),
    }


def following(rows: int, channels: int, *, seed: int) -> NDArray[np.float64]:
    """Give rows of a machine whose channels follow a load, each along a curve of its own; the load changes slowly."""
    random = np.random.default_rng(seed)
    load = 0.7 + 0.3 * np.sin(np.arange(rows) / 300.0)
    bent = np.linspace(0.5, 2.0, channels)
    return load[:, None] ** bent + random.normal(0, 0.01, (rows, channels))


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
