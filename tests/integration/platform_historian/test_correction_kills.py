"""SIGKILL at every step of listing and carrying out erasures: after the next start every answer is the model's."""

import asyncio
import random
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from penstock.platform.historian.ports import Erasing, WriterBatch
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing.sealing import ERASE_STEPS, MERGE_STEPS, STEPS
from tests.builders.historian import NOON_NS, SECOND_NS, batch_of, historian_process
from tests.builders.sealing import all_answers, awkward_batches

pytestmark = pytest.mark.integration
SEED, BATCHES, GENERATION_ROWS, QUESTIONS = 11, 14, 80, 8
LAST_STEPS = MERGE_STEPS[-2:]
"""By which the old files of a rewritten run go, too."""

PROGRAM = """
import asyncio, os, random, signal, sys, threading
from pathlib import Path
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS
from tests.builders.sealing import awkward_batches
from tests.integration.platform_historian.test_correction_kills import corrections

async def main(folder, fatal):
    armed, corrected = threading.Event(), threading.Event()
    def step(name):
        if armed.is_set():
            assert corrected.wait(60)
            if name == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
    historian = Historian(
        Path(folder), generation_rows=%d, now_ns=lambda: NOON_NS, sealing_step=step, rewrite_after_ns=0)
    await historian.start()
    for batch in awkward_batches(random.Random(%d), %d):
        await historian.append([batch])
    await historian.wait_sealed()
    armed.set()
    for batch in corrections():
        await historian.append([batch])
    corrected.set()
    await historian.wait_sealed()

asyncio.run(main(sys.argv[1], sys.argv[2]))
""" % (GENERATION_ROWS, SEED, BATCHES)  # noqa: UP031 braces stand in the program


def corrections() -> list[WriterBatch]:
    """Delete some, replace some of what is there by other values, and fill the hot file until it is sealed."""
    deletes = Erasing((1, 2, 5), NOON_NS + 2 * SECOND_NS, NOON_NS + 9 * SECOND_NS, "wrong")
    at = [NOON_NS + k * SECOND_NS // 3 for k in range(12)]
    more = [(3, NOON_NS + 100 * SECOND_NS + k, 0, k % 2 == 0) for k in range(GENERATION_ROWS)]
    return [
        replace(batch_of([], key="delete-1", writer="usr_a"), deletes=deletes),
        replace(batch_of([(1, each, 0, 77.0) for each in at], key="replace-1", writer="app_a"), replaces=True),
        batch_of(more, seq=900, writer="gtw_a"),
    ]


def correct_and_die(folder: Path, step: str) -> None:
    command = historian_process(PROGRAM, str(folder), step)
    died = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False, cwd=Path.cwd())
    assert died.returncode == -signal.SIGKILL, died.stderr[-4000:]


async def opened(folder: Path, rows: int) -> Historian:
    historian = Historian(folder, generation_rows=rows, now_ns=lambda: NOON_NS, rewrite_after_ns=0)
    await historian.start()
    return historian


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the answers of a historian that never seals, and so never takes a row out of a file."""
    return asyncio.run(model_answers(tmp_path_factory.mktemp("model") / "h"))


async def model_answers(folder: Path) -> dict[str, Any]:
    model = await opened(folder, 10**9)
    for batch in [*awkward_batches(random.Random(SEED), BATCHES), *corrections()]:
        await model.append([batch])
    answers = await all_answers(model, random.Random(5), QUESTIONS)
    await model.stop()
    return answers


def erased_rows(folder: Path) -> int:
    """Count what the deletion was to take out, in the files themselves."""
    files = [str(path) for path in folder.glob("runs/*/sample.parquet")]
    sql = "SELECT count(*) FROM read_parquet(?) WHERE tag IN (1, 2, 5) AND time >= ? AND time < ? AND position <= ?"
    span = [NOON_NS + 2 * SECOND_NS, NOON_NS + 9 * SECOND_NS, BATCHES]
    [(count,)] = duckdb.execute(sql, [files, *span]).fetchall()
    return int(count)


OF_EVERY_PUSH = (ERASE_STEPS[0], "erase-listed")
STEPS_OF_ERASING = (*ERASE_STEPS, *LAST_STEPS, *(step for step in STEPS if step not in ("drained",)))


@pytest.mark.parametrize(
    "step",
    [step if step in OF_EVERY_PUSH else pytest.param(step, marks=pytest.mark.full) for step in STEPS_OF_ERASING],
)
async def test_a_kill_loses_no_erasure_and_no_row_that_counts(
    tmp_path: Path, step: str, expected: dict[str, Any]
) -> None:
    folder = tmp_path / "h"
    correct_and_die(folder, step)
    for _ in range(2):  # the second start finds what the first one carried out
        historian = await opened(folder, GENERATION_ROWS)
        assert await all_answers(historian, random.Random(5), QUESTIONS) == expected
        assert await historian.wait_sealed()
        assert await all_answers(historian, random.Random(5), QUESTIONS) == expected
        listed = {run.name for run in historian._engine.runs}
        await historian.stop()
        assert {path.name for path in (folder / "runs").iterdir()} == listed
        assert erased_rows(folder) == 0
