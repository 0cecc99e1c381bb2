"""Every campaign, in the order of the list of faults."""

from tests.faults import historian_kills, power
from tests.faults.campaign import Campaign

CAMPAIGNS: list[Campaign] = [*power.CAMPAIGNS, *historian_kills.CAMPAIGNS]
