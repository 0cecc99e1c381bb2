"""Times that callers give, as the API takes them."""

from datetime import UTC, datetime

import pytest

from penstock.core.times import parse_asked_time
from penstock.sdk.times import When, parameter

EARLY = datetime(1971, 2, 3, tzinfo=UTC)
EARLY_NS = int(EARLY.timestamp()) * 10**9


@pytest.mark.parametrize("when", [EARLY, "1971-02-03T00:00:00Z", datetime(1971, 2, 3, 0, 0, tzinfo=UTC)])
def test_a_time_of_1971_that_was_no_integer_is_not_taken_for_seconds(when: When) -> None:
    assert parse_asked_time(parameter(when), 0) == EARLY_NS


@pytest.mark.parametrize("when", [0, -5, 10**17, "2026-01-01T00:00:00Z"])
def test_other_times_are_sent_as_integers(when: When) -> None:
    assert parse_asked_time(parameter(when), 0) == int(parameter(when))


def test_integers_of_a_caller_are_sent_as_they_are() -> None:
    assert parameter(1_764_188_000) == "1764188000"
    with pytest.raises(ValueError, match="looks like seconds"):
        parse_asked_time(parameter(1_764_188_000), 0)
