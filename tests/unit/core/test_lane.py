"""A lane knows what is committed, in flight and to be sent."""

from penstock.core.lane import Lane


def test_lowest_seqs_go_first_and_not_twice() -> None:
    lane = Lane("e", 5)
    assert lane.to_send(2) == (1, 2)
    lane.take_off((1, 2))
    assert lane.to_send(9) == (3, 4, 5)
    lane.land((1,))
    assert lane.to_send(2) == (1, 3)


def test_holes_stay_to_be_sent() -> None:
    lane = Lane("e", 5)
    lane.commit(1, (3, 4))
    assert (lane.floor, lane.to_send(9), lane.pending) == (1, (2, 5), 2)
    lane.commit(2, ())
    assert (lane.floor, lane.above, lane.pending) == (4, set(), 1)


def test_an_answer_only_adds() -> None:
    lane = Lane("e", 5)
    lane.commit(4, ())
    lane.commit(2, ())
    assert (lane.floor, lane.watermark) == (4, 4)


def test_more_than_the_journal_holds_is_not_believed() -> None:
    lane = Lane("e", 3)
    lane.commit(9, (12,))
    assert (lane.floor, lane.above) == (3, set())


def test_session_start_replaces_what_was_known() -> None:
    lane = Lane("e", 9, floor=7)
    lane.dictionary_known = True
    lane.take_off((8,))
    assert lane.accept(3, (5,))
    assert (lane.floor, lane.to_send(9), lane.dictionary_known) == (3, (4, 6, 7, 8, 9), False)
    assert not lane.accept(9, ())


def test_what_was_trimmed_cannot_be_sent_again() -> None:
    lane = Lane("e", 9, floor=7, trimmed=5)
    lane.accept(2, ())
    assert lane.to_send(2) == (6, 7)
    lane.trim(8)
    lane.trim(3)
    assert (lane.floor, lane.trimmed) == (8, 8)
