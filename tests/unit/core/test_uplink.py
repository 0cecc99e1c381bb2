"""The uplink machine: persist, sync, send, commit, release; every failure keeps."""

from __future__ import annotations

from typing import get_args

import pytest

from penstock.core.uplink import (
    Answered,
    DictionaryChanged,
    Effect,
    EpochOpened,
    Failed,
    FailureKind,
    Input,
    JournalEpoch,
    OpenEpoch,
    OpenSession,
    Release,
    RenewToken,
    RewindTo,
    SendBatches,
    SessionGranted,
    State,
    Stop,
    Synced,
    Trimmed,
    Uplink,
    UplinkSettings,
    Watermark,
)

MS = 1_000_000
SETTINGS = UplinkSettings(
    requests_in_flight_max=2, batches_per_request_max=4, backoff_first_ms=100, backoff_max_ms=1000
)


def _machine(*epochs: JournalEpoch) -> Uplink:
    return Uplink(SETTINGS, lambda: 1.0, epochs or (JournalEpoch("a", 0),))


def _online(*epochs: JournalEpoch, **words: Watermark) -> tuple[Uplink, list[Effect]]:
    machine = _machine(*epochs)
    machine.on_wake(0)
    return machine, machine.on_input(SessionGranted(1, words), 0)


def _send(request: int, epoch: str, *seqs: int, told: bool = False) -> SendBatches:
    return SendBatches(request, 1, epoch, seqs, told)


def test_nothing_is_sent_before_it_is_synced() -> None:
    machine, effects = _online()
    assert effects == []
    assert machine.on_input(Synced("a", 1), 0) == [_send(1, "a", 1, told=True)]


def test_nothing_is_released_before_it_is_committed() -> None:
    machine, _ = _online()
    machine.on_input(Synced("a", 2), 0)
    assert machine.on_input(Answered(1, 2), 0) == [Release("a", 2)]
    assert (machine.pending, machine.in_flight, machine.session) == (0, 0, 1)


def test_a_session_names_all_epochs_of_the_journal() -> None:
    machine = _machine(JournalEpoch("old", 5), JournalEpoch("new", 0))
    assert machine.wake_at() == 0
    assert machine.on_wake(0) == [OpenSession("new", 0, ("old", "new"))]
    assert machine.wake_at() is None


def test_the_window_is_bounded_and_the_dictionary_goes_first() -> None:
    machine, effects = _online(JournalEpoch("a", 20))
    assert effects == [_send(1, "a", 1, 2, 3, 4, told=True)]
    assert machine.on_input(Answered(1, 4), 0) == [
        Release("a", 4),
        _send(2, "a", 5, 6, 7, 8),
        _send(3, "a", 9, 10, 11, 12),
    ]
    assert machine.on_input(Synced("a", 21), 0) == []


def test_old_epochs_drain_first_in_order() -> None:
    machine, effects = _online(JournalEpoch("old", 2), JournalEpoch("new", 1))
    assert effects == [_send(1, "old", 1, 2, told=True)]
    assert machine.on_input(Answered(1, 2), 0) == [Release("old", 2), _send(2, "new", 1, told=True)]


def test_a_reordered_answer_leaves_a_hole_that_is_filled() -> None:
    machine, _ = _online(JournalEpoch("a", 12), a=Watermark(0))
    machine.on_input(Answered(1, 4), 0)
    assert machine.on_input(Answered(3, 4, (9, 10, 11, 12)), 0) == []
    assert machine.on_input(Failed(2, FailureKind.UNAVAILABLE), 0) == []
    assert machine.on_wake(10**12) == [_send(4, "a", 5, 6, 7, 8)]
    assert machine.on_input(Answered(4, 12), 0) == [Release("a", 12)]


def test_a_shortened_request_and_its_window() -> None:
    machine, _ = _online(JournalEpoch("a", 8))
    effects = machine.on_input(Answered(1, 2, sent=2), 0)
    assert effects == [Release("a", 2), _send(2, "a", 3, 4), _send(3, "a", 5, 6)]
    assert machine.on_input(Answered(2, 4), 0) == [Release("a", 4), _send(4, "a", 7, 8)]


def test_late_answers_are_ignored() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    assert machine.on_input(Answered(99, 1), 0) == []
    assert machine.on_input(Failed(99, FailureKind.SUPERSEDED), 0) == []
    assert machine.state is State.ONLINE


def test_backoff_grows_to_its_bound_and_begins_small_again() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    pauses, now = [], 0
    for request in range(1, 8):
        machine.on_input(Failed(request, FailureKind.UNAVAILABLE), now)
        wake = machine.wake_at()
        assert wake is not None
        assert machine.on_wake(wake - 1) == []
        pauses.append((wake - now) // MS)
        now = wake
        assert len(machine.on_wake(now)) == 1
    assert pauses == [100, 200, 400, 800, 1000, 1000, 1000]
    assert machine.failures == 7
    machine.on_input(Answered(8, 1), now)
    assert machine.failures == 0


def test_jitter_halves_at_most() -> None:
    machine = Uplink(SETTINGS, lambda: 0.0, [JournalEpoch("a", 0)])
    machine.on_wake(0)
    machine.on_input(Failed(None, FailureKind.UNAVAILABLE), 0)
    assert machine.wake_at() == 50 * MS


def test_retry_after_is_honoured_even_past_another_success() -> None:
    machine, _ = _online(JournalEpoch("a", 20))
    machine.on_input(Answered(1, 4), 0)
    machine.on_input(Failed(2, FailureKind.BUSY, retry_after_ms=5000), 0)
    assert machine.on_input(Answered(3, 4, (9, 10, 11, 12)), 0) == []
    assert machine.wake_at() == 5100 * MS


def test_retry_after_is_bounded() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    machine.on_input(Failed(1, FailureKind.BUSY, retry_after_ms=10**9), 0)
    assert machine.wake_at() == (600_000 + 100) * MS


def test_unauthorized_keeps_and_asks_for_a_token() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    assert machine.on_input(Failed(1, FailureKind.UNAUTHORIZED), 0) == [RenewToken()]
    assert machine.pending == 1
    assert machine.on_wake(10**12) == [_send(2, "a", 1, told=True)]


def test_corrupt_is_sent_again() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    assert machine.on_input(Failed(1, FailureKind.CORRUPT), 0) == []
    assert machine.on_wake(10**12) == [_send(2, "a", 1, told=True)]


def test_dictionary_needed_sends_it_at_once_and_does_not_loop() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    machine.on_input(Answered(1, 1), 0)
    machine.on_input(Synced("a", 2), 0)
    assert machine.on_input(Failed(2, FailureKind.DICTIONARY_NEEDED), 0) == [_send(3, "a", 2, told=True)]
    assert machine.on_input(Failed(3, FailureKind.DICTIONARY_NEEDED), 0) == []
    assert machine.wake_at() is not None


def test_a_grown_dictionary_goes_with_the_next_batch() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    machine.on_input(Answered(1, 1), 0)
    machine.on_input(DictionaryChanged("a"), 0)
    assert machine.on_input(Synced("a", 2), 0) == [_send(2, "a", 2, told=True)]


def test_too_large_halves_down_to_one_then_waits() -> None:
    machine, _ = _online(JournalEpoch("a", 4))
    assert machine.on_input(Failed(1, FailureKind.TOO_LARGE), 0) == [_send(2, "a", 1, 2, told=True)]
    assert machine.on_input(Failed(2, FailureKind.TOO_LARGE), 0) == [_send(3, "a", 1, told=True)]
    assert machine.on_input(Failed(3, FailureKind.TOO_LARGE), 0) == []
    assert machine.wake_at() is not None


def test_a_superseded_session_stops_for_good() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    [stop] = machine.on_input(Failed(1, FailureKind.SUPERSEDED, superseded_by="foreign"), 0)
    assert isinstance(stop, Stop)
    assert (machine.state, machine.wake_at(), machine.on_wake(10**15)) == (State.STOPPED, None, [])
    assert machine.on_input(Synced("a", 2), 0) == []


def test_its_own_delayed_session_stops_nobody() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    assert machine.on_input(Failed(1, FailureKind.SUPERSEDED, superseded_by="a"), 0) == []
    assert machine.on_wake(10**12) == [OpenSession("a", 1, ("a",))]
    [stop] = machine.on_input(Failed(None, FailureKind.SUPERSEDED), 0)
    assert isinstance(stop, Stop)


def test_a_session_that_the_platform_never_granted_is_opened_again_after_a_pause() -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    assert machine.on_input(Failed(1, FailureKind.SESSION_UNKNOWN), 0) == []
    assert (machine.state, machine.in_flight, machine.wake_at()) == (State.OFFLINE, 0, 100 * MS)
    assert machine.on_wake(10**12) == [OpenSession("a", 1, ("a",))]


def test_trimming_an_epoch_that_is_gone_says_nothing_new() -> None:
    machine, _ = _online(JournalEpoch("old", 2, released=2), JournalEpoch("a", 0), old=Watermark(2))
    assert machine.on_input(Trimmed("old", 2), 0) == []
    assert machine.on_input(Trimmed("old", 2), 0) == []
    assert machine._open() == [OpenSession("a", 0, ("a",))]


def test_opening_fails_and_is_tried_again() -> None:
    machine = _machine()
    machine.on_wake(0)
    assert machine.on_input(Failed(7, FailureKind.BUSY), 0) == []
    assert machine.on_input(Failed(None, FailureKind.BUSY, retry_after_ms=1000), 0) == []
    assert (machine.state, machine.wake_at()) == (State.OFFLINE, 1100 * MS)


def test_a_lower_watermark_at_session_start_rewinds() -> None:
    machine, effects = _online(JournalEpoch("a", 9, released=9), a=Watermark(7))
    assert effects == [RewindTo("a", 7), _send(1, "a", 8, 9, told=True)]
    assert machine.pending == 2


def test_a_higher_watermark_at_session_start_releases() -> None:
    _, effects = _online(JournalEpoch("a", 9, released=2), a=Watermark(5))
    assert effects == [Release("a", 5), _send(1, "a", 6, 7, 8, 9, told=True)]


@pytest.mark.parametrize("answer", [Answered(2, 0, (2,)), Answered(2, 2, position=3)])
def test_a_platform_that_went_back_is_asked_again(answer: Answered) -> None:
    machine, _ = _online(JournalEpoch("a", 1))
    machine.on_input(Answered(1, 1, position=10), 0)
    machine.on_input(Synced("a", 2), 0)
    assert machine.on_input(answer, 0) == [OpenSession("a", 2, ("a",))]
    assert machine.on_input(SessionGranted(2, {"a": Watermark(0)}), 0)[0] == RewindTo("a", 0)


def test_more_than_the_journal_ever_held_opens_a_new_epoch_and_sends_all_since_the_start() -> None:
    machine = _machine(JournalEpoch("a", 3, released=3))
    machine.on_wake(0)
    machine.on_input(Synced("a", 5), 0)
    release, opened = machine.on_input(SessionGranted(1, {"a": Watermark(8)}), 0)
    assert release == Release("a", 3)
    assert isinstance(opened, OpenEpoch)
    assert machine.state is State.RENEWING
    assert machine.on_input(EpochOpened("b"), 0) == [OpenSession("b", 0, ("a", "b"))]
    granted = machine.on_input(SessionGranted(2, {"a": Watermark(8)}), 0)
    assert granted[-1] == SendBatches(1, 2, "a", (4, 5), True)
    assert machine.on_input(Answered(1, 8), 0) == [Release("a", 5)]


def test_trimmed_epochs_are_forgotten() -> None:
    machine, _ = _online(JournalEpoch("old", 2, released=2), JournalEpoch("new", 1), old=Watermark(2))
    machine.on_input(Trimmed("old", 2), 0)
    with pytest.raises(ValueError, match="not one of this journal"):
        machine.on_input(Synced("old", 3), 0)
    machine.on_input(Answered(1, 1), 0)
    assert machine.on_input(Trimmed("new", 1), 0) == []
    assert machine.on_input(Synced("new", 2), 0) == [_send(2, "new", 2)]


def test_an_epoch_may_be_opened_while_online_but_once() -> None:
    machine, _ = _online()
    machine.on_input(EpochOpened("b"), 0)
    assert machine.on_input(Synced("b", 1), 0) == [_send(1, "b", 1, told=True)]
    with pytest.raises(AssertionError, match="opened before"):
        machine.on_input(EpochOpened("b"), 0)


_PLAIN: dict[type, Input] = {
    Synced: Synced("a", 1),
    Trimmed: Trimmed("a", 0),
    DictionaryChanged: DictionaryChanged("a"),
    EpochOpened: EpochOpened("b"),
    SessionGranted: SessionGranted(1, {}),
    Answered: Answered(1, 0),
    Failed: Failed(1, FailureKind.UNAVAILABLE),
}


@pytest.mark.parametrize("kind", get_args(Input))
@pytest.mark.parametrize("state", State)
def test_every_input_has_its_place_in_every_state(state: State, kind: type) -> None:
    machine = _machine()
    machine.state = state
    machine.session = 1
    machine.on_input(_PLAIN[kind], 0)
    allowed = {
        (State.OPENING, SessionGranted): State.ONLINE,
        (State.RENEWING, EpochOpened): State.OPENING,
    }
    assert machine.state is allowed.get((state, kind), state)
