"""The deadband leaves out what tells nothing new, and never a change of status, the first value, or what is late."""

import math

import numpy as np
import pytest

from penstock.core import deadband as module
from penstock.core.deadband import FEW_TAGS, Deadband, Rule
from penstock.core.status import BAD_NO_DATA, GOOD, INFO_TYPE_DATA_VALUE, OVERFLOW, UNCERTAIN
from penstock.core.values import INT64_MAX, INT64_MIN, Value
from tests.builders.core import make_columns

S = 1_000_000_000
RULE = Rule(0.5, 60 * S)
NAN = float("nan")


@pytest.fixture(autouse=True, params=[1, FEW_TAGS])
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Judge everything in columns, and as it comes: few tags go one by one."""
    monkeypatch.setattr(module, "FEW_TAGS", request.param)


def deadband(*rules: Rule) -> Deadband:
    made = Deadband()
    for index, rule in enumerate(rules or (RULE,)):
        made.set_rule(index, rule)
    return made


def passed(rows: list[tuple[int, int, Value]], made: Deadband | None = None) -> list[bool]:
    """Give which of (time in s, status, value) of tag 0 pass."""
    thinned = (made or deadband()).apply(make_columns([(0, t * S, status, value) for t, status, value in rows]))
    return [True] * len(rows) if thinned is None else (~thinned).tolist()


def values(*found: Value) -> list[tuple[int, int, Value]]:
    return [(at, GOOD, value) for at, value in enumerate(found, start=1)]


def test_what_differs_by_no_more_than_the_deadband_is_thinned() -> None:
    assert passed(values(10.0, 10.4, 10.5, 10.51, 10.2, 10.0)) == [True, False, False, True, False, True]


def test_a_slow_drift_is_compared_with_the_last_value_that_passed() -> None:
    assert passed(values(0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)) == [True, False, False, True, False, False, True]


def test_a_deadband_of_zero_leaves_out_equal_values_only() -> None:
    assert passed(values(1.0, 1.0, math.nextafter(1.0, 2.0)), deadband(Rule(0.0, 60 * S))) == [True, False, True]


def test_an_unchanged_value_is_sent_after_the_longest_interval() -> None:
    rows: list[tuple[int, int, Value]] = [(at, GOOD, 7.0) for at in range(0, 130, 10)]
    assert [at for (at, _, _), does in zip(rows, passed(rows), strict=True) if does] == [0, 60, 120]


def test_a_change_of_status_always_passes() -> None:
    rows: list[tuple[int, int, Value]] = [(1, GOOD, 1.0), (2, UNCERTAIN, 1.0), (3, UNCERTAIN, 1.0), (4, GOOD, 1.0)]
    assert passed(rows) == [True, True, False, True]


def test_a_value_that_comes_or_goes_passes() -> None:
    rows: list[tuple[int, int, Value]] = [(1, BAD_NO_DATA, None), (2, BAD_NO_DATA, None), (3, BAD_NO_DATA, 0.0)]
    assert passed(rows) == [True, False, True]


def test_nan_is_unchanged_only_beside_nan_and_infinity_beside_itself() -> None:
    inf = float("inf")
    assert passed(values(NAN, NAN, 1.0, NAN)) == [True, False, True, True]
    assert passed(values(inf, inf, -inf, 1e308, -1e308)) == [True, False, True, True, True]


def test_whole_numbers_differ_exactly_over_all_of_int64() -> None:
    wide = Rule(1.5, 60 * S)
    assert passed(values(INT64_MAX, INT64_MAX - 1, INT64_MAX - 2, INT64_MIN), deadband(wide)) == [
        True,
        False,
        True,
        True,
    ]


def test_the_first_value_after_forgetting_passes_and_a_late_one_is_not_taken_for_it() -> None:
    made = deadband()
    assert passed([(1, GOOD, 5.0), (2, GOOD, 5.0)], made) == [True, False]
    made.forget([(0, 10 * S)])
    assert passed([(9, GOOD, 5.0), (11, GOOD, 5.0), (12, GOOD, 5.0)], made) == [True, True, False]


def test_times_at_both_ends_of_int64_lie_far_apart() -> None:
    thinned = deadband().apply(make_columns([(0, INT64_MIN + 1, 0, 1.0), (0, INT64_MAX, 0, 1.0)]))
    assert thinned is None


def test_late_and_repeated_samples_pass_and_change_nothing() -> None:
    rows: list[tuple[int, int, Value]] = [
        (5, GOOD, 1.0),
        (4, GOOD, 9.0),
        (5, GOOD, 9.0),
        (6, GOOD, 1.0),
        (6, GOOD, 1.0),
    ]
    assert passed(rows) == [True, True, True, False, True]


def test_a_value_that_says_that_others_before_it_were_lost_passes() -> None:
    lost = GOOD | INFO_TYPE_DATA_VALUE | OVERFLOW
    assert passed([(1, lost, 1.0), (2, lost, 1.0), (3, lost, 1.0)]) == [True, True, True]


def test_tags_without_a_rule_pass_whole() -> None:
    made = deadband()
    columns = make_columns([(0, S, 0, 1.0), (9, S, 0, 1.0), (0, 2 * S, 0, 1.0), (9, 2 * S, 0, 1.0)])
    thinned = made.apply(columns)
    assert thinned is not None
    assert thinned.tolist() == [False, False, True, False]
    made.set_rule(0, None)
    assert made.apply(columns) is None


def test_a_new_rule_lets_the_next_value_pass() -> None:
    made = deadband()
    assert passed([(1, GOOD, 5.0), (2, GOOD, 5.0)], made) == [True, False]
    made.set_rule(0, RULE)
    assert passed([(3, GOOD, 5.0), (4, GOOD, 5.0)], made) == [True, False]


def test_many_tags_at_once_are_judged_each_by_its_own_rule() -> None:
    tags = 2 * FEW_TAGS
    made = deadband(*[Rule(float(index), 60 * S) for index in range(tags)])
    columns = make_columns([(index, at * S, 0, 10.0 * at) for at in (1, 2) for index in range(tags)])
    thinned = made.apply(columns)
    assert thinned is not None
    assert thinned.tolist() == [False] * tags + [index >= 10 for index in range(tags)]


@pytest.mark.parametrize("wrong", [(-1.0, 1), (NAN, 1), (1.0, 0)])
def test_a_rule_that_means_nothing_is_not_made(wrong: tuple[float, int]) -> None:
    with pytest.raises(AssertionError):
        Rule(*wrong)


def test_no_samples_are_no_change() -> None:
    assert deadband().apply(make_columns([])) is None
    assert Deadband().apply(make_columns([(0, 1, 0, 1.0)])) is None
    assert np.iinfo(np.int64).max == INT64_MAX
