"""The historian under SIGKILL, a file that may not grow, and a kill in the middle of making a generation."""

import asyncio
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.files.generation import UNBORN_SUFFIX, file_name
from penstock.platform.historian.ledger.entries import Span
from penstock.platform.historian.ports import Verdict
from penstock.platform.historian.service import Historian
from tests.builders.historian import EPOCH, NOON_NS, batch_of, historian_process, rows_of

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
ROWS = 200
GENERATION_ROWS = 4_000  # a rotation and a seal every twenty commits: kills fall into them as well

WRITER = """
import asyncio, sys
from pathlib import Path
from penstock.platform.historian.service import Historian
from tests.builders.historian import EPOCH, NOON_NS, append_until_taken, batch_of

async def main(folder, limit):
    if limit:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    historian = Historian(Path(folder), generation_rows=%d)
    await historian.start()
    seq = historian.watermark("gtw_a", EPOCH).watermark
    while True:
        batches = []
        for _ in range(4):
            seq += 1
            rows = [(1 + k %% 5, NOON_NS + seq * 1000 + k, 0, float(seq)) for k in range(%d)]
            batches.append(append_until_taken(historian, batch_of(rows, seq=seq)))
        await asyncio.gather(*batches)
        print(seq, flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
""" % (GENERATION_ROWS, ROWS)  # noqa: UP031 braces stand in the program


def run_writer(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        historian_process(WRITER, str(folder), "0"), stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    )


def write_and_be_killed(folder: Path, kill: int) -> int:
    """Give the last seq that the writer was told is durable."""
    acknowledged = 0
    with run_writer(folder) as writer:
        assert writer.stdout is not None
        for _ in range(3 + kill * 2):
            line = writer.stdout.readline()
            assert line, "the writer ended by itself"
            acknowledged = int(line)
        time.sleep(0.003 * kill)  # into the middle of a commit, a rotation, a checkpoint
        writer.send_signal(signal.SIGKILL)
        for line in writer.stdout:
            if line.endswith("\n"):
                acknowledged = int(line)
    return acknowledged


@pytest.mark.timeout(240)
async def test_what_was_acknowledged_before_a_kill_is_there_once(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    acknowledged = 0
    for kill in range(6):
        acknowledged = max(acknowledged, write_and_be_killed(folder, kill))
    historian = Historian(folder, generation_rows=GENERATION_ROWS)
    await historian.start()
    try:
        watermark, above = historian.watermark("gtw_a", EPOCH)
        assert watermark >= acknowledged
        assert above == ()
        assert await historian.wait_sealed()
        assert historian.counters()["runs"] > 1
        rows = await historian.range([1, 2, 3, 4, 5], *ALWAYS, limit=10_000_000)
        seen = set(zip(rows["tag"].to_pylist(), rows["time"].to_pylist(), rows["vf"].to_pylist(), strict=True))
        expected = {
            (1 + k % 5, NOON_NS + seq * 1000 + k, float(seq)) for seq in range(1, watermark + 1) for k in range(ROWS)
        }
        assert rows.num_rows == len(seen)
        assert seen == expected
        newest = {latest.tag: latest.value for latest in historian.latest([1, 2, 3, 4, 5])}
        assert newest == dict.fromkeys(range(1, 6), float(watermark))
    finally:
        await historian.stop()


async def test_a_half_made_generation_is_removed_at_the_next_start(tmp_path: Path) -> None:
    folder = tmp_path / "h"
    historian = Historian(folder, generation_rows=1000)
    await historian.start()
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    await historian.stop()
    unborn = folder / (file_name(2) + UNBORN_SUFFIX)
    unborn.write_bytes(b"half of it")
    again = Historian(folder, generation_rows=1000)
    await again.start()
    assert not unborn.exists()
    assert (await again.range([1], *ALWAYS, limit=9)).num_rows == 1
    await again.stop()


async def test_no_room_on_the_disk_is_answered_later_and_then_goes_on(tmp_path: Path) -> None:
    free = 10**6
    historian = Historian(tmp_path / "h", generation_rows=1000, disk_free=lambda _: free)
    await historian.start()
    with pytest.raises(NotNow, match="0 MiB left"):
        await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    assert historian.latest([1]) == []
    free = 10**12
    result = await historian.append([batch_of([(1, NOON_NS, 0, 1.0)])])
    assert result.outcomes[0].verdict is Verdict.COMMITTED
    await historian.stop()


FULL = """
import asyncio, json, resource, sys
from pathlib import Path
from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.service import Historian
from tests.builders.historian import EPOCH, NOON_NS, batch_of

async def main(folder):
    historian = Historian(Path(folder), generation_rows=10**9)
    await historian.start()
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    acknowledged, refused, seq = [], 0, 0
    while refused < 3 and seq < 1000:
        seq += 1
        rows = [(1, NOON_NS + seq * 10_000 + k, 0, seq + k / 7) for k in range(2000)]
        try:
            await historian.append([batch_of(rows, seq=seq)])
            acknowledged.append(seq)
        except NotNow:
            refused += 1
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    again = [each for each in range(1, seq + 1) if each not in acknowledged]
    for each in again:
        rows = [(1, NOON_NS + each * 10_000 + k, 0, each + k / 7) for k in range(2000)]
        await historian.append([batch_of(rows, seq=each)])
    stored = await historian.range([1], -2**62, 2**62, limit=10**7)
    watermark = historian.watermark("gtw_a", EPOCH)[0]
    told = {"refused": refused, "acknowledged": len(acknowledged), "seqs": seq, "watermark": watermark}
    print(json.dumps(told | {"stored": stored.num_rows, "distinct": len(set(stored["time"].to_pylist()))}))
    await historian.stop()

asyncio.run(main(sys.argv[1]))
"""


def test_a_file_that_cannot_grow_is_survived_and_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    run = subprocess.run(
        historian_process(FULL, str(tmp_path / "h")), capture_output=True, text=True, timeout=90, cwd=Path.cwd()
    )
    assert run.returncode == 0, run.stderr[-4000:]
    told = json.loads(run.stdout.splitlines()[-1])
    assert told["refused"] == 3, told
    assert told["acknowledged"] >= 1
    assert told["stored"] == told["distinct"] == told["seqs"] * 2000
    assert told["watermark"] == told["seqs"]


async def test_commits_at_once_and_ledger_add_up(tmp_path: Path) -> None:
    historian = Historian(tmp_path / "h", generation_rows=5_000)
    await historian.start()
    rows = rows_of([(1, NOON_NS + k, 0, float(k)) for k in range(100)])
    writers = [f"gtw_{number}" for number in range(8)]
    await asyncio.gather(
        *(historian.append([batch_of(rows, writer=writer, seq=seq)]) for writer in writers for seq in range(1, 21))
    )
    totals = await historian.ledger.epoch_totals("tnt_a", Span())
    assert (sum(each.stored for each in totals), sum(each.duplicates for each in totals)) == (100, 8 * 20 * 100 - 100)
    await historian.stop()
