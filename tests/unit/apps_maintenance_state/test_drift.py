"""A model whose healthy rows no longer describe the machine says so: a season that comes slowly, and what is none."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
from numpy.typing import NDArray

from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows
from penstock.apps.maintenance.state.drift import (
    LEVELS,
    ROWS_MIN,
    Drift,
    Expected,
    Standing,
    expected_of,
    standing_of,
)
from penstock.apps.maintenance.state.fitting import _fit

NAMES = ["ch00", "ch01", "ch02"]
HEALTHY, DAY_ROWS = 4000, 400


def machine(rows: int, *, season: float = 0.0, seed: int = 1) -> Rows:
    """Give a machine with a daily cycle whose first channel warms up by `season` of its spreads to the end."""
    random = np.random.default_rng(seed)
    n = np.arange(rows)
    cycle = np.sin(2 * np.pi * n / DAY_ROWS)
    values = np.stack([20 + 2 * cycle, 5 - cycle, 0 * cycle], axis=1) + random.normal(size=(rows, 3))
    values[:, 0] += season * n / rows
    return Rows(n * 10**9, values)


FITTED = _fit(machine(HEALTHY), None, NAMES, source="ast_1")


def followed(rows: Rows) -> tuple[Drift, list[tuple[int, Standing]], NDArray[np.bool_]]:
    """Judge rows; give the drift, at which row it was said how it stands, and where an alarm stood."""
    model, expected = FITTED
    assert expected is not None
    judged, drift, said = Detector(model).on_rows(rows.times_ns, rows.values), Drift.of(expected), []
    for i, score in enumerate(judged.scores.tolist()):
        if drift.on_score(int(rows.times_ns[i]) + 1, score, alarmed=bool(judged.active[i])):
            said.append((i, drift.standing))
    return drift, said, judged.active


def test_a_season_that_comes_slowly_advises_a_new_fit_before_it_is_an_alarm() -> None:
    drift, said, active = followed(machine(16_000, season=3.0, seed=2))
    first = {standing: next(row for row, said_then in said if said_then is standing) for _, standing in said}
    assert said[0][1] in (Standing.OK, Standing.UNKNOWN)
    assert first[Standing.WATCH] < first[Standing.REFIT] < int(np.flatnonzero(active)[0])
    assert said[-1][1] is drift.standing is Standing.REFIT


@pytest.mark.parametrize("seed", range(3, 9))
def test_a_machine_as_when_healthy_stays_ok(seed: int) -> None:
    drift, said, _ = followed(machine(16_000, seed=seed))
    assert drift.standing is Standing.OK
    assert Standing.REFIT not in {standing for _, standing in said}


def test_rows_that_score_lower_are_described_well() -> None:
    rows = machine(6000, seed=2)
    still = Rows(rows.times_ns, rows.values * [0, 0, 0] + rows.values.mean(axis=0))
    drift, _, _ = followed(still)
    assert drift.psi == 0.0
    assert drift.standing is Standing.OK


def known(edges: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0), rows: int = 100_000, half_rows: int = 1000) -> Expected:
    return Expected(edges, rows, 1.0, half_rows)


def filled(shares: list[float], rows: int = 2000) -> Drift:
    drift = Drift.of(known(half_rows=100_000))
    for i, score in enumerate(np.random.default_rng(1).choice([0.5, 1.5, 2.5, 3.5, 4.5], rows, p=shares).tolist()):
        drift.on_score(i + 1, score, alarmed=False)
    return drift


def test_the_index_is_that_of_the_share_above_a_quantile() -> None:
    as_expected = [0.5, 0.25, 0.15, 0.07, 0.03]
    assert (filled(as_expected).psi or 0.0) < 0.02
    a, e = 0.4, 0.1
    wanted = (a - e) * np.log(a / e) + (e - a) * np.log((1 - a) / (1 - e))
    assert filled([0.3, 0.2, 0.1, 0.36, 0.04], 20_000).psi == pytest.approx(wanted, rel=0.06)


def test_rows_of_an_alarm_and_rows_seen_before_do_not_count() -> None:
    drift = Drift.of(known())
    for i in range(500):
        drift.on_score(i + 1, 9.0, alarmed=True)
    counted = [drift.rows]
    for i in range(500 + ROWS_MIN):
        drift.on_score(i + 1, 9.0, alarmed=False)
        counted.append(drift.rows)
    assert counted[500] == 0
    assert (drift.rows, drift.standing) == (ROWS_MIN, Standing.REFIT)
    assert not drift.on_score(10_000, float("nan"), alarmed=False)


def test_nothing_is_said_of_few_rows() -> None:
    assert filled([0.2, 0.2, 0.2, 0.2, 0.2], ROWS_MIN - 1).psi is None
    assert filled([0.2, 0.2, 0.2, 0.2, 0.2], ROWS_MIN).psi is not None


def test_what_chance_alone_may_give_is_no_change() -> None:
    assert standing_of(None, 0.0) is Standing.UNKNOWN
    assert standing_of(0.05, 0.01) is Standing.OK
    assert standing_of(0.2, 0.01) is Standing.WATCH
    assert standing_of(0.2, 0.22) is Standing.OK
    assert standing_of(0.2, 0.5) is Standing.UNKNOWN
    assert standing_of(0.4, 0.5) is Standing.UNKNOWN
    assert standing_of(0.3, 0.1) is Standing.REFIT


def test_the_past_fades_so_a_drift_that_ends_is_forgotten() -> None:
    drift = Drift.of(known(half_rows=300))
    for i in range(3000):
        drift.on_score(i + 1, 9.0, alarmed=False)
    before = drift.standing
    for i, score in enumerate(
        np.random.default_rng(1).choice([0.5, 1.5, 2.5, 3.5, 4.5], 3000, p=[0.5, 0.25, 0.15, 0.07, 0.03])
    ):
        drift.on_score(4000 + i, float(score), alarmed=False)
    assert (before, drift.standing) == (Standing.REFIT, Standing.OK)


def test_its_state_survives_as_json_and_belongs_to_one_model() -> None:
    drift = filled([0.2, 0.2, 0.2, 0.2, 0.2])
    again, other = Drift.of(drift.expected), Drift.of(known((1.0, 2.0, 3.0, 5.0)))
    again.restore(drift.to_json())
    other.restore(drift.to_json())
    assert again.psi == drift.psi
    assert other.psi is None
    assert Expected.of_json(asdict(drift.expected)) == drift.expected
    assert Expected.of_json(None) is None


def test_expectations_need_rows_and_are_quantiles_of_them() -> None:
    assert expected_of(np.arange(ROWS_MIN - 1.0), 500) is None
    scores = np.random.default_rng(1).permutation(np.arange(1000.0))
    expected = expected_of(scores, 500)
    assert expected is not None
    assert expected.edges == pytest.approx([1000 * level for level in LEVELS], abs=2)
    assert (expected.rows, expected.half_rows) == (1000, 500)
    assert expected.worth == pytest.approx(1.0, abs=0.1)
