"""Rows out of samples: complete ones at once and in order, incomplete ones after a wait, late ones counted."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from penstock.apps.maintenance.rows import RowMaker, may_lack
from penstock.apps.maintenance.windows import Samples

S = 1_000_000_000
Sample = tuple[int, int, float]


def samples_of(samples: list[Sample], bad: frozenset[int] = frozenset(), positions: list[int] | None = None) -> Samples:
    channel, time, value = (np.array([s[i] for s in samples], np.float64) for i in range(3))
    good = np.array([i not in bad for i in range(len(samples))], np.bool_)
    position = np.array(range(len(samples)) if positions is None else positions, np.int64)
    return Samples(channel.astype(np.int64), time.astype(np.int64), value.astype(np.float64), good, position)


def rows_of(
    maker: RowMaker, samples: list[Sample], positions: list[int] | None = None
) -> list[tuple[int, list[float]]]:
    """Give rows; without positions each sample is a commit of its own."""
    times, values = maker.on_samples(samples_of(samples, positions=positions), 0)
    return [(int(t), row.tolist()) for t, row in zip(times, values, strict=True)]


def maker(channels: int = 2) -> RowMaker:
    return RowMaker(channels, wait_ns=3 * S)


@pytest.mark.parametrize("by_tag", [False, True], ids=["row by row", "tag by tag, as a batch lies"])
def test_complete_rows_come_at_once_and_in_order(by_tag: bool) -> None:
    samples = [(c, t * S, 10.0 * t + c) for t in range(50) for c in range(2)]
    if by_tag:
        samples.sort()
    assert rows_of(maker(), samples, [7] * len(samples) if by_tag else None) == [
        (t * S, [10.0 * t, 10.0 * t + 1]) for t in range(50)
    ]


def test_a_bad_sample_completes_its_row_without_a_value() -> None:
    times, values = maker().on_samples(samples_of([(0, S, 1.0), (1, S, 2.0)], bad=frozenset({1})), 0)
    assert times.tolist() == [S]
    assert values[0, 0] == 1.0
    assert np.isnan(values[0, 1])


def test_what_is_not_good_says_nothing_of_how_far_a_device_has_come() -> None:
    one, far = maker(), 10**9 * S
    samples: list[Sample] = [(0, far, 0.0), (1, far, 0.0), (0, S, 1.0), (1, S, 2.0)]
    times, _ = one.on_samples(samples_of(samples, bad=frozenset({0, 1})), 0)
    assert (times.tolist(), one.late) == ([S], 0)


def test_a_row_waits_for_a_channel_that_has_gone_on_since_its_sample_may_be_sent_again() -> None:
    one, samples = maker(), [(c, t * S, float(t)) for t in range(10) for c in range(2) if (c, t) != (1, 2)]
    assert [t // S for t, _ in rows_of(one, samples)] == [0, 1]
    times, values = one.on_samples(samples_of([(1, 2 * S, 2.0)]), 2 * S)
    assert (times // S).tolist() == [2, 3, 4, 5, 6, 7, 8, 9]
    assert not np.isnan(values).any()


def test_a_silent_channel_is_awaited_by_the_clock_alone() -> None:
    one, nothing = maker(), samples_of([])
    samples: list[Sample] = [(0, t * 1000 * S, float(t)) for t in range(5)]
    assert len(one.on_samples(samples_of(samples), 100 * S)[0]) == 0
    assert len(one.on_samples(nothing, 103 * S)[0]) == 0
    times, values = one.on_samples(nothing, 104 * S)
    assert (times // (1000 * S)).tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(values[:, 1]).all()


def test_the_wait_begins_anew_after_a_restart() -> None:
    one, other = maker(), maker()
    nothing = samples_of([])
    one.on_samples(samples_of([(0, S, 1.0)]), 100 * S)
    other.restore(json.loads(json.dumps(one.to_json())))
    assert len(other.on_samples(nothing, 200 * S)[0]) == 0
    assert len(other.on_samples(nothing, 204 * S)[0]) == 1


def test_read_in_time_order_a_row_is_over_when_a_later_one_begins() -> None:
    samples: list[Sample] = [(t % 2, t * S, float(t)) for t in range(6)]
    times, _ = maker().on_samples(samples_of(samples), 0, in_order=True)
    assert (times // S).tolist() == [0, 1, 2, 3, 4]


def test_what_comes_after_its_row_is_counted_and_its_time_kept() -> None:
    one = maker()
    rows_of(one, [(c, t * S, 0.0) for t in range(5) for c in range(2)])
    rows_of(one, [(0, 3 * S, 1.0), (0, 2 * S, 1.0), (1, 4 * S, 1.0), (0, 5 * S, 1.0)])
    assert (one.late, one.late_from_ns, one.boundary_ns) == (3, 2 * S, 4 * S + 1)


def paced(from_ns: int = 0) -> RowMaker:
    return RowMaker(2, wait_ns=15 * S, from_ns=from_ns, period_ns=S, waits=True)


def given(maker: RowMaker, times: list[int], now: int) -> list[int]:
    samples = samples_of([(c, t * S, float(t)) for t in times for c in range(2)], positions=[0] * 2 * len(times))
    return [int(t) // S for t in maker.on_samples(samples, now * S)[0]]


def test_a_row_that_may_still_come_is_awaited_and_none_before_it_is_missed() -> None:
    one = paced()
    assert given(one, [0, 1, 2, 5, 6], now=100) == [0, 1, 2]
    assert given(one, [4], now=102) == []
    assert given(one, [7, 3], now=104) == [3, 4, 5, 6, 7]
    assert one.late == 0


def test_a_row_that_does_not_come_is_awaited_no_longer_than_the_wait() -> None:
    one = paced()
    assert given(one, [0, 2, 3, 9], now=100) == [0]
    assert given(one, [], now=115) == []
    assert given(one, [10], now=116) == [2, 3, 9, 10]
    assert given(one, [1], now=117) == []
    assert (one.late, one.late_from_ns) == (2, S)


def test_without_a_period_the_rows_themselves_tell_how_far_they_lie_apart() -> None:
    one = RowMaker(2, wait_ns=15 * S, from_ns=0, waits=True)
    assert given(one, list(range(0, 70, 10)), now=100) == []
    assert given(one, [], now=116) == list(range(0, 70, 10))
    kept = json.loads(json.dumps(one.to_json()))
    one.restore(kept)
    assert given(one, [70, 90], now=117) == [70]
    assert given(one, [80], now=118) == [80, 90]


def test_the_first_row_of_all_may_have_others_before_it() -> None:
    assert given(paced(from_ns=10 * S), [10, 11], now=100) == [10, 11]
    one = paced(from_ns=10 * S)
    assert given(one, [14, 15], now=100) == []
    assert given(one, [10, 11, 12, 13], now=101) == [10, 11, 12, 13, 14, 15]


def test_rows_by_time_that_were_committed_lately_are_awaited_too() -> None:
    def read(settled: int) -> list[int]:
        samples: list[Sample] = [(c, t * S, 0.0) for t in (0, 1, 4, 5, 6) for c in range(2)]
        known = samples_of(samples, positions=[t // S for _, t, _ in samples])
        times, _ = paced().on_samples(known, 100 * S, in_order=True, settled=settled)
        return [int(t) // S for t in times]

    assert read(settled=3) == [0, 1]
    assert read(settled=4) == [0, 1, 4, 5, 6]


def test_a_stretch_with_holes_may_lack_rows() -> None:
    times, whole = np.arange(10) * S, np.zeros((10, 2))
    whole[1::2, 1] = np.nan  # a channel at half the pace
    assert not may_lack(times, whole, (0, 10 * S))
    assert may_lack(np.delete(times, 4), np.delete(whole, 4, axis=0), (0, 10 * S))
    assert may_lack(times, whole, (-3 * S, 10 * S))
    assert may_lack(times, whole, (0, 13 * S))


def test_rows_before_the_beginning_and_of_other_tags_are_not_looked_at() -> None:
    one = RowMaker(1, 3 * S, from_ns=2 * S)
    assert [t // S for t, _ in rows_of(one, [(0, t * S, 0.0) for t in range(4)] + [(-1, 9 * S, 0.0)])] == [2, 3]
    assert one.late == 0


@pytest.mark.parametrize("seed", range(20))
def test_blocks_and_restarts_make_no_difference(seed: int) -> None:
    chance = random.Random(seed)
    samples = [(c, t * S, chance.random()) for t in range(60) for c in range(3) if chance.random() > 0.1]
    positions = sorted(chance.choices(range(40), k=len(samples)))
    for _ in range(10):
        i = chance.randrange(len(samples) - 5)
        part = samples[i : i + 5]
        chance.shuffle(part)
        samples[i : i + 5] = part
    whole, cut = maker(3), maker(3)
    expected = rows_of(whole, samples, positions)
    given, at = [], 0
    while at < len(samples):
        commits = positions[at] + chance.randint(1, 6)
        size = sum(1 for position in positions[at:] if position < commits)
        given += rows_of(cut, samples[at : at + size], positions[at : at + size])
        at += size
        kept = json.loads(json.dumps(cut.to_json()))
        cut = maker(3)
        cut.restore(kept)
    assert repr(given) == repr(expected)
    assert (cut.late, cut.late_from_ns) == (whole.late, whole.late_from_ns)
    assert [t for t, _ in given] == sorted(t for t, _ in given)
