"""Ingest through real HTTP, durable, authorised, against raw DuckDB at the same commit size, in turn in one run.

*Raw* is what a program would do that has DuckDB and Arrow tables and nothing else: one thread, one file, for each batch
a transaction that registers the table, inserts it with position and row beside it, and adds a ledger row. *Prepared* is
raw at its best: the statement planned once and the table exchanged below it, as the historian does it. Neither decodes,
authorises, looks for repeats, answers or sorts. The making of rows is not in any clock.

The platform side is the real process with N gateways of its own, each sending batches made before the clock starts. The
ratio is the platform's rows/s to raw's; CPU a row stands beside it, since it does not depend on what else runs.
`--seconds 300` sends for so long, so that seals and merges run meanwhile, with a minute of raw before and after; then
it waits until all is sealed and gives the rate with that wait as well.
"""

import argparse
import re
import statistics
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import psutil
import pyarrow as pa

from bench._processes import cpu_s
from bench._results import store
from penstock.core.columns import SampleColumns
from penstock.platform.historian.files.inserts import Inserts
from penstock.platform.historian.ports import STORED_ROWS, Table
from tests.builders import web
from tests.builders.ingest import WireGateway, batch_frame, dictionary_frame, entry, float_columns
from tests.builders.stack import Stack, wait_for

TAGS = 200
RATE_NS = 1_000_000
RAW_PART_S = 60.0
FRAMES_AHEAD_ROWS_S = 800_000
"""Frames are made before the clock for so many rows a second: a quicker machine ends a long turn sooner."""


class Cost(NamedTuple):
    """What raw DuckDB does a second, and its CPU."""

    rows_s: float
    cpu_us_row: float


def main(arguments: Sequence[str]) -> int:
    """Measure, print a table, store the result."""
    parser = argparse.ArgumentParser(prog="python -m bench ingest")
    parser.add_argument("--rows", type=int, default=20_000, help="rows a batch, one batch a commit at the raw side")
    parser.add_argument("--batches", type=int, default=60, help="batches a turn, over all clients")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--seconds", type=float, help="one long turn instead, with sealing; 2 GB of frames for 300")
    asked = parser.parse_args(arguments)
    turns = [long_turn(asked)] if asked.seconds else [turn(asked, number + 1) for number in range(asked.turns)]
    ratio = statistics.median(turn["ratio"] for turn in turns)
    prepared = statistics.median(turn["ratio_prepared"] for turn in turns)
    print(f"median ratio {ratio:.2f} to raw, {prepared:.2f} to prepared, at {asked.rows} rows a batch, "
          f"{asked.clients} clients, {len(turns)} turns")  # fmt: skip
    figures = {**vars(asked), "ratio": ratio, "ratio_prepared": prepared, "turns": turns}
    path = store("ingest", figures, "duckdb", "pyarrow", "uvicorn")
    print(f"stored {path}")
    return 0


def turn(asked: argparse.Namespace, number: int) -> dict[str, Any]:
    """Run raw, prepared and the platform over the same rows."""
    raw = raw_turn(asked.rows, asked.batches)
    prepared = raw_turn(asked.rows, asked.batches, prepared=True)
    through = platform_turn(asked)
    found = compared(raw, prepared, through)
    print(f"turn {number}: {line(found)}")
    return found


def long_turn(asked: argparse.Namespace) -> dict[str, Any]:
    """Run the platform for the seconds asked, with raw and prepared before and after for a fifth of that each."""
    part = min(asked.seconds / 5, RAW_PART_S)
    raw, prepared = raw_turn(asked.rows, seconds=part), raw_turn(asked.rows, seconds=part, prepared=True)
    through = platform_turn(asked)
    again = raw_turn(asked.rows, seconds=part), raw_turn(asked.rows, seconds=part, prepared=True)
    found = compared(mean(raw, again[0]), mean(prepared, again[1]), through)
    print(f"{asked.seconds:.0f} s: {line(found)}")
    print("  " + ", ".join(f"{name} {value:,.0f}" for name, value in through["sealing"].items()))
    return found


def mean(one: Cost, other: Cost) -> Cost:
    """Give the mean of two raw turns."""
    return Cost((one.rows_s + other.rows_s) / 2, (one.cpu_us_row + other.cpu_us_row) / 2)


def compared(raw: Cost, prepared: Cost, through: dict[str, Any]) -> dict[str, Any]:
    """Put the figures of a turn together."""
    return {
        "raw_rows_s": raw.rows_s,
        "raw_cpu_us_row": raw.cpu_us_row,
        "prepared_rows_s": prepared.rows_s,
        "prepared_cpu_us_row": prepared.cpu_us_row,
        **through,
        "ratio": through["rows_s"] / raw.rows_s,
        "ratio_prepared": through["rows_s"] / prepared.rows_s,
    }


def line(found: dict[str, Any]) -> str:
    """Write the figures of a turn."""
    return (
        f"raw {found['raw_rows_s'] / 1e3:6.0f} k/s {found['raw_cpu_us_row']:.2f} µs/row   "
        f"prepared {found['prepared_rows_s'] / 1e3:6.0f} k/s {found['prepared_cpu_us_row']:.2f}   "
        f"through HTTP {found['rows_s'] / 1e3:6.0f} k/s {found['cpu_us_row']:.2f} "
        f"(clients {found['client_cpu_us_row']:.2f})   ratio {found['ratio']:.2f}   "
        f"request p50 {found['p50_ms']:.0f} p99 {found['p99_ms']:.0f} ms"
    )


def columns_of(rows: int, seq: int) -> SampleColumns:
    """Make a batch as a gateway does: all tags in turn, time going on, values of two decimals."""
    index = np.arange(rows)
    time_ns = 1_790_000_000_000_000_000 + (seq * rows + index) // TAGS * RATE_NS
    values = np.round(20 + 5 * np.sin((seq * rows + index) / 5000) + (index % 7) * 0.01, 2)
    return float_columns(index % TAGS, time_ns, values)


def raw_turn(rows: int, batches: int | None = None, *, seconds: float | None = None, prepared: bool = False) -> Cost:
    """Give rows/s and CPU of DuckDB alone, over so many batches or for so long."""
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        con = duckdb.connect(f"{folder}/raw.duckdb", config={"threads": 1, "checkpoint_threshold": "1GB"})
        con.execute(
            "CREATE TABLE sample (tag BIGINT, time BIGINT, status UINTEGER, vf DOUBLE, vi BIGINT, vb BOOLEAN, "
            'vs VARCHAR, position BIGINT, "row" BIGINT)'
        )
        con.execute("CREATE TABLE ledger (writer VARCHAR, epoch VARCHAR, seq BIGINT, crc UINTEGER, n BIGINT)")
        inserts = Inserts(con, "raw") if prepared else None
        if inserts is not None:
            inserts.prepare("sample", STORED_ROWS)
        elapsed = cpu = 0.0
        seq = 0
        while elapsed < seconds if seconds is not None else seq < (batches or 0):
            table = raw_table(rows, seq)
            started, used = time.perf_counter(), time.process_time()
            commit_raw(con, inserts, table, seq)
            elapsed, cpu = elapsed + time.perf_counter() - started, cpu + time.process_time() - used
            seq += 1
        con.close()
    return Cost(rows * seq / elapsed, cpu / (rows * seq) * 1e6)


def raw_table(rows: int, seq: int) -> Table:
    """Make the rows of a batch as they are stored."""
    columns = columns_of(rows, seq)
    tag = pa.array(columns.tag.astype(np.int64) + 1)
    extra = [pa.array(np.full(rows, seq + 1)), pa.array(np.arange(rows))]
    return pa.table([tag, *columns.to_arrow().columns[1:], *extra], schema=STORED_ROWS)


def commit_raw(con: duckdb.DuckDBPyConnection, inserts: Inserts | None, table: Table, seq: int) -> None:
    """Write a batch and its ledger row in one transaction."""
    if inserts is None:
        con.register("incoming", table)
    con.execute("BEGIN")
    if inserts is None:
        con.execute("INSERT INTO sample SELECT * FROM incoming")
    else:
        inserts.insert("sample", table)
    con.execute("INSERT INTO ledger VALUES ('gtw', 'epoch', ?, 0, ?)", [seq, table.num_rows])
    con.execute("COMMIT")


def platform_turn(asked: argparse.Namespace) -> dict[str, Any]:
    """Give rows/s, CPU and latencies of the real process; every row is checked to be stored once."""
    frames = asked.batches // asked.clients
    if asked.seconds:
        frames = int(asked.seconds * FRAMES_AHEAD_ROWS_S / asked.rows / asked.clients)
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        (Path(folder) / "plant").mkdir()
        stack = Stack(Path(folder), Path(folder) / "plant")
        try:
            stack.start("platform")
            senders = [Sender(stack, number, asked.rows, frames) for number in range(asked.clients)]
            process = psutil.Process(stack.processes["platform"].pid)
            before, mine = cpu_s(process.pid), time.process_time()
            started = time.perf_counter()
            for sender in senders:
                sender.until = started + asked.seconds if asked.seconds else None
                sender.start()
            for sender in senders:
                sender.join()
            elapsed = time.perf_counter() - started
            cpu, mine = cpu_s(process.pid) - before, time.process_time() - mine
            latencies = sorted(latency for sender in senders for latency in sender.latencies)
            sent = asked.rows * len(latencies)
            sealing = sealed(stack, sent, started) if asked.seconds else {}
            check(stack, sent)
            return {
                "rows_s": sent / elapsed,
                "sent": sent,
                "cpu_us_row": cpu / sent * 1e6,
                "client_cpu_us_row": mine / sent * 1e6,
                "p50_ms": latencies[len(latencies) // 2] * 1e3,
                "p99_ms": latencies[int(len(latencies) * 0.99)] * 1e3,
                "rss_MiB": process.memory_info().rss / 2**20,
                "sealing": sealing,
            }
        finally:
            stack.close()


def sealed(stack: Stack, sent: int, started: float) -> dict[str, float]:
    """Say what was sealed when the last batch was answered, and the rate when all that is full was."""
    at_end = historian_figures(stack)
    wait_for(lambda: historian_figures(stack)["generations"] == 1, "all full generations sealed", timeout_s=3600)
    took = time.perf_counter() - started
    return {
        "rows sealed meanwhile": at_end["sealed_rows_total"],
        "merges meanwhile": at_end["merges_total"],
        "runs": at_end["runs"],
        "hot files then": at_end["generations"],
        "rows/s until all is sealed": sent / took,
    }


def historian_figures(stack: Stack) -> dict[str, float]:
    """Read the historian's figures from /metrics."""
    with stack.client() as operator:
        text = operator.get("/metrics").raise_for_status().text
    return {name: float(value) for name, value in re.findall(r"^penstock_historian_(\w+) (\S+)$", text, re.MULTILINE)}


class Sender(threading.Thread):
    """One gateway with its frames ready made; the clock does not count the making."""

    def __init__(self, stack: Stack, number: int, rows: int, batches: int) -> None:
        super().__init__(name=f"bench-{number}")
        self.latencies: list[float] = []
        self.until: float | None = None
        self.http = web.Client(timeout=60)
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
            if self.until is not None and started > self.until:
                break
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
