"""The harness is tested too: each known bug is planted into the real code, and the same campaigns must catch it.

`python -m tests.faults.planted NAME SEED FOLDER` plants one and prints what caught it; the campaign runs one after the
other in processes of their own, so that no bug outlives its turn.
"""

import json
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from tests.faults import arrival, full, historian_kills, power
from tests.faults.campaign import Campaign, Options, Result
from tests.faults.disk import Policy
from tests.faults.plants import ARRIVAL, DISK, HISTORIAN, plant_historian, plant_reader

CUTS_MAX, KILLS_MAX = 120, 12


@dataclass(frozen=True, slots=True)
class Plant:
    """Name a bug, the campaign that must catch it, and the store it is planted into."""

    bug: str
    campaign: str
    store: str
    policies: tuple[Policy, ...] = (Policy.NONE,)
    write_min: int = 0
    """Cuts just after writes of at least so many bytes, where the bug shows nowhere else."""


PLANTS = [
    Plant("synchronous=NORMAL", "power-journal", "journal"),
    Plant("names not synced", "power-journal", "journal"),
    Plant("folder not synced", "power-historian", "historian"),
    Plant("checkpoint without a copy", "power-historian", "historian", (Policy.SECTORS,), 100_000),
    Plant("torn tail kept", "power-historian", "historian", (Policy.SECTORS,), 10_000),
    Plant("names not synced", "power-registry", "registry"),
    Plant("names not synced", "power-certificate", "certificates"),
    *(Plant(bug, "kills-historian", "") for bug in HISTORIAN),
    *(Plant(bug, "arrival-order", "") for bug in ARRIVAL),
    *(Plant(bug, "disk-full", "") for bug in DISK),
]


def catch(plant: Plant, options: Options) -> str:
    """Run the campaign on the planted code; give its first finding, empty for none."""
    if plant.store:
        found = power.record_writer(plant.store, options, 0, plant.bug)
        plant_reader(plant.bug)
        return next(
            power.findings_of(plant.store, found, options, CUTS_MAX, plant.policies, write_min=plant.write_min), ""
        )
    plant_historian(plant.bug)
    if plant.bug in ARRIVAL:
        result = arrival.run(replace(options, n=1))
    elif plant.bug in DISK:
        result = full.run(replace(options, n=1), ["historian"], ["bytes"])
    else:
        steps = historian_kills.STEPS[:1]
        result = historian_kills.run(Options(KILLS_MAX, options.seed, options.folder), plant.bug, steps)
    return result.failures[0] if result.failures else ""


def run(options: Options) -> Result:
    """Plant n bugs, all in a full run, else each of another campaign; one that nothing catches is a failure."""
    result = Result()
    for plant in PLANTS if options.n >= len(PLANTS) else _some(options):
        folder = options.folder / f"{plant.campaign}-{plant.bug}".replace(" ", "-")
        folder.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            "-m",
            "tests.faults.planted",
            str(PLANTS.index(plant)),
            str(options.seed),
            str(folder),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        told = ended.stdout.strip().splitlines()
        caught = json.loads(told[-1]) if ended.returncode == 0 and told else ""
        result.n += 1
        result.count("caught", int(bool(caught)))
        result.figures[f"{plant.campaign}: {plant.bug}"] = caught[:200] or "not caught"
        if not caught:
            result.failures.append(f"{plant.campaign} does not catch: {plant.bug}; {ended.stderr[-600:]}")
    return result


def _some(options: Options) -> list[Plant]:
    chance = options.chance
    campaigns = chance.sample(sorted({plant.campaign for plant in PLANTS}), options.n)
    return [chance.choice([plant for plant in PLANTS if plant.campaign == name]) for name in campaigns]


CAMPAIGNS = [
    Campaign("planted", "–", "known bugs planted into the real code: each must be caught", len(PLANTS), 3, run),
]


if __name__ == "__main__":
    number, seed, where = sys.argv[1:]
    first = catch(
        PLANTS[int(number)], Options(power.CUTS_PER_RECORD - 1, random.Random(seed).randrange(2**32), Path(where))
    )
    sys.stdout.write(json.dumps(first) + "\n")
