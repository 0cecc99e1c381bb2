"""What is generated in docs/ is what the code gives."""

import subprocess
import sys

from tests.arch.sources import ROOT


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts/make_docs.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
