"""A foreign judge: the aggregates of node-opcua over the same series give the same values and severities.

node-opcua has nine of them. Where it departs from OPC UA Part 13 the comparison is left out, rule by rule, in
`departs`. Historian bits are compared with the standard's tables instead (test_aggregate_annex.py): node-opcua leaves
Calculated out of Bad results and of a Maximum that is not at the start. It does not heed PercentDataGood and
PercentDataBad in Average and Count, so both stay at 100 here.
"""

import json
import random
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from penstock.core import status as codes
from penstock.core.aggregate import Aggregate, AggregateSettings, Point
from penstock.core.windows import Window
from penstock.platform.historian.processed.aggregates import summarise
from tests.builders.edge import node_binary
from tests.builders.part13 import NOON, S, series_of

pytestmark = pytest.mark.integration
A = Aggregate
NAMES = (
    A.INTERPOLATIVE, A.AVERAGE, A.COUNT, A.MINIMUM, A.MAXIMUM,
    A.DURATION_GOOD, A.DURATION_BAD, A.PERCENT_GOOD, A.PERCENT_BAD,
)  # fmt: skip
BY_TIME = (A.DURATION_GOOD, A.DURATION_BAD, A.PERCENT_GOOD, A.PERCENT_BAD)
WORDS = {codes.GOOD: "Good", codes.UNCERTAIN: "Uncertain", codes.BAD: "Bad"}
STEP_S, SPAN_S = 16, 192
WINDOWS = [Window(NOON + s * S, NOON + (s + STEP_S) * S) for s in range(0, SPAN_S, STEP_S)]
MS = 1_000_000
PEER = Path(__file__).parents[2] / "peers" / "node-opcua" / "aggregates.js"


@dataclass(frozen=True, slots=True)
class Question:
    """Hold a series and how it is to be summarised."""

    points: list[Point]
    settings: AggregateSettings

    def line(self) -> str:
        """Write it for the peer."""
        points = [(point.time_ns // MS, point.value, WORDS[point.status]) for point in self.points]
        span = {"start": NOON // MS, "end": NOON // MS + SPAN_S * 1000, "step": STEP_S * 1000}
        chosen = {"stepped": self.settings.stepped, "treat_uncertain_as_bad": self.settings.treat_uncertain_as_bad}
        percents = {"percent_data_good": 100, "percent_data_bad": 100}
        return json.dumps({"points": points, "names": NAMES, **span, **chosen, **percents})

    def inside(self, window: Window) -> list[Point]:
        """Give the samples of a window."""
        return [point for point in self.points if window.start_ns <= point.time_ns < window.end_ns]


def questions(seed: int, statuses: list[int], count: int) -> list[Question]:
    rng = random.Random(seed)
    found = []
    for number in range(48):
        times = sorted(rng.sample(range(0, (SPAN_S + 8) * 1000, 500), count))
        points = [Point(NOON + t * MS, rng.choice(statuses), float(rng.randint(-50, 50))) for t in times]
        found.append(
            Question(points, AggregateSettings(stepped=number % 2 == 0, treat_uncertain_as_bad=number % 4 < 2))
        )
    return found


def departs(question: Question, name: Aggregate, window: Window, start_bound: int) -> str | None:
    """Say in which way node-opcua departs from the standard here, if it does: nothing, its status, or all of it."""
    inside, settings = question.inside(window), question.settings
    if name in (A.MINIMUM, A.MAXIMUM):
        uncertain = any(point.status == codes.UNCERTAIN for point in inside)
        # Uncertain for every Uncertain value, not only for one beyond the extreme (5.4.3.10)
        return "status" if uncertain and not settings.treat_uncertain_as_bad else None
    if name == A.COUNT:
        # Bad_NoData, not zero, for an empty interval (5.4.3.21); Uncertain is never counted as Bad
        return "all" if {point.status for point in inside} <= {codes.UNCERTAIN, codes.BAD} else None
    last_ns = max(point.time_ns for point in question.points if point.time_ns < WINDOWS[-1].end_ns)
    if name == A.INTERPOLATIVE:
        return _departs_interpolating(question, window, last_ns)
    return _departs_by_time(inside, window, last_ns, start_bound) if name in BY_TIME else None


def _departs_interpolating(question: Question, window: Window, last_ns: int) -> str | None:
    uncertain = any(point.status == codes.UNCERTAIN for point in question.points)
    if window.start_ns > last_ns or (question.settings.treat_uncertain_as_bad and uncertain):
        # samples after the span are not seen: it extrapolates; an Uncertain raw value is used although treated as Bad
        return "all"
    newest = next((p for p in reversed(question.points) if p.time_ns <= window.start_ns), None)
    skipped = question.settings.stepped and newest is not None and newest.status == codes.BAD
    return "status" if skipped else None  # a Bad value skipped just before or at the start leaves it Good (3.1.8)


def _departs_by_time(inside: list[Point], window: Window, last_ns: int, start_bound: int) -> str | None:
    if window.end_ns > last_ns:
        return "all"  # samples after the span are not seen: the data seem to end with the last one inside
    if start_bound != 0:
        return "all"  # a first region that is not Good takes part of the next with it
    uncertain = any(point.status == codes.UNCERTAIN for point in inside)
    good = any(point.status == codes.GOOD and point.time_ns > window.start_ns for point in inside)
    # 0, or Bad, without a Good raw value after the start; Uncertain ones lead even below 0
    return "all" if uncertain or not good else None


@pytest.fixture(
    scope="module", params=[(11, [0, 0, 0, codes.UNCERTAIN, codes.BAD], 40), (12, [0, 0, 0, codes.BAD], 60)]
)
def asked(request: pytest.FixtureRequest) -> list[tuple[Question, dict[str, Any]]]:
    every = questions(*request.param)
    lines = "\n".join(question.line() for question in every)
    run = subprocess.run(
        [node_binary(), str(PEER)], input=lines, capture_output=True, text=True, check=True, timeout=120
    )
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    return list(zip(every, answers, strict=True))


def test_node_opcua_computes_the_same(asked: list[tuple[Question, dict[str, Any]]]) -> None:
    compared: Counter[tuple[Aggregate, str]] = Counter()
    for question, answer in asked:
        ours = summarise(series_of(question.points), WINDOWS, [*NAMES, A.START_BOUND], question.settings)
        bounds = ours.columns[A.START_BOUND].status >> 30
        for name in NAMES:
            if isinstance(answer[name], str):
                continue  # node-opcua gives up where no usable value follows: "both dataValues must have …"
            column = ours.columns[name]
            for place, (window, (value, status)) in enumerate(zip(WINDOWS, answer[name], strict=True)):
                departure = departs(question, name, window, int(bounds[place]))
                said = f"{name} in {window} of {question}: {value} {status:#x}, ours {column.value[place]}"
                if departure == "all":
                    continue
                assert bool(column.present[place]) == (value is not None), said
                assert value is None or abs(column.value[place] - value) < 0.01 + 1.01 * ("Duration" in name), said
                compared[name, "value"] += 1
                if departure is None:
                    assert int(column.status[place]) >> 30 == status >> 30, said
                    compared[name, "status"] += 1
    for name in NAMES:
        assert compared[name, "value"] >= 100, compared
        assert compared[name, "status"] >= 100, compared
