"""Every campaign, in the order of the list of faults."""

from tests.faults import (
    arrival,
    disturb,
    first_start,
    flips,
    full,
    historian_kills,
    outage,
    planted,
    power,
    readonly,
    storm,
)
from tests.faults.campaign import Campaign

CAMPAIGNS: list[Campaign] = [
    *power.CAMPAIGNS,
    *flips.CAMPAIGNS,
    *first_start.CAMPAIGNS,
    *historian_kills.CAMPAIGNS,
    *arrival.CAMPAIGNS,
    *disturb.CAMPAIGNS,
    *outage.CAMPAIGNS,
    *storm.CAMPAIGNS,
    *full.CAMPAIGNS,
    *readonly.CAMPAIGNS,
    *planted.CAMPAIGNS,
]
