"""Erasures as steps say what going through all of them says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.platform.historian.erasures import NO_ERASURES, Entries, Erasures

spans = st.lists(st.tuples(st.integers(1, 3), st.integers(-5, 20), st.integers(1, 12)), max_size=12)


def entries_of(made: list[tuple[int, int, int]], first: int = 1) -> Entries:
    """Make erasures of (tag, start, length), each a commit later than the one before."""
    rows = [(first + k, tag, start, start + length, 0) for k, (tag, start, length) in enumerate(made)]
    return Entries(*(np.array(column, np.int64) for column in np.array(rows, np.int64).reshape(-1, 5).T))


def naive(log: Entries, tag: int, time: int, position: int) -> bool:
    erasures = zip(*(column.tolist() for column in log), strict=True)
    return any(tag == of and start <= time < end and position < at for at, of, start, end, _ in erasures)


@settings(deadline=None, max_examples=50)
@given(spans, spans)
def test_steps_hide_what_some_erasure_hides(one: list[tuple[int, int, int]], other: list[tuple[int, int, int]]) -> None:
    log, later = entries_of(one), entries_of(other, len(one) + 1)
    whole = entries_of(one + other)
    asked = [(tag, time, position) for tag in (1, 2, 3) for time in range(-6, 34, 2) for position in (0, 1, 4, 20)]
    columns = [np.array(column, np.int64) for column in zip(*asked, strict=True)]
    expected = [naive(whole, *each) for each in asked]
    for erasures in (Erasures.of(whole), Erasures.of(log).with_(later), NO_ERASURES.with_(log).with_(later)):
        assert erasures.hides(*columns).tolist() == expected
        for tag in erasures.tags():
            steps = erasures.steps(tag)
            assert steps is not None
            assert (steps.start < steps.end).all()
            assert (steps.end[:-1] <= steps.start[1:]).all()
        followed = erasures.since(2, 5, [1, 2])
        assert all(2 < at <= 5 for at in followed.position)
        kept = erasures.beyond(3)
        assert kept.hides(*columns).tolist() == [naive(whole.where(whole.position > 3), *each) for each in asked]
