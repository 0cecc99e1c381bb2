"""The historian's aggregates agree with the reference in core, window by window, value, status and time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as tuned
from hypothesis import strategies as st

from penstock.core.aggregate import Aggregate, AggregateSettings, Point, Result, aggregate, interpolated
from penstock.core.windows import Window
from penstock.platform.historian.processed.aggregates import at_times, summarise
from tests.builders.part13 import END_S, EXAMPLES, HISTORIANS, NOON, Example, S, series_of

STATUS = st.sampled_from([0, 0, 0, 0x4000_0000, 0x4094_0000, 0x8000_0000, 0x8031_0000, 0x809B_0000])
VALUE = st.one_of(st.none(), st.integers(-3, 3).map(float), st.floats(-1e9, 1e9))
TIMES = st.integers(-15, 75)
POINTS = st.lists(st.builds(Point, TIMES, STATUS, VALUE), max_size=25).map(
    lambda points: sorted(points, key=lambda point: point.time_ns)
)
WINDOWS = st.lists(st.integers(0, 60), min_size=2, max_size=8, unique=True).map(
    lambda cuts: [Window(low, high, low % 5 == 0) for low, high in zip(sorted(cuts), sorted(cuts)[1:], strict=False)]
)
SETTINGS = st.builds(
    AggregateSettings,
    stepped=st.booleans(),
    treat_uncertain_as_bad=st.booleans(),
    percent_data_good=st.sampled_from([50.0, 80.0, 100.0]),
    percent_data_bad=st.sampled_from([50.0, 70.0, 100.0]),
    use_sloped_extrapolation=st.booleans(),
    textual=st.sampled_from([False, False, True]),
    covered_until_ns=st.one_of(st.none(), st.integers(-20, 90)),
)


def assert_same(name: str, expected: Result, value: float | None, status: int, time_ns: int) -> None:
    said = f"{name}: expected {expected}, found {value} {status} {time_ns}"
    assert status == expected.status, said
    assert (value is None) == (expected.value is None), said
    assert time_ns == expected.time_ns, said
    if value is not None and expected.value is not None:
        assert math.isclose(value, expected.value, rel_tol=1e-9, abs_tol=1e-6), said


@tuned(deadline=None, max_examples=200)
@given(points=POINTS, over=WINDOWS, settings=SETTINGS)
def test_columns_agree_with_the_reference(points: list[Point], over: list[Window], settings: AggregateSettings) -> None:
    expected = aggregate(points, over, list(Aggregate), settings=settings)
    found = summarise(series_of(points), over, list(Aggregate), settings)
    for place, one in enumerate(expected):
        assert int(found.status[place]) == one.status, one
        for name, result in one.results.items():
            column = found.columns[name]
            value = float(column.value[place]) if column.present[place] else None
            assert_same(f"{name} in {one.window}", result, value, int(column.status[place]), int(column.time[place]))


@tuned(deadline=None, max_examples=100)
@given(points=POINTS, times=st.lists(TIMES, max_size=12), settings=SETTINGS, simple=st.booleans())
def test_values_at_times_agree_with_the_reference(
    points: list[Point], times: list[int], settings: AggregateSettings, simple: bool
) -> None:
    expected = interpolated(points, times, settings=settings, simple=simple)
    found = at_times(series_of(points), np.array(times, np.int64), settings, simple=simple)
    for place, result in enumerate(expected):
        value = float(found.value[place]) if found.present[place] else None
        assert_same("at times", result, value, int(found.status[place]), int(found.time[place]))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_columns_give_the_standards_own_figures(example: Example) -> None:
    historian = HISTORIANS[example.historian]
    starts = range(0, END_S, example.step_s)
    over = [Window(NOON + s * S, NOON + min(s + example.step_s, END_S) * S) for s in starts]
    found = summarise(series_of(list(historian.points)), over, [example.name], historian.settings)
    column = found.columns[example.name]
    assert [int(status) for status in column.status[: len(example.lines)]] == [line.status for line in example.lines]
    for line, value, present in zip(example.lines, column.value, column.present, strict=False):
        assert present == (line.value is not None)
        assert line.value is None or abs(value - line.value) <= (1.01 if "Duration" in example.name else 0.001)
