"""The historian on a disk that becomes read-only under it, and writable again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.platform.historian.errors import NotNow
from penstock.platform.historian.ports import Verdict
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, batch_of
from tests.faults.switchable import Disk, switchable_disk

pytestmark = [pytest.mark.integration, pytest.mark.full]
ALWAYS = (-(2**62), 2**62)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with switchable_disk(tmp_path / "disk") as mounted:
        if mounted is None:
            pytest.skip("no FUSE can be mounted here")
        yield mounted


async def test_a_readonly_disk_is_named_questions_are_answered_and_commits_go_on(tmp_path: Path, disk: Disk) -> None:
    historian = Historian(tmp_path / "disk" / "h", generation_rows=1000)
    await historian.start()
    try:
        await historian.append([batch_of([(1, NOON_NS, 0, 1.0)], seq=1)])
        disk.make_readonly()
        with pytest.raises(NotNow, match=r"disk could not be written \(Read-only file system\)"):
            await historian.append([batch_of([(1, NOON_NS + 1, 0, 2.0)], seq=2)])
        with pytest.raises(NotNow, match="disk is read-only"):
            await historian.append([batch_of([(1, NOON_NS + 1, 0, 2.0)], seq=2)])
        assert (await historian.range([1], *ALWAYS, limit=9))["vf"].to_pylist() == [1.0], "reading goes on"
        assert [each.value for each in historian.latest([1])] == [1.0]
        disk.make_writable()
        result = await historian.append([batch_of([(1, NOON_NS + 1, 0, 2.0)], seq=2)])
        assert result.outcomes[0].verdict is Verdict.COMMITTED
        assert (await historian.range([1], *ALWAYS, limit=9))["vf"].to_pylist() == [1.0, 2.0]
    finally:
        await historian.stop()


async def test_a_disk_that_is_readonly_at_the_end_loses_nothing(tmp_path: Path, disk: Disk) -> None:
    historian = Historian(tmp_path / "disk" / "h", generation_rows=1000)
    await historian.start()
    await historian.append([batch_of([(1, NOON_NS, 0, 1.0)], seq=1)])
    disk.make_readonly()
    await historian.stop()
    disk.make_writable()
    again = Historian(tmp_path / "disk" / "h", generation_rows=1000)
    await again.start()
    assert (await again.range([1], *ALWAYS, limit=9))["vf"].to_pylist() == [1.0]
    await again.stop()
