"""Many tags computed in one scene have each what it has alone: nothing comes over from the lane beside."""

import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
from hypothesis import example, given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from penstock.core import status as codes
from penstock.core.aggregate import Aggregate, AggregateSettings, Point
from penstock.core.windows import Window
from penstock.platform.historian.period import PERIOD_NS
from penstock.platform.historian.processed.aggregates import Summary, summarise, summed_up, wants_more
from penstock.platform.historian.processed.blocks import BY_PARTS, BY_PURE_PARTS, Blocks, block_scene_of, needs_pure
from penstock.platform.historian.processed.scene import scene_of
from penstock.platform.historian.processed.series import Lanes, Series, chained
from penstock.platform.historian.processed.stage import together
from penstock.platform.historian.reading.many import split
from tests.builders.part13 import series_of
from tests.property.platform_historian import test_aggregates_properties as one_tag
from tests.property.platform_historian import test_blocks_properties as of_blocks

GOOD_OR_NOT = st.sampled_from([0, 0, 0, 0x4000_0000, 0x8031_0000, 0x809B_0000])
FAR = 10**15


def points(
    low: int,
    high: int,
    status: st.SearchStrategy[int] = one_tag.STATUS,
    value: st.SearchStrategy[float | None] = one_tag.VALUE,
) -> st.SearchStrategy[list[Point]]:
    """Make up to eight points between two times, with some times equal."""
    found = st.lists(st.builds(Point, st.integers(low, high), status, value), max_size=8)
    return found.map(lambda some: sorted(some, key=lambda point: point.time_ns))


CALM = points(-15, 75, st.just(0), st.integers(-9, 9).map(float))
LANE = st.one_of(
    points(-15, 75),
    CALM,
    points(-15, -1),
    points(61, 75),
    points(-15, 75, st.sampled_from([0x8000_0000, 0x809B_0000])),
    points(-FAR, FAR),
    st.just([]),
)
LANES = st.one_of(st.lists(LANE, min_size=1, max_size=5), st.lists(CALM.filter(len), min_size=2, max_size=3))


def lanes_of(parts: list[Series]) -> Lanes:
    begins = np.cumsum([0, *(len(part.time) for part in parts)])
    return Lanes(chained(*parts), begins.astype(np.int64))


def assert_same(found: Summary, alone: Summary) -> None:
    assert found.status.tolist() == alone.status.tolist()
    assert list(found.columns) == list(alone.columns)
    for name, column in alone.columns.items():
        one = found.columns[name]
        for part in ("status", "time", "present"):
            assert getattr(one, part).tolist() == getattr(column, part).tolist(), (name, part)
        assert one.value[one.present].tolist() == column.value[column.present].tolist(), name


def reads_on(points: list[Point], over: list[Window], settings: AggregateSettings) -> bool:
    """Say plainly whether a tag's samples next to the windows are Bad."""
    there = list(itertools.dropwhile(lambda point: point.status == codes.BAD_NO_DATA, points))
    held = {point.time_ns: point for point in there}
    if there and settings.covered_until_ns is not None and settings.covered_until_ns > there[-1].time_ns:
        held[settings.covered_until_ns] = there[-1]

    def usable(point: Point) -> bool:
        severity = 2 if point.value is None and not settings.textual else min(point.status >> 30, 2)
        return severity <= (0 if settings.treat_uncertain_as_bad else 1)

    before = [point for time, point in held.items() if time <= over[0].start_ns]
    after = [point for time, point in held.items() if time >= over[-1].end_ns]
    too_few = settings.use_sloped_extrapolation and len(before) == 1
    return bool(before and (too_few or not usable(before[-1]))) or bool(after and not usable(after[0]))


SLOPED = AggregateSettings(stepped=False)
ONE_IS_HELD = [[Point(0, 0, 1.0), Point(10, 0, 2.0)], [Point(0, 0, 1.0), Point(30, 0, 2.0)]]
ONE_ENDS_BAD = [[Point(0, 0, 1.0), Point(10, codes.BAD, 1.0)], [Point(0, 0, 1.0)]]
ONE_BEGINS_WITHOUT_DATA: list[list[tuple[int, int, float | None]]] = [
    [(10, codes.BAD_NO_DATA, None), (20, 0, 1.0)],
    [(10, 0, 1.0), (20, 0, 2.0)],
]


@tuned(deadline=None, max_examples=300)
@given(lanes=LANES, over=one_tag.WINDOWS, settings=one_tag.SETTINGS)
@example(lanes=ONE_IS_HELD, over=[Window(0, 40)], settings=replace(SLOPED, covered_until_ns=20))
@example(lanes=ONE_ENDS_BAD, over=[Window(0, 40)], settings=SLOPED)
def test_each_lane_has_what_it_has_alone(
    lanes: list[list[Point]], over: list[Window], settings: AggregateSettings
) -> None:
    parts = [series_of(each) for each in lanes]
    scene = scene_of(lanes_of(parts), over, settings)
    found = summed_up(scene, list(Aggregate)).parts(len(parts))
    for part, one in zip(parts, found, strict=True):
        assert_same(one, summarise(part, over, list(Aggregate), settings))
    assert wants_more(scene, list(Aggregate)).tolist() == [reads_on(each, over, settings) for each in lanes]


@tuned(deadline=None, max_examples=100)
@given(
    lanes=LANES,
    earlier=st.lists(st.sampled_from([0, 0, 2**55, 2**61, 2**62]), min_size=5, max_size=5),
    kinds=st.lists(st.sampled_from(["number", "bool", "text"]), min_size=5, max_size=5),
    over=one_tag.WINDOWS,
    settings=one_tag.SETTINGS,
)
def test_lanes_that_one_scene_cannot_hold_are_parted(
    lanes: list[list[Point]], earlier: list[int], kinds: list[str], over: list[Window], settings: AggregateSettings
) -> None:
    parts = [series_of(each) for each in lanes]
    for part, far in zip(parts, earlier, strict=False):
        part.time[:1] -= far
    whole = lanes_of(parts)
    each = [
        replace(settings, stepped=settings.stepped or kind != "number", textual=kind == "text")
        for kind in kinds[: len(parts)]
    ]
    seen: list[int] = []
    for chosen in together(whole, each, over, calm=whole.calm, rows=whole.counts):
        mine = each[chosen[0]]
        assert all(each[lane] == mine for lane in chosen.tolist())
        scene = scene_of(whole.some(chosen), over, mine)
        for lane, one in zip(chosen.tolist(), summed_up(scene, list(Aggregate)).parts(len(chosen)), strict=True):
            assert_same(one, summarise(parts[lane], over, list(Aggregate), mine))
        seen += chosen.tolist()
    assert sorted(seen) == list(range(len(parts)))


@tuned(deadline=None, max_examples=100)
@given(
    lanes=st.lists(st.one_of(of_blocks.SAMPLES, of_blocks.CALM), min_size=1, max_size=4),
    cuts=st.sampled_from(of_blocks.CUTS),
    left=st.lists(st.integers(0, 127), min_size=4, max_size=4),
    settings=of_blocks.SETTINGS,
)
@example(lanes=ONE_BEGINS_WITHOUT_DATA, cuts=[0, 6], left=[127] * 4, settings=AggregateSettings())
def test_blocks_in_lanes_answer_as_each_lane_alone(
    lanes: list[list[tuple[int, int, float | None]]], cuts: list[int], left: list[int], settings: AggregateSettings
) -> None:
    over = [Window(a * PERIOD_NS, b * PERIOD_NS, a % 2 == 0) for a, b in itertools.pairwise(cuts)]
    every = [of_blocks.series_of(each) for each in lanes]
    for wanted in (sorted(BY_PARTS), sorted(BY_PARTS | BY_PURE_PARTS)):
        pure = needs_pure(wanted, settings)
        rests, tables = [], []
        for series, bits in zip(every, left, strict=False):
            inside = {period for period in range(cuts[0], cuts[-1]) if not bits >> period & 1}
            rest, blocks = of_blocks.split(series, inside, pure=pure)
            rests.append(rest)
            tables.append(blocks)
        names = [name for name in tables[0].columns if name not in ("block", "lane")]
        columns = {name: np.concatenate([each[name] for each in tables]) for name in names}
        columns["lane"] = np.repeat(np.arange(len(tables)), [len(each) for each in tables])
        columns["block"] = columns["start"] + columns["lane"] * 10**15
        scene = block_scene_of(lanes_of(rests), Blocks(columns), over, settings)
        found = summed_up(scene, wanted).parts(len(every))
        for series, one in zip(every, found, strict=True):
            of_blocks.assert_alike(one, summarise(series, over, wanted, settings))


@tuned(deadline=None, max_examples=100)
@given(
    rows=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9), st.integers(1, 3)), max_size=60),
    tags=st.permutations([1, 2, 3, 4, 5]),
    in_order=st.booleans(),
)
@example(rows=[(1, 5, 2), (1, 5, 1)], tags=[1, 2, 3, 4, 5], in_order=False)
def test_rows_in_any_order_become_lanes_in_order(
    rows: list[tuple[int, int, int]], tags: list[int], in_order: bool
) -> None:
    given_rows = sorted(rows) if in_order else rows
    table = pa.table(
        {
            "tag": np.array([tag for tag, _, _ in given_rows], np.int64),
            "time": np.array([time for _, time, _ in given_rows], np.int64),
            "status": np.zeros(len(rows), np.uint32),
            "value": np.arange(len(rows), dtype=np.float64),
            "position": np.array([position for _, _, position in given_rows], np.int64),
            "row": np.arange(len(rows)),
        }
    )
    found = split(table, tags)
    for lane, tag in enumerate(tags):
        own = [(time, position, place) for place, (each, time, position) in enumerate(given_rows) if each == tag]
        assert found[lane].time.tolist() == [time for time, _, _ in sorted(own)]
        assert found[lane].value.tolist() == [place for _, _, place in sorted(own)]
