"""The app's offline run, as a process of its own: the lab knows its command and its files, never its code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from penstock.lab.study import StudyError


def backtest(study: Path, findings: Path, *options: str) -> None:
    """Run `penstock maintenance backtest` on one core; StudyError with its words where it fails."""
    command = [str(Path(sys.executable).with_name("penstock")), "maintenance", "backtest", str(study)]
    command += ["--out", str(findings), *options]
    one_core = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=one_core, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        message = f"{' '.join(command)}: {done.stderr.strip()}"
        raise StudyError(message)
