"""The window score is 0 for silence, 100 for perfection, and costs what the published definition says."""

import math

import pytest

from penstock.lab.public_scores.windows import normalised, sigmoid, window_score

ROWS = 1000
WINDOWS = [(400, 499), (700, 799)]


def test_silence_is_0_and_perfection_is_100() -> None:
    assert normalised([window_score(ROWS, WINDOWS, [])]) == 0
    assert normalised([window_score(ROWS, WINDOWS, [400, 700])]) == pytest.approx(100)


def test_the_first_detection_in_a_window_counts_by_its_place() -> None:
    early, late = (window_score(ROWS, WINDOWS[:1], [row]).raw for row in (410, 490))
    assert early > late > 0
    assert window_score(ROWS, WINDOWS[:1], [410, 450, 490]).raw == early
    assert late == pytest.approx(sigmoid(-10 / 100) / sigmoid(-1.0))


def test_a_false_detection_costs_by_its_distance_behind_a_window() -> None:
    none = window_score(ROWS, WINDOWS[:1], [])
    cost = {row: window_score(ROWS, WINDOWS[:1], [row]).raw - none.raw for row in (300, 510, 900)}
    assert cost[300] == pytest.approx(-0.11)
    assert cost[510] == pytest.approx(0.11 * (2 / (1 + math.exp(5 * 11 / 99)) - 1))
    assert cost[900] == pytest.approx(-0.11)
    assert -0.11 < cost[510] < 0


def test_the_probation_does_not_count() -> None:
    assert window_score(ROWS, WINDOWS, [149]) == window_score(ROWS, WINDOWS, [])
    assert window_score(ROWS, WINDOWS, [150]).false == 1
    assert window_score(20_000, [], [749, 750]).false == 1


def test_series_without_windows_cost_by_false_detections_only() -> None:
    quiet, loud = window_score(ROWS, [], []), window_score(ROWS, [], [500])
    assert normalised([quiet]) == 0
    assert normalised([window_score(ROWS, WINDOWS, [400, 700]), loud]) == pytest.approx(100 * (4 - 0.11) / 4)
