"""Thinning for a picture keeps peaks and gaps, and draws only what is a sample."""

import numpy as np
import pytest

from penstock.platform.historian.processed.plot import thin
from penstock.platform.historian.processed.series import Series

BAD = 0x8031_0000


def series(values: list[float], bad: set[int] | None = None) -> Series:
    status = np.array([BAD if place in (bad or set()) else 0 for place in range(len(values))], np.uint32)
    return Series(np.arange(len(values), dtype=np.int64) * 1_000_000_000, status, np.array(values))


def walk(count: int) -> list[float]:
    found: list[float] = np.random.default_rng(3).normal(0, 1, count).cumsum().tolist()
    return found


def test_few_samples_are_drawn_all() -> None:
    all_of_them = series(walk(100))
    plot = thin(all_of_them, 100)
    assert plot.series.time.tolist() == all_of_them.time.tolist()
    assert plot.samples == 100
    assert plot.drawn.all()


@pytest.mark.parametrize("picked", [False, True])
def test_many_are_thinned_to_samples_in_order_and_the_ends_stay(picked: bool) -> None:
    whole = series(walk(50_000))
    plot = thin(whole, 500, picked=picked)
    assert 400 <= len(plot.series.time) <= 500
    assert (np.diff(plot.series.time) > 0).all()
    assert np.isin(plot.series.time, whole.time).all()
    places = np.searchsorted(whole.time, plot.series.time)
    assert plot.series.value.tolist() == whole.value[places].tolist()
    assert (plot.series.time[0], plot.series.time[-1]) == (whole.time[0], whole.time[-1])
    assert plot.samples == 50_000


def test_a_single_peak_stays() -> None:
    values = [0.0] * 40_000
    values[12_345], values[23_456] = 9.0, -9.0
    plot = thin(series(values), 200)
    assert (plot.series.value.max(), plot.series.value.min()) == (9.0, -9.0)


def test_each_gap_is_one_point_without_a_value_to_draw() -> None:
    values = walk(10_000)
    values[7000] = float("nan")
    plot = thin(series(values, bad={*range(2000, 2500), 4000}), 400)
    gaps = plot.series.time[~plot.drawn] // 1_000_000_000
    assert gaps.tolist() == [2000, 4000, 7000]
    assert not np.isin(plot.series.time[plot.drawn] // 1_000_000_000, np.arange(2000, 2500)).any()


def test_gaps_take_a_part_of_the_points_at_most() -> None:
    plot = thin(series(walk(10_000), bad=set(range(0, 10_000, 2))), 400)
    assert int((~plot.drawn).sum()) == 100
    assert len(plot.series.time) <= 400


def test_nothing_and_only_gaps_can_be_drawn() -> None:
    assert len(thin(series([]), 100).series.time) == 0
    assert thin(series([1.0, 2.0], bad={0, 1}), 100).drawn.tolist() == [False]
