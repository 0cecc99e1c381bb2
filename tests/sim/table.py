"""Write docs/reference/simulation.md: how many of 200 seeds catch each planted bug. `python -m tests.sim.table`."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.sim.bugs import PLANTED, Bug
from tests.sim.campaign import Campaign, caught

SEEDS = 200
PAGE = Path(__file__).parents[2] / "docs/reference/simulation.md"
TEXT = """# The simulation

`tests/sim` runs the real uplink machine and the real alarm machine in a deterministic world: virtual time on a
heap, one seeded random
source, links that lose, repeat, delay, reorder and part, broken bytes, a disk with an unsynced tail, power cuts,
kills and stops of both sides, a
platform restored from a backup, a gateway restored from an image, a gateway cloned. A minute of chaos, then heal,
drain, judge:

| oracle | what must hold |
|---|---|
| nothing lost | every sample that the gateway acknowledged after its journal's sync is in the historian |
| exactly once | and is there once |
| intact | and nothing is there that was not published, bit by bit |
| ack ≤ durable | an answer's watermark and seqs above cover only what is committed |
| released only when durable, held until released | the journal lets go of nothing else, and of nothing too early |
| synced before sent | what leaves the gateway is on its disk |
| window bounded | requests in flight, batches a request |
| fencing | nothing is committed under an older session; a superseded gateway opens none again |
| alarms equal a replay | the evaluator, killed and restarted, tells what a replay of the commit order tells |
| the end is quiet | nothing is pending after the drain |

`.venv/bin/pytest tests/sim` runs seeds 0 to 199 and the seeds that once failed; the same seed gives the same event
hash.
{clean}

## Planted bugs
Each bug is planted into machine, shell or platform; the number says how many of {seeds} seeds catch it, the last
column by which oracle.

| bug | where | caught of {seeds} | oracles |
|---|---|---|---|
{rows}

Made by `.venv/bin/python -m tests.sim.table`.
"""


def main() -> None:
    """Run all bugs over all seeds; some minutes."""
    verdicts = [Campaign(seed).run() for seed in range(SEEDS)]
    events, samples = sum(v.events for v in verdicts), sum(v.must_arrive for v in verdicts)
    clean = f"Without a bug: {SEEDS} of {SEEDS} seeds pass, {samples:,} samples had to arrive, {events:,} events."
    rows = [_row(bug) for bug in PLANTED]
    PAGE.write_text(TEXT.format(seeds=SEEDS, clean=clean, rows="\n".join(rows)))


def _row(bug: Bug) -> str:
    oracles = Counter(oracle for seed in range(SEEDS) if (oracle := caught(seed, bug)) is not None)
    what, _, where = bug.value.partition(" - ")
    shown = ", ".join(f"{oracle} {count}" for oracle, count in oracles.most_common())
    return f"| {what} | {where} | {oracles.total()} | {shown} |"


if __name__ == "__main__":
    main()
