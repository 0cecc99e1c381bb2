"""Aggregates over summaries of some periods and samples of the rest are those over all samples."""

import itertools
import math
import random

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from penstock.core.aggregate import AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.files.summary import SUMMARY, summaries, summary_of
from penstock.platform.historian.period import PERIOD_NS
from penstock.platform.historian.processed.aggregates import Summary, summarise, summed_up
from penstock.platform.historian.processed.blocks import BY_PARTS, BY_PURE_PARTS, Blocks, block_scene_of, needs_pure
from penstock.platform.historian.processed.series import Series, one_lane

S = 1_000_000_000
STATUS = st.sampled_from([0, 0, 0, 0, 0x0096_0000, 0x4000_0000, 0x4094_0000, 0x8031_0000, 0x809B_0000])
VALUE = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-1e6, 1e6))
SAMPLE = st.tuples(st.integers(-600, 6000), STATUS, VALUE)
SAMPLES = st.one_of(st.lists(SAMPLE, max_size=20), st.lists(SAMPLE, min_size=25, max_size=60))
CALM = st.lists(st.tuples(st.integers(-600, 6000), st.just(0), st.integers(-5, 5).map(float)), max_size=60)
SETTINGS = st.builds(
    AggregateSettings,
    stepped=st.booleans(),
    treat_uncertain_as_bad=st.booleans(),
    percent_data_good=st.sampled_from([50.0, 100.0]),
    percent_data_bad=st.sampled_from([50.0, 100.0]),
    covered_until_ns=st.one_of(st.none(), st.integers(-700, 9000).map(lambda second: second * S)),
)
CUTS = [[0, 6], [0, 3, 6], [0, 1, 2, 3, 4, 5, 6], [1, 5], [2, 4, 6], [0, 2]]
"""Ends of windows, in periods."""
WANTED = sorted(BY_PARTS | BY_PURE_PARTS)


def series_of(samples: list[tuple[int, int, float | None]]) -> Series:
    ordered = sorted(samples, key=lambda sample: sample[0])
    values = [math.nan if value is None else value for _, _, value in ordered]
    times = np.array([second * S for second, _, _ in ordered], np.int64)
    return Series(times, np.array([status for _, status, _ in ordered], np.uint32), np.array(values, np.float64))


def table_of(series: Series) -> pa.Table:
    tag = np.ones(len(series.time), np.int64)
    return pa.table({"tag": tag, "time": series.time, "status": series.status, "value": series.value})


def part(series: Series, marked: np.ndarray) -> Series:
    return Series(series.time[marked], series.status[marked], series.value[marked])


def blocks_of(table: pa.Table) -> Blocks:
    columns = {name: table[name].to_numpy() for name in table.column_names}
    return Blocks(
        columns
        | {"severity": columns["severity"].astype(np.int64), "block": columns["start"], "lane": columns["tag"] - 1}
    )


def split(series: Series, chosen: set[int], *, pure: bool) -> tuple[Series, Blocks]:
    """Sum up the chosen periods as far as they can stand for their samples; leave the rest as they are."""
    period = series.time // PERIOD_NS
    wanted = np.isin(period, list(chosen))
    if not wanted.any():
        return series, blocks_of(SUMMARY.empty_table())
    told = summary_of(table_of(part(series, wanted)))
    impure = told.filter(pa.compute.not_equal(told["severity"], 0))["start"].to_numpy() if pure else np.zeros(0)
    odd = told.filter(told["odd"])["start"].to_numpy()
    kept = ~np.isin(told["start"].to_numpy(), np.concatenate([impure, odd]))
    told = told.filter(pa.array(kept))
    return part(series, ~np.isin(period, told["start"].to_numpy() // PERIOD_NS)), blocks_of(told)


def assert_alike(found: Summary, expected: Summary) -> None:
    assert found.status.tolist() == expected.status.tolist()
    for name, column in expected.columns.items():
        one = found.columns[name]
        assert one.status.tolist() == column.status.tolist(), name
        assert one.time.tolist() == column.time.tolist(), name
        assert one.present.tolist() == column.present.tolist(), name
        assert np.allclose(one.value[one.present], column.value[column.present], rtol=1e-9, atol=1e-6), name


@tuned(deadline=None, max_examples=60)
@given(
    samples=st.one_of(SAMPLES, CALM),
    cuts=st.sampled_from(CUTS),
    left=st.integers(0, 127).map(lambda bits: {period for period in range(7) if bits >> period & 1}),
    settings=SETTINGS,
)
def test_blocks_and_samples_answer_as_samples_alone(
    samples: list[tuple[int, int, float | None]], cuts: list[int], left: set[int], settings: AggregateSettings
) -> None:
    judge(series_of(samples), cuts, left, settings)


def judge(series: Series, cuts: list[int], left: set[int], settings: AggregateSettings) -> int:
    """Compare; give how many rows of summaries stood for samples."""
    over = [Window(a * PERIOD_NS, b * PERIOD_NS, a % 2 == 0) for a, b in itertools.pairwise(cuts)]
    inside, used = set(range(cuts[0], cuts[-1])) - left, 0
    for wanted in ([name for name in WANTED if name in BY_PARTS], WANTED):
        rest, blocks = split(series, inside, pure=needs_pure(wanted, settings))
        found = summed_up(block_scene_of(one_lane(rest), blocks, over, settings), wanted)
        assert_alike(found, summarise(series, over, wanted, settings))
        used += len(blocks)
    return used


def test_usual_series_answer_as_samples_alone() -> None:
    rng, used = random.Random(12), 0
    for _ in range(150):
        doubt, lack = rng.choice((0.0, 0.02, 0.3)), rng.choice((0.0, 0.02))
        samples: list[tuple[int, int, float | None]] = [
            (
                rng.randrange(-600, 6000),
                rng.choice((0x4000_0000, 0x8031_0000)) if rng.random() < doubt else 0,
                None if rng.random() < lack else float(rng.randrange(-9, 9)),
            )
            for _ in range(rng.randrange(10, 80))
        ]
        settings = AggregateSettings(
            stepped=rng.random() < 0.7,
            treat_uncertain_as_bad=rng.random() < 0.5,
            percent_data_good=rng.choice((50.0, 100.0)),
            percent_data_bad=rng.choice((50.0, 100.0)),
            covered_until_ns=rng.choice((None, 3000 * S, 9000 * S)),
        )
        left = {period for period in range(7) if rng.random() < 0.2}
        used += judge(series_of(samples), rng.choice(CUTS), left, settings)
    assert used > 800


@tuned(deadline=None, max_examples=60)
@given(samples=SAMPLES, sizes=st.lists(st.integers(1, 20), min_size=1, max_size=20))
def test_parts_of_any_size_are_summed_up_alike(samples: list[tuple[int, int, float | None]], sizes: list[int]) -> None:
    rows = table_of(series_of([*samples, (0, 0, 1.0)]))
    parts, at = [], 0
    for size in sizes:
        parts.append(rows.slice(at, size))
        at += size
    parts.append(rows.slice(at))
    assert pa.concat_tables(list(summaries(parts))).equals(summary_of(rows))
