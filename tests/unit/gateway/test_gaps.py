"""Gaps: a Bad sample and a record at a disconnect, a closing record at the next value."""

import numpy as np
import pytest

from penstock.core.batch import Gap
from penstock.core.columns import SampleColumns
from penstock.core.status import BAD_NO_COMMUNICATION, GOOD
from penstock.edge.driver import GOOD_HELD
from penstock.gateway import gaps
from penstock.gateway.gaps import LATELY_NS, GapTracker, OpenGap
from penstock.gateway.journal.unsettled import UnsettledGap


def samples(*rows: tuple[int, int], status: int = GOOD) -> SampleColumns:
    return SampleColumns.without_values([tag for tag, _ in rows], [time for _, time in rows], status=status)


def heard(*rows: tuple[int, int]) -> GapTracker:
    tracker = GapTracker()
    tracker.on_samples(samples(*rows))
    return tracker


def test_gap_begins_behind_each_tags_own_newest_sample() -> None:
    """What a busy device had measured, and not sent when the link broke, lies behind it, whatever else was heard."""
    tracker = heard((0, 100), (1, 70))
    marked = tracker.on_gap([0, 1], "pulled plug", 70 + LATELY_NS)
    assert marked.columns.time.tolist() == [101, 71]
    assert set(marked.columns.status.tolist()) == {BAD_NO_COMMUNICATION}
    assert marked.records == (Gap(0, 101, None, "pulled plug"), Gap(1, 71, None, "pulled plug"))


def test_gap_of_a_long_silent_tag_begins_behind_the_newest_time_of_its_device() -> None:
    tracker = heard((0, 100), (1, 101))
    newest = 101 + LATELY_NS
    assert tracker.on_gap([0, 1], "x", newest).columns.time.tolist() == [newest + 1, 102]


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


def test_held_value_is_left_out_where_a_measured_one_closes_the_gap() -> None:
    """What a busy device measured between the two, and did not get to send, must lie in the gap that follows."""
    tracker = heard((0, 100), (1, 100))
    tracker.on_gap([0, 1], "x", None)
    held = samples((0, 350), (1, 350), status=GOOD | GOOD_HELD)
    marked = tracker.on_samples(SampleColumns.concat([samples((0, 300), (1, 99)), held]))
    assert [(int(t), int(at)) for t, at in zip(marked.columns.tag, marked.columns.time, strict=True)] == [
        (0, 300), (1, 99), (1, 350)
    ]  # fmt: skip
    assert marked.records == (Gap(0, 101, 300, "x"), Gap(1, 101, 350, "x"))
    assert tracker.on_gap([0], "y", None).columns.time.tolist() == [301]


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


def watched(*rows: tuple[int, int]) -> GapTracker:
    tracker = GapTracker()
    tracker.watched.update({0, 1})
    tracker.on_samples(samples(*rows))
    return tracker


def test_mark_that_is_taken_back_repeats_what_held_behind_the_bad_sample() -> None:
    tracker = watched((0, 100), (1, 70))
    tracker.on_gap([0, 1], "x", 200)
    tracker.on_samples(samples((1, 300)))
    marked = tracker.on_continued([0, 1], 5_000)
    assert marked.columns.tag.tolist() == [0], "the other gap has its end already"
    assert marked.columns.time.tolist() == [102]
    assert marked.columns.status.tolist() == [GOOD | GOOD_HELD]
    assert marked.records == (Gap(0, 101, 5_000, "x", refilled=True),)
    assert tracker.open == {}
    assert tracker.on_gap([0], "y", None).columns.time.tolist() == [103], "behind what was repeated"


def test_mark_without_a_sample_before_it_is_taken_back_by_its_record_alone() -> None:
    tracker = watched()
    tracker.restore(0, 100, OpenGap(101, "gateway was down"))
    marked = tracker.on_continued([0], 90)
    assert (len(marked.columns), marked.records) == (0, (Gap(0, 101, 102, "gateway was down", refilled=True),))


def test_closed_gap_of_a_watched_tag_waits_for_the_devices_history() -> None:
    tracker = watched((0, 100), (2, 100))
    tracker.on_gap([0, 2], "x", 150)
    tracker.on_samples(samples((0, 300), (2, 300)))
    ((key, one),) = tracker.unsettled.items()
    assert (key, one.after_ns, one.gap) == ((0, 101), 100, Gap(0, 101, 300, "x"))


def test_held_samples_are_none_that_a_history_could_have() -> None:
    tracker = watched((0, 100))
    tracker.on_gap([0], "x", None)
    tracker.on_samples(samples((0, 500), status=GOOD_HELD))
    tracker.on_gap([0], "y", 600)
    tracker.on_samples(samples((0, 700)))
    assert [one.after_ns for one in tracker.unsettled.values()] == [100, 100]


def test_settled_gap_is_refilled_or_shorter_or_as_it_was() -> None:
    tracker = watched((0, 100))
    tracker.on_overflow(0, 100, 200, "full")
    assert tracker.settle(0, 100, missing_to_ns=None) == Gap(0, 100, 200, "full", refilled=True)
    assert tracker.settle(0, 100, missing_to_ns=None) is None, "settled once"
    tracker.on_overflow(0, 100, 200, "full")
    assert tracker.settle(0, 100, missing_to_ns=150) == Gap(0, 100, 150, "full")
    tracker.on_overflow(0, 100, 200, "full")
    assert tracker.settle(0, 100, missing_to_ns=200) is None
    assert tracker.unsettled == {}


def test_remembered_gaps_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "UNSETTLED_MAX", 2)
    tracker = watched()
    for start in (1, 2, 3):
        tracker.on_overflow(0, start, start + 1, "full")
    assert list(tracker.unsettled) == [(0, 2), (0, 3)]


def test_what_the_journal_is_to_remember_of_closed_gaps_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gaps, "UNSETTLED_MAX", 1)
    tracker = watched((0, 100))
    tracker.on_gap([0], "x", 150)
    tracker.on_samples(samples((0, 300)))
    assert tracker.changes() == [UnsettledGap(0, 101, 300, 100, "x")]
    assert tracker.changes() == ()
    tracker.on_overflow(0, 400, 500, "full")
    kept, forgotten = tracker.changes()
    assert (kept.from_ns, forgotten) == (400, UnsettledGap(0, 101, None, 100, "x"))
    tracker.settle(0, 400, missing_to_ns=500)
    assert [(gap.from_ns, gap.to_ns) for gap in tracker.changes()] == [(400, None)]
