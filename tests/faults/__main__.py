"""`make faults`: run campaigns by name, print a line each, store JSON in test-results/faults; 1 when one failed."""

import argparse
import logging
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.faults.campaign import Options, run_campaign
from tests.faults.registry import CAMPAIGNS

BUSY_LOOP = "import os; parent = os.getppid()\nwhile os.getppid() == parent: pass"
"""It ends with the campaigns, whatever ends them."""


def main() -> int:
    """Read the options, run, tell."""
    names = [campaign.name for campaign in CAMPAIGNS]
    parser = argparse.ArgumentParser(prog="make faults FAULTS_OPTIONS=…", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"absent: all of {', '.join(names)}")
    parser.add_argument("--n", type=int, help="how often to try, instead of the campaign's own number")
    parser.add_argument("--seconds", type=float, help="how long to load at most, where a campaign goes by time")
    parser.add_argument("--seed", type=int, help="absent: a random one, which is printed")
    parser.add_argument("--short", action="store_true", help="the short form that make test-full runs")
    parser.add_argument("--folder", type=Path, help="where to work; absent: a temporary folder")
    parser.add_argument("--beside", type=int, default=0, help="busy loops that starve the campaign meanwhile")
    parser.add_argument("--list", action="store_true", help="list the campaigns")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(names):
        parser.error(f"no such campaign: {', '.join(sorted(unknown))}")
    chosen = [campaign for campaign in CAMPAIGNS if not asked.names or campaign.name in asked.names]
    if asked.short:
        chosen = [campaign for campaign in chosen if campaign.short_n]
    if asked.list:
        for campaign in chosen:
            often = f"n {campaign.n:>6} (short {campaign.short_n:>3})"
            sys.stdout.write(f"{campaign.fault:<4} {campaign.name:<18} {often}: {campaign.says}\n")
        return 0
    logging.basicConfig(level=logging.CRITICAL)  # what the product says of planted faults is not the result
    seed = random.SystemRandom().randrange(2**32) if asked.seed is None else asked.seed
    well = True
    for _ in range(asked.beside):
        subprocess.Popen([sys.executable, "-c", BUSY_LOOP])
    with tempfile.TemporaryDirectory(prefix="penstock-faults-", dir=asked.folder) as folder:
        for campaign in chosen:
            n = asked.n or (campaign.short_n if asked.short else campaign.n)
            seconds = asked.seconds or (campaign.short_seconds if asked.short else campaign.seconds)
            report = run_campaign(campaign, Options(n, seed, Path(folder) / campaign.name, seconds))
            sys.stdout.write(f"{report}\n")
            sys.stdout.flush()
            well = well and report.ok
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
