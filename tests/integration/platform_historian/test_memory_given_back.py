"""What sealing and merging took of the machine's memory is given back; asked of a process that does nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
GIVEN_BACK_MIB_MIN = 50
PROGRAM = """
import sys
from pathlib import Path

import psutil

from penstock.platform.historian.files.engine import Engine


def rss_MiB():
    return psutil.Process().memory_info().rss >> 20


engine = Engine(Path(sys.argv[1]))
engine.open()
sorted_rows = "SELECT random() AS a, random() AS b FROM range(3_000_000) ORDER BY a"
engine.cursor().execute(f"COPY ({sorted_rows}) TO '{sys.argv[1]}/rows.parquet' (FORMAT parquet)")
before = rss_MiB()
engine.give_back()
print(before - rss_MiB())
engine.close()
"""


def test_large_work_leaves_no_memory_behind(tmp_path: Path) -> None:
    (tmp_path / "historian").mkdir()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "historian")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(said) >= GIVEN_BACK_MIB_MIN
