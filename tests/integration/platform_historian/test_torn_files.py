"""Files as a power cut leaves them: a log with a hole, a checkpoint cut short; and damage that is neither."""

import math
import shutil
import struct
from pathlib import Path

import pytest

from penstock.platform.historian.errors import HistorianDamaged
from penstock.platform.historian.files.durable import keep_before
from penstock.platform.historian.files.generation import file_name
from penstock.platform.historian.files.torn import FLUSH_PAYLOAD
from penstock.platform.historian.service import Historian
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


def spoil(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * 64)


@pytest.mark.parametrize("sector", range(8))
async def test_a_sector_of_the_last_commit_that_is_not_there_is_seen(tmp_path: Path, sector: int) -> None:
    """Equal words cancel one another in DuckDB's checksum: of constant columns it does not see a hole."""
    folder = await written_and_copied(tmp_path)
    log = folder / (file_name(1) + ".wal")
    start = ends_of_commits(log)[-2] + 1024 + sector * 2560
    zero(log, start, start + 512)
    watermark, rows = await opened(folder)
    assert rows == watermark * ROWS
    assert watermark >= COMMITS - 1


async def test_a_whole_commit_of_any_values_is_kept(tmp_path: Path) -> None:
    nans = struct.unpack("<3d", bytes.fromhex("010000000000f87f 000000000000f8ff 0000000000000080"))
    values = [*nans, math.inf, -math.inf, 2**62, -1, True, False, "", "\u00e4\u0000" * 300, 5e-324, None]
    historian = Historian(tmp_path / "h", generation_rows=10**6)
    await historian.start()
    rows = [(1 + k, NOON_NS - k, 0x80000000, value) for k, value in enumerate(values)]
    await historian.append([batch_of(rows, seq=1), batch_of([(40, NOON_NS, 0, 1.0)], seq=2), batch_of([], seq=3)])
    shutil.copytree(tmp_path / "h", tmp_path / "cut")
    await historian.stop()
    again = Historian(tmp_path / "cut", generation_rows=10**6)
    await again.start()
    assert again.watermark("gtw_a", EPOCH).watermark == 3
    assert not list((tmp_path / "cut").glob("*.torn"))
    await again.stop()


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
    spoil(log, ends[2] + 1024)
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
