"""Computed tags declared through the API on a platform that has many, beside the same rows put into the raw database.

A gateway's dictionary makes `--tags` tags first. Then a client declares `--each` computed tags of one machine after
another, as the maintenance app does: in one request (`/v1/tags/batch`), and for every fourth machine one by one
(`POST /v1/tags`). At the end the platform is stopped, and plain SQLite puts rows of the same tables into a copy of its
file, one synced transaction a machine: tags, bindings, audit.
"""

import argparse
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from bench._processes import cpu_s, load
from bench._results import store
from tests.builders import web
from tests.builders.ingest import WireGateway, dictionary_frame, entry
from tests.builders.stack import Stack

TAGS_A_MACHINE = 50
GOAL_MS = 100.0


def main(arguments: Sequence[str]) -> int:
    """Fill, declare, print, store."""
    parser = argparse.ArgumentParser(prog="python -m bench declare")
    parser.add_argument("--tags", type=int, default=10_000, help="that are there before")
    parser.add_argument("--each", type=int, default=28, help="computed tags of a machine")
    parser.add_argument("--machines", type=int, default=40, help="declared for, at most a fiftieth of the tags")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {**vars(asked), "load_begin": load()}
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        (Path(folder) / "plant").mkdir()
        stack = Stack(Path(folder), Path(folder) / "plant")
        try:
            stack.start("platform")
            figures["dictionary_s"] = fill(stack, asked.tags)
            with stack.client() as client:
                client.timeout = httpx.Timeout(60)
                figures |= declared(client, stack.processes["platform"].pid, asked.each, asked.machines)
            stack.stop("platform")
            taken = raw(Path(folder) / "platform" / "relational.sqlite", asked.each, asked.machines)
        finally:
            stack.close()
    figures["raw_ms"], figures["raw_ms_p95"] = quantiles(taken)
    for name, told in (("batch", "in one request"), ("singly", "one by one"), ("raw", "raw SQLite")):
        print(f"{asked.each} tags {told:15} p50 {figures[f'{name}_ms']:8.1f}  p95 {figures[f'{name}_ms_p95']:8.1f} ms"
              f"   {figures[f'{name}_ms'] / figures['raw_ms']:6.1f} of raw")  # fmt: skip
    print(f"CPU of the platform: {figures['batch_cpu_ms']:.1f} ms a batch, {figures['singly_cpu_ms']:.1f} one by one")
    figures["load_end"] = load()
    print(f"goal {GOAL_MS:g} ms a batch, at {asked.tags:,} tags; load {figures['load_begin']:.1f} to "
          f"{figures['load_end']:.1f}")  # fmt: skip
    print(f"stored {store('declare', figures, 'fastapi', 'sqlalchemy', 'pydantic', 'uvicorn')}")
    return 0


def fill(stack: Stack, tags: int) -> float:
    """Make the tags, and the machines that they stand at, by one dictionary; give the seconds it took."""
    with web.Client(timeout=600) as http, stack.client() as operator:
        gateway = WireGateway(stack.url("platform"), "bench", http)
        answer = operator.post("/v1/gateways/enrol-tokens", json={"name": gateway.name, "expires_s": 600})
        gateway.enrol(answer.json()["token"])
        entries = [
            entry(n, f"plc-{n // TAGS_A_MACHINE}/t{n % TAGS_A_MACHINE}", asset=machine(n // TAGS_A_MACHINE))
            for n in range(tags)
        ]
        begun = time.perf_counter()
        answer = gateway.send(dictionary_frame(gateway.epoch, entries))
        assert answer.status_code == 200, answer.text
        return time.perf_counter() - begun


def machine(number: int) -> str:
    """Give a machine's path."""
    return f"works/hall/m{number}"


def declared(client: httpx.Client, pid: int, each: int, machines: int) -> dict[str, float]:
    """Declare for machine after machine; give milliseconds by the clock and of the platform's CPU."""
    taken: dict[str, list[float]] = {"batch": [], "singly": []}
    cpu = {"batch": 0.0, "singly": 0.0}
    for number in range(machines):
        way = "singly" if number % 4 == 3 else "batch"
        items = [{"asset": machine(number), "property": f"said_{n}", "unit": "%"} for n in range(each)]
        begun, cpu_begun = time.perf_counter(), cpu_s(pid)
        if way == "batch":
            answers = [client.post("/v1/tags/batch", json={"items": items})]
        else:
            answers = [client.post("/v1/tags", json=item) for item in items]
        taken[way].append((time.perf_counter() - begun) * 1e3)
        cpu[way] += cpu_s(pid) - cpu_begun
        assert all(answer.status_code == 201 for answer in answers), answers[0].text
    figures = {}
    for way, times in taken.items():
        figures[f"{way}_ms"], figures[f"{way}_ms_p95"] = quantiles(times)
        figures[f"{way}_cpu_ms"] = cpu[way] / len(times) * 1e3
    return figures


def quantiles(taken: Sequence[float]) -> tuple[float, float]:
    """Give the median and the 95th percentile."""
    return statistics.median(taken), sorted(taken)[int(len(taken) * 0.95)]


def raw(kept: Path, each: int, machines: int) -> list[float]:
    """Put rows of the same tables into a copy of the platform's file; give the milliseconds of each transaction."""
    copy = Path(shutil.copy(kept, kept.with_name("raw.sqlite")))
    taken = []
    with closing(sqlite3.connect(copy, isolation_level=None)) as con:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            con.execute(f"PRAGMA {pragma}")
        [(tag, seq)] = con.execute("SELECT (SELECT max(id) FROM tags), (SELECT max(seq) FROM audit)")
        for number in range(machines):
            [(asset, tenant)] = con.execute("SELECT id, tenant FROM assets WHERE path = ?", (machine(number),))
            keys = [f"raw/{machine(number)}/said_{n}" for n in range(each)]
            begun = time.perf_counter()
            con.execute("BEGIN IMMEDIATE")
            con.executemany(
                "INSERT INTO tags (id, tenant, key, active, name, type, unit, description, owner, path, created_ns) "
                "VALUES (?, ?, ?, 1, ?, 'float64', '%', '', 'raw', ?, 0)",
                [(tag + n + 1, tenant, key, f"raw_{n}", machine(number)) for n, key in enumerate(keys)],
            )
            con.executemany(
                "INSERT INTO bindings (asset_id, property, tenant, tag_key, tag_id, origin) VALUES (?, ?, ?, ?, ?, '')",
                [(asset, f"raw_{n}", tenant, key, tag + n + 1) for n, key in enumerate(keys)],
            )
            con.executemany(
                "INSERT INTO audit (seq, tenant, time_ns, actor, actor_name, action, object, detail, previous, hash) "
                "VALUES (?, ?, 0, '', '', '', '', ?, ?, ?)",
                [(seq + n + 1, tenant, key, "0" * 64, "0" * 64) for n, key in enumerate(keys)],
            )
            con.execute("COMMIT")
            taken.append((time.perf_counter() - begun) * 1e3)
            tag, seq = tag + each, seq + each
    return taken
