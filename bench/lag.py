"""Lag: from a value's source time to the first `/v1/samples` answer that holds it, polled at 10 Hz; CPU by process.

The whole stack runs as real processes: simulators, broker, gateway, platform. A few tags of each protocol are followed,
each of their values counts once. The ledger then tells how the lag divides: journalled at the gateway, arrived at the
platform, answered. The clock is one, since all runs on one machine. Polling alone adds 50 ms in the mean.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from bench._processes import cpu_s, load, rss_MiB
from bench._results import store
from penstock.core.times import NS_PER_S, parse_rfc3339_ns
from penstock.simulators.load import load_device_file
from tests.builders.stack import Stack, free_port, wait_for

RATE_HZ = 10.0
TAGS_PER_MQTT_DEVICE = 10
PROBES = 5
"""Followed tags of each protocol: the first, the last, and between."""
POLL_S = 0.1
SETTLE_S = 5.0
LOOK_BACK_NS = 20 * NS_PER_S
PROCESSES = ("sim", "broker", "gateway", "platform")
BINS_MS = (0, 100, 200, 300, 400, 500, 600, 800, 1000, 1500, 2000, 3000, 5000, 10_000)


def main(arguments: Sequence[str]) -> int:
    """Measure in turns, print tables, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench lag")
    parser.add_argument("--opcua", type=int, default=2000, help="OPC UA values a second, tens")
    parser.add_argument("--mqtt", type=int, default=1000, help="MQTT values a second, hundreds")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of a turn")
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {"opcua": asked.opcua, "mqtt": asked.mqtt, "seconds": asked.seconds, "load_begin": load()}
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        stack = stack_with_load(Path(folder), asked.opcua, asked.mqtt)
        try:
            turns = measure(stack, asked.opcua + asked.mqtt, asked.seconds, asked.turns)
        finally:
            stack.close()
    for one in turns:
        show(one)
    figures |= {"load_end": load(), "median_of_turns": medians(turns), "turns": turns}
    print("median of the turns:")
    for protocol, lags in figures["median_of_turns"].items():
        print(f"  {protocol:8}" + "".join(f"  {name} {value:7.1f}" for name, value in lags.items()))
    print(f"stored {store('lag', figures, 'asyncua', 'paho-mqtt', 'duckdb', 'uvicorn')}")
    return 0


def stack_with_load(folder: Path, opcua: int, mqtt: int) -> Stack:
    """Make a plant with one OPC UA device and as many MQTT devices of ten tags as the rate needs, all at 10 Hz."""
    devices = folder / "plant" / "devices"
    devices.mkdir(parents=True)
    (folder / "plant" / "types").mkdir()
    (folder / "plant" / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
    plc = load_device_file(device="plc", tags=round(opcua / RATE_HZ), rate_hz=RATE_HZ, driver="opcua", port=free_port())
    (devices / "plc.yaml").write_text(plc)
    for number in range(round(mqtt / RATE_HZ / TAGS_PER_MQTT_DEVICE)):
        name = f"sensor-{number:03d}"
        text = load_device_file(device=name, tags=TAGS_PER_MQTT_DEVICE, rate_hz=RATE_HZ, driver="mqtt")
        (devices / f"{name}.yaml").write_text(text)
    return Stack(folder, folder / "plant")


def measure(stack: Stack, rate: int, seconds: float, turns: int) -> list[dict[str, Any]]:
    """Start the stack, wait until the rate is there, and follow the probes for each turn."""
    for name in ("broker", "platform", "gateway", "sim"):
        stack.start(name)
    with stack.client() as client:
        expected = round(rate / RATE_HZ)
        tags = wait_for(lambda: all_there(client, expected), f"{expected} tags are known", timeout_s=120)
        probes = [
            Probe("opcua", spread([tag for key, tag in tags.items() if key.startswith("plc/")])),
            Probe("mqtt", spread([tag for key, tag in tags.items() if key.startswith("sensor-")])),
        ]
        time.sleep(SETTLE_S)
        done = []
        for number in range(turns):
            done.append(turn(stack, client, probes, seconds))
            print(f"turn {number + 1} of {turns} measured")
    return done


def all_there(client: httpx.Client, expected: int) -> dict[str, int]:
    """Give the tags by key once all of them are known."""
    tags: dict[str, int] = {}
    cursor: str | None = None
    while True:
        params: dict[str, str | int] = {"limit": 1000, **({"cursor": cursor} if cursor else {})}
        page = client.get("/v1/tags", params=params).raise_for_status().json()
        tags |= {tag["key"]: tag["id"] for tag in page["items"]}
        cursor = page["next"]
        if cursor is None:
            return tags if len(tags) == expected else {}


def spread(tags: Sequence[int]) -> list[int]:
    """Choose probes from the first to the last."""
    return [tags[place] for place in sorted({round(x) for x in np.linspace(0, len(tags) - 1, PROBES)})]


@dataclass(slots=True)
class Probe:
    """Follow some tags of one protocol."""

    protocol: str
    tags: list[int]
    newest_ns: int = 0
    seen: set[tuple[int, int]] = field(default_factory=set)
    values: list[tuple[int, int, int]] = field(default_factory=list)
    """(source time, time of the first answer that holds it, commit position)."""

    def poll(self, client: httpx.Client) -> None:
        """Ask once; note what is new. What was stored before the turn began does not count."""
        start = max(self.newest_ns, time.time_ns() - LOOK_BACK_NS) - NS_PER_S
        params: dict[str, int | list[int]] = {
            "tag": self.tags,
            "start": start,
            "end": time.time_ns() + NS_PER_S,
            "limit": 10_000,
        }
        answer = client.get("/v1/samples", params=params)
        now_ns = time.time_ns()
        page = answer.raise_for_status().json()
        assert page["next"] is None, "a page holds all that is new"
        columns = page["columns"]
        for tag, text, position in zip(columns["tag"], columns["time"], columns["position"], strict=True):
            time_ns = parse_rfc3339_ns(text)
            if (tag, time_ns) not in self.seen:
                self.seen.add((tag, time_ns))
                self.values.append((time_ns, now_ns, position))
                self.newest_ns = max(self.newest_ns, time_ns)


def turn(stack: Stack, client: httpx.Client, probes: Sequence[Probe], seconds: float) -> dict[str, Any]:
    """Poll for a while; give lags, their parts, and what each process used."""
    for probe in probes:
        probe.poll(client)
        probe.values.clear()
    pids = {name: stack.processes[name].pid for name in PROCESSES}
    before, stored = {name: cpu_s(pid) for name, pid in pids.items()}, stored_now(client)
    began_s, began_ns = time.monotonic(), time.time_ns()
    polls = 0
    while time.monotonic() - began_s < seconds:
        for probe in probes:
            probe.poll(client)
        polls += 1
        time.sleep(max(0.0, began_s + polls * POLL_S - time.monotonic()))
    elapsed_s = time.monotonic() - began_s
    values = stored_now(client) - stored
    cpu = {name: cpu_s(pid) - before[name] for name, pid in pids.items()}
    arrivals = batch_arrivals(client, began_ns - 10 * NS_PER_S)
    return {
        "values_per_s": values / elapsed_s,
        "polls_per_s": polls / elapsed_s,
        "load": load(),
        "lag": {probe.protocol: lag_of(probe, arrivals) for probe in probes},
        "cpu_percent_of_a_core": {name: 100 * used / elapsed_s for name, used in cpu.items()},
        "cpu_us_per_value": {name: used / values * 1e6 for name, used in cpu.items()},
        "rss_MiB": {name: rss_MiB(pid) for name, pid in pids.items()},
    }


def stored_now(client: httpx.Client) -> int:
    """Give how many samples the ledger counts as stored."""
    return int(client.get("/v1/ledger/summary").raise_for_status().json()["stored"])


def batch_arrivals(client: httpx.Client, start_ns: int) -> dict[int, tuple[int, int]]:
    """Give (journalled at the gateway, arrived at the platform) of each batch by position."""
    found: dict[int, tuple[int, int]] = {}
    cursor: str | None = None
    while True:
        params: dict[str, str | int] = {"start": start_ns, "limit": 1000, **({"cursor": cursor} if cursor else {})}
        page = client.get("/v1/ledger/batches", params=params).raise_for_status().json()
        for item in page["items"]:
            times = (parse_rfc3339_ns(item["arrival_gateway"]), parse_rfc3339_ns(item["arrival"]))
            found[item["position"]] = times
        cursor = page["next"]
        if cursor is None:
            return found


def lag_of(probe: Probe, arrivals: Mapping[int, tuple[int, int]]) -> dict[str, Any]:
    """Give the quantiles in ms, the histogram, and the median of each part of the way."""
    assert probe.values, f"no value of {probe.protocol} was seen"
    source, seen, position = (np.array(column, np.int64) for column in zip(*probe.values, strict=True))
    lag_ms = (seen - source) / 1e6
    known = [(s, a, *arrivals[p]) for s, a, p in zip(source, seen, position, strict=True) if int(p) in arrivals]
    counts, _ = np.histogram(lag_ms, bins=(*BINS_MS, np.inf))
    return {
        "values": len(lag_ms),
        "ms": {name: float(np.percentile(lag_ms, q)) for name, q in (("p50", 50), ("p95", 95), ("p99", 99))}
        | {"max": float(lag_ms.max())},
        "parts_p50_ms": {
            "source to gateway's journal": statistics.median((journal - s) / 1e6 for s, _, journal, _ in known),
            "journal to platform": statistics.median((arrived - journal) / 1e6 for _, _, journal, arrived in known),
            "platform to answer": statistics.median((a - arrived) / 1e6 for _, a, _, arrived in known),
        },
        "histogram_ms": {str(low): int(count) for low, count in zip(BINS_MS, counts, strict=True)},
    }


def medians(turns: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Give the median of each quantile over the turns."""
    return {
        protocol: {
            name: statistics.median(one["lag"][protocol]["ms"][name] for one in turns)
            for name in turns[0]["lag"][protocol]["ms"]
        }
        for protocol in turns[0]["lag"]
    }


def show(one: Mapping[str, Any]) -> None:
    """Print a turn."""
    print(f"\n{one['values_per_s']:.0f} values/s stored, {one['polls_per_s']:.1f} polls/s, load {one['load']:.1f}")
    for protocol, lag in one["lag"].items():
        show_lag(protocol, lag)
    print(f"  {'process':10} {'CPU %':>6} {'µs/value':>9} {'RSS MiB':>8}")
    for name in PROCESSES:
        share, us = one["cpu_percent_of_a_core"][name], one["cpu_us_per_value"][name]
        print(f"  {name:10} {share:6.1f} {us:9.1f} {one['rss_MiB'][name]:8.0f}")


def show_lag(protocol: str, lag: Mapping[str, Any]) -> None:
    """Print quantiles, parts and the histogram."""
    print(f"  {protocol:8}" + "".join(f"  {name} {ms:6.0f} ms" for name, ms in lag["ms"].items()), end="")
    print("   of that, p50: " + ", ".join(f"{part} {ms:.0f}" for part, ms in lag["parts_p50_ms"].items()))
    most = max(lag["histogram_ms"].values())
    for low, count in lag["histogram_ms"].items():
        if count:
            print(f"    ≥ {low:>5} ms {count:6d} {'#' * max(1, round(50 * count / most))}")
