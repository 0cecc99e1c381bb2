"""When the door waits for the sealer, and when it does not."""

import logging

import pytest

from penstock.platform.historian.writing.backlog import Backlog


def test_the_door_waits_beyond_the_bound_and_until_half_of_it_is_sealed() -> None:
    backlog = Backlog(8)
    told = []
    for waiting in range(1, 10):
        backlog.on_full(waiting)
        told.append(backlog.is_over)
    assert told == [False] * 8 + [True]
    for waiting in (8, 7, 6, 5):
        backlog.on_sealed(waiting)
        assert backlog.is_over
    backlog.on_sealed(4)
    assert not backlog.is_over
    backlog.on_full(5)
    assert not backlog.is_over


def test_begin_and_end_of_waiting_are_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    backlog = Backlog(2)
    for waiting in (1, 2, 3, 4):
        backlog.on_full(waiting)
    for waiting in (3, 2, 1, 0):
        backlog.on_sealed(waiting)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [
        "3 full hot files wait for their seal",
        "1 full hot files wait for their seal",
    ]


def test_more_than_four_full_files_are_a_long_backlog() -> None:
    backlog, told = Backlog(8), []
    for waiting in (3, 4, 5):
        backlog.on_full(waiting)
        told.append(backlog.is_long)
    backlog.on_sealed(4)
    assert (told, backlog.is_long) == ([False, False, True], False)


def is_over(backlog: Backlog) -> bool:
    """Ask anew: a type checker takes an attribute for what it was."""
    return backlog.is_over


def test_failing_seals_hold_nobody_up() -> None:
    backlog = Backlog(2)
    for waiting in (1, 2, 3):
        backlog.on_full(waiting)
    assert is_over(backlog)
    backlog.on_failed(3)
    assert not is_over(backlog)
    for waiting in range(4, 100):
        backlog.on_full(waiting)
        assert not backlog.is_over
        backlog.on_failed(waiting)


@pytest.mark.parametrize("restarted", [False, True])
def test_what_a_failure_left_is_worked_off_without_shutting_the_door_for_all_of_it(*, restarted: bool) -> None:
    backlog, waiting, refused_in_a_row, longest = Backlog(8), 100, 0, 0
    if restarted:
        backlog.on_open(waiting)
    else:
        backlog.on_failed(waiting)
        backlog.on_sealed(waiting)
    for _ in range(10_000):  # the door fills two files while one is sealed
        for _ in range(2):
            if not backlog.is_over:
                waiting += 1
                backlog.on_full(waiting)
        waiting -= 1
        backlog.on_sealed(waiting)
        refused_in_a_row = refused_in_a_row + 1 if backlog.is_over else 0
        longest = max(longest, refused_in_a_row)
        assert waiting <= 102
    assert waiting <= 10
    assert longest <= 8
