"""What an aggregate is asked with and answers with: names, settings and results of OPC UA Part 13 (1.05)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from penstock.core.windows import Window

CALCULATED: Final = 0x01
INTERPOLATED: Final = 0x02
PARTIAL: Final = 0x04
MULTIPLE_VALUES: Final = 0x10
"""Historian bits of a status code (Part 13, 5.3.3); neither Calculated nor Interpolated: a raw value."""
HISTORIAN_BITS: Final = 0x1F


class Aggregate(StrEnum):
    """Name the aggregates served (5.4.3), all but AnnotationCount: the historian keeps no annotations."""

    INTERPOLATIVE = "Interpolative"
    AVERAGE = "Average"
    TIME_AVERAGE = "TimeAverage"
    TIME_AVERAGE2 = "TimeAverage2"
    TOTAL = "Total"
    TOTAL2 = "Total2"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    MINIMUM_ACTUAL_TIME = "MinimumActualTime"
    MAXIMUM_ACTUAL_TIME = "MaximumActualTime"
    RANGE = "Range"
    MINIMUM2 = "Minimum2"
    MAXIMUM2 = "Maximum2"
    MINIMUM_ACTUAL_TIME2 = "MinimumActualTime2"
    MAXIMUM_ACTUAL_TIME2 = "MaximumActualTime2"
    RANGE2 = "Range2"
    COUNT = "Count"
    DURATION_IN_STATE_ZERO = "DurationInStateZero"
    DURATION_IN_STATE_NON_ZERO = "DurationInStateNonZero"
    NUMBER_OF_TRANSITIONS = "NumberOfTransitions"
    START = "Start"
    END = "End"
    DELTA = "Delta"
    START_BOUND = "StartBound"
    END_BOUND = "EndBound"
    DELTA_BOUNDS = "DeltaBounds"
    DURATION_GOOD = "DurationGood"
    DURATION_BAD = "DurationBad"
    PERCENT_GOOD = "PercentGood"
    PERCENT_BAD = "PercentBad"
    WORST_QUALITY = "WorstQuality"
    WORST_QUALITY2 = "WorstQuality2"
    STANDARD_DEVIATION_SAMPLE = "StandardDeviationSample"
    STANDARD_DEVIATION_POPULATION = "StandardDeviationPopulation"
    VARIANCE_SAMPLE = "VarianceSample"
    VARIANCE_POPULATION = "VariancePopulation"


ACTUAL_TIME: Final = frozenset(
    {
        Aggregate.MINIMUM_ACTUAL_TIME,
        Aggregate.MAXIMUM_ACTUAL_TIME,
        Aggregate.MINIMUM_ACTUAL_TIME2,
        Aggregate.MAXIMUM_ACTUAL_TIME2,
        Aggregate.START,
        Aggregate.END,
    }
)
"""Those whose result has a time of its own; all others have the start of the interval."""
BY_STATUS: Final = frozenset(
    {
        Aggregate.COUNT,
        Aggregate.DURATION_GOOD,
        Aggregate.DURATION_BAD,
        Aggregate.PERCENT_GOOD,
        Aggregate.PERCENT_BAD,
        Aggregate.WORST_QUALITY,
        Aggregate.WORST_QUALITY2,
    }
)
"""Those that need no value: they suit every type."""
BY_STATE: Final = BY_STATUS | {
    Aggregate.INTERPOLATIVE,
    Aggregate.DURATION_IN_STATE_ZERO,
    Aggregate.DURATION_IN_STATE_NON_ZERO,
    Aggregate.NUMBER_OF_TRANSITIONS,
    Aggregate.START,
    Aggregate.END,
    Aggregate.START_BOUND,
    Aggregate.END_BOUND,
}
"""Those that suit a Boolean (Part 13, annex A: the examples of Historian 4)."""


@dataclass(frozen=True, slots=True)
class AggregateSettings:
    """Hold what Part 13, 4.2.1.2 (AggregateConfiguration) lets a client choose, and what the historian knows.

    `textual`: the values are text, only their status counts. `covered_until_ns`: the newest value holds until then
    (3.1.9, "a time known by the Historian to be covered"); without it the data end with the newest sample.
    """

    stepped: bool = True
    treat_uncertain_as_bad: bool = False
    percent_data_good: float = 100.0
    percent_data_bad: float = 100.0
    use_sloped_extrapolation: bool = False
    textual: bool = False
    covered_until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """Hold one sample; a bool counts as 0 or 1, a string has no number (None)."""

    time_ns: int
    status: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Result:
    """Hold the result of one aggregate over one window: no value where its status is Bad."""

    value: float | None
    status: int
    time_ns: int


@dataclass(frozen=True, slots=True)
class Aggregated:
    """Hold the results of one window; `status` tells of the window as a whole, as TimeAverage2 would."""

    window: Window
    results: dict[Aggregate, Result]
    status: int

    @property
    def values(self) -> dict[Aggregate, float | None]:
        """Give the values alone."""
        return {name: result.value for name, result in self.results.items()}
