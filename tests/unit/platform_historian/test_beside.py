"""Parts of a question beside: taken by whoever is free, and left by all at the end."""

import threading

import pytest

from penstock.platform.historian.reading.beside import Beside


def test_what_nobody_has_begun_the_asker_does() -> None:
    beside, go, begun = Beside(), threading.Event(), threading.Event()

    def first() -> str:
        begun.set()
        assert go.wait(10)
        return threading.current_thread().name

    with beside.begin([first, lambda: threading.current_thread().name]) as (one, two):
        assert begun.wait(10)
        assert two.take() == threading.current_thread().name
        go.set()
        assert one.take().startswith("historian-beside")
    beside.stop()


def test_at_the_end_nobody_is_at_it_also_when_the_asker_fails() -> None:
    beside, begun, ended, never = Beside(), threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        never.wait(0.2)
        ended.set()

    def ask() -> None:
        with beside.begin([slow, never.set]):
            assert begun.wait(10)
            raise ValueError("asker")

    with pytest.raises(ValueError, match="asker"):
        ask()
    assert ended.is_set()
    assert not never.is_set(), "what had not begun is not done any more"
    beside.stop()


def test_what_a_part_raises_its_taker_gets() -> None:
    beside = Beside()

    def broken() -> None:
        message = "no such file"
        raise OSError(message)

    with beside.begin([broken]) as (part,), pytest.raises(OSError, match="no such file"):
        part.take()
    beside.stop()
