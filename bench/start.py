"""The platform's start: CPU and wall clock from process start to ready, in an empty folder and in one with history.

The empty folder is a new one at each start: keys, schema and credentials are made there. The history is that of `bench
year`, shorter (`--days`), or the year itself, where `--folder` names the folder that `bench year --folder` has filled;
the platform is ended by SIGKILL before each start. CPU is what the process used until it answered `/health/ready`, wall
clock what a user waits, to a tenth of a second. The two kinds of start take turns.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench._processes import cpu_s, load
from bench._results import store
from bench.query import settle
from bench.year import GOAL_START_S, PLANT, fill
from tests.builders.stack import Stack


def main(arguments: Sequence[str]) -> int:
    """Fill where there is nothing yet, start in turns, print, store."""
    parser = argparse.ArgumentParser(prog="python -m bench start")
    parser.add_argument("--starts", type=int, default=5, help="of each kind")
    parser.add_argument("--days", type=int, default=365, help="length of the history where it has to be made")
    parser.add_argument("--every", type=int, default=300, help="seconds between the samples of a tag that are kept")
    parser.add_argument("--folder", type=Path, help="that of `bench year --folder`; it keeps what is made here")
    parser.add_argument("--generated", type=int, default=24, help="hours that are simulated")
    asked = parser.parse_args(arguments)
    figures: dict[str, Any] = {**vars(asked), "folder": str(asked.folder), "load_begin": load()}
    with tempfile.TemporaryDirectory(prefix="penstock-bench-") as temporary:
        filled = Stack(asked.folder or Path(temporary) / "filled", PLANT)
        try:
            if not (filled.folder / "platform").exists():
                figures |= fill(filled, asked)
            start(filled)  # whatever an earlier end left to do is not of the start
            settle(filled.folder / "platform")
            filled.kill("platform")
            turns = [turn(filled, Path(temporary) / f"empty-{number}") for number in range(asked.starts)]
        finally:
            filled.close()
    for kind in ("empty", "filled"):
        for unit in ("cpu_s", "wall_s"):
            taken = [round(each[f"{kind}_{unit}"], 2) for each in turns]
            figures[f"{kind}_{unit}"], figures[f"{kind}_{unit}_all"] = statistics.median(taken), taken
        print(f"{kind:8} CPU {figures[f'{kind}_cpu_s']:.2f} s, wall clock {figures[f'{kind}_wall_s']:.2f} s")
    figures["load_end"] = load()
    print(f"goal {GOAL_START_S} s; load {figures['load_begin']:.1f} to {figures['load_end']:.1f}")
    print(f"stored {store('start', figures, 'duckdb', 'fastapi', 'pyarrow', 'pydantic', 'sqlalchemy', 'uvicorn')}")
    return 0


def turn(filled: Stack, folder: Path) -> dict[str, float]:
    """Start once of each kind."""
    empty = Stack(folder, PLANT)
    figures = {}
    for kind, stack in (("empty", empty), ("filled", filled)):
        figures[f"{kind}_cpu_s"], figures[f"{kind}_wall_s"] = start(stack)
        stack.kill("platform")
    return figures


def start(stack: Stack) -> tuple[float, float]:
    """Start the platform; give the CPU that it used until it was ready, and the time that passed."""
    begun = time.monotonic()
    stack.start("platform")
    return cpu_s(stack.processes["platform"].pid), time.monotonic() - begun
