"""Versions compared on the same rows, and scores as the lab wrote them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.state.artefacts import Artefact
from penstock.apps.maintenance.state.compare import SETTLE_ROWS, compared, known_to
from penstock.apps.maintenance.state.healthy import Healthy
from penstock.apps.maintenance.state.scores import SHIPPED, ScoresError, read_public, read_truth

SECOND, HEALTHY, ALL = 10**9, 1000, 4000
CHANGED, FAULT = range(1500, 1700), range(3000, 3200)


def recorded() -> Rows:
    """Rows whose level is another one for a while, which is no fault, and later a fault in the other channel."""
    values = np.random.default_rng(4).normal(size=(ALL, 2))
    values[CHANGED, 0] += 8.0
    values[FAULT, 1] += 8.0
    return Rows(np.arange(ALL) * SECOND, values)


ROWS = recorded()


def version(number: int, *, knows_change: bool) -> Artefact:
    also = ((CHANGED.start * SECOND, CHANGED.stop * SECOND),) if knows_change else ()
    parts = [ROWS.part(600, HEALTHY), ROWS.part(CHANGED.start, CHANGED.stop)][: 2 if knows_change else 1]
    limits = Rows(np.concatenate([p.times_ns for p in parts]), np.concatenate([p.values for p in parts]))
    model = fit(ROWS.part(0, 600), limits, channels=["a", "b"], source="x")
    return Artefact(number, 0, Healthy((0, HEALTHY * SECOND), None, also), SECOND, model)


def test_a_version_is_not_judged_on_rows_that_either_knows() -> None:
    one, other = version(1, knows_change=False), version(2, knows_change=True)
    assert known_to(other) == ((0, HEALTHY * SECOND), (CHANGED.start * SECOND, CHANGED.stop * SECOND))
    first, second = compared(one, other, ROWS, ())
    assert first.rows == second.rows == ALL - HEALTHY - len(CHANGED)
    assert first.watched_ns == pytest.approx(first.rows * SECOND, rel=0.01)


def test_an_alarm_is_false_where_nobody_found_a_fault() -> None:
    one, other = version(1, knows_change=False), version(2, knows_change=False)
    fault = (FAULT.start * SECOND, (FAULT.stop + 60) * SECOND)
    blamed, _ = compared(one, other, ROWS, ())
    cleared, _ = compared(one, other, ROWS, (fault,))
    assert (blamed.false_alarms, blamed.faults) == (2, 0)
    assert (cleared.false_alarms, cleared.faults, cleared.faults_seen) == (1, 1, 1)
    assert cleared.in_alarm < blamed.in_alarm
    assert cleared.rows == blamed.rows - len(FAULT) - 60
    assert cleared.high < blamed.high


def test_the_first_rows_only_set_the_detectors_in_motion() -> None:
    one = version(1, knows_change=False)
    first, _ = compared(one, one, ROWS.part(2000, 2000 + SETTLE_ROWS + 7), ())
    assert first.rows == 7
    none, _ = compared(one, one, ROWS.part(2000, 2010), ())
    assert (none.rows, none.in_alarm, none.high) == (0, 0.0, 0.0)


def test_the_scores_that_ship_can_be_read() -> None:
    found = read_public(SHIPPED)
    assert {each.set for each in found} >= {"tep", "skab", "nab"}
    assert all(each.figures and each.command.startswith("penstock lab") for each in found)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2, "scores": []}', '{"version": 1, "scores": [{}]}'])
def test_a_file_that_is_no_scores_says_so(tmp_path: Path, text: str) -> None:
    place = tmp_path / "scores.json"
    place.write_text(text)
    with pytest.raises(ScoresError, match=r"scores\.json"):
        read_public(place)
    with pytest.raises(ScoresError, match=r"scores\.json"):
        read_truth(place)


def test_a_score_on_truth_is_read_also_where_there_was_nothing_to_count(tmp_path: Path) -> None:
    body = {
        "window": {"start": "2026-11-27T08:00:00Z", "end": "2026-11-28T08:00:00Z"},
        "detection": {"events": 4, "detected": 3, "recall": 0.75, "precision": 1.0, "false_per_asset_month": 0.2},
        "isolation": {"accuracy": 0.5},
        "prognosis": {"coverage": None},
    }
    place = tmp_path / "score.json"
    place.write_text(json.dumps(body))
    score = read_truth(place)
    assert (score.window, score.recall, score.lead_s) == ("2026-11-27 08:00 to 2026-11-28 08:00 UTC", 0.75, None)
    assert (score.parts_right, score.coverage) == (0.5, None)
