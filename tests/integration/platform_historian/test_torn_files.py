"""Files as a power cut leaves them: a log with a hole, a checkpoint cut short; and damage that is neither."""

import shutil
from pathlib import Path

import pytest

from penstock.platform.historian.durable import keep_before
from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.generation import file_name
from penstock.platform.historian.service import Historian
from penstock.platform.historian.torn import FLUSH_PAYLOAD
from tests.builders.historian import EPOCH, NOON_NS, batch_of

pytestmark = pytest.mark.integration
ALWAYS = (-(2**62), 2**62)
COMMITS, ROWS = 6, 400


async def written_and_copied(tmp_path: Path) -> Path:
    """Give a copy of the historian's folder taken while it was open, after `COMMITS` commits."""
    historian = Historian(tmp_path / "h", generation_rows=10**6)
    await historian.start()
    for seq in range(1, COMMITS + 1):
        rows = [(1, NOON_NS + seq * 1000 + k, 0, seq + k / 7) for k in range(ROWS)]
        await historian.append([batch_of(rows, seq=seq)])
    shutil.copytree(tmp_path / "h", tmp_path / "cut")
    await historian.stop()
    return tmp_path / "cut"


async def opened(folder: Path) -> tuple[int, int]:
    """Give the watermark and the number of rows after a start."""
    historian = Historian(folder, generation_rows=10**6)
    await historian.start()
    rows = await historian.range([1], *ALWAYS, limit=10**6)
    watermark = historian.watermark("gtw_a", EPOCH).watermark
    await historian.stop()
    return watermark, rows.num_rows


def ends_of_commits(log: Path) -> list[int]:
    octets, ends, at = log.read_bytes(), [], 0
    while (at := octets.find(FLUSH_PAYLOAD, at)) >= 0:
        at += len(FLUSH_PAYLOAD)
        ends.append(at)
    return ends


def zero(path: Path, start: int, end: int) -> None:
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(end - start))


async def test_a_hole_in_the_last_commit_costs_that_commit_only(tmp_path: Path) -> None:
    folder = await written_and_copied(tmp_path)
    log = folder / (file_name(1) + ".wal")
    ends = ends_of_commits(log)
    assert len(ends) == COMMITS
    size = log.stat().st_size
    zero(log, ends[-2] + 1024, ends[-2] + 1536)
    assert await opened(folder) == (COMMITS - 1, (COMMITS - 1) * ROWS)
    kept = log.with_name(log.name + ".torn")
    assert kept.stat().st_size == size - ends[-2]
    assert await opened(folder) == (COMMITS - 1, (COMMITS - 1) * ROWS)


async def test_a_hole_in_an_earlier_commit_is_told_and_nothing_is_cut(tmp_path: Path) -> None:
    folder = await written_and_copied(tmp_path)
    log = folder / (file_name(1) + ".wal")
    ends = ends_of_commits(log)
    zero(log, ends[2] + 1024, ends[2] + 1536)
    before = log.read_bytes()
    with pytest.raises(HistorianDamaged, match="Restore this file"):
        await opened(folder)
    assert log.read_bytes() == before


async def test_a_file_torn_by_a_checkpoint_is_taken_back_to_before_it(tmp_path: Path) -> None:
    folder = await written_and_copied(tmp_path)
    path = folder / file_name(1)
    keep_before(path)
    zero(path, 12_288 + 100_000, 12_288 + 100_512)
    with path.open("r+b") as file:
        file.seek(12_288)
        file.write(b"torn")
    assert await opened(folder) == (COMMITS, COMMITS * ROWS)
    assert not list(folder.glob("*.before*"))


async def test_a_copy_that_outlived_its_checkpoint_is_removed(tmp_path: Path) -> None:
    folder = await written_and_copied(tmp_path)
    path = folder / file_name(1)
    shutil.copyfile(path, tmp_path / "old")
    assert await opened(folder) == (COMMITS, COMMITS * ROWS)  # its stop folds the log into the file
    assert not path.with_name(path.name + ".wal").exists()
    shutil.copyfile(tmp_path / "old", path.with_name(path.name + ".before"))
    assert await opened(folder) == (COMMITS, COMMITS * ROWS)
    assert not list(folder.glob("*.before*"))
