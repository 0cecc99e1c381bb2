"""CPU per OPC UA value, from the socket to the synced journal, beside two clients that keep nothing.

The gateway, a stock asyncua client and a node-opcua client subscribe to one source at the same rate, in the same run:
10,000 values/s as ten notifications of 1,000 values a second, or a hundred of 100. The clients only count. CPU is all
that a process used in the window, its housekeeping included; values are its own count. No platform runs.

Then what one process does at most: publish responses recorded from the source go through decoding, normalising, gaps,
batching and the fsynced journal as quickly as they can.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bench._peer import PEER_MODULES, ROOT, Peer
from bench._processes import cpu_s, load, rss_MiB
from bench._results import store
from bench.opcua_plant import OFFERED_MIN, QUEUE, SECURITY, SETTLE_S, gateway_health, gateway_values
from penstock.simulators.pki import OwnCertificate, own_certificate
from tests.builders.edge import node_binary
from tests.builders.stack import Stack, free_port, wait_for

NAMESPACE = "urn:penstock:bench"
TRIES_PER_TURN = 3
PEER_MIN = 0.1
"""A stock client has one publish request on the way: on a busy machine its round trips bound what it gets."""
NAMES = ("gateway", "asyncua", "node_opcua")


def main(arguments: Sequence[str]) -> int:
    """Measure each size of notification and security in turns, print a table, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench opcua")
    parser.add_argument("--rate", type=int, default=10_000, help="values a second")
    parser.add_argument("--per", type=int, nargs="+", default=[1_000, 100], help="values a notification")
    parser.add_argument("--security", nargs="+", choices=list(SECURITY), default=list(SECURITY))
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a turn")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--recorded-values", type=int, default=2_000_000, help="values of the run through one process")
    asked = parser.parse_args(arguments)
    if not PEER_MODULES.exists():
        message = "the node-opcua client is missing: make tests/peers/node-opcua/node_modules/.installed"
        raise SystemExit(message)
    figures: dict[str, Any] = {"rate": asked.rate, "seconds": asked.seconds, "load_begin": load()}
    cells = []
    for per in asked.per:
        for security in asked.security:
            cells.append(cell(per, security, asked))
            show(cells[-1])
    figures |= {"load_end": load(), "cells": cells}
    print(f"stored {store('opcua', figures, 'asyncua', 'pyarrow', 'numpy')}")
    return 0


def cell(per: int, security: str, asked: argparse.Namespace) -> dict[str, Any]:
    """Give the turns of one size and security, and their medians."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as name:
        rig = Rig(Path(name), per, security, asked.rate)
        try:
            rig.start()
            turns = list(good_turns(rig, asked))
            memory = {who: rss_MiB(rig.pids()[who]) for who in NAMES}
            recorded = [rig.replay(asked.recorded_values) for _ in range(asked.turns)] if asked.recorded_values else []
        finally:
            rig.close()
    medians = {key: statistics.median(one[key] for one in turns) for key in turns[0]}
    replayed = {key: statistics.median(one[key] for one in recorded) for key in recorded[0]} if recorded else {}
    return {
        "per_notification": per,
        "security": security,
        **medians,
        "rss_MiB": memory,
        "turns": turns,
        "recorded": {**replayed, "turns": recorded},
    }


def good_turns(rig: "Rig", asked: argparse.Namespace) -> Iterator[dict[str, float]]:
    """Give as many turns as asked in which the gateway got its rate; others are told and taken again, within bounds."""
    tries = 0
    for number in range(asked.turns):
        while True:
            tries += 1
            try:
                yield turn(rig, asked.rate, asked.seconds)
                break
            except TooBusy as why:
                if tries >= TRIES_PER_TURN * asked.turns:
                    message = f"turn {number + 1}: {why}"
                    raise SystemExit(message) from why
                print(f"turn {number + 1} again: {why}", file=sys.stderr)


class TooBusy(Exception):
    """Say who did not get the rate, so that a turn says nothing."""


class Rig:
    """The source and its three clients."""

    def __init__(self, folder: Path, per: int, security: str, rate: int) -> None:
        self.folder, self.rate = folder, rate
        self.secure = security != "None"
        devices = folder / "plant" / "devices"
        devices.mkdir(parents=True)
        (folder / "plant" / "types").mkdir()
        (folder / "plant" / "plant.yaml").write_text("version: 1\nenterprise: penstock\n")
        self.stack = Stack(folder, folder / "plant")
        self.endpoint = f"opc.tcp://127.0.0.1:{free_port()}"
        self.nodes = [f"v{number:05d}" for number in range(per)]
        self.publishing_ms = 1_000 * per // rate
        (devices / "load.yaml").write_text(self._device(SECURITY[security]))
        self.peers: dict[str, Peer] = {}

    def _device(self, security: str) -> str:
        tags = "".join(f"  {name}: {{type: float64, source: {{node: {name}, scale: 0.5}}}}\n" for name in self.nodes)
        return (
            f"version: 1\ndevice: load\nconnection:\n  driver: opcua\n  endpoint: {self.endpoint}\n"
            f"  namespace: {NAMESPACE}\n  security: '{security}'\n  publishing_ms: {self.publishing_ms}\n"
            f"  sampling_ms: {self.publishing_ms}\ntags:\n{tags}"
        )

    def start(self) -> None:
        """Start the source, then the clients, and wait until all of them receive."""
        self.start_source()
        self._start("asyncua", [sys.executable, "-m", "bench._stock_opcua"], self._certificate("stock"))
        self._start("node_opcua", [node_binary(), str(ROOT / "bench" / "_node_opcua.js")], self._certificate("node"))
        wait_for(lambda: gateway_values(self.stack) > self.rate, "values in the gateway")
        time.sleep(SETTLE_S)

    def start_source(self) -> None:
        """Start the source and the gateway that reads it."""
        self._start("source", [sys.executable, "-m", "bench._opcua_source"], self._certificate("source"))
        self.stack.start("gateway")

    def _certificate(self, name: str) -> OwnCertificate:
        return own_certificate(self.folder / "pki", name=name, hosts=set(), trust=self.folder / "trust")

    def _start(self, name: str, command: list[str], own: OwnCertificate) -> None:
        asked = {
            "endpoint": self.endpoint,
            "namespace": NAMESPACE,
            "nodes": self.nodes,
            "publishing_ms": self.publishing_ms,
            "sampling_ms": self.publishing_ms,
            "queue": QUEUE,
            "uri": own.uri,
            "certificate": str(own.certificate) if self.secure or name == "source" else None,
            "key": str(own.key),
            "secure": self.secure,
            "folder": str(self.folder),
        }
        self.peers[name] = Peer([*command, json.dumps(asked)])
        said = self.peers[name].answer()
        assert said == "ready", f"{name}: {said}"

    def pids(self) -> dict[str, int]:
        """Name the processes that are measured."""
        pids = {name: peer.process.pid for name, peer in self.peers.items()}
        return {**pids, "gateway": self.stack.processes["gateway"].pid}

    def replay(self, values: int) -> dict[str, float]:
        """Let a process of its own record from the source and put it through as often as asked."""
        asked = {"endpoint": self.endpoint, "namespace": NAMESPACE, "nodes": self.nodes, "values": values}
        asked |= {"publishing_ms": self.publishing_ms, "folder": str(self.folder), "device": self._device("recorded")}
        own = self._certificate("recorder")
        asked |= {"secure": self.secure, "uri": own.uri, "certificate": str(own.certificate), "key": str(own.key)}
        peer = Peer([sys.executable, "-m", "bench._opcua_recorded", json.dumps(asked)])
        try:
            answer: dict[str, float] = json.loads(peer.answer())
        finally:
            peer.close()
        return answer

    def close(self) -> None:
        """End what runs."""
        for name in reversed(self.peers):
            self.peers[name].close()
        self.stack.close()


def measure(rig: Rig) -> tuple[dict[str, int], dict[str, float], dict[str, Any]]:
    """Read values and CPU of all, one right after the other."""
    health = gateway_health(rig.stack)
    values = {name: rig.peers[name].values() for name in NAMES[1:]} | {"gateway": health["intake"]["samples"]}
    return values, {name: cpu_s(pid) for name, pid in rig.pids().items()}, health


def turn(rig: Rig, rate: int, seconds: float) -> dict[str, float]:
    """Measure all over the same window; each must get what the source offers."""
    began_s = time.monotonic()
    values_before, cpu_before, health_before = measure(rig)
    time.sleep(seconds)
    values_after, cpu_after, health = measure(rig)
    elapsed_s = time.monotonic() - began_s
    figures: dict[str, float] = {}
    for name in NAMES:
        count = values_after[name] - values_before[name]
        if count < (OFFERED_MIN if name == "gateway" else PEER_MIN) * rate * elapsed_s:
            source = 100 * (cpu_after["source"] - cpu_before["source"]) / elapsed_s
            message = (
                f"{name} got {count} values in {elapsed_s:.0f} s instead of {rate}/s (source at {source:.0f} % of a "
                f"core, load {load():.1f}): is the machine too busy?"
            )
            raise TooBusy(message)
        figures[f"{name}_us"] = (cpu_after[name] - cpu_before[name]) / count * 1e6
        figures[f"{name}_per_s"] = count / elapsed_s
    batches = health["journal"]["batches"] - health_before["journal"]["batches"]
    return {
        **figures,
        "rows_per_batch": (values_after["gateway"] - values_before["gateway"]) / max(batches, 1),
        "source_cpu_percent": 100 * (cpu_after["source"] - cpu_before["source"]) / elapsed_s,
        "rejects": health["intake"]["rejects"],
        "gaps": health["intake"]["gaps"],
        "load": load(),
    }


def show(one: dict[str, Any]) -> None:
    """Print a cell with the range of the gateway's figure."""
    ours = [each["gateway_us"] for each in one["turns"]]
    recorded = one["recorded"]
    through = f"{recorded['per_s'] / 1e3:.0f}k/s at {recorded['us']:.2f} µs" if "us" in recorded else "-"
    rate = {name: f"{one[f'{name}_us']:5.2f} of {one[f'{name}_per_s']:.0f}/s" for name in NAMES}
    print(
        f"{one['per_notification']:5d} values {one['security']:14}  µs/value: gateway {rate['gateway']}"
        f" ({min(ours):.2f} to {max(ours):.2f})   asyncua {rate['asyncua']}   node-opcua {rate['node_opcua']}"
        f"   recorded, one process {through}   rows a batch {one['rows_per_batch']:.0f}, source"
        f" {one['source_cpu_percent']:.0f} %, load {one['load']:.1f}"
    )
