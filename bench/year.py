"""A year of the demo plant on disk: bytes, the platform's start, and a trend of the whole year through the API.

`penstock sim generate` makes some hours of the demo plant; they follow one another again and again until the year is
full, the doubles of each turn moved along a slow wave so that no two are alike. One sample of each tag every `--every`
seconds is kept. A gateway delivers them through the ingest door. Then the platform is ended by SIGKILL and started
again (process start to ready), and asked. With `--folder` the year stays there, and a second run asks it again.
"""

import argparse
import math
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bench._processes import cpu_s, load, rss_MiB
from bench._results import store
from bench.query import ARROW, settle
from tests.builders.apps_history import Importer
from tests.builders.stack import BIN, Stack

S = 1_000_000_000
HOUR_NS = 3_600 * S
DAY_NS = 24 * HOUR_NS
POINTS = 2_000
GOAL_TREND_MS, GOAL_START_S = 500, 5
SETTLE_S = 1_800
"""For the last merge of a year's runs on a busy machine."""
PLANT = Path("plant")
TRENDS = ("pump-plc/flow", "pump-plc/bearing_temperature", "pump-vibration/velocity_rms", "energy-meter/power",
          "filling-line/speed")  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Fill where there is nothing yet, measure, print, store."""
    parser = argparse.ArgumentParser(prog="python -m bench year")
    parser.add_argument("--days", type=int, default=365, help="length of the history")
    parser.add_argument("--generated", type=int, default=24, help="hours that are simulated")
    parser.add_argument("--every", type=int, default=10, help="seconds between the samples of a tag that are kept")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--asks", type=int, default=20, help="of each question")
    parser.add_argument("--folder", type=Path, help="keep the year there")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {**vars(asked), "folder": str(asked.folder), "load_begin": load()}
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as temporary:
        folder = asked.folder or Path(temporary)
        is_new = not (folder / "platform").exists()
        stack = Stack(folder, PLANT)
        try:
            if is_new:
                figures |= fill(stack, asked)
            figures |= measure(stack, asked)
        finally:
            stack.close()
    for name, told in figures["answers"].items():
        print(
            f"{name:44} first {told['first']:7.1f}  p50 {told['p50']:7.1f}  p95 {told['p95']:7.1f} ms  "
            f"CPU {told['cpu']:5.0f} ms"
        )
    print(f"start to ready {figures['starts_s']} s, CPU {figures['starts_cpu_s']} s, goal {GOAL_START_S} s; "
          f"trend goal {GOAL_TREND_MS} ms; {figures['rss_MiB']:.0f} MiB RSS")  # fmt: skip
    figures["load_end"] = load()
    print(f"stored {store('year', figures, 'duckdb', 'pyarrow', 'uvicorn')}")
    return 0


def fill(stack: Stack, asked: argparse.Namespace) -> dict[str, Any]:
    """Generate, and deliver the year; the last sample is of now."""
    file = stack.folder / "generated.parquet"
    command = [str(BIN / "penstock"), "sim", "generate", "--hours", str(asked.generated), "--out", str(file)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    stack.start("platform")
    token = (stack.folder / "secrets" / "enrol-edge-1.token").read_text().strip()
    gateway = Importer(stack.url("platform"), token, PLANT, "edge-1")
    begun, rows = time.monotonic(), 0
    part = stack.folder / "part.parquet"
    for table in year(thinned(pq.read_table(file), asked.every), asked.days, asked.generated):
        pq.write_table(table, part, compression="none")
        rows += gateway.deliver(part)
    gateway.close()
    took = time.monotonic() - begun
    settle(stack.folder / "platform", SETTLE_S)
    stack.stop("platform")
    size = sum(p.stat().st_size for p in (stack.folder / "platform" / "historian").rglob("*") if p.is_file())
    summaries = sum(p.stat().st_size for p in (stack.folder / "platform").rglob("summary.parquet"))
    print(f"{rows:,} rows in {took:.0f} s, {size / 2**20:.0f} MiB ({size / rows:.2f} bytes a sample), "
          f"of it {summaries / 2**20:.0f} MiB summaries")  # fmt: skip
    return {"rows": rows, "fill_s": took, "bytes": size, "summary_bytes": summaries}


def thinned(table: pa.Table, every_s: int) -> pa.Table:
    """Keep the first sample of each tag in every so many seconds."""
    key = table["key"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    slot = table["time"].to_numpy() // (every_s * S)
    order = np.lexsort((table["time"].to_numpy(), slot, key))
    begins = np.ones(len(order), np.bool_)
    begins[1:] = (key[order][1:] != key[order][:-1]) | (slot[order][1:] != slot[order][:-1])
    return table.take(pa.array(np.sort(order[begins])))


def year(table: pa.Table, days: int, hours: int) -> Iterator[pa.Table]:
    """Give the generated hours, moved to where they belong, oldest first."""
    times, doubles = table["time"].to_numpy(), table["vf"].to_numpy()
    turns = -(-days * 24 // hours)
    for number in range(turns):
        moved = times - (turns - 1 - number) * hours * HOUR_NS
        wave = 1 + 0.1 * math.sin(2 * math.pi * number * hours / (365 * 24))
        places = {"time": pa.array(moved), "vf": pa.array(doubles * wave, from_pandas=True)}
        for name, column in places.items():
            table = table.set_column(table.column_names.index(name), name, column)
        yield table


def measure(stack: Stack, asked: argparse.Namespace) -> dict[str, Any]:
    """Start several times after a SIGKILL, at rest, then ask."""
    stack.start("platform")
    settle(stack.folder / "platform", SETTLE_S)
    stack.kill("platform")
    starts, cpu = [], []
    for _ in range(asked.starts):
        begun = time.monotonic()
        stack.start("platform")
        starts.append(round(time.monotonic() - begun, 2))
        cpu.append(round(cpu_s(stack.processes["platform"].pid), 2))
        if len(starts) < asked.starts:
            stack.kill("platform")
    with stack.client() as client:
        client.timeout = httpx.Timeout(120)
        answers = ask_all(client, asked, stack.processes["platform"].pid)
    rss = rss_MiB(stack.processes["platform"].pid)
    return {"starts_s": starts, "starts_cpu_s": cpu, "answers": answers, "rss_MiB": rss}


def ask_all(client: httpx.Client, asked: argparse.Namespace, pid: int) -> dict[str, dict[str, float]]:
    """Ask for the year's trend of several tags, and for its hours and days."""
    end = time.time_ns()
    span = {"start": str(end - asked.days * DAY_NS), "end": str(end)}
    named = [("aggregate", name) for name in ("Average", "Minimum", "Maximum")]
    told = {}
    for form, headers in (("json", {}), ("arrow", ARROW)):
        questions = {
            f"trend of the year, {POINTS} points": ("/v1/plot", {"points": str(POINTS), **span}, []),
            "hours of the year": ("/v1/aggregates", {"interval": "1h", **span}, named),
            "days of the year": ("/v1/aggregates", {"interval": "1d", "zone": "Europe/Berlin", **span}, named),
        }
        for name, (path, plain, more) in questions.items():
            taken, used_s = [], cpu_s(pid)
            for turn in range(asked.asks):
                key = ("key", TRENDS[turn % len(TRENDS)])
                params: list[tuple[str, str | int | float | bool | None]] = [key, *plain.items(), *more]
                started = time.perf_counter()
                answer = client.get(path, params=params, headers=headers)
                taken.append((time.perf_counter() - started) * 1e3)
                assert answer.status_code == 200, answer.text
                assert len(answer.content) > 25 * asked.days, answer.text  # a window a day, at the least
            told[f"{name}, {form}"] = {
                "first": taken[0],
                "p50": float(np.percentile(taken, 50)),
                "p95": float(np.percentile(taken, 95)),
                "cpu": (cpu_s(pid) - used_s) / asked.asks * 1e3,
            }
    return told
