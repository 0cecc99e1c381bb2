"""Cursors round-trip, and nothing else passes for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from penstock.platform.kit.paging import decode_cursor, encode_cursor
from penstock.platform.kit.problems import Problem


@given(st.text(max_size=50), st.integers(-(2**63) + 1, 2**63 - 1))
def test_cursor_gives_back_its_keys(text: str, number: int) -> None:
    assert decode_cursor(encode_cursor(text, number), str, int) == (text, number)


@pytest.mark.parametrize("cursor", ["", "x", "bnVsbA", "W10", "WzFd", "!!!!", encode_cursor(2**70), "W1tbW1tb" * 40])
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(Problem, match="bad-cursor") as refused:
        decode_cursor(cursor, str)
    assert refused.value.status == 400
