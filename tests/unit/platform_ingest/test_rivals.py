"""Second senders under one identity, told apart from a gateway's own delayed requests."""

from penstock.platform.ingest.rivals import OWN_MAX, OWN_WINDOW_NS, SESSIONS_KEPT, Rivals

G = "gtw_1"


def test_a_session_of_another_journal_is_a_rival() -> None:
    rivals = Rivals()
    rivals.on_granted(G, 1, ["a"])
    rivals.on_granted(G, 2, ["b"])
    assert rivals.is_rival(G, 1, newest_epoch="b", now_ns=0)


def test_a_copy_that_began_an_epoch_of_its_own_is_a_rival() -> None:
    rivals = Rivals()
    rivals.on_granted(G, 1, ["a"])
    rivals.on_granted(G, 2, ["b", "a"])
    assert rivals.is_rival(G, 1, newest_epoch="b", now_ns=0)


def test_a_delayed_request_of_the_gateways_own_is_none_however_often_it_comes() -> None:
    rivals = Rivals()
    rivals.on_granted(G, 1, ["b", "a"])
    rivals.on_granted(G, 2, ["b"])
    assert not any(rivals.is_rival(G, 1, newest_epoch="b", now_ns=0) for _ in range(2 * OWN_MAX))


def test_copies_of_one_journal_that_take_the_session_from_each_other_are_rivals() -> None:
    rivals = Rivals()
    for session in range(1, OWN_MAX + 2):
        rivals.on_granted(G, session, ["a"])
    told = [rivals.is_rival(G, session, newest_epoch="a", now_ns=session) for session in range(1, OWN_MAX + 1)]
    assert told == [False] * (OWN_MAX - 1) + [True]


def test_refusals_far_apart_are_the_gateways_own() -> None:
    rivals = Rivals()
    for session in range(1, 9):
        rivals.on_granted(G, session, ["a"])
        now_ns = session * OWN_WINDOW_NS
        assert not rivals.is_rival(G, session, newest_epoch="a", now_ns=now_ns)


def test_what_is_remembered_is_bounded_and_a_session_of_before_the_start_is_a_rival() -> None:
    rivals = Rivals()
    for session in range(1, SESSIONS_KEPT + 2):
        rivals.on_granted(G, session, ["a"])
    assert rivals.is_rival(G, 1, newest_epoch="a", now_ns=0)
    assert not rivals.is_rival(G, 2, newest_epoch="a", now_ns=0)
