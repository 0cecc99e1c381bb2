"""The memory of `penstock demo`, both apps included: PSS of each process over minutes, and time to the first value.

The demo starts in a new folder on free ports. Processes are read from /proc/PID/smaps_rollup; the first live value is
one that `/v1/latest` gives with Good quality, asked with the operator's credential, as any client would.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench._processes import load, pss_MiB, rss_MiB
from bench._results import store
from tests.builders import web
from tests.builders.stack import BIN, free_port, wait_for

PORTS = ("platform", "platform-tls", "monitoring", "maintenance", "gateway", "simulators", "mqtt", "broker",
         "pump-plc", "filling-plc")  # fmt: skip
LIMIT_MIB = 1200
READ_EVERY_S = 10.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Hold what a process costs at a moment."""

    pss_MiB: float
    rss_MiB: float
    cpu_percent: float


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, store the result; status 1 where the sum is above the limit."""
    parser = argparse.ArgumentParser(prog="python -m bench rss")
    parser.add_argument("--minutes", type=float, default=10.0)
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        demo = Demo(Path(folder))
        try:
            figures = {"minutes": asked.minutes, "load_begin": load(), **watch(demo, asked.minutes), "load_end": load()}
        finally:
            demo.stop()
    print_table(figures)
    print(f"stored {store('rss', figures, 'duckdb', 'pyarrow', 'asyncua', 'nicegui', 'uvicorn')}")
    return int(figures["sum_pss_MiB"] > LIMIT_MIB)


class Demo:
    """A demo in a folder of its own, on ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "data"
        self.ports = {name: free_port() for name in PORTS}
        options = [f"--{name}-port={port}" for name, port in self.ports.items()]
        command = [str(BIN / "penstock"), "demo", "--data", str(self.data), "--no-browser", *options]
        environ = {key: value for key, value in os.environ.items() if not key.startswith("PENSTOCK_")}
        with (folder / "demo.out").open("w") as out:
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=environ)
        self.began_s = time.monotonic()

    def stop(self) -> None:
        """Stop it as Ctrl-C does."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.wait(90)

    def good_values(self) -> int:
        """Count the tags with a Good newest value."""
        credential = json.loads((self.data / "secrets" / "cli.json").read_text())
        form = {"grant_type": "client_credentials", **credential}
        with web.Client(base_url=f"http://127.0.0.1:{self.ports['platform']}", timeout=10) as http:
            token = http.post("/oauth/token", data=form).raise_for_status().json()["access_token"]
            http.headers["Authorization"] = f"Bearer {token}"
            tags = http.get("/v1/tags", params={"limit": 1000}).raise_for_status().json()["items"]
            if not tags:
                return 0
            latest = http.get("/v1/latest", params=[("tag", tag["id"]) for tag in tags]).raise_for_status().json()
        return sum(item["quality"] == "good" and item["time"] is not None for item in latest["items"])

    def costs(self) -> dict[str, Cost]:
        """Read the demo itself and all that it started, by name; what ends while it is read is left out."""
        demo = psutil.Process(self.process.pid)
        found = {"demo (supervisor)": cost_of(demo)}
        for child in demo.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
                found[name_of(child)] = cost_of(child)
        return found


def cost_of(process: psutil.Process) -> Cost:
    """Read memory, and CPU since the process's own start in percent of one core."""
    times = process.cpu_times()
    lived_s = max(time.time() - process.create_time(), 0.01)
    return Cost(pss_MiB(process.pid), rss_MiB(process.pid), 100 * (times.user + times.system) / lived_s)


def name_of(process: psutil.Process) -> str:
    """Name a process by its command: platform, gateway, sim, an app, the broker."""
    words = process.cmdline()
    names = [word for word in words if word in ("platform", "gateway", "sim", "monitoring", "maintenance")]
    if names:
        return names[-1]
    return "broker" if "nats-server" in words[0] else f"{Path(words[0]).name} {process.pid}"


def watch(demo: Demo, minutes: float) -> dict[str, Any]:
    """Wait for the first value, then read the memory until the minutes are over."""
    wait_for(demo.good_values, "the first live value", timeout_s=180, pause_s=0.2)
    first_value_s = time.monotonic() - demo.began_s
    print(f"first live value through the API after {first_value_s:.1f} s")
    end_s = demo.began_s + 60 * minutes
    sums: list[tuple[float, float]] = []
    while True:
        costs = demo.costs()
        sums.append((round(time.monotonic() - demo.began_s), round(sum(cost.pss_MiB for cost in costs.values()), 1)))
        if time.monotonic() >= end_s:
            break
        time.sleep(min(READ_EVERY_S, max(0.0, end_s - time.monotonic())))
    return {
        "first_value_s": first_value_s,
        "tags_live": demo.good_values(),
        "pss_MiB": {name: cost.pss_MiB for name, cost in costs.items()},
        "rss_MiB": {name: cost.rss_MiB for name, cost in costs.items()},
        "cpu_percent_of_a_core": {name: cost.cpu_percent for name, cost in costs.items()},
        "sum_pss_MiB": sums[-1][1],
        "sum_pss_max_MiB": max(total for _, total in sums),
        "sum_pss_median_MiB": statistics.median(total for _, total in sums),
        "sums": sums,
    }


def print_table(figures: Mapping[str, Any]) -> None:
    """Show memory by process."""
    print(f"{'process':20} {'PSS MiB':>8} {'RSS MiB':>8} {'CPU %':>6}")
    for name, pss in sorted(figures["pss_MiB"].items(), key=lambda one: -one[1]):
        print(f"{name:20} {pss:8.0f} {figures['rss_MiB'][name]:8.0f} {figures['cpu_percent_of_a_core'][name]:6.1f}")
    print(
        f"{'sum':20} {figures['sum_pss_MiB']:8.0f}   most {figures['sum_pss_max_MiB']:.0f}, limit {LIMIT_MIB};"
        f" {figures['tags_live']} tags live, first value after {figures['first_value_s']:.1f} s,"
        f" load {figures['load_begin']:.1f} to {figures['load_end']:.1f}"
    )
