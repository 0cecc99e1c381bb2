"""Gaps: a Bad sample and a record at a disconnect, a closing record at the next value."""

import numpy as np

from penstock.core.batch import Gap
from penstock.core.columns import SampleColumns
from penstock.core.status import BAD_NO_COMMUNICATION, GOOD
from penstock.edge.driver import GOOD_HELD
from penstock.gateway.gaps import GapTracker, OpenGap


def samples(*rows: tuple[int, int], status: int = GOOD) -> SampleColumns:
    return SampleColumns.without_values([tag for tag, _ in rows], [time for _, time in rows], status=status)


def heard(*rows: tuple[int, int]) -> GapTracker:
    tracker = GapTracker()
    tracker.on_samples(samples(*rows))
    return tracker


def test_disconnect_stamps_every_tag_after_the_newest_time_of_the_device() -> None:
    tracker = heard((0, 100), (1, 70))
    marked = tracker.on_gap([0, 1], "pulled plug", 90)
    assert marked.columns.time.tolist() == [101, 91]
    assert set(marked.columns.status.tolist()) == {BAD_NO_COMMUNICATION}
    assert marked.records == (Gap(0, 101, None, "pulled plug"), Gap(1, 91, None, "pulled plug"))


def test_tag_without_any_sample_has_no_gap() -> None:
    assert heard((0, 100)).on_gap([0, 1], "x", 100).columns.tag.tolist() == [0]


def test_second_disconnect_changes_nothing_while_the_gap_is_open() -> None:
    tracker = heard((0, 100))
    tracker.on_gap([0], "first", None)
    assert tracker.on_gap([0], "second", 500).records == ()
    assert tracker.open[0] == OpenGap(101, "first")


def test_next_sample_closes_the_gap_of_its_tag_alone() -> None:
    tracker = heard((0, 100), (1, 100))
    tracker.on_gap([0, 1], "x", None)
    marked = tracker.on_samples(samples((0, 300), (0, 200)))
    assert marked.records == (Gap(0, 101, 200, "x"),)
    assert set(tracker.open) == {1}


def test_late_sample_from_before_the_gap_leaves_it_open() -> None:
    tracker = heard((0, 100))
    tracker.on_gap([0], "x", None)
    marked = tracker.on_samples(samples((0, 99), (0, 101)))
    assert len(marked.columns) == 2
    assert marked.records == ()


def test_held_value_is_kept_only_where_it_closes_a_gap() -> None:
    tracker = heard((0, 100), (1, 100))
    tracker.on_gap([0], "x", None)
    marked = tracker.on_samples(samples((0, 500), (1, 500), status=GOOD | GOOD_HELD))
    assert marked.columns.tag.tolist() == [0]
    assert marked.records == (Gap(0, 101, 500, "x"),)


def test_held_value_older_than_the_gap_is_left_out() -> None:
    tracker = heard((0, 100))
    tracker.on_gap([0], "x", None)
    assert len(tracker.on_samples(samples((0, 101), status=GOOD_HELD)).columns) == 0


def test_state_survives_a_restart() -> None:
    tracker = GapTracker()
    tracker.restore(200, 700, OpenGap(701, "x"))
    tracker.restore(3, None, None)
    assert (tracker.newest_ns(200), tracker.newest_ns(3), tracker.newest_ns(9999)) == (700, None, None)
    assert tracker.on_samples(samples((200, 800))).records == (Gap(200, 701, 800, "x"),)


def test_stamp_stays_within_64_bits() -> None:
    tracker = heard((0, np.iinfo(np.int64).max))
    assert tracker.on_gap([0], "x", None).columns.time.tolist() == [np.iinfo(np.int64).max]
