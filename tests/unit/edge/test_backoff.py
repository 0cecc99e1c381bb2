"""Reconnecting: the waits grow, have a little chance in them, and stay short enough to resume within 5 s."""

from penstock.edge.backoff import FIRST_S, LONGEST_S, Backoff
from penstock.edge.opcua.config import KEEP_ALIVE_MS
from penstock.edge.opcua.session import REQUEST_TIMEOUT_S

RESUME_S = 5.0


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff()
    waits = [backoff.next_delay_s() for _ in range(20)]
    assert waits[0] <= FIRST_S
    assert all(0.75 * LONGEST_S <= wait <= LONGEST_S for wait in waits[5:])
    assert len(set(waits)) == len(waits)


def test_success_starts_from_the_first_wait() -> None:
    backoff = Backoff()
    for _ in range(10):
        backoff.next_delay_s()
    backoff.reset()
    assert backoff.next_delay_s() <= FIRST_S


def test_reading_resumes_within_five_seconds_of_the_link() -> None:
    """The longest wait, then a connect that takes a second and the first publish."""
    assert LONGEST_S + 1.0 + KEEP_ALIVE_MS / 1000 <= RESUME_S
    assert REQUEST_TIMEOUT_S <= RESUME_S
