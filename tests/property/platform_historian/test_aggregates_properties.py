"""The historian's aggregates agree with the reference in core, window by window."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from penstock.core.aggregate import Aggregate, AggregateSettings, Point, aggregate
from penstock.core.windows import Window
from penstock.platform.historian.aggregates import Series, summarise

STATUS = st.sampled_from([0, 0, 0, 0x4000_0000, 0x4094_0000, 0x8000_0000, 0x8031_0000])
VALUE = st.one_of(st.none(), st.integers(-5, 5).map(float), st.floats(-1e9, 1e9))
TIMES = st.integers(-5, 65)
POINTS = st.lists(st.builds(Point, TIMES, STATUS, VALUE), max_size=25).map(
    lambda points: sorted(points, key=lambda point: point.time_ns)
)
WINDOWS = st.lists(st.integers(0, 60), min_size=2, max_size=8, unique=True).map(
    lambda cuts: [Window(low, high, low % 2 == 0) for low, high in zip(sorted(cuts), sorted(cuts)[1:], strict=False)]
)
SETTINGS = st.builds(
    AggregateSettings,
    stepped=st.booleans(),
    treat_uncertain_as_bad=st.booleans(),
    percent_data_good=st.sampled_from([50.0, 100.0]),
    percent_data_bad=st.sampled_from([50.0, 100.0]),
)


def series_of(points: list[Point]) -> Series:
    return Series(
        np.array([point.time_ns for point in points], np.int64),
        np.array([point.status for point in points], np.uint32),
        np.array([math.nan if point.value is None else point.value for point in points], np.float64),
    )


@given(points=POINTS, over=WINDOWS, settings=SETTINGS)
def test_columns_agree_with_the_reference(points: list[Point], over: list[Window], settings: AggregateSettings) -> None:
    expected = aggregate(points, over, list(Aggregate), settings=settings)
    found = summarise(series_of(points), over, list(Aggregate), settings)
    for place, one in enumerate(expected):
        assert int(found.status[place]) == one.status, one
        for name, value in one.values.items():
            assert bool(found.present[name][place]) == (value is not None), (name, one)
            if value is not None:
                assert math.isclose(found.values[name][place], value, rel_tol=1e-9, abs_tol=1e-6), (name, one)
