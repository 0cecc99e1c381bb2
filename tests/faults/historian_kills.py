"""A17 and A1: SIGKILL of the historian at any moment, named steps among them; then every question is asked again.

A writer process commits, rotates, checkpoints and answers; it is killed by time or when a step's file shows. Like a
gateway it sends again what was not answered, and a little of what was. Random range questions are compared with what
was sent; answers by the reader thread that runs beside the writer must be a whole number of commits: before or after,
never half.
"""

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from penstock.platform.historian.writing.sealing import MERGE_STEPS
from penstock.platform.historian.writing.sealing import STEPS as STEPS_OF_SEALING
from tests.builders.historian import (
    EPOCH,
    NOON_NS,
    Sample,
    append_until_taken,
    batch_of,
    historian_process,
    plain_rows,
)
from tests.faults.campaign import Campaign, Options, Result
from tests.faults.plants import plant_historian
from tests.faults.stores.historian import FOLDER, TAGS, open_historian, samples_of

QUERIES_PER_KILL = 30
"""The first asks everything, so that no loss and no copy is missed; the others ask at random."""
BATCH_NS = 1_000_000
"""Between the source times of one batch and the next: batches do not overlap, so order can be told."""
START_S = 60.0
STEP_S = 6.0
"""A step that does not come within this is killed anyway."""
COMMITS_MAX = 400
"""Of one folder; then a new one is begun, so that a judge's look stays short."""


@dataclass(frozen=True, slots=True)
class Step:
    """Name a moment: the first sight of a file below the historian's folder, a step of its sealer, or any time."""

    name: str
    pattern: str = ""
    sealing: str = ""


STEPS = [
    Step("any time"),
    Step("first start", "gen-000001.duckdb.new"),
    Step("rotation", "gen-*.duckdb.new"),
    Step("checkpoint", "gen-*.duckdb.before"),
    Step("copy before a checkpoint", "gen-*.before.part"),
    Step("new log", "gen-*.duckdb.wal"),
    Step("writing a run", "runs/*.new"),
    *(Step(f"sealing: {step}", sealing=step) for step in (*STEPS_OF_SEALING, *MERGE_STEPS)),
]
"""Moments to kill in; who adds a step to the historian adds it here."""

PROGRAM = "import sys; from tests.faults.historian_kills import write_until_killed as w; w(*sys.argv[1:])"


def write_until_killed(folder: str, seed: str, plant: str = "", sealing: str = "") -> None:
    """Commit for ever from the watermark on, with some repeats; tell what is answered; ask whole commits beside.

    At the first step of that name the sealer kills the process.
    """
    plant_historian(plant)

    def on_step(step: str) -> None:
        if step == sealing:
            os.kill(os.getpid(), signal.SIGKILL)

    asyncio.run(_write(Path(folder), random.Random(seed), on_step))


async def _write(folder: Path, chance: random.Random, on_step: Callable[[str], None]) -> None:
    store = await open_historian(folder, sealing_step=on_step)
    seq = store.watermark("gtw_a", EPOCH).watermark
    sys.stdout.write("open\n")
    sys.stdout.flush()
    while True:
        again = range(max(1, seq - chance.randint(0, 2)), seq + 1)
        fresh_ones = range(seq + 1, seq + chance.randint(2, 4))
        seqs = [*again, *fresh_ones]
        await asyncio.gather(*(append_until_taken(store, batch_of(samples_of(each), seq=each)) for each in seqs))
        seq = seqs[-1]
        sys.stdout.write(f"{seq}\n")
        sys.stdout.flush()
        probe = chance.choice(seqs)
        start = NOON_NS + probe * BATCH_NS
        found = await store.range([*range(1, TAGS + 1)], start, start + BATCH_NS, limit=10**6)
        if found.num_rows != samples_of(probe).num_rows:
            sys.stdout.write(f"half: batch {probe} answered {found.num_rows} rows\n")
            sys.stdout.flush()


def kill_once(folder: Path, step: Step, chance: random.Random, plant: str) -> tuple[int, list[str]]:
    """Run the writer, kill it in the step; give the last seq it was answered for, and what it complained of."""
    command = historian_process(PROGRAM, str(folder), str(chance.randrange(2**32)), plant, step.sealing)
    lines: list[str] = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        if step.name != "first start":
            lines = [writer.stdout.readline() for _ in range(chance.randint(2, 6))]  # some commits first
            assert lines[0] == "open\n" or step.sealing, (lines, writer.communicate()[1][-3000:])
        if step.sealing:
            with contextlib.suppress(subprocess.TimeoutExpired):
                writer.wait(STEP_S)
        else:
            _wait_for(folder / FOLDER, step, chance)
        writer.send_signal(signal.SIGKILL)
        told = [*lines, *writer.stdout.read().splitlines(keepends=True)]
    whole = [line.strip() for line in told if line.endswith("\n")]
    complaints = [line for line in whole if line.startswith("half")]
    return max((int(line) for line in whole if line.isdigit()), default=0), complaints


def _wait_for(folder: Path, step: Step, chance: random.Random) -> None:
    ends = time.monotonic() + (START_S if step.name == "first start" else STEP_S)
    if not step.pattern:
        time.sleep(chance.uniform(0.02, 0.6))
        return
    known = {} if step.name == "first start" else _inodes(folder, step)
    while time.monotonic() < ends and not _inodes(folder, step).items() - known.items():
        time.sleep(0.0005)
    time.sleep(chance.choice((0.0, 0.001, 0.004, 0.02)))


def _inodes(folder: Path, step: Step) -> dict[str, int]:
    found = {}
    for path in folder.glob(step.pattern):
        try:
            found[path.name] = path.stat().st_ino
        except FileNotFoundError:
            continue
    return found


async def look(folder: Path, acknowledged: int, chance: random.Random) -> tuple[int, list[str]]:
    """Open what the kill left, ask random questions; give how many, and the findings."""
    store = await open_historian(folder)
    try:
        watermark = store.watermark("gtw_a", EPOCH).watermark
        findings = [f"lost: answered for {acknowledged}, watermark {watermark}"] if watermark < acknowledged else []
        asked = QUERIES_PER_KILL if watermark else 0
        for number in range(asked):
            tags, low, high = [*range(1, TAGS + 1)], 1, watermark + 1
            if number:
                tags = sorted(chance.sample(tags, chance.randint(1, TAGS)))
                low = chance.randint(1, watermark)
                high = chance.randint(low, min(watermark + 1, low + 40))
            start, end = (NOON_NS + seq * BATCH_NS + chance.randint(0, 300 * bool(number)) for seq in (low, high))
            rows = plain_rows(await store.range(tags, start, end, limit=10**6))
            near = (row for seq in range(low, min(high, watermark) + 1) for row in _sent(seq))
            want = sorted((row for row in near if row[0] in tags and start <= row[1] < end), key=lambda row: row[1])
            if rows != want:
                findings.append(_difference(rows, want, f"tags {tags} [{start}, {end})"))
        return asked, findings
    finally:
        await store.stop()


@cache
def _sent(seq: int) -> Sequence[Sample]:
    return plain_rows(samples_of(seq))


def _difference(rows: Sequence[Sample], want: Sequence[Sample], asked: str) -> str:
    got, wanted = set(rows), set(want)
    if len(rows) != len(got):
        return f"dup: {len(rows) - len(got)} of {asked}"
    if missing := wanted - got:
        kind = "corrupt" if {row[:2] for row in missing} <= {row[:2] for row in got} else "lost"
        return f"{kind}: {len(missing)} of {asked}"
    return f"phantom: {len(got - wanted)} of {asked}" if got - wanted else f"ooo: {asked}"


def run(options: Options, plant: str = "", steps: Sequence[Step] = STEPS) -> Result:
    """Kill n times, round the steps; a folder serves until it holds many commits."""
    result, chance, number = Result(), options.chance, 0
    acknowledged = 0
    folder = options.folder / "0"
    for kill in range(options.n):
        step = steps[kill % len(steps)]
        if step.name == "first start" or acknowledged > COMMITS_MAX:
            number, acknowledged = number + 1, 0
        folder = options.folder / str(number)
        last, complaints = kill_once(folder, step, chance, plant)
        result.count("batches answered", max(0, last - acknowledged))
        acknowledged = max(acknowledged, last)
        result.n += 1
        result.count(f"kills: {step.name}")
        asked, found = asyncio.run(look(folder, acknowledged, chance))
        result.count("questions", asked)
        findings = [*complaints, *found]
        result.failures += [f"kill {kill} ({step.name}): {finding}" for finding in findings[:3]]
        if plant and result.failures:
            break
    return result


CAMPAIGNS = [
    Campaign(
        "kills-historian", "A17", "SIGKILL of the historian in named steps, random questions", 220, len(STEPS), run
    ),
]
