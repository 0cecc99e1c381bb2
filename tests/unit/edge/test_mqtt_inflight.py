"""Copies of held messages, and identifiers that a broker has given to the next message."""

from dataclasses import dataclass

from penstock.edge.mqtt.inflight import InFlight


@dataclass(frozen=True, eq=False)
class Sent:
    """Carry what tells messages apart."""

    mid: int
    payload: bytes
    topic: str = "t"


def test_a_copy_of_what_is_held_is_dropped() -> None:
    flight = InFlight[Sent]()
    first = Sent(1, b"a")
    assert flight.arrive(first, duplicate=False)
    assert not flight.arrive(Sent(1, b"a"), duplicate=True)
    assert flight.release(first)
    assert not flight.release(first)


def test_what_was_acknowledged_is_taken_when_it_comes_again() -> None:
    flight = InFlight[Sent]()
    first, again = Sent(1, b"a"), Sent(1, b"a")
    flight.arrive(first, duplicate=False)
    flight.release(first)
    assert flight.arrive(again, duplicate=True)
    assert flight.release(again)


def test_a_copy_that_crossed_our_acknowledgement_never_acknowledges_the_next_message() -> None:
    flight = InFlight[Sent]()
    first, crossed, following = Sent(1, b"a"), Sent(1, b"a"), Sent(1, b"b")
    flight.arrive(first, duplicate=False)
    flight.release(first)
    flight.arrive(crossed, duplicate=True)
    assert flight.arrive(following, duplicate=False)
    assert not flight.release(crossed)
    assert flight.release(following)


def test_an_equal_payload_that_is_no_copy_is_taken() -> None:
    flight = InFlight[Sent]()
    crossed, following = Sent(1, b"a"), Sent(1, b"a")
    flight.arrive(crossed, duplicate=True)
    assert flight.arrive(following, duplicate=False)
    assert not flight.release(crossed)
    assert flight.release(following)


def test_a_marked_message_of_another_topic_or_payload_is_taken() -> None:
    flight = InFlight[Sent]()
    flight.arrive(Sent(1, b"a"), duplicate=False)
    assert flight.arrive(Sent(1, b"b"), duplicate=True)
    assert flight.arrive(Sent(1, b"b", topic="u"), duplicate=True)


def test_identifiers_end_with_their_connection() -> None:
    flight = InFlight[Sent]()
    first = Sent(1, b"a")
    flight.arrive(first, duplicate=False)
    flight.clear()
    assert not flight.release(first)
    assert flight.arrive(Sent(1, b"a"), duplicate=True)
