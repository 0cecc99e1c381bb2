"""Ingest through real HTTP, durable, authorised, against raw DuckDB at the same commit size, in turn in one run.

Each turn fills a new folder. The raw side inserts the same Arrow rows, with position and row, into one DuckDB file, a
ledger row in each transaction; the platform side is the real process with N gateways of its own, each sending batches
made before the clock starts. The figure is the median of the turns' ratios.
"""

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import httpx
import numpy as np
import psutil
import pyarrow as pa

from bench._results import store
from penstock.core.columns import SampleColumns
from tests.builders.ingest import WireGateway, batch_frame, dictionary_frame, entry, float_columns
from tests.builders.stack import Stack

TAGS = 200
RATE_NS = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench ingest")
    parser.add_argument("--rows", type=int, default=20_000, help="rows a batch, one batch a commit at the raw side")
    parser.add_argument("--batches", type=int, default=60, help="batches a turn, over all clients")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args(arguments)
    turns = []
    for number in range(asked.turns):
        raw = raw_turn(asked.rows, asked.batches)
        through = platform_turn(asked.rows, asked.batches, asked.clients)
        turns.append({"raw_rows_s": raw, **through, "ratio": through["rows_s"] / raw})
        print(
            f"turn {number + 1}: raw {raw / 1e3:8.0f} k/s   through HTTP {through['rows_s'] / 1e3:8.0f} k/s   "
            f"ratio {turns[-1]['ratio']:.2f}   platform CPU {through['cpu_us_row']:.2f} µs/row   "
            f"request p50 {through['p50_ms']:.0f} p99 {through['p99_ms']:.0f} ms"
        )
    ratio = statistics.median(turn["ratio"] for turn in turns)
    print(f"median ratio {ratio:.2f} at {asked.rows} rows a batch, {asked.clients} clients, {asked.turns} turns")
    figures = {"rows": asked.rows, "batches": asked.batches, "clients": asked.clients, "ratio": ratio, "turns": turns}
    path = store("ingest", figures, "duckdb", "pyarrow", "uvicorn")
    print(f"stored {path}")
    return 0


def columns_of(rows: int, seq: int) -> SampleColumns:
    """Make a batch as a gateway does: all tags in turn, time going on, values of two decimals."""
    index = np.arange(rows)
    time_ns = 1_790_000_000_000_000_000 + (seq * rows + index) // TAGS * RATE_NS
    values = np.round(20 + 5 * np.sin((seq * rows + index) / 5000) + (index % 7) * 0.01, 2)
    return float_columns(index % TAGS, time_ns, values)


def raw_turn(rows: int, batches: int) -> float:
    """Give rows/s of DuckDB alone: Arrow in, one transaction a batch with a ledger row, one thread."""
    tables = []
    for seq in range(batches):
        columns = columns_of(rows, seq)
        batch = columns.to_arrow()
        tag = pa.array(columns.tag.astype(np.int64) + 1)
        extra = [pa.array(np.full(rows, seq + 1)), pa.array(np.arange(rows))]
        names = [*batch.schema.names, "position", "row"]
        tables.append(pa.table([tag, *batch.columns[1:], *extra], names=names))
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        con = duckdb.connect(f"{folder}/raw.duckdb", config={"threads": 1, "checkpoint_threshold": "1GB"})
        con.execute(
            "CREATE TABLE sample (tag BIGINT, time BIGINT, status UINTEGER, vf DOUBLE, vi BIGINT, vb BOOLEAN, "
            'vs VARCHAR, position BIGINT, "row" BIGINT)'
        )
        con.execute("CREATE TABLE ledger (writer VARCHAR, epoch VARCHAR, seq BIGINT, crc UINTEGER, n BIGINT)")
        started = time.perf_counter()
        for seq, table in enumerate(tables):
            con.register("incoming", table)
            con.execute("BEGIN")
            con.execute("INSERT INTO sample SELECT * FROM incoming")
            con.execute("INSERT INTO ledger VALUES ('gtw', 'epoch', ?, 0, ?)", [seq, rows])
            con.execute("COMMIT")
        elapsed = time.perf_counter() - started
        con.close()
    return rows * batches / elapsed


def platform_turn(rows: int, batches: int, clients: int) -> dict[str, Any]:
    """Give rows/s, CPU and latencies of the real process; every row is checked to be stored once."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        (Path(folder) / "plant").mkdir()
        stack = Stack(Path(folder), Path(folder) / "plant")
        try:
            stack.start("platform")
            senders = [Sender(stack, number, rows, batches // clients) for number in range(clients)]
            process = psutil.Process(stack.processes["platform"].pid)
            before = sum(process.cpu_times()[:2])
            started = time.perf_counter()
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            elapsed = time.perf_counter() - started
            cpu = sum(process.cpu_times()[:2]) - before
            sent = rows * (batches // clients) * clients
            check(stack, sent)
            latencies = sorted(latency for sender in senders for latency in sender.latencies)
            return {
                "rows_s": sent / elapsed,
                "cpu_us_row": cpu / sent * 1e6,
                "p50_ms": latencies[len(latencies) // 2] * 1e3,
                "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
                "rss_MiB": process.memory_info().rss / 2**20,
            }
        finally:
            stack.close()


class Sender(threading.Thread):
    """One gateway with its frames ready made; the clock does not count the making."""

    def __init__(self, stack: Stack, number: int, rows: int, batches: int) -> None:
        super().__init__(name=f"bench-{number}")
        self.latencies: list[float] = []
        self.http = httpx.Client(timeout=60)
        self.gateway = WireGateway(stack.url("platform"), f"bench-{number}", self.http)
        with stack.client() as operator:
            answer = operator.post("/v1/gateways/enrol-tokens", json={"name": self.gateway.name, "expires_s": 600})
            self.gateway.enrol(answer.json()["token"])
        entries = [entry(index, f"plc-{number}/t{index}") for index in range(TAGS)]
        assert self.gateway.send(dictionary_frame(self.gateway.epoch, entries)).status_code == 200
        self.frames = [batch_frame(self.gateway.epoch, seq + 1, columns_of(rows, seq)) for seq in range(batches)]

    def run(self) -> None:
        """Send one batch a request, again where the platform is busy."""
        for frame in self.frames:
            started = time.perf_counter()
            while (answer := self.gateway.send(frame)).status_code == 503:
                time.sleep(0.05)
            assert answer.status_code == 200, answer.text
            self.latencies.append(time.perf_counter() - started)
        self.http.close()


def check(stack: Stack, sent: int) -> None:
    """Fail unless the ledger has every row, once."""
    with stack.client() as operator:
        summary = operator.get("/v1/ledger/summary").json()
    assert (summary["stored"], summary["duplicates"], summary["quarantined_batches"]) == (sent, 0, 0), summary
