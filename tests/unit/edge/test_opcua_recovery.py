"""The recovery machine, step by step: each way from a broken link back to reading, and what is marked on the way."""

import pytest

from penstock.edge.opcua import recovery as r
from penstock.edge.opcua.sequence import HELD_MAX, SEQUENCE_LAST, Sequence, ahead, following

S = 1_000_000_000
DELAY_NS = 250_000_000
GRACE_NS = 5 * S
SILENCE_NS = 4 * S


def machine() -> r.Recovery:
    return r.Recovery(next_delay_ns=lambda: DELAY_NS, grace_ns=GRACE_NS, silence_ns=SILENCE_NS)


def reading() -> r.Recovery:
    made = machine()
    assert made.on_wake(0) == [r.OpenChannel()]
    assert made.on_input(r.Succeeded(), 0) == [r.CreateSession()]
    assert made.on_input(r.Succeeded(), 0) == [r.Subscribe()]
    assert made.on_input(r.Succeeded(), 0) == [r.Ready(fresh=True)]
    return made


def reopened(made: r.Recovery, at_ns: int) -> r.Recovery:
    """Break the link at 0, and open the channel again."""
    assert made.on_input(r.Lost("reset"), 0) == []
    effects = made.on_wake(at_ns)
    assert effects[-1] == r.OpenChannel()
    assert made.on_input(r.Succeeded(), at_ns) == [r.ActivateSession()]
    return made


def test_first_connect_marks_nothing() -> None:
    assert reading().state is r.State.READING


def test_notifications_in_order_are_delivered() -> None:
    made = reading()
    assert made.on_input(r.Answered(1), S) == [r.Deliver(1)]
    assert made.on_input(r.Answered(2), S) == [r.Deliver(2)]
    assert made.on_input(r.Answered(3, keep_alive=True), S) == [r.Heard()]
    assert made.on_input(r.Answered(2), S) == [r.Discard(2)]


def test_short_break_under_the_same_session_leaves_no_mark() -> None:
    made = reading()
    made.on_input(r.Answered(1), 0)
    reopened(made, S)
    assert made.on_input(r.Succeeded(), S) == [r.Republish(2)]
    assert made.on_input(r.Republished(2), S) == [r.Deliver(2), r.Republish(3)]
    assert made.on_input(r.Unavailable(3), S) == [r.Ready(fresh=False)]
    assert made.on_input(r.Answered(3), S) == [r.Deliver(3)]
    assert made.counts.subscribed == 1
    assert made.wake_at() == S + SILENCE_NS, "no mark is due any more"


def test_long_break_is_marked_and_the_mark_taken_back_once_proved_whole() -> None:
    made = reading()
    made.on_input(r.Answered(1), 0)
    made.on_input(r.Lost("reset"), 0)
    assert made.on_wake(DELAY_NS) == [r.OpenChannel()]
    assert made.on_input(r.Lost("refused"), DELAY_NS) == []
    assert made.on_wake(GRACE_NS) == [r.MarkGap("reset"), r.OpenChannel()]
    made.on_input(r.Succeeded(), GRACE_NS)
    made.on_input(r.Succeeded(), GRACE_NS)
    assert made.on_input(r.Unavailable(2), GRACE_NS) == [r.Ready(fresh=False)]
    assert made.on_input(r.Answered(2, keep_alive=True), GRACE_NS) == [r.Continued(), r.Heard()]


def test_break_amid_republishing_is_a_break_like_any_other() -> None:
    """What was republished before proves nothing about it: its mark is taken back later, and the next can be set."""
    made = reopened(reading(), S)
    made.on_input(r.Succeeded(), S)
    assert made.on_input(r.Republished(1), S) == [r.Deliver(1), r.Republish(2)]
    assert made.on_input(r.Lost("again"), S) == []
    assert made.on_wake(S + GRACE_NS) == [r.MarkGap("again"), r.OpenChannel()]
    made.on_input(r.Succeeded(), S + GRACE_NS)
    made.on_input(r.Succeeded(), S + GRACE_NS)
    assert made.on_input(r.Unavailable(2), S + GRACE_NS) == [r.Ready(fresh=False)]
    assert made.on_input(r.Answered(2), S + GRACE_NS) == [r.Continued(), r.Deliver(2)]
    made.on_input(r.Lost("for good"), S + GRACE_NS)
    assert made.on_wake(S + 2 * GRACE_NS) == [r.MarkGap("for good"), r.OpenChannel()]


def test_forgotten_session_leads_to_transfer() -> None:
    made = reopened(reading(), S)
    assert made.on_input(r.Refused("BadSessionIdInvalid"), S) == [r.CreateSession()]
    assert made.on_input(r.Succeeded(), S) == [r.TransferSubscription()]
    assert made.on_input(r.Succeeded(), S) == [r.Republish(1)]
    assert made.counts.transferred == 1


def test_refused_transfer_is_marked_and_subscribed_afresh() -> None:
    made = reopened(reading(), S)
    made.on_input(r.Refused("BadSessionIdInvalid"), S)
    made.on_input(r.Succeeded(), S)
    assert made.on_input(r.Refused("BadServiceUnsupported"), S) == [r.MarkGap("reset"), r.Subscribe()]
    assert made.on_input(r.Succeeded(), S) == [r.Ready(fresh=True)]
    assert made.on_input(r.Answered(1), S) == [r.Deliver(1)], "a fresh subscription counts from 1"


@pytest.mark.parametrize("state", [r.State.REPUBLISHING, r.State.READING])
def test_ended_subscription_is_marked_and_made_again_in_the_same_session(state: r.State) -> None:
    made = reading()
    if state is r.State.REPUBLISHING:
        reopened(made, S).on_input(r.Succeeded(), S)
    assert made.state is state
    effects = made.on_input(r.Ended("BadTimeout"), S)
    assert [type(effect) for effect in effects] == [r.MarkGap, r.Subscribe]


def test_missing_notification_is_asked_for_and_put_in_its_place() -> None:
    made = reading()
    made.on_input(r.Answered(1), 0)
    assert made.on_input(r.Answered(3), S) == [r.Republish(2)]
    assert made.on_input(r.Republished(2), S) == [r.Deliver(2), r.Deliver(3)]
    assert made.on_input(r.Answered(2), S) == [r.Discard(2)], "the one that was late"


def test_notification_that_the_server_lost_is_marked_and_present_values_end_the_mark() -> None:
    made = reading()
    made.on_input(r.Answered(1), 0)
    made.on_input(r.Answered(3), S)
    effects = made.on_input(r.Unavailable(2), S)
    assert effects == [r.MarkGap("notification 2 is lost"), r.Deliver(3), r.ReadPresent()]
    assert made.on_input(r.Succeeded(), S) == []
    assert made.on_input(r.Answered(2), S) == [r.Deliver(2)], "late, and better than never"
    assert made.on_input(r.Answered(2), S) == [r.Discard(2)]


def test_mark_of_a_hole_is_not_taken_back_by_a_later_break() -> None:
    made = reading()
    made.on_input(r.Answered(2), S)
    made.on_input(r.Unavailable(1), S)
    made.on_input(r.Lost("before the present values came"), S)
    made.on_wake(S + DELAY_NS)
    made.on_input(r.Succeeded(), 2 * S)
    made.on_input(r.Succeeded(), 2 * S)
    made.on_input(r.Unavailable(3), 2 * S)
    assert made.on_input(r.Answered(3, keep_alive=True), 2 * S) == [r.Heard(), r.ReadPresent()]


def test_each_hole_is_marked_anew() -> None:
    made = reading()
    made.on_input(r.Answered(2), S)
    made.on_input(r.Answered(4), S)
    assert made.on_input(r.Unavailable(1), S)[:2] == [r.MarkGap("notification 1 is lost"), r.Deliver(2)]
    assert made.on_input(r.Unavailable(3), S)[:2] == [r.MarkGap("notification 3 is lost"), r.Deliver(4)]


def test_keep_alive_shows_what_is_missing() -> None:
    made = reading()
    assert made.on_input(r.Answered(3, keep_alive=True), S) == [r.Republish(1)]
    assert made.on_input(r.Republished(1), S) == [r.Deliver(1), r.Republish(2)]
    assert made.on_input(r.Republished(2), S) == [r.Deliver(2)]
    assert made.on_input(r.Answered(3, keep_alive=True), S) == [r.Heard()]


def test_silent_server_is_taken_for_dead() -> None:
    made = reading()
    assert made.wake_at() == SILENCE_NS
    made.on_input(r.Answered(1), S)
    assert made.on_wake(SILENCE_NS) == [], "an answer came since"
    effects = made.on_wake(S + SILENCE_NS)
    assert effects == [r.CloseChannel("no publish answer within 4 s")]
    assert made.state is r.State.WAITING
    assert made.counts.silences == 1


def test_time_that_the_shell_was_busy_is_no_silence() -> None:
    made = reading()
    made.on_input(r.Asking(), 10 * S)
    assert made.wake_at() == 10 * S + SILENCE_NS


def test_refused_step_begins_from_a_new_channel_and_session() -> None:
    made = machine()
    made.on_wake(0)
    made.on_input(r.Succeeded(), 0)
    assert made.on_input(r.Refused("BadTooManySessions"), 0) == [r.CloseChannel("BadTooManySessions")]
    assert made.wake_at() == DELAY_NS


def test_numbers_out_of_all_order_end_the_subscription() -> None:
    for answer in (r.Answered(500_000), r.Answered(500_000, keep_alive=True)):
        effects = reading().on_input(answer, S)
        assert r.Subscribe() in effects
        assert any(isinstance(effect, r.MarkGap) for effect in effects)


def test_server_that_republishes_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(r, "REPUBLISH_MAX", 2)
    made = reopened(reading(), S)
    made.on_input(r.Succeeded(), S)
    assert made.on_input(r.Republished(1), S) == [r.Deliver(1), r.Republish(2)]
    assert made.on_input(r.Republished(2), S) == [r.Deliver(2), r.Ready(fresh=False)]


def test_crowd_of_held_notifications_goes_past_the_missing_one() -> None:
    made = reading()
    for sequence in range(2, HELD_MAX + 1):
        made.on_input(r.Answered(sequence), S)
    effects = made.on_input(r.Answered(HELD_MAX + 1), S)
    assert effects[0] == r.MarkGap("notification 1 is lost")
    assert effects[-1] == r.ReadPresent()


def test_a_pair_that_is_not_in_the_table_raises() -> None:
    every: set[r.Input] = {
        r.Succeeded(),
        r.Refused(""),
        r.Answered(1),
        r.Republished(1),
        r.Unavailable(1),
        r.Ended(""),
        r.Asking(),
    }
    for state in r.State:
        for item in every:
            if (state, type(item)) in r._TABLE:
                continue
            made = machine()
            made.state = state
            with pytest.raises(r.UnexpectedInput):
                made.on_input(item, 0)


def test_loss_while_waiting_changes_nothing() -> None:
    made = machine()
    assert made.on_input(r.Lost("again"), 0) == []
    assert made.wake_at() == 0


def test_one_follows_the_last_number() -> None:
    assert following(SEQUENCE_LAST) == 1
    assert following(1) == 2
    assert ahead(1, SEQUENCE_LAST) == 1
    assert ahead(SEQUENCE_LAST, 1) == -1
    order = Sequence(expected=SEQUENCE_LAST)
    assert order.take(1) == []
    assert order.missing == SEQUENCE_LAST
    assert order.take(SEQUENCE_LAST) == [SEQUENCE_LAST, 1]
    assert order.is_known(SEQUENCE_LAST)


def test_unnumbered_notifications_are_taken_as_they_come() -> None:
    order = Sequence()
    assert order.take(0) == [0]
    assert not order.is_known(0)
    assert order.announce(0)
    assert order.missing is None
