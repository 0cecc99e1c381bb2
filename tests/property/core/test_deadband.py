"""The deadband in columns, however they are cut, gives what its samples one by one give."""

import itertools
from collections import defaultdict
from unittest.mock import patch

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.core import deadband
from penstock.core.deadband import Deadband, Passed, Rule
from penstock.core.values import INT64_MAX, INT64_MIN, Value
from tests.builders.core import make_columns

RULES = {
    0: Rule(0.5, 1_000),
    1: Rule(0.0, 50),
    3: Rule(2.5, 2**62),
    4: Rule(1e300, 1_000),
    5: Rule(float(2**63), 10**9),
}
"""Tag 2 has none, and tag 6 lies beyond what the machine knows."""
VALUES = st.one_of(
    st.none(),
    st.sampled_from((0.0, -0.0, 0.5, 0.6, 1.0, 3.0, float("nan"), float("inf"), -float("inf"), 1e308, -1e308)),
    st.floats(-3, 3),
    st.sampled_from((0, 1, 2, 3, INT64_MAX, INT64_MIN)),
    st.integers(-4, 4),
)
TIMES = st.one_of(st.integers(0, 400), st.sampled_from((INT64_MIN, INT64_MIN + 1, INT64_MAX - 1, INT64_MAX, -1)))
ROWS = st.lists(
    st.tuples(st.integers(0, 6), TIMES, st.sampled_from((0, 0, 0, 0x40000000, 0x80310000, 0x480)), VALUES), max_size=60
)
CUTS = st.lists(st.integers(0, 60), max_size=4)
GAPS = st.dictionaries(st.integers(0, 60), st.tuples(st.integers(0, 6), TIMES), max_size=3)
Row = tuple[int, int, int, Value]


def one_by_one(rows: list[Row], gaps: dict[int, tuple[int, int]]) -> list[bool]:
    """Give which rows are thinned, by the machine of one tag."""
    tags: defaultdict[int, Passed] = defaultdict(Passed)
    found = []
    for at, row in enumerate(rows):
        if at in gaps:
            tag, heard_ns = gaps[at]
            tags[tag].known, tags[tag].heard_ns = False, max(tags[tag].heard_ns, heard_ns)
        tag, time_ns, status, _ = row
        columns = make_columns([row])
        rule = RULES.get(tag)
        found.append(
            rule is not None
            and not tags[tag].passes(
                rule,
                time_ns=time_ns,
                status=status,
                kind=int(columns.kind[0]),
                vf=float(columns.vf[0]),
                vi=int(columns.vi[0]),
            )
        )
    return found


def in_columns(rows: list[Row], gaps: dict[int, tuple[int, int]], cuts: list[int]) -> list[bool]:
    """Give the same by the machine in columns, cut at `cuts` and at each gap."""
    made = Deadband()
    for tag, rule in RULES.items():
        made.set_rule(tag, rule)
    found: list[bool] = []
    edges = sorted({0, len(rows), *(cut for cut in (*cuts, *gaps) if cut < len(rows))})
    for start, end in itertools.pairwise(edges):
        if start in gaps:
            made.forget([gaps[start]])
        thinned = made.apply(make_columns(rows[start:end]))
        found += [False] * (end - start) if thinned is None else thinned.tolist()
    return found


@given(ROWS, GAPS, CUTS, st.sampled_from((1, 3, 1_000)), st.booleans())
@settings(max_examples=150, deadline=None)
def test_columns_thin_what_one_by_one_thins(
    rows: list[Row], gaps: dict[int, tuple[int, int]], cuts: list[int], few: int, in_order: bool
) -> None:
    if in_order:
        rows = sorted(rows, key=lambda row: row[1])
    with patch.object(deadband, "FEW_TAGS", few):
        assert in_columns(rows, gaps, cuts) == one_by_one(rows, gaps)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=80), st.floats(0, 5))
@settings(max_examples=100, deadline=None)
def test_what_is_left_tells_each_value_to_within_the_deadband(series: list[float], most: float) -> None:
    made = Deadband()
    made.set_rule(0, Rule(most, 10**9))
    thinned = made.apply(make_columns([(0, at, 0, value) for at, value in enumerate(series)]))
    kept = np.ones(len(series), np.bool_) if thinned is None else ~thinned
    last = series[0]
    for value, is_kept in zip(series, kept.tolist(), strict=True):
        last = value if is_kept else last
        assert abs(value - last) <= most
