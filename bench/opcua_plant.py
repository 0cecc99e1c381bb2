"""CPU per OPC UA value: the gateway against a stock asyncua client that only subscribes, in the same run.

Both subscribe to one simulated device with the same intervals, trigger StatusValueTimestamp and the same queue. The
gateway does the whole way from socket to synced journal; `--platform` adds the uplink, with a real platform that
commits. CPU is all that the process used in the window, its housekeeping included; values are its own count.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench._peer import Peer
from bench._processes import cpu_s, load, rss_MiB
from bench._results import store
from penstock.simulators.load import load_device_file
from penstock.simulators.pki import own_certificate
from tests.builders import web
from tests.builders.stack import Stack, free_port, wait_for

RATE_HZ = 10.0
QUEUE = 1000
SETTLE_S = 4.0
OFFERED_MIN = 0.7
"""Share of the rate below which a turn says nothing: the simulator, or the machine, is the limit."""
SECURITY = {"None": "none, I accept plain text", "SignAndEncrypt": "Basic256Sha256/SignAndEncrypt"}


def main(arguments: Sequence[str]) -> int:
    """Measure each security setting and rate in turns, print a table, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench opcua_plant")
    parser.add_argument("--rates", type=int, nargs="+", default=[500, 1000, 2000], help="values a second, tens")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--platform", action="store_true", help="with the uplink to a real platform")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {"seconds": asked.seconds, "with_uplink": asked.platform, "load_begin": load()}
    cells = []
    for rate in asked.rates:
        for security in SECURITY:
            cells.append(cell(rate, security, asked))
            show(cells[-1])
    figures |= {"load_end": load(), "cells": cells}
    print(f"stored {store('opcua_plant', figures, 'asyncua', 'pyarrow')}")
    return 0


def cell(rate: int, security: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Give the turns of one rate and security, and their medians."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        stack = stack_with_load(Path(folder), rate, SECURITY[security])
        stock = None
        try:
            for name in ("platform", "sim", "gateway") if asked.platform else ("sim", "gateway"):
                stack.start(name)
            wait_for(lambda: gateway_values(stack) > rate, "values in the gateway")
            stock = stock_client(stack, rate, security)
            time.sleep(SETTLE_S)
            turns = [turn(stack, stock, rate, asked.seconds) for _ in range(asked.turns)]
            memory = {"gateway": rss_MiB(stack.processes["gateway"].pid), "stock": rss_MiB(stock.process.pid)}
        finally:
            if stock is not None:
                stock.close()
            stack.close()
    medians = {key: statistics.median(one[key] for one in turns) for key in turns[0]}
    return {"rate": rate, "security": security, **medians, "rss_MiB": memory, "turns": turns}


def stack_with_load(folder: Path, rate: int, security: str) -> Stack:
    """Make a plant with one OPC UA device of rate / 10 tags at 10 Hz."""
    devices = folder / "plant" / "devices"
    devices.mkdir(parents=True)
    (folder / "plant" / "types").mkdir()
    (folder / "plant" / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
    text = load_device_file(
        device="load", tags=tags_of(rate), rate_hz=RATE_HZ, driver="opcua", port=free_port(), security=security
    )
    (devices / "load.yaml").write_text(text)
    return Stack(folder, folder / "plant")


def tags_of(rate: int) -> int:
    """Give the number of tags that make the rate."""
    return round(rate / RATE_HZ)


def stock_client(stack: Stack, rate: int, security: str) -> Peer:
    """Start the stock client, subscribed like the gateway."""
    text = (stack.plant / "devices" / "load.yaml").read_text()
    port = next(line for line in text.splitlines() if "endpoint" in line).rpartition(":")[2]
    own = own_certificate(stack.folder / "stock", name="stock", hosts=set(), trust=stack.folder / "trust")
    asked = {
        "endpoint": f"opc.tcp://127.0.0.1:{port}",
        "namespace": "urn:penstock:sim:load",
        "nodes": ["count", *(f"v{number:05d}" for number in range(1, tags_of(rate)))],
        "publishing_ms": 200,
        "sampling_ms": 50,
        "queue": QUEUE,
        "uri": own.uri,
        "certificate": str(own.certificate) if security != "None" else None,
        "key": str(own.key),
    }
    peer = Peer([sys.executable, "-m", "bench._stock_opcua", json.dumps(asked)])
    assert peer.answer() == "ready", "the stock client did not subscribe"
    return peer


def gateway_health(stack: Stack) -> dict[str, Any]:
    """Ask the gateway how it goes."""
    health: dict[str, Any] = web.get(stack.url("gateway") + "/health", timeout=10).json()
    return health


def gateway_values(stack: Stack) -> int:
    """Give what the OPC UA driver has counted since start."""
    counters = gateway_health(stack)["devices"].get("load", {}).get("counters", {})
    return int(counters.get("values", 0))


def turn(stack: Stack, stock: Peer, rate: int, seconds: float) -> dict[str, float]:
    """Measure both over the same window; both must get what the source should offer."""
    gateway_pid, sim_pid = stack.processes["gateway"].pid, stack.processes["sim"].pid
    platform = stack.processes.get("platform")
    platform_began_s = cpu_s(platform.pid) if platform else 0.0
    began = (gateway_health(stack), cpu_s(gateway_pid), stock.values(), cpu_s(stock.process.pid), cpu_s(sim_pid))
    began_s = time.monotonic()
    time.sleep(seconds)
    ended = (gateway_health(stack), cpu_s(gateway_pid), stock.values(), cpu_s(stock.process.pid), cpu_s(sim_pid))
    elapsed_s = time.monotonic() - began_s
    platform_s = cpu_s(platform.pid) - platform_began_s if platform else 0.0
    journalled = ended[0]["intake"]["samples"] - began[0]["intake"]["samples"]
    batches = ended[0]["journal"]["batches"] - began[0]["journal"]["batches"]
    for who, count in (("gateway", journalled), ("stock client", ended[2] - began[2])):
        if count < OFFERED_MIN * rate * elapsed_s:
            message = f"the {who} got {count} values in {elapsed_s:.0f} s instead of {rate}/s: is the machine too busy?"
            raise SystemExit(message)
    ours_us = (ended[1] - began[1]) / journalled * 1e6
    stock_us = (ended[3] - began[3]) / (ended[2] - began[2]) * 1e6
    return {
        "gateway_us": ours_us,
        "stock_us": stock_us,
        "platform_us": platform_s / journalled * 1e6,
        "ratio": ours_us / stock_us,
        "journalled_per_s": journalled / elapsed_s,
        "stock_per_s": (ended[2] - began[2]) / elapsed_s,
        "rows_per_batch": journalled / max(batches, 1),
        "gateway_cpu_percent": 100 * (ended[1] - began[1]) / elapsed_s,
        "sim_cpu_percent": 100 * (ended[4] - began[4]) / elapsed_s,
        "overflows": ended[0]["devices"]["load"]["counters"]["overflows"],
        "load": load(),
    }


def show(one: dict[str, Any]) -> None:
    """Print a cell with the range of its ratio."""
    ratios = [each["ratio"] for each in one["turns"]]
    print(
        f"{one['rate']:5d}/s {one['security']:14}  gateway {one['gateway_us']:6.1f} µs/value of"
        f" {one['journalled_per_s']:6.0f}/s   stock {one['stock_us']:6.1f} µs/value of {one['stock_per_s']:6.0f}/s  "
        f" ratio {one['ratio']:.2f} ({min(ratios):.2f} to {max(ratios):.2f})   "
        f"platform {one['platform_us']:.1f} µs/value   "
        f"rows a batch {one['rows_per_batch']:.0f}, overflows {one['overflows']:.0f}, load {one['load']:.1f}"
    )
