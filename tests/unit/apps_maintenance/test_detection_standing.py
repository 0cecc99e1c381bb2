"""When the score of many channels becomes an alarm, when it ends, and when another begins under one that stands."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest

from penstock.apps.maintenance.detection.alarms import Standing
from tests.builders.made_machines import Floats

ONE, OTHER = np.array([0.9, 0.1, 0.0]), np.array([0.0, 0.1, 0.9])


def changes(
    scores: Sequence[float], shares: Sequence[Floats] | None = None, standing: Standing | None = None
) -> list[int]:
    """Give the rows at which the alarm is raised or cleared, in turns."""
    of = standing or Standing(5, 30)
    told = shares or [ONE] * len(scores)
    return [i for i, (score, who) in enumerate(zip(scores, told, strict=True)) if of.on_score(score, who)]


@pytest.mark.parametrize(("score", "row"), [(9.0, 4), (2.0, 4), (1.5, 9), (1.25, 19), (1.01, 33)])
def test_the_nearer_a_score_is_to_the_limit_the_longer_it_must_last(score: float, row: int) -> None:
    assert changes([score] * 150) == pytest.approx([row], abs=1)


def test_what_is_just_above_the_limit_for_some_rows_is_nothing() -> None:
    assert changes(([1.1] * 20 + [0.6] * 40) * 10) == []


def test_a_row_below_the_limit_does_not_undo_what_came_before() -> None:
    assert changes([1.6, 1.6, 1.6, 0.95] * 10) != []


def test_rows_without_a_score_say_nothing() -> None:
    assert changes([2.0, 2.0, 2.0, math.nan, math.nan, 2.0, 2.0]) == [6]


def test_rows_below_the_limit_in_sequence_clear_it() -> None:
    assert changes([3.0] * 10 + [0.5] * 29 + [1.2] + [0.5] * 30) == [4, 69]


def test_another_trouble_under_an_alarm_that_stands_is_an_alarm_of_its_own() -> None:
    scores = [6.0] * 60 + [2.0] * 60 + [5.0] * 60
    assert changes(scores, [ONE] * 120 + [OTHER] * 60) == [4, 129, 130]


def test_the_same_channels_that_rise_again_are_the_same_trouble() -> None:
    assert changes([6.0] * 60 + [2.0] * 60 + [5.0] * 60) == [4]


def test_other_channels_without_a_fall_are_the_same_trouble_as_it_grows() -> None:
    assert changes([3.0] * 60 + [6.0] * 60, [ONE] * 60 + [OTHER] * 60) == [4]


def test_a_score_that_only_falls_is_no_other_trouble_whoever_is_left_in_it() -> None:
    scores = np.linspace(6.0, 1.1, 120).tolist()
    assert changes(scores, [ONE] * 60 + [OTHER] * 60) == [4]


@pytest.mark.parametrize("cut", [2, 30, 100, 125])
def test_the_state_goes_through_json_and_nothing_changes(cut: int) -> None:
    scores, shares = [6.0] * 60 + [2.0] * 60 + [5.0] * 60, [ONE] * 120 + [OTHER] * 60
    before, behind = Standing(5, 30), Standing(5, 30)
    first = changes(scores[:cut], shares[:cut], before)
    behind.restore(json.loads(json.dumps(before.to_json())))
    rest = [cut + i for i in changes(scores[cut:], shares[cut:], behind)]
    assert first + rest == changes(scores, shares)
