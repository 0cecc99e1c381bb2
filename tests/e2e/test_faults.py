"""The short form of every campaign of `make faults`."""

from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, Options, run_campaign
from tests.faults.registry import CAMPAIGNS

SEED = 20261126

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]


@pytest.mark.parametrize("campaign", [each for each in CAMPAIGNS if each.short_n], ids=lambda campaign: campaign.name)
def test_the_short_campaign_finds_nothing(campaign: Campaign, tmp_path: Path) -> None:
    options = Options(campaign.short_n, SEED, tmp_path, campaign.short_seconds)
    report = run_campaign(campaign, options)
    assert report.ok, str(report)
