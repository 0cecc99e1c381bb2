"""The short form of every campaign of `make faults`."""

from pathlib import Path

import pytest

from tests.faults.campaign import Campaign, Options, Report, run_campaign
from tests.faults.registry import CAMPAIGNS

SEED = 20261126

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


(PLANTED,) = [each for each in CAMPAIGNS if each.name == "planted"]
SHORT = [each for each in CAMPAIGNS if each.short_n and each is not PLANTED]


def short_report(campaign: Campaign, folder: Path) -> Report:
    """Run a campaign in small."""
    return run_campaign(campaign, Options(campaign.short_n, SEED, folder, campaign.short_seconds))


@pytest.mark.parametrize("campaign", SHORT, ids=lambda campaign: campaign.name)
def test_the_short_campaign_finds_nothing(campaign: Campaign, tmp_path: Path) -> None:
    report = short_report(campaign, tmp_path)
    assert report.ok, str(report)
