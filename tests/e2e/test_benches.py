"""The small form of every benchmark: each still runs, judges its own answers and stores what it found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench._forms import CI, SHORT

pytestmark = [pytest.mark.full, pytest.mark.timeout(300)]


def test_every_benchmark_has_a_small_form() -> None:
    there = {path.stem for path in Path("bench").glob("[a-z]*.py")}
    assert set(SHORT) == there


@pytest.mark.parametrize("name", sorted(SHORT))
def test_small_form_runs_and_stores_its_figures(name: str, tmp_path: Path) -> None:
    environ = {**os.environ, "PENSTOCK_BENCH_RESULTS": str(tmp_path / "results")}
    command = [sys.executable, "-m", "bench", name, "--short"]
    ended = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=280, check=False)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    (stored,) = (tmp_path / "results").glob("*.json")
    found = json.loads(stored.read_text())
    assert (found["bench"], found["form"]) == (name, CI)
    assert f"{name}: {CI}" in ended.stdout
