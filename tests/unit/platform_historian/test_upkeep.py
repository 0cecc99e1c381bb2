"""Which runs are merged, which are old enough to go."""

from pathlib import Path

import numpy as np
import pytest

from penstock.platform.historian.files.generation import Extent
from penstock.platform.historian.files.run import Run, TagSpans
from penstock.platform.historian.files.upkeep import (
    BUSY_ROWS_S,
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


def test_samples_come_quickly_for_as_long_as_the_newest_run_says() -> None:
    assert busy_until_ns([]) == 0
    assert busy_until_ns([run(1, 1, rows=BUSY_ROWS_S - 1, arrival=9)]) == 0
    assert busy_until_ns([run(1, 1, rows=0), run(2, 2, rows=10 * BUSY_ROWS_S)]) == 10_000_000_000


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
