"""SIGKILL at every step of a seal and of a merge: after the next start every answer is the model's, nothing is left."""

import asyncio
import random
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from penstock.platform.historian.files.generation import UNBORN_SUFFIX
from penstock.platform.historian.files.run import parse_folder_name
from penstock.platform.historian.service import Historian
from penstock.platform.historian.writing.sealing import MERGE_STEPS, STEPS
from tests.builders.historian import NOON_NS, historian_process
from tests.builders.sealing import all_answers, awkward_batches

pytestmark = pytest.mark.integration
SEED, BATCHES, GENERATION_ROWS, QUESTIONS = 11, 14, 80, 8

PROGRAM = """
import asyncio, os, random, signal, sys, threading
from pathlib import Path
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS
from tests.builders.sealing import awkward_batches

async def main(folder, fatal, turn):
    appended, seen = threading.Event(), []
    def step(name):
        assert appended.wait(60)
        seen.append(name)
        if seen.count(fatal) == turn:
            os.kill(os.getpid(), signal.SIGKILL)
    historian = Historian(Path(folder), generation_rows=%d, now_ns=lambda: NOON_NS, sealing_step=step)
    await historian.start()
    for batch in awkward_batches(random.Random(%d), %d):
        await historian.append([batch])
    appended.set()
    await historian.wait_sealed()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
""" % (GENERATION_ROWS, SEED, BATCHES)  # noqa: UP031 braces stand in the program


def write_and_die(folder: Path, step: str, turn: int) -> None:
    command = historian_process(PROGRAM, str(folder), step, str(turn))
    died = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=Path.cwd())
    assert died.returncode == -signal.SIGKILL, died.stderr[-4000:]


async def opened(folder: Path, rows: int) -> Historian:
    historian = Historian(folder, generation_rows=rows, now_ns=lambda: NOON_NS)
    await historian.start()
    return historian


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Give the answers of a historian that never seals."""
    return asyncio.run(model_answers(tmp_path_factory.mktemp("model") / "h"))


async def model_answers(folder: Path) -> dict[str, Any]:
    model = await opened(folder, 10**9)
    for batch in awkward_batches(random.Random(SEED), BATCHES):
        await model.append([batch])
    answers = await all_answers(model, random.Random(5), QUESTIONS)
    await model.stop()
    return answers


def left_over(folder: Path) -> list[str]:
    """Give the names that a folder at rest should not have."""
    hot = sorted(path.name for path in folder.glob("gen-*"))[:-1]
    return hot + [path.name for path in folder.rglob(f"*{UNBORN_SUFFIX}")]


OF_EVERY_PUSH = ("listed", "unlinked", MERGE_STEPS[-1])
"""Where a kill is most likely to double or to lose; the others cost minutes and run with test-full."""


@pytest.mark.parametrize(
    "step",
    [step if step in OF_EVERY_PUSH else pytest.param(step, marks=pytest.mark.full) for step in (*STEPS, *MERGE_STEPS)],
)
async def test_a_kill_at_a_step_loses_doubles_and_reorders_nothing(
    tmp_path: Path, step: str, expected: dict[str, Any]
) -> None:
    folder = tmp_path / "h"
    write_and_die(folder, step, turn=1 if step in MERGE_STEPS else 2)
    for _ in range(2):  # the second start finds what the first one sealed
        historian = await opened(folder, GENERATION_ROWS)
        assert await all_answers(historian, random.Random(5), QUESTIONS) == expected
        assert await historian.wait_sealed()
        await historian.stop()
        assert left_over(folder) == []
    numbers = [parse_folder_name(path.name) for path in sorted((folder / "runs").iterdir())]
    assert numbers[0] == (1, 4)  # merged
    assert [each and each[0] for each in numbers[1:]] == [each and each[1] + 1 for each in numbers[:-1]]


async def test_a_half_written_run_is_made_again(tmp_path: Path, expected: dict[str, Any]) -> None:
    folder = tmp_path / "h"
    write_and_die(folder, "begun", turn=1)
    unborn = folder / "runs" / f"run-000001-000001{UNBORN_SUFFIX}"
    unborn.mkdir(parents=True)
    (unborn / "sample.parquet").write_bytes(b"half of it")
    historian = await opened(folder, GENERATION_ROWS)
    assert await historian.wait_sealed()
    assert await all_answers(historian, random.Random(5), QUESTIONS) == expected
    await historian.stop()
    assert left_over(folder) == []
