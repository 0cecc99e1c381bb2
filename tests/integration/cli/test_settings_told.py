"""Each process tells mistyped settings with its own prefix at its start, and wrong ones in a line, as processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PENSTOCK = str(Path(sys.executable).with_name("penstock"))
MAINTENANCE = [sys.executable, "-m", "penstock.apps.maintenance"]


def said(command: list[str], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run what stops by itself: each command below lacks something that it needs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PENSTOCK_", "PYTEST_"))}
    return subprocess.run(command, env=kept | environ, cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("command", "typed", "meant"),
    [
        ([PENSTOCK, "platform", "run", "--host", "0.0.0.0"], "PLATFORM_RETENTION_DAY", "PLATFORM_RETENTION_DAYS"),
        ([PENSTOCK, "gateway", "run", "--platform-url", "nowhere"], "GATEWAY_BATCH_ROW", "GATEWAY_BATCH_ROWS"),
        ([PENSTOCK, "sim", "run", "--plant", "nowhere"], "SIM_CONTROL_PROT", "SIM_CONTROL_PORT"),
        (MAINTENANCE, "MAINTENANCE_LIMTI", "MAINTENANCE_LIMIT"),
        (MAINTENANCE, "APP_PROT", "APP_PORT"),
    ],
)
def test_a_mistyped_setting_is_named_at_the_start(command: list[str], typed: str, meant: str, tmp_path: Path) -> None:
    done = said(command, tmp_path, **{f"PENSTOCK_{typed}": "1", "PENSTOCK_OTHER_ROOM": "1"})
    told = [line for line in done.stderr.splitlines() if "no such setting" in line]
    assert len(told) == 1, done.stderr
    assert f"PENSTOCK_{typed} (is PENSTOCK_{meant} meant?)" in told[0]
    assert "OTHER" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["ca", "show"], "PENSTOCK_PLATFORM_PORT", "eighty"),
        (["platform", "run"], "PENSTOCK_PLATFORM_SUMMARY_RETENTION_DAYS", "30"),
        (["gateway", "run"], "PENSTOCK_GATEWAY_HEALTH_PORT", "99999"),
        (["sim", "run"], "PENSTOCK_SIM_CONTROL_PORT", "99999"),
    ],
)
def test_a_wrong_setting_is_a_line_with_its_name(arguments: list[str], name: str, value: str, tmp_path: Path) -> None:
    done = said([PENSTOCK, *arguments], tmp_path, **{name: value})
    assert done.returncode == 1
    assert done.stderr.startswith(name), done.stderr
    assert len(done.stderr.splitlines()) == 1
