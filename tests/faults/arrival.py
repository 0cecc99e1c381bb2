"""A6 at the historian: what the order of arrival leaves in the answers, which must be nothing.

Two historians take the same samples, one in order, one with a tenth an hour late, the batches shuffled, some repeated,
some samples in two batches; both seal and merge meanwhile. Then both are asked the same random questions.
"""

import asyncio
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from penstock.platform.historian.service import Historian
from tests.builders.arrival import (
    END_NS,
    HOUR_NS,
    Arrivals,
    deliver,
    differences,
    in_order,
    out_of_order,
    plant_samples,
)
from tests.faults.campaign import Campaign, Options, Result, fresh


@dataclass(frozen=True, slots=True)
class Size:
    """Say how much; a generation's rows are so few that each history is of many runs, most of them merged."""

    samples: int
    batch_rows: int
    generation_rows: int
    questions: int


WHOLE = Size(120_000, 500, 4_000, 1_000)
SHORT = Size(30_000, 300, 1_000, 250)
"""As many runs and merges as the whole one, at a quarter of its cost; one such finds each planted bug."""
SMALL = Size(10_000, 200, 700, 150)


def run(options: Options) -> Result:
    """Let n plants' samples arrive on both ways, and ask a thousand questions each time; of one plant, a quarter."""
    result, chance = Result(), options.chance
    size = WHOLE if options.n > 1 else SHORT
    for number in range(options.n):
        seed = chance.randrange(2**32)
        with fresh(options.folder / f"{number}") as folder:
            asyncio.run(compare(folder, seed, result, size))
        result.n += 1
    return result


async def compare(folder: Path, seed: int, result: Result, size: Size) -> None:
    """Let the samples arrive on both ways, ask, and add what was seen to the result."""
    chance = random.Random(seed)
    made = plant_samples(np.random.default_rng(seed), size.samples)
    straight = in_order(made, size.batch_rows)
    mixed = out_of_order(made, size.batch_rows, chance, reach=chance.choice((5, 60, len(straight.batches))))
    one, other = (
        Historian(folder / name, generation_rows=rows, now_ns=lambda: END_NS + 3 * HOUR_NS)
        for name, rows in (("straight", 2 * size.generation_rows), ("mixed", size.generation_rows))
    )
    await one.start()
    await other.start()
    try:
        await deliver(one, straight, chance, seal_every=40)
        await deliver(other, mixed, chance, seal_every=20)
        _count(result, one, other, mixed)
        result.failures += _miscounted(seed, one, straight) + _miscounted(seed, other, mixed)
        found = await differences(one, other, chance, size.questions)
        result.failures += [f"seed {seed}: another answer to question {number}, {kind}" for number, kind in found]
        result.count("questions", size.questions)
    finally:
        await one.stop()
        await other.stop()


def _miscounted(seed: int, historian: Historian, arrivals: Arrivals) -> list[str]:
    counted = historian.counters()
    wanted = {"stored": arrivals.rows, "duplicates": arrivals.copies, "quarantined_batches": 0}
    return [
        f"seed {seed}: {name} counted {counted[name]:.0f}, not {count}"
        for name, count in wanted.items()
        if counted[name] != count
    ]


def _count(result: Result, one: Historian, other: Historian, mixed: Arrivals) -> None:
    result.count("samples", mixed.rows)
    result.count("late", mixed.late)
    result.count("twice", mixed.copies)
    result.count("batches resent", len(mixed.batches) - len({batch.seq for batch in mixed.batches}))
    for historian in (one, other):
        counted = historian.counters()
        result.count("seals", int(counted["seals"]))
        result.count("merges", int(counted["merges"]))


CAMPAIGNS = [
    Campaign("arrival-order", "A6", "late, shuffled and repeated arrival leaves no trace in answers", 30, 1, run)
]
