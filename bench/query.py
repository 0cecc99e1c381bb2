"""Queries through the API on a filled historian while samples arrive, beside the same questions to raw DuckDB.

The real platform process is filled by gateways of its own; one more sends the live load. One client asks ten questions
a second, in JSON and in Arrow; the figures are from its request to its last byte. With `--compaction` all is first kept
in hot files and asked; then the platform starts again, seals and merges, and is asked again. At the end the platform is
stopped and the same questions go to DuckDB alone, over one table of the same rows sorted by (tag, time), without load
beside it.
"""

import argparse
import re
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import httpx
import numpy as np
import pyarrow as pa

from bench._data import GENERATORS
from bench._processes import load, rss_MiB
from bench._results import store
from tests.builders import web
from tests.builders.ingest import WireGateway, batch_frame, dictionary_frame, entry, float_columns
from tests.builders.stack import Stack, wait_for

S = 1_000_000_000
STEP_NS = 10 * S
FILLERS = 4
LIVE_BATCH = 5_000
NEVER_FULL = 50_000_000
"""Rows of a hot file at most."""
ARROW = {"Accept": "application/vnd.apache.arrow.stream"}


@dataclass(frozen=True, slots=True)
class World:
    """What is asked about: tag ids by gateway order, and the span of the history in ns."""

    tags: Sequence[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the API takes it and as SQL; `goal_ms` from the issue of the strict spine."""

    name: str
    goal_ms: int
    path: str
    params: Callable[[World, int], list[tuple[str, str]]]
    sql: str


_AGGREGATES = [("aggregate", name) for name in ("Average", "Minimum", "Maximum")]
_DAY = 24 * 3600 * S
QUESTIONS = (
    Question(
        "latest of all tags",
        10,
        "/v1/latest",
        lambda world, turn: [("all", "true")],
        "SELECT tag, max_by(vf, time), max(time) FROM sample GROUP BY tag",
    ),
    Question(
        "10,000 raw points of a tag",
        50,
        "/v1/samples",
        lambda world, turn: [("tag", tag(world, turn)), *span(world.start, world.end), ("limit", "10000")],
        "SELECT * FROM sample WHERE tag = $tag AND time >= $start AND time < $end ORDER BY time LIMIT 10000",
    ),
    Question(
        "1-minute aggregates of a tag, a day",
        50,
        "/v1/aggregates",
        lambda world, turn: (
            [("tag", tag(world, turn)), *span(world.end - _DAY, world.end), ("interval", "1m"), *_AGGREGATES]
        ),
        "SELECT time // 60000000000, avg(vf), min(vf), max(vf) FROM sample "
        "WHERE tag = $tag AND time >= $day AND time < $end GROUP BY 1 ORDER BY 1",
    ),
    Question(
        "hourly aggregates of 100 tags, a day",
        100,
        "/v1/aggregates",
        lambda world, turn: (
            [("tag", tag(world, turn + n)) for n in range(100)]
            + span(world.end - _DAY, world.end)
            + [("interval", "1h"), *_AGGREGATES]
        ),
        "SELECT tag, time // 3600000000000, avg(vf), min(vf), max(vf) FROM sample "
        "WHERE tag IN (SELECT unnest($tags)) AND time >= $day AND time < $end GROUP BY 1, 2 ORDER BY 1, 2",
    ),
)


def tag(world: World, turn: int) -> str:
    """Choose another tag each time."""
    return str(world.tags[turn * 37 % len(world.tags)])


def span(start: int, end: int) -> list[tuple[str, str]]:
    """Give the parameters of a span."""
    return [("start", str(start)), ("end", str(end))]


def main(arguments: Sequence[str]) -> int:
    """Fill, ask, print, store."""
    parser = argparse.ArgumentParser(prog="python -m bench query")
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--tags", type=int, default=2000, help="a multiple of 4")
    parser.add_argument("--live", type=int, default=30_000, help="samples a second that arrive meanwhile")
    parser.add_argument("--asks", type=int, default=100, help="of each question and form")
    parser.add_argument("--data", choices=sorted(GENERATORS), default="walk")
    parser.add_argument("--compaction", action="store_true", help="ask before anything is sealed as well")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {**vars(asked), "load_begin": load()}
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        (Path(folder) / "plant").mkdir()
        stack = Stack(Path(folder), Path(folder) / "plant")
        if asked.compaction:
            stack.environment["PENSTOCK_PLATFORM_GENERATION_ROWS"] = str(NEVER_FULL)
        try:
            stack.start("platform")
            world, filler, filled_s = fill(stack, asked)
            if asked.compaction:
                figures["answers_before"] = ask_all(stack, world, Live(filler, asked.live), asked.asks)
                stack.stop("platform")
                stack.environment.clear()
                stack.start("platform")
                Live(filler, asked.live).send(1)  # the first commit finds the hot file full
            settle(Path(folder) / "platform")
            figures |= {"fill_rows_s": asked.rows / filled_s, "bytes_a_sample": on_disk(Path(folder), asked.rows)}
            print(f"filled {asked.rows:,} rows at {figures['fill_rows_s'] / 1e3:.0f} k/s; "
                  f"{figures['bytes_a_sample']:.1f} bytes a sample on disk")  # fmt: skip
            figures["answers"] = ask_all(stack, world, Live(filler, asked.live), asked.asks)
            figures["platform_rss_MiB"] = rss_MiB(stack.processes["platform"].pid)
        finally:
            stack.close()
    figures["raw_ms"] = raw(world, asked)
    for name, raw_ms in figures["raw_ms"].items():
        for form in ("json", "arrow"):
            one = figures["answers"][f"{name}, {form}"]
            print(f"{name:38} {form:5}  p50 {one['p50']:7.1f}  p95 {one['p95']:7.1f} ms   goal {one['goal']:4} ms"
                  f"   raw DuckDB {raw_ms:6.1f} ms   ratio {one['p50'] / raw_ms:5.2f}")  # fmt: skip
            if asked.compaction:
                before = figures["answers_before"][f"{name}, {form}"]["p50"]
                print(
                    f"{'':38} {'':5}  before {before:7.1f} ms, the compacted one takes {one['p50'] / before:.2f} of it"
                )
    figures["load_end"] = load()
    print(f"stored {store('query', figures, 'duckdb', 'pyarrow', 'uvicorn')}")
    return 0


def fill(stack: Stack, asked: argparse.Namespace) -> tuple[World, "Filler", float]:
    """Send the history through the door; give what is there, who goes on sending, and the seconds it took."""
    each, samples = asked.tags // FILLERS, asked.rows // asked.tags
    end = time.time_ns() // STEP_NS * STEP_NS
    start = end - samples * STEP_NS
    fillers = [Filler(stack, number, each, samples, start, asked.data) for number in range(FILLERS)]
    begun = time.perf_counter()
    for filler in fillers:
        filler.start()
    for filler in fillers:
        filler.join()
        assert filler.error is None, filler.error
    took = time.perf_counter() - begun
    with stack.client() as operator:
        summary = operator.get("/v1/ledger/summary", params={"start": "0"}, timeout=60).json()
        assert (summary["stored"], summary["duplicates"]) == (each * FILLERS * samples, 0), summary
        ids, cursor = [], None
        while True:
            page = operator.get("/v1/tags", params={"limit": 1000, **({"cursor": cursor} if cursor else {})}).json()
            ids += [item["id"] for item in page["items"]]
            cursor = page["next"]
            if not cursor:
                break
    return World(ids, start, end), fillers[0], took


class Filler(threading.Thread):
    """One gateway with its share of the tags; after the history it may go on live."""

    def __init__(self, stack: Stack, number: int, tags: int, samples: int, start: int, data: str) -> None:
        super().__init__(name=f"fill-{number}")
        self.tags, self.samples, self.begin, self.data = tags, samples, start, data
        self.error: str | None = None
        self.seq = 0
        self.http = web.Client(timeout=120)
        self.gateway = WireGateway(stack.url("platform"), f"bench-{number}", self.http)
        with stack.client() as operator:
            answer = operator.post("/v1/gateways/enrol-tokens", json={"name": self.gateway.name, "expires_s": 600})
            self.gateway.enrol(answer.json()["token"])
        entries = [entry(index, f"plc-{number}/t{index}") for index in range(tags)]
        assert self.gateway.send(dictionary_frame(self.gateway.epoch, entries)).status_code == 200

    def run(self) -> None:
        """Send the history in batches of some 20,000 rows."""
        many = max(1, 20_000 // self.tags)
        for first in range(0, self.samples, many):
            count = min(many, self.samples - first)
            values = GENERATORS[self.data](self.tags, first, count)
            stamps = self.begin + (first + np.arange(count)) * STEP_NS
            self.error = self.send(np.repeat(stamps, self.tags), values.ravel())
            if self.error:
                return

    def send(self, stamps: np.ndarray, values: np.ndarray) -> str | None:
        """Send one batch of whole rounds of the tags, again while the platform is busy; give what went wrong."""
        self.seq += 1
        tags = np.tile(np.arange(self.tags), len(stamps) // self.tags)
        frame = batch_frame(self.gateway.epoch, self.seq, float_columns(tags, stamps, values))
        while (answer := self.gateway.send(frame)).status_code == 503:
            time.sleep(0.05)
        return None if answer.status_code == 200 else answer.text


class Live(threading.Thread):
    """Send samples at a rate with stamps of now, until told to stop."""

    def __init__(self, filler: Filler, rate: int) -> None:
        super().__init__(name="live", daemon=True)
        self.filler, self.rate = filler, rate
        self.ended = threading.Event()
        self.sent = 0

    def run(self) -> None:
        """Send batches of about 5,000 rows, each at its time."""
        rounds = max(1, LIVE_BATCH // self.filler.tags)
        begun = time.monotonic()
        while not self.ended.wait(max(0.0, begun + self.sent / self.rate - time.monotonic())):
            self.send(rounds)

    def send(self, rounds: int) -> None:
        """Send a batch of whole rounds of the tags."""
        tags = self.filler.tags
        stamps = time.time_ns() - np.arange(rounds)[::-1] * 1_000_000
        values = np.round(np.random.default_rng(self.sent).random(rounds * tags) * 100, 2)
        assert self.filler.send(np.repeat(stamps, tags), values) is None
        self.sent += rounds * tags


def settle(data: Path, timeout_s: float = 300) -> None:
    """Wait until the historian's files have not changed for five seconds: sealing is done."""
    seen: list[Any] = []

    def quiet() -> bool:
        seen.append(
            sorted((str(p), p.stat().st_size) for p in data.rglob("*") if p.is_file() and "historian" in str(p))
        )
        return len(seen) > 50 and all(each == seen[-1] for each in seen[-50:])

    wait_for(quiet, "the historian at rest", timeout_s=timeout_s)


def on_disk(folder: Path, rows: int) -> float:
    """Give the bytes a sample of all files of the historian, hot generation included."""
    return sum(p.stat().st_size for p in (folder / "platform").rglob("*") if p.is_file()) / rows


def ask_all(stack: Stack, world: World, live: Live, asks: int) -> dict[str, dict[str, float]]:
    """Ask each question in both forms, ten a second, while the live load runs."""
    live.start()
    answers = {}
    with stack.client() as client:
        client.timeout = httpx.Timeout(60)
        for question in QUESTIONS:
            for form, headers in (("json", {}), ("arrow", ARROW)):
                taken = ask(client, question, world, headers, asks)
                p50, p95 = float(np.percentile(taken, 50)), float(np.percentile(taken, 95))
                answers[f"{question.name}, {form}"] = {"p50": p50, "p95": p95, "goal": question.goal_ms, "n": asks}
    live.ended.set()
    live.join()
    return answers


def ask(client: httpx.Client, question: Question, world: World, headers: Mapping[str, str], asks: int) -> list[float]:
    """Give the milliseconds of each answer; a failed one fails the run."""
    taken, begun = [], time.monotonic()
    for turn in range(asks):
        time.sleep(max(0.0, begun + turn / 10 - time.monotonic()))
        started = time.perf_counter()
        answer = client.get(f"{question.path}?{urlencode(question.params(world, turn))}", headers=dict(headers))
        taken.append((time.perf_counter() - started) * 1e3)
        assert answer.status_code == 200, answer.text
        assert len(answer.content) > 1000, answer.text
    return taken


def raw(world: World, asked: argparse.Namespace) -> dict[str, float]:
    """Give the median milliseconds of DuckDB alone, result as Arrow."""
    samples = asked.rows // asked.tags
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as folder:
        con = duckdb.connect(f"{folder}/raw.duckdb")
        con.execute("CREATE TABLE sample (tag BIGINT, time BIGINT, status UINTEGER, vf DOUBLE)")
        for first in range(0, len(world.tags), 100):
            ids = world.tags[first : first + 100]
            values = GENERATORS[asked.data](len(ids), 0, samples).T.ravel()
            columns = {
                "tag": np.repeat(np.array(ids), samples),
                "time": np.tile(world.start + np.arange(samples) * STEP_NS, len(ids)),
                "status": pa.array(np.zeros(len(values), np.uint32)),
                "vf": values,
            }
            con.register("part", pa.table(columns))
            con.execute("INSERT INTO sample SELECT * FROM part")
        con.execute("CHECKPOINT")
        return {question.name: raw_ms(con, question, world) for question in QUESTIONS}


def raw_ms(con: duckdb.DuckDBPyConnection, question: Question, world: World) -> float:
    """Ask thirty times."""
    taken = []
    for turn in range(30):
        tags = [int(tag(world, turn + n)) for n in range(100)]
        given = {"tag": tags[0], "tags": tags, "start": world.start, "end": world.end, "day": world.end - _DAY}
        wanted = {name: given[name] for name in re.findall(r"\$(\w+)", question.sql)}
        started = time.perf_counter()
        con.sql(question.sql, params=wanted or None).to_arrow_table()
        taken.append((time.perf_counter() - started) * 1e3)
    return float(np.percentile(taken, 50))
