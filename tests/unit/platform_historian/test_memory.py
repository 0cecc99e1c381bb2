"""What the historian holds in memory: repeats in columns, newest per tag, watermarks, the tail, verdicts of a group."""

import struct

import numpy as np
import pyarrow as pa
import pytest

from penstock.platform.historian.files.group import Earlier, identity, judge
from penstock.platform.historian.ports import STORED_ROWS, Table, Verdict
from penstock.platform.historian.repeats import repeats, twins
from penstock.platform.historian.writing.newest import BIRTH_NEWEST, Newest
from penstock.platform.historian.writing.tail import TAIL_ROWS_MAX, Tail
from penstock.platform.historian.writing.writers import Writers
from tests.builders.historian import NOON_NS, Sample, batch_of, rows_of


def nan(payload: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_0000_0000 | payload))[0])


@pytest.mark.parametrize(
    ("other", "equal"),
    [
        ((1, 5, 0, 1.0), True),
        ((2, 5, 0, 1.0), False),
        ((1, 6, 0, 1.0), False),
        ((1, 5, 1, 1.0), False),
        ((1, 5, 0, 1), False),
        ((1, 5, 0, True), False),
        ((1, 5, 0, "1.0"), False),
        ((1, 5, 0, None), False),
    ],
)
def test_equal_means_tag_time_status_type_and_value(other: Sample, equal: bool) -> None:
    assert repeats(rows_of([(1, 5, 0, 1.0), other])).tolist() == [False, equal]


def test_zeros_and_nans_are_compared_by_their_bits() -> None:
    values = [0.0, -0.0, nan(1), nan(2), nan(1), -0.0]
    assert repeats(rows_of([(1, 5, 0, value) for value in values])).tolist() == [False] * 4 + [True] * 2


def test_the_first_of_equals_stays_whatever_lies_between() -> None:
    samples: list[Sample] = [(1, 5, 0, "a"), (2, 5, 0, "a"), (1, 5, 0, "b"), (1, 5, 0, "a"), (1, 5, 0, "b")]
    assert repeats(rows_of(samples)).tolist() == [False, False, False, True, True]


def test_twins_never_misses_a_pair() -> None:
    rng = np.random.default_rng(7)
    tag, time = rng.integers(0, 50, 5000), rng.integers(-20, 20, 5000)
    pairs, counts = np.unique(np.stack([tag, time]), axis=1, return_counts=True)
    double = {tuple(pair) for pair in pairs.T[counts > 1].tolist()}
    marked = twins(tag, time)
    assert all(marked[i] for i in range(5000) if (int(tag[i]), int(time[i])) in double)


def committed(samples: list[Sample], position: int) -> Table:
    rows, count = rows_of(samples), len(samples)
    for name, value in (("position", position), ("row", 0), ("arrival_gateway", 7), ("arrival_platform", 8)):
        column = np.arange(count) if name == "row" else np.full(count, value)
        rows = rows.append_column(name, pa.array(column, pa.int64()))
    return rows.cast(BIRTH_NEWEST)


def taken(newest: Newest, samples: list[Sample], position: int, *, future: bool = False) -> None:
    newest.take(committed(samples, position), np.full(len(samples), future))


def test_latest_is_the_newest_by_time_and_the_last_committed_of_equal_times() -> None:
    newest = Newest()
    taken(newest, [(1, 5, 0, 1.0), (1, 9, 0, 2.0), (1, 9, 0, 3.0), (2, 4, 0, "x")], 1)
    taken(newest, [(1, 8, 0, 4.0), (2, 4, 0, "y")], 2)
    assert [(each.tag, each.time, each.value, each.position) for each in newest.latest([2, 1, 3, 10**9])] == [
        (2, 4, "y", 2),
        (1, 9, 3.0, 1),
    ]


def test_latest_in_columns_says_the_same() -> None:
    newest = Newest()
    taken(newest, [(1, 5, 0, -0.0), (2, 5, 3, True), (3, 5, 0, -7), (4, 5, 0, "text"), (5, 5, 0, None)], 1)
    taken(newest, [(3, 100, 0, 2)], 2, future=True)
    asked = [4, 3, 99, 2, -1, 1, 5, 10**9]
    columns = newest.table(asked)
    values = [
        next((row[c] for c in ("vf", "vi", "vb", "vs") if row[c] is not None), None) for row in columns.to_pylist()
    ]
    assert repr(values) == repr([each.value for each in newest.latest(asked)])
    for name in ("tag", "time", "status", "position"):
        assert columns[name].to_pylist() == [getattr(each, name) for each in newest.latest(asked)]
    assert columns["newer_is_future"].to_pylist() == [False, True, False, False, False]


def test_a_future_row_is_never_latest_and_is_still_checked_for_repeats() -> None:
    newest = Newest()
    taken(newest, [(1, 5, 0, 1.0)], 1)
    taken(newest, [(1, 100, 0, 2.0)], 2, future=True)
    [latest] = newest.latest([1])
    assert (latest.value, latest.newer_is_future) == (1.0, True)

    def check(*times: int) -> list[bool]:
        marked: list[bool] = newest.may_be_stored(np.full(len(times), 1), np.array(times)).tolist()
        return marked

    assert check(4, 5, 6, 99, 100, 101) == [True, True, False, False, True, True]
    taken(newest, [(1, 200, 0, 3.0)], 3)
    assert check(100, 200, 201) == [True, True, False]
    assert newest.latest([1])[0].newer_is_future is False


def test_a_snapshot_restores_newest_and_future() -> None:
    newest, again = Newest(), Newest()
    taken(newest, [(1, 5, 0, -0.0), (2, 5, 3, True), (3, 5, 0, -7), (4, 5, 0, "text"), (5, 5, 0, None)], 1)
    taken(newest, [(1, 100, 0, 2.0), (6, 50, 0, 2.0)], 2, future=True)
    rows, future = newest.snapshot()
    again.take_future_spans(*(future[name].to_numpy() for name in ("tag", "low", "high")))
    again.take(rows, np.zeros(rows.num_rows, np.bool_))
    assert repr(again.latest(range(9))) == repr(newest.latest(range(9)))
    assert again.may_be_stored(np.array([6, 6]), np.array([49, 50])).tolist() == [False, True]


def test_the_watermark_closes_over_what_was_above() -> None:
    writers = Writers()
    seen = []
    for seq in (2, 1, 5, 4, 4, 3):
        writers.mark("g", "e", seq)
        seen.append(tuple(writers.watermark("g", "e")))
    assert seen == [(0, (2,)), (2, ()), (2, (5,)), (2, (4, 5)), (2, (4, 5)), (5, ())]
    assert [writers.seen("g", "e", seq) for seq in (1, 5, 6)] == [True, True, False]
    assert writers.watermark("g", "other") == (0, ())


def stored(position: int, count: int) -> Table:
    columns = {field.name: pa.nulls(count, field.type) for field in STORED_ROWS}
    columns["position"] = pa.array(np.full(count, position))
    return pa.table(columns, schema=STORED_ROWS)


def test_the_tail_gives_whole_commits_and_says_when_it_does_not_reach_back() -> None:
    tail = Tail(10)
    for position in (11, 12, 13):
        tail.add(position, stored(position, 4))
    assert tail.since(9, 100) is None
    for position, limit, expected in ((10, 100, (12, 13)), (10, 5, (4, 11)), (11, 8, (8, 13)), (13, 5, (0, 13))):
        found = tail.since(position, limit)
        assert found is not None
        assert (found[0].num_rows, found[1], found[2]) == (*expected, 13)


@pytest.mark.parametrize(
    ("position", "limit", "rows", "end"),
    [(10, 100, 6, 15), (10, 3, 3, 13), (10, 1, 1, 11), (11, 1, 1, 12), (13, 1, 2, 14), (14, 1, 1, 15), (15, 1, 0, 15)],
)
def test_the_tail_counts_the_rows_of_the_tags_asked(position: int, limit: int, rows: int, end: int) -> None:
    tail = Tail(10)
    for first in (11, 13, 15):  # groups of two commits; of tag 7 each commit has one row, commit 14 two
        group = pa.concat_tables([mixed(each, 2 if each == 14 else 1) for each in (first, first + 1) if each < 16])
        tail.add(min(first + 1, 15), group)
    found = tail.since(position, limit, [7])
    assert found is not None
    assert (found[0].num_rows, found[1], found[2]) == (rows, end, 15)
    assert set(found[0]["tag"].to_pylist()) <= {7}


def mixed(position: int, sevens: int) -> Table:
    rows = rows_of([(1, 5, 0, 1.0)] * 2 + [(7, 5, 0, 1.0)] * sevens)
    for name, column in (("position", np.full(len(rows), position)), ("row", np.arange(len(rows)))):
        rows = rows.append_column(name, pa.array(column, pa.int64()))
    return rows.cast(STORED_ROWS)


def test_the_tail_is_bounded() -> None:
    tail = Tail()
    for position in range(1, 8):
        tail.add(position, stored(position, TAIL_ROWS_MAX // 4))
    assert tail.since(0, 10) is None
    assert tail.since(3, 10) is not None


def test_a_group_judges_repeats_inside_itself_like_those_that_are_stored() -> None:
    old = batch_of([(1, NOON_NS, 0, 1.0)], seq=1, crc=1)
    before = {identity(old): Earlier(crc=1, position=3, stored=1, duplicates=0, quarantined=None)}
    batches = [
        old,
        batch_of([], seq=1, crc=9),
        batch_of([], seq=2, crc=2),
        batch_of([], seq=2, crc=2),
        batch_of([], seq=2, crc=7),
        batch_of([], key="k", crc=2),
        batch_of([], key="k", crc=3),
    ]
    judged = judge(batches, 10, earlier=lambda _: before)
    new, again, other = Verdict.COMMITTED, Verdict.REPEATED, Verdict.CONFLICT
    assert [each.verdict for each in judged] == [again, other, new, again, other, new, other]
    assert [each.position for each in judged] == [0, 11, 12, 0, 13, 14, 0]
    assert [each.outcome().position for each in judged[:4]] == [3, 11, 12, 12]
    assert (judged[6].error is not None, judged[4].quarantine is not None) == (True, True)


def test_other_content_of_a_seq_is_set_aside_once_however_often_it_comes() -> None:
    old = batch_of([(1, NOON_NS, 0, 1.0)], seq=1, crc=1)
    before = {identity(old): Earlier(1, 3, stored=1, duplicates=0, quarantined=None, conflicts={8: 5})}
    kept, other = batch_of([], seq=1, crc=8), batch_of([], seq=1, crc=9)
    judged = judge([kept, other, other, old, kept], 10, earlier=lambda _: before)
    again, new = Verdict.REPEATED, Verdict.CONFLICT
    assert [each.outcome()[:2] for each in judged] == [(again, 5), (new, 11), (again, 11), (again, 3), (again, 5)]
    assert [each.outcome().quarantined for each in judged] == [*["seq-conflict"] * 3, None, "seq-conflict"]
    assert [each.position for each in judged if each.quarantine] == [11]
