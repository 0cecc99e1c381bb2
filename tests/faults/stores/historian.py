"""The historian: groups committed, generations rotated and checkpointed, stopped and started; judged row by row."""

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from penstock.core.errors import PenstockError
from penstock.platform.historian.service import Historian
from tests.builders.historian import EPOCH, NOON_NS, append_until_taken, batch_of, plain_rows, rows_of
from tests.faults.plants import plant_writer
from tests.faults.telling import Told, newest, tell

FOLDER = Path("platform") / "historian"
GENERATION_ROWS = 3_000
"""So that a short record holds rotations."""
TAGS = 5
EVER = (-(2**62), 2**62)


def write(folder: Path, chance: random.Random, steps: int, plant: str) -> None:
    """Commit groups, rotate, checkpoint, stop and start again."""
    plant_writer(plant)
    asyncio.run(_historian(folder, chance, steps))


async def _historian(folder: Path, chance: random.Random, steps: int) -> None:
    seq = 0
    store = await open_historian(folder)
    for _ in range(steps):
        appends = []
        for _ in range(chance.randint(1, 3)):
            seq += 1
            appends.append(append_until_taken(store, batch_of(samples_of(seq), seq=seq)))
        await asyncio.gather(*appends)
        tell(seq=seq)
        if chance.random() < 0.06:
            await store.stop()
            store = await open_historian(folder)
    await store.stop()


async def open_historian(folder: Path, *, sealing_step: Callable[[str], None] = lambda _: None) -> Historian:
    """Open it as the platform does, with small generations."""
    store = Historian(folder / FOLDER, generation_rows=GENERATION_ROWS, sealing_step=sealing_step)
    await store.start()
    return store


def samples_of(seq: int) -> pa.Table:
    """Give the rows of a batch, derived from its seq: 20 to 400, of all types."""
    chance = random.Random(seq)
    rows = []
    for k in range(chance.randint(20, 400)):
        value: float | int | bool | str = (chance.random(), k, k % 2 == 0, f"s{seq}-{k}")[k % 4]
        rows.append((1 + k % TAGS, NOON_NS + seq * 1_000_000 + k, 0, value))
    return rows_of(rows)


def judge(folder: Path, told: Told) -> list[str]:
    """Every committed batch is there once, whole; nothing of others but whole ones; the historian goes on."""
    return asyncio.run(_judge_historian(folder, newest(told, "seq", 0)))


async def _judge_historian(folder: Path, acknowledged: int) -> list[str]:
    try:
        store = await open_historian(folder)
    except (PenstockError, OSError) as error:
        return [f"the historian does not open: {error}"]
    try:
        return await _historian_findings(store, acknowledged)
    finally:
        await store.stop()


async def _historian_findings(store: Historian, acknowledged: int) -> list[str]:
    findings = []
    watermark, above = store.watermark("gtw_a", EPOCH)
    stored = {*range(1, watermark + 1), *above}
    if missing := sorted(set(range(1, acknowledged + 1)) - stored):
        findings.append(f"lost: batches {missing} of {acknowledged} by the watermark")
    expected = {row for seq in stored for row in plain_rows(samples_of(seq))}
    rows = plain_rows(await store.range(list(range(1, TAGS + 1)), *EVER, limit=10_000_000))
    if len(rows) != len(set(rows)):
        findings.append(f"dup: {len(rows) - len(set(rows))} rows")
    if lost := expected - set(rows):
        findings.append(f"lost: {len(lost)} rows, of batches {sorted({_seq(row[1]) for row in lost})}")
    if more := set(rows) - expected:
        findings.append(f"phantom: {len(more)} rows, of batches {sorted({_seq(row[1]) for row in more})}")
    again = max(stored, default=0)
    answer = await store.append(
        [batch_of(samples_of(seq), seq=seq) for seq in range(max(again, 1), again + 3)]
    )  # the last one again, as a gateway does
    after = await store.range(list(range(1, TAGS + 1)), *EVER, limit=10_000_000)
    wanted = len(expected) + sum(samples_of(seq).num_rows for seq in range(again + 1, again + 3))
    if after.num_rows != wanted:
        findings.append(f"after going on: {after.num_rows} rows, not {wanted} ({answer.outcomes})")
    return findings


def _seq(time_ns: int) -> int:
    return (time_ns - NOON_NS) // 1_000_000
