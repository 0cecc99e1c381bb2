"""End to end for minutes: lag, CPU and memory at a high rate of OPC UA values, then an outage of the platform.

One OPC UA server, whose values cost it next to nothing, feeds gateway and platform, all real processes. First a steady
part: five tags are followed from source time to the first `/v1/samples` answer that holds their value, polled at 10 Hz;
memory is read every five seconds, and the last minute's mean is set against that of the third. Then the platform is
stopped while the source goes on; catch-up counts from its start until the gateway has nothing old left to deliver.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench._processes import cpu_s, load, rss_MiB
from bench._results import store
from bench.lag import Probe, all_there, batch_arrivals, lag_of, show_lag, spread, stored_now
from bench.opcua import Rig
from penstock.core.times import NS_PER_S
from tests.builders import web
from tests.builders.stack import wait_for

POLL_S, MEMORY_EVERY_S = 0.1, 5.0
SETTLE_S = 10.0
PROCESSES = ("gateway", "platform")
DRAINED_BATCHES = 10
"""What a live gateway has on its way at any moment, generously."""
READY_S, DRAIN_S = 120.0, 1_800.0


def main(arguments: Sequence[str]) -> int:
    """Measure both parts, print, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench e2e")
    parser.add_argument("--rate", type=int, default=8_000, help="values a second")
    parser.add_argument("--per", type=int, default=1_600, help="values a notification")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the steady part")
    parser.add_argument("--outage", type=float, default=300.0, help="seconds without a platform; 0 leaves it out")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {"rate": asked.rate, "minutes": asked.minutes, "load_begin": load()}
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        rig = Rig(Path(folder), asked.per, "SignAndEncrypt", asked.rate)
        try:
            rig.stack.start("platform")
            rig.start_source()
            with rig.stack.client() as client:
                figures["steady"] = steady(rig, client, asked)
            if asked.outage:
                figures["outage"] = outage(rig, asked.outage)
        finally:
            rig.close()
    figures["load_end"] = load()
    print(f"stored {store('e2e', figures, 'asyncua', 'duckdb', 'uvicorn', 'pyarrow')}")
    return 0


def steady(rig: Rig, client: httpx.Client, asked: argparse.Namespace) -> dict[str, Any]:
    """Follow the probes and the processes for some minutes."""
    tags = wait_for(lambda: all_there(client, asked.per), f"{asked.per} tags are known", timeout_s=READY_S)
    probe = Probe("opcua", spread(sorted(tags.values())))
    time.sleep(SETTLE_S)
    probe.poll(client)
    probe.values.clear()
    pids = {name: rig.stack.processes[name].pid for name in PROCESSES}
    memory: list[tuple[float, dict[str, float]]] = []
    before, stored = {name: cpu_s(pid) for name, pid in pids.items()}, stored_now(client)
    began_s, began_ns, polls = time.monotonic(), time.time_ns(), 0
    while (passed_s := time.monotonic() - began_s) < 60 * asked.minutes:
        probe.poll(client)
        if passed_s >= MEMORY_EVERY_S * len(memory):
            memory.append((passed_s, {name: rss_MiB(pid) for name, pid in pids.items()}))
        polls += 1
        time.sleep(max(0.0, began_s + polls * POLL_S - time.monotonic()))
    elapsed_s = time.monotonic() - began_s
    values = stored_now(client) - stored
    lag = lag_of(probe, batch_arrivals(client, began_ns - 10 * NS_PER_S))
    figures = {
        "values_per_s": values / elapsed_s,
        "polls_per_s": polls / elapsed_s,
        "load": load(),
        "lag": lag,
        "cpu_us_per_value": {name: (cpu_s(pid) - before[name]) / values * 1e6 for name, pid in pids.items()},
        "memory_MiB": {name: growth(memory, name) for name in PROCESSES},
    }
    show(figures)
    return figures


def growth(memory: Sequence[tuple[float, dict[str, float]]], name: str) -> dict[str, float]:
    """Give the mean resident memory of minute 3, or of the middle minute of a short run, and of the last minute."""
    times = np.array([passed for passed, _ in memory])
    values = np.array([by_name[name] for _, by_name in memory])
    third_s = 120.0 if times[-1] >= 240 else times[-1] / 2
    early = values[(times >= third_s) & (times < third_s + 60)].mean()
    late = values[times >= times[-1] - 60].mean()
    return {"minute_3": float(early), "last_minute": float(late), "ratio": float(late / early)}


def show(figures: dict[str, Any]) -> None:
    """Print the steady part."""
    rate, polls = figures["values_per_s"], figures["polls_per_s"]
    print(f"{rate:.0f} values/s stored, {polls:.1f} polls/s, load {figures['load']:.1f}")
    show_lag("opcua", figures["lag"])
    for name in PROCESSES:
        memory = figures["memory_MiB"][name]
        print(
            f"  {name:10} {figures['cpu_us_per_value'][name]:6.1f} µs CPU a value, RSS minute 3 "
            f"{memory['minute_3']:.0f} MiB, last minute {memory['last_minute']:.0f} MiB ({memory['ratio']:.3f})"
        )


def outage(rig: Rig, seconds: float) -> dict[str, float]:
    """Stop the platform for a while; say how quickly what was journalled meanwhile is delivered."""
    live_per_s = float(rig.rate)
    rig.stack.stop("platform")
    time.sleep(seconds)
    waiting = waiting_batches(rig)
    rig.stack.start("platform")
    with rig.stack.client() as client:  # a token of its own: the first one's time may be over
        ready_s, before = time.monotonic(), stored_now(client)
        wait_for(lambda: waiting_batches(rig) <= DRAINED_BATCHES, "all is delivered", timeout_s=DRAIN_S)
        took_s = time.monotonic() - ready_s
        stored = stored_now(client) - before
    ratio = stored / took_s / live_per_s
    print(
        f"outage of {seconds:.0f} s: {waiting} batches waited; {stored} values in {took_s:.1f} s, "
        f"{stored / took_s:.0f}/s, {ratio:.1f} times the live rate"
    )
    return {
        "seconds": seconds, "waiting_batches": waiting, "stored": stored, "took_s": took_s, "ratio_to_live": ratio,
    }  # fmt: skip


def waiting_batches(rig: Rig) -> int:
    """Ask the gateway what it has not delivered."""
    health = web.get(rig.stack.url("gateway") + "/health", timeout=10).raise_for_status().json()
    return int(health["journal"]["waiting_batches"])
