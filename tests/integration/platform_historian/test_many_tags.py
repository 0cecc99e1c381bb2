"""Aggregates of many tags in one pass are those of each tag asked alone."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import windows
from penstock.platform.historian import service
from penstock.platform.historian.errors import TooManyRows
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, Sample, batch_of

pytestmark = pytest.mark.integration
TAGS = range(1, 31)
BAD = 0x8031_0000
OVER = windows(NOON_NS + 600 * SECOND_NS, NOON_NS + 1800 * SECOND_NS, "7m")
PLAIN = AggregateSettings(stepped=False, covered_until_ns=NOON_NS + 3600 * SECOND_NS)


@pytest.fixture
async def historian(tmp_path: Path) -> AsyncIterator[Historian]:
    """A historian of several generations: some tags with samples before, within, after, some with none or Bad ones."""
    historian = Historian(tmp_path / "h", generation_rows=400, now_ns=lambda: NOON_NS)
    await historian.start()
    rng = np.random.default_rng(17)
    for seq in range(1, 13):
        rows: list[Sample] = []
        for tag in TAGS[:-1]:
            for second in rng.choice(2400, rng.integers(0, 8), replace=False).tolist():
                if tag % 5 == 0 and 600 <= second < 1800:
                    continue
                status = BAD if tag % 3 == 0 and rng.random() < 0.7 else 0
                rows.append((tag, NOON_NS + second * SECOND_NS, status, float(rng.integers(0, 50))))
        await historian.append([batch_of(rows, seq=seq)])
    yield historian
    await historian.stop()


async def test_each_tag_gets_what_it_would_get_alone(historian: Historian) -> None:
    settings = {
        tag: replace(PLAIN, treat_uncertain_as_bad=tag % 2 == 0, stepped=tag % 7 < 2, textual=tag % 7 == 0)
        for tag in TAGS
    }
    together = await historian.aggregate_many(settings, OVER, list(Aggregate))
    assert list(together) == list(TAGS)
    some = 0
    for tag in TAGS:
        alone = await historian.aggregate(tag, OVER, list(Aggregate), settings=settings[tag])
        assert together[tag].status.tolist() == alone.status.tolist()
        for name, column in alone.columns.items():
            found = together[tag].columns[name]
            assert found.status.tolist() == column.status.tolist(), (tag, name)
            assert found.time.tolist() == column.time.tolist(), (tag, name)
            assert found.value[found.present].tolist() == column.value[column.present].tolist(), (tag, name)
            some += int(column.present.sum())
    assert some > 2000


async def test_too_many_together_are_read_one_by_one(historian: Historian, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = dict.fromkeys(TAGS, PLAIN)
    whole = await historian.aggregate_many(settings, OVER, [Aggregate.COUNT])
    counts = {tag: int(np.nansum(whole[tag].columns[Aggregate.COUNT].value)) for tag in TAGS}
    assert sum(counts.values()) > 150
    monkeypatch.setattr(service, "SCAN_ROWS_MAX", 150)
    parts = await historian.aggregate_many(settings, OVER, [Aggregate.COUNT])
    assert {tag: int(np.nansum(parts[tag].columns[Aggregate.COUNT].value)) for tag in TAGS} == counts
    monkeypatch.setattr(service, "SCAN_ROWS_MAX", 5)
    with pytest.raises(TooManyRows, match="more than 5 rows"):
        await historian.aggregate_many(settings, OVER, [Aggregate.COUNT])
