"""The worked examples of OPC UA Part 13 (1.04), annex A: figures of the four example historians, and what is expected.

In one place the normative text (1.05) is followed where the example differs: MinimumActualTime and MaximumActualTime
are Calculated when values that are not Good made them Uncertain. Times are seconds after 12:00:00. An expectation is
`[time] value status bits`: G Good, U UncertainDataSubNormal, u Uncertain (raw), B Bad, N Bad_NoData; bits C Calculated,
I Interpolated, P Partial, M MultipleValues.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from penstock.core import status as codes
from penstock.core.aggregate import (
    CALCULATED,
    INTERPOLATED,
    MULTIPLE_VALUES,
    PARTIAL,
    Aggregate,
    AggregateSettings,
    Point,
)
from penstock.platform.historian.processed.series import Series

S = 1_000_000_000
NOON = 1_325_505_600 * S  # 2012-01-02 12:00:00 UTC
END_S = 100

_H1 = "0:N 10:10 20:20 30:30 40:40B 50:50 60:60 70:70u 80:80 90:90"
_H2 = "0:N 2:10 25:20 28:25 39:30 42:B 48:40 52:50 72:60 77:70u 83:70 86:80 90:90"
_H4 = "0:N 2:1 25:0 28:1 39:1 42:B 48:1 52:0 72:0 77:1u 83:1 86:0 90:1"


@dataclass(frozen=True, slots=True)
class Historian:
    """Hold one example historian."""

    number: int
    points: tuple[Point, ...]
    settings: AggregateSettings


def _points(text: str) -> tuple[Point, ...]:
    found = []
    for word in text.split():
        at, _, rest = word.partition(":")
        status = {"N": codes.BAD_NO_DATA, "B": codes.BAD, "u": codes.UNCERTAIN}.get(rest[-1], codes.GOOD)
        number = rest.rstrip("NBu")
        found.append(Point(NOON + int(at) * S, status, float(number) if number else None))
    return tuple(found)


_SETTINGS = AggregateSettings(stepped=False, treat_uncertain_as_bad=True)
HISTORIANS = {
    1: Historian(1, _points(_H1), replace(_SETTINGS, treat_uncertain_as_bad=False)),
    2: Historian(2, _points(_H2), _SETTINGS),
    3: Historian(3, _points(_H2), replace(_SETTINGS, stepped=True, percent_data_good=50.0, percent_data_bad=50.0)),
    4: Historian(4, _points(_H4), replace(_SETTINGS, stepped=True)),
}


@dataclass(frozen=True, slots=True)
class Expected:
    """Hold one line of an annex's table; `time_s` only where it is not the start of the interval."""

    value: float | None
    status: int
    time_s: float | None


@dataclass(frozen=True, slots=True)
class Example:
    """Hold one table: an aggregate over one historian in intervals of `step_s`."""

    clause: str
    name: Aggregate
    historian: int
    step_s: int
    lines: tuple[Expected, ...]

    @property
    def id(self) -> str:
        """Name it in a test's output."""
        return f"{self.clause}-{self.name}-H{self.historian}"


_SEVERITY = {
    "G": codes.GOOD,
    "U": codes.UNCERTAIN_DATA_SUB_NORMAL,
    "u": codes.UNCERTAIN,
    "B": codes.BAD,
    "N": codes.BAD_NO_DATA,
}
_BITS = {"C": CALCULATED, "I": INTERPOLATED, "P": PARTIAL, "M": MULTIPLE_VALUES}


def _expected(text: str) -> Expected:
    *at, number, status = text.split()
    bits = sum(_BITS[letter] for letter in status[1:])
    code = _SEVERITY[status[0]] | (codes.INFO_TYPE_DATA_VALUE | bits if bits else 0)
    return Expected(None if number == "-" else float(number), code, float(at[0]) if at else None)


_TABLES = """
A.2 Interpolative 1 5 | - N | - N | 10 G | 15 GI | 20 G | 25 GI | 30 G | 35 UI | 40 UI | 45 UI | 50 G | 55 GI | 60 G \
| 65 UI | 70 u | 75 UI | 80 G | 85 GI | 90 G | 90 UI
A.2 Interpolative 2 5 | - N | 11.304 GI | 13.478 GI | 15.652 GI | 17.826 GI | 20 G | 25.909 GI | 28.182 GI \
| 31.111 UI \
| 36.667 UI | 45 GI | 51.5 GI | 54 GI | 56.5 GI | 59 GI | 62.727 UI | 67.273 UI | 76.667 GI | 90 G | 90 UI
A.2 Interpolative 3 5 | - N | 10 GI | 10 GI | 10 GI | 10 GI | 20 G | 25 GI | 25 GI | 30 GI | 30 UI | 40 GI | 50 GI \
| 50 GI | 50 GI | 50 GI | 60 GI
A.3 Average 1 5 | - N | - N | 10 GC | - N | 20 GC | - N | 30 GC | - N | - N | - N | 50 GC | - N | 60 GC | - N | - N \
| - N | 80 GC | - N | 90 GC | - N
A.3 Average 2 5 | 10 GC | - N | - N | - N | - N | 22.5 GC | - N | 30 GC | - N | 40 GC | 50 GC | - N | - N \
| - N | 60 GC \
| - N | 70 GC | 80 GC | 90 GC | - N
A.4 TimeAverage 1 5 | - N | - N | 12.5 GC | 17.5 GC | 22.5 GC | 27.5 GC | 32.5 UC | 37.5 UC | 42.5 UC | 47.5 UC \
| 52.5 GC | 57.5 GC | 62.5 UC | 67.5 UC | 72.5 UC | 77.5 UC | 82.5 GC | 87.5 GC | 90 UC | 90 UC
A.4 TimeAverage 2 5 | 10.652 UCP
A.5 TimeAverage2 1 5 | - N | - N | 12.5 GC | 17.5 GC | 22.5 GC | 27.5 GC | 30 UC | 30 UC | - N | - N | 52.5 GC \
| 57.5 GC | 62.5 UC | 67.5 UC | 72.5 UC | 77.5 UC | 82.5 GC | 87.5 GC | 90 UCP | - N
A.5 TimeAverage2 2 5 | 10.652 UCP | 12.391 GC | 14.565 GC | 16.739 GC | 18.913 GC | 23.682 GC | 27.046 GC \
| 29.273 UC \
| 30 UC | 42.5 UC | 49.45 GC | 52.75 GC | 55.25 GC | 57.75 GC | 59.8 UC
A.5 TimeAverage2 3 5 | 10 GCP | 10 GC | 10 GC | 10 GC | 10 GC | 22 GC | 25 GC | 26 GC | - BC | - BC | 46 GC | 50 GC \
| 50 GC | 50 GC | 56 GC | - BC | - BC
A.9 Maximum 2 16 | 10 GCP | 25 GC | 30 UC | 50 GC | 60 UC | 90 GCP | - N
A.10 MinimumActualTime 1 16 | 10 10 GP | 20 20 G | - N | 50 50 G | - N | 80 80 GP | - N
A.10 MinimumActualTime 2 16 | 2 10 GP | 25 20 G | 39 30 UC | 48 40 G | 72 60 UC | 83 70 GP | - N
A.10 MinimumActualTime 3 16 | 2 10 GP | 25 20 G | 39 30 UC | 48 40 G | 72 60 UC | 83 70 GP | - N
A.11 MaximumActualTime 1 16 | 10 10 GP | 30 30 G | - N | 60 60 G | - N | 90 90 GP | - N
A.11 MaximumActualTime 2 16 | 2 10 GP | 28 25 G | 39 30 UC | 52 50 G | 72 60 UC | 90 90 GP | - N
A.11 MaximumActualTime 3 16 | 2 10 GP | 28 25 G | 39 30 UC | 52 50 G | 72 60 UC | 90 90 GP | - N
A.13 Minimum2 1 16 | 10 UCP | 16 UI | 30 UI | 50 UC | 64 UI | 80 UP | - N
A.13 Minimum2 2 16 | 10 UCP | 16.087 GI | 26.818 UI | 40 G | 56 UI | 70 UCP | - N
A.13 Minimum2 3 16 | 10 GCP | 10 GI | 25 GI | 40 G | 50 GI | 70 GCP | - N
A.14 Maximum2 1 16 | 16 UIP | 30 UCM | 30 UI | 64 UI | 80 UC | 90 UCP | - N
A.14 Maximum2 2 16 | 16.087 UIP | 26.818 GI | 40 UC | 56 GI | 60 UC | 90 UCP | - N
A.14 Maximum2 3 16 | 10 GCP | 25 GC | 30 GC | 50 GC | 60 GC | 90 GCP | - N
A.15 MinimumActualTime2 1 16 | 10 10 UP | 16 16 UI | 32 30 UI | 50 50 U | 64 64 UI | 80 80 UP | - N
A.15 MinimumActualTime2 2 16 | 2 10 UP | 16 16.087 GI | 32 26.818 UI | 48 40 G | 64 56 UI | 83 70 UP | - N
A.15 MinimumActualTime2 3 16 | 2 10 GP | 16 10 GI | 32 25 GI | 48 40 G | 64 50 GI | 83 70 GP | - N
A.16 MaximumActualTime2 1 16 | 15.999 16 UIP | 30 30 UM | 32 30 UI | 63.999 64 UI | 79.999 80 UI | 90 90 UP | - N
A.16 MaximumActualTime2 2 16 | 15.999 16.087 UIP | 31.999 26.818 GI | 47.999 40 UI | 63.999 56 GI | 72 60 U \
| 90 90 UP | - N
A.16 MaximumActualTime2 3 16 | 2 10 GP | 28 25 G | 39 30 G | 52 50 G | 72 60 G | 90 90 GP | - N
A.18 Count 1 16 | 1 GCP | 2 GC | - BC | 2 GC | 0 UC | 2 GCP | - N
A.18 Count 2 16 | 1 GCP | 2 GC | 1 UC | 2 GC | 1 UC | 3 GCP | - N
A.20 DurationInStateZero 4 16 | 0 UCP | 3000 GC | 0 UC | 12000 GC | 13000 UC | 4000 UCP | - N
A.21 DurationInStateNonZero 4 16 | 14000 UCP | 13000 GC | 10000 UC | 4000 GC | 0 UC | 3001 UCP | - N
A.25 StartBound 1 16 | - NP | 16 GI | 30 UI | - N | 64 UI | 80 GP | - N
A.25 StartBound 2 16 | - NP | 16.087 GI | 26.818 GI | 40 G | 56 GI | - NP | - N
A.25 StartBound 3 16 | - NP | 10 GI | 25 GI | 40 G | 50 GI | - NP | - N
A.29 DurationGood 1 16 | 6000 GCP | 16000 GC | 0 GC | 14000 GC | 0 GC | 10001 GCP | - N
A.29 DurationGood 2 16 | 14000 GCP | 16000 GC | 10000 GC | 16000 GC | 13000 GC | 7001 GCP | - N
A.29 DurationGood 3 16 | 14000 GCP | 16000 GC | 10000 GC | 16000 GC | 13000 GC | 7001 GCP | - N
A.36 VarianceSample 1 20 | 0 GCP | 50 GC | 0 UC | 0 UC | 50 GCP
A.36 VarianceSample 2 20 | 0 GCP | 25 GC | 50 UC | 0 UC | 100 GCP
A.36 VarianceSample 3 20 | 0 GCP | 25 GC | 50 UC | 0 UC | 100 GCP
"""


def _examples() -> Iterator[Example]:
    for line in _TABLES.strip().splitlines():
        head, *cells = line.split("|")
        clause, name, historian, step_s = head.split()
        lines = tuple(_expected(cell) for cell in cells)
        yield Example(clause, Aggregate(name), int(historian), int(step_s), lines)


def series_of(points: Sequence[Point]) -> Series:
    """Give points as the historian's columns."""
    return Series(
        np.array([point.time_ns for point in points], np.int64),
        np.array([point.status for point in points], np.uint32),
        np.array([math.nan if point.value is None else point.value for point in points], np.float64),
    )


EXAMPLES = tuple(_examples())
TOLERANCE = 1.01
"""The examples count in ms, we in ns: durations and times of an end may differ by one unit of theirs."""
