"""The reference aggregates give what the worked examples of OPC UA Part 13, annex A, say."""

import pytest

from penstock.core.aggregate import Window, aggregate
from tests.builders.part13 import END_S, EXAMPLES, HISTORIANS, NOON, TOLERANCE, Example, S


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.id)
def test_the_reference_gives_the_standards_own_figures(example: Example) -> None:
    historian = HISTORIANS[example.historian]
    starts = range(0, END_S, example.step_s)
    over = [Window(NOON + s * S, NOON + min(s + example.step_s, END_S) * S) for s in starts]
    found = [
        each.results[example.name]
        for each in aggregate(historian.points, over, [example.name], settings=historian.settings)
    ]
    for start, expected, result in zip(starts, example.lines, found, strict=False):
        at = f"{example.id} at {start}: {result}, expected {expected}"
        assert result.status == expected.status, at
        assert (result.value is None) == (expected.value is None), at
        if expected.value is not None and result.value is not None:
            slack = TOLERANCE if "Duration" in example.name else 0.001
            assert abs(result.value - expected.value) <= slack, at
            wanted_ns = (start if expected.time_s is None else expected.time_s) * S
            assert abs(result.time_ns - NOON - wanted_ns) <= 1_000_000, at
