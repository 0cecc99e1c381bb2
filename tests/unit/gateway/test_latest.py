"""The latest sample of each tag."""

from penstock.gateway.latest import LatestSamples
from tests.builders.core import make_columns


def test_the_last_row_by_time_stays() -> None:
    latest = LatestSamples()
    latest.take(make_columns([(3, 20, 0, 2.0), (3, 10, 0, 1.0), (0, 5, 0, "x")]))
    rows = latest.of([0, 1, 3, 900])
    assert rows.tag.tolist() == [0, 3]
    assert rows.time.tolist() == [5, 20]
    assert [rows.value_at(row) for row in range(2)] == ["x", 2.0]
    assert (latest.time_of(3), latest.time_of(1), latest.time_of(900)) == (20, None, None)


def test_rows_given_are_a_copy() -> None:
    latest = LatestSamples()
    latest.take(make_columns([(0, 5, 0, 1.0)]))
    latest.of([0]).time[:] = 99
    assert latest.time_of(0) == 5


def test_nothing_changes_nothing() -> None:
    latest = LatestSamples()
    latest.take(make_columns([]))
    assert len(latest.of([0])) == 0
