"""An experiment faster than real time, through the real platform and app, scored: `penstock score` reads both sides.

A bearing wears from 50 minutes on until the pump fails; somebody repairs it; the machine goes on healthy.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.builders.apps_history import Importer
from tests.builders.stack import BIN, Stack, wait_for
from tests.e2e.apps.test_health_of_the_pump import PLANT, is_judged_until

pytestmark = [pytest.mark.full, pytest.mark.timeout(560)]
PUMP = "penstock/riverside/utilities/cooling/pump-101"
SCHEDULE = """\
version: 1
faults:
  - {device: pump-plc, fault: bearing, at: 50m, severity: 0.1, growth_per_h: 1.8, repair_at: 85m}
"""


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    stack = Stack(tmp_path / "stack", PLANT)
    stack.start("platform")
    yield stack
    stack.close()


def experiment(folder: Path, until: datetime) -> tuple[Path, Path]:
    """Run two hours of the pump; give what it said and what was true."""
    said, truth, schedule = folder / "said.parquet", folder / "truth.sqlite", folder / "schedule.yaml"
    schedule.write_text(SCHEDULE)
    command = [str(BIN / "penstock"), "sim", "generate", "--out", str(said), "--truth", str(truth), "--hours", "2"]
    command += ["--until", until.isoformat().replace("+00:00", "Z"), "--plant", str(PLANT)]
    command += ["--schedule", str(schedule), "--device", "pump-plc", "--device", "pump-vibration"]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return said, truth


def scored(stack: Stack, truth: Path, out: Path, *words: str) -> tuple[dict[str, Any], str]:
    command = [str(BIN / "penstock"), "score", "--truth-file", str(truth), "--platform", stack.url("platform")]
    command += ["--credentials", str(stack.folder / "secrets" / "cli.json"), "--out", str(out), *words]
    done = subprocess.run(command, check=False, timeout=120, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    made: dict[str, Any] = json.loads(out.read_text())
    return made, done.stdout


def test_a_failing_bearing_is_found_in_time_and_scored_by_the_truth(stack: Stack, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    said, truth = experiment(tmp_path, now)
    token = (stack.folder / "secrets" / "enrol-edge-1.token").read_text().strip()
    source = Importer(stack.url("platform"), token, PLANT, "edge-1")
    source.deliver(said)
    source.close()
    stack.start("maintenance")
    with stack.client() as client:
        wait_for(lambda: is_judged_until(client, now), "two hours judged", 240, pause_s=0.5)
    made, told = scored(stack, truth, tmp_path / "score.json", "--asset", PUMP, "--speed", "1000")
    (event,) = made["events"]
    assert (event["fault"], event["component"], event["kind"]) == ("bearing", "drive-end bearing", "machine")
    assert event["detected"], told
    lead_s, life_s = event["lead_s"], 0.9 / 1.8 * 3600
    assert 0 < lead_s < life_s
    assert event["lead_share"] == pytest.approx(lead_s / life_s, rel=0.02)
    assert made["detection"]["false_alarms"] == 0, told
    assert (made["detection"]["precision"], made["detection"]["recall"]) == (1.0, 1.0)
    assert made["health"]["auc"] > 0.95
    assert made["money"]["events"] == 1
    assert "order by cost: condition-based < " in told
