"""Sealing: bytes a sample, hot and sealed, and rows/s, for named kinds of values, through the real historian.

Each turn commits one generation in batches of 20,000 and waits until its run is listed and the hot file gone. Figures
are medians over the turns. Bytes count all columns: tag, time, status, four value columns, position, row; `run` counts
the ledger and the other tables too. Marked [CI]: a short form (`--rows 200000 --turns 1`) runs in seconds.
"""

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np
import psutil
import pyarrow as pa

from bench._data import GENERATORS
from bench._results import store
from penstock.platform.historian.files.run import Run, write_summary_file
from penstock.platform.historian.ports import ROWS, Table
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, batch_of

TAGS = 200
BATCH_ROWS = 20_000
KINDS = ("constant", "walk", "walk-jitter", "random")
"""Those of bench/_data.py, and the walk with source times that jitter by up to 20 ms."""


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench sealing")
    parser.add_argument("--rows", type=int, default=2_500_000, help="rows of the generation")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    asked = parser.parse_args(arguments)
    figures: dict[str, dict[str, float]] = {}
    print(f"{'kind':12} {'hot':>7} {'sample':>7} {'summary':>7} {'run':>7}  bytes a sample   sealed rows/s   "
          "RSS grew by   CPU, of it summary")  # fmt: skip
    for kind in asked.kinds:
        turns = [asyncio.run(turn(kind, asked.rows, number)) for number in range(asked.turns)]
        figures[kind] = {name: statistics.median(each[name] for each in turns) for name in turns[0]}
        told = figures[kind]
        print(
            f"{kind:12} {told['hot_bytes']:7.2f} {told['sample_bytes']:7.2f} {told['summary_bytes']:7.2f} "
            f"{told['run_bytes']:7.2f}  "
            f"{'':14}   {told['rows_s'] / 1e6:9.2f} M/s   {told['rss_MiB']:7.0f} MiB"
            f"   {told['cpu_us']:5.2f} µs a row, {100 * told['summary_us'] / told['cpu_us']:.0f} %"
        )
    path = store("sealing", {"rows": asked.rows, "turns": asked.turns, "kinds": figures}, "duckdb", "pyarrow")
    print(f"stored {path}")
    return 0


async def turn(kind: str, rows: int, seed: int) -> dict[str, float]:
    """Give the figures of one generation."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        steps: dict[str, float] = {}
        filled = threading.Event()

        def step(name: str) -> None:
            if name == "begun":
                steps["hot_bytes"] = hot.stat().st_size / rows
                filled.wait()
                steps["started"], steps["cpu"] = time.perf_counter(), time.thread_time()
            if name == "switched":
                steps["cpu"] = time.thread_time() - steps["cpu"]
            steps[name] = time.perf_counter()

        hot = Path(folder) / "h" / "gen-000001.duckdb"
        historian = Historian(Path(folder) / "h", generation_rows=rows, sealing_step=step)
        await historian.start()
        for seq, table in enumerate(generate(kind, rows, seed), start=1):
            await historian.append([batch_of(table, seq=seq)])
        before = psutil.Process().memory_info().rss
        filled.set()
        assert await historian.wait_sealed()
        grown = psutil.Process().memory_info().rss - before
        run = Path(folder) / "h" / "runs" / "run-000001-000001"
        (sealed,) = historian._engine.runs
        summary_s = summing_s(sealed)
        sizes = {path.stem: path.stat().st_size for path in run.iterdir()}
        await historian.stop()
    return {
        "hot_bytes": steps["hot_bytes"],
        "sample_bytes": sizes["sample"] / rows,
        "summary_bytes": sizes["summary"] / rows,
        "cpu_us": steps["cpu"] / rows * 1e6,
        "summary_us": summary_s / rows * 1e6,
        "run_bytes": sum(sizes.values()) / rows,
        "rows_s": rows / (steps["switched"] - steps["started"]),
        "rss_MiB": grown / 2**20,
    }


def summing_s(run: Run) -> float:
    """Give the CPU seconds of writing a run's summary, once more."""
    connection = duckdb.connect(":memory:", config={"threads": 1})
    began = time.thread_time()
    write_summary_file(connection, run.parquet, run.parquet / "again.parquet", run.tags.dense, run.tags)
    used = time.thread_time() - began
    (run.parquet / "again.parquet").unlink()
    connection.close()
    return used


def generate(kind: str, rows: int, seed: int) -> list[Table]:
    """Make the batches: all tags in turn once a second, as a gateway journals them."""
    random = np.random.default_rng(seed)
    index = np.arange(rows)
    tag, time_ns = index % TAGS + 1, NOON_NS + index // TAGS * SECOND_NS
    if kind == "walk-jitter":
        time_ns = time_ns + random.integers(0, 20_000, rows) * 1000
    samples = -(-rows // TAGS)
    value = GENERATORS[kind.removesuffix("-jitter")](TAGS, seed * samples, samples).reshape(-1)[:rows]
    whole = pa.table(
        [
            pa.array(tag),
            pa.array(time_ns),
            pa.array(np.zeros(rows, np.uint32)),
            pa.array(value),
            *(pa.nulls(rows, ROWS.field(name).type) for name in ("vi", "vb", "vs")),
        ],
        schema=ROWS,
    )
    return [whole.slice(start, BATCH_ROWS) for start in range(0, rows, BATCH_ROWS)]
