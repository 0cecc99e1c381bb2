"""Every campaign, in the order of the list of faults."""

from tests.faults import disturb, first_start, historian_kills, planted, power
from tests.faults.campaign import Campaign

CAMPAIGNS: list[Campaign] = [
    *power.CAMPAIGNS,
    *historian_kills.CAMPAIGNS,
    *first_start.CAMPAIGNS,
    *disturb.CAMPAIGNS,
    *planted.CAMPAIGNS,
]
