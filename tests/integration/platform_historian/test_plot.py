"""Plots out of a real historian: of many samples the database finds the extremes, over several generations."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from penstock.platform.historian.ports import ROWS
from penstock.platform.historian.reading import reader
from penstock.platform.historian.service import Historian
from tests.builders.historian import NOON_NS, SECOND_NS, batch_of

pytestmark = pytest.mark.integration
COUNT = 260_000
BAD = 0x8031_0000


def rows(first: int, values: np.ndarray, status: np.ndarray) -> pa.Table:
    count = len(values)
    nothing = {name: pa.nulls(count, ROWS.field(name).type) for name in ("vi", "vb", "vs")}
    times = NOON_NS + (first + np.arange(count, dtype=np.int64)) * SECOND_NS
    plain = {"tag": np.full(count, 1, np.int64), "time": times, "status": status, "vf": values}
    return pa.table(plain | nothing, schema=ROWS)


@pytest.fixture
async def historian(tmp_path: Path) -> AsyncIterator[Historian]:
    historian = Historian(tmp_path / "h", generation_rows=100_000, now_ns=lambda: NOON_NS)
    await historian.start()
    yield historian
    await historian.stop()


@pytest.fixture
def values() -> np.ndarray:
    found = np.random.default_rng(5).normal(0, 1, COUNT).cumsum()
    found[150_000] = 5_000.0
    return found


async def test_of_many_samples_extremes_and_gaps_stay(historian: Historian, values: np.ndarray) -> None:
    assert COUNT > reader.PLOT_ROWS_MAX
    status = np.zeros(COUNT, np.uint32)
    status[100_000:101_000] = BAD
    for seq, first in enumerate(range(0, COUNT, 20_000), 1):
        part = slice(first, first + 20_000)
        await historian.append([batch_of(rows(first, values[part], status[part]), seq=seq)])
    plot = await historian.plot(1, NOON_NS, NOON_NS + COUNT * SECOND_NS, points=1000)
    assert plot.samples == COUNT
    assert 700 <= len(plot.series.time) <= 1000
    assert (np.diff(plot.series.time) > 0).all()
    places = (plot.series.time - NOON_NS) // SECOND_NS
    assert plot.series.value[plot.drawn].tolist() == values[places[plot.drawn]].tolist()
    assert 150_000 in places
    good = np.delete(values, np.arange(100_000, 101_000))
    assert (plot.series.value[plot.drawn].max(), plot.series.value[plot.drawn].min()) == (good.max(), good.min())
    gaps = places[~plot.drawn]
    assert len(gaps) >= 1
    assert ((gaps >= 100_000) & (gaps < 101_000)).all()
    drawn = places[plot.drawn]
    assert not ((drawn >= 100_000) & (drawn < 101_000)).any()


async def test_a_part_is_read_finer_with_the_samples_next_to_it(historian: Historian, values: np.ndarray) -> None:
    await historian.append([batch_of(rows(0, values[:20_000], np.zeros(20_000, np.uint32)))])
    start = NOON_NS + 100 * SECOND_NS
    plot = await historian.plot(1, start, start + 50 * SECOND_NS, points=1000)
    assert plot.samples == 50
    assert ((plot.series.time - start) // SECOND_NS).tolist() == list(range(-1, 51))
    nothing = await historian.plot(2, start, start + SECOND_NS, points=1000)
    assert (nothing.samples, len(nothing.series.time)) == (0, 0)


async def test_a_sample_long_before_does_not_coarsen_the_picture(
    historian: Historian, values: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "PLOT_ROWS_MAX", 10_000)
    old = rows(-100_000_000, np.array([7.0]), np.zeros(1, np.uint32))
    await historian.append([batch_of(old, seq=1)])
    await historian.append([batch_of(rows(0, values[:20_000], np.zeros(20_000, np.uint32)), seq=2)])
    plot = await historian.plot(1, NOON_NS, NOON_NS + 20_000 * SECOND_NS, points=400)
    assert plot.samples == 20_000
    assert len(plot.series.time) >= 300
    assert plot.series.value[0] == 7.0


async def test_where_nothing_is_stored_nothing_is_drawn(historian: Historian, values: np.ndarray) -> None:
    plot = await historian.plot(1, NOON_NS, NOON_NS + SECOND_NS, points=1000)
    assert (plot.samples, len(plot.series.time)) == (0, 0)
    await historian.append([batch_of(rows(0, values[:10], np.zeros(10, np.uint32)))])
    before = await historian.plot(1, NOON_NS - 9 * SECOND_NS, NOON_NS - 5 * SECOND_NS, points=1000)
    assert (before.samples, len(before.series.time)) == (0, 1), "the sample after the span leads the line out"
