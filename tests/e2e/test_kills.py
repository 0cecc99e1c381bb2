"""Twelve SIGKILLs over gateway, broker and platform under load: the campaign `kills` of `make faults`, in small."""

from pathlib import Path

import pytest

from tests.faults.campaign import Options, run_campaign
from tests.faults.registry import CAMPAIGNS

KILLS = 12
SAMPLES_MIN = 12_000

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def test_twelve_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    (campaign,) = [each for each in CAMPAIGNS if each.name == "kills"]
    report = run_campaign(campaign, Options(KILLS, 20261126, tmp_path))
    assert report.ok, str(report)
    assert report.result.n == KILLS
    assert int(report.result.figures["offered"]) >= SAMPLES_MIN, str(report)
