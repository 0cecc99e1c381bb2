"""Which runs are merged, which are old enough to go."""

from pathlib import Path

import numpy as np
import pytest

from penstock.platform.historian.files.generation import Extent
from penstock.platform.historian.files.run import Run, TagSpans
from penstock.platform.historian.files.upkeep import (
    BUSY_ROWS,
    BUSY_RUNS_MAX,
    KEPT_AFTER_ARRIVAL_NS,
    busy_until_ns,
    expired,
    mergeable,
)

NOTHING = np.zeros(0, np.int64)
DAY = 24 * 3600 * 1_000_000_000


def run(first: int, last: int, *, rows: int = 100, newest: int = 0, arrival: int = 0) -> Run:
    extent = Extent(rows, 0, newest, 1, 1, 0, arrival)
    return Run(first, last, extent, (), TagSpans(NOTHING, NOTHING, NOTHING, NOTHING), {}, 0, Path())


def test_four_small_neighbours_are_merged_and_three_are_not() -> None:
    runs = [run(number, number) for number in range(1, 5)]
    assert mergeable(runs, 100) == runs
    assert mergeable(runs[:3], 100) == ()


def test_merged_runs_are_merged_twice_more_and_then_left() -> None:
    for length in (4, 16):
        merged = [run(k, k + length - 1, rows=100 * length) for k in range(1, 4 * length, length)]
        assert mergeable(merged, 100) == merged
    thrice = [run(k, k + 63, rows=6400) for k in range(1, 256, 64)]
    assert mergeable(thrice, 100) == ()


def test_small_runs_come_before_merged_ones() -> None:
    runs = [*(run(k, k + 3, rows=400) for k in range(1, 17, 4)), *(run(k, k) for k in range(17, 21))]
    assert mergeable(runs, 100) == runs[4:]


def test_a_merged_run_is_not_written_again_for_the_small_ones_behind_it() -> None:
    runs = [run(1, 4, rows=412), *(run(k, k, rows=103) for k in range(5, 8))]
    assert mergeable(runs, 100) == ()
    busy = [run(1, 6, rows=618), *(run(k, k, rows=103) for k in range(7, 12))]
    assert mergeable(busy, 100, busy=True) == ()


@pytest.mark.parametrize(("busy", "written", "left"), [(False, 3 * 256, 4), (True, 252, 46)])
def test_each_row_is_written_again_once_a_level(*, busy: bool, written: int, left: int) -> None:
    runs: list[Run] = []
    rewritten = 0
    for number in range(1, 257):
        runs.append(run(number, number, rows=103))  # files are full with a little more than they are to hold
        while chosen := mergeable(runs, 100, busy=busy):
            whole = run(chosen[0].first, chosen[-1].last, rows=sum(each.extent.rows for each in chosen))
            rewritten += whole.extent.rows
            at = runs.index(chosen[0])
            runs[at : at + len(chosen)] = [whole]
    assert (rewritten, len(runs)) == (written * 103, left)


def test_runs_are_not_merged_over_a_generation_that_is_missing() -> None:
    runs = [run(1, 1), run(2, 2), run(4, 4), run(5, 5), run(6, 6)]
    assert mergeable(runs, 100) == ()
    runs.append(run(7, 7))
    assert mergeable(runs, 100) == runs[2:]


def test_while_samples_come_quickly_merges_wait_for_six_and_large_ones_for_later() -> None:
    runs = [run(number, number) for number in range(1, 7)]
    assert mergeable(runs[:5], 100, busy=True) == ()
    assert mergeable(runs, 100, busy=True) == runs
    merged = [run(k, k + 5, rows=600) for k in range(1, 37, 6)]
    assert mergeable(merged, 100, busy=True) == ()
    assert mergeable(merged, 100) == merged[:4]


def test_samples_come_quickly_for_as_long_as_the_newest_ones_say() -> None:
    second = 1_000_000_000
    assert busy_until_ns([]) == 0
    assert busy_until_ns([run(1, 1, rows=BUSY_ROWS - 1)]) == 0
    newest = [run(1, 1, rows=10 * BUSY_ROWS), run(2, 2, rows=BUSY_ROWS, arrival=7 * second), run(3, 3, rows=0)]
    newest[1].extent.arrival_min = 5 * second
    assert busy_until_ns(newest) == 5 * second + 4 * second


def test_above_so_many_runs_large_ones_are_merged_however_busy_it_is() -> None:
    merged = [run(k, k + 5, rows=600) for k in range(1, 6 * (BUSY_RUNS_MAX + 1), 6)]
    assert mergeable(merged[:BUSY_RUNS_MAX], 100, busy=True) == ()
    assert mergeable(merged, 100, busy=True) == merged[:6]


def test_a_small_run_between_larger_ones_goes_with_them() -> None:
    shrunk = [run(1, 4, rows=400), run(5, 8, rows=10), run(9, 12, rows=400), run(13, 16, rows=400)]
    assert mergeable(shrunk, 100) == shrunk
    behind = [run(1, 4, rows=400), run(5, 8, rows=400), run(9, 12, rows=400), run(13, 13, rows=10)]
    assert mergeable(behind, 100) == ()


@pytest.mark.parametrize("rows", [(100, 300), (90, 1000), (100, 120, 900), (500,)])
def test_runs_stay_few_and_rows_are_seldom_written_whatever_the_sizes(rows: tuple[int, ...]) -> None:
    runs: list[Run] = []
    rewritten = total = 0
    for number in range(1, 1025):
        runs.append(run(number, number, rows=rows[number % len(rows)]))
        total += runs[-1].extent.rows
        while chosen := mergeable(runs, 100):
            whole = run(chosen[0].first, chosen[-1].last, rows=sum(each.extent.rows for each in chosen))
            rewritten += whole.extent.rows
            at = runs.index(chosen[0])
            runs[at : at + len(chosen)] = [whole]
    assert len(runs) <= 160
    assert rewritten / total <= 3.5


@pytest.mark.parametrize(
    ("newest", "arrival", "gone"),
    [
        (69, 69, True),
        (71, 71, False),
        (500, 69, True),  # a clock that ran ahead does not keep a run for ever
        (10, 95, False),  # imported this week: its repeats are still known
        (10, 92, True),
    ],
)
def test_a_run_goes_when_all_of_it_is_older(newest: int, arrival: int, gone: bool) -> None:
    runs = [run(1, 1, newest=newest * DAY, arrival=arrival * DAY)]
    assert expired(runs, 100 * DAY, 30 * DAY) == (runs if gone else [])
    assert KEPT_AFTER_ARRIVAL_NS == 7 * DAY
